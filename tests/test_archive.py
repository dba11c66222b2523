"""Archives: what they hold, results that are whole, and runs that lose machines, drivers and pictures."""

import io
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftrec import Options, Picture, Restorer
from driftrec.extras import how_to_add

pytest.importorskip("ray", reason="the extra ray is not installed")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from ray.cluster_utils import Cluster  # noqa: E402

from archives import files, keys, photo, restore_archive, results, s3_store, start, tar, until, write  # noqa: E402
from driftrec.archive.places import place  # noqa: E402
from driftrec.archive.runs import Run  # noqa: E402
from driftrec.archive.sources import ArchivedPicture, chunks, pieces, read  # noqa: E402
from driftrec.archive.work import MOST_ATTEMPTS, ArchiveWorker, CountedAttempts  # noqa: E402


def items_of(folder: Path) -> list[ArchivedPicture]:
    source = place(str(folder))
    return [item for piece in pieces(source) for item in read(source, piece)]


# ------------------------------------------------------------------------------------------------- sources


def test_folders_are_walked_as_restore_walks_them(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.jpg", "notes.txt", "trip/day 1/c.png", ".hidden.jpg", "trip/.thumbs/d.jpg", "out/e.png"):
        write(tmp_path / name, b"x")
    source = place(str(tmp_path))
    found = pieces(source, leave=source.path("out"))
    assert [(piece.names, piece.count) for piece in found] == [(("a.jpg", "b.JPG"), 2), (("trip/day 1/c.png",), 1)]
    assert [(i.target, i.data) for piece in found for i in read(source, piece)] == [
        ("a", None),
        ("b", None),
        ("trip/day 1/c", None),
    ]


def test_two_names_of_one_result_are_seen_even_at_the_border_of_a_piece(tmp_path: Path) -> None:
    for i in range(300):
        write(tmp_path / f"{i:03}.jpg", b"x")
        write(tmp_path / f"{i:03}.png", b"x")
    found = items_of(tmp_path)
    assert len(found) == 600
    assert [i.name for i in found if not i.problem] == [f"{i:03}.jpg" for i in range(300)]
    assert found[-1].problem == "299.jpg and 299.png would both become 299: rename one of them"


def test_a_tar_becomes_a_folder_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    members = {"0.jpg": b"zero", "0.json": b"{}", "./sub/1.jpg": b"one", "._0.jpg": b"", "../2.jpg": b"", "0.png": b""}
    write(tmp_path / "train/x", b"")
    tar(tmp_path / "train/000.tar", members)
    first, second, outside, again = items_of(tmp_path)
    assert (first.name, first.target, first.data) == ("train/000.tar/0.jpg", "train/000/0", b"zero")
    assert (second.name, second.target, second.data) == ("train/000.tar/sub/1.jpg", "train/000/sub/1", b"one")
    assert "points outside its shard" in outside.problem
    assert "would both become 0" in again.problem
    assert [i.target for i in items_of(tmp_path / "train/000.tar")][:2] == ["0", "sub/1"]


@pytest.mark.parametrize("damage", ["cut", "overwritten", "rubbish"])
def test_damage_of_a_tar_is_said_and_what_is_before_it_restored(tmp_path: Path, damage: str) -> None:
    tar(tmp_path / "a.tar", {f"{i}.jpg": bytes(3000) for i in range(6)})
    data = (tmp_path / "a.tar").read_bytes()
    block = 512 * 7  # a header and its 3000 bytes
    changed = {
        "cut": data[: 3 * block + 700],
        "overwritten": data[: 3 * block] + b"?" * block + data[4 * block :],
        "rubbish": b"?" * 5000,
    }
    write(tmp_path / "a.tar", changed[damage])
    *whole, last = items_of(tmp_path)
    assert [i.name for i in whole] == [f"a.tar/{i}.jpg" for i in range(0 if damage == "rubbish" else 3)]
    assert "a.tar is damaged or cannot be read" in last.problem


def test_parquet_is_read_by_row_groups_and_rows_are_numbered(tmp_path: Path) -> None:
    plain = pa.table({"caption": [b"no"] * 5, "jpg": [b"%d" % i for i in range(5)]})
    pq.write_table(plain, tmp_path / "plain.parquet", row_group_size=2)
    hub = pa.table({"image": [{"bytes": b"x", "path": "p.jpg"}, {"bytes": None, "path": None}], "label": [1, 2]})
    pq.write_table(hub, tmp_path / "hub.parquet")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "none.parquet")
    write(tmp_path / "cut.parquet", b"PAR1")
    source = place(str(tmp_path))
    assert [(p.names[0], p.count, p.first) for p in pieces(source) if p.names[0] == "plain.parquet"] == [
        ("plain.parquet", 2, 0),
        ("plain.parquet", 2, 2),
        ("plain.parquet", 1, 4),
    ]
    found = {item.name: item for item in items_of(tmp_path)}
    assert [found[f"plain.parquet/{i:08}"].data for i in range(5)] == [b"%d" % i for i in range(5)]
    assert found["plain.parquet/00000004"].target == "plain/00000004"
    assert (found["hub.parquet/00000000"].data, found["hub.parquet/00000000"].target) == (b"x", "hub/00000000")
    assert "holds no bytes" in found["hub.parquet/00000001"].problem
    assert "no column clearly holds pictures" in found["none.parquet"].problem
    assert "cut.parquet is damaged or cannot be read" in found["cut.parquet"].problem


def test_chunks_are_few_pictures_and_few_bytes() -> None:
    small = [ArchivedPicture(str(i), str(i)) for i in range(10)]
    assert [len(chunk) for chunk in chunks(small, 4)] == [4, 4, 2]
    large = [ArchivedPicture(str(i), str(i), bytes(9_000_000)) for i in range(3)]
    assert [len(chunk) for chunk in chunks(large, 4)] == [2, 1]


# ------------------------------------------------------------------------------------------------- places


def test_files_are_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = place(str(tmp_path / "out"))
    target.write("a/b.png", b"one")
    target.write("a/b.png", b"two")
    assert (target.read("a/b.png"), target.has("a/b.png"), target.has("a")) == (b"two", True, False)
    monkeypatch.setattr(os, "fsync", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        target.write("a/b.png", b"three")
    assert target.read("a/b.png") == b"two"
    assert files(tmp_path / "out") == ["a/b.png"]


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nothing://x", "cannot be reached"),
        ("s3://bucket/a?colour=blue", "cannot be understood"),
    ],
)
def test_addresses_that_nobody_knows(address: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        place(address)


def test_passwords_of_addresses_are_not_repeated() -> None:
    assert place("s3://key:secret@bucket/a?region=x").label("b.jpg") == "s3://bucket/a/b.jpg"


# ------------------------------------------------------------------------------------------------- the worker


@pytest.fixture
def worker(tmp_path: Path) -> Callable[..., ArchiveWorker]:
    (tmp_path / "in").mkdir()

    def make(attempts: object = None, suffix: str = ".png", **options: object) -> ArchiveWorker:
        asked = Options(threads=1).changed(**{"mode": "faithful", **options})
        source, claims = place(str(tmp_path / "in")), Run(place(str(tmp_path / "out"))).claims
        counted = attempts or CountedAttempts()
        return ArchiveWorker(source, claims, asked, suffix, counted)  # pyright: ignore[reportArgumentType]

    return make


def test_results_are_those_of_restore_with_all_metadata(tmp_path: Path, worker: Callable[..., ArchiveWorker]) -> None:
    exif = Image.Exif()
    exif[0x8298], exif[0x0112] = "Someone", 6
    data = photo(exif=exif, icc_profile=b"profile" * 30, xmp=b"<x:xmpmeta/>")
    path = write(tmp_path / "in/a.jpg", data)
    restored = Restorer(threads=1).restore(path, mode="faithful")
    for suffix in (".png", ".tiff", ".jpeg"):
        restored.save(tmp_path / f"expected{suffix}")
        (facts,) = worker(suffix=suffix).restore([ArchivedPicture("a.jpg", "sub/a")])
        assert (tmp_path / f"out/sub/a{suffix}").read_bytes() == (tmp_path / f"expected{suffix}").read_bytes()
        assert (facts["status"], facts["pixels"], facts["width"]) == ("restored", 64 * 64, 64)
    with Image.open(tmp_path / "out/sub/a.png") as image:
        assert (image.getexif()[0x8298], image.getexif()[0x0112]) == ("Someone", 1)
        assert image.info["icc_profile"] == b"profile" * 30
    (facts,) = worker(strip=True).restore([ArchivedPicture("a.jpg", "stripped", data)])
    with Image.open(tmp_path / "out/stripped.png") as image:
        assert (len(image.getexif()), "icc_profile" in image.info) == (0, True)


def test_whatever_is_wrong_with_a_picture_is_one_sentence(tmp_path: Path, worker: Callable[..., ArchiveWorker]) -> None:
    write(tmp_path / "in/bad.jpg", b"rubbish")
    broken = worker(max_pixels=5000)
    items = [ArchivedPicture(name, name) for name in ("bad.jpg", "gone.jpg", "large.jpg", "memory.jpg", "strange.jpg")]
    write(tmp_path / "in/large.jpg", photo(side=80))
    honest = broken.restorer.restore

    def restore(picture: Picture) -> object:
        if picture.name.endswith("memory.jpg"):
            raise MemoryError
        if picture.name.endswith("strange.jpg"):
            raise RuntimeError("something\nwith lines")
        return honest(picture)

    broken.restorer.restore = restore  # pyright: ignore[reportAttributeAccessIssue]
    write(tmp_path / "in/memory.jpg", photo())
    write(tmp_path / "in/strange.jpg", photo())
    outcomes = list(broken.restore([*items, ArchivedPicture("x", "x", problem="x is not there")]))
    assert {o["status"] for o in outcomes} == {"failed"}
    sentences = [o["error"] for o in outcomes]
    for sentence, words in zip(
        sentences,
        [
            "is not a picture",
            "gone.jpg",
            "0.0064 megapixels",
            "needs more memory",
            "restored (RuntimeError: something)",
            "x is not",
        ],
        strict=True,
    ):
        assert words in sentence
        assert "\n" not in sentence
    assert results(tmp_path / "out") == []


def test_a_result_that_is_there_stays(tmp_path: Path, worker: Callable[..., ArchiveWorker]) -> None:
    write(tmp_path / "out/a.png", b"mine")
    (facts,) = worker().restore([ArchivedPicture("a.jpg", "a", photo())])
    assert (facts["status"], (tmp_path / "out/a.png").read_bytes()) == ("skipped", b"mine")


def test_a_picture_that_ends_its_workers_is_given_up(worker: Callable[..., ArchiveWorker]) -> None:
    counter = CountedAttempts()
    one = worker(counter)
    label = one.source.label("a.jpg")
    for _ in range(MOST_ATTEMPTS):
        counter.begin(label)
    first, second = one.restore([ArchivedPicture("a.jpg", "a", photo()), ArchivedPicture("b.jpg", "b", photo())])
    assert (first["status"], second["status"]) == ("failed", "restored")
    assert f"a.jpg killed {MOST_ATTEMPTS} workers" in first["error"]
    assert list(counter.begun) == [label]


# ------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["gone", "out"], "gone does not exist"),
        (["empty", "out"], "empty holds no pictures"),
        (["full", "full"], "are the same"),
        (["full", "out", "--mode", "faithful", "--steps", "3"], "takes 1, 2, 4 or 8 steps"),
        (["full", "out", "--model", "gone.onnx"], "there is no model"),
        (["nothing://x", "out"], "cannot be reached"),
        (["full", "out", "--report", "none/report.jsonl"], "No such file"),
        (["full", "out", "--report", "full/a.jpg"], "the report full/a.jpg has the name of a picture or a shard"),
        (["clash", "out"], "would share a folder"),
    ],
)
def test_bad_input_is_one_sentence_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    write(tmp_path / "full/a.jpg", b"x")
    write(tmp_path / "clash/a.tar", b"x")
    write(tmp_path / "clash/a/b.jpg", b"x")
    code, output = restore_archive(*options)
    assert (code, sentence in output) == (1, True), output
    assert not Path("out").exists()


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "driftrec.archive.places", None)
    code, output = restore_archive(tmp_path, "out")
    assert (code, how_to_add("ray") in output) == (1, True)


def test_restoring_single_pictures_needs_none_of_it() -> None:
    script = "import sys, driftrec, driftrec.cli.app; assert not {'ray', 'pyarrow', 'fsspec'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


# ------------------------------------------------------------------------------------------------- on Ray

NODE = {"num_cpus": 1, "object_store_memory": 100_000_000}


@pytest.fixture(scope="module")
def store() -> Iterator[Callable[[str], str]]:
    with s3_store() as address:
        yield address


@pytest.fixture(scope="module")
def cluster(store: Callable[[str], str]) -> Iterator[Cluster]:  # noqa: ARG001 (its workers know the store's keys)
    """A node of one CPU, which notices quickly that others are lost."""
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 5, "health_check_initial_delay_ms": 0}
    cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False, "_system_config": quick})
    yield cluster
    cluster.shutdown()


def settled(folder: Path) -> dict[Path, int]:
    """The results in a folder and when they were written, once nobody adds to them any more."""
    before: dict[Path, int] = {}
    while before != (there := {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}):
        before = there
        time.sleep(2)
    return there


def test_a_killed_driver_starts_again_and_does_nothing_twice(tmp_path: Path, cluster: Cluster) -> None:
    for i in range(24):
        write(tmp_path / f"in/{'sub/' if i % 2 else ''}{i:02}.jpg", photo(i))
    write(tmp_path / "in/bad.jpg", b"rubbish")
    options = ("--steps", 40, "--report", tmp_path / "report.jsonl", "--address", cluster.address)
    call = (tmp_path / "in", tmp_path / "out", *options)
    first = start(*call)
    until(lambda: len(list((tmp_path / "out").rglob("*.png"))) >= 5, first)
    first.kill()
    first.communicate()
    there = settled(tmp_path / "out")  # its workers notice, and end
    assert 5 <= len(there) < 24
    again = start(*call)
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 1, output
    assert f"{24 - len(there)} restored, {len(there)} skipped, 1 failed" in output
    assert "1 of 25 pictures could not be restored" in output
    expected = [f"{'sub/' if i % 2 else ''}{i:02}.png" for i in range(24)]
    assert files(tmp_path / "out") == sorted([*expected, "errors.jsonl"])
    assert {path: path.stat().st_mtime_ns for path in there} == there
    (error,) = [json.loads(line) for line in (tmp_path / "out/errors.jsonl").read_text("utf-8").splitlines()]
    assert error["file"].endswith("bad.jpg")
    assert "is not a picture" in error["sentence"]
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text("utf-8").splitlines()]
    assert Counter(line["status"] for line in lines) == {
        "restored": 24 - len(there),
        "skipped": len(there),
        "failed": 1,
    }


def test_a_machine_is_lost_half_way_and_every_picture_has_one_result(
    tmp_path: Path, store: Callable[[str], str], cluster: Cluster
) -> None:
    source, target = place(store("in")), place(store("out"))
    tar(tmp_path / "0.tar", {f"{i:02}.jpg": photo(i) for i in range(12)} | {"bad.jpg": b"rubbish", "00.txt": b"words"})
    source.write("train/0.tar", (tmp_path / "0.tar").read_bytes())
    table = pa.table({"image": [{"bytes": photo(20 + i), "path": f"{i}.jpg"} for i in range(6)]})
    pq.write_table(table, tmp_path / "p.parquet", row_group_size=3)
    source.write("p.parquet", (tmp_path / "p.parquet").read_bytes())
    for i in range(8):
        source.write(f"loose {i}.jpg", photo(30 + i))
    lost = cluster.add_node(**NODE)
    run = start(store("in"), store("out"), "--address", cluster.address, "--steps", 40)
    until(lambda: len(keys(target)) >= 4, run)
    cluster.remove_node(lost, allow_graceful=False)
    before = len(keys(target))
    output, _ = run.communicate(timeout=300)
    assert before < 20, "the machine was not lost in time"
    assert run.returncode == 1, output
    expected = [f"train/0/{i:02}.png" for i in range(12)] + [f"p/{i:08}.png" for i in range(6)]
    assert keys(target) == sorted([*expected, *(f"loose {i}.png" for i in range(8)), "errors.jsonl"])
    assert json.loads(target.read("errors.jsonl"))["file"] == "s3://archive/in/train/0.tar/bad.jpg"
    for name in expected:
        with Image.open(io.BytesIO(target.read(name))) as image:
            assert np.asarray(image).shape == (64, 64, 3)
    assert "1 of 27 pictures could not be restored: see s3://archive/out/errors.jsonl" in output


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379"])
def test_a_cluster_that_does_not_answer_is_one_sentence(tmp_path: Path, address: str) -> None:
    write(tmp_path / "in/a.jpg", photo())
    code, output = restore_archive(tmp_path / "in", tmp_path / "out", "--address", address)
    assert (code, f"no cluster can be reached at {address}" in output) == (1, True), output
    assert not (tmp_path / "out").exists()


def test_quiet_leaves_the_summary_out(tmp_path: Path) -> None:
    write(tmp_path / "in/a.jpg", photo())
    code, output = restore_archive(tmp_path / "in", tmp_path / "out")
    assert (code, output.startswith("1 restored, 0 skipped, 0 failed in ")) == (0, True)
    assert restore_archive(tmp_path / "in", tmp_path / "out", "--quiet") == (0, "")
    if Path("/dev/full").exists():
        sentence = "driftrec: /dev/full cannot be written (No space left on device) "
        assert restore_archive(tmp_path / "in", tmp_path / "out", "--report", "/dev/full") == (1, sentence)
