"""Quantisation cells: all pictures that a JPEG file could have come from.

For each DCT coefficient the file gives the interval of the encoder's input, (I ± ½)·Q.  Together these intervals form a
convex set that contains the clean picture, so projecting an estimate onto it brings the estimate closer to the truth
(or leaves it where it is), and a projected picture compresses to exactly the same file again.

    cells = Cells(read_jpeg(data))
    restored = cells.project(estimate)          # nearest picture in the cells
    cells.contains(restored)                    # 1.0: encoding it again gives the coefficients back
    restored = cells.improve(estimate)          # nearest picture in their likely parts

With luma Y = P_Y x and subsampled chroma C = B P_C x, B the box mean, the set is a box in the DCT of each component.
The DCT is orthonormal and Bᵀ is proportional to B's right inverse, replication U (B U = 1), so in YCbCr the projection
is exact component by component:

    c ← c + U DCT⁻¹[clamp(DCT B c) − DCT B c].

The cube of RGB is a second convex set, and the pictures whose padding to whole blocks repeats their edge, as
libjpeg's does, are a third; passes alternate between them.  Blocks that reach beyond the picture need more passes than
the others, since few of their pixels count.  Other encoders pad differently.  If no picture with a repeated edge fits
the file, what its blocks hold beyond the picture is left free.  The picture is processed in bands of rows, so that
memory does not grow with it.

Coefficients that the file does not give in full, because it is cut short, bind nothing.

Where an estimate lies near the bound of a cell, or beyond, it is more often wrong than the clean picture is there.
`Cells.improve` therefore projects onto a part around the middle, with a half-width of NARROW Q² / (Q + SOFT): all the
narrower, the smaller the step is beside the error of a network.  `benchmarks/jpeg.py cells` measures what this gains.

If the file was compressed before on the same grid, with a coarser step A, only the interval around each multiple of A
that can have become I Q is known to hold the clean picture; its likely part is that around the multiples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, dct, idct, replicate, to_components, to_image
from driftrec.jpeg.file import JpegFile
from driftrec.jpeg.layout import Band, Strip, edges, inner, require_known
from driftrec.jpeg.padding import Free, Padding, Repeated, Whole
from driftrec.jpeg.tables import BLOCK, CHROMA, LUMA, ijg_table

MARGIN = 1.0
"""Distance that projection keeps from the bounds of a cell, in levels: rounding pixels to 8 bits moves a coefficient of
luma by 0.35 levels (one standard deviation), and one of subsampled chroma by less."""

NARROW, SOFT = 0.4, 12.0
"""Half-width of the likely part of a cell in steps, for large steps; the step, in levels, for which it is half that.
Chosen by research/cell_widths.py; graphics ask for a little more than its mean."""

SECOND_ROUNDING = 1.5
"""By how many levels decoding to 8 bits may move a coefficient between two compressions."""

EDGE_PASSES = 100
"""Maximum number of further passes over blocks that reach beyond the picture."""

MISFITS = 0.01
"""Largest fraction of the coefficients at the edges that may lie outside their cells if the edge was repeated."""

ROUNDING = 1.0
"""By how many levels the rounding of encoders may move a coefficient out of its cell."""


T = TypeVar("T", bound=np.generic)

Limits: TypeAlias = Sequence[tuple[Plane, ...]]
"""Lowest and highest coefficients of each component."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The quantisation cells of a file.

    Arguments: `file`, what `driftrec.jpeg.read_jpeg` read; `earlier`, the quality of a coarser compression on the same
    grid before the file's own, which `improve` allows for.  Raises JpegError for colour spaces of four components and
    for unknown sampling factors.
    """

    file: JpegFile
    earlier: int | None = None

    def __post_init__(self) -> None:
        require_known(self.file)

    def project(
        self,
        pixels: NDArray[np.float32],
        *,
        passes: int = 8,
        margin: float = MARGIN,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """The picture in the cells that is nearest to an estimate.

        Arguments:
            pixels: (height, width, 3), float32 RGB in [0, 1], in the file's orientation.  For a gray file, the mean of
                the channels is used.
            passes: maximum number of alternating projections onto the cells and the cube of RGB, at least 1; blocks
                that reach beyond the picture take up to EDGE_PASSES more.  They stop early when a pass moves no
                coefficient by more than the margin: all were already in their cells.
            margin: distance that coefficients keep from their bounds, in levels, limited to half the distance from
                bound to middle.  0 is the exact projection; larger margins keep rounded pixels in the cells.
            out: where the result is written, the pixels themselves if they are not needed any more; a new array unless
                given.

        Returns an array of the same shape, in [0, 1].  Raises ValueError for another shape.
        """
        return self._nearest(pixels, passes, margin, lambda strip: _bounds(strip, margin), out)

    def improve(
        self, pixels: NDArray[np.float32], *, passes: int = 8, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The picture in the likely parts of the cells that is nearest to an estimate; arguments, result and errors as
        for `project`."""
        return self._nearest(pixels, passes, MARGIN, self._likely, out)

    def _nearest(
        self,
        pixels: NDArray[np.float32],
        passes: int,
        moved: float,
        bounds: Callable[[Strip], tuple[Plane, Plane]],
        out: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        """Alternating projections, until no coefficient moves by more than `moved` levels."""
        self._check(pixels)
        out = np.empty(pixels.shape, np.float32) if out is None else out
        for band in inner(self.file):
            out[band.part] = self._alternate_inside(pixels[band.part], band, passes, moved, bounds)
        for band in edges(self.file):
            out[band.part] = self._alternate(pixels[band.part], band, passes + EDGE_PASSES, moved, bounds)
        return out

    def contains(self, pixels: NDArray[np.float32], *, tolerance: float = ROUNDING, rounded: bool = False) -> float:
        """The fraction of a picture's coefficients that lie in their cells, each widened by `tolerance` levels to
        allow for the rounding of encoders; coefficients that the file does not give do not count.  `rounded`: of the
        picture after rounding to 8 bits.  Other arguments and errors as for `project`."""
        self._check(pixels)
        inside = total = 0
        for band in chain(inner(self.file), edges(self.file)):
            part = pixels[band.part]
            if rounded:
                part = part * np.float32(255)
                np.rint(part, out=part)
                part /= np.float32(255)
            planes = to_components(part, self.file.colour)
            for plane, strip, padding in zip(planes, band.strips, self._paddings(band), strict=True):
                low, high = _bounds(strip, -tolerance)
                found = _fitted(padding, plane, strip)
                fits = (found >= low) & (found <= high)
                counted = fits if strip.known is None else fits[strip.known]
                inside += int(counted.sum())
                total += counted.size
        return inside / total if total else 1.0

    @cached_property
    def _padding(self) -> type[Repeated] | type[Free]:
        """How the encoder may have padded the picture: `Repeated` if a picture with a repeated edge fits the file."""
        outside = total = 0
        for band in edges(self.file):
            for strip in band.strips:
                height, width = band.bottom - band.top, band.right - band.left
                padding, (low, high) = Repeated(strip, height, width), _bounds(strip, -ROUNDING)
                plane = replicate(idct(strip.coefficients * strip.steps), *strip.factors)[:height, :width]
                found = dct(padding.samples(plane))
                for _ in range(EDGE_PASSES):
                    change = np.clip(found, low, high) - found
                    if not change.any():
                        break
                    plane = plane + padding.pixels(idct(change))
                    found = dct(padding.samples(plane))
                outside += int(((found < low - ROUNDING) | (found > high + ROUNDING)).sum())
                total += found.size
        return Free if outside > MISFITS * total else Repeated

    def _paddings(self, band: Band) -> list[Padding]:
        return [self._padding(strip, band.bottom - band.top, band.right - band.left) for strip in band.strips]

    def _alternate_inside(
        self,
        image: NDArray[np.float32],
        band: Band,
        passes: int,
        enough: float,
        bounds: Callable[[Strip], tuple[Plane, Plane]],
    ) -> NDArray[np.float32]:
        """`_alternate` for a band of MCUs that lie inside the picture.  Those whose colours need no clipping after the
        first pass are done: they lie in both sets."""
        paddings, limits = [Whole(strip.factors) for strip in band.strips], [bounds(strip) for strip in band.strips]
        image, moved = self._pass(image, paddings, limits)
        rows, columns = self.file.mcu
        left = np.asarray(_split((image < 0) | (image > 1), rows, columns).any(axis=(2, 3, 4)))
        np.clip(image, 0, 1, out=image)
        if moved <= enough or not left.any():
            return image
        part = _gathered(image, left, rows, columns)
        limits = [
            tuple(_gathered(bound, left, rows // vertical, columns // horizontal) for bound in limit)
            for limit, (vertical, horizontal) in zip(limits, (strip.factors for strip in band.strips), strict=True)
        ]
        part = self._passes(part, paddings, limits, passes - 1, enough)
        _split(image, rows, columns)[left] = part.reshape(rows, -1, columns, 3).swapaxes(0, 1)
        return image

    def _alternate(
        self,
        image: NDArray[np.float32],
        band: Band,
        passes: int,
        enough: float,
        bounds: Callable[[Strip], tuple[Plane, Plane]],
    ) -> NDArray[np.float32]:
        """The part of a picture in a band after up to `passes` projections onto its cells, then the cube of RGB."""
        return self._passes(image, self._paddings(band), [bounds(strip) for strip in band.strips], passes, enough)

    def _passes(
        self, image: NDArray[np.float32], paddings: Sequence[Padding], limits: Limits, passes: int, enough: float
    ) -> NDArray[np.float32]:
        """An image after up to `passes` projections onto its cells, then the cube of RGB, until little moves."""
        for _ in range(passes):
            image, moved = self._pass(image, paddings, limits)
            np.clip(image, 0, 1, out=image)
            if moved <= enough:
                break
        return image

    def _pass(
        self, image: NDArray[np.float32], paddings: Sequence[Padding], limits: Limits
    ) -> tuple[NDArray[np.float32], float]:
        """An image after one projection onto its cells, not clipped, and the largest move in levels."""
        projected, moved = [], 0.0
        planes = to_components(image, self.file.colour)
        for plane, padding, (low, high) in zip(planes, paddings, limits, strict=True):
            found = dct(padding.samples(plane))
            change = np.maximum(found, low)
            np.minimum(change, high, out=change)  # in two steps, which is faster than np.clip
            change -= found
            moved = max(moved, float(change.max()), -float(change.min()))
            projected.append(plane + padding.pixels(idct(change)))
        return to_image(projected, self.file.colour, clip=False), moved

    def _likely(self, strip: Strip) -> tuple[Plane, Plane]:
        """Lowest and highest likely value of each coefficient."""
        steps = strip.steps
        middle = strip.coefficients * steps
        if self.earlier is None:
            half = _half_width(steps)
            low, high = middle - half, middle + half
        else:
            low, high = middle - steps / 2, middle + steps / 2
            luma = strip.component is self.file.components[0]
            rows, columns = (n // BLOCK for n in middle.shape)
            coarse = np.tile(ijg_table(self.earlier, LUMA if luma else CHROMA).astype(np.float32), (rows, columns))
            half = _half_width(coarse)
            if luma:
                first = np.ceil((low - SECOND_ROUNDING) / coarse) * coarse
                last = np.floor((high + SECOND_ROUNDING) / coarse) * coarse
                nearest = np.rint(middle / coarse) * coarse
                none = first > last  # clipping moved the coefficient further
                low = np.minimum(low, np.where(none, nearest, first) - half)
                high = np.maximum(high, np.where(none, nearest, last) + half)
            else:  # subsampling moved them further
                low, high = np.minimum(low, middle - half), np.maximum(high, middle + half)
        return _unbound(strip, low, high)

    def _check(self, pixels: NDArray[np.float32]) -> None:
        expected = (self.file.height, self.file.width, 3)
        if pixels.shape != expected:
            raise ValueError(f"the pixels are {pixels.shape}, the file's {expected}: give them as the file has them")


def _split(image: NDArray[T], height: int, width: int) -> NDArray[T]:
    """An image or plane as parts of height × width pixels: (row, column, height, width, channel), a view."""
    rows, columns = image.shape[0] // height, image.shape[1] // width
    return image.reshape(rows, height, columns, width, -1).swapaxes(1, 2)


def _gathered(image: NDArray[T], chosen: NDArray[np.bool_], height: int, width: int) -> NDArray[T]:
    """The chosen parts of an image or plane, of height × width pixels each, side by side."""
    parts = _split(image, height, width)[chosen].swapaxes(0, 1)
    return parts.reshape(height, -1, *image.shape[2:])


def _fitted(padding: Padding, plane: Plane, strip: Strip) -> Plane:
    """The coefficients of a plane; if what lies beyond the picture is free, it is first made to fit the cells."""
    found = dct(padding.samples(plane))
    if isinstance(padding, Free) and padding.reaches_beyond:
        low, high = _bounds(strip, MARGIN)
        for _ in range(EDGE_PASSES):
            padding.pixels(idct(np.clip(found, low, high) - found))
            found = dct(padding.samples(plane))
    return found


def _bounds(strip: Strip, margin: float) -> tuple[Plane, Plane]:
    """Lowest and highest value of each coefficient: its cell, narrowed by a margin to no less than half its width."""
    rows, columns = strip.coefficients.shape
    steps = np.tile(strip.component.table.astype(np.float32), columns // BLOCK)
    middle = strip.coefficients.reshape(-1, BLOCK, columns) * steps
    half = np.maximum(steps / 2 - margin, steps / 4)
    return _unbound(strip, (middle - half).reshape(rows, columns), (middle + half).reshape(rows, columns))


def _half_width(steps: Plane) -> Plane:
    """Half the width of the likely parts of cells."""
    return (NARROW * steps**2 / (steps + SOFT)).astype(np.float32)


def _unbound(strip: Strip, low: Plane, high: Plane) -> tuple[Plane, Plane]:
    """The bounds, infinite for coefficients that the file does not give in full."""
    if strip.known is not None:
        low[~strip.known], high[~strip.known] = -np.inf, np.inf
    return low, high
