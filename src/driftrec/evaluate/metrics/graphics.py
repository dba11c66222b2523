"""What people notice first in restored text, interfaces and drawings: flat areas, white paper, and black ink.

Each measure looks at the places where the clean picture is flat, white or black, and is None where there are too few.
"""

import numpy as np
from numpy.typing import NDArray

from driftrec.evaluate.corruptions import Pixels

TILE = 16
"""Side of the tiles that are searched for flat areas, in pixels: the size of a macroblock of a 4:2:0 JPEG."""

WHITE_LEVEL, BLACK_LEVEL = 250, 40
"""Pixels with no channel below the first are white, and those with none above the second are black."""

WHITE_TOLERANCE = 5
"""Levels by which a white pixel may be off."""

FEWEST = 64
"""Fewest white or black pixels that are measured."""


def unevenness(restored: Pixels, clean: Pixels) -> float | None:
    """Standard deviation, in levels, within tiles of 16×16 pixels that have a single colour in the clean picture.

    The mean over tiles of the root mean square over their pixels and channels, each channel around its own mean.
    """
    spread = np.ptp(_tiles(clean), axis=1)
    flat = (spread == 0).all(axis=-1)
    if not flat.any():
        return None
    return float(np.sqrt(_tiles(restored)[flat].astype(float).var(axis=1).mean(axis=-1)).mean())


def off_white(restored: Pixels, clean: Pixels) -> float | None:
    """Share of the white pixels, in percent, that have a channel which differs by more than 5 levels."""
    white = _rgb(clean).min(axis=-1) >= WHITE_LEVEL
    if white.sum() < FEWEST:
        return None
    change = np.abs(_rgb(restored)[white].astype(int) - _rgb(clean)[white])
    return float(100 * (change.max(axis=-1) > WHITE_TOLERANCE).mean())


def ink_chroma(restored: Pixels, clean: Pixels) -> float | None:
    """Mean distance from gray, √(Cb² + Cr²) in levels (JFIF), of pixels that are gray and dark in the clean picture."""
    rgb = _rgb(clean)
    ink = (rgb.max(axis=-1) <= BLACK_LEVEL) & (np.ptp(rgb, axis=-1) == 0)
    if ink.sum() < FEWEST:
        return None
    red, green, blue = _rgb(restored)[ink].astype(float).T
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return float(np.hypot((blue - luma) / 1.772, (red - luma) / 1.402).mean())


def _rgb(pixels: Pixels) -> Pixels:
    return np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], 3))


def _tiles(pixels: Pixels) -> NDArray[np.uint8]:
    """Whole tiles from the top left: (tiles, pixels of a tile, 3)."""
    rows, columns = (n // TILE for n in pixels.shape[:2])
    whole = _rgb(pixels)[: rows * TILE, : columns * TILE]
    return whole.reshape(rows, TILE, columns, TILE, 3).swapaxes(1, 2).reshape(rows * columns, TILE * TILE, 3)
