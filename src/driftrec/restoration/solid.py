"""Solid colours: screenshots, text and drawings have many pixels of exactly the same colour.

A network that looks at a pixel's surroundings cannot know this: it leaves traces of artefacts on paper, and the colours
of thin lines are less certain than they could be.  An estimate whose flat areas share few colours is therefore drawn to
them where it is likely that a pixel has one, and back into the file's cells, which carry what is now known of the paper
to the ink in the same block; and so on for a few rounds:

    x̂ ← P(x̂ + p (c − x̂))                                                                          (E29)

c is the solid colour nearest to a pixel, p the probability that the clean pixel has it, and P the projection onto the
likely parts of the cells; in the last round onto the whole cells, since ink may lie anywhere in them.  p is the product
of two logistic functions: one of what is seen of the colour in the whole picture (many pixels of a slow gradient nearly
have a colour, too), and one of what is seen around the pixel.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg import Cells
from driftrec.jpeg.tables import BLOCK
from driftrec.restoration.windows import window_sums

TILE = 4
"""Side of the squares that show which colours are solid, in pixels."""

FLAT = 2.5
"""Largest range of a flat square in each channel, in levels."""

LEAST_SHARE, LEAST, MOST = 0.01, 8, 8
"""Least share and number of the squares that must be flat and have a colour, and the maximum number of colours."""

LOOKED_AT = 1 << 16
"""Maximum number of flat squares that are compared, spread evenly over those of the picture."""

SAME, DIFFERENT = 1.5, 6.0
"""Distance of the largest channel, in levels, up to which two colours are the same, and from which they are two."""

AROUND, STEADY = 8.0, 4.0
"""Distances, in levels: of the squares with which the number of those of the same colour is compared, and of those
whose changes from place to place show a gradient."""

END, ROUNDED = 3.0, 0.5
"""A channel no farther than this from 0 or 255 is 0 or 255, if the file's rounding of means explains the distance, plus
the second: paper is white, and ink is black."""

CLOSE, NEAR, FAR = 3.0, 12.0, 48.0
"""Distances of pixels from a solid colour, in levels: those of the first two are counted around a pixel; from the last
one on, a pixel has another colour."""

SIDES = 3, 9, 25
"""Sides of the windows in which pixels that are close are counted; pixels that are near are counted in NEAR_SIDE."""

NEAR_SIDE = 5

COLOUR_WEIGHTS = np.array([1.08, -1.96, 0.4, 1.41, 0.07, -0.88])
"""Weights of `Solid.inputs`."""

SHARP = 1.5
"""Factor of a colour's odds: in a few rounds, small probabilities of a colour that is none would add up."""

LEAST_CERTAIN = 0.2
"""Colours that are less certain are left alone: for such colours of photographs, the rounds would take time in vain."""

PIXEL_WEIGHTS = np.array([-1.93, 0.24, 5.87, -1.8, -0.51, 2.83, 0.94, -1.33], np.float32)
"""Weights of the inputs from `seen`.  Both were fitted by research/solid_colours.py, before SHARP was chosen."""

ROUNDS = 4
"""Number of rounds; more gain little, and lose more where a colour is not solid."""

ROWS = 256
"""Rows that are worked on at a time, so that memory does not grow with the picture."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Solid:
    """A colour that seems to be solid.

    Attributes:
        colour: red, green and blue in levels.
        share: of the picture's squares that are flat and have the colour.
        peak: number of squares with the colour over that of all squares with similar ones.
        drift: mean difference between squares with similar colours that lie two squares apart, in levels.
    """

    colour: NDArray[np.float32]
    share: float
    peak: float
    drift: float

    def inputs(self, step: float) -> NDArray[np.float64]:
        """Returns the inputs of COLOUR_WEIGHTS; `step` as from `file_step`."""
        seldom = np.log(1.02 - self.peak)
        return np.array([np.log(self.peak), seldom, np.log(self.share), np.log(self.drift + 0.05), np.log(step), 1.0])

    def certainty(self, step: float) -> float:
        """Returns the probability that the colour is solid; `step` as above."""
        return float(_logistic(SHARP * self.inputs(step) @ COLOUR_WEIGHTS))


def with_solid_colours(pixels: np.ndarray, cells: Cells) -> np.ndarray:
    """Returns an estimate with the solid colours that it has, in the cells (E29); one that has none as it is.

    Arguments: `pixels`, the estimate, float32 (height, width, 3) in [0, 1]; `cells` of its file.
    """
    step = file_step(cells)
    solids = [colour for colour in solid_colours(pixels, cells) if colour.certainty(step) > LEAST_CERTAIN]
    if not solids:
        return pixels
    for _ in range(ROUNDS - 1):
        pixels = cells.improve(drawn(pixels, solids, cells))
    into = cells.project if cells.earlier is None else cells.improve
    return into(drawn(pixels, solids, cells))


def file_step(cells: Cells) -> float:
    """Returns the mean of the steps of the lowest frequencies of luma, in levels."""
    table = cells.file.components[0].table
    return float(np.mean([table[place] for place in ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))]))


def solid_colours(pixels: np.ndarray, cells: Cells) -> list[Solid]:
    """Returns the colours that the flat squares of an estimate share, the commonest first; arguments as above."""
    means, flat = _squares(pixels)
    end = min(END, cells.file.components[0].table[0, 0] / (2 * BLOCK) + ROUNDED)
    left, solids = means[flat], []
    stride = -(-len(left) // LOOKED_AT) or 1
    left = left[::stride]
    least = max(LEAST_SHARE * flat.size, LEAST) / stride
    while len(left) >= least and len(solids) < MOST:
        numbers = np.rint(left).astype(np.int64) @ (1 << 16, 1 << 8, 1)
        values, counts = np.unique(numbers, return_counts=True)
        commonest = left[numbers == values[counts.argmax()]].mean(axis=0)
        same = np.abs(left - commonest).max(axis=1) <= SAME
        if np.count_nonzero(same) < least:
            break
        colour = np.median(left[same], axis=0)
        share = stride * np.count_nonzero(same) / flat.size
        ends = np.where(colour <= end, 0, np.where(colour >= 255 - end, 255, colour))
        solids.append(Solid(ends.astype(np.float32), share, *_seen_of(colour, means)))
        left = left[np.abs(left - colour).max(axis=1) > DIFFERENT]
    return solids


def _squares(pixels: np.ndarray) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The means of the picture's squares in levels, (rows, columns, 3), and which of them are flat, (rows, columns)."""
    rows, columns = (length // TILE for length in pixels.shape[:2])
    means, flat = np.empty((rows, columns, 3), np.float32), np.empty((rows, columns), np.bool_)
    for top in range(0, rows, ROWS // TILE):
        bottom = min(top + ROWS // TILE, rows)
        part = pixels[TILE * top : TILE * bottom, : TILE * columns] * np.float32(255)
        lines = part.reshape(bottom - top, TILE, columns * TILE, 3)
        high, low, mean = (
            across(down(lines, 1).reshape(bottom - top, columns, TILE, 3), 2)
            for down, across in ((np.max, np.max), (np.min, np.min), (np.mean, np.mean))
        )
        means[top:bottom], flat[top:bottom] = mean, (high - low <= FLAT).all(axis=2)
    return means, flat


def _seen_of(colour: NDArray[np.float32], means: NDArray[np.float32]) -> tuple[float, float]:
    """(peak, drift) of a colour in the means of a picture's squares."""
    distance = np.abs(means - colour).max(axis=2)
    peak = np.count_nonzero(distance <= SAME) / np.count_nonzero(distance <= AROUND)
    steady, total, count = distance <= STEADY, 0.0, 0
    for axis in (0, 1):
        rows, there = means.swapaxes(0, axis), steady.swapaxes(0, axis)
        both = there[2:] & there[:-2]
        total += float(np.abs(rows[2:][both] - rows[:-2][both]).max(axis=1).sum())
        count += np.count_nonzero(both)
    return peak, total / count if count else 0.0


def drawn(pixels: np.ndarray, solids: list[Solid], cells: Cells) -> np.ndarray:
    """Returns an estimate drawn to its solid colours, not in the cells; arguments as above."""
    step = file_step(cells)
    sure = np.array([0.0, *(solid.certainty(step) for solid in solids)], np.float32)
    out, reach = pixels.copy(), max(SIDES) // 2
    for top in range(0, len(pixels), ROWS):
        bottom = min(top + ROWS, len(pixels))
        first, last = max(top - reach, 0), min(bottom + reach, len(pixels))
        away, inputs, number = seen(pixels[first:last], solids, step)
        odds = inputs[0] * PIXEL_WEIGHTS[0]
        for plane, weight in zip(inputs[1:], PIXEL_WEIGHTS[1:], strict=True):
            odds += plane * weight
        away *= _logistic(odds) * sure[number] / np.float32(255)
        out[top:bottom] -= away[:, top - first : bottom - first].transpose(1, 2, 0)
    return out


def seen(
    pixels: np.ndarray, solids: list[Solid], step: float
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]], NDArray[np.int8]]:
    """Returns what is seen of solid colours around each pixel.

    Arguments: `pixels`, float32 (height, width, 3) in [0, 1]; the colours; `step` as from `file_step`.

    Returns:
        The differences from the nearest colour in levels, (3, height, width).  The inputs of PIXEL_WEIGHTS, (height,
        width) each: the logarithms of these differences in luma and chroma, the shares of close and near pixels around,
        the logarithm of the step, and 1.  The number of the colour from 1 on, 0 where none is near, (height, width).
    """
    levels = np.ascontiguousarray(pixels.transpose(2, 0, 1)) * np.float32(255)
    distance = np.full(levels.shape[1:], np.inf, np.float32)
    number = np.zeros(levels.shape[1:], np.int8)
    for index, solid in enumerate(solids, 1):
        largest = np.abs(levels - solid.colour[:, None, None]).max(axis=0)
        nearer = largest < distance
        number[nearer] = index
        np.minimum(distance, largest, out=distance)
    number[distance >= FAR] = 0
    away = levels - np.stack([np.zeros(3, np.float32), *(solid.colour for solid in solids)], axis=1)[:, number]
    luma = np.tensordot(LUMA, away, 1)
    chroma = np.sqrt(np.square(away - luma).mean(axis=0))
    shares = [*(_share(distance <= CLOSE, side) for side in SIDES), _share(distance <= NEAR, NEAR_SIDE)]
    alike = [np.full_like(luma, np.log(step)), np.ones_like(luma)]
    return away, [np.log1p(np.abs(luma)), np.log1p(chroma), *shares, *alike], number


def _share(chosen: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """The share of chosen pixels in the window around each pixel; the outermost ones are repeated."""
    counts = np.pad(chosen.astype(np.uint16), side // 2, mode="edge")
    for axis in (0, 1):
        counts = window_sums(counts, side, axis)
    return counts.astype(np.float32) / np.float32(side**2)


def _logistic(odds: NDArray[np.floating]) -> NDArray[np.floating]:
    return 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
