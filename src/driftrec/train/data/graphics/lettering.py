"""Text drawn as screens draw it: with gray antialiasing, with subpixel antialiasing, or with neither."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from driftrec.train.data.graphics.common import Colour, Floats, chance, pick
from driftrec.train.data.graphics.fonts import Font
from driftrec.train.data.graphics.words import Script

Smoothing = Literal["gray", "subpixel", "none"]

LCD_FILTER = np.array([8, 77, 86, 77, 8], np.float32) / 256
"""FreeType's default filter across subpixels (FT_LCD_FILTER_DEFAULT)."""


@dataclass(frozen=True)
class Lettering:
    """How text is drawn: font, script, size in pixels, and antialiasing.

    `reverse` exchanges red and blue, for screens with that order of subpixels; `gamma` is the exponent of the coverage.
    """

    font: Font
    script: Script
    size: int
    smoothing: Smoothing = "gray"
    reverse: bool = False
    gamma: float = 1.0

    @property
    def face(self) -> FreeTypeFont:
        return self.font.at(self.size)

    def changed(self, size: int) -> "Lettering":
        """The same lettering in another size."""
        return Lettering(self.font, self.script, size, self.smoothing, self.reverse, self.gamma)

    def width(self, text: str) -> int:
        """The advance of a line of text in pixels, rounded up."""
        return int(np.ceil(self.face.getlength(text)))

    def write(self, image: Image.Image, place: tuple[int, int], text: str, ink: Colour) -> None:
        """Draws a line of text with its top left at `place` (x, y)."""
        if self.smoothing == "subpixel":
            self._write_subpixels(image, place, text, ink)
            return
        draw = ImageDraw.Draw(image)
        draw.fontmode = "1" if self.smoothing == "none" else "L"
        draw.text(place, text, fill=ink, font=self.face)

    def _write_subpixels(self, image: Image.Image, place: tuple[int, int], text: str, ink: Colour) -> None:
        """Coverage at three times the resolution, averaged down the rows, filtered across, and split into channels."""
        face = self.font.at(3 * self.size)
        left, top, right, bottom = (int(v) for v in face.getbbox(text))
        x0, y0 = (left // 3 - 1, top // 3 - 1)
        x1, y1 = (-(-right // 3) + 1, -(-bottom // 3) + 1)
        # Lines may be far longer than the picture: only what it shows is drawn.
        x0, y0 = max(x0, -place[0]), max(y0, -place[1])
        x1, y1 = min(x1, image.width - place[0]), min(y1, image.height - place[1])
        if x1 <= x0 or y1 <= y0:
            return
        mask = Image.new("L", (3 * (x1 - x0), 3 * (y1 - y0)))
        ImageDraw.Draw(mask).text((-3 * x0, -3 * y0), text, fill=255, font=face)
        rows = np.asarray(mask, np.float32).reshape(y1 - y0, 3, -1).mean(axis=1) / 255
        coverage = _filtered(rows).reshape(y1 - y0, x1 - x0, 3) ** np.float32(self.gamma)
        if self.reverse:
            coverage = coverage[..., ::-1]
        box = (place[0] + x0, place[1] + y0, place[0] + x1, place[1] + y1)
        ground = np.asarray(image.crop(box), np.float32)
        mixed = ground + coverage * (np.array(ink, np.float32) - ground)
        image.paste(Image.fromarray(np.rint(mixed).astype(np.uint8)), box[:2])


def _filtered(rows: Floats) -> Floats:
    padded = np.pad(rows, ((0, 0), (2, 2)))
    parts = [weight * padded[:, i : i + rows.shape[1]] for i, weight in enumerate(LCD_FILTER)]
    return np.clip(sum(parts[1:], parts[0]), 0, 1)


def lettering(rng: Generator, font: Font, script: Script, size: int) -> Lettering:
    """Text of a size, with the antialiasing of a random screen."""
    smoothing: Smoothing = pick(rng, ("gray", "subpixel", "none"), (0.6, 0.28, 0.12))
    return Lettering(font, script, size, smoothing, chance(rng, 0.1), float(rng.uniform(0.7, 1.2)))


def reading_size(rng: Generator) -> int:
    """A size of running text on screens, in pixels."""
    return int(rng.integers(9, 21)) if chance(rng, 0.8) else int(rng.integers(20, 34))
