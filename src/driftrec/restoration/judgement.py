"""Judges by the network how damaged a picture is of which its file says little.

A picture that was resized, edited or converted after its compression shows no grid of blocks any more, and a file of
high quality may hold a picture that was bad before.  The network knows both: it changes little where nothing is lost.
What it would change is looked at in a few windows, so that large pictures that are left alone cost little.

It also changes clean pictures of dense texture, though less than badly damaged ones.  Where a picture may be one of
these, so much of the change is made that the result stays close to it.
"""

import math

import numpy as np

from driftrec.jpeg.tables import MCU
from driftrec.picture import as_float
from driftrec.restoration.estimator import Estimator

SIDE, ALONG = 192, 3
"""Side of the windows in pixels, and their maximum number along a side of the picture."""

SMALLEST = 64
"""Pictures with fewer pixels along a side are too small to judge."""

TOUCHED, CLEAN = 46.0, 47.0
"""PSNR between a picture and its faithful estimate, in dB: between the two, a picture may be damaged a little; from the
second on, it is clean."""

KEPT = 45.0
"""A picture that may be clean is changed by no more than this, PSNR in dB."""

DAMAGED, TEXTURED = 36.0, 39.0
"""Up to the first PSNR, a picture is damaged.  The network changes some clean pictures of dense texture as much as the
second.  All five were chosen by research/evidence.py."""


def trust_by_change(pixels: np.ndarray, estimator: Estimator) -> float:
    """Returns the trust that the network's estimate deserves because of what it would change, in [0, 1].

    Arguments: `pixels` of a picture (height, width, 3), uint8, uint16 or float32; `estimator` of one faithful view.
    """
    if min(pixels.shape[:2]) < SMALLEST:
        return 0.0
    return trust_in(change(pixels, estimator))


def trust_in(change: float) -> float:
    """Returns the trust in an estimate that is `change` dB from the picture, in [0, 1].

    A share t of a change moves it by 20 log₁₀ t dB.
    """
    possible = _share(CLEAN - change, CLEAN - TOUCHED) * min(10 ** ((change - KEPT) / 20), 1.0)
    certain = _share(TEXTURED - change, TEXTURED - DAMAGED)
    return certain + (1 - certain) * possible


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0)


def change(pixels: np.ndarray, estimator: Estimator) -> float:
    """Returns the PSNR between windows of a picture and their estimates, in dB; arguments as for `trust_by_change`."""
    errors = [_error(as_float(window), estimator) for window in _windows(pixels)]
    return -10 * math.log10(max(float(np.mean(errors)), 1e-10))


def _error(window: np.ndarray, estimator: Estimator) -> float:
    """The mean squared difference between a window, float32 in [0, 1], and its estimate."""
    return float(np.mean(np.square(estimator.estimate(window).pixels - window)))


def _windows(pixels: np.ndarray) -> list[np.ndarray]:
    """Windows spread over a picture on its grid of MCUs."""
    rows, columns = (_starts(length) for length in pixels.shape[:2])
    return [pixels[top : top + SIDE, left : left + SIDE] for top in rows for left in columns]


def _starts(length: int) -> list[int]:
    count = min(max(length // SIDE, 1), ALONG)
    return [int(start) // MCU * MCU for start in np.linspace(0, max(length - SIDE, 0), count)]
