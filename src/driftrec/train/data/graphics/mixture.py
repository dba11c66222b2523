"""Drawn training pictures without end: every kind of generator by name, and their mixture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image

from driftrec.evaluate.corruptions import Pixels
from driftrec.train.data.graphics.captions import captioned
from driftrec.train.data.graphics.common import Draw, Scene, between, chance, pick
from driftrec.train.data.graphics.fonts import Fonts
from driftrec.train.data.graphics.illustrations import comic, glow, illustration
from driftrec.train.data.graphics.interfaces import interface
from driftrec.train.data.graphics.lines import line_art
from driftrec.train.data.graphics.pages import page
from driftrec.train.data.graphics.scans import scan
from driftrec.train.data.graphics.tones import dither, dithered, halftone, pixel_art

KINDS: Mapping[str, Draw] = {
    "page": page,
    "interface": interface,
    "lines": line_art,
    "illustration": illustration,
    "comic": comic,
    "glow": glow,
    "caption": captioned,
    "scan": scan,
    "halftone": halftone,
    "dither": dither,
    "pixels": pixel_art,
}

WEIGHTS: Mapping[str, float] = {
    "page": 4,
    "interface": 4,
    "lines": 3,
    "illustration": 4,
    "comic": 3,
    "glow": 1.5,
    "caption": 3,
    "scan": 1.5,
    "halftone": 0.5,
    "dither": 0.5,
    "pixels": 1,
}
"""How often each kind is drawn, unless a recipe says otherwise."""


@dataclass(frozen=True)
class Mixture:
    """Draws pictures of all kinds, in proportion to their weights; a pure function of the random generator.

    A share `resized` is drawn larger or smaller and resampled, as pictures on the web often are, and a share
    `few_colours` is reduced to a palette.  Raises ValueError for unknown kinds and for weights that do not fit.
    """

    weights: tuple[tuple[str, float], ...] = tuple(WEIGHTS.items())
    resized: float = 0.2
    few_colours: float = 0.04

    def __post_init__(self) -> None:
        if unknown := [name for name, _ in self.weights if name not in KINDS]:
            raise ValueError(f"there is no kind of drawing '{unknown[0]}': choose from {', '.join(KINDS)}")
        if min((w for _, w in self.weights), default=0) < 0 or not sum(w for _, w in self.weights):
            raise ValueError("weights of drawings must not be negative, and at least one of them positive")

    def __call__(self, scene: Scene, rng: Generator) -> Pixels:
        """A picture of the scene's size, uint8 (side, side, 3)."""
        names, weights = zip(*self.weights, strict=True)
        draw = KINDS[pick(rng, names, weights)]
        image = _resampled(draw, scene, rng) if chance(rng, self.resized) else draw(scene, rng)
        if chance(rng, self.few_colours):
            image = dithered(image, rng)
        return np.asarray(image)


def _resampled(draw: Draw, scene: Scene, rng: Generator) -> Image.Image:
    """Drawn at 0.6 to 2 times the size, then resampled by one of the usual filters."""
    drawn = draw(scene.resized(round(scene.side * between(rng, 0.6, 2))), rng)
    filters = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR, Image.Resampling.BOX)
    return drawn.resize((scene.side, scene.side), pick(rng, filters))


@dataclass(frozen=True, eq=False)
class Drawn:
    """The drawn part of the training pictures: its share, what is drawn, and the fonts."""

    share: float
    mixture: Mixture
    fonts: Fonts

    def picture(self, side: int, rng: Generator, photograph: Callable[[], Pixels]) -> Pixels:
        """A drawn picture, uint8 (side, side, 3); `photograph` returns pictures of that size to draw over."""
        return self.mixture(Scene(side, self.fonts, photograph), rng)
