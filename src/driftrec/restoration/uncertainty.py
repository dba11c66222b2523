"""Where the model is guessing: the deviation of several samples, as data and as a picture.

The deviation of natural restorations is not their error, which is several times as large (docs/science/theory.md).
"""

import numpy as np

from driftrec.picture import Picture

FULL_SCALE = 0.06
"""The deviation that the map shows brightest, in image units (15 of 255 levels).  It is the same for all pictures, so
maps can be compared."""

COLOURS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]]) / 255
"""Colours of the map from no deviation to FULL_SCALE, equally spaced; dark to bright, so readable without colour."""


def deviation_data(deviation: np.ndarray, like: Picture) -> Picture:
    """Returns the deviation as 16-bit gray: a value of 65535 stands for 1, the difference between black and white.

    Arguments: `deviation`, float32 (height, width); `like`, the picture whose orientation it takes.
    """
    levels = np.rint(deviation.clip(0, 1) * 65535).astype(np.uint16)
    return Picture(np.repeat(levels[..., None], 3, axis=2), gray=True, bit_depth=16, orientation=like.orientation)


def deviation_map(deviation: np.ndarray, like: Picture, full_scale: float = FULL_SCALE) -> Picture:
    """Returns the deviation as a picture, from black (none) to pale yellow (`full_scale` and more).

    Arguments: as above.
    """
    at = (deviation / full_scale).clip(0, 1) * (len(COLOURS) - 1)
    channels = [np.interp(at, range(len(COLOURS)), COLOURS[:, c]) for c in range(3)]
    return Picture(np.stack(channels, axis=2).astype(np.float32), orientation=like.orientation)
