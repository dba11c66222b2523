"""Quantisation cells: all pictures that a JPEG file could have come from.

For each DCT coefficient the file gives the interval of the encoder's input, (I ± ½)·Q.  Together these intervals form a
convex set that contains the clean picture, so projecting an estimate onto it brings the estimate closer to the truth
(or leaves it where it is), and a projected picture compresses to exactly the same file again.

    cells = Cells(read_jpeg(data))
    restored = cells.project(estimate)          # nearest picture in the cells
    cells.contains(restored)                    # 1.0: encoding it again gives the coefficients back

With luma Y = P_Y x and subsampled chroma C = B P_C x, B the box mean, the set is a box in the DCT of each component.
The DCT is orthonormal and Bᵀ is proportional to B's right inverse, replication U (B U = 1), so in YCbCr the projection
is exact component by component:

    c ← c + U DCT⁻¹[clamp(DCT B c) − DCT B c].

The cube of RGB is a second convex set, and the pictures whose padding to whole blocks repeats their edge, as
libjpeg's does, are a third; passes alternate between them.  The picture is processed in bands of rows, so that memory
does not grow with it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, box_mean, dct, idct, pad, replicate, to_components, to_image, unpad
from driftrec.jpeg.file import JpegFile
from driftrec.jpeg.layout import Band, Strip, bands, require_known
from driftrec.jpeg.tables import BLOCK

MARGIN = 1.0
"""Distance that projection keeps from the bounds of a cell, in levels: rounding pixels to 8 bits moves a coefficient of
luma by 0.35 levels (one standard deviation), and one of subsampled chroma by less."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The quantisation cells of a file.

    Arguments: `file`, what `driftrec.jpeg.read_jpeg` read.  Raises JpegError for colour spaces of four components and
    for unknown sampling factors.
    """

    file: JpegFile

    def __post_init__(self) -> None:
        require_known(self.file)

    def project(self, pixels: NDArray[np.float32], *, passes: int = 8, margin: float = MARGIN) -> NDArray[np.float32]:
        """The picture in the cells that is nearest to an estimate.

        Arguments:
            pixels: (height, width, 3), float32 RGB in [0, 1], in the file's orientation.  For a gray file, the mean of
                the channels is used.
            passes: maximum number of alternating projections onto the cells and the cube of RGB, at least 1.  They stop
                early when a pass moves no coefficient by more than the margin: all were already in their cells.
            margin: distance that coefficients keep from their bounds, in levels, limited to half the distance from
                bound to middle.  0 is the exact projection; larger margins keep rounded pixels in the cells.

        Returns an array of the same shape, in [0, 1].  Raises ValueError for another shape.
        """
        self._check(pixels)
        out = np.empty(pixels.shape, np.float32)
        for band in bands(self.file):
            image = pixels[band.top : band.bottom]
            for _ in range(passes):
                image, moved = self._once(image, band, margin)
                if moved <= margin:
                    break
            out[band.top : band.bottom] = image
        return out

    def contains(self, pixels: NDArray[np.float32], *, tolerance: float = 1.0) -> float:
        """The fraction of a picture's coefficients that lie in their cells, each widened by `tolerance` levels to
        allow for the rounding of encoders.  Other arguments and errors as for `project`."""
        self._check(pixels)
        inside = total = 0
        for band in bands(self.file):
            planes = self._planes(pixels[band.top : band.bottom], band)
            for plane, strip in zip(planes, band.strips, strict=True):
                low, high = _bounds(strip, -tolerance)
                found = dct(box_mean(plane, *strip.factors))[: low.shape[0], : low.shape[1]]
                inside += int(((found >= low) & (found <= high)).sum())
                total += found.size
        return inside / total

    def _once(self, image: NDArray[np.float32], band: Band, margin: float) -> tuple[NDArray[np.float32], float]:
        """Returns (the image projected onto the cells, then the cube of RGB; largest change of a coefficient)."""
        projected, moved = [], 0.0
        for plane, strip in zip(self._planes(image, band), band.strips, strict=True):
            low, high = _bounds(strip, margin)
            found = dct(box_mean(plane, *strip.factors))
            change = np.zeros_like(found)  # blocks that only pad an MCU are not in the file and stay unchanged
            stored = (slice(low.shape[0]), slice(low.shape[1]))
            change[stored] = np.clip(found[stored], low, high) - found[stored]
            moved = max(moved, float(change.max()), -float(change.min()))
            plane = plane + replicate(idct(change), *strip.factors)
            projected.append(unpad(plane, band.bottom - band.top, band.width))
        return to_image(projected, self.file.colour), moved

    def _planes(self, image: NDArray[np.float32], band: Band) -> list[Plane]:
        return to_components(pad(image, *band.padded), self.file.colour)

    def _check(self, pixels: NDArray[np.float32]) -> None:
        expected = (self.file.height, self.file.width, 3)
        if pixels.shape != expected:
            raise ValueError(f"the pixels are {pixels.shape}, the file's {expected}: give them as the file has them")


def _bounds(strip: Strip, margin: float) -> tuple[Plane, Plane]:
    """Lowest and highest value of each coefficient: its cell, narrowed by a margin to no less than half its width."""
    stored = strip.component.coefficients[strip.rows]
    steps = np.tile(strip.component.table.astype(np.float32), (stored.shape[0] // BLOCK, stored.shape[1] // BLOCK))
    middle, half = stored * steps, np.maximum(steps / 2 - margin, steps / 4)
    return middle - half, middle + half
