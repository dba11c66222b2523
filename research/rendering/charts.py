"""Charts by matplotlib in random styles, and graphs by graphviz."""

import io
import subprocess

import matplotlib as mpl
import matplotlib.font_manager
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from numpy.random import Generator
from PIL import Image

from driftrec.train.data.graphics.common import chance, colour, pick
from driftrec.train.data.graphics.fonts import Fonts
from driftrec.train.data.graphics.words import phrase
from rendering.sheet import SIDE, Make, Sheet

STYLES = ("default", "classic", "ggplot", "bmh", "dark_background", "fivethirtyeight", "grayscale", "seaborn-v0_8")


def charts(fonts: Fonts) -> Make:
    """One to four charts on a sheet."""

    def make(rng: Generator) -> Sheet:
        font, script = fonts.draw(rng)
        with mpl.style.context(pick(rng, STYLES)):
            dots = int(rng.integers(60, 130))
            figure = Figure(figsize=(SIDE / dots, SIDE / dots), dpi=dots)
            grid = figure.subplots(*pick(rng, ((1, 1), (1, 2), (2, 1), (2, 2))), squeeze=False)
            for axes in grid.flat:
                pick(rng, (_lines, _bars, _points, _image, _pie, _contours))(axes, rng)
                axes.set_title(_words(rng, script), fontproperties=_properties(font, rng))
                if chance(rng, 0.5):
                    axes.grid(visible=True)
            figure.tight_layout()
            file = io.BytesIO()
            figure.savefig(file)
        return Sheet(Image.open(file).convert("RGB").crop((0, 0, SIDE, SIDE)), "charts by matplotlib", "CC0")

    return make


def _words(rng: Generator, script) -> str:  # noqa: ANN001
    return phrase(rng, script, 3).replace("$", "")


def _properties(font, rng: Generator):  # noqa: ANN001, ANN202
    return mpl.font_manager.FontProperties(fname=font.file, size=int(rng.integers(7, 14)))


def _lines(axes, rng: Generator) -> None:  # noqa: ANN001
    x = np.linspace(0, 10, 60)
    for i in range(int(rng.integers(1, 6))):
        style = pick(rng, ("-", "--", ":", "-.", "o-", "s"))
        axes.plot(
            x, np.cumsum(rng.standard_normal(60)), style, label=f"{i}", linewidth=rng.uniform(0.5, 3), markersize=3
        )
    if chance(rng, 0.6):
        axes.legend()


def _bars(axes, rng: Generator) -> None:  # noqa: ANN001
    values = rng.random(int(rng.integers(3, 14)))
    axes.bar(range(len(values)), values, color=[np.array(colour(rng)) / 255 for _ in values], edgecolor="k")


def _points(axes, rng: Generator) -> None:  # noqa: ANN001
    x, y = rng.standard_normal((2, 200))
    axes.scatter(x, y, s=rng.uniform(2, 40), c=x + y, alpha=rng.uniform(0.4, 1))


def _image(axes, rng: Generator) -> None:  # noqa: ANN001
    axes.imshow(rng.random((9, 9)).cumsum(0), cmap=pick(rng, ("viridis", "jet", "gray", "coolwarm", "magma")))


def _pie(axes, rng: Generator) -> None:  # noqa: ANN001
    parts = rng.random(int(rng.integers(2, 8))) + 0.1
    axes.pie(parts, labels=[f"{100 * p / parts.sum():.0f} %" for p in parts])


def _contours(axes, rng: Generator) -> None:  # noqa: ANN001
    y, x = np.mgrid[-3:3:50j, -3:3:50j]
    z = np.sin(x * rng.uniform(0.5, 2)) + np.cos(y * rng.uniform(0.5, 2)) + 0.1 * x * y
    (axes.contourf if chance(rng, 0.5) else axes.contour)(x, y, z, int(rng.integers(4, 14)))


def graphs(fonts: Fonts) -> Make:
    """Flow charts, trees and records, laid out by graphviz."""

    def make(rng: Generator) -> Sheet:
        font, script = fonts.draw(rng)
        count = int(rng.integers(5, 22))
        family = font.at(20).getname()[0]
        paper = _hex(rng)
        lines = [
            f'graph [bgcolor="{paper}", dpi={rng.integers(50, 110)}, splines={pick(rng, ("ortho", "true", "line"))}]'
        ]
        shape = pick(rng, ("box", "ellipse", "box, style=rounded", "record", "diamond", "circle"))
        filled = ', style="filled"' if chance(rng, 0.5) and "style" not in shape else ""
        lines.append(f'node [shape={shape}{filled}, fontname="{family}", penwidth={rng.uniform(0.5, 3):.1f}]')
        for i in range(count):
            label = "".join(c for c in phrase(rng, script, 2) if c not in '"\\{}<>|')
            lines.append(f'n{i} [label="{label}", fillcolor="{_hex(rng)}"]')
        for i in range(1, count):
            arrow = f'[color="{_hex(rng)}"]' if chance(rng, 0.3) else ""
            lines.append(f"n{rng.integers(0, i)} -> n{i} {arrow}")
        text = "digraph { " + "; ".join(lines) + " }"
        engine = pick(rng, ("dot", "neato", "circo", "fdp"))
        done = subprocess.run([engine, "-Tpng"], input=text.encode(), capture_output=True, check=False)
        if done.returncode:  # circo aborts on a few graphs
            done = subprocess.run(["dot", "-Tpng"], input=text.encode(), capture_output=True, check=True)
        drawn = Image.open(io.BytesIO(done.stdout)).convert("RGBA")
        left, top = (int(rng.integers(0, max(n - SIDE, 0) + 1)) for n in drawn.size)
        part = drawn.crop((left, top, min(left + SIDE, drawn.width), min(top + SIDE, drawn.height)))
        sheet = Image.new("RGB", (SIDE, SIDE), paper)
        sheet.paste(part, mask=part)
        return Sheet(sheet, "graphs by graphviz", "CC0")

    return make


def _hex(rng: Generator) -> str:
    return "#ffffff" if chance(rng, 0.4) else "#{:02x}{:02x}{:02x}".format(*colour(rng))
