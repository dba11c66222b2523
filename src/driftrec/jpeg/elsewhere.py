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


def elsewhere(coefficients: Plane, table: NDArray[np.int_], quantised: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tells which blocks were not quantised with a table.

    Arguments: coefficients in levels, (8, 8, rows, columns); the table (8, 8); the frequencies to look at, (8, 8).

    Returns booleans (rows, columns), all false if the multiples cannot be told from other values.
    """
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
    rows, columns = coefficients.shape[2:]
    around = np.pad(evidence, 1)
    total = sum(around[v : v + rows, u : u + columns] for v in range(3) for u in range(3))
    return np.asarray(total < 9 * ENOUGH)


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
