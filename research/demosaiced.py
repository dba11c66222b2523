"""What a camera makes of a scene: its sensor sees one colour at each pixel, and the others are interpolated.

Training pictures were reduced in size, so their chroma is as sharp as their luma.  That of pictures as cameras store
them is not, which matters to what sharpens chroma.
"""

import numpy as np
from scipy.ndimage import convolve

from driftrec.evaluate.corruptions import Pixels

GREEN = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
"""Interpolates what is known at every other pixel, as on a chessboard."""

OTHER = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
"""Interpolates what is known in every other row and column."""


def demosaiced(pixels: Pixels) -> Pixels:
    """Returns a picture as from a Bayer sensor (red, green; green, blue): green is interpolated bilinearly, and so are
    the differences of the others from it.

    Arguments: RGB, uint8 (height, width, 3).
    """
    seen = np.zeros(pixels.shape, bool)
    seen[0::2, 0::2, 0] = seen[0::2, 1::2, 1] = seen[1::2, 0::2, 1] = seen[1::2, 1::2, 2] = True
    levels = pixels.astype(np.float64)
    green = convolve(levels[..., 1] * seen[..., 1], GREEN, mode="mirror")
    channels = [green, green, green]
    for channel in (0, 2):
        difference = (levels[..., channel] - green) * seen[..., channel]
        channels[channel] = green + convolve(difference, OTHER, mode="mirror")
    return np.rint(np.stack(channels, axis=2).clip(0, 255)).astype(np.uint8)
