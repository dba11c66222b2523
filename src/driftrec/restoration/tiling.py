"""Cuts pictures that are too large for memory into overlapping tiles, which are joined after every evaluation.

A tiled `Denoise` is a `Denoise`: samplers call it once per step for the whole picture, so neighbouring tiles never
drift apart, and noise belongs to the picture, not to a tile.  Tiles start at multiples of the JPEG grid, so the network
sees the grid in the phase it was trained with.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from driftrec.diffusion.types import Array, Denoise
from driftrec.jpeg.tables import BLOCK, MCU


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut: into square tiles of side `tile` pixels.  Their outer `blind` pixels lack context and are
    discarded; the next `feather` pixels fade into the neighbour.

    Raises:
        ValueError: `tile` or `blind` is not a multiple of `MCU`, or the tile is too small for its overlaps.
    """

    tile: int = 640
    blind: int = 48
    feather: int = 16

    def __post_init__(self) -> None:
        if min(self.tile, self.blind, self.feather) < MCU or self.tile % MCU or self.blind % MCU:
            raise ValueError(f"tile and blind must be positive multiples of {MCU}, feather at least {MCU}: {self}")
        if self.tile < 2 * self.overlap:
            raise ValueError(f"a tile of {self.tile} px is too small: it must be at least {2 * self.overlap} px")

    @property
    def overlap(self) -> int:
        """Returns the number of pixels that neighbouring tiles share."""
        return 2 * self.blind + self.feather

    def starts(self, length: int) -> tuple[int, ...]:
        """Returns the first pixels of the tiles along a side of `length` pixels, a multiple of `MCU`.

        The last tile ends at the end of the side.
        """
        if length <= self.tile:
            return (0,)
        stride = self.tile - self.overlap
        return (*range(0, length - self.tile, stride - stride % MCU), length - self.tile)

    def count(self, height: int, width: int) -> int:
        """Returns the number of tiles in a picture of height × width pixels."""
        return len(self.starts(height)) * len(self.starts(width))

    def windows(self, length: int) -> list[np.ndarray]:
        """Returns the weights of the tiles along one side, float32; at every pixel they add up to 1."""
        starts, size = self.starts(length), min(self.tile, length)
        position = np.arange(size) + 0.5
        raw, total = [], np.zeros(length)
        for start in starts:
            left = (position - self.blind) / self.feather if start > 0 else np.inf
            right = (size - self.blind - position) / self.feather if start + size < length else np.inf
            raw.append(np.clip(np.minimum(left, right), 0, 1) * np.ones(size))
            total[start : start + size] += raw[-1]
        return [
            (window / total[start : start + size]).astype(np.float32) for start, window in zip(starts, raw, strict=True)
        ]


def tiled(denoise: Denoise, tiling: Tiling, on_tile: Callable[[], None] | None = None) -> Denoise:
    """Returns the same denoiser, applied to one tile at a time; `on_tile` is called after each.

    The height and width of its images must be multiples of `MCU`.
    """

    def denoise_tiles(xt: Array, y: Array, t: float) -> Array:
        height, width = y.shape[-2:]
        x0 = np.zeros(y.shape, np.float32)
        for top, rows in zip(tiling.starts(height), tiling.windows(height), strict=True):
            for left, columns in zip(tiling.starts(width), tiling.windows(width), strict=True):
                part = (..., slice(top, top + len(rows)), slice(left, left + len(columns)))
                estimate = denoise(np.ascontiguousarray(xt[part]), np.ascontiguousarray(y[part]), t)
                estimate *= rows[:, None] * columns
                x0[part] += estimate
                if on_tile:
                    on_tile()
        return x0

    return denoise_tiles


@dataclass(frozen=True)
class Margins:
    """Numbers of rows and columns to add around a picture.  They align a compression's grid with the first row and
    column, where the network expects whole blocks to start, and make the sides multiples of `MCU`.
    """

    top: int
    bottom: int
    left: int
    right: int

    def added(self, image: Array) -> Array:
        """Returns the image (…, height, width) with its outer rows and columns repeated."""
        sides = ((self.top, self.bottom), (self.left, self.right))
        return np.pad(image, [(0, 0)] * (image.ndim - 2) + list(sides), mode="edge")

    def removed(self, image: Array) -> Array:
        """Returns the image without its margins, as a view."""
        height, width = image.shape[-2:]
        return image[..., self.top : height - self.bottom, self.left : width - self.right]


def margins(height: int, width: int, multiple: int = 1, grid: tuple[int, int] = (0, 0)) -> Margins:
    """Returns the margins of a picture whose first whole 8×8 block starts at (row, column) `grid`, each 0 to 7.

    They make its sides multiples of `MCU` and of `multiple`.
    """
    step = math.lcm(MCU, multiple)
    top, left = ((BLOCK - start) % BLOCK for start in grid)
    return Margins(top, -(top + height) % step, left, -(left + width) % step)
