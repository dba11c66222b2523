"""Time grids: t_0 > t_1 > … > t_{N−1}, as tuples of floats.

A sampler evaluates its denoiser once at each time, and the estimate at the last one is the result: N times are N
network evaluations, N − 1 steps between neighbours, and no step after the last.  A step takes its size from its two
times, so there is no separate step size to disagree with the grid, and t = 0 is never needed.

All grids have their first time at `start` and their last at `end`, 0 < end < start ≤ 1; a grid of a single time is
(start,).  They differ in the clock that they divide evenly.  All raise ValueError for steps < 1, or when `start` and
`end` are not so.
"""

from collections.abc import Sequence

import numpy as np

from driftrec.diffusion.process import Process

START, END = 1.0, 0.03
"""The paper's range of times (DriftRec, arXiv 2211.06757)."""


def uniform_time(steps: int, *, start: float = START, end: float = END) -> tuple[float, ...]:
    """`steps` times at equal distances: the paper's grid."""
    _check(steps, start, end)
    return _between(start, np.linspace(start, end, steps)[1:-1], end, steps)


def uniform_log_snr(process: Process, steps: int, *, start: float = START, end: float = END) -> tuple[float, ...]:
    """`steps` times at equal distances in log-SNR λ, the natural clock of the process (E5)."""
    _check(steps, start, end)
    log_snrs = np.linspace(process.log_snr(start), process.log_snr(end), steps)
    return _between(start, process.time_of_log_snr(log_snrs[1:-1]), end, steps)


def karras(
    process: Process, steps: int, *, rho: float = 7.0, start: float = START, end: float = END
) -> tuple[float, ...]:
    """`steps` times at equal distances in s^(1/ρ), s the noise-to-scale ratio (Karras et al. 2022, equation 5).

    ρ = 1 is uniform in s; as ρ → ∞ the grid approaches `uniform_log_snr`.  Raises ValueError unless 1 ≤ rho < ∞.
    """
    _check(steps, start, end)
    if not 1 <= rho < np.inf:
        raise ValueError(f"rho must be at least 1 and finite, got {rho}")
    roots = np.linspace(process.ratio(start) ** (1 / rho), process.ratio(end) ** (1 / rho), steps)
    return _between(start, process.time_of_ratio(roots[1:-1] ** rho), end, steps)


def _between(start: float, inner: Sequence[float] | np.ndarray, end: float, steps: int) -> tuple[float, ...]:
    """The grid with its ends exactly as they were given, not as they come back from a clock."""
    return tuple(float(t) for t in (start, *inner, end)[:steps])


def _check(steps: int, start: float, end: float) -> None:
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    if not 0 < end < start <= 1:
        raise ValueError(f"times must satisfy 0 < end < start ≤ 1, got start {start} and end {end}")
