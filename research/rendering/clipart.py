"""Scenes of clip art and icons, drawn by librsvg at random sizes."""

import io
import subprocess
from pathlib import Path

from numpy.random import Generator
from PIL import Image

from driftrec.train.data.graphics.common import between, blend, chance, colour, gradient, pick
from rendering.sheet import SIDE, Make, Package, Sheet

DRAWINGS = Package("openclipart-svg", "public domain", ("usr/share/openclipart/svg/**/*.svg",))
ICONS = (
    Package("tango-icon-theme", "public domain", ("usr/share/icons/Tango/scalable/**/*.svg",)),
    Package("oxygen-icon-theme", "LGPL-3+", ("usr/share/icons/oxygen/base/*/*/*.png",)),
    Package("papirus-icon-theme", "GPL-3", ("usr/share/icons/Papirus/64x64/places/*.svg",)),
)
PACKAGES = (DRAWINGS, *ICONS)


def maker(places: dict[str, Path]) -> Make:
    """Two sheets out of three show drawings, the third icons."""
    files = {package: package.files(places[package.name]) for package in PACKAGES}

    def make(rng: Generator) -> Sheet:
        package = DRAWINGS if chance(rng, 0.65) else pick(rng, ICONS)
        ground = (255, 255, 255) if chance(rng, 0.4) else colour(rng)
        sheet = Image.new("RGB", (SIDE, SIDE), ground)
        if chance(rng, 0.25):
            sheet = Image.fromarray(blend(gradient(rng, SIDE), (ground, colour(rng))))
        largest = 420 if package is DRAWINGS else 96
        for _ in range(int(rng.integers(2, 9)) if package is DRAWINGS else 40):
            side = round(between(rng, largest / 5, largest))
            place = tuple(int(v) for v in rng.integers(-side // 3, SIDE - side // 3, 2))
            part = drawn(pick(rng, files[package]), side)
            if part is not None:
                sheet.paste(part, place, part)
        return Sheet(sheet, package.name, package.licence)

    return make


def drawn(path: Path, side: int) -> Image.Image | None:
    """A drawing at a size, RGBA; None for files that cannot be drawn in ten seconds."""
    if path.suffix == ".png":
        return Image.open(path).convert("RGBA")
    command = ["rsvg-convert", "--width", str(side), "--height", str(side), "--keep-aspect-ratio", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=10)
        return Image.open(io.BytesIO(done.stdout)).convert("RGBA")
    except (subprocess.SubprocessError, OSError):
        return None
