"""The probability-flow ODE with an adaptive solver, which takes as many evaluations as its tolerances require."""

from collections.abc import Iterator

import numpy as np

from driftrec.diffusion.process import Process
from driftrec.diffusion.samplers.state import Times, checked, checks_first, start
from driftrec.diffusion.types import Array, Denoise, Noise


@checks_first
def probability_flow(
    denoise: Denoise,
    y: np.ndarray,
    process: Process,
    times: Times,
    *,
    noise: Noise,
    mean: np.ndarray | None = None,
    rtol: float = 1e-3,
    atol: float = 1e-3,
) -> Iterator[Array]:
    """Solves the probability-flow ODE from the first to the last of `times` by SciPy's RK45, each image separately.

    In terms of ρ = (x − y)/k and with the log-SNR λ as the clock it is

        dρ/dλ = x̂0 − y − ρ                                                                         (E16)

    for every process.  The only estimate it yields is that at the last time.

    Arguments, in addition to those of `driftrec.diffusion.samplers.first_order`: `rtol` and `atol`, the relative and
    absolute tolerance of ρ; y must be a NumPy array.  Raises ValueError when `first_order` does, for tolerances ≤ 0 and
    when the solver gives up, and ModuleNotFoundError if SciPy is not installed.
    """
    times = checked(times, process)
    if not (rtol > 0 and atol > 0):
        raise ValueError(f"tolerances must be positive, got rtol {rtol} and atol {atol}")
    yield
    from scipy.integrate import solve_ivp  # not needed by the command line tool

    first, last = times[0], times[-1]
    x = start(y, process, first, noise, mean)
    result = np.empty_like(y)
    for number in range(len(y)):
        condition = y[number : number + 1]

        def estimate(rho: np.ndarray, log_snr: float, condition: np.ndarray = condition) -> np.ndarray:
            t = min(max(process.time_of_log_snr(log_snr), last), first)
            residual = rho.reshape(condition.shape).astype(condition.dtype)
            return denoise(condition + residual * process.scale(t), condition, t)

        def slope(log_snr: float, rho: np.ndarray, condition: np.ndarray = condition) -> np.ndarray:
            return (estimate(rho, log_snr) - condition).ravel() - rho

        rho = ((x[number : number + 1] - condition) / process.scale(first)).ravel().astype(np.float64)
        if first > last:
            span = process.log_snr(first), process.log_snr(last)
            solution = solve_ivp(slope, span, rho, "RK45", rtol=rtol, atol=atol)
            if not solution.success:
                raise ValueError(f"the solver gave up: {solution.message}")
            rho = solution.y[:, -1]
        result[number : number + 1] = estimate(rho, process.log_snr(last))
    yield result
