"""Time grids: t_0 > t_1 > … > t_{N−1}, as tuples of floats.

A sampler evaluates its denoiser once at each time, and the estimate at the last time is the result.  N times therefore
mean N network evaluations and N − 1 steps between neighbours, with no step after the last time.  The two times of a
step determine its size, so no separate step size can contradict the grid, and t = 0 is never needed.

All grids begin at `start` and finish at `end`, 0 < end < start ≤ 1; a grid of a single time is (start,).  They differ
in the clock that they divide evenly.  All raise ValueError if count < 1 or if `start` and `end` violate these bounds.
"""

from collections.abc import Sequence

import numpy as np

from driftrec.diffusion.process import Process

START, END = 1.0, 0.03
"""The paper's range of times (DriftRec, arXiv 2211.06757)."""


def uniform_time(count: int, *, start: float = START, end: float = END) -> tuple[float, ...]:
    """Returns `count` evenly spaced times: the paper's grid."""
    _check(count, start, end)
    return _between(start, np.linspace(start, end, count)[1:-1], end, count)


def uniform_log_snr(process: Process, count: int, *, start: float = START, end: float = END) -> tuple[float, ...]:
    """Returns `count` times evenly spaced in log-SNR λ, the natural clock of the process (E5)."""
    _check(count, start, end)
    log_snrs = np.linspace(process.log_snr(start), process.log_snr(end), count)
    return _between(start, process.time_of_log_snr(log_snrs[1:-1]), end, count)


def _between(start: float, inner: Sequence[float] | np.ndarray, end: float, count: int) -> tuple[float, ...]:
    """Returns the grid with exactly the given ends, free of the rounding errors of a clock."""
    return tuple(float(t) for t in (start, *inner, end)[:count])


def _check(count: int, start: float, end: float) -> None:
    if count < 1:
        raise ValueError(f"a grid needs at least 1 time, got {count}")
    if not 0 < end < start <= 1:
        raise ValueError(f"times must satisfy 0 < end < start ≤ 1, got start {start} and end {end}")
