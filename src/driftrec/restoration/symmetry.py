"""The symmetries of the square: a JPEG that is turned or mirrored is a JPEG, so its restorations can be averaged.

Blocks are square and decoders treat left and right alike, so the estimate of a turned picture, turned back, is another
estimate of the same thing, with errors of its own; the mean of them is closer to the truth (the "geometric
self-ensemble" of Timofte et al. 2016, arXiv 1511.02228).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

VIEWS = (1, 2, 4, 8)
"""How many views can be averaged: subgroups of the symmetries, so that none is preferred."""


def averaged(estimate: Callable[[Image], Image], image: Image, views: int) -> Image:
    """The mean of `estimate` over so many views of an image (…, height, width), each turned back.

    `estimate` keeps shapes.  Two views are the image and its half turn, four have the mirrored ones too, eight the
    transposed ones.  Raises ValueError for other numbers.
    """
    if views not in VIEWS:
        raise ValueError(f"views must be 1, 2, 4 or 8, got {views}")
    total = estimate(image)
    for view in range(1, views):
        total = total + _turned(estimate(np.ascontiguousarray(_turned(image, view))), view, back=True)
    return total if views == 1 else total / np.float32(views)


def _turned(image: Image, view: int, *, back: bool = False) -> Image:
    """View 0 to 7: bit 0 turns by half a turn, bit 1 mirrors left and right, bit 2 transposes first."""
    if view & 4 and not back:
        image = image.swapaxes(-1, -2)
    if view & 1:
        image = image[..., ::-1, ::-1]
    if view & 2:
        image = image[..., ::-1]
    return image.swapaxes(-1, -2) if view & 4 and back else image
