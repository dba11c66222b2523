"""What the generators share: their signature, random draws, colours, and smooth fields."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from driftrec.evaluate.corruptions import Pixels
from driftrec.train.data.graphics.fonts import Fonts

T = TypeVar("T")
Floats: TypeAlias = NDArray[np.floating[Any]]
Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue in [0, 255]."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What a generator draws with: the side of the square picture in pixels, fonts, and a photograph of that size."""

    side: int
    fonts: Fonts
    photograph: Callable[[], Pixels]
    """Returns a crop of a training picture, uint8 (side, side, 3)."""

    def resized(self, side: int) -> "Scene":
        """A scene of another side; its photographs are resized crops."""

        def photograph() -> Pixels:
            image = Image.fromarray(self.photograph())
            return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))

        return Scene(side, self.fonts, photograph)


Draw: TypeAlias = Callable[[Scene, Generator], Image.Image]
"""A generator: draws an RGB image of the scene's size."""


def pick(rng: Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of the options; with equal probability, or in proportion to the weights."""
    if weights is None:
        return options[int(rng.integers(len(options)))]
    edges = np.cumsum(weights)
    return options[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def chance(rng: Generator, probability: float) -> bool:
    """True with this probability."""
    return bool(rng.random() < probability)


def between(rng: Generator, low: float, high: float) -> float:
    """A number uniform in its logarithm: sizes of things span orders of magnitude.  Both ends must be positive."""
    return float(low * (high / low) ** rng.random())


def colour(rng: Generator) -> Colour:
    """A colour as people choose them: strong, pastel, dark, or a gray; corners of the cube are frequent."""
    kind = rng.random()
    if kind < 0.12:
        return _rgb(rng.integers(0, 2, 3) * 255)
    if kind < 0.3:
        return _rgb(np.repeat(rng.integers(0, 256), 3))
    hue, value = rng.random() * 6, 1 - 0.8 * rng.random() ** 2
    saturation = rng.random() ** (0.5 if kind < 0.75 else 2.5)
    wheel = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return _rgb(np.rint(255 * value * (1 - saturation * (1 - wheel))))


def theme(rng: Generator) -> tuple[Colour, Colour]:
    """(paper, ink): black on white most often, also dark themes and coloured pairs of enough contrast."""
    kind = rng.random()
    if kind < 0.35:
        return (255, 255, 255), (0, 0, 0)
    if kind < 0.6:
        paper, ink = 255 - rng.integers(0, 24, 3), np.repeat(rng.integers(0, 110), 3)
        return _rgb(paper), _rgb(ink) if chance(rng, 0.7) else shade(colour(rng), 0.45)
    if kind < 0.8:
        return _rgb(rng.integers(0, 60) + rng.integers(0, 16, 3)), _rgb(255 - rng.integers(0, 90, 3))
    for _ in range(8):
        paper, ink = colour(rng), colour(rng)
        if abs(luminance(paper) - luminance(ink)) > 70:
            return paper, ink
    return (255, 255, 255), colour(rng)


def shade(base: Colour, factor: float) -> Colour:
    """A darker (factor < 1) or lighter (factor > 1, towards white) version of a colour."""
    values = np.array(base) * factor if factor <= 1 else 255 - (255 - np.array(base)) / factor
    return _rgb(values)


def luminance(of: Colour) -> float:
    """The luma of a colour (BT.601), in [0, 255]."""
    return 0.299 * of[0] + 0.587 * of[1] + 0.114 * of[2]


def _rgb(values: NDArray[np.generic]) -> Colour:
    red, green, blue = (int(v) for v in np.clip(values, 0, 255))
    return red, green, blue


def smooth_field(rng: Generator, side: int, cells: int) -> Floats:
    """White noise of `cells` × `cells` values interpolated to a square of `side`: standard deviation below 1."""
    noise = rng.standard_normal((cells, cells), np.float32)
    image = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image)


def gradient(rng: Generator, side: int) -> Floats:
    """A linear, radial or conical ramp in [0, 1], float32 (side, side)."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    kind = rng.integers(3)
    if kind == 0:
        angle = rng.random() * 2 * np.pi if chance(rng, 0.5) else rng.integers(4) * np.pi / 2
        ramp = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    else:
        across, down = x - np.float32(rng.uniform(-0.3, 1.3)), y - np.float32(rng.uniform(-0.3, 1.3))
        ramp = np.hypot(across, down) if kind == 1 else np.arctan2(down, across)
    low, high = ramp.min(), ramp.max()
    return (ramp - low) / max(high - low, np.float32(1e-6))


def blend(ramp: Floats, stops: Sequence[Colour]) -> Pixels:
    """A ramp in [0, 1] coloured with evenly spaced stops: uint8 (height, width, 3), rounded without dithering."""
    places, fine = np.linspace(0, 1, len(stops)), np.linspace(0, 1, 4096)
    table = np.stack([np.interp(fine, places, [stop[i] for stop in stops]) for i in range(3)], axis=-1)
    return np.rint(table).astype(np.uint8)[np.rint(ramp * 4095).astype(np.int16)]
