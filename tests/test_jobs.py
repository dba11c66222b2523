"""Planning decides every output before any work starts, and refuses what would lose something."""

from pathlib import Path

import pytest

from driftrec.jobs import Job, JobError, plan


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
    assert plan(["photos/a.jpg"], None) == [Job(Path("photos/a.jpg"), Path("photos/a-restored.png"))]


@pytest.mark.usefixtures("photos")
def test_output_is_a_file_for_one_and_a_folder_otherwise() -> None:
    assert plan(["photos/a.jpg"], Path("out.webp"))[0].target == Path("out.webp")
    assert plan(["photos/a.jpg"], Path("out"))[0].target == Path("out/a.png")
    assert plan(["photos/a.jpg"], Path("photos"))[0].target == Path("photos/a.png")
    targets = [job.target for job in plan(["photos/a.jpg", "photos/b.JPG"], Path("out.d"))]
    assert targets == [Path("out.d/a.png"), Path("out.d/b.png")]


def test_folders_and_patterns_find_pictures_once(photos: Path) -> None:
    jobs = plan(["photos"], None)
    assert [job.source.name for job in jobs] == ["a.jpg", "b.JPG"]
    assert jobs[0].target == photos.parent / "photos-restored" / "a.png"
    assert [j.source.name for j in plan(["photos/*.jpg", "photos/a.jpg"], Path("out"))] == ["a.jpg"]


def test_nothing_is_lost(photos: Path) -> None:
    (photos / "a.png").write_bytes(b"x")
    with pytest.raises(JobError, match="would both become"):
        plan(["photos/a.jpg", "photos/a.png"], Path("out"))
    with pytest.raises(JobError, match="also an input"):
        plan(["photos/a.png"], Path("photos"))
    with pytest.raises(JobError, match="--overwrite"):
        plan(["photos/a.jpg"], Path("photos"))
    assert plan(["photos/a.jpg"], Path("photos"), overwrite=True)[0].target == Path("photos/a.png")


@pytest.mark.usefixtures("photos")
def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(JobError, match=r"missing\.jpg does not exist"):
        plan(["missing.jpg"], None)
    Path("empty").mkdir()
    with pytest.raises(JobError, match="holds no pictures"):
        plan(["empty"], None)
    with pytest.raises(JobError, match="choose another output"):
        plan(["photos/a.jpg"], Path("photos/b.JPG/x.png"))
