"""Resizing of pictures by interpolation, and its inverse.

A resized picture is x = A s Bᵀ.  Each row of the matrices A and B holds the weights with which one pixel of x is
computed from the picture s; they follow from the sides (`Axis`) and from the interpolation's kernel.  Where a picture
was enlarged, x determines s; where it was reduced, it determines the low frequencies of s only, and the smoothest
picture that explains x is taken.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
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
"""Kernels that enlarge, and their radii in pixels of the smaller picture, by the names that users read.  Bicubic is
that of Pillow, Photoshop and ImageMagick's Catrom; the sharper one that of OpenCV, PyTorch and browsers."""

REDUCERS: dict[str, tuple[str, bool]] = {
    "bicubic": ("bicubic", True),
    "bilinear": ("bilinear", True),
    "Lanczos": ("Lanczos", True),
    "area": ("nearest neighbour", True),
    "bilinear, not smoothed": ("bilinear", False),
}
"""Kernels that reduce: the names of their shapes in `KERNELS`, and whether they are widened by the factor, so that they
do not alias.  Fast programs do not widen the bilinear one."""

PART = 64
"""Pixels of the picture before that are solved for at once."""

MARGIN, WIDE_MARGIN = 16, 40
"""Additional pixels on both sides, whose values, which the neighbouring pixels influence, are discarded: where a
picture was enlarged, and where it was reduced."""

RIDGE = 1e-4
"""Weight of the squared norm in the least squares of enlarged pictures: limits how much noise is amplified."""

ROUGHNESS, LOSSY_ROUGHNESS, LEVEL = 1e-3, 1e-2, 1e-4
"""Weights of the squared differences of neighbours in the least squares of reduced pictures that nothing happened to
later, and of those that were compressed again; and the weight of the squared norm relative to them."""


@dataclass(frozen=True)
class Axis:
    """How one side of a picture was resized.

    Attributes:
        before, after: its lengths in pixels.
        scale: pixels before per pixel after.
        start: where the first pixel after starts, in pixels before; not 0 in a part of a resized picture.
    """

    before: int
    after: int
    scale: float
    start: float = 0.0

    @property
    def is_same(self) -> bool:
        """Whether the side was not resized."""
        return self.before == self.after and self.scale == 1 and self.start == 0


Axes = tuple[Axis, Axis]


def whole(before: tuple[int, ...], after: tuple[int, ...]) -> Axes:
    """Returns how a whole picture is resized, from one (height, width) to another."""
    down, across = (Axis(old, new, old / new) for old, new in zip(before[:2], after[:2], strict=True))
    return down, across


@lru_cache(maxsize=32)
def taps(axis: Axis, kernel: str) -> tuple[NDArray[np.int64], Weights]:
    """Returns the rows of the matrix that resizes a side: indices and weights, each (after, taps).

    Weights of one pixel add up to 1; beyond the border there is nothing, as in Pillow.

    Arguments: `kernel`, a name in `KERNELS` to enlarge, and in `REDUCERS` to reduce.
    """
    before, after = axis.before, axis.after
    shape, widened = REDUCERS.get(kernel, (kernel, False))
    function, radius = KERNELS[shape]
    width = max(axis.scale, 1.0) if widened else 1.0
    # Added up as Pillow does, because the nearest neighbour of a position half-way depends on rounding errors.
    centres = np.cumsum(np.repeat([0.5, 1], [1, after - 1]) * axis.scale) + (axis.start - 0.5)
    first = np.floor(centres - radius * width).astype(np.int64)
    index = first[:, None] + np.arange(int(2 * radius * width) + 2)
    weights = function((index - centres[:, None]) / width) * ((index >= 0) & (index < before))
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return index.clip(0, before - 1)[:, used], weights[:, used]


def matrix(axis: Axis, kernel: str, rows: slice) -> tuple[Weights, int]:
    """Returns some rows of the matrix that resizes, without empty columns; and the first column's number."""
    index, weights = (part[rows] for part in taps(axis, kernel))
    start, count = index.min(), len(index)
    dense = np.zeros((count, index.max() - start + 1))
    np.add.at(dense, (np.arange(count)[:, None], index - start), weights)
    return dense, int(start)


def resized(picture: Levels, axes: Axes, kernel: str) -> Levels:
    """Returns the picture (height, width, …) interpolated to another size, not clipped.

    Arguments: `axes`, how; `kernel`, as for `taps`; both sides become larger, or both smaller.
    """
    for number, axis in enumerate(axes):
        if axis.is_same:
            continue
        index, weights = taps(axis, kernel)
        source = picture.swapaxes(0, number)
        shape = (axis.after, *(1,) * (source.ndim - 1))
        out = np.zeros((axis.after, *source.shape[1:]), np.float32)
        for i in range(index.shape[1]):
            out += weights[:, i].astype(np.float32).reshape(shape) * source[index[:, i]]
        picture = out.swapaxes(0, number)
    return picture


def unresized(picture: Levels, axes: Axes, kernel: str, *, lossy: bool = False) -> Levels:
    """Returns the picture before that, once resized, is closest to `picture` (height, width, …).

    Arguments: `axes`, how it was resized; `lossy`, whether it was compressed after it was reduced, so that it explains
    less.
    """
    for number, axis in enumerate(axes):
        source = picture.swapaxes(0, number)
        if axis.is_same:
            continue
        out = np.empty((axis.before, *source.shape[1:]), np.float32)
        for start in range(0, axis.before, PART):
            stop = min(start + PART, axis.before)
            rows, inverse = _inverse(axis, kernel, start, stop, lossy)
            out[start:stop] = np.tensordot(inverse, source[rows], 1)
        picture = out.swapaxes(0, number)
    return picture


def needed(part: tuple[slice, slice], axes: Axes, kernel: str, *, lossy: bool = False) -> Parts:
    """Returns what gives a part of the picture before: a part x of the resized picture, and two matrices.

    With matrices M (height, rows) and N (width, columns), M x Nᵀ is that part of the result of `unresized`.
    """
    (rows, down), (columns, across) = (
        _inverse(axis, kernel, at.start, at.stop, lossy) for at, axis in zip(part, axes, strict=True)
    )
    return (rows, columns), (down, across)


@lru_cache(maxsize=64)
def _inverse(axis: Axis, kernel: str, start: int, stop: int, lossy: bool) -> tuple[slice, Levels]:
    """Some rows of the resized picture, and the matrix that gives the pixels from `start` to `stop` from them."""
    reduced = axis.scale > 1
    margin = WIDE_MARGIN if reduced else MARGIN
    first, last = max(start - margin, 0) - axis.start, min(stop + margin, axis.before) - axis.start
    rows = slice(max(math.floor(first / axis.scale), 0), min(math.ceil(last / axis.scale), axis.after))
    weights, offset = matrix(axis, kernel, rows)
    count = weights.shape[1]
    weight = LOSSY_ROUGHNESS if lossy else ROUGHNESS
    penalty = weight * _roughness(count) if reduced else RIDGE * np.eye(count)
    inverse = np.linalg.solve(weights.T @ weights + penalty, weights.T)
    inverse[np.abs(inverse) < NEGLIGIBLE] = 0
    return rows, inverse[start - offset : stop - offset].astype(np.float32)


def _roughness(count: int) -> Weights:
    """The matrix that gives the squared differences of `count` neighbours, plus their squared norm times LEVEL."""
    neighbours = np.minimum(np.arange(count), 1) + np.minimum(np.arange(count)[::-1], 1)
    matrix = np.diag(neighbours + LEVEL)
    matrix.flat[1 :: count + 1] = matrix.flat[count :: count + 1] = -1
    return matrix
