"""Means that say how sure they are, and comparisons that use the pairing of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

RESAMPLES = 9999
SEED = 20221113
CHUNK = 1000


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
    """The mean with its percentile bootstrap interval over pictures (Efron 1979); the same for the same values.

    Infinite values (PSNR of equal pictures) give an infinite mean.  Raises ValueError when there are none.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise ValueError("there is no mean of no values")
    if x.size == 1 or not np.isfinite(x).all():
        value = float(x.mean())
        return Mean(value, value, value, x.size)
    low, high = np.quantile(_resampled_means(x), (0.025, 0.975))
    return Mean(float(x.mean()), float(low), float(high), x.size)


def difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """How two methods differ on the same pictures, in the same order.

    p is the share of sign flips of the differences whose mean is as far from 0, the observed one included (Fisher's
    randomisation test): exact for 13 pictures or fewer, else by 9999 random flips.  Raises ValueError for sequences of
    different lengths, or empty ones.
    """
    if len(a) != len(b):
        raise ValueError(f"only equal numbers of pictures can be paired, not {len(a)} and {len(b)}")
    d = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    d = d[np.isfinite(d)]
    mean = mean_of(d.tolist())
    flips = _sign_flips(d.size)
    extreme = np.abs(flips @ d) >= abs(d.sum()) * (1 - 1e-12)
    exact = len(flips) == 2**d.size
    return Difference(mean, float(extreme.mean() if exact else (extreme.sum() + 1) / (len(flips) + 1)))


def _resampled_means(x: NDArray[np.float64]) -> NDArray[np.float64]:
    rng = default_rng(SEED)
    rows = max(1, min(RESAMPLES, CHUNK * 1000 // x.size))
    counts = [min(rows, RESAMPLES - done) for done in range(0, RESAMPLES, rows)]
    return np.concatenate([x[rng.integers(0, x.size, (n, x.size))].mean(axis=1) for n in counts])


def _sign_flips(count: int) -> NDArray[np.float64]:
    """All 2^count sign vectors, or RESAMPLES random ones where these are fewer."""
    if 2**count <= RESAMPLES:
        return 1.0 - 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
    return default_rng(SEED).choice([-1.0, 1.0], (RESAMPLES, count))
