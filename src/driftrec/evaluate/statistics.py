"""Means with confidence intervals, and paired comparisons of methods."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng
from scipy.stats import bootstrap, permutation_test

RESAMPLES = 9999
SEED = 20221113
BATCH = 1000


@dataclass(frozen=True)
class Mean:
    """A mean over `count` pictures with its 95 % bootstrap interval [low, high]."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Difference:
    """Mean of a − b over pictures, its 95 % bootstrap interval, and the two-sided p of a sign-flip test."""

    mean: Mean
    p: float


def mean_of(values: Sequence[float]) -> Mean:
    """The mean with its percentile bootstrap interval over pictures (Efron 1979); deterministic.

    Infinite values (PSNR of equal pictures) give an infinite mean.  Raises ValueError if there are no values.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise ValueError("there is no mean of no values")
    value = float(x.mean())
    if x.size == 1 or not np.isfinite(x).all():
        return Mean(value, value, value, x.size)
    drawn = bootstrap((x,), np.mean, n_resamples=RESAMPLES, batch=BATCH, method="percentile", rng=default_rng(SEED))
    return Mean(value, float(drawn.confidence_interval.low), float(drawn.confidence_interval.high), x.size)


def ratio_of(a: Sequence[float], b: Sequence[float]) -> Mean:
    """The mean of a over the mean of b, with its percentile bootstrap interval over pictures, drawn in pairs.

    Equal infinite means have the ratio 1.  Raises ValueError if the sequences are empty or differ in length.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.size == 0 or x.size != y.size:
        raise ValueError(f"only equal numbers of values have a ratio, not {x.size} and {y.size}")
    value = 1.0 if x.mean() == y.mean() else float(x.mean() / y.mean())
    if x.size == 1 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return Mean(value, value, value, x.size)
    picked = default_rng(SEED).integers(0, x.size, (RESAMPLES, x.size))
    ratios = x[picked].mean(axis=1) / y[picked].mean(axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return Mean(value, float(low), float(high), x.size)


def difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """How two methods differ on the same pictures, in the same order.

    p is the share of sign flips of the differences whose mean is as far from 0, the observed one included (Fisher's
    randomisation test): exact for 13 pictures or fewer, else by 9999 random flips.  Raises ValueError if the
    sequences are empty or differ in length.
    """
    if len(a) != len(b):
        raise ValueError(f"only equal numbers of pictures can be paired, not {len(a)} and {len(b)}")
    with np.errstate(invalid="ignore"):  # the PSNRs of two equal pictures are infinite, and do not count
        d = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    d = d[np.isfinite(d)]
    mean = mean_of(d.tolist())
    if d.size == 1:
        return Difference(mean, 1.0)  # either sign is as far from 0
    options = {"permutation_type": "samples", "alternative": "greater", "n_resamples": RESAMPLES, "batch": BATCH}
    flipped = permutation_test((d,), _distance, **options, rng=default_rng(SEED))
    return Difference(mean, float(flipped.pvalue))


def _distance(d: np.ndarray, axis: int) -> np.ndarray:
    """Distance of the mean from 0."""
    return np.abs(d.mean(axis=axis))
