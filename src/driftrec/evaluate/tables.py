"""Tables of records: means over pictures beside published figures, in Markdown, LaTeX and CSV."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from driftrec.evaluate.benchmark import Record
from driftrec.evaluate.measures import METRICS
from driftrec.evaluate.published import Published
from driftrec.evaluate.statistics import Difference, Mean, difference, mean_of

COST = {
    "seconds_per_megapixel": ("seconds per megapixel", 2),
    "megabytes": ("peak memory, MB", 0),
    "evaluations": ("evaluations of the network", 1),
}
"""Columns of the table of costs: heading and decimals."""

SETS = {"fid": ("FID ↓", 2), "kid": ("KID × 10³ ↓", 2)}


@dataclass(frozen=True)
class Row:
    """The mean of one number over the pictures of one method and corruption."""

    method: str
    corruption: str
    metric: str
    mean: Mean


@dataclass(frozen=True)
class Table:
    """A heading, the names of the columns, and rows of a name and cells."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]

    def markdown(self) -> str:
        head = ["", *self.columns]
        lines = [head, ["---", *["---:"] * len(self.columns)], *([name, *cells] for name, cells in self.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"**{self.title}**\n\n{table}"

    def latex(self) -> str:
        """A booktabs table; published rows are set apart by a rule."""
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
                " & ".join(_tex(c) for c in ("", *self.columns)) + r" \\",
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
            ]
        )


def summarise(records: Sequence[Record]) -> list[Row]:
    """Means of all metrics and costs of every method and corruption, in the order of the records."""
    groups = _groups(records)
    return [
        Row(method, corruption, name, mean_of(values))
        for (method, corruption), group in groups.items()
        for name in (*METRICS, *COST)
        if (values := [v for r in group if (v := r.value(name)) is not None])
    ]


def metric_tables(
    records: Sequence[Record], others: Sequence[Published] = (), names: Sequence[str] = tuple(METRICS)
) -> list[Table]:
    """One table for each of the metrics that was measured: methods by corruptions, published rows (†) below."""
    rows = summarise(records)
    corruptions = _ordered(r.corruption for r in records)
    tables = []
    for name in names:
        metric = METRICS[name]
        means = {(r.method, r.corruption): r.mean.value for r in rows if r.metric == name}
        if not means:
            continue
        lines = [
            (method, tuple(_cell(means.get((method, c)), metric.decimals) for c in corruptions))
            for method in _ordered(method for method, _ in means)
        ]
        for other in others:
            values = other.values.get(name, {})
            if any(c in values for c in corruptions):
                lines.append((f"{other.method} †", tuple(_cell(values.get(c), metric.decimals) for c in corruptions)))
        tables.append(Table(metric.heading, corruptions, tuple(lines)))
    return tables


def cost_table(records: Sequence[Record]) -> Table | None:
    """Seconds, memory and evaluations of each method, over all corruptions; None where nothing was timed."""
    lines = []
    for method in _ordered(r.method for r in records):
        group = [r for r in records if r.method == method]
        cells = []
        for name, (_, decimals) in COST.items():
            values = [v for r in group if (v := r.value(name)) is not None]
            # Memory: the largest picture counts; the others are means.
            value = None if not values else max(values) if name == "megabytes" else math.fsum(values) / len(values)
            cells.append(_cell(value, decimals))
        if any(cell != "–" for cell in cells):
            lines.append((method, tuple(cells)))
    return Table("cost", tuple(heading for heading, _ in COST.values()), tuple(lines)) if lines else None


def set_table(values: dict[tuple[str, str], dict[str, float]], others: Sequence[Published] = ()) -> list[Table]:
    """FID, and KID ± its standard error, of (method, corruption), as `benchmark.distances` gives them."""
    corruptions = _ordered(c for _, c in values)
    tables = []
    for name, (heading, decimals) in SETS.items():
        lines = []
        for method in _ordered(m for m, _ in values):
            cells = []
            for c in corruptions:
                v = values.get((method, c))
                if v is None:
                    cells.append("–")
                elif name == "kid":
                    cells.append(f"{1e3 * v['kid']:.{decimals}f} ± {1e3 * v['kid_error']:.{decimals}f}")
                else:
                    cells.append(_cell(v[name], decimals))
            lines.append((method, tuple(cells)))
        lines += [
            (f"{o.method} †", tuple(_cell(o.values[name].get(c), decimals) for c in corruptions))
            for o in others
            if name in o.values
        ]
        tables.append(Table(heading, corruptions, tuple(lines)))
    return tables


def difference_tables(
    records: Sequence[Record], baseline: str, metrics: Sequence[str] = ("psnr", "lpips_alex")
) -> list[Table]:
    """What each method gains over `baseline` on the same pictures: mean difference, 95 % interval, p."""
    groups = {key: {r.picture: r for r in group} for key, group in _groups(records).items()}
    corruptions = _ordered(r.corruption for r in records)
    tables = []
    for name in metrics:
        lines = []
        for method in _ordered(r.method for r in records if r.method != baseline):
            cells = []
            for c in corruptions:
                a, b = groups.get((method, c), {}), groups.get((baseline, c), {})
                pairs = [
                    (x, y)
                    for p in a
                    if p in b and (x := a[p].value(name)) is not None and (y := b[p].value(name)) is not None
                ]
                cells.append(_difference_cell(pairs, METRICS[name].decimals))
            if any(cell != "–" for cell in cells):
                lines.append((method, tuple(cells)))
        if lines:
            tables.append(Table(f"{METRICS[name].label}, difference to {baseline}", corruptions, tuple(lines)))
    return tables


def as_csv(records: Sequence[Record], others: Sequence[Published] = ()) -> str:
    """method, corruption, metric, mean, low, high, pictures, source; `source` is empty for what was measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "corruption", "metric", "mean", "low", "high", "pictures", "source"])
    for row in summarise(records):
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
    """Where the published rows come from, one line each."""
    return "\n".join(f"* † {text}: <{url}>" for text, url in dict.fromkeys((o.source, o.url) for o in others))


def _groups(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.method, record.corruption), []).append(record)
    return groups


def _difference_cell(pairs: Sequence[tuple[float, float]], decimals: int) -> str:
    finite = [(a, b) for a, b in pairs if math.isfinite(a) and math.isfinite(b)]
    if not finite:
        return "–"
    d: Difference = difference([a for a, _ in finite], [b for _, b in finite])
    low, high = (f"{v:+.{decimals}f}" for v in (d.mean.low, d.mean.high))
    p = "p < 0.001" if d.p < 0.001 else f"p = {d.p:.3f}"
    return f"{d.mean.value:+.{decimals}f} [{low}, {high}], {p}"


def _cell(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def _ordered(names) -> tuple[str, ...]:  # noqa: ANN001
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
