"""Traces of an earlier compression: on which 8×8 grid, at which quality, and how sure that is.

Quantised with step Q, the coefficients of one frequency lie near multiples of Q, and the characteristic function
E[cos(2π c / Q)] is close to 1; coefficients on any other grid have a smooth density, and it is smaller.  So every
grid is compared with what the picture would look like without the trace:

* a shifted grid, or any grid of a picture that is no JPEG, with the other grids of the same picture;
* a JPEG's own grid with shifted grids quantised by the file's own tables, which have seen one compression there
  (the calibration of Fridrich, Goljan and Hogea, 2003).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, dct
from driftrec.jpeg.tables import NATURAL, ijg_table

WINDOW, WINDOWS = 64, 6
"""Side of the windows that are looked at, in pixels, and the most of them along a side of the picture."""

FREQUENCIES = tuple((int(k) // 8, int(k) % 8) for k in NATURAL[1:22])
"""(row, column) of the coefficients that are looked at: the lower third, without DC."""

QUALITIES = (*range(2, 20, 2), *range(20, 60, 4), *range(60, 96, 3))
"""Candidates for the earlier quality."""

CALIBRATION = ((4, 4), (3, 4), (4, 3), (5, 4), (4, 5), (3, 3), (5, 5), (3, 5), (5, 3))
"""Shifts that stand for a picture without an earlier compression on its own grid."""


@dataclass(frozen=True)
class Trace:
    """The clearest trace of a compression.

    Attributes:
        shift: (row, column) where the first whole block starts, 0 … 7 each.
        quality: libjpeg's quality whose table fits best.
        score: how much of the way from an untouched picture's characteristic function to 1, at most 1.
    """

    shift: tuple[int, int]
    quality: int
    score: float


def windows(height: int, width: int) -> list[tuple[slice, slice]]:
    """Windows of WINDOW + 7 pixels spread over a picture, on its 8×8 grid; none if it is too small."""
    side = WINDOW + 7
    if min(height, width) < side:
        return []
    rows, columns = (
        sorted({int(s) // 8 * 8 for s in np.linspace(0, length - side, min(WINDOWS, length // WINDOW))})
        for length in (height, width)
    )
    return [(slice(top, top + side), slice(left, left + side)) for top in rows for left in columns]


def _coefficients(parts: Plane, shift: tuple[int, int]) -> Plane:
    """The coefficients of windows (count, side, side) of luma on a shifted grid: (frequency, block)."""
    top, left = shift
    plane = np.ascontiguousarray(parts[:, top : top + WINDOW, left : left + WINDOW]).reshape(-1, WINDOW)
    found = dct(plane)
    return np.stack([found[u::8, v::8].ravel() for u, v in FREQUENCIES])


def shifted_trace(parts: Plane, *, own_grid: bool) -> Trace:
    """The clearest trace on any grid of luma windows (count, side, side).

    `own_grid`: the picture is a JPEG; leave out its own grid, and those that share lines with it.
    """
    shifts = [(i, j) for i in range(8) for j in range(8) if not own_grid or (i > 0 and j > 0)]
    found = np.stack([_coefficients(parts, shift) for shift in shifts])

    def evidence(quality: int, some: Plane) -> NDArray[np.float64]:
        function = _function(some, quality)
        typical = np.median(function, axis=0)
        return (function - typical).sum(axis=1) / (1 - typical).sum()

    table = np.array([evidence(quality, found) for quality in QUALITIES])  # (quality, shift)
    at = int(table.max(axis=0).argmax())
    # The clearest of the other grids shows how much of it is chance.
    others = np.delete(table, at, axis=1).max()
    few = np.concatenate([found[at][None], found[::8]])
    quality = _exact(_coarsest(table[:, at]), lambda quality: float(evidence(quality, few)[0]))
    return Trace(shifts[at], quality, float(table[:, at].max() - others))


def own_trace(parts: Plane, table: NDArray[np.int_]) -> Trace:
    """The clearest trace of an earlier compression on a JPEG's own grid; `table` is its luma's."""
    steps = np.array([table[u, v] for u, v in FREQUENCIES], np.float32)[:, None]
    own = np.rint(_coefficients(parts, (0, 0)) / steps) * steps
    references = np.stack([np.rint(_coefficients(parts, shift) / steps) * steps for shift in CALIBRATION])

    def evidence(quality: int) -> float:
        # Only steps that are coarser than the file's can have left a trace.
        coarser = np.array([ijg_table(quality)[u, v] for u, v in FREQUENCIES]) > 1.2 * steps[:, 0]
        function = _function(np.concatenate([own[None], references]), quality)
        typical = function[1:].mean(axis=0)
        room = (1 - typical)[coarser].sum()
        return float((function[0] - typical)[coarser].sum() / room) if coarser.sum() > 3 and room > 0.1 else 0.0

    found = np.array([evidence(quality) for quality in QUALITIES])
    return Trace((0, 0), _exact(_coarsest(found), evidence), float(found.max()))


def _coarsest(evidence: NDArray[np.float64]) -> int:
    """The lowest quality with nearly the best evidence: halves and thirds of the true steps fit as well as it does."""
    return QUALITIES[int((evidence >= 0.85 * evidence.max()).argmax())]


def _exact(quality: int, evidence: Callable[[int], float]) -> int:
    """The quality with the best evidence of those whose steps are at most a quarter larger or smaller."""
    ratios = {q: ijg_table(q).sum() / ijg_table(quality).sum() for q in range(1, 100)}
    return max((q for q, ratio in ratios.items() if 0.8 <= ratio <= 1.25), key=evidence)


def _function(found: Plane, quality: int) -> Plane:
    """The characteristic function at 1/Q of coefficients (…, frequency, block), averaged over blocks."""
    table = ijg_table(quality)
    steps = np.array([table[u, v] for u, v in FREQUENCIES], np.float32)[:, None]
    return np.cos(found * (np.float32(2 * np.pi) / steps)).mean(axis=-1)
