"""Statistics of coefficients that were quantised before: how far they are now from multiples of the earlier steps.

On the grid of an earlier compression, coefficients are m Q + e: multiples of the step Q, plus the error e of all later
processing.  If e is normal with variance σ², their characteristic function at 1/Q is

    φ = E[cos(2π c / Q)] = exp(−2π² σ² / Q²),

which gives σ² for every frequency, and with it the expected value of m Q,

    E[m Q | c] = Σ_m p(m) m Q exp(−(c − m Q)² / 2σ²) / Σ_m p(m) exp(−(c − m Q)² / 2σ²),

where p(m) is the frequency with which c rounds to m.  If e is small, this rounds to multiples of Q; if e is large, c
hardly changes.

Chroma was subsampled, decoded and subsampled again, which blurs it.  Its samples C are found from the picture's chroma
O by iterating C ← C + B (O − M C), where B is the box mean and M models what happened to C later: interpolation, and
the subsampling of the file itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, box_mean, dct, upsample_triangle
from driftrec.jpeg.detect import Trace
from driftrec.jpeg.elsewhere import elsewhere, quantised_part
from driftrec.jpeg.tables import BLOCK, CHROMA, ijg_table

SUBSAMPLINGS = ((2, 2), (1, 2), (1, 1))
"""Candidates for the chroma subsampling of the earlier compression: pixels per sample (vertical, horizontal)."""

QUANTISED_SCORE = 0.05
"""A frequency counts as quantised if it closes more than this fraction of the gap between the characteristic function
on another grid and 1."""

CHROMA_SCORE = 0.15
"""Lowest score of all chroma frequencies together for chroma to be recovered."""

CHROMA_LEAD = 1.5
"""Lowest ratio of that score to the best score on a grid with another start, for chroma to be recovered."""

SIGNIFICANCE = 5
"""A gap or a gain counts only if it is larger than this many standard deviations of its sampling noise.  Frequencies
with smaller gaps are taken to be quantised, as the others are."""

MIN_BLOCKS = 16
"""Minimum number of unclipped blocks for statistics."""

CHROMA_ITERATIONS = 4
"""Iterations that find the chroma samples."""

Factors = tuple[int, int]
T = TypeVar("T", bound=np.generic)

Resubsample: TypeAlias = Callable[[Plane, tuple[int, int]], Plane]
"""(chroma at full size, pixel (row, column) where it starts) -> the same after the file's own subsampling."""


@dataclass(frozen=True)
class Grid:
    """A grid of 8×8 blocks of samples.

    Attributes:
        start: (row, column) of the first whole block, in pixels.
        factors: pixels per sample (vertical, horizontal).
    """

    start: tuple[int, int]
    factors: Factors

    @property
    def sides(self) -> tuple[int, int]:
        """(height, width) of a block, in pixels."""
        return BLOCK * self.factors[0], BLOCK * self.factors[1]

    def moved(self, rows: int, columns: int) -> "Grid":
        """The same grid after that many rows and columns were added before the first ones."""
        start = (s + by for s, by in zip(self.start, (rows, columns), strict=True))
        row, column = (s % side for s, side in zip(start, self.sides, strict=True))
        return Grid((row, column), self.factors)

    @property
    def reference(self) -> "Grid":
        """A grid that shares no line with this one."""
        return self.moved(self.sides[0] // 2, self.sides[1] // 2)

    def whole(self, plane: NDArray[T]) -> NDArray[T]:
        """A view of the whole blocks of a plane at full size; it may be empty."""
        (top, left), (side_v, side_h) = self.start, self.sides
        height = max(plane.shape[0] - top, 0) // side_v * side_v
        width = max(plane.shape[1] - left, 0) // side_h * side_h
        return plane[top : top + height, left : left + width]

    def blocks(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which blocks lie entirely in the mask, (rows, columns)."""
        inner, (side_v, side_h) = self.whole(mask), self.sides
        height, width = inner.shape
        return np.asarray(inner.reshape(height // side_v, side_v, width // side_h, side_h).all(axis=(1, 3)))


@dataclass(frozen=True)
class Fit:
    """Statistics of the components with one quantisation table on a grid.

    A score is the fraction, at most 1, of the gap between the characteristic function on a reference grid and 1 that is
    closed on this grid.

    Attributes:
        grid, table: the grid and the table (8, 8).
        quantised: which frequencies look quantised, (8, 8).
        variances: variances of the error e, (8, 8).
        counts: number of occurrences of each multiple of the step, plus ½, (8, 8, multiples).
        lowest: the multiple that `counts` starts with.
        score: the score of all frequencies together, 0 if it is not significant.
        median_score: the median of the scores of frequencies with a significant gap.
    """

    grid: Grid
    table: NDArray[np.int_]
    quantised: NDArray[np.bool_]
    variances: NDArray[np.float64]
    counts: NDArray[np.float64]
    lowest: int
    score: float
    median_score: float

    def starting_at(self, row: int) -> "Fit":
        """The fit for the part of the picture that starts at that row."""
        return replace(self, grid=self.grid.moved(-row, 0))

    @property
    def error_energy(self) -> float:
        """Expected energy of e in a block, over the quantised frequencies."""
        return float(self.variances[self.quantised].sum())

    def elsewhere(self, plane: Plane) -> NDArray[np.bool_]:
        """Which pixels of a component lie in blocks that were not quantised with this table, (height, width)."""
        coefficients = by_frequency(coefficients_of(plane, self.grid, unchanged))
        outside = np.zeros(plane.shape, bool)
        blocks = elsewhere(coefficients, self.table, self.quantised)
        self.grid.whole(outside)[...] = np.repeat(np.repeat(blocks, BLOCK, axis=0), BLOCK, axis=1)
        return outside

    def part(self, plane: Plane) -> NDArray[np.bool_]:
        """Which pixels of a component belong to the rectangle that was quantised with this table, (height, width).

        The parts of blocks at the plane's border belong to their neighbours.
        """
        coefficients = by_frequency(coefficients_of(plane, self.grid, unchanged))
        found = quantised_part(coefficients, self.table, self.quantised)
        if found is None:
            return np.ones(plane.shape, bool)
        blocks = np.zeros(coefficients.shape[2:], bool)
        blocks[found] = True
        inside = np.repeat(np.repeat(blocks, BLOCK, axis=0), BLOCK, axis=1)
        top, left = self.grid.start
        after = [n - m - at for n, m, at in zip(plane.shape, inside.shape, (top, left), strict=True)]
        return np.pad(inside, ((top, after[0]), (left, after[1])), mode="edge")

    def expected(self, coefficients: Plane) -> Plane:
        """Coefficients (8, 8, …), the quantised frequencies replaced by E[m Q | c] over the three nearest m."""
        out, last = coefficients.copy(), self.counts.shape[2] - 1
        for u, v in zip(*np.nonzero(self.quantised), strict=True):
            values, step = coefficients[u, v], np.float32(self.table[u, v])
            variance = np.float32(self.variances[u, v] + 1e-3)
            nearest = np.rint(values / step)
            least_square = np.square(values - step * nearest)
            total, mean = np.zeros_like(values), np.zeros_like(values)
            for m in (nearest - 1, nearest, nearest + 1):
                prior = self.counts[u, v].astype(np.float32)[(m.astype(np.int64) - self.lowest).clip(0, last)]
                weight = prior * np.exp((least_square - np.square(values - step * m)) / (2 * variance))
                total += weight
                mean += weight * m
            out[u, v] = step * mean / total
        return out


def fit_multiples(
    planes: Sequence[Plane],
    table: NDArray[np.int_],
    unclipped: NDArray[np.bool_],
    grid: Grid,
    resubsample: Resubsample,
) -> Fit | None:
    """Returns the statistics of components on a grid; None with too few blocks or without a significant gap.

    Arguments:
        planes: the components that the table belongs to, float32 (height, width), in levels around 0.
        table: the steps of the earlier compression, (8, 8).
        unclipped: which pixels count, (height, width).
        grid: that of the earlier compression.
        resubsample: what happened to chroma later.
    """
    functions, variances, coefficients = [], [], np.zeros((BLOCK, BLOCK, 0), np.float32)
    for place in (grid.reference, grid):
        blocks = place.blocks(unclipped)
        if blocks.sum() < MIN_BLOCKS:
            return None
        coefficients = np.concatenate(
            [by_frequency(coefficients_of(plane, place, resubsample))[..., blocks] for plane in planes], axis=2
        )
        cosines = np.cos(coefficients * (np.float32(2 * np.pi) / table.astype(np.float32))[..., None])
        functions.append(cosines.mean(axis=2, dtype=np.float64))
        variances.append(cosines.var(axis=2, dtype=np.float64) / cosines.shape[2])
    reference, function = functions
    signal_gain, headroom, noise_variance = function - reference, 1 - reference, variances[0] + variances[1]
    significant = headroom > SIGNIFICANCE * np.sqrt(noise_variance)
    if not significant.any():
        return None
    multiples = np.rint(coefficients / table.astype(np.float32)[..., None]).astype(np.int64)
    lowest, highest = int(multiples.min()) - 1, int(multiples.max()) + 1
    counts = np.apply_along_axis(np.bincount, 2, multiples - lowest, minlength=highest - lowest + 1)
    total_gain, total_noise_sd = signal_gain.sum(), np.sqrt(noise_variance.sum())
    return Fit(
        grid=grid,
        table=table,
        quantised=np.where(significant, signal_gain > QUANTISED_SCORE * headroom, True),
        variances=-np.log(function.clip(1e-3)) * table**2 / (2 * np.pi**2),
        counts=0.5 + counts.astype(np.float64),
        lowest=lowest,
        score=float(total_gain / headroom.sum()) if total_gain > SIGNIFICANCE * total_noise_sd else 0.0,
        median_score=float(np.median(signal_gain[significant] / headroom[significant])),
    )


def fit_chroma(
    planes: Sequence[Plane], trace: Trace, unclipped: NDArray[np.bool_], resubsample: Resubsample
) -> Fit | None:
    """Returns the best fit of chroma over all subsamplings with the luma grid of the trace; None if none is good.

    Arguments: Cb and Cr, the trace of the earlier compression; the others as for `fit_multiples`.
    """
    table = ijg_table(trace.quality, CHROMA)
    fits = []
    for factors in SUBSAMPLINGS:
        rows, columns = (range(s, BLOCK * f, BLOCK) for s, f in zip(trace.shift, factors, strict=True))
        fits += [
            fit_multiples(planes, table, unclipped, Grid(start, factors), resubsample)
            for start in product(rows, columns)
        ]
    candidates = [one for one in fits if one is not None]
    best = max(candidates, key=lambda one: one.score, default=None)
    if best is None:
        return None
    runner_up = max((one.score for one in candidates if one.grid.start != best.grid.start), default=0.0)
    return best if best.score >= max(CHROMA_SCORE, CHROMA_LEAD * runner_up) else None


def coefficients_of(plane: Plane, grid: Grid, resubsample: Resubsample) -> Plane:
    """The coefficients of all whole blocks of a component at full size."""
    inner = np.ascontiguousarray(grid.whole(plane))
    samples = box_mean(inner, *grid.factors)
    if grid.factors != (1, 1):
        for _ in range(CHROMA_ITERATIONS):
            error = inner - resubsample(upsample_triangle(samples, *grid.factors), grid.start)
            samples = samples + box_mean(error, *grid.factors)
    return dct(samples)


def by_frequency(coefficients: Plane) -> Plane:
    """A view (8, 8, rows, columns) of the coefficients of all blocks."""
    height, width = coefficients.shape
    return coefficients.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(1, 3, 0, 2)


def unchanged(plane: Plane, _: tuple[int, int]) -> Plane:
    """The plane itself: what happens to a component that is not subsampled."""
    return plane
