"""Benchmarks of archives: overhead of Ray, gain of a second machine, and estimates for large archives.

    python benchmarks/archive.py throughput              # tables scale_archive; a few minutes
    python benchmarks/archive.py paper --price 0.05      # table scale_paper, from measurements; instant

`throughput` restores the same pictures with processes of `driftrec restore` and with `driftrec restore-archive`, on
this machine and on simulated clusters of one and two nodes with one CPU each.  Results are stored in docs/measured.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from driftrec.evaluate.machine import processor
from driftrec.evaluate.measurement import Conditions, Fact, Measurement, Measurements, facts
from driftrec.evaluate.tables import keep
from driftrec.model.find import DEFAULT_MODEL

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples/casa-mila.jpg"
DRIFTREC = [sys.executable, "-m", "driftrec"]
MEASURED = ROOT / "docs/measured"
SIDE, TINY = 384, 8000
HANDLED, NAME = "pictures that one driver can dispatch", "driver memory for the name of a loose picture"
GIVEN, RESULT = "bytes of a picture, JPEG", "bytes of its result, PNG"


def main() -> None:
    options = read_options()
    for what in options.what:
        if what == "throughput":
            throughput(options.pictures, options.rounds)
        else:
            paper(options.price)


# ------------------------------------------------------------------------------------------------- measured


@dataclass(frozen=True)
class Run:
    """The cost of a run: wall-clock and processor seconds for each megapixel between the first and the last result,
    child processes included, and `start`, the seconds before the first and after the last result."""

    wall: float
    cores: float
    start: float


class Meter:
    """Measures the processor time of all descendants of this process; on Linux only."""

    def __init__(self) -> None:
        self.taken: dict[int, float] = {}
        self.history: list[tuple[float, float]] = []
        self.over = threading.Event()

    def __enter__(self) -> Self:
        self.begin = time.time()
        self.thread = threading.Thread(target=self.follow)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def follow(self) -> None:
        while not self.over.wait(0.25):
            parents, seconds = {}, {}
            for path in Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
                except (OSError, UnicodeDecodeError):
                    continue  # it has ended meanwhile
                pid = int(path.parent.name)
                parents[pid], seconds[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / 100
            ours = {os.getpid()}
            while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
                ours |= more
            self.taken |= {pid: seconds[pid] for pid in ours - {os.getpid()}}
            self.history.append((time.time(), sum(self.taken.values())))

    def run(self, out: Path, count: int) -> Run:
        """Runs a command; returns its output and its cost."""
        times = sorted(path.stat().st_mtime for path in out.glob("*.png"))
        assert len(times) == count
        first, last = times[0], times[-1]
        moments, taken = zip(*self.history, strict=True)
        cores = float(np.interp(last, moments, taken) - np.interp(first, moments, taken))
        megapixels = (count - 1) * SIDE**2 / 1e6
        return Run((last - first) / megapixels, cores / megapixels, moments[-1] - self.begin - (last - first))


def throughput(count: int, rounds: int) -> None:
    """Measures how fast pictures are restored, and the limits of the driver of an archive."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in"
        pictures(source, count)
        ways: dict[str, Callable[[Path], None]] = {
            "plain": lambda out: plain(source, out),
            "ray": lambda out: by_ray(source, out, "--actors", "2"),
            "one": lambda out: on_cluster(source, out, 1),
            "two": lambda out: on_cluster(source, out, 2),
        }
        runs: dict[str, list[Run]] = {way: [] for way in ways}
        loads: list[float] = []
        for i in range(rounds):
            for way, work in ways.items():  # all ways in every round: the machine has other things to do as well
                loads.append(os.getloadavg()[0])
                out = Path(folder) / f"{way} {i}"
                with Meter() as meter:
                    work(out)
                runs[way].append(meter.run(out, count))
                print(way, runs[way][-1], loads[-1], file=sys.stderr)
        given, result = (
            sum(path.stat().st_size for path in place.iterdir()) / (count * SIDE**2)
            for place in (source, Path(folder) / "plain 0")
        )

    def best(way: str, what: str) -> float:
        return min(getattr(run, what) for run in runs[way])

    others = f"shared with other programs (load {min(loads):.1f} to {max(loads):.1f})"
    conditions = Conditions.now(
        f"{os.cpu_count()} cores of {processor()}, {others}",
        [DEFAULT_MODEL],
        f"{count} crops of a photo, {SIDE}×{SIDE}, JPEGs of quality 15, faithful",
    )
    head = "steady state, from the first result to the last"
    columns = ("throughput", "core time per megapixel", "start-up and shutdown")
    entries = []

    def add(name: str, *cells: tuple[float, str, str]) -> None:
        for column, (value, form, unit) in zip(columns, cells, strict=False):
            entries.append(Measurement({head: name}, column, value, unit, form, conditions))

    for way, name in (
        ("plain", "two processes of `driftrec restore`"),
        ("ray", "`driftrec restore-archive`, two workers"),
        ("one", "cluster with one node of one CPU"),
        ("two", "cluster with two nodes of one CPU"),
    ):
        rate, cores, start = 1 / best(way, "wall"), best(way, "cores"), best(way, "start")
        add(name, (rate, "{:.2f} {unit}", "Mpx/s"), (cores, "{:.2f} {unit}", "s"), (start, "{:.0f} {unit}", "s"))
    for more, fewer, name in (
        ("ray", "plain", "Ray relative to processes"),
        ("two", "one", "two nodes relative to one"),
    ):
        ratios = (best(fewer, "wall") / best(more, "wall"), best(more, "cores") / best(fewer, "cores"))
        add(name, *((ratio, "× {:.2f}", "") for ratio in ratios))
    note = (
        f"Each worker has one thread.  The throughput depends more on the other programs than on driftrec; the core "
        f"time shows what the work itself took.  Best of {rounds} rounds."
    )
    print(keep(MEASURED / "scale_archive.jsonl", entries, note))
    driver: list[Fact] = [
        (HANDLED, handling(), "{:.0f} {unit}", "per second"),
        (NAME, bytes_of_a_name(), "{:.0f} {unit}", "bytes"),
        (GIVEN, given, "{:.2f} {unit}", "per pixel"),
        (RESULT, result, "{:.2f} {unit}", "per pixel"),
    ]
    note = "While the driver is measured, the workers only find that each result exists already."
    print(keep(MEASURED / "scale_archive_facts.jsonl", facts(driver, conditions), note))


def pictures(folder: Path, count: int) -> None:
    """Crops of the photo."""
    folder.mkdir()
    with Image.open(PHOTO) as image:
        photo = image.convert("RGB")
    for i in range(count):
        left, top = (i * 97) % (photo.width - SIDE), (i * 61) % (photo.height - SIDE)
        photo.crop((left, top, left + SIDE, top + SIDE)).save(folder / f"{i:04}.jpg", quality=15)


def plain(source: Path, out: Path) -> None:
    """Runs two processes of `driftrec restore` with half of the pictures each.

    Each process has its own session, as Ray's processes do, because some systems divide the cores between sessions.
    """
    names = sorted(map(str, source.iterdir()))
    call = [*DRIFTREC, "restore", "--mode", "faithful", "--threads", "1", "-o", str(out)]
    halves = [[*call, *names[i::2]] for i in range(2)]
    processes = [subprocess.Popen(half, stdout=subprocess.DEVNULL, start_new_session=True) for half in halves]
    assert all(process.wait() == 0 for process in processes)


def by_ray(source: Path, out: Path, *options: str) -> None:
    call = [*DRIFTREC, "restore-archive", str(source), str(out), "--mode", "faithful", *options]
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)


def on_cluster(source: Path, out: Path, nodes: int) -> None:
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 200_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        by_ray(source, out, "--address", cluster.address)
    finally:
        cluster.shutdown()


def handling() -> float:
    """Pictures per second if all results exist already, so that there is nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        source, out, report = Path(folder) / "in", Path(folder) / "out", Path(folder) / "report.jsonl"
        stream = io.BytesIO()
        Image.new("RGB", (16, 16)).save(stream, "JPEG")
        for place in (source, out):
            place.mkdir()
        for i in range(TINY):
            (source / f"{i:05}.jpg").write_bytes(stream.getvalue())
            (out / f"{i:05}.png").write_bytes(b"there")
        with subprocess.Popen(
            [*DRIFTREC, "restore-archive", str(source), str(out), "--report", str(report)], stdout=subprocess.DEVNULL
        ) as process:
            seen: list[tuple[float, int]] = []
            while process.poll() is None:
                size = report.stat().st_size if report.exists() else 0
                seen.append((time.perf_counter(), size))
                time.sleep(0.02)
        growing = [i for i in range(1, len(seen)) if seen[i][1] > seen[i - 1][1]]
        first, last = growing[0], growing[-1]
        share = 1 - seen[first][1] / seen[last][1]
        return share * TINY / (seen[last][0] - seen[first][0])


def bytes_of_a_name(count: int = 20_000) -> float:
    """Bytes of the driver's memory for each loose picture, including its work packed for Ray."""
    import pickle

    from driftrec.archive.places import place
    from driftrec.archive.sources import pieces

    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            (Path(folder) / f"picture-{i:010}.jpg").touch()
        tracemalloc.start()
        found = pieces(place(folder))
        packed = [pickle.dumps(piece) for piece in found]
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(packed) == len(found)
    return held / count


# ------------------------------------------------------------------------------------------------- on paper

MEGAPIXELS = 2.0
STORAGE_PRICE, PUT_PRICE, GET_PRICE = 0.023, 5e-6, 4e-7  # a GB and month; a request
MACHINE_CORES, LOST_PER_HOUR = 32, 1 / 1000  # machines lost in an hour of work of one of them
CASES = (("10⁶ pictures", 1e6, 64), ("10⁶ pictures, more cores", 1e6, 1024), ("10⁹ pictures", 1e9, 10_240))


@dataclass(frozen=True)
class Measured:
    """The measurements of speed.py and `throughput`, per core and per picture."""

    seconds: dict[str, float]  # of a core, for a megapixel, by mode
    kept: float  # share of it on Ray
    handled: float
    name: float
    given: float
    result: float

    @staticmethod
    def read() -> "Measured":
        speed, archive, driver = (
            Measurements.read(MEASURED / f"{name}.jsonl") for name in ("speed", "scale_archive", "scale_archive_facts")
        )
        size = 24  # megapixels, as the rows are called
        cores = int(speed.entries[0].conditions.machine.split()[0])
        return Measured(
            {mode: speed.value(f"{size}-megapixel photo, {mode}") * cores / size for mode in MODES},
            min(1 / archive.value("Ray relative to processes", "core time per megapixel"), 1),
            *(driver.value(what) for what in (HANDLED, NAME, GIVEN, RESULT)),
        )


MODES = ("faithful", "natural")


def paper(price: float) -> None:
    """Estimates time and cost of large archives."""
    it = Measured.read()
    conditions = Conditions.now("computed from speed and scale_archive", [DEFAULT_MODEL])
    entries = [
        Measurement({"what": what}, name, value, unit, form, conditions)
        for name, count, cores in CASES
        for what, value, form, unit in case(it, count, cores, price)
    ]
    note = (
        f"Measured: {it.seconds['faithful']:.2f} core seconds per megapixel for faithful and "
        f"{it.seconds['natural']:.2f} for natural (24 megapixels, all cores counted); "
        f"speed with Ray × {it.kept:.2f}; {it.handled:.0f} pictures per second and driver; {it.name:.0f} bytes per "
        f"name; {it.given:.2f} and {it.result:.2f} bytes per pixel.  "
        f"Assumed: pictures of {MEGAPIXELS:g} megapixels; $ {price:g} for a core hour, $ {STORAGE_PRICE:g} for a GB "
        f"and month, $ {PUT_PRICE * 1e6:g} for a million writes or listings, $ {GET_PRICE * 1e6:g} for a million "
        f"lookups or reads (each result is looked up and searched for in a listing twice, and written; its claim is "
        f"written, compared with others in a listing, and looked up; each picture is read); "
        f"machines of {MACHINE_CORES} cores, each of which fails once in {1 / LOST_PER_HOUR:,.0f} hours of work."
    )
    print(keep(MEASURED / "scale_paper.jsonl", entries, note))


def case(it: Measured, count: float, cores: int, price: float) -> list[Fact]:
    """The column for a number of pictures on a number of cores."""
    rows: list[Fact] = [("cores", cores, "{:,}", "")]
    pixels = count * MEGAPIXELS * 1e6
    for mode, seconds in it.seconds.items():
        each = MEGAPIXELS * seconds / it.kept
        hours = count * each / 3600
        lost = hours / MACHINE_CORES * LOST_PER_HOUR
        rows += [
            (f"{mode}: core hours", hours, "{:,.0f}", "h"),
            (f"{mode}: time", *duration(hours / cores)),
            (f"{mode}: cost of computing", hours * price, "{unit} {:,.0f}", "$"),
            (f"{mode}: machines that fail", lost, "{:,.1f}", ""),
            (f"{mode}: pictures restored again", lost * MACHINE_CORES, "{:,.0f}", ""),
            (f"{mode}: share of a driver's message rate", 100 * cores / each / it.handled, "{:.1f} {unit}", "%"),
        ]
    return [
        *rows,
        ("size of the pictures", pixels * it.given / 1e9, "{:,.0f} {unit}", "GB"),
        ("size of the results", pixels * it.result / 1e9, "{:,.0f} {unit}", "GB"),
        ("storing the results for a month", pixels * it.result / 1e9 * STORAGE_PRICE, "{unit} {:,.0f}", "$"),
        ("requests for loose pictures", count * (5 * PUT_PRICE + 4 * GET_PRICE), "{unit} {:,.0f}", "$"),  # see the note
        ("driver memory for names of loose pictures", count * it.name / 1e9, "{:,.2f} {unit}", "GB"),
    ]


def duration(hours: float) -> tuple[float, str, str]:
    """A duration as (value, format, unit)."""
    return (hours, "{:,.1f} {unit}", "hours") if hours < 100 else (hours / 24, "{:,.0f} {unit}", "days")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["throughput", "paper"])
    parser.add_argument("--pictures", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--price", type=float, default=0.04, help="dollars for an hour of a core")
    return parser.parse_args()


if __name__ == "__main__":
    main()
