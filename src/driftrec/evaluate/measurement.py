"""Measurements as JSON lines: what was measured, its value, and under which conditions.

Everything that the documentation reports is stored as measurements; tables, in any format, are only rendered from them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from driftrec import __version__
from driftrec.evaluate.machine import processor
from driftrec.model.find import find_model

PACKAGE = Path(__file__).parents[1]
RESTORING = ("diffusion", "jpeg", "model", "picture", "restoration")
"""The packages whose code determines a restoration by an ONNX model."""
DIGITS = 12
"""Hexadecimal digits of the hashes in measurements."""


@dataclass(frozen=True)
class Conditions:
    """Under which conditions values were measured; None for what is not known.

    Attributes:
        machine: processor, and how much of it was used.
        code: version and hash of the package, and the versions of the libraries that matter.
        weights: SHA-256 of the weights by model, where a model took part.
        data: pictures or other input.
        date: day of the measurement in UTC, YYYY-MM-DD.
    """

    machine: str
    code: str
    weights: Mapping[str, str | None] = field(default_factory=dict)
    data: str | None = None
    date: str | None = None

    @staticmethod
    def now(
        machine: str = "", models: Iterable[str] = (), data: str | None = None, libraries: Iterable[str] = ()
    ) -> "Conditions":
        """Those of this moment; `machine` defaults to the processor's name, `libraries` are appended to the code."""
        code = ", ".join([f"driftrec {__version__}, source {code_hash()[:DIGITS]}", *libraries])
        weights = {name: hash_of(find_model(name))[:DIGITS] for name in models}
        return Conditions(machine or processor(), code, weights, data, datetime.now(UTC).date().isoformat())

    def __str__(self) -> str:
        weights = ", ".join(f"{name} ({digest or 'hash not recorded'})" for name, digest in self.weights.items())
        parts = {"Machine": self.machine, "code": self.code, "weights": weights, "data": self.data}
        named = [f"{name}: {value}" for name, value in parts.items() if value]
        return f"{'; '.join(named)}; date: {self.date or 'not recorded'}."


@dataclass(frozen=True)
class Measurement:
    """One measured value.

    Attributes:
        what: what was measured: the labels of the table's row by heading.
        measure: which quantity; the heading of the table's column.
        value: a number, or the words of an outcome.
        unit: of the value; empty for pure numbers and words.
        format: how a table states the value; may refer to `unit`, `low`, `high` and `p`.
        conditions: under which it was measured.
        low, high: 95 % interval of a mean over `count` pictures.
        p: of a test of the difference from zero, or the words for it ("< 0.001").
    """

    what: Mapping[str, str | int | float]
    measure: str
    value: float | str
    unit: str
    format: str
    conditions: Conditions
    low: float | None = None
    high: float | None = None
    count: int | None = None
    p: float | str | None = None

    @property
    def text(self) -> str:
        """The value as a table states it."""
        return self.format.format(self.value, unit=self.unit, low=self.low, high=self.high, p=self.p)

    def as_json(self) -> str:
        """One line; what is not known of the value is left out, what is not known of the conditions is null."""
        line = {key: value for key, value in asdict(self).items() if value is not None and key != "conditions"}
        return json.dumps(line | asdict(self.conditions), ensure_ascii=False)

    @staticmethod
    def from_json(line: str) -> "Measurement":
        """Raises ValueError for other lines."""
        values: dict[str, Any] = json.loads(line)
        try:
            conditions = Conditions(**{f.name: values.pop(f.name) for f in fields(Conditions)})
            return Measurement(**values, conditions=conditions)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a measurement ({error}): {line}") from error


@dataclass(frozen=True)
class Measurements:
    """The measurements of one table, and a note on how to read it.  File: {"note": …}, then one line for each."""

    entries: Sequence[Measurement]
    note: str = ""

    @staticmethod
    def read(path: Path) -> "Measurements":
        """Raises ValueError, naming the file, for other files."""
        try:
            first, *lines = path.read_text(encoding="utf-8").splitlines()
            return Measurements([Measurement.from_json(line) for line in lines], json.loads(first)["note"])
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{path} holds no measurements: {error}") from error

    def write(self, path: Path) -> None:
        lines = [json.dumps({"note": self.note}, ensure_ascii=False), *(entry.as_json() for entry in self.entries)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def updated(self, newer: "Measurements") -> "Measurements":
        """With the values and the note of `newer`; in the place of those of the same row and column, or at the end."""
        merged = {(tuple(e.what.items()), e.measure): e for e in (*self.entries, *newer.entries)}
        return Measurements(list(merged.values()), newer.note)

    def value(self, what: str, measure: str = "measured") -> float:
        """The number of a row, by its first label, and a column.  Raises ValueError where there is none."""
        for entry in self.entries:
            if next(iter(entry.what.values())) == what and entry.measure == measure:
                return float(entry.value)
        raise ValueError(f"nobody has measured '{measure}' of '{what}'")

    def conditions(self) -> str:
        """The conditions of all values, a line for each that differs."""
        return "\n".join(dict.fromkeys(str(entry.conditions) for entry in self.entries))


Fact: TypeAlias = tuple[str, float | str, str, str]
"""What was measured, value, format and unit."""


def facts(
    rows: Iterable[Fact], conditions: Conditions, head: str = "what", measure: str = "measured"
) -> list[Measurement]:
    """Measurements of one measure each: a table of two columns."""
    return [Measurement({head: what}, measure, value, unit, form, conditions) for what, value, form, unit in rows]


def code_hash(packages: Iterable[str] = RESTORING, root: Path | None = None) -> str:
    """SHA-256 of the Python files of packages below `root`, the installed driftrec if None."""
    root = root or PACKAGE
    digest = hashlib.sha256()
    for path in sorted(path for package in packages for path in (root / package).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def hash_of(path: Path) -> str:
    """SHA-256 of a file.  Raises ValueError where there is none."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return hashlib.sha256(path.read_bytes()).hexdigest()
