"""Plots of records and comparison sheets of enlarged crops; all output is deterministic."""

import re
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image, ImageDraw

from driftrec.evaluate.benchmark import Record, picture_path
from driftrec.evaluate.measures import METRICS
from driftrec.evaluate.metrics.fidelity import Pixels, luma
from driftrec.evaluate.statistics import mean_of

CROP, ZOOM, MARGIN = 96, 2, 4
"""Side of the crops in pixels, their magnification, and the space between them in pixels."""


def rate_distortion(records: Sequence[Record], metric: str, path: Path) -> None:
    """Plots a metric over bits per pixel: one line for each method, with 95 % intervals over pictures."""
    with drawing(path) as axes:
        for method in _methods(records):
            points = [_point(group, "bits_per_pixel", metric) for group in _by_corruption(records, method)]
            _line(axes, points, method)
        axes.set(xlabel="bits per pixel", ylabel=METRICS[metric].heading)
        axes.legend(frameon=False, fontsize="small")


def perception_distortion(records: Sequence[Record], distortion: str, perception: str, path: Path) -> None:
    """Plots perception over distortion: a line per corruption, a marker per method; down and right is better."""
    markers = dict(zip(_methods(records), cycle("os^vDP*X<>"), strict=False))
    with drawing(path) as axes:
        for corruption in dict.fromkeys(r.corruption for r in records):
            here = [r for r in records if r.corruption == corruption]
            points = [_point([r for r in here if r.method == m], distortion, perception) for m in _methods(here)]
            _line(axes, points, corruption, line=":", marker="")
            for method, (x, y, *_) in zip(_methods(here), points, strict=True):
                axes.plot(x, y, markers[method], color="black", markersize=4)
        kinds = [Line2D([], [], color="black", marker=m, linestyle="", markersize=4) for m in markers.values()]
        axes.add_artist(axes.legend(kinds, markers, frameon=False, fontsize="small", loc="lower left"))
        axes.set(xlabel=METRICS[distortion].heading, ylabel=METRICS[perception].heading)
        axes.legend(frameon=False, fontsize="small", loc="upper right")


def evaluations_curve(records: Sequence[Record], metric: str, path: Path) -> None:
    """Plots a metric over network evaluations: one line for each corruption, through all methods that count them."""
    counted = [r for r in records if r.evaluations]
    with drawing(path) as axes:
        for corruption in dict.fromkeys(r.corruption for r in counted):
            groups = [[r for r in counted if (r.method, r.corruption) == (m, corruption)] for m in _methods(counted)]
            points = sorted(_point(group, "evaluations", metric) for group in groups if group)
            _line(axes, points, corruption)
        axes.set(xlabel="network evaluations", ylabel=METRICS[metric].heading)
        axes.legend(frameon=False, fontsize="small")


def seconds_bar(records: Sequence[Record], path: Path) -> None:
    """Plots the mean seconds per megapixel of each method that was timed."""
    timed = [r for r in records if r.seconds is not None]
    with drawing(path) as axes:
        for position, method in enumerate(_methods(timed)):
            values = [r.value("seconds_per_megapixel") or 0 for r in timed if r.method == method]
            mean = mean_of(values)
            axes.barh(position, mean.value, color="0.6")
            axes.text(mean.value, position, f" {mean.value:.2f}", va="center", fontsize="small")
        axes.set_yticks(range(len(_methods(timed))), _methods(timed))
        axes.invert_yaxis()
        axes.set(xlabel="seconds per megapixel")


def all_plots(records: Sequence[Record], folder: Path) -> list[Path]:
    """Writes every plot that the records allow as a PNG file in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    there = [name for name in METRICS if any(name in r.metrics for r in records)]
    made = []
    corruptions = {r.corruption for r in records}
    for name in (n for n in ("psnr", "psnr_b", "lpips_alex", "niqe") if n in there):
        if len(corruptions) > 1 and all(re.fullmatch(r"q\d+", name) for name in corruptions):
            rate_distortion(records, name, made_path(folder, f"rate-{name}", made))
        if len({r.evaluations for r in records if r.evaluations}) > 1:
            evaluations_curve(records, name, made_path(folder, f"evaluations-{name}", made))
    if {"psnr", "lpips_alex"} <= set(there):
        perception_distortion(records, "psnr", "lpips_alex", made_path(folder, "perception-distortion", made))
    if any(r.seconds is not None for r in records):
        seconds_bar(records, made_path(folder, "seconds", made))
    return made


def made_path(folder: Path, name: str, made: list[Path]) -> Path:
    """Returns folder/name.png and appends it to `made`."""
    made.append(folder / f"{name}.png")
    return made[-1]


def sheet(records: Sequence[Record], out: Path, path: Path) -> bool:
    """Writes one row: each method's restoration of one corrupted picture, whole and as an enlarged crop.

    The crop is where the first and the last picture differ most.  `records` belong to one picture and corruption
    whose restored pictures `benchmark.run` kept in `out`.  The clean picture, if there is one, comes last.  Returns
    False and writes nothing if no picture was kept.
    """
    kept = {r.method: picture_path(out, r) for r in records if picture_path(out, r).is_file()}
    if not kept:
        return False
    clean = picture_path(out, records[0]).with_name("clean.png")
    names = {**kept, "clean": clean} if clean.is_file() else kept
    pictures = {name: np.asarray(Image.open(file).convert("RGB")) for name, file in names.items()}
    first, *_, last = pictures.values()
    top, left = hardest_crop(first, last)
    side = CROP * ZOOM
    canvas = Image.new("RGB", (len(pictures) * (side + MARGIN) - MARGIN, 2 * side + MARGIN + 14), "white")
    draw = ImageDraw.Draw(canvas)
    for column, (name, pixels) in enumerate(pictures.items()):
        x = column * (side + MARGIN)
        image = Image.fromarray(pixels)
        overview = image.copy()
        ImageDraw.Draw(overview).rectangle((left, top, left + CROP, top + CROP), outline="red", width=3)
        overview.thumbnail((side, side))
        canvas.paste(overview, (x, 14))
        crop = image.crop((left, top, left + CROP, top + CROP))
        canvas.paste(crop.resize((side, side), Image.Resampling.NEAREST), (x, side + MARGIN + 14))
        draw.text((x, 0), name, fill="black", font_size=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path, optimize=True)
    return True


def hardest_crop(a: Pixels, b: Pixels) -> tuple[int, int]:
    """(top, left) of the 96×96 crop in which two pictures differ most, on a grid of 16 pixels; (0, 0) if equal."""
    error = np.square(luma(a) - luma(b))
    table = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = (min(CROP, n) for n in error.shape)
    tops, lefts = (range(0, n - c + 1, 16) for n, c in zip(error.shape, (height, width), strict=True))
    sums = {
        (t, s): table[t + height, s + width] - table[t, s + width] - table[t + height, s] + table[t, s]
        for t in tops
        for s in lefts
    }
    return max(sums, key=lambda place: (sums[place], -place[0], -place[1]))


class drawing:
    """Opens the axes of a new figure and saves it at the end; avoids pyplot's global state, so workers can draw too."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Axes:
        with mpl.rc_context({"font.size": 8}):
            self.figure = Figure(figsize=(5, 3.4), dpi=150, layout="constrained")
            self.axes = self.figure.add_subplot()
        self.axes.spines[["top", "right"]].set_visible(False)
        return self.axes

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.figure.savefig(self.path, metadata={"Software": None})


def _line(
    axes: Axes,
    points: Sequence[tuple[float, float, float, float]],
    label: str,
    line: str = "-",
    marker: str = "o",
) -> None:
    if points:
        x, y, low, high = np.array(points).T
        bars = (y - low, high - y)
        axes.errorbar(x, y, bars, marker=marker, markersize=3, linewidth=1, linestyle=line, capsize=2, label=label)


def _point(group: Sequence[Record], x: str, y: str) -> tuple[float, float, float, float]:
    """(mean x, mean y, and the interval of mean y) over the pictures that have both."""
    values = [(a, b) for r in group if (a := r.value(x)) is not None and (b := r.value(y)) is not None]
    mean = mean_of([b for _, b in values])
    return float(np.mean([a for a, _ in values])), mean.value, mean.low, mean.high


def _methods(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(r.method for r in records))


def _by_corruption(records: Sequence[Record], method: str) -> list[list[Record]]:
    own = [r for r in records if r.method == method]
    return [[r for r in own if r.corruption == c] for c in dict.fromkeys(r.corruption for r in own)]
