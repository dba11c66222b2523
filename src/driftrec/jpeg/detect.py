"""Traces of an earlier compression: its 8×8 grid, its quality, and a score of the evidence.

If coefficients of one frequency were quantised with step Q, they lie near multiples of Q, and their characteristic
function E[cos(2π c / Q)] is close to 1.  Coefficients on any other grid have a smooth density, for which it is smaller.
Each grid is therefore compared with the other grids of the same picture.  For the grid of a JPEG itself see
`driftrec.jpeg.requantised`.

Characteristic functions of all steps come from one histogram per grid and frequency.  The score of the best grid is
computed once more from blocks that are different: a pattern that repeats itself proves no more than one of its blocks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import DCT, Plane, distinct
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

BINS, SIZE, FEW = 8, 4096, 1024
"""Bins of a histogram per level, and their number: in full, and for a quick look.  Larger coefficients are left out."""

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


def _coefficients(luma: Plane, shifts: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """The coefficients of windows (count, side, side) on shifted grids: (shift, frequency, block)."""
    most = 1 + max(max(place) for place in FREQUENCIES)
    out = np.empty((len(shifts), len(FREQUENCIES), len(luma) * (WINDOW // BLOCK) ** 2), np.float32)
    vertical, horizontal = np.transpose(FREQUENCIES)
    for top in {top for top, _ in shifts}:
        rows = luma[:, top : top + WINDOW].reshape(len(luma), WINDOW // BLOCK, BLOCK, -1)
        columns = np.matmul(DCT[:most], rows)  # (window, row of blocks, vertical frequency, column)
        for place, left in ((place, left) for place, (start, left) in enumerate(shifts) if start == top):
            parts = columns[..., left : left + WINDOW].reshape(-1, BLOCK) @ DCT[:most].T
            parts = parts.reshape(len(luma) * WINDOW // BLOCK, most, WINDOW // BLOCK, most)
            out[place] = parts[:, vertical, :, horizontal].reshape(len(FREQUENCIES), -1)
    return out


def shifted_trace(luma: Plane, *, own_grid: bool) -> Trace:
    """The clearest trace on any grid of windows of luma (count, side, side).

    `own_grid`: the picture is a JPEG, so its own grid and those that share lines with it are left out.
    """
    shifts = [(i, j) for i in range(BLOCK) for j in range(BLOCK) if not own_grid or (i > 0 and j > 0)]
    coefficients = _coefficients(luma, shifts)
    histograms = _histograms(coefficients)
    table = _scores(histograms, QUALITIES)  # (quality, shift)
    best = int(table.max(axis=0).argmax())
    chance = np.delete(table, best, axis=1).max()  # the best of the other grids

    few = [_distinct(grid) for grid in (coefficients[best], *coefficients[::8])]  # an eighth suffices as reference
    count = min(grid.shape[1] for grid in few)
    if count < MIN_BLOCKS:
        return Trace(shifts[best], 0, 0.0)
    different = _histograms(few)
    scores = _scores(different, QUALITIES)[:, 0]
    quality = _refined(_coarsest(table[:, best]), lambda qualities: _scores(different, qualities)[:, 0])
    return Trace(shifts[best], quality, float(min(table[:, best].max() - chance, scores.max() - _noise(count))))


def aligned_score(luma: Plane) -> float:
    """The best score of any quality on the grid that starts at the first pixel of windows of luma (count, side, side).

    It is compared with few other grids, so it is quick, and tells which of several versions of a picture fits best.
    """
    grids = [_distinct(grid) for grid in _coefficients(luma, ((0, 0), *OTHERS))]
    count = min(grid.shape[1] for grid in grids)
    if count < MIN_BLOCKS:
        return 0.0
    return float(_scores(_histograms(grids, FEW), QUALITIES)[:, 0].max() - _noise(count))


def _noise(count: int) -> float:
    """The part of a score that random coefficients of `count` blocks may reach."""
    return NOISE / math.sqrt(2 * len(FREQUENCIES) * count)


def _histograms(grids: NDArray[np.float32] | Sequence[Plane], most: int = SIZE) -> NDArray[np.float32]:
    """Relative frequencies of the absolute values of coefficients (frequency, block) of several grids, in bins of
    1 / BINS levels: (grid, frequency, bin).  There are at most `most` bins, and none above the largest value."""
    size = min(round(max(max(float(grid.max()), -float(grid.min())) for grid in grids) * BINS) + 1, most)
    frequencies = len(FREQUENCIES)
    histograms = np.empty((len(grids), frequencies, size), np.float32)
    first = (size + 1) * np.arange(frequencies, dtype=np.int32)[:, None]
    for grid, out in zip(grids, histograms, strict=True):
        bins = np.abs(grid)
        bins *= BINS
        np.rint(bins, out=bins)
        np.minimum(bins, size, out=bins)  # one more bin for those that are left out
        counts = np.bincount((bins.astype(np.int32) + first).ravel(), minlength=frequencies * (size + 1))
        counts = counts.reshape(frequencies, -1)[:, :size]
        np.divide(counts, np.maximum(counts.sum(axis=1, keepdims=True), 1), out=out, casting="same_kind")
    return histograms


def _distinct(coefficients: Plane) -> Plane:
    """The blocks of coefficients (frequency, block) that differ by more than compression changes, without flat ones."""
    rounded = np.rint(coefficients.T / ALIKE).astype(np.int16)
    first = distinct(rounded)
    return coefficients[:, first[rounded[first].any(axis=1)]]


def _scores(histograms: NDArray[np.float32], qualities: tuple[int, ...]) -> NDArray[np.float64]:
    """The scores (quality, grid) of grids whose histograms are (grid, frequency, bin)."""
    cosines = _cosines(qualities)[:, :, : histograms.shape[-1]]
    function = np.matmul(histograms.swapaxes(0, 1), cosines.swapaxes(1, 2)).astype(np.float64)
    reference = np.median(function, axis=1, keepdims=True)  # of (frequency, grid, quality)
    headroom = (1 - reference).sum(axis=0)
    gain = (function - reference).sum(axis=0)
    # A flat picture looks the same on every grid.
    return np.where(headroom > MIN_HEADROOM, gain / np.maximum(headroom, MIN_HEADROOM), 0).T


@lru_cache(maxsize=2)  # 11 MB for all qualities
def _cosines(qualities: tuple[int, ...]) -> NDArray[np.float32]:
    """cos(2π c / step) at the centres of the bins, (frequency, quality, bin)."""
    cosines = np.empty((len(FREQUENCIES), len(qualities), SIZE), np.float32)
    for number, quality in enumerate(qualities):
        table = ijg_table(quality)
        for place, out in zip(FREQUENCIES, cosines[:, number], strict=True):
            out[:] = _cosine(int(table[place]))
    return cosines


@cache
def _cosine(step: int) -> NDArray[np.float32]:
    """cos(2π c / step) at the centres of the bins."""
    period = np.cos(np.arange(BINS * step) * (2 * np.pi / (BINS * step))).astype(np.float32)
    return np.resize(period, SIZE)


def _coarsest(scores: NDArray[np.float64]) -> int:
    """The lowest of QUALITIES with nearly the best score."""
    return QUALITIES[int((scores >= NEARLY_BEST * scores.max()).argmax())]


def _refined(quality: int, scores: Callable[[tuple[int, ...]], NDArray[np.float64]]) -> int:
    """The quality with the best score among those with similar steps."""
    similar = _similar(quality)
    return similar[int(scores(similar).argmax())]


@cache
def _similar(quality: int) -> tuple[int, ...]:
    """The qualities with similar steps."""
    sums = {q: ijg_table(q).sum() for q in range(1, 100)}
    return tuple(q for q, steps in sums.items() if 1 / SIMILAR <= steps / sums[quality] <= SIMILAR)
