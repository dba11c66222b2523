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

from driftrec.evaluate.chains.formats import AsJpeg, Format, coloured, png, shown
from driftrec.evaluate.chains.geometry import Edit
from driftrec.evaluate.corruptions import Pixels

Box: TypeAlias = tuple[float, float, float, float]
"""Top, left, bottom and right edge of a part, as shares of height and width."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Part:
    """A part of the picture that was a JPEG file of its own."""

    jpeg: AsJpeg
    box: Box = WHOLE

    def area(self, pixels: Pixels) -> tuple[slice, slice]:
        """The rows and columns of the part."""
        (height, width), (top, left, bottom, right) = pixels.shape[:2], self.box
        return slice(round(top * height), round(bottom * height)), slice(round(left * width), round(right * width))


@dataclass(frozen=True)
class Patchwork:
    """A picture of which some parts were JPEG files of their own; whatever no part covers is clean."""

    parts: tuple[Part, ...]

    def files(self, clean: Pixels) -> tuple[bytes, ...]:
        """The files of the parts."""
        return tuple(part.jpeg.encode(np.ascontiguousarray(clean[part.area(clean)])) for part in self.parts)

    def joined(self, clean: Pixels, pictures: Sequence[Pixels]) -> Pixels:
        """The picture with one picture, uint8 (height, width[, 3]), in place of each part."""
        joined = clean.copy()
        for part, pixels in zip(self.parts, pictures, strict=True):
            joined[part.area(clean)] = coloured(pixels)
        return joined

    def __call__(self, clean: Pixels) -> Pixels:
        return self.joined(clean, [shown(file) for file in self.files(clean)])


Step: TypeAlias = Edit | Format | Patchwork


@dataclass(frozen=True)
class Before:
    """The files of a picture's first compression, and the way from their restorations to the last picture."""

    files: tuple[bytes, ...]
    finish: Callable[[Sequence[Pixels]], Pixels]
    """Takes one picture for each file, uint8 (height, width[, 3])."""


@dataclass(frozen=True)
class Chain:
    """What happened to a picture: the first compression of its parts, then `later` steps in order.

    The last file has the last step's format, or is a PNG.  Gray pictures are treated as colour pictures with equal
    channels.
    """

    name: str
    parts: tuple[Part, ...]
    later: tuple[Step, ...]

    def __call__(self, clean: Pixels) -> tuple[bytes, Pixels]:
        """Returns (the last file, the clean picture after all edits)."""
        clean = coloured(clean)
        pixels, file = walked(clean, (Patchwork(self.parts), *self.later))
        return png(pixels) if file is None else file, edited(clean, self.later)

    def before(self, clean: Pixels) -> Before:
        """The first files of a clean picture, and how restorations of them become the ceiling."""
        clean, first = coloured(clean), Patchwork(self.parts)
        return Before(first.files(clean), lambda restored: edited(first.joined(clean, restored), self.later))


def edited(pixels: Pixels, steps: Sequence[Step]) -> Pixels:
    """A picture after the edits among the steps, without the losses of the others."""
    for step in steps:
        if isinstance(step, Edit):
            pixels = step(pixels)
    return pixels


def walked(pixels: Pixels, steps: Sequence[Step]) -> tuple[Pixels, bytes | None]:
    """(a picture after all steps, its file if the last step is a format)."""
    file = None
    for step in steps:
        file = step.encode(pixels) if isinstance(step, Format) else None
        pixels = step(pixels) if file is None else shown(file)
    return pixels, file
