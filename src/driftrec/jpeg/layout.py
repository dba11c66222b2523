"""Positions of coefficients in the picture, in bands of rows that keep memory independent of its size."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.file import Component, JpegError, JpegFile
from driftrec.jpeg.tables import BLOCK

BAND = 256
"""Height of the bands that are processed at once, in pixels."""


@dataclass(frozen=True)
class Strip:
    """One component in one band: `factors`, pixels per sample (vertical, horizontal); `rows` and `columns` of its
    coefficients."""

    component: Component
    factors: tuple[int, int]
    rows: slice
    columns: slice

    @property
    def coefficients(self) -> NDArray[np.int16]:
        """The quantised coefficients."""
        return self.component.coefficients[self.rows, self.columns]

    @property
    def steps(self) -> NDArray[np.float32]:
        """The quantisation step of each coefficient, in levels."""
        rows, columns = (n // BLOCK for n in self.coefficients.shape)
        return np.tile(self.component.table.astype(np.float32), (rows, columns))

    @property
    def known(self) -> NDArray[np.bool_] | None:
        """Which of the coefficients the file gives in full; None: all."""
        known = self.component.known
        return None if known is None else known[self.rows, self.columns]


@dataclass(frozen=True)
class Band:
    """Rows `top` … `bottom` and columns `left` … `right` of a picture, which begin and end with whole MCUs or with the
    picture."""

    top: int
    bottom: int
    left: int
    right: int
    strips: tuple[Strip, ...]

    @property
    def part(self) -> tuple[slice, slice]:
        """The band's rows and columns, as an index."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def bands(file: JpegFile) -> Iterator[Band]:
    """Yields the bands of a picture from top to bottom; each consists of whole MCUs."""
    yield from _bands(file, file.height, slice(file.width))


def inner(file: JpegFile) -> Iterator[Band]:
    """Yields bands of the MCUs that lie inside the picture."""
    vertical, horizontal = file.mcu
    if right := file.width // horizontal * horizontal:
        yield from _bands(file, file.height // vertical * vertical, slice(right))


def edges(file: JpegFile) -> Iterator[Band]:
    """Yields bands of the other MCUs, which reach beyond the picture at its right and lower edge."""
    vertical, horizontal = file.mcu
    right, bottom = file.width // horizontal * horizontal, file.height // vertical * vertical
    if right < file.width:
        yield from _bands(file, file.height, slice(right, file.width))
    if bottom < file.height and right:
        yield _band(file, slice(bottom, file.height), slice(right))


def _bands(file: JpegFile, bottom: int, columns: slice) -> Iterator[Band]:
    """Yields the bands of some columns from the top of the picture to `bottom`."""
    vertical, _ = file.mcu
    step = max(BAND // vertical, 1) * vertical
    for top in range(0, bottom, step):
        yield _band(file, slice(top, min(top + step, bottom)), columns)


def _band(file: JpegFile, rows: slice, columns: slice) -> Band:
    """The band of rows and columns that start where MCUs start, and end there or with the picture."""
    strips = []
    for component in file.components:
        factors = tuple(n // (BLOCK * s) for n, s in zip(file.mcu, component.sampling, strict=True))
        stored = [
            slice((part.start or 0) // factor, min(-(-part.stop // mcu) * mcu // factor, length))
            for part, factor, mcu, length in zip(
                (rows, columns), factors, file.mcu, component.coefficients.shape, strict=True
            )
        ]
        strips.append(Strip(component, (factors[0], factors[1]), stored[0], stored[1]))
    return Band(rows.start or 0, rows.stop, columns.start or 0, columns.stop, tuple(strips))


def require_known(file: JpegFile) -> None:
    """Raises JpegError for colour spaces of four components and for sampling factors that do not divide the largest."""
    if file.colour not in ("gray", "YCbCr", "RGB"):
        raise JpegError(f"coefficients in {file.colour} cannot be compared with RGB pixels")
    most = [n // BLOCK for n in file.mcu]
    if any(most[axis] % component.sampling[axis] for component in file.components for axis in (0, 1)):
        raise JpegError(f"the sampling factors {file.subsampling} are not known")
