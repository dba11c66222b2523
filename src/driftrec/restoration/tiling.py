"""Cuts pictures that are too large for memory into overlapping tiles, which are joined after every evaluation.

A tiled `Denoise` is a `Denoise`: samplers call it once per step for the whole picture, so neighbouring tiles never
drift apart, and noise belongs to the picture, not to a tile.  Tiles start at multiples of the JPEG grid, so the network
sees the grid in the phase it was trained with.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from driftrec.diffusion.types import Array, Denoise
from driftrec.jpeg.tables import BLOCK, MCU


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut: into as few pixels as possible, in equal tiles of at most `tile` × `tile` pixels.

    The outer `blind` pixels of a tile lack context and are discarded; the next `feather` pixels fade into the
    neighbour.

    Raises:
        ValueError: `tile` or `blind` is not a multiple of `MCU`, or the tile is too small for its overlaps.
    """

    tile: int = 1024
    blind: int = 48
    feather: int = 16

    def __post_init__(self) -> None:
        if min(self.tile, self.blind, self.feather) < MCU or self.tile % MCU or self.blind % MCU:
            raise ValueError(f"tile and blind must be positive multiples of {MCU}, feather at least {MCU}: {self}")
        if self.tile < 2 * self.overlap:
            raise ValueError(f"a tile of {self.tile} px is too small: it must be at least {2 * self.overlap} px")

    @property
    def overlap(self) -> int:
        """Returns the number of pixels that neighbouring tiles share at least."""
        return 2 * self.blind + self.feather

    def cut(self, height: int, width: int) -> tuple["Side", "Side"]:
        """Returns how both sides of a picture are cut; they must be multiples of `MCU`.

        Of all cuts into tiles that are small enough, it is the one with the fewest pixels, counting overlaps.
        """
        best, least = None, math.inf
        for rows in self._sides(height):
            if rows.total * width >= least:
                break  # more rows only add overlaps
            for columns in self._sides(width):
                pixels = rows.total * columns.total
                if rows.size * columns.size <= self.tile**2:
                    if pixels < least:
                        best, least = (rows, columns), pixels
                    break
        assert best is not None  # tiles of the least side are small enough
        return best

    def count(self, height: int, width: int) -> int:
        """Returns the number of tiles in a picture of height × width pixels."""
        rows, columns = self.cut(height, width)
        return len(rows.starts) * len(columns.starts)

    def windows(self, side: "Side") -> list[np.ndarray]:
        """Returns the weights of the tiles along one side, float32; at every pixel they add up to 1."""
        position = np.arange(side.size) + 0.5
        raw, total = [], np.zeros(side.length)
        for start in side.starts:
            left = (position - self.blind) / self.feather if start > 0 else np.inf
            right = (side.size - self.blind - position) / self.feather if start + side.size < side.length else np.inf
            raw.append(np.clip(np.minimum(left, right), 0, 1) * np.ones(side.size))
            total[start : start + side.size] += raw[-1]
        return [
            (window / total[start : start + side.size]).astype(np.float32)
            for start, window in zip(side.starts, raw, strict=True)
        ]

    def _sides(self, length: int) -> Iterator["Side"]:
        """Yields the ways to cut a side, from one piece to pieces of the least size, twice the overlap."""
        shared = -(-self.overlap // MCU) * MCU
        for count in range(1, length // shared + 2):
            size = -(-(length + (count - 1) * shared) // (count * MCU)) * MCU
            size = size if count == 1 else max(size, 2 * shared)
            if size > length:
                return
            yield Side(length, size, tuple(min(i * (size - shared), length - size) for i in range(count)))
            if size == 2 * shared:
                return


@dataclass(frozen=True)
class Side:
    """A side of `length` pixels, cut into pieces of `size` pixels with their first pixels at `starts`.

    The last piece ends at the end of the side.
    """

    length: int
    size: int
    starts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Returns the number of pixels of all pieces."""
        return self.size * len(self.starts)


def tiled(denoise: Denoise, tiling: Tiling, on_tile: Callable[[], None] | None = None) -> Denoise:
    """Returns the same denoiser, applied to one tile at a time; `on_tile` is called after each.

    The height and width of its images must be multiples of `MCU`.
    """

    def denoise_tiles(xt: Array, y: Array, t: float) -> Array:
        height, width = tiling.cut(*y.shape[-2:])
        if len(height.starts) == len(width.starts) == 1:
            x0 = denoise(xt, y, t)
            if on_tile:
                on_tile()
            return x0
        x0 = np.zeros(y.shape, np.float32)
        for top, rows in zip(height.starts, tiling.windows(height), strict=True):
            for left, columns in zip(width.starts, tiling.windows(width), strict=True):
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

    def aligned(self, image: Array) -> Array:
        """Returns the image without the rows and columns that were added after it, as a view that starts with a whole
        block."""
        height, width = image.shape[-2:]
        return image[..., : height - self.bottom, : width - self.right]

    def removed(self, image: Array) -> Array:
        """Returns the image without its margins, as a view."""
        return self.aligned(image)[..., self.top :, self.left :]


def margins(height: int, width: int, multiple: int = 1, grid: tuple[int, int] = (0, 0)) -> Margins:
    """Returns the margins of a picture whose first whole 8×8 block starts at (row, column) `grid`, each 0 to 7.

    They make its sides multiples of `MCU` and of `multiple`.
    """
    step = math.lcm(MCU, multiple)
    top, left = ((BLOCK - start) % BLOCK for start in grid)
    return Margins(top, -(top + height) % step, left, -(left + width) % step)
