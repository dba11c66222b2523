"""How far a mean of several restorations may be off, estimated from their deviation, as data and as a picture.

The deviation of natural restorations is several times smaller than their error, and that of samples is a little too
small.  Factors that were measured on held-out pictures correct both (docs/science/samples.md).
"""

import numpy as np

from driftrec.picture import Picture
from driftrec.restoration.options import Options

HOW = ("steps", "sampler", "process", "start", "texture")
"""Options that change how far restorations spread."""

QUALITIES = (10, 20, 40)
"""The JPEG qualities of the factors."""

FACTORS: dict[str, tuple[float, ...]] = {"natural": (8.16, 6.98, 8.41), "sample": (1.46, 1.37, 1.29)}
"""By mode, what deviations are multiplied with so that intervals of 68 % hold the clean picture 68 % of the time; found
by `benchmarks/spread.py` for the default model, with its own steps and sampler.  They are interpolated between the
qualities, and those of the ends hold beyond."""

FULL_SCALE = 0.12
"""The uncertainty that the map shows brightest, in image units (31 of 255 levels).  It is the same for all pictures, so
maps can be compared."""

COLOURS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]]) / 255
"""Colours of the map from no deviation to FULL_SCALE, equally spaced; dark to bright, so readable without colour."""


def factor_for(options: Options, quality: int | None) -> float:
    """Returns what to multiply the deviation of several restorations with.

    Arguments: `options` of the restoration; `quality` of the picture's coarsest JPEG compression, None if unknown.  It
    is 1 where no factor was measured: for other models, unknown qualities and other values of `HOW`.
    """
    usual = Options(mode=options.mode)
    same = all(getattr(options, name) == getattr(usual, name) for name in ("model", *HOW))
    if quality is None or not same or options.mode not in FACTORS:
        return 1.0
    return float(np.interp(quality, QUALITIES, FACTORS[options.mode]))


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
