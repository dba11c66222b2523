"""Benchmark runs: one record for each method, picture and corruption, written as soon as it is measured.

A record's key is a hash of everything its values depend on (picture, corruption, method with its weights, metrics).
A stopped run therefore resumes where it was, and a run that changed in part measures only that part again.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, features

from driftrec.evaluate.chains.chain import Chain
from driftrec.evaluate.corruptions import Corruption, decode, to_gray
from driftrec.evaluate.features import Distance, Network, distances, load
from driftrec.evaluate.machine import PeakMemory
from driftrec.evaluate.measures import Comparison, Measures, as_batch, patches
from driftrec.evaluate.method import Case, Method
from driftrec.evaluate.metrics.distribution import FEWEST
from driftrec.evaluate.metrics.fidelity import Pixels
from driftrec.picture import PICTURE_SUFFIXES, atomic_write
from driftrec.text import json_line

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
"""Changes whenever metrics or records change their meaning, so that old records are measured again."""


@dataclass(frozen=True)
class Record:
    """One picture, corrupted once and restored by one method.

    `seconds` counts the restorer alone.  `megabytes` is the peak memory that the restorer added to the process,
    including the model; for an external program it is all of its memory.  Values that could not be measured
    are None.  Numbers are rounded to six significant digits.
    """

    picture: str
    corruption: str
    method: str
    key: str
    width: int
    height: int
    bits_per_pixel: float
    seconds: float | None
    megabytes: float | None
    evaluations: int | None
    metrics: dict[str, float]

    def value(self, name: str) -> float | None:
        """A metric or another number of the record by name, including "seconds_per_megapixel"; None if unknown."""
        if name == "seconds_per_megapixel":
            return None if self.seconds is None else self.seconds / (self.width * self.height * 1e-6)
        return self.metrics[name] if name in self.metrics else getattr(self, name, None)

    def as_json(self) -> str:
        """One line of JSON; infinite numbers are written as Python's `Infinity`."""
        return json_line(asdict(self))


@dataclass(frozen=True)
class BenchmarkTask:
    """A picture file and the corruption applied before it is restored; None leaves a JPEG as it is."""

    path: Path
    corruption: Corruption | None
    gray: bool = False

    def case(self) -> Case:
        """The input of a restorer.  Raises ValueError if the file is not a picture."""
        content = self.path.read_bytes()
        if self.corruption is None:
            return Case(self.path.stem, "as found", content)
        try:
            clean = decode(content)
        except ValueError as error:
            raise ValueError(f"{self.path} is {error}") from error
        clean = to_gray(clean) if self.gray else clean
        file, truth = self.corruption(clean)
        before = self.corruption.before(clean) if isinstance(self.corruption, Chain) else None
        return Case(self.path.stem, self.corruption.name, file, truth, before)


@dataclass(frozen=True)
class Settings:
    """What a run measures, and where its results go.

    Attributes:
        metrics: names of `driftrec.evaluate.measures.METRICS`.
        weights: folder with the weights of metrics, searched first.
        out: folder that receives records.jsonl, features/ and pictures/.
        features: the network whose features are kept, for FID and KID; None for none.
        pictures: how many restored pictures of each method and corruption are kept for contact sheets.
        threads: CPU threads of one worker; None for all cores.
        workers: number of parallel processes; with more than one, the seconds are measured on a busy machine.
    """

    metrics: tuple[str, ...]
    out: Path
    weights: Path | None = None
    features: Network | None = None
    pictures: int = 0
    threads: int | None = None
    workers: int = 1


def pictures_in(folder: Path, count: int | None = None) -> list[Path]:
    """The pictures of a folder, sorted by name; if `count` is given, that many, evenly spread.

    Raises ValueError if there are none, or if two share a stem.
    """
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURE_SUFFIXES) if folder.is_dir() else []
    if not found:
        raise ValueError(f"there are no pictures in {folder}: name a folder of clean pictures with --data")
    if len({p.stem for p in found}) < len(found):
        raise ValueError(f"two pictures in {folder} differ in their extension only: records go by the name before it")
    kept = min(count or len(found), len(found))
    return [found[i * len(found) // kept] for i in range(kept)]


def run(tasks: Sequence[BenchmarkTask], methods: Sequence[Method], settings: Settings) -> Iterator[Record]:
    """Yields the records of every task for each method in turn; records already in records.jsonl are reused.

    Raises ValueError if pictures, methods or weights are missing; records measured before that are kept.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    path = settings.out / "records.jsonl"
    known = {record.key: record for record in read_records(path)} if path.is_file() else {}
    done: list[Record] = []
    with path.open("a", encoding="utf-8") as file:
        for method in methods:
            work = [(task, number < settings.pictures) for number, task in _numbered(tasks)]
            for record in _method_records(work, method, settings, known):
                if record.key not in known:
                    file.write(record.as_json() + "\n")
                    file.flush()
                done.append(record)
                yield record
    # This run's records in its own order, then those of earlier runs that it did not measure again.
    fresh = {_name(record) for record in done}
    kept = done + [record for record in known.values() if _name(record) not in fresh]
    with atomic_write(path) as file:
        file.writelines(f"{record.as_json()}\n".encode() for record in kept)


def read_records(path: Path) -> list[Record]:
    """The records of a file; an incomplete last line is ignored.  Raises ValueError for other files."""
    lines = path.read_text(encoding="utf-8").splitlines()
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(Record(**json.loads(line)))
        except (TypeError, ValueError) as error:
            if number < len(lines):
                raise ValueError(f"line {number} of {path} is not a record ({error}): move the file away") from error
    return records


def distances_of(records: Sequence[Record], settings: Settings) -> dict[str, Distance]:
    """The distances between the restored pictures of `records` and the clean ones, see `features.distances`.

    There are none between sets of too few pictures for them, or where no features were kept.
    """
    if not settings.features or len(records) < FEWEST:
        return {}
    restored, clean = (
        [np.load(_features_path(settings, key)) for key in keys]
        for keys in ([r.key for r in records], [_clean_key(r) for r in records])
    )
    return distances(settings.features, restored, clean)


def _features_path(settings: Settings, key: str) -> Path:
    return settings.out / "features" / str(settings.features) / f"{key}.npy"


class BenchmarkWorker:
    """Measures tasks in one process, with the method and the metrics loaded once."""

    def __init__(self, method: Method, settings: Settings) -> None:
        self.method, self.settings = method, settings
        if settings.threads:
            _limit_torch(settings)
        self.measures = Measures(settings.metrics, settings.weights)
        self.features = load(settings.features, settings.weights) if settings.features else None
        self.memory = PeakMemory()
        self.restore = method.load(settings.threads)

    def __call__(self, task: BenchmarkTask, key: str, keep: bool) -> Record:
        """Restores and measures one picture."""
        case = task.case()
        self.memory.start()
        try:
            result = self.restore(case)
        except ValueError as error:
            raise ValueError(f"{self.method.label}, {case.picture}, {case.corruption}: {error}") from error
        peak = self.memory.megabytes() if result.megabytes is None else result.megabytes
        pixels = result.pixels if case.clean is None else _like(result.pixels, case.clean)
        height, width = pixels.shape[:2]
        record = Record(
            case.picture,
            case.corruption,
            self.method.label,
            key,
            width,
            height,
            8 * len(case.file) / (width * height),
            result.seconds,
            None if result.seconds is None else peak,
            result.evaluations,
            self.measures(Comparison(pixels, case.clean, case.file)),
        )
        record = _rounded(record)
        if self.features and case.clean is not None:
            self._keep_features(record, pixels, case.clean, self.features)
        if keep:
            self._keep_pictures(record, pixels, case)
        return record

    def _keep_features(
        self, record: Record, pixels: Pixels, clean: Pixels, network: "Callable[[Tensor], Tensor]"
    ) -> None:
        for key, picture in ((record.key, pixels), (_clean_key(record), clean)):
            path = _features_path(self.settings, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file():
                np.save(path, np.concatenate([network(as_batch(p)).numpy() for p in patches(picture)]))

    def _keep_pictures(self, record: Record, pixels: Pixels, case: Case) -> None:
        save(pixels, picture_path(self.settings.out, record))
        if case.clean is not None:
            save(case.clean, picture_path(self.settings.out, replace(record, method="clean")))


def picture_path(out: Path, record: Record) -> Path:
    """The path under which the restored picture of a record is kept, if it is kept."""
    return out / "pictures" / record.corruption.replace(" ", "-") / record.picture / f"{record.method}.png"


def save(pixels: Pixels, path: Path) -> None:
    """Writes a PNG file and creates its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _method_records(
    work: Sequence[tuple[BenchmarkTask, bool]], method: Method, settings: Settings, known: dict[str, Record]
) -> Iterator[Record]:
    """The records of one method, in the order of the tasks; workers start only if there is something to measure."""
    keys = [_key(task, method, settings) for task, _ in work]
    to_do = [
        (task, key, keep) for (task, keep), key in zip(work, keys, strict=True) if not _done(key, keep, known, settings)
    ]
    fresh = _measured(to_do, method, settings) if to_do else iter(())
    pending = {key for _, key, _ in to_do}
    for key in keys:
        yield next(fresh) if key in pending else known[key]


def _measured(to_do: Sequence[tuple[BenchmarkTask, str, bool]], method: Method, settings: Settings) -> Iterator[Record]:
    if settings.workers == 1:
        worker = BenchmarkWorker(method, settings)
        yield from (worker(*item) for item in to_do)
        return
    context = multiprocessing.get_context("spawn")  # each worker starts with fresh memory
    with ProcessPoolExecutor(settings.workers, context, _prepare, (method, settings)) as pool:
        yield from pool.map(_work, to_do)


_worker: BenchmarkWorker | None = None


def _prepare(method: Method, settings: Settings) -> None:
    global _worker
    _worker = BenchmarkWorker(method, settings)


def _work(item: tuple[BenchmarkTask, str, bool]) -> Record:
    if _worker is None:
        raise RuntimeError("the worker was not prepared")
    return _worker(*item)


def _done(key: str, keep: bool, known: dict[str, Record], settings: Settings) -> bool:
    if key not in known:
        return False
    if keep and not picture_path(settings.out, known[key]).is_file():
        return False
    return not settings.features or _features_path(settings, key).is_file()


def _key(task: BenchmarkTask, method: Method, settings: Settings) -> str:
    source = hashlib.sha256(task.path.read_bytes()).hexdigest()
    name = task.corruption.name if task.corruption else "as found"
    fingerprint = method.fingerprint(Case(task.path.stem, name, b""))
    codec = f"{Image.__version__} {features.version('libjpeg_turbo') or features.version('jpg')}"
    parts = (
        FORMAT,
        task.path.stem,
        source,
        task.corruption,
        task.gray,
        fingerprint,
        method.label,
        settings.metrics,
        codec,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def _name(record: Record) -> tuple[str, str, str]:
    return record.picture, record.corruption, record.method


def _clean_key(record: Record) -> str:
    return f"clean-{record.picture}-{record.corruption}"


def _numbered(tasks: Sequence[BenchmarkTask]) -> list[tuple[int, BenchmarkTask]]:
    """Each task with the number of its picture, counted from 0."""
    numbers: dict[Path, int] = {}
    return [(numbers.setdefault(task.path, len(numbers)), task) for task in tasks]


def _like(pixels: Pixels, clean: Pixels) -> Pixels:
    """The picture with the number of channels of the clean one, because some programs write gray as colour."""
    if pixels.ndim == 3 and clean.ndim == 2:
        return np.rint(pixels.mean(axis=2)).astype(np.uint8)
    if pixels.ndim == 2 and clean.ndim == 3:
        return np.repeat(pixels[..., None], 3, axis=2)
    return pixels


def _limit_torch(settings: Settings) -> None:
    """Limits the threads of PyTorch, which uses all cores by default."""
    if settings.features or any(name.startswith(("lpips", "dists", "classes")) for name in settings.metrics):
        import torch

        torch.set_num_threads(settings.threads or 1)


def _rounded(record: Record) -> Record:
    """The record with six significant digits, as read back from the file: a resumed run gives the same tables."""

    def digits(value: float | None) -> Any:  # noqa: ANN401 (None stays None)
        return None if value is None else float(f"{value:.6g}")

    return replace(
        record,
        bits_per_pixel=digits(record.bits_per_pixel),
        seconds=digits(record.seconds),
        megabytes=digits(record.megabytes),
        metrics={name: digits(value) for name, value in record.metrics.items()},
    )
