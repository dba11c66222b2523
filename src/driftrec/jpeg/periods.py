"""Periods of blocks: from which sizes, or by which factor, a picture may have been resized after JPEG compression.

Blocks of a picture that was resized by f have a period of 8 f pixels.  Profiles of mean absolute second differences
along both axes have peaks at the blocks' borders, and their Fourier coefficients at the first three multiples of the
blocks' frequency are real and positive.  The sum of these coefficients, as a function of the size before, has peaks at
a few candidates.  What repeats with the period of a later file's own blocks is removed before.

In a part of a resized picture, blocks start anywhere.  Then the sum is a function of the factor and of the phase; the
phase with the largest sum is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane
from driftrec.jpeg.tables import BLOCK

SMOOTHING = 25
"""Length, in pixels, of the running median that profiles are divided by."""

HARMONICS = 3
"""Number of multiples of the blocks' frequency.  The eighth multiple is that of the interpolation itself."""

FINENESS = 16
"""Frequencies that are compared per one that the longer side of a picture resolves."""

PHASES = 64
"""Number of places within a block where blocks may start."""

LEAST_WHOLE, LEAST_PART = 2.0, 4.5
"""Least sum of the Fourier coefficients of both profiles, whose norms are 1: for whole pictures, and for parts, which
are compared at more places."""


@dataclass(frozen=True)
class Blocks:
    """Blocks along one side of a picture: their `period` in pixels, and where the `first` one starts."""

    period: float
    first: float


def candidates(
    down: Plane, across: Plane, factors: tuple[float, float], *, count: int, least: float, own_grid: bool
) -> Iterator[tuple[int, int]]:
    """Yields likely (height, width) before the picture was resized, the likeliest first.

    Arguments:
        down: luma of columns of the picture, (height, columns), around 0, in levels.
        across: luma of its rows, (width, rows).
        factors: smallest and largest factor of resizing.
        count: maximum number of candidates.
        least: lowest height of a peak, in standard deviations of all sizes' sums.
        own_grid: whether the picture comes from a JPEG, whose own blocks start at the first pixel.
    """
    wide = len(across) > len(down)
    longer, other = (across, down) if wide else (down, across)
    sizes = np.arange(int(len(longer) / factors[1]), int(len(longer) / factors[0]) + 1)
    others = np.rint(sizes * (len(other) / len(longer))).astype(np.int64)
    shorter = _Periods(other, own_grid)
    sums = _Periods(longer, own_grid).sums(sizes) + np.max([shorter.sums(others + by) for by in (-1, 0, 1)], axis=0)
    peaks = 1 + np.flatnonzero((sums[1:-1] > sums[:-2]) & (sums[1:-1] >= sums[2:]))
    for peak in sorted(peaks, key=lambda i: -sums[i])[:count]:
        if sums[peak] > LEAST_WHOLE and sums[peak] - np.median(sums) > least * sums.std():
            size, other_size = int(sizes[peak]), int(others[peak])
            yield (other_size, size) if wide else (size, other_size)


def parts(
    down: Plane, across: Plane, factors: tuple[float, float], *, count: int, least: float, own_grid: bool
) -> Iterator[tuple[Blocks, Blocks]]:
    """Yields likely blocks (down, across) of a part of a resized picture, the likeliest first; arguments as above."""
    size = FINENESS * max(len(down), len(across))
    bins = np.arange(int(size / (BLOCK * factors[1])), int(size / (BLOCK * factors[0])) + 1)
    sums, phases = zip(*(_Periods(plane, own_grid).best(bins, size) for plane in (down, across)), strict=True)
    total = sums[0] + sums[1]
    peaks = 1 + np.flatnonzero((total[1:-1] > total[:-2]) & (total[1:-1] >= total[2:]))
    for peak in sorted(peaks, key=lambda i: -total[i])[:count]:
        if total[peak] > LEAST_PART and total[peak] - np.median(total) > least * total.std():
            period = size / float(bins[peak])
            one, other = (Blocks(period, float(phase[peak]) * period) for phase in phases)
            yield one, other


class _Periods:
    """The spectrum of a picture's second differences along the first axis."""

    def __init__(self, plane: Plane, own_grid: bool) -> None:
        self.length = len(plane)
        second = np.abs(plane[2:] - 2 * plane[1:-1] + plane[:-2])
        profile = np.pad(np.minimum(second, 20).mean(axis=1), 1, mode="edge")
        around = np.lib.stride_tricks.sliding_window_view(np.pad(profile, SMOOTHING // 2, mode="edge"), SMOOTHING)
        relative = np.clip(profile / (np.median(around, axis=1) + 0.1) - 1, -1, 1.5)
        relative -= relative.mean()
        for phase in range(BLOCK if own_grid else 0):
            relative[phase::BLOCK] -= np.median(relative[phase::BLOCK])
        self._relative = relative / (np.linalg.norm(relative) + 1e-9)

    def sums(self, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The sum of the Fourier coefficients of blocks, for each size before (count)."""
        # The frequency of blocks, size / (8 length), is a whole number of bins.
        return self._coefficients(sizes, BLOCK * self.length).real.sum(axis=0)

    def best(self, bins: NDArray[np.int64], size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For each frequency of blocks (count), in bins of a spectrum of `size`: the largest sum of all places where
        blocks may start, and that place, in periods."""
        places = np.arange(PHASES) / PHASES
        turns = np.exp(2j * np.pi * np.arange(1, HARMONICS + 1)[:, None] * places)
        sums = (self._coefficients(bins, size).T @ turns).real
        return sums.max(axis=1), places[sums.argmax(axis=1)]

    def _coefficients(self, bins: NDArray[np.int64], size: int) -> NDArray[np.complex128]:
        """The Fourier coefficients (harmonic, count) at multiples of frequencies; 0 where there are none so high."""
        spectrum = np.fft.rfft(self._relative, size)
        bins = np.arange(1, HARMONICS + 1)[:, None] * bins
        half_a_pixel = np.exp(-1j * np.pi * bins / size)  # blocks meet half-way between pixels
        last = len(spectrum) - 1
        return np.where(bins < last, spectrum[bins.clip(max=last)] * half_a_pixel, 0)
