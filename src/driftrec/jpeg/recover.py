"""Recovers an earlier compression: estimates its coefficients from those of later compressions.

A picture that was compressed with coarse steps, cropped and compressed again with finer ones is, for a restorer, a
single JPEG with noise.  On the grid of the first compression its coefficients are m Q + e: multiples of the step Q,
plus the error e of all later processing.  If e is normal with variance σ², their characteristic function at 1/Q is

    φ = E[cos(2π c / Q)] = exp(−2π² σ² / Q²),

which gives σ² for every frequency, and with it the expected value of m Q,

    E[m Q | c] = Σ_m p(m) m Q exp(−(c − m Q)² / 2σ²) / Σ_m p(m) exp(−(c − m Q)² / 2σ²),

where p(m) is the frequency with which c rounds to m.  If e is small, this rounds to multiples of Q, and the picture of
the first compression is recovered exactly; if e is large, c hardly changes.

Chroma was subsampled, decoded and subsampled again, which blurs it.  Its samples C are found from the picture's chroma
O by iterating C ← C + B (O − M C), where B is the box mean and M models what happened to C later: interpolation, and
the subsampling of the file itself.

Values beyond black and white were clipped when the first compression was decoded.  The recovered coefficients show by
how much.  This amount is added to the pixels, and they are recovered again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, box_mean, dct, idct, pad, to_components, to_image, upsample_triangle
from driftrec.jpeg.detect import Trace
from driftrec.jpeg.elsewhere import elsewhere, quantised_part
from driftrec.jpeg.file import JpegFile
from driftrec.jpeg.layout import BAND
from driftrec.jpeg.tables import BLOCK, CHROMA, LUMA, MCU, ijg_table

SUBSAMPLINGS = ((2, 2), (1, 2), (1, 1))
"""Candidates for the chroma subsampling of the earlier compression: pixels per sample (vertical, horizontal)."""

QUANTISED_SCORE = 0.05
"""A frequency counts as quantised if it closes more than this fraction of the gap between the characteristic function
on another grid and 1."""

LUMA_SCORE = 0.25
"""Lowest score of luma's median frequency for a picture to be recovered; tables other than libjpeg's score lower."""

CHROMA_SCORE = 0.15
"""Lowest score of all chroma frequencies together for chroma to be recovered."""

CHROMA_LEAD = 1.5
"""Lowest ratio of that score to the best score on a grid with another start, for chroma to be recovered."""

SIGNIFICANCE = 5
"""A gap or a gain counts only if it is larger than this many standard deviations of its sampling noise.  Frequencies
with smaller gaps are taken to be quantised, as the others are."""

MIN_BLOCKS = 16
"""Minimum number of unclipped blocks for statistics."""

SAMPLE_SIDE = 1024
"""Statistics are computed from the middle of the picture, of at most this many pixels a side."""

CHROMA_ITERATIONS = 4
"""Iterations that find the chroma samples."""

CHROMA_REACH = 16
"""Reach of these iterations beyond a sample, in pixels."""

CLIPPING_MARGIN = 0.5 / 255
"""Channels closer than this to 0 or 1 may have been clipped."""

PASSES = 3
"""Maximum number of recovery passes; each undoes more of the clipping than the one before."""

ROUNDS = 2
"""How often the statistics are computed again without the parts that were not quantised with the trace's table."""

MAX_RESIDUAL = 10
"""Blocks stay as they are if recovery changes their luma by more than this many times the expected energy of e:
something else happened to them."""

Factors = tuple[int, int]
T = TypeVar("T", bound=np.generic)

Resubsample = Callable[[Plane, tuple[int, int]], Plane]
"""(chroma at full size, pixel (row, column) where it starts) -> the same after the file's own subsampling."""


def compressed_part(pixels: Plane, trace: Trace) -> NDArray[np.bool_]:
    """Returns which pixels belong to the rectangle that a compression left its trace in, as in a screenshot.

    Arguments: `pixels`, RGB (height, width, 3), float32 in [0, 1]; the trace of the compression.

    Returns booleans (height, width), all true if the rectangle cannot be told.
    """
    middle = _middle(pixels)
    luma = _fit_luma(to_components(middle, "YCbCr")[0], trace, _unclipped(middle))
    if luma is None:
        return np.ones(pixels.shape[:2], bool)
    return luma.part(to_components(pixels, "YCbCr")[0])


def recovered(pixels: NDArray[np.float32], trace: Trace, file: JpegFile | None = None) -> NDArray[np.float32]:
    """An estimate of the picture as it was right after the compression that left the trace.

    Arguments:
        pixels: RGB (height, width, 3), float32 in [0, 1], in the orientation in which the trace was found.
        trace: the trace of a compression that was coarser than any later one and on another grid.
        file: the JPEG that the pixels were decoded from, if any.

    Returns an array of the same shape.  Some parts stay unchanged: blocks that the border cuts; blocks that the
    compression did not touch, or whose recovered coefficients do not explain their pixels; chroma that does not look
    quantised with libjpeg's table of the trace's quality; and the whole picture if its luma does not.
    """
    middle = _middle(pixels)
    planes, unclipped, resubsample = to_components(middle, "YCbCr"), _unclipped(middle), _resubsampling(file)
    luma = _fit_luma(planes[0], trace, unclipped)
    if luma is None or luma.median_score < LUMA_SCORE:
        return pixels
    chroma = _fit_chroma(planes[1:], trace, unclipped, resubsample)

    out = np.empty_like(pixels)
    for rows, kept in _bands(len(pixels)):
        image = _recover_band(
            pixels[rows], luma.starting_at(rows.start), chroma and chroma.starting_at(rows.start), resubsample
        )
        out[kept] = image[kept.start - rows.start : kept.stop - rows.start]
    return out


def _middle(pixels: Plane) -> Plane:
    """The part of a picture from which statistics are computed; it starts where an MCU could."""
    height, width = pixels.shape[:2]
    top, left = (max(n - SAMPLE_SIDE, 0) // (2 * MCU) * MCU for n in (height, width))
    return pixels[top : top + SAMPLE_SIDE, left : left + SAMPLE_SIDE]


def _fit_luma(plane: Plane, trace: Trace, unclipped: NDArray[np.bool_]) -> "_Fit | None":
    """The fit of luma without the parts that the compression did not touch, which are taken out of `unclipped`."""
    table, grid = ijg_table(trace.quality, LUMA), Grid(trace.shift, (1, 1))
    luma = _fit([plane], table, unclipped, grid, _unchanged)
    for _ in range(ROUNDS):
        if luma is None or not (others := luma.elsewhere(plane)).any():
            break
        unclipped &= ~others
        luma = _fit([plane], table, unclipped, grid, _unchanged)
    return luma


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
class _Fit:
    """Statistics on a grid of the components with the same quantisation table.

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

    def starting_at(self, row: int) -> "_Fit":
        """The fit for the part of the picture that starts at that row."""
        return replace(self, grid=self.grid.moved(-row, 0))

    @property
    def error_energy(self) -> float:
        """Expected energy of e in a block, over the quantised frequencies."""
        return float(self.variances[self.quantised].sum())

    def elsewhere(self, plane: Plane) -> NDArray[np.bool_]:
        """Which pixels of a component lie in blocks that were not quantised with this table, (height, width)."""
        coefficients = _by_frequency(_coefficients(plane, self.grid, _unchanged))
        outside = np.zeros(plane.shape, bool)
        blocks = elsewhere(coefficients, self.table, self.quantised)
        self.grid.whole(outside)[...] = np.repeat(np.repeat(blocks, BLOCK, axis=0), BLOCK, axis=1)
        return outside

    def part(self, plane: Plane) -> NDArray[np.bool_]:
        """Which pixels of a component belong to the rectangle that was quantised with this table, (height, width).

        The parts of blocks at the plane's border belong to their neighbours.
        """
        coefficients = _by_frequency(_coefficients(plane, self.grid, _unchanged))
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


def _fit_chroma(
    planes: Sequence[Plane], trace: Trace, unclipped: NDArray[np.bool_], resubsample: Resubsample
) -> _Fit | None:
    """The best fit of chroma over all subsamplings with the luma grid of the trace; None if none is good."""
    table = ijg_table(trace.quality, CHROMA)
    fits = []
    for factors in SUBSAMPLINGS:
        rows, columns = (range(s, BLOCK * f, BLOCK) for s, f in zip(trace.shift, factors, strict=True))
        fits += [_fit(planes, table, unclipped, Grid(start, factors), resubsample) for start in product(rows, columns)]
    candidates = [fit for fit in fits if fit is not None]
    best = max(candidates, key=lambda fit: fit.score, default=None)
    if best is None:
        return None
    runner_up = max((fit.score for fit in candidates if fit.grid.start != best.grid.start), default=0.0)
    return best if best.score >= max(CHROMA_SCORE, CHROMA_LEAD * runner_up) else None


def _fit(
    planes: Sequence[Plane],
    table: NDArray[np.int_],
    unclipped: NDArray[np.bool_],
    grid: Grid,
    resubsample: Resubsample,
) -> _Fit | None:
    """The statistics of components on a grid; None with too few blocks or without a significant gap."""
    functions, variances, coefficients = [], [], np.zeros((BLOCK, BLOCK, 0), np.float32)
    for place in (grid.reference, grid):
        blocks = place.blocks(unclipped)
        if blocks.sum() < MIN_BLOCKS:
            return None
        coefficients = np.concatenate(
            [_by_frequency(_coefficients(plane, place, resubsample))[..., blocks] for plane in planes], axis=2
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
    return _Fit(
        grid=grid,
        table=table,
        quantised=np.where(significant, signal_gain > QUANTISED_SCORE * headroom, True),
        variances=-np.log(function.clip(1e-3)) * table**2 / (2 * np.pi**2),
        counts=0.5 + counts.astype(np.float64),
        lowest=lowest,
        score=float(total_gain / headroom.sum()) if total_gain > SIGNIFICANCE * total_noise_sd else 0.0,
        median_score=float(np.median(signal_gain[significant] / headroom[significant])),
    )


def _recover_band(
    pixels: NDArray[np.float32], luma: _Fit, chroma: _Fit | None, resubsample: Resubsample
) -> NDArray[np.float32]:
    """The pixels with all whole blocks recovered, except those whose residual is too large."""
    image, clipped_off = pixels, np.zeros_like(pixels)
    for _ in range(PASSES):
        planes = to_components(pixels + clipped_off, "YCbCr")
        _recover_planes(planes[:1], luma, _unchanged)
        if chroma is not None:
            _recover_planes(planes[1:], chroma, resubsample)
        unlimited = to_image(planes, "YCbCr", clip=False)
        image = unlimited.clip(0, 1)
        clipped_off = unlimited - image
        if not clipped_off.any():
            break

    before, after = (to_components(picture, "YCbCr")[0] for picture in (pixels, image))
    residual = luma.grid.whole(before - after)
    rows, columns = (n // BLOCK for n in residual.shape)
    energy = np.square(residual).reshape(rows, BLOCK, columns, BLOCK).sum(axis=(1, 3))
    unexplained = np.repeat(np.repeat(energy > MAX_RESIDUAL * luma.error_energy, BLOCK, axis=0), BLOCK, axis=1)
    unexplained |= luma.grid.whole(luma.elsewhere(before))
    np.copyto(luma.grid.whole(image), luma.grid.whole(pixels), where=unexplained[..., None])
    return image


def _recover_planes(planes: Sequence[Plane], fit: _Fit, resubsample: Resubsample) -> None:
    """Recovers components in place."""
    # Interpolated chroma at the border depends on samples that are not known.
    inside = slice(None) if fit.grid.factors == (1, 1) else slice(1, -1)
    for plane in planes:
        inner = fit.grid.whole(plane)
        if not inner.size:
            continue
        coefficients = _coefficients(plane, fit.grid, resubsample)
        by_frequency = _by_frequency(coefficients)
        by_frequency[...] = fit.expected(by_frequency)
        inner[inside, inside] = upsample_triangle(idct(coefficients), *fit.grid.factors)[inside, inside]


def _bands(height: int) -> Iterator[tuple[slice, slice]]:
    """Yields (rows to process, rows to keep) for each band; the former include all that the latter depend on."""
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        margin = MCU + PASSES * CHROMA_REACH  # for blocks that start before the band, and for the reach of the passes
        yield slice(max(top - margin, 0), min(bottom + margin, height)), slice(top, bottom)


def _unclipped(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pixels were certainly not clipped, (height, width)."""
    return np.asarray(((pixels > CLIPPING_MARGIN) & (pixels < 1 - CLIPPING_MARGIN)).all(axis=2))


def _coefficients(plane: Plane, grid: Grid, resubsample: Resubsample) -> Plane:
    """The coefficients of all whole blocks of a component at full size."""
    inner = np.ascontiguousarray(grid.whole(plane))
    samples = box_mean(inner, *grid.factors)
    if grid.factors != (1, 1):
        for _ in range(CHROMA_ITERATIONS):
            error = inner - resubsample(upsample_triangle(samples, *grid.factors), grid.start)
            samples = samples + box_mean(error, *grid.factors)
    return dct(samples)


def _by_frequency(coefficients: Plane) -> Plane:
    """A view (8, 8, rows, columns) of the coefficients of all blocks."""
    height, width = coefficients.shape
    return coefficients.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(1, 3, 0, 2)


def _unchanged(plane: Plane, _: tuple[int, int]) -> Plane:
    return plane


def _resubsampling(file: JpegFile | None) -> Resubsample:
    """The function that applies the file's own subsampling to chroma."""
    if file is None or len(file.components) < 3:
        return _unchanged
    chroma = file.components[1]
    vertical, horizontal = (side // (BLOCK * factor) for side, factor in zip(file.mcu, chroma.sampling, strict=True))

    def resubsample(plane: Plane, start: tuple[int, int]) -> Plane:
        height, width = plane.shape
        top, left = start[0] % vertical, start[1] % horizontal
        padded = np.pad(plane, ((top, 0), (left, 0)), mode="edge")
        padded = pad(padded, *(-(-n // f) * f for n, f in zip(padded.shape, (vertical, horizontal), strict=True)))
        again = upsample_triangle(box_mean(padded, vertical, horizontal), vertical, horizontal)
        return again[top : top + height, left : left + width]

    return resubsample
