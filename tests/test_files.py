"""Planning decides every output before any work starts, and refuses what would lose something."""

from pathlib import Path

import pytest

from driftrec.restoration.files import STREAM, FileJob, JobError, file_jobs


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.JPG", "notes.txt"):
        (folder / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.usefixtures("photos")
def test_a_file_gets_a_png_beside_it() -> None:
    assert file_jobs(["photos/a.jpg"], None) == [FileJob(Path("photos/a.jpg"), Path("photos/a-restored.png"))]


@pytest.mark.usefixtures("photos")
def test_output_is_a_file_for_one_and_a_folder_otherwise() -> None:
    assert file_jobs(["photos/a.jpg"], Path("out.webp"))[0].target == Path("out.webp")
    assert file_jobs(["photos/a.jpg"], Path("out"))[0].target == Path("out/a.png")
    assert file_jobs(["photos/a.jpg"], Path("photos"))[0].target == Path("photos/a.png")
    targets = [job.target for job in file_jobs(["photos/a.jpg", "photos/b.JPG"], Path("out.d"))]
    assert targets == [Path("out.d/a.png"), Path("out.d/b.png")]


def test_folders_and_patterns_find_pictures_once(photos: Path) -> None:
    jobs = file_jobs(["photos"], None)
    assert [job.source.name for job in jobs] == ["a.jpg", "b.JPG"]
    assert jobs[0].target == Path("photos-restored/a.png")
    assert file_jobs([str(photos)], None)[0].target == photos.parent / "photos-restored/a.png"
    assert [j.source.name for j in file_jobs(["photos/*.jpg", "photos/a.jpg"], Path("out"))] == ["a.jpg"]


def test_nothing_is_lost(photos: Path) -> None:
    (photos / "a.png").write_bytes(b"x")
    with pytest.raises(JobError, match="would both become"):
        file_jobs(["photos/a.jpg", "photos/a.png"], Path("out"))
    with pytest.raises(JobError, match="also an input"):
        file_jobs(["photos/a.png"], Path("photos"))
    with pytest.raises(JobError, match="--overwrite"):
        file_jobs(["photos/a.jpg"], Path("photos"))
    assert file_jobs(["photos/a.jpg"], Path("photos"), existing="replace")[0].target == Path("photos/a.png")


@pytest.mark.usefixtures("photos")
def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(JobError, match=r"missing\.jpg does not exist"):
        file_jobs(["missing.jpg"], None)
    Path("empty").mkdir()
    with pytest.raises(JobError, match="holds no pictures"):
        file_jobs(["empty"], None)
    with pytest.raises(JobError, match="choose another output"):
        file_jobs(["photos/a.jpg"], Path("photos/b.JPG/x.png"))


def test_folders_are_searched_with_their_subfolders_which_results_keep(photos: Path) -> None:
    for place in ("trip/day 1/c.jpg", "trip/.thumbnails/c.jpg", "trip/.hidden.jpg"):
        (photos / place).parent.mkdir(parents=True, exist_ok=True)
        (photos / place).write_bytes(b"x")
    targets = [str(job.target) for job in file_jobs(["photos"], Path("out"), suffix=".webp")]
    assert targets == ["out/a.webp", "out/b.webp", "out/trip/day 1/c.webp"]
    assert file_jobs(["photos"], None)[2].target == Path("photos-restored/trip/day 1/c.png")


def test_circles_of_links_and_dead_links_are_no_pictures(photos: Path) -> None:
    (photos / "again").symlink_to(photos, target_is_directory=True)
    (photos / "dead.jpg").symlink_to(photos / "nowhere.jpg")
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    assert [job.source.name for job in file_jobs(["photos"], Path("out"))] == ["a.jpg", "b.JPG"]
    with pytest.raises(JobError, match=r"loop\.jpg does not exist"):
        file_jobs(["photos/loop.jpg"], Path("out"))


def test_results_inside_the_folder_are_not_restored_again(photos: Path) -> None:
    (photos / "out").mkdir()
    (photos / "out/a.png").write_bytes(b"x")
    jobs = file_jobs(["photos"], Path("photos/out"), existing="skip")
    assert [(job.source.name, job.done) for job in jobs] == [("a.jpg", True), ("b.JPG", False)]


def test_results_that_exist_may_be_skipped_when_all_of_them_are_there(photos: Path) -> None:
    (photos / "a-restored.png").write_bytes(b"x")
    (job,) = file_jobs(["photos/a.jpg"], None, existing="skip")
    assert job.done
    (job,) = file_jobs(["photos/a.jpg"], None, existing="skip", besides=[".html"])
    assert not job.done


def test_clashes_in_one_folder_are_refused_and_in_two_are_none(photos: Path) -> None:
    (photos / "sub").mkdir()
    (photos / "sub/a.jpg").write_bytes(b"x")
    assert len({job.target for job in file_jobs(["photos"], Path("out"))}) == 3
    (photos / "sub/a.png").write_bytes(b"x")
    with pytest.raises(JobError, match=r"sub/a\.jpg and photos/sub/a\.png would both become"):
        file_jobs(["photos"], Path("out"))


@pytest.mark.usefixtures("photos")
def test_no_output_is_an_input_or_another_output() -> None:
    with pytest.raises(JobError, match=r"photos/a\.jpg is also an input: choose another output"):
        file_jobs(["photos/a.jpg"], Path("out.png"), others=[Path("photos/a.jpg")])
    with pytest.raises(JobError, match="would both become"):
        file_jobs(["photos/a.jpg"], Path("out.png"), others=[Path("out.png")])
    Path("photos/a-deviation.jpg").write_bytes(b"x")
    with pytest.raises(JobError, match="would both become"):
        file_jobs(["photos/a.jpg", "photos/a-deviation.jpg"], Path("out"), besides=["-deviation.png"])


@pytest.mark.parametrize("name", ["one.png", "one.TIF", "one.gif"])
def test_the_name_of_a_picture_is_no_folder(photos: Path, name: str) -> None:
    for inputs in (["photos/a.jpg", "photos/b.JPG"], ["photos"]):
        with pytest.raises(JobError, match=f"{name} is the name of one picture: give a folder"):
            file_jobs(inputs, Path(name))
    (photos / "existing.png").mkdir()
    assert len(file_jobs(["photos/a.jpg", "photos/b.JPG"], photos / "existing.png")) == 2


def test_results_of_the_current_folder_stay_inside_it(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "sub/deep").mkdir(parents=True)
    (photos / "sub/c.jpg").write_bytes(b"x")
    for place, given in ((photos, "."), (photos, "../photos"), (photos, str(photos)), (photos / "sub", "..")):
        monkeypatch.chdir(place)
        targets = [job.target.resolve().relative_to(photos) for job in file_jobs([given], None)]
        assert targets == [Path("photos-restored") / name for name in ("a.png", "b.png", "sub/c.png")]
    monkeypatch.chdir(photos)
    for given in ("sub", "../photos/sub", "sub/../sub", "sub/deep/.."):
        assert file_jobs([given], None)[0].target.resolve() == photos / "sub-restored/c.png"
    assert str(file_jobs(["."], None)[0].target) == "photos-restored/a.png"
    (photos / "photos-restored").mkdir()
    (photos / "photos-restored/a.png").write_bytes(b"x")
    assert [job.source.name for job in file_jobs(["."], None, existing="skip")] == ["a.jpg", "b.JPG", "c.jpg"]


def test_a_folder_of_results_only_is_said_to_be_one(photos: Path) -> None:
    (photos / "photos-restored").mkdir()
    for name in ("a.jpg", "b.JPG"):
        (photos / name).rename(photos / "photos-restored" / name)
    with pytest.raises(JobError, match="all pictures found are results of earlier runs"):
        file_jobs(["photos"], photos / "photos-restored")


@pytest.mark.usefixtures("photos")
def test_streams_take_one_picture() -> None:
    assert file_jobs(["-"], None) == [FileJob(STREAM, STREAM)]
    assert file_jobs(["-"], Path("out.png")) == [FileJob(STREAM, Path("out.png"))]
    assert file_jobs(["photos/a.jpg"], STREAM) == [FileJob(Path("photos/a.jpg"), STREAM)]
    for inputs, output, sentence in (
        (["-", "photos/a.jpg"], None, "- is standard input: give no other input"),
        (["photos/a.jpg", "photos/b.JPG"], STREAM, "standard output takes one picture only"),
        (["photos"], STREAM, "standard output takes one picture only"),
        (["-"], Path("photos"), "photos is a folder, and the picture of standard input has no name"),
    ):
        with pytest.raises(JobError, match=sentence):
            file_jobs(inputs, output)
    with pytest.raises(JobError, match="standard output takes one picture only"):
        file_jobs(["-"], None, besides=[".html"])
