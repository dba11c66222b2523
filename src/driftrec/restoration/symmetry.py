"""Averages restorations over the symmetries of the square: a rotated or mirrored JPEG is still a JPEG.

Blocks are square and decoders treat left and right alike, so the estimate of a rotated picture, rotated back, is
another estimate of the same picture with different errors.  Their mean is closer to the truth (the "geometric
self-ensemble" of Timofte et al. 2016, arXiv 1511.02228).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

VIEWS = (1, 2, 4, 8)
"""Numbers of views that can be averaged: the orders of subgroups of the symmetries, so no view is preferred."""


def averaged(estimate: Callable[[Image], Image], image: Image, views: int) -> Image:
    """Returns the mean of `estimate` over a number of `views` of an image (…, height, width), each transformed back.

    `estimate` must keep shapes.  Two views are the image and the image rotated by 180°; four add the mirror images of
    these, eight also the transposes of all four.

    Raises:
        ValueError: another number is given.
    """
    if views not in VIEWS:
        raise ValueError(f"views must be 1, 2, 4 or 8, got {views}")
    total = estimate(image)
    for view in range(1, views):
        total = total + _turned(estimate(np.ascontiguousarray(_turned(image, view))), view, back=True)
    return total if views == 1 else total / np.float32(views)


def _turned(image: Image, view: int, *, back: bool = False) -> Image:
    """View 0 to 7: bit 0 rotates by 180°, bit 1 mirrors left and right, bit 2 transposes first."""
    if view & 4 and not back:
        image = image.swapaxes(-1, -2)
    if view & 1:
        image = image[..., ::-1, ::-1]
    if view & 2:
        image = image[..., ::-1]
    return image.swapaxes(-1, -2) if view & 4 and back else image
