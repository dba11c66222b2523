"""Enlargement of pictures by interpolation, and its inverse.

An enlarged picture is x = A s Bᵀ.  Each row of the matrices A and B holds the weights with which one pixel of x is
interpolated from the picture s; they follow from the sizes and from the interpolation's kernel.  As A has more rows
than columns, x determines s, and most pictures x cannot be written like this at all.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]
Levels = NDArray[np.float32]
Parts = tuple[tuple[slice, slice], tuple[Levels, Levels]]

NEGLIGIBLE = 1e-9
"""Smaller weights of the inverse are set to 0: they decay to numbers so small that arithmetic with them is slow."""


def _cubic(b: float, c: float) -> Callable[[Weights], Weights]:
    """The cubic kernels of Mitchell and Netravali (1988); b = 0 is Keys's kernel with a = −c."""

    def kernel(t: Weights) -> Weights:
        t = np.abs(t)
        near = ((12 - 9 * b - 6 * c) * t**3 + (-18 + 12 * b + 6 * c) * t**2 + 6 - 2 * b) / 6
        far = ((-b - 6 * c) * t**3 + (6 * b + 30 * c) * t**2 + (-12 * b - 48 * c) * t + 8 * b + 24 * c) / 6
        return np.where(t < 1, near, np.where(t < 2, far, 0))

    return kernel


KERNELS: dict[str, tuple[Callable[[Weights], Weights], float]] = {
    "nearest neighbour": (lambda t: ((t > -0.5) & (t <= 0.5)).astype(np.float64), 0.5),
    "bilinear": (lambda t: np.maximum(1 - np.abs(t), 0), 1),
    "bicubic": (_cubic(0, 0.5), 2),
    "sharper bicubic": (_cubic(0, 0.75), 2),
    "Mitchell": (_cubic(1 / 3, 1 / 3), 2),
    "Lanczos": (lambda t: np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0), 3),
}
"""Kernels and their radii in pixels of the smaller picture, by the names that users read.  Bicubic is that of Pillow,
Photoshop and ImageMagick's Catrom; the sharper one that of OpenCV, PyTorch and browsers."""

PART, MARGIN = 64, 16
"""Pixels of the smaller picture that are solved for at once, and additional ones on both sides, whose values, which the
neighbouring pixels influence, are discarded."""

RIDGE = 1e-4
"""Weight of the squared norm in least squares: limits how much noise is amplified."""


@lru_cache(maxsize=8)
def taps(small: int, large: int, kernel: str) -> tuple[NDArray[np.int64], Weights]:
    """Returns the rows of the matrix that enlarges `small` pixels to `large`: indices and weights, each (large, taps).

    Weights of one pixel add up to 1; beyond the border there is nothing, as in Pillow.
    """
    function, radius = KERNELS[kernel]
    # Added up as Pillow does, because the nearest neighbour of a position half-way depends on rounding errors.
    centres = np.cumsum(np.repeat([0.5, 1], [1, large - 1]) * (small / large)) - 0.5
    first = np.floor(centres - radius).astype(np.int64)
    index = first[:, None] + np.arange(int(2 * radius) + 2)
    weights = function(index - centres[:, None]) * ((index >= 0) & (index < small))
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return index.clip(0, small - 1)[:, used], weights[:, used]


def matrix(small: int, large: int, kernel: str, rows: slice) -> tuple[Weights, int]:
    """Returns some rows of the matrix that enlarges, without empty columns; and the first column's number."""
    index, weights = (part[rows] for part in taps(small, large, kernel))
    start, count = index.min(), len(index)
    dense = np.zeros((count, index.max() - start + 1))
    np.add.at(dense, (np.arange(count)[:, None], index - start), weights)
    return dense, int(start)


def enlarge(picture: Levels, size: tuple[int, int], kernel: str) -> Levels:
    """Returns the picture (height, width, …) interpolated to a larger (height, width), not clipped."""
    for axis, length in enumerate(size):
        index, weights = taps(picture.shape[axis], length, kernel)
        source = picture.swapaxes(0, axis)
        shape = (length, *(1,) * (source.ndim - 1))
        out = np.zeros((length, *source.shape[1:]), np.float32)
        for i in range(index.shape[1]):
            out += weights[:, i].astype(np.float32).reshape(shape) * source[index[:, i]]
        picture = out.swapaxes(0, axis)
    return picture


def shrink(picture: Levels, size: tuple[int, int], kernel: str) -> Levels:
    """Returns the picture of that (height, width) whose enlargement is closest to `picture` (height, width, …)."""
    for axis, small in enumerate(size):
        source = picture.swapaxes(0, axis)
        out = np.empty((small, *source.shape[1:]), np.float32)
        for start in range(0, small, PART):
            stop = min(start + PART, small)
            rows, inverse = _inverse(small, len(source), kernel, start, stop)
            out[start:stop] = np.tensordot(inverse, source[rows], 1)
        picture = out.swapaxes(0, axis)
    return picture


def needed(part: tuple[slice, slice], before: tuple[int, int], after: tuple[int, int], kernel: str) -> Parts:
    """Returns what gives a part of the picture before: a part x of the enlarged picture, and two matrices.

    With matrices M (height, rows) and N (width, columns), M x Nᵀ is that part of the result of `shrink`.
    """
    (rows, down), (columns, across) = (
        _inverse(small, large, kernel, at.start, at.stop) for at, small, large in zip(part, before, after, strict=True)
    )
    return (rows, columns), (down, across)


@lru_cache(maxsize=16)
def _inverse(small: int, large: int, kernel: str, start: int, stop: int) -> tuple[slice, Levels]:
    """Some rows of the enlarged picture, and the matrix that gives the pixels from `start` to `stop` from them."""
    rows = slice(max(start - MARGIN, 0) * large // small, -(-min(stop + MARGIN, small) * large // small))
    weights, first = matrix(small, large, kernel, rows)
    inverse = np.linalg.solve(weights.T @ weights + RIDGE * np.eye(weights.shape[1]), weights.T)
    inverse[np.abs(inverse) < NEGLIGIBLE] = 0
    return rows, inverse[start - first : stop - first].astype(np.float32)


def misfit(part: Levels, weights: Weights) -> Levels:
    """Returns the mean square distances of columns (rows, columns) from the range of a matrix (rows, unknowns).

    They are divided by the share of dimensions that the range leaves, so for white noise they are its variance.
    """
    basis = np.linalg.qr(weights)[0].astype(np.float32)
    rest = part - basis @ (basis.T @ part)
    return np.square(rest).sum(axis=0) / max(part.shape[0] - basis.shape[1], 1)
