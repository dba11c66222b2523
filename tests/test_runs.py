"""Runs of restore-archive on one target: claims, dead runs, small archives without Ray, and orderly ends."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from driftrec import Options, Picture, Restored, Restorer
from support import jpeg_file

pytest.importorskip("pyarrow", reason="the extra ray is not installed")

from archives import files, keys, photo, restore_archive, results, s3_store, start, tar, until, write
from driftrec.archive import here, runs, work
from driftrec.archive.places import PARTS, place
from driftrec.archive.runs import Run
from driftrec.archive.sources import ArchivedPicture, pieces
from driftrec.archive.work import ArchiveWorker, CountedAttempts
from driftrec.cli.archive import ERRORS, Summary, _orderly_end

# ------------------------------------------------------------------------------------------------- claims


@pytest.fixture
def two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Run, Run]]:
    """Two living runs on one target, whose workers look at each other's claims often."""
    monkeypatch.setattr(work, "_PAUSE", (0.01, 0.02))
    target = place(str(tmp_path / "out"))
    with Run(target) as one, Run(target) as other:
        one.begin()
        other.begin()
        yield one, other


def die(run: Run) -> None:
    """Lets a run look as if its last sign of life were an hour old."""
    past = time.time() - 3600
    os.utime(run.target.path(f"{run.target.parts}/alive"), (past, past))


def counting_worker(run: Run, calls: list[str], seconds: float = 0.0) -> ArchiveWorker:
    """A worker that notes every picture that it restores, and takes so long for it."""
    made = ArchiveWorker(place("nowhere"), run.claims, Options(threads=1), ".png", CountedAttempts())

    def restore(picture: Picture) -> Restored:
        calls.append(picture.name)
        time.sleep(seconds)
        return Restored(picture, "faithful", 0.0, 1)

    made.restorer = SimpleNamespace(restore=restore, options=made.restorer.options)  # pyright: ignore[reportAttributeAccessIssue]
    return made


def item(name: str) -> ArchivedPicture:
    return ArchivedPicture(f"{name}.jpg", name, photo(side=8))


def test_two_runs_on_one_target_share_the_work(tmp_path: Path, two_runs: tuple[Run, Run]) -> None:
    names = [f"{i:02}" for i in range(12)]
    calls: list[str] = []
    workers = [counting_worker(run, calls, 0.02) for run in two_runs]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda worker: list(worker.restore(map(item, names))), workers)
    assert sorted(calls) == [f"nowhere/{name}.jpg" for name in names]  # nothing twice
    for outcomes in (first, second):
        assert sorted(o["input"] for o in outcomes) == sorted(calls)
        assert any(o["status"] == "restored" for o in outcomes)
    assert Counter(o["status"] for o in first + second) == {"restored": 12, "skipped": 12}
    assert results(tmp_path / "out") == [f"{name}.png" for name in names]


def test_a_run_does_the_rest_before_it_waits_for_another(two_runs: tuple[Run, Run]) -> None:
    one, other = two_runs
    assert other.claims.take("a.png")
    calls: list[str] = []
    outcomes = counting_worker(one, calls).restore([item("a"), item("b")])
    assert next(outcomes)["input"] == "nowhere/b.jpg"

    def finish() -> None:
        other.target.write("a.png", b"theirs")
        other.claims.release("a.png")

    timer = threading.Timer(0.1, finish)
    timer.start()
    assert [(o["input"], o["status"]) for o in outcomes] == [("nowhere/a.jpg", "skipped")]
    assert calls == ["nowhere/b.jpg"]
    timer.join()


def test_claims_of_a_dead_run_are_taken_over(two_runs: tuple[Run, Run]) -> None:
    one, dead = two_runs
    assert dead.claims.take("a.png")
    assert not one.claims.take("a.png")
    die(dead)
    (outcome,) = counting_worker(one, []).restore([item("a")])
    assert outcome["status"] == "restored"


def test_a_claim_ends_with_the_work_even_if_it_fails(two_runs: tuple[Run, Run]) -> None:
    one, other = two_runs
    (outcome,) = counting_worker(one, []).restore([ArchivedPicture("a.jpg", "a", b"rubbish")])
    assert outcome["status"] == "failed"
    assert other.claims.take("a.png")


def test_at_most_one_of_many_workers_holds_a_claim(tmp_path: Path) -> None:
    target, holders, seen = place(str(tmp_path / "out")), [], []

    def hammer(run: Run) -> None:
        for _ in range(25):
            if run.claims.take("a.png"):
                holders.append(run)
                seen.append(len(holders))
                holders.remove(run)
                run.claims.release("a.png")

    with contextlib.ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        made = [stack.enter_context(Run(target)) for _ in range(4)]
        for run in made:
            run.begin()
        list(pool.map(hammer, made))
    assert set(seen) == {1}
    assert files(tmp_path / "out") == []


def test_the_end_of_a_run_leaves_the_files_of_living_runs_alone(tmp_path: Path, two_runs: tuple[Run, Run]) -> None:
    one, other = two_runs
    half_written = f"{other.target.parts}/half"
    other.target.put(half_written, b"half")
    with Run(place(str(tmp_path / "out"))) as third:
        third.begin()
        third.target.put(f"{third.target.parts}/left", b"")
    assert other.target.read(half_written) == b"half"
    assert len(list((tmp_path / "out" / PARTS).iterdir())) == 2
    die(other)  # and cannot clean up by itself
    with Run(place(str(tmp_path / "out"))) as fourth:
        fourth.begin()
        assert not other.target.has(half_written)
        assert one.target.has(f"{one.target.parts}/alive")


def test_a_run_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "BEAT", 0.05)
    target = place(str(tmp_path / "out"))
    with Run(target) as one, Run(target) as other:
        other.begin()
        one.begin()
        die(one)
        assert not other.claims.lives(one.claims.run)
        end = time.monotonic() + 10
        while not other.claims.lives(one.claims.run):
            assert time.monotonic() < end
            time.sleep(0.01)
    assert not (tmp_path / "out" / PARTS).exists()


def test_claims_hold_in_object_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_store() as store:
        target = place(store("claimed"))
        with Run(target) as one, Run(target) as other:
            one.begin()
            other.begin()
            assert one.claims.take("a.png")
            assert not other.claims.take("a.png")
            one.claims.release("a.png")
            assert other.claims.take("a.png")
            assert not one.claims.take("a.png")
            monkeypatch.setattr(runs, "LEASE", -100.0)  # all other runs count as dead
            assert one.claims.take("a.png")
        assert keys(target) == []
        assert target.kind(PARTS).name == "NotFound"


def test_runs_at_the_same_time_keep_each_others_errors(tmp_path: Path) -> None:
    def summary(*failed: str) -> Summary:
        made = Summary(lambda _: None, place(str(tmp_path)))
        made.take({"input": name, "status": "failed", "error": "is bad", "pixels": 0} for name in failed)
        return made

    def table() -> list[str]:
        return [json.loads(line)["file"] for line in (tmp_path / ERRORS).read_text("utf-8").splitlines()]

    summary("old").close()
    one, other, third = summary("a", "both"), summary("both", "b"), summary()
    one.close()
    assert table() == ["a", "both"]  # the table of an earlier run is replaced
    other.close()
    third.close()
    assert table() == ["a", "both", "b"]
    summary().close()
    assert not (tmp_path / ERRORS).exists()


# ------------------------------------------------------------------------------------------------- without Ray


def test_the_page_on_archives_states_these_limits() -> None:
    page = " ".join((Path(__file__).parents[1] / "docs/use/scale.md").read_text("utf-8").split())
    assert f"at most {here.MOST_PICTURES} pictures" in page
    assert f"at most {here.MOST_WORK / 1e6:.0f} million" in page
    assert f"no sign of life for {runs.LEASE:.0f} seconds" in page


def small(folder: Path, **options: object) -> bool:
    source = place(str(folder))
    return here.is_small(source, pieces(source), Options().changed(**options))


def test_an_archive_is_small_if_its_pictures_need_little_work(tmp_path: Path) -> None:
    data = jpeg_file(np.zeros((256, 256), np.uint8))
    for i in range(3):
        write(tmp_path / f"{i}.jpg", data)
    write(tmp_path / "bad.jpg", b"rubbish")
    tar(tmp_path / "shard.tar", {"0.jpg": data})
    evaluations = int(here.MOST_WORK / (4 * 256**2))
    assert small(tmp_path)
    assert small(tmp_path, steps=evaluations)
    assert not small(tmp_path, steps=evaluations + 1)
    assert not small(tmp_path, steps=evaluations // 2, samples=3)


def test_small_files_with_many_pixels_are_not_little_work(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", jpeg_file(np.zeros((5000, 6000), np.uint8), quality=1))
    assert not small(tmp_path, mode="faithful")


def test_many_pictures_are_not_looked_at(tmp_path: Path) -> None:
    for i in range(here.MOST_PICTURES + 1):
        write(tmp_path / f"{i}.jpg", b"")
    assert not small(tmp_path)
    (tmp_path / "0.jpg").unlink()
    assert small(tmp_path)


def test_a_small_archive_is_restored_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jpg", "sub/b.jpg"):
        write(tmp_path / "in" / name, photo())
    write(tmp_path / "in/bad.jpg", b"rubbish")
    monkeypatch.setitem(sys.modules, "driftrec.archive.pipeline", None)  # so that it cannot be imported
    call = (tmp_path / "in", tmp_path / "out", "--threads", 1, "--report", tmp_path / "report.jsonl")
    code, output = restore_archive(*call)
    assert (code, "2 restored, 0 skipped, 1 failed" in output) == (1, True), output
    assert files(tmp_path / "out") == ["a.png", "errors.jsonl", "sub/b.png"]
    assert not (tmp_path / "out" / PARTS).exists()
    Restorer(threads=1).restore(tmp_path / "in/a.jpg").save(tmp_path / "expected.png")
    assert (tmp_path / "out/a.png").read_bytes() == (tmp_path / "expected.png").read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text("utf-8").splitlines()]
    assert Counter(line["status"] for line in lines) == {"restored": 2, "failed": 1}
    for asked in (("--actors", 1), ("--gpus", 1), ("--address", "auto")):  # these need Ray
        code, output = restore_archive(*call, *asked)
        assert (code, "driftrec.archive.pipeline" in output) == (1, True), output


# ------------------------------------------------------------------------------------------------- orderly ends


def check_end(process: subprocess.Popen[str], number: signal.Signals, folder: Path) -> None:
    """Stops a run that has results; what it has done is counted, reported and whole, and nothing else is left."""
    out = folder / "out"
    until(lambda: len(list(out.rglob("*.png"))) >= 2, process)
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    made = [name for name in files(out) if name.endswith(".png")]
    assert process.returncode == 128 + number, output
    assert f"stopped after {len(made)} pictures: run the same command again to resume" in output
    assert "Traceback" not in output
    assert (files(out), (out / PARTS).exists()) == (made, False)
    lines = [json.loads(line) for line in (folder / "report.jsonl").read_text("utf-8").splitlines()]
    assert sorted(Path(line["output"]).name for line in lines) == made
    for name in made:
        with Image.open(out / name) as image:
            assert np.asarray(image).shape == (64, 64, 3)


def begin(folder: Path, *options: object) -> subprocess.Popen[str]:
    for i in range(16):
        write(folder / f"in/{i:02}.jpg", photo(i))
    return start(folder / "in", folder / "out", "--steps", 150, "--report", folder / "report.jsonl", *options)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_in_one_process_ends_in_order(tmp_path: Path, number: signal.Signals) -> None:
    check_end(begin(tmp_path, "--threads", 1), number, tmp_path)


def test_a_closed_terminal_ends_a_run_unless_that_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup themselves
    try:
        with _orderly_end(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        with _orderly_end():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def descendants(process: int) -> set[int]:
    """The numbers of a process and of all that it started, directly or not."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening_addresses(processes: set[int]) -> set[str]:
    """The addresses, in the kernel's hexadecimal notation, on which the processes accept TCP connections."""
    sockets = set()
    for number in processes:
        with contextlib.suppress(OSError):
            sockets |= {str(file.readlink()) for file in Path(f"/proc/{number}/fd").iterdir()}
    rows = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux says who listens where")
def test_ray_on_this_machine_cannot_be_reached_from_others_and_ends_in_order(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    run = begin(tmp_path, "--actors", 1)
    until(lambda: bool(list((tmp_path / "out").rglob("*.png"))), run)
    addresses = listening_addresses(descendants(run.pid))
    assert addresses
    assert addresses <= LOOPBACK
    check_end(run, signal.SIGTERM, tmp_path)
