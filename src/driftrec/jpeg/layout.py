"""Positions of coefficients in the picture, in bands of rows that keep memory independent of its size."""

from collections.abc import Iterator
from dataclasses import dataclass

from driftrec.jpeg.file import Component, JpegError, JpegFile
from driftrec.jpeg.tables import BLOCK

BAND = 256
"""Height of the bands that are processed at once, in pixels."""


@dataclass(frozen=True)
class Strip:
    """One component in one band: `factors`, pixels per sample (vertical, horizontal); `rows` of its coefficients."""

    component: Component
    factors: tuple[int, int]
    rows: slice


@dataclass(frozen=True)
class Band:
    """Rows `top` … `bottom` of a picture of `width` pixels, padded to whole MCUs: `padded` (height, width)."""

    top: int
    bottom: int
    width: int
    padded: tuple[int, int]
    strips: tuple[Strip, ...]


def bands(file: JpegFile) -> Iterator[Band]:
    """Yield the bands of a picture from top to bottom; each consists of whole MCUs."""
    vertical, horizontal = file.mcu
    step = max(BAND // vertical, 1) * vertical
    width = -(-file.width // horizontal) * horizontal
    for top in range(0, file.height, step):
        bottom = min(top + step, file.height)
        height = -(-(bottom - top) // vertical) * vertical
        strips = []
        for component in file.components:
            factors = vertical // (BLOCK * component.sampling[0]), horizontal // (BLOCK * component.sampling[1])
            last = min((top + height) // factors[0], component.coefficients.shape[0])
            strips.append(Strip(component, factors, slice(top // factors[0], last)))
        yield Band(top, bottom, file.width, (height, width), tuple(strips))


def require_known(file: JpegFile) -> None:
    """Raises JpegError for colour spaces of four components and for sampling factors that do not divide the largest."""
    if file.colour not in ("gray", "YCbCr", "RGB"):
        raise JpegError(f"coefficients in {file.colour} cannot be compared with RGB pixels")
    most = [n // BLOCK for n in file.mcu]
    if any(most[axis] % component.sampling[axis] for component in file.components for axis in (0, 1)):
        raise JpegError(f"the sampling factors {file.subsampling} are not known")
