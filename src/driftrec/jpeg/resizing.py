"""Finds out whether a picture was resized after JPEG compression, from which size, and with which interpolation.

The period of its blocks gives a few candidates (`driftrec.jpeg.periods`).  For each of them, the picture of that size
that explains the pixels best is computed (`driftrec.jpeg.interpolation`); if the picture was reduced, only its low
frequencies are known.  A candidate is proved by coefficients: only in the right size they lie near multiples of a
JPEG's steps, with blocks that start at the first pixel.  The resized picture must not have been cropped.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, luma
from driftrec.jpeg.detect import SHIFTED_SCORE, Trace, aligned_score, shifted_trace, windows
from driftrec.jpeg.interpolation import KERNELS, REDUCERS, needed, resized, unresized
from driftrec.jpeg.periods import candidates

FACTORS = ((0.38, 0.96), (1.05, 2.7))
"""Smallest and largest factor of the reductions and of the enlargements that are searched for."""

MIN_SIDE = 90
"""Minimum number of pixels of the resized picture along each side."""

SMALLEST, LARGEST = 80, 24_000_000
"""Minimum number of pixels before, along each side, and maximum number of pixels before a reduction: restoring a
picture in a larger size would take more time and memory than its own size lets people expect."""

LINES = 256
"""Maximum number of rows and columns whose periods are looked at."""

CANDIDATES = 4
"""Number of sizes of each range that are verified: the highest peaks."""

MIN_PEAK = 2.5
"""Lowest height of a peak, in standard deviations of all sizes' sums."""

REACH = 2
"""Sizes up to this many pixels smaller or larger than a candidate are compared."""

PROMISING = 0.05
"""Score from which the exact size is searched for."""

USUAL = "bicubic"
"""The kernel with which sizes are compared, and which is assumed unless another one fits clearly better."""

MIN_LEAD, MIN_LEAD_LARGER = 1.05, 1.25
"""Factors of clearly better fits: of the score if the picture was reduced, and of the mean square difference from
enlarged pictures if it was enlarged, which tells kernels apart as long as nothing was lost later."""

COLUMNS = 32
"""Maximum number of columns for this difference."""

LOSSY_SCORE = 0.12
"""Minimum score of the trace if the picture comes from a JPEG, whose own grid can show in other sizes."""

STRIDE = 2
"""Every so many of the windows along a side are used to compare sizes and kernels, if there are more than four."""


@dataclass(frozen=True)
class Resizing:
    """What was done to a picture after its JPEG compression.

    Attributes:
        before: (height, width) before, in pixels.
        after: (height, width) of the picture.
        kernel: the interpolation's name in `driftrec.jpeg.interpolation`: one of `KERNELS` if the picture was enlarged,
            of `REDUCERS` if it was reduced.
        trace: the trace of compression of the picture before.
    """

    before: tuple[int, int]
    after: tuple[int, int]
    kernel: str
    trace: Trace

    @property
    def factor(self) -> float:
        """The factor by which sides were resized (geometric mean)."""
        return float(np.sqrt(np.prod(self.after) / np.prod(self.before)))

    @property
    def how(self) -> str:
        """A participle for people to read: "enlarged 1.6 times" or "reduced to 75 %"."""
        return f"enlarged {self.factor:.3g} times" if self.factor > 1 else f"reduced to {100 * self.factor:.3g} %"

    @property
    def halved(self) -> bool:
        """Whether the blocks have 4 pixels a side, as WebP's have, too."""
        return all(abs(before - 2 * after) <= 1 for before, after in zip(self.before, self.after, strict=True))

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
        otherwise = ", or compressed as WebP" if self.halved else ""
        return f"it was {self.how} ({self.kernel}) after a JPEG of quality {self.trace.quality}{otherwise}"


def find_resizing(pixels: NDArray[Any], *, own_grid: bool = False) -> Resizing | None:
    """Returns how a picture was resized after JPEG compression; None if it is too small or shows no evidence of that.

    Arguments: `pixels`, RGB (height, width, 3), uint8 or uint16, or float32 in [0, 1]; `own_grid`, whether they come
    from a JPEG.
    """
    if min(pixels.shape[:2]) < MIN_SIDE:
        return None
    down, across = (luma(axis[:, :: -(-axis.shape[1] // LINES)]) for axis in (pixels, pixels.swapaxes(0, 1)))
    search = _Search(pixels, own_grid)
    found = []  # of all candidates: multiples of the right size can be proved, too, with a lower score
    for factors in FACTORS:
        likely = candidates(down, across, factors, count=CANDIDATES, least=MIN_PEAK, own_grid=own_grid)
        found += filter(None, map(search.proved, likely))
    return max(found, key=lambda resizing: search.score(resizing.before, resizing.kernel), default=None)


class _Search:
    """Compares sizes and kernels for one picture; `lossy`, whether it was compressed again after it was resized."""

    def __init__(self, pixels: NDArray[Any], lossy: bool) -> None:
        self.pixels, self.lossy = pixels, lossy
        self.after = pixels.shape[0], pixels.shape[1]
        self.scores: dict[tuple[tuple[int, int], str], float] = {}

    def proved(self, candidate: tuple[int, int]) -> Resizing | None:
        """How the picture was resized, if it was about that large before."""
        if not self.within(candidate) or max(map(self.score, self.beside(candidate))) < PROMISING:
            return None
        size = self.refined(candidate)
        kernel = self.kernel(size)
        trace = self.trace(size, kernel)
        if trace.shift != (0, 0) or trace.score < (LOSSY_SCORE if self.lossy else SHIFTED_SCORE):
            return None
        return Resizing(size, self.after, kernel, trace)

    def within(self, size: tuple[int, int]) -> bool:
        """Whether a size is large enough for a proof, and small enough for a restoration."""
        return min(size) >= SMALLEST and math.prod(size) <= max(LARGEST, math.prod(self.after))

    def score(self, size: tuple[int, int], kernel: str = USUAL) -> float:
        """How well coefficients of the picture in that size fit a JPEG's steps."""
        if (size, kernel) not in self.scores:
            self.scores[size, kernel] = aligned_score(self._before(_fewer(windows(*size)), size, kernel))
        return self.scores[size, kernel]

    def kernel(self, size: tuple[int, int]) -> str:
        """The kernel that fits best in that size."""
        if size[0] < self.after[0]:
            fit = {name: -self._misfit(size, name) for name in KERNELS}
            lead = 1 / MIN_LEAD_LARGER
        else:
            fit, lead = {name: self.score(size, name) for name in REDUCERS}, MIN_LEAD
        best = max(fit, key=fit.__getitem__)
        return best if fit[best] > lead * fit[USUAL] else USUAL

    def _misfit(self, size: tuple[int, int], kernel: str) -> float:
        """The mean square difference of some columns from those that can be enlarged from that height."""
        columns = luma(self.pixels[:, :: -(-self.after[1] // COLUMNS)])
        before = unresized(columns, (size[0], columns.shape[1]), kernel)
        return float(np.square(resized(before, (self.after[0], columns.shape[1]), kernel) - columns).mean())

    def trace(self, size: tuple[int, int], kernel: str) -> Trace:
        """The clearest trace of compression of the picture in that size."""
        return shifted_trace(self._before(windows(*size), size, kernel), own_grid=False)

    def beside(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """A size and those one pixel smaller and larger, with the same proportions."""
        return [self._resized(size, by) for by in (0, -1, 1)]

    def refined(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size near another one with the best score: first along the diagonal, then on each side."""
        steps = range(-REACH, REACH + 1)
        size = max((self._resized(size, by) for by in steps), key=self.score)
        size = max(((size[0], size[1] + by) for by in steps), key=self.score)
        return max(((size[0] + by, size[1]) for by in steps), key=self.score)

    def _resized(self, size: tuple[int, int], by: int) -> tuple[int, int]:
        height, width = size
        if height >= width:
            return height + by, round(width * (height + by) / height)
        return round(height * (width + by) / width), width + by

    def _before(self, parts: Iterable[tuple[slice, slice]], size: tuple[int, int], kernel: str) -> Plane:
        """Luma of windows of the picture in that size, (count, side, side)."""
        found = []
        for window in parts:
            part, (down, across) = needed(window, size, self.after, kernel, lossy=self.lossy)
            found.append(down @ luma(self.pixels[part]) @ across.T)
        return np.stack(found)


def _fewer(parts: list[tuple[slice, slice]]) -> list[tuple[slice, slice]]:
    """Every `STRIDE`-th window along each side with more than four of them, the outermost ones included."""
    rows, columns = (sorted({part[axis].start for part in parts}) for axis in (0, 1))
    few = [set(starts if len(starts) <= 4 else [*starts[:-1:STRIDE], starts[-1]]) for starts in (rows, columns)]
    return [part for part in parts if part[0].start in few[0] and part[1].start in few[1]]
