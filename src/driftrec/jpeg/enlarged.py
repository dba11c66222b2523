"""Finds out whether a picture was enlarged after JPEG compression, from which size, and with which interpolation.

Blocks of a picture that was enlarged by f have a period of 8 f pixels.  Profiles of mean absolute second differences
along both axes have peaks at the blocks' borders, and their Fourier coefficients at the first three multiples of the
blocks' frequency are real and positive.  The sum of these coefficients, as a function of the size before, gives a few
candidates.

A candidate is verified by linear algebra: if a picture of that size was interpolated with some kernel, rows and columns
lie in a subspace (`driftrec.jpeg.interpolation`), from which they deviate by rounding or later compression only.  For
other sizes and pictures that were not enlarged they deviate by much more.

Finally, the picture before must show a trace of JPEG compression with blocks that start at its first pixel.  The
enlarged picture must not have been cropped.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import luma, white
from driftrec.jpeg.detect import SHIFTED_SCORE, Trace, shifted_trace, windows
from driftrec.jpeg.interpolation import KERNELS, Levels, matrix, misfit, needed
from driftrec.jpeg.tables import BLOCK

FACTORS = (1.09, 2.7)
"""Smallest and largest factor that is searched for."""

MIN_SIDE = 150
"""Minimum number of pixels of the enlarged picture along each side."""

LINES = 256
"""Maximum number of rows and columns that are looked at; larger pictures have enough in these."""

SMOOTHING = 25
"""Length, in pixels, of the running median that profiles are divided by."""

HARMONICS = 3
"""Number of multiples of the blocks' frequency.  The eighth multiple is that of the interpolation itself."""

CANDIDATES = 3
"""Number of sizes that are verified: the highest peaks."""

MIN_PEAK = 2.0
"""Lowest height of a peak, in standard deviations of all sizes' sums."""

ROWS = 128
"""Number of neighbouring rows (or columns) whose subspace is tested at once."""

MIN_LINES = 64
"""Minimum number of columns without clipped samples for the others to be left out."""

PLACES = (0.25, 0.5, 0.625)
"""Where these rows lie, as fractions of the side.  There, the pixel positions of the six next sizes differ."""

REACH = 2
"""Sizes up to this many pixels smaller or larger than a candidate are compared."""

MAX_RATIO = 0.85
"""Highest ratio of the mean square distance from the subspace to the smallest one for neighbouring sizes."""

PROBES = ("bicubic", "nearest neighbour")
"""Kernels with which the exact size is searched for; with the first one it is found for all smooth kernels."""

USUAL, MIN_LEAD = "bicubic", 1.25
"""The kernel that is assumed unless the mean square distance for another one is smaller by this factor."""


@dataclass(frozen=True)
class Enlargement:
    """What was done to a picture after its JPEG compression.

    Attributes:
        before: (height, width) before, in pixels.
        after: (height, width) of the picture.
        kernel: the interpolation's name in `driftrec.jpeg.interpolation.KERNELS`.
        ratio: the mean square distance from pictures that were enlarged from this size, divided by the least one for
            other sizes; in (0, 1).
        trace: the trace of compression of the picture before.
    """

    before: tuple[int, int]
    after: tuple[int, int]
    kernel: str
    ratio: float
    trace: Trace

    @property
    def factor(self) -> float:
        """The factor by which sides were enlarged (geometric mean)."""
        return float(np.sqrt(np.prod(self.after) / np.prod(self.before)))

    def facts(self) -> dict[str, Any]:
        """Returns all facts as JSON values."""
        height, width = self.before
        return {
            "factor": round(self.factor, 4),
            "kernel": self.kernel,
            "width": width,
            "height": height,
            "quality": self.trace.quality,
        }

    def __str__(self) -> str:
        """Returns a clause for people to read."""
        return f"it was enlarged {self.factor:.3g} times ({self.kernel}) after a JPEG of quality {self.trace.quality}"


def find_enlargement(pixels: NDArray[Any]) -> Enlargement | None:
    """Returns how a picture was enlarged after JPEG compression; None if it is too small or shows no evidence of that.

    Arguments: `pixels`, RGB (height, width, 3), uint8 or uint16, or float32 in [0, 1].
    """
    if min(pixels.shape[:2]) < MIN_SIDE:
        return None
    axes = [_Axis.of(pixels), _Axis.of(pixels.swapaxes(0, 1))]
    found = next(filter(None, (_verified(axes, before) for before in _candidates(axes))), None)
    if found is None:
        return None
    before, kernel, ratio = found
    trace = _trace(pixels, before, kernel)
    if trace.shift != (0, 0) or trace.score < SHIFTED_SCORE:
        return None
    return Enlargement(before, (pixels.shape[0], pixels.shape[1]), kernel, ratio, trace)


@dataclass(frozen=True, eq=False)
class _Axis:
    """A picture along its first axis: luma (length, lines) and which samples may have been clipped."""

    luma: Levels
    clipped: NDArray[np.bool_]

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> "_Axis":
        lines = pixels[:, :: -(-pixels.shape[1] // LINES)]
        return cls(luma(lines), np.asarray(((lines <= 0) | (lines >= white(lines))).any(axis=2)))

    @property
    def length(self) -> int:
        return len(self.luma)

    def evidence(self, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The sum of the Fourier coefficients of blocks, for each size before (count)."""
        second = np.abs(self.luma[2:] - 2 * self.luma[1:-1] + self.luma[:-2])
        profile = np.pad(np.minimum(second, 20).mean(axis=1), 1, mode="edge")
        around = np.lib.stride_tricks.sliding_window_view(np.pad(profile, SMOOTHING // 2, mode="edge"), SMOOTHING)
        relative = np.clip(profile / (np.median(around, axis=1) + 0.1) - 1, -1, 1.5)
        relative -= relative.mean()
        # The frequency of blocks, size / (8 length), is a whole number of bins.
        spectrum = np.fft.rfft(relative, BLOCK * self.length) / (np.linalg.norm(relative) + 1e-9)
        bins = np.arange(1, HARMONICS + 1)[:, None] * sizes
        half_a_pixel = np.exp(-1j * np.pi * bins / (BLOCK * self.length))  # blocks meet half-way between pixels
        return (spectrum[bins] * half_a_pixel).real.sum(axis=0)

    def distance(self, size: int, kernel: str) -> float:
        """Logarithm of the mean square distance from pictures that were enlarged from that size, mean of all places."""
        return math.fsum(math.log(self._misfit(size, kernel, place)) for place in PLACES) / len(PLACES)

    def nearby(self, size: int, kernel: str) -> tuple[int, float]:
        """The size within REACH of another with the least distance, and by how much it is less than for the others."""
        around = {near: self.distance(near, kernel) for near in range(size - REACH, size + REACH + 1)}
        best, runner_up = sorted(around, key=around.__getitem__)[:2]
        return best, around[best] - around[runner_up]

    def _misfit(self, size: int, kernel: str, place: float) -> float:
        start = min(max(int(place * self.length) - ROWS // 2, 0), self.length - ROWS)
        rows = slice(start, start + ROWS)
        unclipped = ~self.clipped[rows].any(axis=0)
        part = self.luma[rows]
        part = part[:, unclipped] if unclipped.sum() >= MIN_LINES else part
        return float(misfit(part, matrix(size, self.length, kernel, rows)[0]).mean(dtype=np.float64)) + 1e-4


def _candidates(axes: list[_Axis]) -> Iterator[tuple[int, int]]:
    """Likely (height, width) before, the likeliest first."""
    longer, other = sorted(axes, key=lambda axis: -axis.length)
    sizes = np.arange(int(longer.length / FACTORS[1]), int(longer.length / FACTORS[0]) + 1)
    others = np.rint(sizes * (other.length / longer.length)).astype(np.int64)
    evidence = longer.evidence(sizes) + np.max([other.evidence(others + by) for by in (-1, 0, 1)], axis=0)
    spread = evidence.std()
    peaks = 1 + np.flatnonzero((evidence[1:-1] > evidence[:-2]) & (evidence[1:-1] >= evidence[2:]))
    for peak in sorted(peaks, key=lambda i: -evidence[i])[:CANDIDATES]:
        if evidence[peak] - np.median(evidence) > MIN_PEAK * spread:
            size, other_size = int(sizes[peak]), int(others[peak])
            yield (size, other_size) if longer is axes[0] else (other_size, size)


def _trace(pixels: NDArray[Any], before: tuple[int, int], kernel: str) -> Trace:
    """The clearest trace of compression in windows of the picture before."""
    found = []
    for window in windows(*before):
        part, (down, across) = needed(window, before, (pixels.shape[0], pixels.shape[1]), kernel)
        found.append(down @ luma(pixels[part]) @ across.T)
    return shifted_trace(np.stack(found), own_grid=False) if found else Trace((0, 0), 0, 0.0)


def _verified(axes: list[_Axis], before: tuple[int, int]) -> tuple[tuple[int, int], str, float] | None:
    """The exact (height, width) before, the kernel and the ratio of distances; None if the candidate is refuted."""
    first, second = axes
    found = min(((*first.nearby(before[0], kernel), kernel) for kernel in PROBES), key=lambda found: found[1])
    height, log_ratio, kernel = found
    if log_ratio > math.log(MAX_RATIO):
        return None
    kernels = {name: first.distance(height, name) for name in KERNELS}
    if kernels[USUAL] - min(kernels.values()) > math.log(MIN_LEAD):
        kernel = min(kernels, key=kernels.__getitem__)
    width, other = second.nearby(before[1], kernel)
    ratio = math.exp((log_ratio + other) / 2)
    return None if other > math.log(MAX_RATIO) else ((height, width), kernel, ratio)
