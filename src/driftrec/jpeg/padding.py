"""What blocks hold beyond the picture: encoders fill the rest of the last blocks as they like.

`Repeated` and `Free` turn the pixels of a component, a plane, into the samples of its blocks, and changes of these
samples into the smallest change of the pixels that has the same effect inside the picture.
"""

from typing import Protocol

import numpy as np

from driftrec.jpeg.blocks import Plane, box_mean, idct, pad, replicate, unpad
from driftrec.jpeg.layout import Strip


class Padding(Protocol):
    """Maps between pixels of a component and samples of its blocks."""

    def samples(self, plane: Plane) -> Plane:
        """The samples of the blocks, for a plane of pixels."""
        ...

    def pixels(self, change: Plane) -> Plane:
        """The change of the pixels for a change of the blocks' samples."""
        ...


class Whole:
    """Blocks that lie inside the picture, so that nothing is filled.  Arguments: `factors`, pixels per sample."""

    def __init__(self, factors: tuple[int, int]) -> None:
        self.factors = factors

    def samples(self, plane: Plane) -> Plane:
        return box_mean(plane, *self.factors)

    def pixels(self, change: Plane) -> Plane:
        return replicate(change, *self.factors)


class Repeated:
    """Blocks as libjpeg fills them: the last column of pixels is repeated before chroma is subsampled, and the last row
    of samples after that.

    Arguments: `strip`, the component; `height`, `width`, of the pixels.
    """

    def __init__(self, strip: Strip, height: int, width: int) -> None:
        self.factors, self.size, self.picture = strip.factors, strip.coefficients.shape, (height, width)
        self.rows = -(-height // strip.factors[0])

    def samples(self, plane: Plane) -> Plane:
        vertical, horizontal = self.factors
        wide = pad(plane, self.rows * vertical, self.size[1] * horizontal)
        return pad(box_mean(wide, vertical, horizontal), *self.size)

    def pixels(self, change: Plane) -> Plane:
        return unpad(replicate(unpad(change, self.rows, self.size[1]), *self.factors), *self.picture)


class Free:
    """Blocks with any content beyond the picture: first what the file has there, then what each change makes of it.
    Samples of chroma that lie only partly inside the picture are free as well.

    Arguments as for `Repeated`.
    """

    def __init__(self, strip: Strip, height: int, width: int) -> None:
        self.factors, self.picture = strip.factors, (height, width)
        rows, columns = height // strip.factors[0], width // strip.factors[1]
        self.samples_inside = slice(rows), slice(columns)
        self.pixels_inside = slice(rows * strip.factors[0]), slice(columns * strip.factors[1])
        self.blocks = idct(strip.coefficients * strip.steps)
        self.reaches_beyond = self.blocks.shape != (rows, columns)

    def samples(self, plane: Plane) -> Plane:
        self.blocks[self.samples_inside] = box_mean(plane[self.pixels_inside], *self.factors)
        return self.blocks

    def pixels(self, change: Plane) -> Plane:
        self.blocks += change
        spread = np.zeros(self.picture, np.float32)
        spread[self.pixels_inside] = replicate(change[self.samples_inside], *self.factors)
        return spread
