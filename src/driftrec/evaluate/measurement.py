"""Measurements as JSON lines: what was measured, the value, and the conditions.

Everything that the documentation reports is stored as measurements, and its tables are rendered from them.
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
    """The conditions under which values were measured; unknown ones are None.

    Attributes:
        machine: processor, and how many of its threads were used.
        code: version and hash of the package, and the versions of the libraries that matter.
        weights: SHA-256 of the weights by model name, for the models that were used.
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
        """The current conditions.

        Arguments: `machine`, by default the processor's name; `models`, names or files, whose folders are left out;
        `libraries`, appended to the code.
        """
        code = ", ".join([f"driftrec {__version__}, source {code_hash()[:DIGITS]}", *libraries])
        weights = {Path(name).stem: hash_of(find_model(name))[:DIGITS] for name in models}
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
        what: the labels of the table's row, by heading.
        measure: the measured quantity, which is the heading of the table's column.
        value: a number, or an outcome in words.
        unit: of the value; empty for pure numbers and words.
        format: format string for tables; may refer to `unit`, `low`, `high` and `p`.
        conditions: the conditions of the measurement.
        low, high: 95 % interval of a mean over `count` pictures.
        p: p-value of a test of the difference from zero, or a text such as "< 0.001".
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
        """The value formatted for a table."""
        return self.format.format(self.value, unit=self.unit, low=self.low, high=self.high, p=self.p)

    def as_json(self) -> str:
        """One line of JSON; unknown fields of the value are left out, unknown conditions are null."""
        line = {key: value for key, value in asdict(self).items() if value is not None and key != "conditions"}
        return json.dumps(line | asdict(self.conditions), ensure_ascii=False)

    @staticmethod
    def from_json(line: str) -> "Measurement":
        """The measurement that `as_json` wrote.  Raises ValueError for other lines."""
        values: dict[str, Any] = json.loads(line)
        try:
            conditions = Conditions(**{f.name: values.pop(f.name) for f in fields(Conditions)})
            return Measurement(**values, conditions=conditions)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a measurement ({error}): {line}") from error


@dataclass(frozen=True)
class Measurements:
    """The measurements of one table, and a note on how to read it.  The file has the line {"note": …}, then one
    line for each measurement."""

    entries: Sequence[Measurement]
    note: str = ""

    @staticmethod
    def read(path: Path) -> "Measurements":
        """The contents of a file.  Raises ValueError, naming the file, if it does not hold measurements."""
        try:
            first, *lines = path.read_text(encoding="utf-8").splitlines()
            return Measurements([Measurement.from_json(line) for line in lines], json.loads(first)["note"])
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{path} holds no measurements: {error}") from error

    def write(self, path: Path) -> None:
        lines = [json.dumps({"note": self.note}, ensure_ascii=False), *(entry.as_json() for entry in self.entries)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def updated(self, newer: "Measurements") -> "Measurements":
        """A copy with the note of `newer` and its values, which replace those of the same row and column."""
        merged = {(tuple(e.what.items()), e.measure): e for e in (*self.entries, *newer.entries)}
        return Measurements(list(merged.values()), newer.note)

    def value(self, what: str, measure: str = "measured") -> float:
        """The number in a column of the row with the first label `what`.  Raises ValueError if there is none."""
        for entry in self.entries:
            if next(iter(entry.what.values())) == what and entry.measure == measure:
                return float(entry.value)
        raise ValueError(f"nobody has measured '{measure}' of '{what}'")

    def conditions(self) -> str:
        """The conditions of all values; where they differ, with the rows that they hold for."""
        rows: dict[str, dict[str, None]] = {}
        for entry in self.entries:
            rows.setdefault(str(entry.conditions), {})[", ".join(map(str, entry.what.values()))] = None
        if len(rows) < 2:
            return "".join(rows)
        most = max(rows, key=lambda conditions: len(rows[conditions]))
        named = {"; ".join(names): conditions for conditions, names in rows.items() if conditions != most}
        return "\n\n".join(f"{names}: {conditions}" for names, conditions in [*named.items(), ("All other rows", most)])


Fact: TypeAlias = tuple[str, float | str, str, str]
"""(what was measured, value, format, unit)."""


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
    """SHA-256 of a file.  Raises ValueError if the file does not exist."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return hashlib.sha256(path.read_bytes()).hexdigest()
