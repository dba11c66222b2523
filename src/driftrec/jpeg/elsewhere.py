"""Which parts of a picture a compression did not touch: frames, captions and whatever else was added after it.

If a block was quantised with the steps Q, its coefficients are c = m Q + e with normal errors e.  The variance of e is
found from the coefficients that do not round to zero, by a quantile that holds while most of them were quantised.  The
evidence for a block is then the sum of log-likelihood ratios,

    m ≠ 0:  ln Σ_k Q N(e + k Q; σ²)          against values that are as likely anywhere between two multiples,
    m = 0:  min(FREE − e²/2σ², 0)            since a coefficient near zero says nothing, and one farther away objects.
"""

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane

QUANTILE, NORMAL = 0.3, 0.3853
"""The quantile of |e| that gives σ, and its value for σ = 1."""

FEWEST = 40
"""Minimum number of coefficients that do not round to zero for the variance of a frequency.  The others take the median
of those that are known."""

BLURRED = 0.34
"""From this σ/Q on, multiples cannot be told from values between them."""

ROUNDING = 0.1
"""Variance of e, in squared levels, that rounded pixels cause; added to the variance found."""

FREE = 4.5
"""As above: up to three σ around zero are no evidence."""

LEAST = -4.0
"""Lower limit of what one coefficient says: its error may be of another kind."""

ENOUGH = -2.0
"""Blocks below this mean evidence of themselves and their eight neighbours were not quantised."""

DECISIVE, INDIFFERENT = 4.0, 0.1
"""Maximum of what one block says about the rectangle that was quantised, and what every block says against it, so that
flat surroundings do not belong to it."""

OBJECTING = -1.75
"""Maximum mean evidence of the blocks around that rectangle that say something: real surroundings object, and weak
evidence all over a picture varies around zero."""

COARSE = 96
"""Rectangles are compared on a grid of at most this many squares of blocks along a side."""


def elsewhere(coefficients: Plane, table: NDArray[np.int_], quantised: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tells which blocks were not quantised with a table.

    Arguments: coefficients in levels, (8, 8, rows, columns); the table (8, 8); the frequencies to look at, (8, 8).

    Returns booleans (rows, columns), all false if the multiples cannot be told from other values.
    """
    evidence = _evidence(coefficients, table, quantised)
    rows, columns = evidence.shape
    around = np.pad(evidence, 1)
    total = sum(around[v : v + rows, u : u + columns] for v in range(3) for u in range(3))
    return np.asarray(total < 9 * ENOUGH)


def quantised_part(
    coefficients: Plane, table: NDArray[np.int_], quantised: NDArray[np.bool_]
) -> tuple[slice, slice] | None:
    """Finds the rectangle that holds a picture which was quantised with a table, in a larger one such as a screenshot.

    It is the rectangle with the largest sum of the evidence of its blocks, each of which counts for little alone:
    clipped blocks inside are no multiples either.  The blocks around it together must say that they were not quantised.

    Arguments: as for `elsewhere`.

    Returns the rows and columns of its blocks; None if the evidence speaks for no rectangle.
    """
    evidence = _evidence(coefficients, table, quantised).clip(-DECISIVE, DECISIVE)
    rows, columns = evidence.shape
    side = max(1, -(-max(rows, columns) // COARSE))
    coarse = np.add.reduceat(
        np.add.reduceat(evidence - INDIFFERENT, np.arange(0, rows, side), 0), np.arange(0, columns, side), 1
    )
    sums = np.pad(coarse.cumsum(axis=0), ((1, 0), (0, 0)))
    best, part = 0.0, None
    for top in range(len(coarse)):
        strips = np.pad((sums[top + 1 :] - sums[top]).cumsum(axis=1), ((0, 0), (1, 0)))  # (bottom, end)
        gains = strips - np.minimum.accumulate(strips, axis=1)
        if (most := float(gains.max())) > best:
            height, end = np.unravel_index(int(gains.argmax()), gains.shape)
            start = int(strips[height, : end + 1].argmin())
            best, part = most, (slice(top * side, (top + int(height) + 1) * side), slice(start * side, int(end) * side))
    if part is None:
        return None
    around = np.ones(evidence.shape, bool)
    around[part] = False
    telling = evidence[around & (np.abs(evidence) > INDIFFERENT)]
    return part if not telling.size or telling.mean() < OBJECTING else None


def _evidence(coefficients: Plane, table: NDArray[np.int_], quantised: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The evidence that blocks were quantised with a table; arguments as for `elsewhere`."""
    looked_at = quantised.copy()
    looked_at[0, 0] = False  # the mean of a block is what filters and edits change first
    steps = table.astype(np.float32)[..., None, None]
    multiples = np.rint(coefficients / steps)
    errors = coefficients - steps * multiples
    deviations = _deviations(errors, multiples != 0, table, looked_at)
    evidence = np.zeros(coefficients.shape[2:], np.float32)
    for u, v in zip(*np.nonzero(np.isfinite(deviations)), strict=True):
        step, double = steps[u, v, 0, 0], np.float32(2 * deviations[u, v] ** 2)
        density = sum(np.exp(-np.square(errors[u, v] + k * step) / double) for k in (-1, 0, 1))
        ratio = np.log(density * step / np.sqrt(np.pi * double) + np.float32(np.exp(LEAST)))
        objection = (FREE - np.square(errors[u, v]) / double).clip(LEAST, 0)
        evidence += np.where(multiples[u, v] == 0, objection, ratio)
    return evidence


def _deviations(
    errors: Plane, telling: NDArray[np.bool_], table: NDArray[np.int_], looked_at: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """σ of each frequency, (8, 8); infinite where it is not looked at or too large."""
    deviations = np.full(table.shape, np.nan)
    for u, v in zip(*np.nonzero(looked_at), strict=True):
        some = errors[u, v][telling[u, v]]
        if some.size >= FEWEST:
            deviations[u, v] = np.quantile(np.abs(some), QUANTILE) / NORMAL
    known = deviations[~np.isnan(deviations)]
    if not known.size:
        return np.full(table.shape, np.inf)
    deviations = np.sqrt(np.where(np.isnan(deviations), np.median(known), deviations) ** 2 + ROUNDING)
    return np.where(looked_at & (deviations < BLURRED * table), deviations, np.inf)
