"""Traces of an earlier compression: its 8×8 grid, its quality, and a score of the evidence.

If coefficients of one frequency were quantised with step Q, they lie near multiples of Q, and their characteristic
function E[cos(2π c / Q)] is close to 1.  Coefficients on any other grid have a smooth density, for which it is smaller.
Each grid is therefore compared with a reference that represents the picture without the trace:

* a shifted grid, or any grid of a picture that is not a JPEG, with the other grids of the same picture;
* the grid of a JPEG itself with shifted grids that are quantised with the tables of the file, which imitates a single
  compression on that grid (the calibration of Fridrich, Goljan and Hogea, 2003).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, dct
from driftrec.jpeg.tables import BLOCK, NATURAL, ijg_table

WINDOW = 64
"""Side of the windows that are searched for traces, in pixels."""

MAX_WINDOWS = 6
"""Maximum number of windows along a side of the picture."""

FREQUENCIES = tuple((int(k) // BLOCK, int(k) % BLOCK) for k in NATURAL[1:22])
"""(row, column) of the coefficients that are used: the lower third, without DC."""

QUALITIES = (*range(2, 20, 2), *range(20, 60, 4), *range(60, 96, 3))
"""Candidates for the earlier quality; the best one is refined to single steps."""

CALIBRATION_SHIFTS = ((4, 4), (3, 4), (4, 3), (5, 4), (4, 5), (3, 3), (5, 5), (3, 5), (5, 3))
"""Shifts of the reference for a JPEG's own grid."""

COARSER = 1.2
"""Only steps at least this many times the file's can have left a visible trace."""

MIN_COARSER = 4
"""Minimum number of frequencies with such steps for a score."""

MIN_HEADROOM = 0.1
"""Minimum total gap between the reference and 1 for a score: flat pictures have none, and so no trace."""

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
    """Return windows of WINDOW + 7 pixels, spread over a picture on its 8×8 grid; none if it is too small."""
    side = WINDOW + BLOCK - 1
    if min(height, width) < side:
        return []
    rows, columns = (
        sorted({int(s) // BLOCK * BLOCK for s in np.linspace(0, length - side, min(MAX_WINDOWS, length // WINDOW))})
        for length in (height, width)
    )
    return [(slice(top, top + side), slice(left, left + side)) for top in rows for left in columns]


def _coefficients(luma: Plane, shift: tuple[int, int]) -> Plane:
    """Return the coefficients of windows (count, side, side) on a shifted grid: (frequency, block)."""
    top, left = shift
    plane = np.ascontiguousarray(luma[:, top : top + WINDOW, left : left + WINDOW]).reshape(-1, WINDOW)
    coefficients = dct(plane)
    return np.stack([coefficients[u::BLOCK, v::BLOCK].ravel() for u, v in FREQUENCIES])


def shifted_trace(luma: Plane, *, own_grid: bool) -> Trace:
    """Return the clearest trace on any grid of windows of luma (count, side, side).

    `own_grid`: the picture is a JPEG, so its own grid and those that share lines with it are left out.
    """
    shifts = [(i, j) for i in range(BLOCK) for j in range(BLOCK) if not own_grid or (i > 0 and j > 0)]
    coefficients = np.stack([_coefficients(luma, shift) for shift in shifts])

    def scores(quality: int, on_grids: Plane) -> NDArray[np.float64]:
        function = _characteristic(on_grids, quality)
        reference = np.median(function, axis=0)
        headroom = (1 - reference).sum()
        if headroom <= MIN_HEADROOM:  # a flat picture looks the same on every grid
            return np.zeros(len(function))
        return (function - reference).sum(axis=1) / headroom

    table = np.array([scores(quality, coefficients) for quality in QUALITIES])  # (quality, shift)
    best = int(table.max(axis=0).argmax())
    chance = np.delete(table, best, axis=1).max()  # the best of the other grids
    few = np.concatenate([coefficients[best][None], coefficients[::8]])  # an eighth of the grids suffices as reference
    quality = _refined(_coarsest(table[:, best]), lambda quality: float(scores(quality, few)[0]))
    return Trace(shifts[best], quality, float(table[:, best].max() - chance))


def own_trace(luma: Plane, table: NDArray[np.int_]) -> Trace:
    """Return the clearest trace of an earlier compression on a JPEG's own grid.

    Arguments: `luma`, windows (count, side, side); `table`, the quantisation table (8, 8) of the file's luma.
    """
    steps = np.array([table[u, v] for u, v in FREQUENCIES], np.float32)[:, None]
    quantised = np.stack(
        [np.rint(_coefficients(luma, shift) / steps) * steps for shift in ((0, 0), *CALIBRATION_SHIFTS)]
    )

    def score(quality: int) -> float:
        coarser = np.array([ijg_table(quality)[u, v] for u, v in FREQUENCIES]) > COARSER * steps[:, 0]
        function = _characteristic(quantised, quality)
        reference = function[1:].mean(axis=0)
        headroom = (1 - reference)[coarser].sum()
        if coarser.sum() < MIN_COARSER or headroom <= MIN_HEADROOM:
            return 0.0
        return float((function[0] - reference)[coarser].sum() / headroom)

    scores = np.array([score(quality) for quality in QUALITIES])
    return Trace((0, 0), _refined(_coarsest(scores), score), float(scores.max()))


def _coarsest(scores: NDArray[np.float64]) -> int:
    """Return the lowest of QUALITIES with nearly the best score."""
    return QUALITIES[int((scores >= NEARLY_BEST * scores.max()).argmax())]


def _refined(quality: int, score: Callable[[int], float]) -> int:
    """Return the quality with the best score among those with similar steps."""
    ratios = {q: ijg_table(q).sum() / ijg_table(quality).sum() for q in range(1, 100)}
    return max((q for q, ratio in ratios.items() if 1 / SIMILAR <= ratio <= SIMILAR), key=score)


def _characteristic(coefficients: Plane, quality: int) -> Plane:
    """Return the characteristic function at 1/Q of coefficients (…, frequency, block), averaged over blocks."""
    table = ijg_table(quality)
    steps = np.array([table[u, v] for u, v in FREQUENCIES], np.float32)[:, None]
    return np.cos(coefficients * (np.float32(2 * np.pi) / steps)).mean(axis=-1)
