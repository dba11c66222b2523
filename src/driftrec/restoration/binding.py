"""How firmly a file's cells bind an estimate, by the estimate's own evidence.

The network's estimate of a picture that was compressed once leaves few of its cells.  If it leaves more, something
happened before the last compression (an earlier JPEG, resizing, sharpening, blurring), and the clean picture need not
lie in the cells.  How many are few depends on the quality and on the picture: where more coefficients are not zero, the
estimate is less certain, too.
"""

import math

import numpy as np

from driftrec.jpeg import Cells

OUTSIDE, QUALITY, NONZERO, CONSTANT = -1.78, 0.012, 2.47, -2.31
"""Weights of a logistic regression on the logarithm of the share of the estimate's coefficients outside their cells,
the file's quality, and the logarithm of the share of its coefficients that are not zero.  Fitted by
research/evidence.py."""

COARSE = 20
"""Below this quality, cells are so wide that they hold edited pictures, too.  So they do where an earlier compression
on the same grid is known."""

LEAST_OUTSIDE, LEAST_NONZERO = 3e-4, 1e-3
"""Added to the shares, whose logarithms would be infinite at 0."""


def certainty(estimate: np.ndarray, cells: Cells) -> float:
    """Returns how certain it is that the clean picture lies in the cells, in [0, 1].

    Arguments: `estimate` of the network alone, float32 (height, width, 3) in [0, 1]; `cells` of the file.
    """
    quality, _ = cells.file.quality
    if cells.earlier is not None or quality < COARSE:
        return 1.0
    outside = 1 - cells.contains(estimate, tolerance=0)
    parts = [part.coefficients for part in cells.file.components]
    nonzero = sum(np.count_nonzero(part) for part in parts) / sum(part.size for part in parts)
    odds = (
        CONSTANT
        + OUTSIDE * math.log(outside + LEAST_OUTSIDE)
        + QUALITY * quality
        + NONZERO * math.log(nonzero + LEAST_NONZERO)
    )
    return 1 / (1 + math.exp(-odds))


def held(estimate: np.ndarray, cells: Cells, certain: float = 1.0) -> np.ndarray:
    """Returns an estimate drawn towards the likely parts of the cells, in proportion to the certainty of the cells.

    Arguments: as for `certainty`, and its result.
    """
    if certain < NONE:
        return estimate
    bound = cells.improve(estimate)
    if certain > FULL:
        return bound
    bound -= estimate
    bound *= np.float32(certain)
    bound += estimate
    return bound


NONE, FULL = 0.1, 0.9
"""Certainties up to which the cells do not bind at all, and from which they bind fully."""


def within(sample: np.ndarray, cells: Cells) -> np.ndarray:
    """Returns the picture in the cells that is nearest to a sample; after two compressions, in their likely parts.

    The likely parts of other cells are those of means, and would make samples alike.  Arguments: as for `held`.
    """
    return cells.project(sample) if cells.earlier is None else cells.improve(sample)
