"""Records of an experiment as JSON lines; a page with its table and its plots made of them."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from driftrec.evaluate.plots import drawing
from driftrec.experiments.catalogue import Experiment, Plot
from driftrec.experiments.lab import Row, Settings
from driftrec.runtime import Runner

METRICS = {
    "psnr": ("PSNR ↑", "{:.2f}"),
    "lpips": ("LPIPS-Alex ↓", "{:.4f}"),
    "colour": ("shift of colour ↓", "{:.2f}"),
    "bias": ("bias", "{:+.3f}"),
    "spread": ("spread", "{:+.3f}"),
    "evaluations": ("evaluations", "{:.0f}"),
}
"""Headings and formats."""


def write_records(rows: Iterable[Row], path: Path) -> list[Row]:
    """Writes one line a row, and returns them; the file is complete or absent."""
    kept = list(rows)
    partial = path.with_suffix(".part")
    lines = ({"settings": dict(r.settings), "picture": r.picture, "metrics": dict(r.metrics)} for r in kept)
    partial.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    partial.replace(path)
    return kept


def page(name: str, experiment: Experiment, rows: Sequence[Row], folder: Path, conditions: Sequence[str]) -> Path:
    """Writes FOLDER/NAME.md with NAME-….png, and returns the former.  `conditions`: lines on data, runs, machine."""
    shown = [metric for metric in experiment.metrics if any(metric in r.metrics for r in rows)]
    pictures = len({r.picture for r in rows})
    parts = [f"# {experiment.title}", experiment.caption]
    if pictures > 1:
        parts.append(f"Means over {pictures} pictures.")
    parts += [
        table(rows, shown, experiment.across),
        *(
            f"![{plot.y} over {plot.x}]({_draw(plot, rows, folder, name)})"
            for plot in experiment.plots
            if _drawable(plot, rows)
        ),
    ]
    parts.append("\n".join(f"* {line}" for line in conditions))
    target = folder / f"{name}.md"
    target.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return target


def table(rows: Sequence[Row], metrics: Sequence[str], across: str = "") -> str:
    """A Markdown table with one line for each setting, in the order of the rows; of the setting `across`, if given, the
    values are columns."""
    groups = _groups(rows)
    names = [name for name in dict.fromkeys(n for settings, _ in groups for n in settings) if name != across]
    columns = list(dict.fromkeys(settings.get(across, "") for settings, _ in groups))
    heads = [*names]
    for metric in metrics:
        heads += [f"{METRICS[metric][0]}{f', {across} = {value}' if across else ''}" for value in columns]
    lines = [
        f"| {' | '.join(heads)} |",
        f"| {' | '.join(['---'] * len(names) + ['--:'] * len(metrics) * len(columns))} |",
    ]
    values: dict[tuple[str, ...], dict[tuple[str, object], str]] = {}
    for settings, group in groups:
        line = values.setdefault(tuple(str(settings.get(name, "")) for name in names), {})
        for metric in metrics:
            if any(metric in row.metrics for row in group):
                line[metric, settings.get(across, "")] = METRICS[metric][1].format(_mean(group, metric))
    for labels, line in values.items():
        cells = [line.get((metric, value), "–") for metric in metrics for value in columns]
        lines.append(f"| {' | '.join([*labels, *cells])} |")
    return "\n".join(lines)


def run_condition(name: str, runner: Runner) -> str:
    """What a trained run is, in a line."""
    facts = runner.card.facts
    training = facts["training"]
    return (
        f"`{name}`: {facts['parameters'] / 1e6:.2f} M parameters, {facts['multiply_adds_per_pixel'] / 1e3:.1f} k "
        f"multiply–adds per pixel, {training['steps']} steps in {training['minutes']} minutes on "
        f"{training['hardware']}, {training['pictures']} pictures"
    )


def _groups(rows: Sequence[Row]) -> list[tuple[Settings, list[Row]]]:
    """The rows of every setting."""
    groups: dict[str, tuple[Settings, list[Row]]] = {}
    for row in rows:
        groups.setdefault(json.dumps(dict(row.settings)), (row.settings, []))[1].append(row)
    return list(groups.values())


def _mean(group: Sequence[Row], metric: str) -> float:
    return float(np.mean([row.metrics.get(metric, math.nan) for row in group]))


def _drawable(plot: Plot, rows: Sequence[Row]) -> bool:
    return any(plot.y in row.metrics for row in rows)


def _draw(plot: Plot, rows: Sequence[Row], folder: Path, name: str) -> str:
    """Draws a plot; returns the name of its file."""
    lines: dict[str, list[tuple[float, float, str]]] = {}
    for settings, group in _groups(rows):
        x = settings.get(plot.x, _mean(group, plot.x))
        y = _mean(group, plot.y)
        rest = ", ".join(str(v) for key, v in settings.items() if key not in (plot.x, plot.line))
        if isinstance(x, int | float) and math.isfinite(x + y) and not (plot.logarithmic and x <= 0):
            lines.setdefault(str(settings.get(plot.line, "")), []).append((x, y, rest))
    path = folder / f"{name}-{plot.y}.png"
    with drawing(path) as axes:
        for line, points in lines.items():
            for rest in dict.fromkeys(r for *_, r in points) if plot.x not in METRICS else [None]:
                here = sorted(p[:2] for p in points if rest is None or p[2] == rest)
                label = ", ".join(part for part in (line, rest) if part)
                style = "-" if len(axes.lines) < 10 else ":"  # colours repeat after ten lines
                axes.plot(*zip(*here, strict=True), style, marker="o", markersize=3, linewidth=1, label=label)
            if plot.x in METRICS:
                for x, y, text in points:
                    axes.annotate(text, (x, y), fontsize=5, xytext=(3, 3), textcoords="offset points")
        if plot.logarithmic:
            axes.set_xscale("log")
            ticks = sorted({x for points in lines.values() for x, *_ in points})
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        if plot.linear is not None:
            axes.set_yscale("symlog", linthresh=plot.linear)
        axes.set(xlabel=METRICS.get(plot.x, (plot.x,))[0], ylabel=METRICS[plot.y][0])
        if any(label for label in lines):
            axes.legend(frameon=False, fontsize="x-small")
    return path.name
