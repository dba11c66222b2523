"""Periods of blocks: from which sizes a picture may have been resized after JPEG compression.

Blocks of a picture that was resized by f have a period of 8 f pixels.  Profiles of mean absolute second differences
along both axes have peaks at the blocks' borders, and their Fourier coefficients at the first three multiples of the
blocks' frequency are real and positive.  The sum of these coefficients, as a function of the size before, has peaks at
a few candidates.  What repeats with the period of a later file's own blocks is removed before.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane
from driftrec.jpeg.tables import BLOCK

SMOOTHING = 25
"""Length, in pixels, of the running median that profiles are divided by."""

HARMONICS = 3
"""Number of multiples of the blocks' frequency.  The eighth multiple is that of the interpolation itself."""


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
        if sums[peak] - np.median(sums) > least * sums.std():
            size, other_size = int(sizes[peak]), int(others[peak])
            yield (other_size, size) if wide else (size, other_size)


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
        # The frequency of blocks, size / (8 length), is a whole number of bins.
        self.spectrum = np.fft.rfft(relative, BLOCK * self.length) / (np.linalg.norm(relative) + 1e-9)

    def sums(self, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The sum of the Fourier coefficients of blocks, for each size before (count)."""
        bins = np.arange(1, HARMONICS + 1)[:, None] * sizes
        half_a_pixel = np.exp(-1j * np.pi * bins / (BLOCK * self.length))  # blocks meet half-way between pixels
        last = len(self.spectrum) - 1
        found = (self.spectrum[bins.clip(max=last)] * half_a_pixel).real
        return np.where(bins < last, found, 0).sum(axis=0)
