"""Time grids: t_0 > t_1 > … > t_{N−1}, one network evaluation at each.

The estimate at the last time is the result, so a grid never reaches t = 0, and steps belong to pairs of neighbouring
times: there is no separate step size to disagree with them.
"""

import numpy as np

from driftrec.process import Process

START, END = 1.0, 0.03
"""The paper's range of times."""


def uniform_time(steps: int, *, start: float = START, end: float = END) -> tuple[float, ...]:
    """`steps` times at equal distances from `start` down to `end`; a single step is at `start`.

    Raises ValueError unless steps ≥ 1 and 0 < end < start ≤ 1.
    """
    _check(steps, start, end)
    return _floats(np.linspace(start, end, steps))


def uniform_log_snr(process: Process, steps: int, *, start: float = START, end: float = END) -> tuple[float, ...]:
    """`steps` times from `start` to `end` at equal distances in log-SNR λ, the natural clock of the process."""
    _check(steps, start, end)
    inner = np.linspace(process.log_snr(start), process.log_snr(end), steps)[1:-1]
    return _with_ends(process, inner, steps, start, end)


def karras(
    process: Process, steps: int, *, rho: float = 7.0, start: float = START, end: float = END
) -> tuple[float, ...]:
    """`steps` times at equal distances in s^(1/ρ), s the noise-to-scale ratio (Karras et al. 2022, equation 5).

    ρ = 1 is uniform in s; as ρ → ∞ the grid approaches `uniform_log_snr`.  Raises ValueError unless rho ≥ 1.
    """
    _check(steps, start, end)
    if not rho >= 1:
        raise ValueError(f"rho must be at least 1, got {rho}")
    roots = np.linspace(process.ratio(start) ** (1 / rho), process.ratio(end) ** (1 / rho), steps)[1:-1]
    return _with_ends(process, -rho * np.log(roots), steps, start, end)


def _with_ends(process: Process, inner: np.ndarray, steps: int, start: float, end: float) -> tuple[float, ...]:
    times = (start, *(process.time_of_log_snr(float(value)) for value in inner), end)
    return _floats(times[:steps])


def _check(steps: int, start: float, end: float) -> None:
    if steps < 1:
        raise ValueError(f"a grid has at least 1 step, got {steps}")
    if not 0 < end < start <= 1:
        raise ValueError(f"times must satisfy 0 < end < start ≤ 1, got start {start} and end {end}")


def _floats(times: np.ndarray | tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(t) for t in times)
