"""Finds out whether a picture was resized after JPEG compression, from which size, and with which interpolation.

The period of its blocks gives a few candidates (`driftrec.jpeg.periods`).  For each of them, the picture of that size
that explains the pixels best is computed (`driftrec.jpeg.interpolation`); if the picture was reduced, only its low
frequencies are known.  A candidate is proved by coefficients: only in the right size they lie near multiples of a
JPEG's steps.  Blocks of a whole picture start at its first pixel.  If no size is proved, the picture may be a part of
a resized one: then the candidates are factors, and places where blocks start.
"""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, luma
from driftrec.jpeg.detect import SHIFTED_SCORE, Trace, aligned_score, shifted_trace, windows
from driftrec.jpeg.interpolation import KERNELS, REDUCERS, Axes, Axis, needed, resized, unresized, whole
from driftrec.jpeg.periods import Blocks, candidates, parts
from driftrec.jpeg.tables import BLOCK

FACTORS = ((0.38, 0.96), (1.05, 2.7))
"""Smallest and largest factor of the reductions and of the enlargements that are searched for."""

MIN_SIDE = 90
"""Minimum number of pixels of the resized picture along each side."""

SMALLEST, LARGEST = 80, 24_000_000
"""Minimum number of pixels before, along each side, and maximum number of pixels before a reduction: restoring a
picture in a larger size would take more time and memory than its own size lets people expect."""

LINES = 256
"""Maximum number of rows and columns whose periods are looked at."""

CANDIDATES = 3
"""Number of sizes of each range that are verified: the highest peaks."""

MIN_PEAK = 2.5
"""Lowest height of a peak, in standard deviations of all sizes' sums."""

REACH = 2
"""Sizes up to this many pixels smaller or larger than a candidate are compared."""

STEPS = {0.5: 0.08, 0.25: 0.1, 0.12: 0.12, 0.06: 0.12}
"""Both ends of each side of a part of a resized picture are moved by these steps, in pixels before, where the score
becomes better.  It must then be at least as given: more places are compared than if the picture is whole."""

PART_CANDIDATES, PART_PEAK, PART_PROMISING, PART_SCORE = 2, 3.5, 0.05, 0.15
"""The same for parts of resized pictures, and the minimum score of their trace: more of them are compared."""

PROMISING, LIKELY = 0.07, 0.1
"""Minimum score of a size near a candidate for a closer look, and of the best one for a proof."""

USUAL = "bicubic"
"""The kernel with which sizes are compared, and which is assumed unless another one fits clearly better."""

MIN_LEAD, MIN_LEAD_LARGER = 1.05, 1.25
"""Factors of clearly better fits: of the score if the picture was reduced, and of the mean square difference from
enlarged pictures if it was enlarged, which tells kernels apart as long as nothing was lost later."""

MIN_LEAD_PART = 1.2
"""Factor by which the score of a part must be higher than that of a whole picture, which has fewer ways to fit."""

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
        axes: how its sides were resized.
        kernel: the interpolation's name in `driftrec.jpeg.interpolation`: one of `KERNELS` if the picture was enlarged,
            of `REDUCERS` if it was reduced.
        trace: the trace of compression of the picture before.
    """

    axes: Axes
    kernel: str
    trace: Trace

    @property
    def before(self) -> tuple[int, int]:
        """(height, width) before, in pixels."""
        return self.axes[0].before, self.axes[1].before

    @property
    def after(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        return self.axes[0].after, self.axes[1].after

    @property
    def factor(self) -> float:
        """The factor by which sides were resized (geometric mean)."""
        return 1 / math.sqrt(self.axes[0].scale * self.axes[1].scale)

    @property
    def part(self) -> bool:
        """Whether the picture is a part of the resized one, or the resized one is a part of the picture."""
        return any(axis.start for axis in self.axes)

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
            "part": self.part,
            "quality": self.trace.quality,
        }

    def __str__(self) -> str:
        """Returns a clause for people to read."""
        otherwise = ", or compressed as WebP" if self.halved else ""
        how, jpeg = f"{self.how} ({self.kernel})", f"a JPEG of quality {self.trace.quality}"
        said = f"it is, or holds, a part of {jpeg} that was {how}" if self.part else f"it was {how} after {jpeg}"
        return said + otherwise


def find_resizing(pixels: NDArray[Any], *, own_grid: bool = False) -> Resizing | None:
    """Returns how a picture was resized after JPEG compression; None if it is too small or shows no evidence of that.

    Arguments: `pixels`, RGB (height, width, 3), uint8 or uint16, or float32 in [0, 1]; `own_grid`, whether they come
    from a JPEG.
    """
    if min(pixels.shape[:2]) < MIN_SIDE:
        return None
    search = _Search(pixels, own_grid)
    down, across = (luma(axis[:, :: -(-axis.shape[1] // LINES)]) for axis in (pixels, pixels.swapaxes(0, 1)))
    if (all_of_it := search.of_whole(down, across)) is None:
        return search.of_part(down, across)
    least = MIN_LEAD_PART * search.score_of(all_of_it)
    part = search.of_part(down, across) if least < 1 else None
    return part if part is not None and search.score_of(part) > least else all_of_it


class _Placed(NamedTuple):
    """How the sides were resized, and the (row, column) of the first whole block before."""

    axes: Axes
    grid: tuple[int, int]


class _Search:
    """Compares sizes and kernels for one picture; `lossy`, whether it was compressed again after it was resized."""

    def __init__(self, pixels: NDArray[Any], lossy: bool) -> None:
        self.pixels, self.lossy = pixels, lossy
        self.after = pixels.shape[0], pixels.shape[1]
        self.scores: dict[tuple[_Placed, str], float] = {}

    def score_of(self, resizing: Resizing) -> float:
        """How well a way of resizing fits."""
        return self._score(_Placed(resizing.axes, resizing.trace.shift), resizing.kernel)

    def of_whole(self, down: Plane, across: Plane) -> Resizing | None:
        """How the picture was resized as a whole; arguments as for `candidates`."""
        sizes = [
            size
            for factors in FACTORS
            for size in candidates(down, across, factors, count=CANDIDATES, least=MIN_PEAK, own_grid=self.lossy)
        ]
        return self._best(map(self._refined_whole, sizes), LOSSY_SCORE if self.lossy else SHIFTED_SCORE)

    def of_part(self, down: Plane, across: Plane) -> Resizing | None:
        """How a picture was resized of which this one is a part; arguments as for `parts`."""
        found = [
            blocks
            for factors in FACTORS
            for blocks in parts(down, across, factors, count=PART_CANDIDATES, least=PART_PEAK, own_grid=self.lossy)
        ]
        return self._best(map(self._refined_part, found), PART_SCORE)

    def _best(self, places: Iterable[_Placed | None], least: float) -> Resizing | None:
        """The one of several ways of resizing that fits best, if it is proved.

        Multiples of the right size can be proved, too, with a lower score.
        """
        found = [self._proved(place, least) for place in places if place is not None]
        return max(filter(None, found), key=self.score_of, default=None)

    def _proved(self, place: _Placed, least: float) -> Resizing | None:
        """How the picture was resized, if the clearest trace of compression before has a score of at least `least`."""
        kernel = self._kernel(place)
        trace = shifted_trace(self._before(_windows(place), place, kernel), own_grid=False)
        if trace.shift != (0, 0) or trace.score < least:
            return None
        return Resizing(place.axes, kernel, replace(trace, shift=place.grid))

    def _within(self, place: _Placed) -> bool:
        """Whether a size is large enough for a proof, and small enough for a restoration."""
        size = [axis.before for axis in place.axes]
        return min(size) >= SMALLEST and math.prod(size) <= max(LARGEST, math.prod(self.after))

    def _score(self, place: _Placed, kernel: str = USUAL) -> float:
        """How well coefficients of the picture before fit a JPEG's steps."""
        if (place, kernel) not in self.scores:
            self.scores[place, kernel] = aligned_score(self._before(_fewer(_windows(place)), place, kernel))
        return self.scores[place, kernel]

    def _kernel(self, place: _Placed) -> str:
        """The kernel that fits best."""
        if place.axes[0].scale < 1:
            fit = {name: -self._misfit(place, name) for name in KERNELS}
            lead = 1 / MIN_LEAD_LARGER
        else:
            fit, lead = {name: self._score(place, name) for name in REDUCERS}, MIN_LEAD
        best = max(fit, key=fit.__getitem__)
        return best if fit[best] > lead * fit[USUAL] else USUAL

    def _misfit(self, place: _Placed, kernel: str) -> float:
        """The mean square difference of some columns from those that can be enlarged from that height."""
        columns = luma(self.pixels[:, :: -(-self.after[1] // COLUMNS)])
        count = columns.shape[1]
        axes = place.axes[0], Axis(count, count, 1.0)
        return float(np.square(resized(unresized(columns, axes, kernel), axes, kernel) - columns).mean())

    def _refined_whole(self, size: tuple[int, int]) -> _Placed | None:
        """The size near another one with the best score: first along the diagonal, then on each side."""

        def placed(size: tuple[int, int]) -> _Placed:
            return _Placed(whole(size, self.after), (0, 0))

        def score(size: tuple[int, int]) -> float:
            return self._score(placed(size))

        if not self._within(placed(size)) or all(score(_longer(size, by)) < PROMISING for by in (0, -1, 1)):
            return None
        steps = range(-REACH, REACH + 1)
        size = max((_longer(size, by) for by in steps), key=score)
        if score(size) < LIKELY:
            return None
        size = max(((size[0], size[1] + by) for by in steps), key=score)
        size = max(((size[0] + by, size[1]) for by in steps), key=score)
        return placed(size)

    def _refined_part(self, blocks: tuple[Blocks, Blocks]) -> _Placed | None:
        """The part near that of likely blocks with the best score."""
        ends = []  # of both sides, in pixels before, from the border of a block
        for side, after in zip(blocks, self.after, strict=True):
            scale = BLOCK / side.period
            ends += [-side.first * scale, (after - side.first) * scale]

        def score(ends: list[float]) -> float:
            return self._score(self._between(ends))

        if not self._within(self._between(ends)) or (best := score(ends)) < PART_PROMISING:
            return None
        for step, least in STEPS.items():
            for at, by in itertools.product(range(len(ends)), (-step, step)):
                moved = [*ends[:at], ends[at] + by, *ends[at + 1 :]]
                if (other := score(moved)) > best:
                    ends, best = moved, other
            if best < least:
                return None
        return self._between(ends)

    def _between(self, ends: list[float]) -> _Placed:
        """The part between two places of each side, in pixels before, from the border of a block."""
        axes, grid = [], []
        for after, start, stop in zip(self.after, ends[::2], ends[1::2], strict=True):
            scale = (stop - start) / after
            first, last = (math.floor(start + (at + 0.5) * scale) for at in (0, after - 1))
            axes.append(Axis(last - first + 1, after, scale, start - first))
            grid.append(-first % BLOCK)
        return _Placed((axes[0], axes[1]), (grid[0], grid[1]))

    def _before(self, parts: Iterable[tuple[slice, slice]], place: _Placed, kernel: str) -> Plane:
        """Luma of windows of the picture before, (count, side, side)."""
        found = []
        for window in parts:
            part, (down, across) = needed(window, place.axes, kernel, lossy=self.lossy)
            found.append(down @ luma(self.pixels[part]) @ across.T)
        return np.stack(found)


def _windows(place: _Placed) -> list[tuple[slice, slice]]:
    """Windows of the picture before, on its grid of blocks."""
    top, left = place.grid
    (down, across) = place.axes
    return [
        (slice(rows.start + top, rows.stop + top), slice(columns.start + left, columns.stop + left))
        for rows, columns in windows(down.before - top, across.before - left)
    ]


def _longer(size: tuple[int, int], by: int) -> tuple[int, int]:
    """A size whose longer side has `by` pixels more, with the same proportions."""
    height, width = size
    if height >= width:
        return height + by, round(width * (height + by) / height)
    return round(height * (width + by) / width), width + by


def _fewer(parts: list[tuple[slice, slice]]) -> list[tuple[slice, slice]]:
    """Every `STRIDE`-th window along each side with more than four of them, the outermost ones included."""
    rows, columns = (sorted({part[axis].start for part in parts}) for axis in (0, 1))
    few = [set(starts if len(starts) <= 4 else [*starts[:-1:STRIDE], starts[-1]]) for starts in (rows, columns)]
    return [part for part in parts if part[0].start in few[0] and part[1].start in few[1]]
