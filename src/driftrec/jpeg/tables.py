"""Blocks and quantisation tables: Annex K of the JPEG standard, the scaling of libjpeg, and its inverse.

Tables are (8, 8), row = vertical frequency, column = horizontal frequency ("natural order").
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BLOCK = 8
"""Side of the blocks that the DCT transforms, in samples."""

MCU = 16
"""Side of the smallest unit of whole blocks (MCU) with 4:2:0 subsampling, in pixels: the largest in common use."""

ZIGZAG = np.array(
    [
        (u, v)
        for s in range(2 * BLOCK - 1)
        for u, v in (((i, s - i) if s % 2 else (s - i, i)) for i in range(s + 1))
        if max(u, v) < BLOCK
    ]
)
"""(64, 2): row and column of the coefficients in the order in which a file stores them."""

NATURAL = ZIGZAG[:, 0] * BLOCK + ZIGZAG[:, 1]
"""(64,): position in natural order of the k-th stored coefficient."""

LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""Table K.1 of ITU-T T.81."""

CHROMA = np.full((BLOCK, BLOCK), 99)
CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
"""Table K.2 of ITU-T T.81."""


def ijg_table(quality: float, base: NDArray[np.int_] = LUMA) -> NDArray[np.int_]:
    """The table that libjpeg derives from `base` at a quality of 1 to 100, (8, 8), entries 1 to 255.

    Raises ValueError for a quality outside [1, 100].
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"a quality lies between 1 and 100, not {quality}")
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    return np.clip((base * int(scale) + 50) // 100, 1, 255)


def ijg_quality(table: NDArray[np.int_], base: NDArray[np.int_] = LUMA) -> tuple[int, bool]:
    """Returns (the quality with the nearest libjpeg table, whether the tables are equal).

    Distance is the mean absolute log ratio of entries, so custom tables get the quality that is about as coarse.
    """
    return _nearest(*(tuple(map(int, entries.flat)) for entries in (table, base)))


@lru_cache(maxsize=64)
def _nearest(table: tuple[int, ...], base: tuple[int, ...]) -> tuple[int, bool]:
    """`ijg_quality` of tables as their entries, row by row."""
    candidates = np.array([ijg_table(quality, np.array(base)) for quality in range(1, 101)])
    distance = np.abs(np.log(candidates / np.maximum(table, 1))).mean(axis=1)
    # Clipped tables repeat at the lowest qualities; of equal ones, the highest quality is the usual one.
    best = 100 - int(np.argmin(distance[::-1]))
    return best, bool((candidates[best - 1] == table).all())
