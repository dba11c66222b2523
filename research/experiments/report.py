"""Stores the records of an experiment as JSON lines, and renders its page, table and plots from them."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from driftrec.evaluate import measures
from driftrec.evaluate.plots import drawing
from driftrec.evaluate.tables import Table
from driftrec.model.runner import Runner
from driftrec.picture import atomic_write
from experiments.catalogue import Experiment, Plot
from experiments.lab import Labels, Measured

METRICS = {
    "psnr": "psnr",
    "lpips": "lpips_alex",
    "colour": "colour_shift",
}
"""Names of metrics in records, and the names in `driftrec.evaluate.measures.METRICS`."""
OTHERS = {"bias": ("bias", "+.3f"), "spread": ("spread", "+.3f"), "evaluations": ("evaluations", ".0f")}
"""Heading and format of quantities that only experiments measure."""


def stated(metric: str) -> tuple[str, str]:
    """(heading, format) of a metric; those of `driftrec benchmark` for metrics that it measures too."""
    if metric in OTHERS:
        return OTHERS[metric]
    known = measures.METRICS[METRICS[metric]]
    return known.heading, f".{known.decimals}f"


def write_records(rows: Iterable[Measured], conditions: Sequence[str], path: Path) -> None:
    """Writes a line on the conditions and one for each row; the file is complete or absent."""
    lines = ({"settings": dict(r.settings), "picture": r.picture, "metrics": dict(r.metrics)} for r in rows)
    with atomic_write(path) as file:
        for line in ({"conditions": list(conditions)}, *lines):
            file.write((json.dumps(line, ensure_ascii=False) + "\n").encode())


def read_records(path: Path) -> tuple[list[Measured], list[str]]:
    """(rows, conditions) of a file that `write_records` wrote.  Raises ValueError for others."""
    try:
        first, *lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        return [Measured(line["settings"], line["picture"], line["metrics"]) for line in lines], first["conditions"]
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} holds no records of an experiment: run it first ({error})") from error


def page(
    name: str,
    experiment: Experiment,
    rows: Sequence[Measured],
    folder: Path,
    conditions: Sequence[str],
    draw: bool = True,
) -> Path:
    """Writes FOLDER/NAME.md and, if they are to be drawn, NAME-….png; returns the former.

    `conditions`: lines on data, runs, machine.
    """
    shown = [metric for metric in experiment.metrics if any(metric in r.metrics for r in rows)]
    pictures = len({r.picture for r in rows})
    parts = [f"# {experiment.title}", experiment.caption]
    if pictures > 1:
        parts.append(f"Means over {pictures} pictures.")
    parts += [
        table(rows, shown, experiment.across),
    ]
    for plot in (plot for plot in experiment.plots if any(plot.y in row.metrics for row in rows)):
        picture = folder / f"{name}-{plot.y}.png"
        parts.append(f"![{plot.y} over {plot.x}]({picture.name})")
        if draw:
            _draw(plot, rows, picture)
    parts.append("\n".join(f"* {line}" for line in conditions))
    target = folder / f"{name}.md"
    target.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return target


def table(rows: Sequence[Measured], metrics: Sequence[str], across: str = "") -> str:
    """A Markdown table with one line for each setting, in the order of the rows; of the setting `across`, if given, the
    values are columns."""
    groups = _groups(rows)
    names = [name for name in dict.fromkeys(n for settings, _ in groups for n in settings) if name != across]
    columns = list(dict.fromkeys(settings.get(across, "") for settings, _ in groups))
    columns.sort(key=lambda value: (isinstance(value, str), value if isinstance(value, int | float) else 0))
    heads = [f"{stated(m)[0]}{f', {across} = {v}' if across else ''}" for m in metrics for v in columns]
    cells: dict[tuple[str, ...], dict[tuple[str, object], str]] = {}
    for settings, group in groups:
        line = cells.setdefault(tuple(str(settings.get(name, "")) for name in names), {})
        for metric in metrics:
            if any(metric in row.metrics for row in group):
                line[metric, settings.get(across, "")] = f"{_mean(group, metric):{stated(metric)[1]}}"
    lines = tuple(
        (name, (*rest, *(line.get((metric, value), "–") for metric in metrics for value in columns)))
        for (name, *rest), line in cells.items()
    )
    return Table("", (*names[1:], *heads), lines, names[0], tuple(names[1:])).markdown()


def run_condition(name: str, runner: Runner) -> str:
    """What a trained run is, in a line."""
    facts = runner.card.facts
    training = facts["training"]
    return (
        f"`{name}`: {facts['parameters'] / 1e6:.2f} M parameters, {facts['multiply_adds_per_pixel'] / 1e3:.1f} k "
        f"multiply–adds per pixel, {training['steps']} steps in {training['minutes']} minutes on "
        f"{training['hardware']}, {training['pictures']} pictures"
    )


def _groups(rows: Sequence[Measured]) -> list[tuple[Labels, list[Measured]]]:
    """The rows of every setting."""
    groups: dict[str, tuple[Labels, list[Measured]]] = {}
    for row in rows:
        groups.setdefault(json.dumps(dict(row.settings)), (row.settings, []))[1].append(row)
    return list(groups.values())


def _mean(group: Sequence[Measured], metric: str) -> float:
    return float(np.mean([row.metrics.get(metric, math.nan) for row in group]))


def _draw(plot: Plot, rows: Sequence[Measured], path: Path) -> None:
    with drawing(path) as axes:
        over_metric = plot.x in METRICS or plot.x in OTHERS
        if over_metric:
            _scatter(axes, plot, rows)
        else:
            _curves(axes, plot, rows)
        if plot.linear is not None:
            axes.set_yscale("symlog", linthresh=plot.linear)
        axes.set(xlabel=stated(plot.x)[0] if over_metric else plot.x, ylabel=stated(plot.y)[0])
        if any(not str(line.get_label()).startswith("_") for line in axes.lines):
            title = "" if over_metric else plot.line
            figure = cast(Figure, axes.figure)
            figure.legend(
                frameon=False, fontsize="x-small", loc="outside right upper", title=title, title_fontsize="x-small"
            )


def _curves(axes: Axes, plot: Plot, rows: Sequence[Measured]) -> None:
    """A colour for every value of the plot's line, a style for what else is set."""
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for settings, group in _groups(rows):
        x, y = settings.get(plot.x, ""), _mean(group, plot.y)
        rest = ", ".join(str(v) for key, v in settings.items() if key not in (plot.x, plot.line))
        if isinstance(x, int | float) and math.isfinite(y) and not (plot.logarithmic and x <= 0):
            curves.setdefault((str(settings.get(plot.line, "")), rest), []).append((x, y))
    lines, rests = (list(dict.fromkeys(key[i] for key in curves)) for i in (0, 1))
    for (line, rest), points in curves.items():
        style, colour = ("-", ":", "--", "-.")[rests.index(rest) % 4], f"C{lines.index(line)}"
        label = ", ".join(part for part in (line, rest) if part)
        axes.plot(*zip(*sorted(points), strict=True), style, color=colour, marker="o", ms=3, lw=1, label=label)
    if plot.logarithmic:
        axes.set_xscale("log")
        ticks = sorted({x for points in curves.values() for x, _ in points})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()


def _scatter(axes: Axes, plot: Plot, rows: Sequence[Measured]) -> None:
    """Plots one metric over another: a colour per value of the plot's line, a marker per other settings."""
    colours, markers = {}, {}
    for settings, group in _groups(rows):
        line = f"{plot.line} {settings[plot.line]}" if plot.line else ""
        shown = {key: value for key, value in settings.items() if key != plot.line}
        rest = ", ".join(value if isinstance(value, str) else f"{key} = {value}" for key, value in shown.items())
        colour = colours.setdefault(line, f"C{len(colours)}")
        marker = markers.setdefault(rest, "os^vDP*X<>"[len(markers) % 10])
        axes.plot(_mean(group, plot.x), _mean(group, plot.y), marker, color=colour, ms=4)
    if plot.line:
        for label, colour in colours.items():
            axes.plot([], [], "-", color=colour, label=label)
    for label, marker in markers.items():
        axes.plot([], [], marker, color="black", ms=4, label=label)
