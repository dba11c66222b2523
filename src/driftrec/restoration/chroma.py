"""Chroma that follows luma: files hold it coarsely and often at half the size, while edges are where luma has them.

Around most pixels the colours lie on a line, such as that from paper to ink.  There, a chroma component C is a linear
function of luma Y, for means over several pixels as well as for single ones.  Its slope and intercept are therefore
taken from means over 2×2 pixels, which subsampled chroma gives, and applied to the luma of each pixel:

    Ĉ_k = a_k Y + b_k,   a_k = cov(Y, C) / (var(Y) + ε),   b_k = mean(C) − a_k mean(Y)                  (E30)

in windows k of several sizes (He, Sun, Tang, "Guided image filtering", 2013; the linear model of video codecs).  The
estimate moves to a weighted mean of itself and these predictions, and back into the file's cells.  The weights are a
softmax, fitted to held-out pictures: of how much of the chroma a line leaves over, of the change, of the file's steps
and of its subsampling.  Natural restorations are sampled around an estimate with this chroma.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg import Cells, JpegFile, decode
from driftrec.jpeg.blocks import Plane, box_mean, pad, replicate, to_components, to_image
from driftrec.jpeg.tables import BLOCK, CHROMA, ijg_table
from driftrec.restoration.windows import window_sums

SIDES = 3, 7, 17
"""Sides of the windows, in means of 2×2 pixels."""

WEIGHTS = np.array(
    [
        [-0.87, 0.05, 0.35, 0.97, 0.0],
        [-0.86, -1.07, 0.66, 1.24, -0.38],
        [-1.26, -1.42, 1.41, 1.56, -0.95],
    ],
    np.float32,
)
"""For each window the weights of what its line leaves over, of the change, of the two values of `Known.inputs`, and
of 1.  Fitted by research/chroma_from_luma.py."""

MOST = 30
"""Largest size of an exponent of the softmax."""

LEAST_CONTRAST = 1.0
"""ε in (E30), squared levels."""

LEAST_LEFT = 0.1
"""Added to what a line leaves over, squared levels, before the logarithm is taken."""

ROUNDS = 2
"""Number of predictions, each followed by a projection; for files of high quality, one is better."""

ROWS = 256
"""Rows that are worked on at a time, so that memory does not grow with the picture; an even number."""

REACH = 2 * (max(SIDES) // 2 + 1)
"""Rows beyond these that are looked at."""


class Known(NamedTuple):
    """What is known of the chroma of a file in YCbCr.

    Attributes:
        step: mean step of its lowest frequencies, in levels.
        shared: number of pixels that share a sample.
    """

    step: float
    shared: float

    @property
    def inputs(self) -> tuple[float, float]:
        """What the softmax sees: the logarithm of the step, and half the binary logarithm of the number of pixels."""
        return float(np.log(self.step)), float(np.log2(self.shared) / 2)


def with_chroma_from_luma(
    pixels: NDArray[np.float32], cells: Cells, rounds: int = ROUNDS, *, predicted: bool = False
) -> NDArray[np.float32]:
    """Returns an estimate in the likely parts of the cells, whose chroma follows its luma (E30).

    Chroma stays where the file has none of its own: in gray pictures, and in those stored as red, green and blue.

    Arguments: `pixels`, the estimate, float32 (height, width, 3) in [0, 1]; `cells` of its file; `rounds`, the number
    of predictions; `predicted`, whether the first one has been made.
    """
    known = known_of_file(cells.file)
    if known is None:
        return cells.improve(pixels)
    pixels = pixels.copy()
    for number in range(rounds):
        if number or not predicted:
            predict_chroma(pixels, known)
        cells.improve(pixels, out=pixels)
    return pixels


def decoded_with_chroma_from_luma(file: JpegFile) -> NDArray[np.float32]:
    """Returns a decoded file in its cells, whose chroma follows its luma: float32 (height, width, 3) in [0, 1].

    A second round would make files of the highest qualities worse.
    """
    pixels = decode(file)
    known = known_of_file(file)
    if known is not None:
        predict_chroma(pixels, known)
    return Cells(file).project(pixels, out=pixels)


def known_of_file(file: JpegFile) -> Known | None:
    """Returns what is known of a file's chroma; None if it has none of its own."""
    if file.colour != "YCbCr":
        return None
    chroma = file.components[1]
    return Known(_mean_step(chroma.table), float(np.prod(file.mcu) / (BLOCK**2 * np.prod(chroma.sampling))))


def known_of_quality(quality: int) -> Known:
    """Returns the same for files of a quality, whose chroma is mostly halved in both directions."""
    return Known(_mean_step(ijg_table(quality, CHROMA)), 4.0)


def _mean_step(table: NDArray[np.integer[Any]]) -> float:
    return float(np.mean([table[place] for place in ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))]))


def predict_chroma(pixels: NDArray[np.float32], known: Known) -> None:
    """Moves the chroma of an estimate to what is predicted from its luma (E30), in place.

    Arguments: `pixels` as above; what is `known` of the file.
    """
    above = pixels[:0]
    for top in range(0, len(pixels), ROWS):
        bottom = min(top + ROWS, len(pixels))
        part = np.concatenate([above, pixels[top : bottom + REACH]])
        rows, above = slice(len(above), len(above) + bottom - top), part[: len(above) + bottom - top][-REACH:]
        y, *components = to_components(part, "YCbCr")
        height, width = y.shape
        even = height + height % 2, width + width % 2
        luma, *halved = (box_mean(pad(plane, *even), 2, 2) for plane in (y, *components))
        moved: list[np.ndarray] = [y[rows]]
        for component, found in zip(components, lines(luma, halved), strict=True):
            slope, intercept, kept = (replicate(plane, 2, 2)[rows, :width] for plane in _mean_line(found, known.inputs))
            moved.append(slope * moved[0] + intercept + kept * component[rows])
        pixels[top:bottom] = to_image(moved, "YCbCr")


@dataclass(frozen=True)
class Line:
    """A linear function from luma to a chroma component around each mean over 2×2 pixels, and what tells its worth.

    Attributes: `slope` and `intercept`; `left`, the logarithm of what the line leaves over, and `change`, that of what
    it would change; all (rows, columns) of means.
    """

    slope: Plane
    intercept: Plane
    left: Plane
    change: Plane


def lines(luma: Plane, components: list[Plane]) -> list[list[Line]]:
    """Returns the lines of each chroma component in windows of all sizes, (E30).

    Arguments: means of luma and of the components over 2×2 pixels, in levels.
    """
    found: list[list[Line]] = [[] for _ in components]
    for side in SIDES:
        y = _means(luma, side)
        contrast = (_means(luma * luma, side) - y * y).clip(0) + np.float32(LEAST_CONTRAST)
        for chroma, of_component in zip(components, found, strict=True):
            c = _means(chroma, side)
            together = _means(luma * chroma, side) - y * c
            slope: np.ndarray = together / contrast
            intercept: np.ndarray = c - slope * y
            left = (_means(chroma * chroma, side) - c * c - slope * together).clip(0) + np.float32(LEAST_LEFT)
            change = np.abs(slope * luma + intercept - chroma)
            of_component.append(Line(slope, intercept, np.log(left), np.log1p(change)))
    return found


def _mean_line(found: list[Line], facts: tuple[float, float]) -> tuple[Plane, Plane, Plane]:
    """Slope and intercept of the mean of the lines and of no change, weighted by a softmax, and the latter's weight."""
    slope, intercept, weights = (make(found[0].slope) for make in (np.zeros_like, np.zeros_like, np.ones_like))
    for line, (by_left, by_change, *others) in zip(found, WEIGHTS, strict=True):
        odds = by_left * line.left + by_change * line.change + np.float32(np.dot(others, (*facts, 1)))
        weight = np.exp(odds.clip(-MOST, MOST))
        slope += weight * line.slope
        intercept += weight * line.intercept
        weights += weight
    slope /= weights
    intercept /= weights
    return slope, intercept, np.reciprocal(weights)


def _means(plane: Plane, side: int) -> np.ndarray:
    """Means over the windows around each value; the outermost ones are repeated."""
    sums: np.ndarray = np.pad(plane, side // 2, mode="edge")
    for axis in (0, 1):
        sums = window_sums(sums, side, axis)
    return np.divide(sums, side**2, dtype=np.float32)
