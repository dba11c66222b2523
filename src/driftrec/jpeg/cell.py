"""Quantisation cells: all pictures that a JPEG file could have come from.

For each DCT coefficient the file says the interval that the encoder's input lay in, (I ± ½)·Q.  Together they form a
convex set that holds the clean picture, so projecting an estimate onto it brings the estimate closer to the truth
(or leaves it where it is), and a projected picture compresses to the very same file again.

    cells = Cells(read_jpeg(data))
    restored = cells.project(estimate)          # nearest picture in the cells
    cells.agreement(restored)                   # 1.0: encoding it again gives every coefficient back

With luma Y = P_Y x and subsampled chroma C = B P_C x, B the box mean, the set is a box in the DCT of each component.
The DCT is orthonormal and Bᵀ is proportional to B's right inverse, replication U (B U = 1), so in YCbCr the projection
is exact component by component:

    c ← c + U DCT⁻¹[clamp(DCT B c) − DCT B c].

The cube of RGB is a second convex set; passes go to and fro between the two.  Work is done in bands of rows, so that
memory does not grow with the picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import RGB, YCBCR, Plane, box_mean, dct, idct, pad, replicate
from driftrec.jpeg.file import Component, JpegError, JpegFile

BAND = 256
"""Height of the bands that are worked on at once, in pixels, rounded down to whole MCUs."""


@dataclass(frozen=True)
class _Band:
    """The same rows of a picture and of its coefficients: pixels top … bottom, and for each component its
    subsampling factors and quantised coefficients."""

    top: int
    bottom: int
    height: int
    width: int
    parts: tuple[tuple[tuple[int, int], Component, slice], ...]


@dataclass(frozen=True, eq=False)
class Cells:
    """The quantisation cells of a file.

    Arguments: `file`, what `driftrec.jpeg.read_jpeg` read.  Raises JpegError for colour spaces of four components and
    for sampling factors that are no whole fractions of each other.
    """

    file: JpegFile

    def __post_init__(self) -> None:
        if self.file.colour not in ("gray", "YCbCr", "RGB"):
            raise JpegError(f"pictures in {self.file.colour} are not compared with their file")
        most = [n // 8 for n in self.file.mcu]
        if any(most[axis] % c.sampling[axis] for c in self.file.components for axis in (0, 1)):
            raise JpegError(f"the sampling {self.file.subsampling} is not known")

    def project(self, pixels: NDArray[np.float32], *, passes: int = 3, margin: float = 0.0) -> NDArray[np.float32]:
        """The picture in the cells that is nearest to an estimate.

        Arguments:
            pixels: (height, width, 3), float32 RGB in [0, 1], in the file's orientation.  Of a gray file's picture the
                mean of the channels counts.
            passes: how often to go to and fro between the cells and the cube of RGB, at least 1.
            margin: how far inside its bounds a coefficient ends up at least, in levels (at most half of half a step);
                what is rounded afterwards then stays in the cells.

        Returns an array of the same shape, in [0, 1].  Raises ValueError for another shape.
        """
        self._check(pixels)
        out = np.empty(pixels.shape, np.float32)
        for band in self._bands():
            image = pixels[band.top : band.bottom]
            for _ in range(passes):
                image = self._once(image, band, margin)
            out[band.top : band.bottom] = image
        return out

    def contains(self, pixels: NDArray[np.float32], *, tolerance: float = 1.0) -> float:
        """The share of coefficients of a picture that lie in their cells, `tolerance` levels of the DCT allowed for
        the encoder's own rounding.  Arguments as for `project`."""
        self._check(pixels)
        inside = total = 0
        for band in self._bands():
            for plane, (factors, component, rows) in zip(
                self._planes(pixels[band.top : band.bottom], band), band.parts, strict=True
            ):
                found = dct(box_mean(plane, *factors))[: rows.stop - rows.start, : component.coefficients.shape[1]]
                low, high = _bounds(component, rows, -tolerance)
                inside += int(((found >= low) & (found <= high)).sum())
                total += found.size
        return inside / total

    def agreement(self, pixels: NDArray[np.float32]) -> float:
        """The share of the file's coefficients that come back when the picture is rounded to 8 bits and compressed
        with the file's tables.  Arguments as for `project`."""
        self._check(pixels)
        same = total = 0
        for band in self._bands():
            image = np.rint(pixels[band.top : band.bottom] * np.float32(255)) / np.float32(255)
            for plane, (factors, component, rows) in zip(self._planes(image, band), band.parts, strict=True):
                # Encoders round the samples after each stage.
                samples = np.rint(box_mean(np.rint(plane), *factors))
                found = dct(samples)[: rows.stop - rows.start, : component.coefficients.shape[1]]
                stored = component.coefficients[rows]
                same += int((np.rint(found / _tiled(component.table, stored.shape)) == stored).sum())
                total += stored.size
        return same / total

    def _once(self, image: NDArray[np.float32], band: _Band, margin: float) -> NDArray[np.float32]:
        """One projection onto the cells and one onto the cube of RGB."""
        planes = self._planes(image, band)
        for i, (factors, component, rows) in enumerate(band.parts):
            found = dct(box_mean(planes[i], *factors))
            low, high = _bounds(component, rows, margin)
            change = np.zeros_like(found)
            inner = (slice(0, low.shape[0]), slice(0, low.shape[1]))
            np.clip(found[inner], low, high, out=change[inner])
            change[inner] -= found[inner]
            planes[i] = planes[i] + replicate(idct(change), *factors)
        height, width = band.bottom - band.top, self.file.width
        return self._pixels([plane[:height, :width] for plane in planes])

    def _bands(self) -> Iterator[_Band]:
        mcu = self.file.mcu[0]
        step = max(BAND // mcu, 1)
        columns = -(-self.file.width // self.file.mcu[1]) * self.file.mcu[1]
        for top in range(0, self.file.height, step * mcu):
            bottom = min(top + step * mcu, self.file.height)
            height = -(-(bottom - top) // mcu) * mcu
            parts = []
            for component in self.file.components:
                factors = mcu // 8 // component.sampling[0], self.file.mcu[1] // 8 // component.sampling[1]
                last = min((top + height) // factors[0], component.coefficients.shape[0])
                parts.append((factors, component, slice(top // factors[0], last)))
            yield _Band(top, bottom, height, columns, tuple(parts))

    def _planes(self, image: NDArray[np.float32], band: _Band) -> list[Plane]:
        """The components of an image at full size, padded to whole MCUs, in levels around 0."""
        levels = pad(image, band.height, band.width) * np.float32(255)
        if self.file.colour == "gray":
            return [levels.mean(axis=2) - np.float32(128)]
        if self.file.colour == "RGB":
            return [levels[..., i] - np.float32(128) for i in range(3)]
        planes = np.moveaxis(levels @ YCBCR.T.astype(np.float32), 2, 0)
        return [planes[0] - np.float32(128), planes[1], planes[2]]

    def _pixels(self, planes: list[Plane]) -> NDArray[np.float32]:
        """The way back: an image (height, width, 3) in [0, 1]."""
        if self.file.colour == "gray":
            image = np.repeat((planes[0] + np.float32(128))[..., None], 3, axis=2)
        elif self.file.colour == "RGB":
            image = np.stack(planes, axis=2) + np.float32(128)
        else:
            image = np.stack([planes[0] + np.float32(128), planes[1], planes[2]], axis=2) @ RGB.T.astype(np.float32)
        image /= np.float32(255)
        return np.clip(image, 0, 1, out=image)

    def _check(self, pixels: NDArray[np.float32]) -> None:
        if pixels.shape != (self.file.height, self.file.width, 3):
            raise ValueError(
                f"the picture is {pixels.shape}, its file {(self.file.height, self.file.width, 3)}: "
                "give the pixels in the file's own orientation"
            )


def _tiled(table: NDArray[np.int_], shape: tuple[int, ...]) -> Plane:
    """The table repeated over a plane of coefficients."""
    return np.tile(table.astype(np.float32), (shape[0] // 8, shape[1] // 8))


def _bounds(component: Component, rows: slice, margin: float) -> tuple[Plane, Plane]:
    """Lowest and highest value of each coefficient; a negative margin widens the cells, a positive one narrows them,
    to half their width at most."""
    stored = component.coefficients[rows]
    steps = _tiled(component.table, stored.shape)
    middle, half = stored * steps, np.maximum(steps / 2 - margin, steps / 4)
    return middle - half, middle + half
