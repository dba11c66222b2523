"""An earlier compression, undone back to: the coefficients it left, out of what later ones made of them.

A picture that was compressed with coarse steps, cropped and compressed again with finer ones is, for a restorer, a
single JPEG with noise.  On the grid of the first compression its coefficients are m Q + e, multiples of that step with
the error e of all that came later.  If e is normal with variance σ², their characteristic function at 1/Q is

    φ = E[cos(2π c / Q)] = exp(−2π² σ² / Q²),

which gives σ² for every frequency, and with it the expected value of m Q,

    E[m Q | c] = Σ_m p(m) m Q exp(−(c − m Q)² / 2σ²) / Σ_m p(m) exp(−(c − m Q)² / 2σ²),

p(m) being how often c rounds to m.  Where e is small this is rounding to multiples of Q, and the first compression's
picture comes back as it was; where it is large it leaves c nearly as it is.

Chroma was subsampled, decoded and subsampled again, which blurs; its samples C are found from the picture's chroma O by
C ← C + B (O − M C), with B the box mean, and M what later became of C: interpolation, and the file's own subsampling.

What the coefficients said beyond black and white was cut off when the first compression was decoded.  The picture that
they give once they are recovered says how much: that is added to the pixels, and they are recovered once more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, box_mean, dct, idct, pad, to_components, to_image, upsample_triangle
from driftrec.jpeg.detect import Trace
from driftrec.jpeg.file import JpegFile
from driftrec.jpeg.layout import BAND
from driftrec.jpeg.tables import CHROMA, LUMA, ijg_table

SUBSAMPLINGS = ((2, 2), (1, 2), (1, 1))
"""Pixels per chroma sample (vertical, horizontal) that the earlier compression may have had."""

EVIDENCE = 0.05
"""Of the way from another grid's characteristic function to 1, how much a frequency must have made to count as
quantised."""

TYPICAL = 0.25
"""How much luma's median frequency must have made: the traces of other tables than libjpeg's make less."""

CHROMA_SCORE, LEAD = 0.15, 1.5
"""How much all frequencies of chroma together must have made, and how many times as much as on any grid that starts
elsewhere."""

DEVIATIONS = 5
"""How many standard deviations of chance that way must be long: shorter ones tell nothing and follow the others."""

BLOCKS = 16
"""Fewest blocks that tell anything."""

LOOK = 1024
"""Side of the middle of large pictures that is looked at, in pixels."""

CORRECTIONS, CONTEXT = 4, 16
"""Of chroma samples, see above, and how far they reach, in pixels."""

CUT_OFF = 0.5 / 255
"""Channels this near to 0 or 1 may have been cut off."""

PASSES = 3
"""How often coefficients are recovered, each time from pixels that are cut off less."""

UNEXPLAINED = 10
"""How many times the energy of e may be left of a block's luma before the block is taken to be misunderstood."""

Factors = tuple[int, int]
T = TypeVar("T", bound=np.generic)

Later = Callable[[Plane, tuple[int, int]], Plane]
"""(chroma at full size, pixel (row, column) where it starts) -> what later compressions made of it."""


def recovered(pixels: NDArray[np.float32], trace: Trace, file: JpegFile | None = None) -> NDArray[np.float32]:
    """The picture as the compression of a trace left it, as far as it can be told.

    Arguments:
        pixels: RGB (height, width, 3), float32 in [0, 1], in the orientation in which the trace was found.
        trace: of a compression coarser than any later one, on another grid than theirs.
        file: the JPEG that the pixels are decoded from, if they are.

    Returns an array of that shape.  What stays as it is: blocks that are cut by the border; those whose recovered
    coefficients do not explain their pixels; chroma that does not look quantised with libjpeg's table of the trace's
    quality, and all of a picture whose luma does not.
    """
    height, width = pixels.shape[:2]
    top, left = (max(n - LOOK, 0) // 32 * 16 for n in (height, width))
    part = pixels[top : top + LOOK, left : left + LOOK]
    planes, free, later = to_components(part, "YCbCr"), _free(part), _later(file)
    luma = _fit(planes[:1], ijg_table(trace.quality, LUMA), free, Grid(trace.shift, (1, 1)), _unchanged)
    if luma is None or luma.typical < TYPICAL:
        return pixels
    chroma = _chroma(planes[1:], trace, free, later)

    out = np.empty_like(pixels)
    for rows, kept in _bands(height):
        image = _recovered(pixels[rows], luma.after(rows.start), chroma and chroma.after(rows.start), later)
        out[kept] = image[kept.start - rows.start : kept.stop - rows.start]
    return out


@dataclass(frozen=True)
class Grid:
    """Blocks of 8×8 samples: where the first whole one starts (row, column), and pixels per sample, likewise."""

    start: tuple[int, int]
    factors: Factors

    @property
    def sides(self) -> tuple[int, int]:
        """Of a block, in pixels."""
        return 8 * self.factors[0], 8 * self.factors[1]

    def moved(self, rows: int, columns: int) -> "Grid":
        """The same grid after that many pixels were added before the first one."""
        start = (s + by for s, by in zip(self.start, (rows, columns), strict=True))
        row, column = (s % side for s, side in zip(start, self.sides, strict=True))
        return Grid((row, column), self.factors)

    @property
    def beside(self) -> "Grid":
        """A grid that has no line in common with this one."""
        return self.moved(self.sides[0] // 2, self.sides[1] // 2)

    def whole(self, plane: NDArray[T]) -> NDArray[T]:
        """A view of the whole blocks of a plane at full size, perhaps of none."""
        (top, left), (down, across) = self.start, self.sides
        height, width = max(plane.shape[0] - top, 0) // down * down, max(plane.shape[1] - left, 0) // across * across
        return plane[top : top + height, left : left + width]

    def blocks(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of which blocks all pixels are chosen: (rows, columns)."""
        inner, (down, across) = self.whole(chosen), self.sides
        height, width = inner.shape
        return np.asarray(inner.reshape(height // down, down, width // across, across).all(axis=(1, 3)))


@dataclass(frozen=True)
class _Fit:
    """How components with the same table look on a grid.

    `quantised`: which frequencies do, (8, 8); `variances` of e, (8, 8); `counts` of multiples, frequency by frequency,
    and the first of them, `lowest`; `score` and `typical`: how far all together and the median made it, see EVIDENCE.
    """

    grid: Grid
    table: NDArray[np.int_]
    quantised: NDArray[np.bool_]
    variances: NDArray[np.float64]
    counts: NDArray[np.float64]
    lowest: int
    score: float
    typical: float

    def after(self, row: int) -> "_Fit":
        """How they look in the part that starts at that row."""
        return replace(self, grid=self.grid.moved(-row, 0))

    @property
    def energy(self) -> float:
        """Of e in a block, as expected."""
        return float(self.variances[self.quantised].sum())

    def expected(self, found: Plane) -> Plane:
        """Coefficients (8, 8, ...) with E[m Q | c], over three multiples, in place of the quantised frequencies."""
        out, last = found.copy(), self.counts.shape[2] - 1
        for u, v in zip(*np.nonzero(self.quantised), strict=True):
            values, step, variance = found[u, v], np.float32(self.table[u, v]), np.float32(self.variances[u, v] + 1e-3)
            middle = np.rint(values / step)
            total, mean, nearest = np.zeros_like(values), np.zeros_like(values), np.square(values - step * middle)
            for m in (middle - 1, middle, middle + 1):
                often = self.counts[u, v].astype(np.float32)[(m.astype(np.int64) - self.lowest).clip(0, last)]
                weight = often * np.exp((nearest - np.square(values - step * m)) / (2 * variance))
                total += weight
                mean += weight * m
            out[u, v] = step * mean / total
        return out


def _chroma(planes: Sequence[Plane], trace: Trace, free: NDArray[np.bool_], later: Later) -> _Fit | None:
    """How chroma looks on the grid that fits best, of all whose luma has the trace's; None where none does."""
    table = ijg_table(trace.quality, CHROMA)
    fits = []
    for factors in SUBSAMPLINGS:
        rows, columns = (range(s, 8 * f, 8) for s, f in zip(trace.shift, factors, strict=True))
        fits += [_fit(planes, table, free, Grid(start, factors), later) for start in product(rows, columns)]
    seen = [fit for fit in fits if fit is not None]
    best = max(seen, key=lambda fit: fit.score, default=None)
    if best is None:
        return None
    elsewhere = max((fit.score for fit in seen if fit.grid.start != best.grid.start), default=0.0)
    return best if best.score >= max(CHROMA_SCORE, LEAD * elsewhere) else None


def _fit(
    planes: Sequence[Plane], table: NDArray[np.int_], free: NDArray[np.bool_], grid: Grid, later: Later
) -> _Fit | None:
    """How components look on a grid; None where there is too little to see."""
    functions, variances, found = [], [], np.zeros((8, 8, 0), np.float32)
    for where in (grid.beside, grid):
        blocks = where.blocks(free)
        if blocks.sum() < BLOCKS:
            return None
        found = np.concatenate([_chosen(_coefficients(plane, where, later), blocks) for plane in planes], axis=2)
        cosines = np.cos(found * (np.float32(2 * np.pi) / table.astype(np.float32))[..., None])
        functions.append(cosines.mean(axis=2, dtype=np.float64))
        variances.append(cosines.var(axis=2, dtype=np.float64) / cosines.shape[2])
    other, own = functions
    way, room, chance = own - other, 1 - other, variances[0] + variances[1]
    clear = room > DEVIATIONS * np.sqrt(chance)
    if not clear.any():
        return None
    multiples = np.rint(found / table.astype(np.float32)[..., None]).astype(np.int64)
    lowest, highest = int(multiples.min()) - 1, int(multiples.max()) + 1
    counts = np.apply_along_axis(np.bincount, 2, multiples - lowest, minlength=highest - lowest + 1)
    errors = -np.log(own.clip(1e-3)) * table**2 / (2 * np.pi**2)
    return _Fit(
        grid=grid,
        table=table,
        quantised=np.where(clear, way > EVIDENCE * room, True),
        variances=errors,
        counts=0.5 + counts.astype(np.float64),
        lowest=lowest,
        score=float(way.sum() / room.sum()) if way.sum() > DEVIATIONS * np.sqrt(chance.sum()) else 0.0,
        typical=float(np.median(way[clear] / room[clear])),
    )


def _recovered(pixels: NDArray[np.float32], luma: _Fit, chroma: _Fit | None, later: Later) -> NDArray[np.float32]:
    """The pixels with all whole blocks recovered but those that stay unexplained."""
    image, cut_off = pixels, np.zeros_like(pixels)
    for _ in range(PASSES):
        planes = to_components(pixels + cut_off, "YCbCr")
        _replace(planes[:1], luma, _unchanged)
        if chroma is not None:
            _replace(planes[1:], chroma, later)
        unclipped = to_image(planes, "YCbCr", clip=False)
        image = unclipped.clip(0, 1)
        cut_off = unclipped - image
        if not cut_off.any():
            break

    seen, explained = (to_components(part, "YCbCr")[0] for part in (pixels, image))
    left = luma.grid.whole(seen - explained)
    rows, columns = (n // 8 for n in left.shape)
    energy = np.square(left).reshape(rows, 8, columns, 8).sum(axis=(1, 3))
    unexplained = np.repeat(np.repeat(energy > UNEXPLAINED * luma.energy, 8, axis=0), 8, axis=1)
    np.copyto(luma.grid.whole(image), luma.grid.whole(pixels), where=unexplained[..., None])
    return image


def _replace(planes: Sequence[Plane], fit: _Fit, later: Later) -> None:
    """Recovers components, in place."""
    inside = slice(None) if fit.grid.factors == (1, 1) else slice(1, -1)  # others need samples that are not known
    for plane in planes:
        inner = fit.grid.whole(plane)
        if not inner.size:
            continue
        found = _coefficients(plane, fit.grid, later)
        by_frequency = _by_frequency(found)
        by_frequency[...] = fit.expected(by_frequency)
        inner[inside, inside] = upsample_triangle(idct(found), *fit.grid.factors)[inside, inside]


def _bands(height: int) -> Iterator[tuple[slice, slice]]:
    """Bands of rows, each with what its blocks and their chroma reach: (rows to work on, rows to keep)."""
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        around = 16 + PASSES * CONTEXT  # a block that starts before the band, and what lies around it
        yield slice(max(top - around, 0), min(bottom + around, height)), slice(top, bottom)


def _free(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pixels were surely not cut off."""
    return np.asarray(((pixels > CUT_OFF) & (pixels < 1 - CUT_OFF)).all(axis=2))


def _coefficients(plane: Plane, grid: Grid, later: Later) -> Plane:
    """The coefficients of all whole blocks of a component at full size."""
    inner = np.ascontiguousarray(grid.whole(plane))
    samples = box_mean(inner, *grid.factors)
    if grid.factors != (1, 1):
        for _ in range(CORRECTIONS):
            error = inner - later(upsample_triangle(samples, *grid.factors), grid.start)
            samples = samples + box_mean(error, *grid.factors)
    return dct(samples)


def _chosen(found: Plane, blocks: NDArray[np.bool_]) -> Plane:
    """(8, 8, count): the coefficients of the chosen blocks, frequency by frequency."""
    return _by_frequency(found)[..., blocks]


def _by_frequency(found: Plane) -> Plane:
    """A view (8, 8, rows, columns) of the coefficients of all blocks."""
    height, width = found.shape
    return found.reshape(height // 8, 8, width // 8, 8).transpose(1, 3, 0, 2)


def _unchanged(plane: Plane, _: tuple[int, int]) -> Plane:
    return plane


def _later(file: JpegFile | None) -> Later:
    """What the file's own subsampling makes of chroma."""
    if file is None or len(file.components) < 3:
        return _unchanged
    part = file.components[1]
    vertical, horizontal = (side // (8 * own) for side, own in zip(file.mcu, part.sampling, strict=True))

    def subsampled(plane: Plane, start: tuple[int, int]) -> Plane:
        height, width = plane.shape
        top, left = start[0] % vertical, start[1] % horizontal
        around = np.pad(plane, ((top, 0), (left, 0)), mode="edge")
        around = pad(around, *(-(-n // f) * f for n, f in zip(around.shape, (vertical, horizontal), strict=True)))
        again = upsample_triangle(box_mean(around, vertical, horizontal), vertical, horizontal)
        return again[top : top + height, left : left + width]

    return subsampled
