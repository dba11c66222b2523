"""A chain: a clean picture is compressed, then edited and saved again, until a last file is left.

    file, truth = chain(clean)                the last file, and the clean picture after the same edits
    before = chain.before(clean)              the files of the first compression,
    ceiling = before.finish(restored)         and what the edits make of their restorations

The *ceiling* of a restorer is what it reaches if it may work on the first files: later edits are made, later losses are
not.  What it reaches on the last file, as a share of that, is the subject of `driftrec.evaluate.shares`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from driftrec.evaluate.chains.formats import AsJpeg, Format, png, shown
from driftrec.evaluate.chains.geometry import Edit
from driftrec.evaluate.corruptions import Pixels

Step: TypeAlias = Edit | Format

Box: TypeAlias = tuple[float, float, float, float]
"""Top, left, bottom and right edge of a part, as shares of height and width."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Part:
    """A part of the picture that was a JPEG file of its own; whatever no part covers is clean."""

    jpeg: AsJpeg
    box: Box = WHOLE

    def area(self, pixels: Pixels) -> tuple[slice, slice]:
        """The rows and columns of the part."""
        (height, width), (top, left, bottom, right) = pixels.shape[:2], self.box
        return slice(round(top * height), round(bottom * height)), slice(round(left * width), round(right * width))


@dataclass(frozen=True)
class Before:
    """The files of a picture's first compression, and the way from their restorations to the last picture."""

    files: tuple[bytes, ...]
    finish: Callable[[Sequence[Pixels]], Pixels]
    """Takes one picture for each file, uint8 (height, width[, 3])."""


@dataclass(frozen=True)
class Chain:
    """What happened to a picture: its first compression, then `later` edits and formats in order.

    The last file has the last step's format, or is a PNG.  Gray pictures are treated as colour pictures with equal
    channels.
    """

    name: str
    parts: tuple[Part, ...]
    later: tuple[Step, ...]

    def __call__(self, clean: Pixels) -> tuple[bytes, Pixels]:
        """Returns (the last file, the clean picture after all edits)."""
        clean = _coloured(clean)
        files = self._first(clean)
        damaged = self._joined(clean, [shown(file) for file in files])
        return saved(damaged, self.later), edited(clean, self.later)

    def before(self, clean: Pixels) -> Before:
        """The first files of a clean picture, and how restorations of them become the ceiling."""
        clean = _coloured(clean)

        def finish(restored: Sequence[Pixels]) -> Pixels:
            return edited(self._joined(clean, [_coloured(pixels) for pixels in restored]), self.later)

        return Before(tuple(self._first(clean)), finish)

    def _first(self, clean: Pixels) -> list[bytes]:
        return [part.jpeg.encode(np.ascontiguousarray(clean[part.area(clean)])) for part in self.parts]

    def _joined(self, clean: Pixels, pictures: Sequence[Pixels]) -> Pixels:
        joined = clean.copy()
        for part, pixels in zip(self.parts, pictures, strict=True):
            joined[part.area(clean)] = pixels
        return joined


def edited(pixels: Pixels, steps: Sequence[Step]) -> Pixels:
    """A picture after the edits among the steps, without the losses of the formats."""
    for step in steps:
        if isinstance(step, Edit):
            pixels = step(pixels)
    return pixels


def saved(pixels: Pixels, steps: Sequence[Step]) -> bytes:
    """The file that is left after all steps: in the format of the last one if it is a format, or else a PNG."""
    *others, last = steps or (None,)
    for step in others:
        pixels = pixels if step is None else step(pixels)
    if isinstance(last, Format):
        return last.encode(pixels)
    return png(pixels if last is None else last(pixels))


def _coloured(pixels: Pixels) -> Pixels:
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
