"""How much of its texture a natural restoration x̂ keeps: a share of it where there was some, none in flat areas.

    x̂ ← x̂_f + t w (x̂ − x̂_f)                                                                       (E28)

x̂_f is the faithful estimate.  A share t below 1 is closer to the original, since texture is guessed.  The weight w is 0
in flat areas: paper, sky and areas of one colour had no grain before their compression, so there is none to restore.
"""

import numpy as np

from driftrec.restoration.windows import window_sums

SIDE = 9
"""Side of the windows in which texture is measured, in pixels."""

FLAT, TEXTURED = 0.3, 1.0
"""Standard deviations of the faithful estimate in a window, in levels: up to the first, the restoration is the faithful
estimate; from the second, it stays as it is.  On held-out photographs these leave LPIPS as it is."""

ROWS = 256
"""Rows that are worked on at a time, so that memory does not grow with the picture."""


def weigh_texture(restored: np.ndarray, faithful: np.ndarray, share: float) -> None:
    """Applies (E28) to a natural restoration, in place.

    Arguments: both pictures float32 (1, 3, height, width), 1 for white; the share t in [0, 1].
    """
    height, reach = restored.shape[2], SIDE // 2
    for top in range(0, height, ROWS):
        bottom = min(top + ROWS, height)
        first, last = max(top - reach, 0), min(bottom + reach, height)
        weight = _textured(faithful[0, :, first:last])[top - first : bottom - first]
        old, new = faithful[0, :, top:bottom], restored[0, :, top:bottom]
        new -= old
        new *= np.float32(share) * weight
        new += old


def _textured(faithful: np.ndarray) -> np.ndarray:
    """0 where a picture (3, height, width) is flat, 1 where it is not: float32 (height, width)."""
    levels = 255 * (faithful - faithful.mean(axis=(1, 2), keepdims=True))  # around 0, for precision
    variance = (_means(levels * levels) - _means(levels) ** 2).max(axis=0)
    deviation = np.sqrt(variance.clip(0))
    return ((deviation - FLAT) / (TEXTURED - FLAT)).clip(0, 1)


def _means(values: np.ndarray) -> np.ndarray:
    """Means over the windows around each pixel, (3, height, width); the picture is mirrored at its edges."""
    reach = SIDE // 2
    values = np.pad(values, ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    for axis in (1, 2):
        values = window_sums(values, SIDE, axis)
    return values / np.float32(SIDE**2)
