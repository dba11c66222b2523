"""Restores a resized picture in the size that it had when it was compressed."""

from dataclasses import replace

import numpy as np

from driftrec.jpeg import Resizing, recovered, resized, unresized
from driftrec.restoration.estimator import Estimate, Estimator


def estimate_before(pixels: np.ndarray, resizing: Resizing, estimator: Estimator, *, lossy: bool) -> Estimate:
    """Returns the restoration of a resized picture.

    The picture as it was before is computed and restored, and what that changes is resized as the picture was and added
    to it.  If the resized picture was compressed again, its coefficients are first drawn to the multiples that the
    earlier compression left (`driftrec.jpeg.recovered`).  A restoration of an enlarged picture is then resized itself,
    without the losses of the later compression, and so is a faithful one of a reduced picture, which is averaged with
    the restoration in the present size: each is better where the other one lacks information.

    Arguments: `pixels`, float32 (height, width, 3) in [0, 1]; how they were resized; `estimator`, whose previews get
    the size of `pixels`; `lossy`, whether something was lost after the resizing.
    """
    size, kernel = resizing.after, resizing.kernel
    before = unresized(pixels, resizing.before, kernel, lossy=lossy).clip(0, 1)
    if lossy:
        before = recovered(before, resizing.trace)
    alone = lossy and (estimator.faithful or resizing.factor > 1)

    def after(restored: np.ndarray) -> np.ndarray:
        if alone:
            return resized(restored, size, kernel).clip(0, 1)
        return (pixels + resized(restored - before, size, kernel)).clip(0, 1)

    estimate = estimator.showing(after).estimate(before)
    restored, evaluations = after(estimate.pixels), estimate.evaluations
    if alone and resizing.factor < 1:
        present = estimator.silent().estimate(pixels)
        restored, evaluations = (restored + present.pixels) / 2, evaluations + present.evaluations
    deviation = estimate.deviation
    if deviation is not None:
        deviation = resized(deviation, size, kernel).clip(0)  # an approximation: it ignores correlations
    return replace(estimate, pixels=restored, evaluations=evaluations, deviation=deviation)
