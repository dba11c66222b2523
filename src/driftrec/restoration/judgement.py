"""Judges by the network how damaged a picture is of which its file says little.

A picture that was resized, edited or converted after its compression shows no grid of blocks any more, and a file of
high quality may hold a picture that was bad before.  The network knows both: where nothing is lost, it changes little,
and only at edges and in dense texture, which it never knows perfectly.  Damage is everywhere, in proportion to the
detail that was compressed.

The change is looked at in a few windows, so that large pictures that are left alone cost little.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from driftrec.jpeg.blocks import luma
from driftrec.jpeg.tables import MCU
from driftrec.picture import as_float
from driftrec.restoration.windows import window_sums

SIDE, ALONG = 192, 3
"""Side of the windows in pixels, and their maximum number along a side of the picture."""

SMALLEST = 64
"""Pictures with fewer pixels along a side are too small to judge."""

AROUND = 9
"""Side of the squares in which a change is compared with the detail, in pixels."""

FLAT = 0.5
"""Variance of a square, in levels squared, up to which it is flat and proves nothing."""

LEAST = 100
"""Minimum number of squares that are not flat."""

CONSTANT, AMOUNT, SPREAD = 17.07, -0.321, 0.326
"""Weights of a logistic regression of damage on the two numbers of a `Change`, fitted by research/evidence.py."""

TOUCHED, CLEAN = 46.0, 47.0
"""PSNR between a picture and its faithful estimate, in dB: between the two, a picture may be damaged a little; from the
second on, it is clean."""

KEPT = 45.0
"""A picture that may be clean is changed by no more than this, PSNR in dB."""


@dataclass(frozen=True)
class Change:
    """What the network changes in a picture.

    Attributes:
        amount: PSNR between the picture and its faithful estimate, in dB.
        spread: how evenly the change is spread over the detail: in squares around each pixel, the mean square of the
            change over the variance of the picture, both of luma; the median of all squares with detail, in dB.
    """

    amount: float
    spread: float

    @property
    def damage(self) -> float:
        """The probability that the picture is damaged: that the estimate is nearer to the clean picture."""
        odds = CONSTANT + AMOUNT * self.amount + SPREAD * self.spread
        return 1 / (1 + math.exp(-min(max(odds, -50.0), 50.0)))

    @property
    def trust(self) -> float:
        """How much of the change should be made, in [0, 1]."""
        return trust_in(self.amount, self.damage)


NO_CHANGE = Change(math.inf, -math.inf)


def trust_in(amount: float, damage: float) -> float:
    """Returns how much of a change should be made, in [0, 1].

    All of it in damaged pictures, and so much in others that they stay close to what they were: a share t of a change
    moves its PSNR by 20 log₁₀ t dB.  Arguments: `amount` and `damage` of a `Change`.
    """
    touched = min(max((CLEAN - amount) / (CLEAN - TOUCHED), 0.0), 1.0)
    harmless = min(10 ** ((amount - KEPT) / 20), 1.0)
    return touched * (damage + (1 - damage) * harmless)


def change_by(pixels: np.ndarray, estimate: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Returns what the network would change; for pictures that are too small to judge, nothing.

    Arguments: `pixels` of a picture (height, width, 3), uint8, uint16 or float32; `estimate` gives the faithful
    estimate of a part of it, both float32 in [0, 1].
    """
    before = [as_float(pixels[part]) for part in _windows(pixels)]
    return _change(before, [estimate(window) for window in before])


def change_between(pixels: np.ndarray, estimate: np.ndarray) -> Change:
    """Returns what a faithful estimate changes; for pictures that are too small to judge, nothing.

    Arguments: `pixels` of the picture as above; `estimate`, float32 of that shape in [0, 1].
    """
    parts = _windows(pixels)
    return _change([as_float(pixels[part]) for part in parts], [estimate[part] for part in parts])


def _change(before: list[np.ndarray], after: list[np.ndarray]) -> Change:
    """The change between windows of a picture and their estimates, float32 in [0, 1]."""
    if not before:
        return NO_CHANGE
    pairs = list(zip(before, after, strict=True))
    error = float(np.mean([np.mean(np.square(x - y)) for x, y in pairs]))
    ratios = np.concatenate([_ratios(luma(x), luma(y)) for x, y in pairs])
    spread = float(np.median(ratios)) if len(ratios) >= LEAST else 0.0
    return Change(-_decibels(max(error, 1e-10)), _decibels(max(spread, 1e-5)))


def _ratios(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """In squares with detail, the mean square of the change over the variance of what was there before."""
    variance = _means(np.square(before)) - np.square(_means(before))
    detailed = variance > FLAT
    return _means(np.square(after - before))[detailed] / variance[detailed]


def _decibels(power: float) -> float:
    return 10 * math.log10(power)


def _means(plane: np.ndarray) -> np.ndarray:
    """The means of all squares of AROUND pixels a side that lie within a plane, float64."""
    sums = plane.astype(np.float64)
    for axis in (0, 1):
        sums = window_sums(sums, AROUND, axis)
    return sums / AROUND**2


def _windows(pixels: np.ndarray) -> list[tuple[slice, slice]]:
    """Windows spread over a picture on its grid of MCUs."""
    if min(pixels.shape[:2]) < SMALLEST:
        return []
    rows, columns = (_starts(length) for length in pixels.shape[:2])
    return [np.s_[top : top + SIDE, left : left + SIDE] for top in rows for left in columns]


def _starts(length: int) -> list[int]:
    count = min(max(length // SIDE, 1), ALONG)
    return [int(start) // MCU * MCU for start in np.linspace(0, max(length - SIDE, 0), count)]
