"""Traces of an earlier compression: its 8×8 grid, its quality, and a score of the evidence.

If coefficients of one frequency were quantised with step Q, they lie near multiples of Q, and their characteristic
function E[cos(2π c / Q)] is close to 1.  Coefficients on any other grid have a smooth density, for which it is smaller.
Each grid is therefore compared with the other grids of the same picture.  For the grid of a JPEG itself see
`driftrec.jpeg.requantised`.

Characteristic functions of all steps come from one histogram per grid and frequency.  The score of the best grid is
computed once more from blocks that are different: a pattern that repeats itself proves no more than one of its blocks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, dct
from driftrec.jpeg.tables import BLOCK, NATURAL, ijg_table

WINDOW = 64
"""Side of the windows that are searched for traces, in pixels."""

MAX_WINDOWS = 6
"""Maximum number of windows along a side of the picture."""

SHIFTED_SCORE = 0.08
"""Minimum score of a `shifted_trace`; docs/science/jpeg.md shows how often it is right."""

FREQUENCIES = tuple((int(k) // BLOCK, int(k) % BLOCK) for k in NATURAL[1:22])
"""(row, column) of the coefficients that are used: the lower third, without DC."""

QUALITIES = (*range(2, 20, 2), *range(20, 60, 4), *range(60, 96, 3))
"""Candidates for the earlier quality; the best one is refined to single steps."""

BINS, SIZE = 8, 4096
"""Bins of a histogram per level, and their number: coefficients beyond 512 levels are rare."""

ALIKE = 8
"""Rounding, in levels, after which blocks are alike."""

MIN_BLOCKS = 16
"""Minimum number of different blocks for a score."""

NOISE = 3
"""Number of standard deviations of a score of random coefficients that do not count."""

MIN_HEADROOM = 0.1
"""Minimum total gap between the reference and 1 for a score: flat pictures have none, and so no trace."""

OTHERS = ((4, 4), (2, 6), (6, 2), (3, 3))
"""Shifts of the other grids that an `aligned_score` is compared with."""

NEARLY_BEST = 0.85
"""Qualities with at least this fraction of the best score may be the true one.  Half or a third of the true steps
score equally well, so the coarsest is taken."""

SIMILAR = 1.25
"""Maximum factor by which the steps of a refined quality may be larger or smaller."""


@dataclass(frozen=True)
class Trace:
    """The clearest trace of a compression.

    Attributes:
        shift: (row, column) of the first whole block, 0 … 7 each.
        quality: the quality whose libjpeg table fits best.
        score: fraction of the gap between the reference's characteristic function and 1 that is closed, at most 1.
    """

    shift: tuple[int, int]
    quality: int
    score: float


def windows(height: int, width: int) -> list[tuple[slice, slice]]:
    """Windows of WINDOW + 7 pixels, spread over a picture on its 8×8 grid; none if it is too small."""
    side = WINDOW + BLOCK - 1
    if min(height, width) < side:
        return []
    rows, columns = (
        sorted({int(s) // BLOCK * BLOCK for s in np.linspace(0, length - side, min(MAX_WINDOWS, length // WINDOW))})
        for length in (height, width)
    )
    return [(slice(top, top + side), slice(left, left + side)) for top in rows for left in columns]


def _coefficients(luma: Plane, shift: tuple[int, int]) -> Plane:
    """The coefficients of windows (count, side, side) on a shifted grid: (frequency, block)."""
    top, left = shift
    plane = np.ascontiguousarray(luma[:, top : top + WINDOW, left : left + WINDOW]).reshape(-1, WINDOW)
    coefficients = dct(plane)
    return np.stack([coefficients[u::BLOCK, v::BLOCK].ravel() for u, v in FREQUENCIES])


def shifted_trace(luma: Plane, *, own_grid: bool) -> Trace:
    """The clearest trace on any grid of windows of luma (count, side, side).

    `own_grid`: the picture is a JPEG, so its own grid and those that share lines with it are left out.
    """
    shifts = [(i, j) for i in range(BLOCK) for j in range(BLOCK) if not own_grid or (i > 0 and j > 0)]
    coefficients = np.stack([_coefficients(luma, shift) for shift in shifts])
    histograms = np.stack([_histograms(grid) for grid in coefficients])
    table = _scores(histograms, QUALITIES)  # (quality, shift)
    best = int(table.max(axis=0).argmax())
    chance = np.delete(table, best, axis=1).max()  # the best of the other grids

    few = [_distinct(grid) for grid in (coefficients[best], *coefficients[::8])]  # an eighth suffices as reference
    count = min(grid.shape[1] for grid in few)
    if count < MIN_BLOCKS:
        return Trace(shifts[best], 0, 0.0)
    different = np.stack([_histograms(grid) for grid in few])
    scores = _scores(different, QUALITIES)[:, 0]
    quality = _refined(_coarsest(table[:, best]), lambda quality: float(_scores(different, (quality,))[0, 0]))
    noise = NOISE / np.sqrt(2 * len(FREQUENCIES) * count)
    return Trace(shifts[best], quality, float(min(table[:, best].max() - chance, scores.max() - noise)))


def aligned_score(luma: Plane) -> float:
    """The best score of any quality on the grid that starts at the first pixel of windows of luma (count, side, side).

    It is compared with few other grids, so it is quick, and tells which of several versions of a picture fits best.
    """
    histograms = np.stack([_histograms(_coefficients(luma, shift)) for shift in ((0, 0), *OTHERS)])
    return float(_scores(histograms, QUALITIES)[:, 0].max())


def _histograms(coefficients: Plane) -> NDArray[np.float32]:
    """Relative frequencies of the absolute values of coefficients (frequency, block), in bins of 1 / BINS levels."""
    count, blocks = coefficients.shape
    bins = np.minimum(np.rint(np.abs(coefficients) * BINS).astype(np.int64), SIZE - 1)
    bins += SIZE * np.arange(count)[:, None]
    return (np.bincount(bins.ravel(), minlength=count * SIZE).reshape(count, SIZE) / np.float32(blocks)).astype(
        np.float32
    )


def _distinct(coefficients: Plane) -> Plane:
    """The blocks of coefficients (frequency, block) that differ by more than compression changes, without flat ones."""
    rounded = np.rint(coefficients.T / ALIKE).astype(np.int16)
    rounded, first = np.unique(rounded, axis=0, return_index=True)
    return coefficients[:, first[rounded.any(axis=1)]]


def _scores(histograms: NDArray[np.float32], qualities: tuple[int, ...]) -> NDArray[np.float64]:
    """The scores (quality, grid) of grids whose histograms are (grid, frequency, bin)."""
    function = np.matmul(histograms.swapaxes(0, 1), _cosines(qualities)).astype(
        np.float64
    )  # (frequency, grid, quality)
    reference = np.median(function, axis=1, keepdims=True)
    headroom = (1 - reference).sum(axis=0)
    gain = (function - reference).sum(axis=0)
    # A flat picture looks the same on every grid.
    return np.where(headroom > MIN_HEADROOM, gain / np.maximum(headroom, MIN_HEADROOM), 0).T


@lru_cache(maxsize=32)
def _cosines(qualities: tuple[int, ...]) -> NDArray[np.float32]:
    """cos(2π c / step) at the centres of the bins, (frequency, bin, quality)."""
    steps = np.array([[ijg_table(quality)[place] for quality in qualities] for place in FREQUENCIES], np.float32)
    centres = np.arange(SIZE, dtype=np.float32)[:, None] / BINS
    return np.cos(np.float32(2 * np.pi) * centres / steps[:, None, :])


def _coarsest(scores: NDArray[np.float64]) -> int:
    """The lowest of QUALITIES with nearly the best score."""
    return QUALITIES[int((scores >= NEARLY_BEST * scores.max()).argmax())]


def _refined(quality: int, score: Callable[[int], float]) -> int:
    """The quality with the best score among those with similar steps."""
    ratios = {q: ijg_table(q).sum() / ijg_table(quality).sum() for q in range(1, 100)}
    return max((q for q, ratio in ratios.items() if 1 / SIMILAR <= ratio <= SIMILAR), key=score)
