"""Restores a resized picture in the size that it had when it was compressed."""

from dataclasses import replace

import numpy as np

from driftrec.jpeg import Resizing, compressed_part, recovered, resized, unresized
from driftrec.restoration.chroma import known_of_quality
from driftrec.restoration.estimator import Estimate, Estimator


def estimate_before(pixels: np.ndarray, resizing: Resizing, estimator: Estimator, *, lossy: bool) -> Estimate:
    """Returns the restoration of a resized picture.

    The picture as it was before is computed and restored, and what that changes is resized as the picture was and added
    to it.  If the resized picture was compressed again, its coefficients are first drawn to the multiples that the
    earlier compression left (`driftrec.jpeg.recovered`).  A restoration of an enlarged picture is then resized itself,
    without the losses of the later compression, and so is a faithful one of a reduced picture, which is averaged with
    the restoration in the present size: each is better where the other one lacks information.  What was added to the
    picture, such as the windows in a screenshot, is not resized: it stays as it is, or is restored in the present size
    if something was lost later.

    Arguments: `pixels`, float32 (height, width, 3) in [0, 1]; how they were resized; `estimator`, whose previews get
    the size of `pixels`; `lossy`, whether something was lost after the resizing.
    """
    axes, kernel, grid = resizing.axes, resizing.kernel, resizing.trace.shift
    before = unresized(pixels, axes, kernel, lossy=lossy).clip(0, 1)
    own = compressed_part(before, resizing.trace) if resizing.part else None
    if lossy:
        before = recovered(before, resizing.trace)  # which may draw to multiples what is none
    alone = lossy and (estimator.faithful or resizing.factor > 1)
    averaged = alone and resizing.factor < 1
    inside, present = None, None
    if own is not None and not own.all():
        inside = resized(own.astype(np.float32), axes, kernel).clip(0, 1)[..., None]
    if averaged or (lossy and inside is not None):
        present = estimator.silent().estimate(pixels)

    def after(restored: np.ndarray) -> np.ndarray:
        result = resized(restored, axes, kernel) if alone else pixels + resized(restored - before, axes, kernel)
        if inside is not None:
            around = pixels if present is None else present.pixels
            result = around + inside * (result - around)
        return result.clip(0, 1)

    known = known_of_quality(resizing.trace.quality)
    estimate = estimator.knowing(known).showing(after).estimate(before, grid)
    restored, evaluations = after(estimate.pixels), estimate.evaluations
    if present is not None:
        evaluations += present.evaluations
        restored = (restored + present.pixels) / 2 if averaged else restored
    deviation = estimate.deviation
    if deviation is not None:
        deviation = resized(deviation, axes, kernel).clip(0)  # an approximation: it ignores correlations
    return replace(estimate, pixels=restored, evaluations=evaluations, deviation=deviation)
