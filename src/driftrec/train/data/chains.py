"""Training pairs from random chains: compressed, resized, edited and saved again, as pictures found online were.

The steps are those of the benchmark (`driftrec.evaluate.chains`).  Their kinds, order and parameters are drawn here,
parameters from continuous ranges where they have such.  Truth and corrupted picture go through the same edits, and only
the corrupted one through the formats, so that both have one size and show the same at each pixel.

    drawn = RandomChains().draw(side, rng)
    example = drawn(pixels)                 pixels: uint8, squares of `drawn.source` pixels a side
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.random import Generator

from driftrec.evaluate.chains.chain import Part, Patchwork, Step, edited, walked
from driftrec.evaluate.chains.drawing import Border, Caption, Screenshot
from driftrec.evaluate.chains.formats import AsAvif, AsJpeg, AsPalette, AsWebp, Format
from driftrec.evaluate.chains.geometry import FILTERS, Crop, Edit, Filter, Resize, Rotate, Turn
from driftrec.evaluate.chains.tables import CLIPPED, IJG, MOZJPEG, PHONE, Tables
from driftrec.evaluate.chains.tone import Blur, Noise, Sharpen, Tone
from driftrec.evaluate.corruptions import Pixels
from driftrec.jpeg.tables import MCU
from driftrec.train.data.degrade import SUBSAMPLINGS


@dataclass(frozen=True, eq=False)
class Example:
    """A training pair: `clean` and `corrupted`, uint8 (side, side, 3).

    `file` is the JPEG file whose pixels `corrupted` shows, with its tables and coefficients; None where the last step
    was another, as in screenshots.
    """

    clean: Pixels
    corrupted: Pixels
    file: bytes | None


@dataclass(frozen=True)
class Window(Edit):
    """A square of `side` pixels, at shares (from the top, from the left) of the way that it can move.

    Rotations of pictures that are no squares any more can leave them some pixels too small; these are mirrored.
    """

    side: int
    place: tuple[float, float]

    def __call__(self, pixels: Pixels) -> Pixels:
        missing = [(0, max(self.side - n, 0)) for n in pixels.shape[:2]]
        pixels = np.pad(pixels, (*missing, (0, 0)), mode="symmetric")
        top, left = (int(share * (n - self.side + 1)) for share, n in zip(self.place, pixels.shape[:2], strict=True))
        return np.ascontiguousarray(pixels[top : top + self.side, left : left + self.side])


@dataclass(frozen=True)
class DrawnChain:
    """What happens to one crop: `content` is done to the clean picture before anything is lost, then `steps`."""

    content: tuple[Edit, ...]
    steps: tuple[Step, ...]
    source: int

    def __call__(self, pixels: Pixels) -> Example:
        clean = edited(pixels, self.content)
        corrupted, file = walked(clean, self.steps)
        is_jpeg = bool(self.steps) and isinstance(self.steps[-1], AsJpeg)
        return Example(edited(clean, self.steps), corrupted, file if is_jpeg else None)


Draw: TypeAlias = Callable[[Generator], Edit]


@dataclass(frozen=True)
class RandomChains:
    """Draws a chain for each crop.

    Attributes:
        clean: share of crops that were never compressed, though perhaps edited.
        single: share of crops that were compressed once, with the JPEG's grid at their first pixel.
        realigned: share of crops that were compressed, cropped and compressed again, with the first grid at their first
            pixel, as the program shows such pictures to the network once it has found that grid.
        generations: the most compressions of the others; each number from 1 is as likely.
        power: the first quality is 1 + 99 u^power for uniform u; larger powers favour low qualities.
        patched: share of first compressions that only parts of the picture went through.
        lossless: share of those compressed more than once whose last step is no compression, as in screenshots.
        noise: share of crops that get sensor noise or film grain before anything else.
        graphics: share of crops with text or a window drawn into the clean picture.
        factors: least and greatest factor of a resizing, and of all resizings of a chain together.
    """

    clean: float = 0.06
    single: float = 0.34
    realigned: float = 0.0
    generations: int = 5
    power: float = 2.0
    patched: float = 0.06
    lossless: float = 0.35
    noise: float = 0.15
    graphics: float = 0.06
    factors: tuple[float, float] = (0.4, 2.5)

    def __post_init__(self) -> None:
        for name in ("clean", "single", "realigned", "patched", "lossless", "noise", "graphics"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share between 0 and 1, not {getattr(self, name)}")
        if (total := self.clean + self.single + self.realigned) > 1:
            raise ValueError(f"clean, single and realigned are shares of the same crops, and {total:g} > 1")
        if not 1 <= self.generations <= 9:
            raise ValueError(f"generations must be 1 to 9, not {self.generations}")
        if self.power <= 0:
            raise ValueError(f"power must be positive, got {self.power}")
        if not 0.1 <= self.factors[0] <= 1 <= self.factors[1] <= 10:
            raise ValueError(f"factors must satisfy 0.1 ≤ least ≤ 1 ≤ greatest ≤ 10, got {self.factors}")

    def draw(self, side: int, rng: Generator) -> DrawnChain:
        """The chain of one crop of `side` pixels a side; a pure function of the generator's state."""
        content = self._content(rng)
        kind = rng.random()
        window = Window(side, (rng.random(), rng.random()))
        if kind < self.clean:
            steps: list[Step] = [*self._edits(rng, ()), window]
        elif kind < self.clean + self.single:
            steps = [window, self._first(rng)]
        elif kind < self.clean + self.single + self.realigned:
            steps = self._realigned(rng, window)
        else:
            steps = self._history(rng, window)
        source = side + int(rng.integers(MCU))  # the window moves, and so does the grid of what was compressed before
        for step in reversed((*content, *steps)):
            source = step.reach(source) if isinstance(step, Edit) else source
        return DrawnChain(content, tuple(steps), source)

    def _first(self, rng: Generator) -> AsJpeg:
        return _jpeg(1 + 99 * rng.random() ** self.power, rng)

    def _realigned(self, rng: Generator, window: Window) -> list[Step]:
        """Two compressions on different grids, cut back to the grid of the first."""
        top, left = (int(n) for n in rng.integers(0, MCU, 2))
        later = _jpeg(_uniform(rng, 1, 100), rng)
        rest = Crop(MCU - top, MCU - left, MCU, MCU)
        larger = replace(window, side=window.side + 2 * MCU)
        return [larger, self._first(rng), Crop(top, left), later, rest]

    def _history(self, rng: Generator, window: Window) -> list[Step]:
        """Compressions with edits between them, cut to the window before the last one or after all edits."""
        first = self._first(rng)
        steps: list[Step] = [_patchwork(first, rng) if rng.random() < self.patched else first]
        count = int(rng.integers(1, self.generations + 1))
        for _ in range(1, count):
            steps += [*self._edits(rng, steps), _format(rng)]
        if count == 1 or rng.random() < self.lossless:
            return [*steps, *self._edits(rng, steps), window]
        return [*steps[:-1], window, steps[-1]]

    def _content(self, rng: Generator) -> tuple[Edit, ...]:
        content: list[Edit] = []
        if rng.random() < self.graphics:
            content.append(_caption(rng) if rng.random() < 0.3 else _screenshot(rng))
        if rng.random() < self.noise:
            content.append(_noise(rng, strongest=12.0))
        return tuple(content)

    def _edits(self, rng: Generator, before: Sequence[Step]) -> list[Edit]:
        """None, one or two edits after the steps `before`."""
        edits: list[Edit] = []
        for _ in range(int(rng.choice(3, p=(0.2, 0.5, 0.3)))):
            if rng.random() < RESIZED:
                edits.append(self._resize(rng, (*before, *edits)))
            else:
                edits.append(DRAWS[int(rng.choice(len(DRAWS), p=SHARES))](rng))
        return edits

    def _resize(self, rng: Generator, before: Sequence[Step]) -> Resize:
        scale = math.prod(step.factor for step in before if isinstance(step, Resize))
        least, greatest = self.factors
        bounds = max(least, least / scale), min(greatest, greatest / scale)
        return Resize(_log_uniform(rng, *bounds), FILTER_NAMES[int(rng.integers(len(FILTER_NAMES)))])


FILTER_NAMES: tuple[Filter, ...] = (*FILTERS, "points")


def _uniform(rng: Generator, low: float, high: float) -> float:
    return float(low + (high - low) * rng.random())


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return float(low * (high / low) ** rng.random())


def _jpeg(quality: float, rng: Generator) -> AsJpeg:
    """A JPEG; libjpeg's own tables exist for whole qualities only."""
    tables = _tables(rng)
    subsampling = SUBSAMPLINGS[int(np.searchsorted((0.25, 0.3), rng.random(), side="right"))]
    return AsJpeg(round(quality) if tables == IJG else quality, subsampling, tables)


def _tables(rng: Generator) -> Tables:
    """libjpeg's tables in most cases, else those between two others: the weighted geometric mean of their entries."""
    if rng.random() < 0.6:
        return IJG
    (a, b), weight = (BASES[int(n)] for n in rng.integers(len(BASES), size=2)), rng.random()
    mixed = [np.array(x) ** (1 - weight) * np.array(y) ** weight for x, y in ((a.luma, b.luma), (a.chroma, b.chroma))]
    luma, chroma = (tuple(int(entry) for entry in np.rint(table)) for table in mixed)
    return Tables(luma, chroma)


BASES = IJG, MOZJPEG, PHONE, CLIPPED


def _patchwork(jpeg: AsJpeg, rng: Generator) -> Patchwork:
    """Two halves of different qualities, or one part anywhere in a clean picture."""
    if rng.random() < 0.5:
        cut, other = _uniform(rng, 0.3, 0.7), _jpeg(_uniform(rng, 20, 98), rng)
        if rng.random() < 0.5:
            return Patchwork((Part(jpeg, (0, 0, 1, cut)), Part(other, (0, cut, 1, 1))))
        return Patchwork((Part(jpeg, (0, 0, cut, 1)), Part(other, (cut, 0, 1, 1))))
    (top, bottom), (left, right) = ((_uniform(rng, 0, 0.4), _uniform(rng, 0.6, 1)) for _ in range(2))
    return Patchwork((Part(jpeg, (top, left, bottom, right)),))


def _format(rng: Generator) -> Format:
    """The format of a later save: mostly JPEG at any quality, at times WebP, a palette, AVIF."""
    kind = rng.random()
    if kind < 0.75:
        return _jpeg(_uniform(rng, 20, 98), rng)
    if kind < 0.9:
        return AsWebp(_uniform(rng, 30, 95), method=2)
    if kind < 0.97:
        return AsPalette(int(_log_uniform(rng, 16, 257)), bool(rng.random() < 0.5), octree=bool(rng.random() < 0.8))
    return AsAvif(int(_uniform(rng, 30, 90)), speed=10)


def _crop(rng: Generator) -> Crop:
    top, left, bottom, right = (int(n) for n in rng.integers(0, MCU, 4))
    return Crop(top, left, bottom, right)


def _turn(rng: Generator) -> Turn:
    return Turn(int(rng.integers(4)), bool(rng.random() < 0.5))


def _rotate(rng: Generator) -> Rotate:
    return Rotate(float(rng.choice((-1, 1))) * _log_uniform(rng, 0.2, 15))


def _tone(rng: Generator) -> Tone:
    return Tone(_uniform(rng, -0.12, 0.12), _log_uniform(rng, 0.75, 1.35), _log_uniform(rng, 0.7, 1.4))


def _sharpen(rng: Generator) -> Sharpen:
    return Sharpen(_uniform(rng, 0.2, 1.5), _uniform(rng, 0.5, 2.5))


def _blur(rng: Generator) -> Blur:
    return Blur(_uniform(rng, 0.3, 1.2))


def _noise(rng: Generator, strongest: float = 5.0) -> Noise:
    """A camera's noise, or film grain."""
    strength, seed = _log_uniform(rng, 0.5, strongest), int(rng.integers(2**31))
    if rng.random() < 0.5:
        return Noise(0.5 * strength, strength**2 / 200, colour=bool(rng.random() < 0.7), seed=seed)
    return Noise(strength, grain=_uniform(rng, 1, 3), colour=bool(rng.random() < 0.3), seed=seed)


def _caption(rng: Generator) -> Caption:
    words = " ".join(str(word) for word in rng.choice(CAPTIONS, int(rng.integers(1, 4))))
    return Caption(words, _uniform(rng, 0.1, 0.9), _uniform(rng, 0.06, 0.2))


CAPTIONS = ("SAVED", "again", "12:45", "Photo", "NEW", "to be", "page 7", "HELLO", "and", "2 of 3")


def _border(rng: Generator) -> Border:
    red, green, blue = (int(level) for level in rng.integers(0, 256, 3))
    return Border(int(rng.integers(1, 24)), (red, green, blue) if rng.random() < 0.5 else (red, red, red))


def _screenshot(rng: Generator) -> Screenshot:
    top, left, bottom, right = (int(n) for n in rng.integers((20, 5, 16, 2), (60, 90, 70, 40)))
    return Screenshot(top, left, bottom, right, bool(rng.random() < 0.4), int(rng.integers(2**31)))


RESIZED = 0.36
"""Share of resizings among the edits."""

OTHERS: dict[Draw, float] = {
    **{_crop: 0.37, _turn: 0.09, _rotate: 0.09, _tone: 0.14, _sharpen: 0.1},
    **{_blur: 0.05, _noise: 0.06, _caption: 0.03, _border: 0.03, _screenshot: 0.04},
}
"""Shares among the other edits."""

DRAWS, SHARES = tuple(OTHERS), tuple(OTHERS.values())
