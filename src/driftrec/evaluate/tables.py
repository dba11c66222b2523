"""Builds and renders the tables of measurements and of benchmark records."""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from driftrec.evaluate.benchmark import Record, Settings, distances_of
from driftrec.evaluate.measurement import Conditions, Measurement, Measurements
from driftrec.evaluate.measures import METRICS
from driftrec.evaluate.published import Published
from driftrec.evaluate.statistics import Mean, difference, mean_of

COST = {
    "seconds_per_megapixel": ("seconds per megapixel", 2, "s/Mpx"),
    "megabytes": ("peak memory, MB", 0, "MB"),
    "evaluations": ("evaluations of the network", 1, ""),
}
"""Columns of the cost table: heading, decimals, unit."""

SETS = {
    "fid": ("FID ↓", 1.0),
    "kid": ("KID × 10³ ↓", 1e3),
    "kid_classifier": ("KID × 10³ of EfficientNet-Lite0's features ↓", 1e3),
}
"""Distances between sets of pictures: heading, and the factor by which tables multiply them."""

INTERVAL = 1.96
"""Half of a 95 % interval, in standard errors."""

BASELINE = "JPEG"
"""The method that the others are compared with in tables of differences, unless the protocol names another."""

COMPARED = ("psnr", "lpips_alex")
"""The metrics of these tables, unless the protocol names others."""


@dataclass(frozen=True)
class Row:
    """The mean of a metric or cost over the pictures of one method and corruption; "" stands for all corruptions.

    If `over` names a method, the mean is the difference to that method, and `p` is the p-value of its test, as a number
    or as text ("< 0.001").
    """

    method: str
    corruption: str
    metric: str
    mean: Mean
    over: str = ""
    p: float | str | None = None

    @property
    def text(self) -> str:
        """The mean as tables show it; a difference also shows its interval and p."""
        if self.metric in SETS:
            scale, error = SETS[self.metric][1], (self.mean.high - self.mean.low) / 2 / INTERVAL
            return f"{scale * self.mean.value:.2f}" + (f" ± {scale * error:.2f}" if error else "")
        decimals = METRICS[self.metric].decimals if self.metric in METRICS else COST[self.metric][1]
        if not self.over:
            return f"{self.mean.value:.{decimals}f}"
        value, low, high = (f"{v:+.{decimals}f}" for v in (self.mean.value, self.mean.low, self.mean.high))
        p = self.p if isinstance(self.p, str) else "< 0.001" if (self.p or 0) < 0.001 else f"= {self.p:.3f}"
        return f"{value} [{low}, {high}], p {p}"

    def measurement(self, conditions: Conditions) -> Measurement:
        """The row as a measurement."""
        what = {"method": self.method, "corruption": self.corruption, "over": self.over}
        mean, unit = self.mean, COST[self.metric][2] if self.metric in COST else unit_of(heading_of(self.metric)[:-2])
        return Measurement(
            what, self.metric, mean.value, unit, "{}", conditions, mean.low, mean.high, mean.count, self.p
        )

    @staticmethod
    def of(entry: Measurement) -> "Row":
        """The row of a measurement: the inverse of `measurement`."""
        value = float(entry.value)
        low, high = (value if bound is None else bound for bound in (entry.low, entry.high))
        mean = Mean(value, low, high, entry.count or 0)
        method, corruption, over = map(str, entry.what.values())
        return Row(method, corruption, entry.measure, mean, over, entry.p)


@dataclass(frozen=True)
class Table:
    """A title (may be empty), the names of the columns, and rows, each of which has a name and cells.

    `corner` is the heading of the column of names; columns listed in `words` are left-aligned.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    corner: str = ""
    words: tuple[str, ...] = ()

    def markdown(self) -> str:
        sides = ["---", *("---" if column in self.words else "---:" for column in self.columns)]
        lines = [[self.corner, *self.columns], sides, *([name, *cells] for name, cells in self.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"**{self.title}**\n\n{table}" if self.title else table

    def latex(self) -> str:
        """A booktabs table; a rule separates published rows from measured ones."""
        body, was_published = [], False
        for name, cells in self.rows:
            if name.endswith("†") and not was_published:
                body.append(r"\midrule")
                was_published = True
            body.append(" & ".join(_tex(cell) for cell in (name, *cells)) + r" \\")
        return "\n".join(
            [
                r"\begin{table}",
                rf"\caption{{{_tex(self.title)}}}",
                rf"\begin{{tabular}}{{l{'r' * len(self.columns)}}}",
                r"\toprule",
                " & ".join(_tex(c) for c in (self.corner, *self.columns)) + r" \\",
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
            ]
        )


def table_of(entries: Sequence[Measurement], title: str = "") -> Table:
    """A table with a row for each thing measured, a column for each measure, and "–" for missing values."""
    labels = _ordered(label for entry in entries for label in entry.what)
    measures = _ordered(entry.measure for entry in entries)
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for entry in entries:
        cells.setdefault(tuple(str(entry.what.get(label, "")) for label in labels), {})[entry.measure] = entry.text
    rows = tuple((name, (*rest, *(line.get(m, "–") for m in measures))) for (name, *rest), line in cells.items())
    words = tuple(m for m in measures if all(isinstance(e.value, str) for e in entries if e.measure == m))
    return Table(title, (*labels[1:], *measures), rows, labels[0], words)


def keep(path: Path, entries: Sequence[Measurement], note: str = "", *, partial: bool = False) -> str:
    """Writes measurements to a file and renders it; if `partial`, the file's other measurements are kept."""
    fresh = Measurements(entries, note)
    (Measurements.read(path).updated(fresh) if partial and path.is_file() else fresh).write(path)
    return render(path)


def render(path: Path) -> str:
    """Writes a Markdown page beside a file of measurements, with its table, note and conditions; returns the page."""
    stored = Measurements.read(path)
    parts = [table_of(stored.entries).markdown(), stored.note, stored.conditions()]
    page = "\n\n".join(part for part in parts if part) + "\n"
    path.with_suffix(".md").write_text(page, encoding="utf-8")
    return page


def rows_of(records: Sequence[Record], baseline: str = BASELINE, compared: Sequence[str] = COMPARED) -> list[Row]:
    """The rows of the pictures of a run: means, costs over all corruptions, and differences to the baseline."""
    return [*summarise(records), *costs(records), *differences(records, baseline, compared)]


def summarise(records: Sequence[Record]) -> list[Row]:
    """Means of all metrics and costs for every method and corruption, in the order of the records."""
    return [
        Row(method, corruption, name, mean_of(values))
        for (method, corruption), group in _groups(records).items()
        for name in (*METRICS, *COST)
        if (values := _values(group, name))
    ]


def costs(records: Sequence[Record]) -> list[Row]:
    """The mean costs of each method over all corruptions; for memory the maximum over the pictures."""
    rows = []
    for method in _ordered(r.method for r in records):
        for name in COST:
            if values := _values([r for r in records if r.method == method], name):
                mean = mean_of(values)
                rows.append(Row(method, "", name, replace(mean, value=max(values)) if name == "megabytes" else mean))
    return rows


def differences(records: Sequence[Record], baseline: str, metrics: Sequence[str]) -> list[Row]:
    """The mean difference between each method and `baseline` on the same pictures."""
    groups = {key: {r.picture: r for r in group} for key, group in _groups(records).items()}
    rows = []
    for name in metrics:
        for (method, corruption), group in groups.items():
            others = groups.get((baseline, corruption), {})
            pairs = [(group[p].value(name), others[p].value(name)) for p in group if p in others]
            finite = [(a, b) for a, b in pairs if a is not None and b is not None and math.isfinite(a - b)]
            if method != baseline and finite:
                found = difference([a for a, _ in finite], [b for _, b in finite])
                rows.append(Row(method, corruption, name, found.mean, baseline, found.p))
    return rows


def set_rows(records: Sequence[Record], settings: Settings) -> list[Row]:
    """The distances between the sets of restored and of clean pictures, for every method and corruption."""
    rows = []
    for (method, corruption), group in _groups(records).items():
        for name, (value, error) in distances_of(group, settings).items():
            mean = Mean(value, value - INTERVAL * error, value + INTERVAL * error, len(group))
            rows.append(Row(method, corruption, name, mean))
    return rows


def metric_tables(
    rows: Sequence[Row], others: Sequence[Published] = (), names: Sequence[str] = (*METRICS, *SETS)
) -> list[Table]:
    """One table for each measured metric: rows are methods, columns corruptions, published rows (†) come last."""
    measured = [row for row in rows if row.corruption and not row.over]
    corruptions = _ordered(row.corruption for row in measured)
    tables = []
    for name in names:
        lines = _lines([row for row in measured if row.metric == name], corruptions)
        if lines:
            decimals = METRICS[name].decimals if name in METRICS else 2
            lines += _published_lines(name, decimals, corruptions, others)
            tables.append(Table(heading_of(name), corruptions, tuple(lines)))
    return tables


def cost_table(rows: Sequence[Row]) -> Table | None:
    """Seconds, memory and evaluations of each method over all corruptions; None if no costs were measured."""
    found = {(row.method, row.metric): row.text for row in rows if not row.corruption}
    lines = [(m, tuple(found.get((m, name), "–") for name in COST)) for m in _ordered(m for m, _ in found)]
    return Table("cost", tuple(heading for heading, *_ in COST.values()), tuple(lines)) if lines else None


def difference_tables(rows: Sequence[Row]) -> list[Table]:
    """For each metric, the differences of the methods to another one: mean difference, 95 % interval, p."""
    found = [row for row in rows if row.over]
    corruptions = _ordered(row.corruption for row in rows if row.corruption)
    return [
        Table(
            f"{METRICS[name].label}, difference to {over}",
            corruptions,
            tuple(_lines([row for row in found if (row.metric, row.over) == (name, over)], corruptions)),
        )
        for name, over in dict.fromkeys((row.metric, row.over) for row in found)
    ]


def as_csv(rows: Sequence[Row], others: Sequence[Published] = ()) -> str:
    """CSV text: method, corruption, metric, mean, low, high, pictures, source; `source` is empty for measured rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "corruption", "metric", "mean", "low", "high", "pictures", "source"])
    for row in (row for row in rows if row.corruption and not row.over):
        m = row.mean
        writer.writerow(
            [row.method, row.corruption, row.metric, *(f"{v:.6g}" for v in (m.value, m.low, m.high)), m.count, ""]
        )
    for other in others:
        for metric, values in other.values.items():
            for corruption, value in values.items():
                writer.writerow([other.method, corruption, metric, value, "", "", "", other.source])
    return text.getvalue()


def sources(others: Sequence[Published]) -> str:
    """The sources of the published rows, one line each."""
    return "\n".join(f"* † {text}: <{url}>" for text, url in dict.fromkeys((o.source, o.url) for o in others))


def _groups(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.method, record.corruption), []).append(record)
    return groups


def heading_of(name: str) -> str:
    """The heading of a metric's table."""
    return METRICS[name].heading if name in METRICS else SETS[name][0]


def unit_of(label: str) -> str:
    """The unit in brackets at the end of a metric's label, such as "dB" in "PSNR (dB)"; empty for pure numbers."""
    found = re.search(r"\(([^()\d]+)\)$", label)
    return found[1] if found else ""


def _values(records: Sequence[Record], name: str) -> list[float]:
    return [v for r in records if (v := r.value(name)) is not None]


def _lines(rows: Sequence[Row], corruptions: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """One line for each method, with one cell for each corruption."""
    texts = {(row.method, row.corruption): row.text for row in rows}
    methods = _ordered(row.method for row in rows)
    return [(method, tuple(texts.get((method, c), "–") for c in corruptions)) for method in methods]


def _published_lines(
    name: str, decimals: int, corruptions: Sequence[str], others: Sequence[Published]
) -> list[tuple[str, tuple[str, ...]]]:
    found = [(other.method, other.values.get(name, {})) for other in others]
    return [
        (f"{method} †", tuple(_cell(values.get(c), decimals) for c in corruptions))
        for method, values in found
        if any(c in values for c in corruptions)
    ]


def _cell(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


_TEX = {
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "#": r"\#",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "†": r"$^\dagger$",
    "–": "--",
    "×": r"$\times$",
    "±": r"$\pm$",
    "³": r"$^3$",
    "Π": r"$\Pi$",
}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
