"""Painted art of free games: figures over grounds, at their own size or reduced."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

from driftrec.jpeg import examine
from driftrec.train.data.graphics.common import blend, chance, colour, gradient, pick
from rendering.sheet import SIDE, Make, Package, Sheet

WESNOTH = "usr/share/games/wesnoth/1.16/data"
PACKAGES = (
    Package("wesnoth-1.16-data", "GPL-2+", (f"{WESNOTH}/**/portraits/**/*.png",)),
    Package(
        "wesnoth-1.16-data",
        "GPL-2+",
        (f"{WESNOTH}/core/images/terrain/**/*.png", f"{WESNOTH}/core/images/units/*/*.png"),
    ),
    Package("hedgewars-data", "GPL-2", ("usr/share/games/hedgewars/Data/Themes/*/*.png",)),
    Package("tuxpaint-stamps-default", "GPL-2", ("usr/share/tuxpaint/stamps/**/cartoon/**/*.png",)),
)
SMALLEST = 24
"""Smaller figures are left out, in pixels."""


def maker(places: dict[str, Path]) -> Make:
    """Figures of one game on a sheet, some of which fill it."""
    files = [package.files(places[package.name]) for package in PACKAGES]

    def make(rng: Generator) -> Sheet:
        number = int(rng.choice(len(PACKAGES), p=(0.4, 0.2, 0.2, 0.2)))
        sheet = Image.fromarray(blend(gradient(rng, SIDE), (colour(rng), colour(rng))))
        if chance(rng, 0.3):
            sheet.paste((255, 255, 255), (0, 0, SIDE, SIDE))
        portraits = number == 0
        for _ in range(3 if portraits else 24):
            figure = _figure(pick(rng, files[number]))
            if figure is None:
                continue
            factor = rng.uniform(0.4, 1) if chance(rng, 0.5) else 1
            if figure.width * factor > 1.5 * SIDE:
                factor = SIDE / figure.width
            if factor != 1:
                size = (max(round(figure.width * factor), 1), max(round(figure.height * factor), 1))
                figure = figure.resize(size, pick(rng, (Image.Resampling.LANCZOS, Image.Resampling.BICUBIC)))
            left = int(rng.integers(-figure.width // 4, max(SIDE - 3 * figure.width // 4, 1)))
            top = int(rng.integers(-figure.height // 4, max(SIDE - 3 * figure.height // 4, 1)))
            sheet.paste(figure, (left, top), figure)
        return Sheet(sheet, PACKAGES[number].name, PACKAGES[number].licence)

    return make


@cache
def _figure(path: Path) -> Image.Image | None:
    """A picture in RGBA; None if it is tiny, or shows that it has been a JPEG."""
    figure = Image.open(path).convert("RGBA")
    if min(figure.size) < SMALLEST:
        return None
    if min(figure.size) >= 128:
        left, top = figure.width // 4, figure.height // 4
        middle = figure.crop((left, top, left + 128, top + 128))
        flat = Image.new("RGB", middle.size, (128, 128, 128))
        flat.paste(middle, mask=middle)
        if examine(np.asarray(flat)).earlier is not None:
            return None
    return figure
