"""Metrics of pictures that are already restored, with or without clean pictures of the same names."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from driftrec.evaluate.benchmark import pictures_in
from driftrec.evaluate.corruptions import decode
from driftrec.evaluate.measures import METRICS, Comparison, Measures
from driftrec.evaluate.metrics.fidelity import Pixels
from driftrec.evaluate.statistics import mean_of
from driftrec.evaluate.tables import Table
from driftrec.text import json_line

NO_REFERENCE = tuple(name for name, metric in METRICS.items() if not metric.paired)
"""Metrics that need no clean picture."""

ENDINGS = ("", "-restored")
"""Suffixes that the name of a restored picture may add to that of the clean one."""


@dataclass(frozen=True)
class Pair:
    """A restored picture and its clean picture, or None."""

    restored: Path
    clean: Path | None


@dataclass(frozen=True)
class PairResult:
    """The metrics of one pair."""

    restored: str
    clean: str | None
    metrics: dict[str, float]

    def as_json(self) -> str:
        return json_line(asdict(self))


def pairs_of(restored: Path, clean: Path | None) -> list[Pair]:
    """One pair for two files; for two folders, the pictures with the same name, ignoring extension and "-restored".

    Raises ValueError if a file or folder is missing, or a restored picture has no clean one.
    """
    for path in filter(None, (restored, clean)):
        if not path.exists():
            raise ValueError(f"{path} does not exist: check the name")
    if restored.is_file():
        if clean is not None and not clean.is_file():
            raise ValueError(f"{restored} is a picture and {clean} a folder: give two pictures, or two folders")
        return [Pair(restored, clean)]
    found = pictures_in(restored)
    if clean is None:
        return [Pair(path, None) for path in found]
    if clean.is_file():
        raise ValueError(f"{restored} is a folder and {clean} a picture: give two pictures, or two folders")
    partners = {path.stem + ending: path for path in pictures_in(clean) for ending in ENDINGS}
    alone = [path.name for path in found if path.stem not in partners]
    if alone:
        raise ValueError(
            f"{clean} has no picture for {alone[0]}" + (f" and {len(alone) - 1} more" if alone[1:] else "")
        )
    return [Pair(path, partners[path.stem]) for path in found]


def measure_pairs(pairs: Sequence[Pair], metrics: Sequence[str], weights: Path | None = None) -> Iterator[PairResult]:
    """Yields the metrics of every pair.  Raises ValueError, naming the picture, if a pair cannot be compared."""
    measures = Measures(metrics, weights)
    for pair in pairs:
        try:
            comparison = Comparison(_read(pair.restored), _read(pair.clean) if pair.clean else None)
            values = measures(comparison)
        except ValueError as error:
            raise ValueError(f"{pair.restored}: {error}") from error
        yield PairResult(str(pair.restored), str(pair.clean) if pair.clean else None, values)


def summary(results: Sequence[PairResult]) -> str:
    """A Markdown table with the mean, 95 % bootstrap interval and number of pictures of each metric."""
    rows = []
    for name, metric in METRICS.items():
        if values := [r.metrics[name] for r in results if name in r.metrics]:
            mean, d = mean_of(values), metric.decimals
            interval = f"{mean.low:.{d}f} – {mean.high:.{d}f}" if mean.count > 1 else "–"
            rows.append((metric.heading, (f"{mean.value:.{d}f}", interval, str(mean.count))))
    return Table("", ("mean", "95 % interval", "pictures"), tuple(rows), "metric").markdown()


def _read(path: Path) -> Pixels:
    return decode(path.read_bytes())
