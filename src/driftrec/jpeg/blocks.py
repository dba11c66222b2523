"""The linear algebra of JPEG: colour, subsampling and the DCT, on whole planes.

A *plane* is a float32 array (height, width).  Samples are levels around 0: 8-bit sample minus 128.  A plane of
coefficients has the layout of `driftrec.jpeg.file.Component`: (u, v) of block (i, j) lies at [8i + u, 8j + v].
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.tables import BLOCK

Plane = NDArray[np.float32]

_u = np.arange(BLOCK)
_norms = np.sqrt(np.where(_u == 0, 1, 2) / BLOCK)
DCT: Plane = (_norms[:, None] * np.cos(np.pi / (2 * BLOCK) * np.outer(_u, 2 * _u + 1))).astype(np.float32)
"""The orthonormal DCT-II of 8 samples, (8, 8); T.81 A.3.3 in matrix form."""

YCBCR = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ]
)
"""RGB to YCbCr of JFIF (ITU-T T.871), (3, 3); full range, chroma around 0."""

RGB = np.linalg.inv(YCBCR)

OFFSET = np.float32(128)

HASH_BASE = np.uint64(0x9E3779B97F4A7C15)
"""An odd number without regularity: 2^64 divided by the golden ratio."""


def white(pixels: NDArray[Any]) -> int:
    """Returns the value of white in an array of pixels: 255 or 65535, and 1 for floats."""
    return int(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1


def luma(pixels: NDArray[Any]) -> Plane:
    """Returns luma of RGB (height, width, 3), uint8, uint16, or float in [0, 1]; around 0, in 8-bit levels."""
    return (pixels @ (YCBCR[0] * 255 / white(pixels)) - 128).astype(np.float32)


def to_components(image: NDArray[np.float32], colour: str) -> list[Plane]:
    """The components of an image (height, width, 3), RGB in [0, 1], as planes of the same size.

    `colour` is "gray" (the mean of the channels, which are three estimates of the same value), "YCbCr" or "RGB".
    """
    if colour == "gray":
        return [(image * np.float32(255)).mean(axis=2) - OFFSET]
    if colour == "RGB":
        return [image[..., i] * np.float32(255) - OFFSET for i in range(3)]
    planes = ((255 * YCBCR).astype(np.float32) @ image.reshape(-1, 3).T).reshape(3, *image.shape[:2])
    planes[0] -= OFFSET
    return list(planes)


def to_image(planes: Sequence[Plane], colour: str, clip: bool = True) -> NDArray[np.float32]:
    """The inverse of `to_components`; clipped to [0, 1] unless `clip` is false."""
    if colour == "gray":
        image = np.repeat((planes[0] + OFFSET)[..., None], 3, axis=2)
    elif colour == "RGB":
        image = np.stack(planes, axis=2) + OFFSET
    else:
        stacked = np.stack(planes)
        stacked[0] += OFFSET
        image = (stacked.reshape(3, -1).T @ RGB.T.astype(np.float32)).reshape(*planes[0].shape, 3)
    image /= np.float32(255)
    return np.clip(image, 0, 1, out=image) if clip else image


def dct(samples: Plane) -> Plane:
    """The DCT of every 8×8 block of a plane whose sides are multiples of 8."""
    return _both_sides(DCT, samples)


def idct(coefficients: Plane) -> Plane:
    """The inverse of `dct`."""
    return _both_sides(np.ascontiguousarray(DCT.T), coefficients)


def _both_sides(matrix: Plane, plane: Plane) -> Plane:
    """matrix · block · matrixᵀ for every block of a plane."""
    height, width = plane.shape
    columns_done = np.matmul(matrix, plane.reshape(height // BLOCK, BLOCK, width))
    return np.matmul(columns_done.reshape(-1, BLOCK), matrix.T).reshape(height, width)


def distinct(rows: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """The index of the first of all equal rows, integers (count, length), in no particular order.

    Rows are compared by a hash of 64 bits, a polynomial of their values: different rows of one picture have equal
    hashes with a probability below 10⁻⁹.
    """
    weights = np.multiply.accumulate(np.full(rows.shape[1], HASH_BASE))
    return np.unique((rows.astype(np.uint64) * weights).sum(axis=1), return_index=True)[1]


def box_mean(samples: Plane, vertical: int, horizontal: int) -> Plane:
    """Means over vertical × horizontal pixels, as in chroma subsampling; the sides must be multiples of the factors."""
    if (vertical, horizontal) == (1, 1):
        return samples
    total = samples[::vertical, ::horizontal].copy()  # many times faster than a mean over axes of a reshaped plane
    for i in range(vertical):
        for j in range(horizontal):
            if i or j:
                total += samples[i::vertical, j::horizontal]
    total /= vertical * horizontal
    return total


def replicate(samples: Plane, vertical: int, horizontal: int) -> Plane:
    """Every sample repeated over vertical × horizontal pixels: vertical · horizontal times the adjoint of `box_mean`,
    and the smallest change of pixels that changes their means by `samples`."""
    if (vertical, horizontal) == (1, 1):
        return samples
    return np.repeat(np.repeat(samples, vertical, axis=0), horizontal, axis=1)


def pad(plane: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The plane (or image, sides first) with its last row and column repeated up to height × width, as libjpeg does."""
    missing = [(0, height - plane.shape[0]), (0, width - plane.shape[1])]
    return np.pad(plane, missing + [(0, 0)] * (plane.ndim - 2), mode="edge") if any(map(any, missing)) else plane


def unpad(plane: Plane, height: int, width: int) -> Plane:
    """The plane of height × width that is nearest to the given one once padded: edge samples average their copies.

    Followed by `pad`, it is the projection onto planes whose padding repeats the edge.
    """
    if plane.shape == (height, width):
        return plane
    inner = plane[:height].copy()
    inner[-1] = plane[height - 1 :].mean(axis=0)
    inner[:, width - 1] = inner[:, width - 1 :].mean(axis=1)
    return inner[:, :width]


def upsample_triangle(samples: Plane, vertical: int, horizontal: int) -> Plane:
    """Chroma at full size by linear interpolation between sample centres: libjpeg's "fancy" upsampling, unrounded.

    Factors of 1 and 2 are interpolated (weights ¾ and ¼); for other factors samples are repeated, as in libjpeg.
    """
    for axis, factor in enumerate((vertical, horizontal)):
        samples = _double(samples, axis) if factor == 2 else np.repeat(samples, factor, axis=axis)
    return samples


def _double(samples: Plane, axis: int) -> Plane:
    """Twice as many samples along an axis; each is ¾ of the nearest old sample plus ¼ of the next nearest."""
    old = np.moveaxis(samples, axis, -1)
    new = np.empty((*old.shape[:-1], old.shape[-1], 2), np.float32)
    new[...] = old[..., None]
    new[..., 1:, 0] += (old[..., :-1] - old[..., 1:]) / 4
    new[..., :-1, 1] += (old[..., 1:] - old[..., :-1]) / 4
    return np.moveaxis(new.reshape(*old.shape[:-1], -1), -1, axis)
