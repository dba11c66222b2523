"""Restores an enlarged picture in the size that it had when it was compressed."""

from dataclasses import replace

import numpy as np

from driftrec.jpeg import Enlargement, enlarge, shrink
from driftrec.restoration.estimator import Estimate, Estimator


def estimate_before(pixels: np.ndarray, enlargement: Enlargement, estimator: Estimator) -> Estimate:
    """Returns the restoration of an enlarged picture.

    The picture as it was before is restored, and what that changes is enlarged as the picture was and added to it.

    Arguments: `pixels`, float32 (height, width, 3) in [0, 1]; how they were enlarged; `estimator`, whose previews get
    the size of `pixels`.
    """
    size, kernel = enlargement.after, enlargement.kernel
    before = shrink(pixels, enlargement.before, kernel).clip(0, 1)

    def after(restored: np.ndarray) -> np.ndarray:
        return (pixels + enlarge(restored - before, size, kernel)).clip(0, 1)

    estimate = estimator.showing(after).estimate(before)
    deviation = estimate.deviation
    if deviation is not None:
        deviation = enlarge(deviation, size, kernel).clip(0)  # an approximation: it ignores correlations
    return replace(estimate, pixels=after(estimate.pixels), deviation=deviation)
