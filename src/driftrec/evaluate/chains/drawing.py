"""Edits that draw clean things on or around a picture: borders, captions, and the window of a screenshot."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from driftrec.evaluate.chains.geometry import Edit
from driftrec.evaluate.corruptions import Pixels

WORDS = ("when", "the", "photo", "of", "a", "market", "was", "shared", "again", "and", "lost", "its", "detail", "today")
"""Words of invented text; what it says does not matter."""

LIST = 55
"""The least width for a list of words, in pixels."""


@dataclass(frozen=True)
class Border(Edit):
    """A frame of one colour around the picture, `width` pixels wide."""

    width: int = 12
    colour: tuple[int, int, int] = (255, 255, 255)

    def __call__(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        framed = np.empty((height + 2 * self.width, width + 2 * self.width, 3), np.uint8)
        framed[:] = self.colour
        framed[self.width : self.width + height, self.width : self.width + width] = pixels
        return framed


@dataclass(frozen=True)
class Caption(Edit):
    """White letters with a black outline across the picture, as on memes.

    `place` is the height of the line's centre and `size` that of its letters, as shares of the picture's height; long
    lines are set smaller.
    """

    text: str = "WHEN IT IS SAVED AGAIN"
    place: float = 0.1
    size: float = 0.09

    def __call__(self, pixels: Pixels) -> Pixels:
        image = Image.fromarray(pixels)
        size = max(min(self.size * image.height, 1.4 * image.width / len(self.text)), 6.0)
        ImageDraw.Draw(image).text(
            (image.width / 2, self.place * image.height),
            self.text,
            "white",
            anchor="mm",
            stroke_width=max(round(size / 14), 1),
            stroke_fill="black",
            font_size=size,
        )
        return np.array(image)


@dataclass(frozen=True)
class Screenshot(Edit):
    """The picture in a window: a bar with a title above it, lines of text below it, and a list if there is space.

    Attributes:
        top, left, bottom, right: what surrounds the picture, in pixels.
        dark: light text on dark ground.
        seed: of the text.
    """

    top: int = 37
    left: int = 61
    bottom: int = 45
    right: int = 13
    dark: bool = False
    seed: int = 0

    def __call__(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        size = width + self.left + self.right, height + self.top + self.bottom
        ground, ink, bar = (
            ((32, 33, 36), (222, 222, 226), (53, 54, 58)) if self.dark else ((255,) * 3, (32,) * 3, (232,) * 3)
        )
        image = Image.new("RGB", size, ground)
        draw, rng = ImageDraw.Draw(image), np.random.default_rng(self.seed)

        def line(x: float, y: float, words: int, letters: float) -> None:
            draw.text((x, y), " ".join(rng.choice(WORDS, words)), ink, font_size=max(letters, 6.0))

        draw.rectangle((0, 0, size[0], 2 * self.top // 3), fill=bar)
        line(8, self.top // 6, 4, self.top / 3)
        for number, colour in enumerate(((214, 73, 63), (227, 174, 61), (88, 168, 89))):
            middle, radius = size[0] - 12 - 14 * number, min(self.top // 6, 5)
            draw.ellipse(
                (middle - radius, self.top // 3 - radius, middle + radius, self.top // 3 + radius), fill=colour
            )
        for y in range(self.top, size[1] - 20 if self.left >= LIST else 0, 18):
            line(6, y, 1, 12)
        for y in range(size[1] - self.bottom + 4, size[1] - 12, 15):
            line(self.left, y, max(width // 45, 1), 11)
        drawn = np.array(image)
        drawn[self.top : self.top + height, self.left : self.left + width] = pixels
        if self.right:
            drawn[self.top : self.top + height, self.left + width :] = ground
        return drawn
