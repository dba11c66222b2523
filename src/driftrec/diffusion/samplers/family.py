"""Samplers whose steps have the form (E9): one evaluation each, and a rule for the three coefficients."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from driftrec.diffusion.process import Process
from driftrec.diffusion.samplers.state import Times, checked, draw, start
from driftrec.diffusion.types import Array, Denoise, Noise


def first_order(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: Times,
    *,
    noise: Noise,
    mean: Array | None = None,
    eta: float = 1.0,
) -> Iterator[Array]:
    """The η-family: η = 1 draws each step from the exact posterior of (E2), η = 0 follows the probability-flow ODE.

    With h = λ_u − λ_t > 0, the coefficients of (E9) are

        a = (σ_u/σ_t) e^{−η²h},  b = k_u (1 − e^{−(1+η²)h}),  n = σ_u √(1 − e^{−2η²h})               (E10)

    They solve the reverse SDE (η = 1) or the ODE (η = 0) exactly if x̂0 is constant over the step.  For the residual
    x − y this is the family of DDIM (Song et al. 2021, arXiv 2010.02502, equation 12); between 0 and 1, the η of DDIM
    is scaled differently.

    Arguments:
        denoise: the estimate of the clean image, see `driftrec.diffusion.types.Denoise`.
        y: corrupted images (batch, channel, height, width).
        process: the process of the states that `denoise` takes.
        times: falling times in (0, 1]; see `driftrec.diffusion.grids`.
        noise: shape -> standard normal numbers of y's array type and dtype.
        mean: the image to start around, (E8), with y's shape; y if None.
        eta: strength of the fresh noise, in [0, 1].

    Raises ValueError for times that do not fall or lie outside (0, 1], for eta outside [0, 1] and, when noise is first
    drawn, for noise whose shape or dtype differs from y's.
    """
    return _steps(denoise, y, process, checked(times), noise, mean, _exponential(process, eta))


def multistep(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: Times,
    *,
    noise: Noise,
    mean: Array | None = None,
    eta: float = 1.0,
) -> Iterator[Array]:
    """`first_order` with x̂0 extrapolated from the last two evaluations: second order in h at the same cost.

        x̂0 ← x̂0_t + h/(2 h_prev) (x̂0_t − x̂0_prev)                                                 (E11)

    The first step is of first order.  For the residual this is DPM-Solver++ (2M) and its SDE form (Lu et al. 2022,
    arXiv 2211.01095).  Arguments and errors are those of `first_order`.
    """
    return _steps(denoise, y, process, checked(times), noise, mean, _exponential(process, eta), extrapolate=True)


def euler_maruyama(
    denoise: Denoise, y: Array, process: Process, times: Times, *, noise: Noise, mean: Array | None = None
) -> Iterator[Array]:
    """The paper's sampler: Euler–Maruyama steps of δ = t − u on the reverse SDE (DriftRec, arXiv 2211.06757).

        x_u − y = (x_t − y) + δ (f (x_t − y) + g² score) + g √δ z
        score = (k (x̂0 − y) − (x_t − y)) / σ²                                                      (E12)

    δ is the difference of the two times on any grid.  Results are poor with few steps: prefer `multistep`.
    Arguments and errors are those of `first_order`.
    """
    return _steps(denoise, y, process, checked(times, process), noise, mean, euler_maruyama_rule(process))


def reverse_diffusion(
    denoise: Denoise, y: Array, process: Process, times: Times, *, noise: Noise, mean: Array | None = None
) -> Iterator[Array]:
    """Reverse diffusion (Song et al. 2021, arXiv 2011.13456, equation 46), with the exact forward step u → t.

        x_t − y = q (x_u − y) + G z,  q = k_t/k_u,  G² = σ_t² − q² σ_u²
        x_u − y = (2 − q) (x_t − y) + G² score + G z                                               (E13)

    To first order in δ this is `euler_maruyama`.  Arguments and errors are those of `first_order`.
    """
    return _steps(denoise, y, process, checked(times, process), noise, mean, reverse_diffusion_rule(process))


class Step(NamedTuple):
    """The coefficients of (E9)."""

    a: float
    b: float
    n: float


Rule = Callable[[float, float], "Step"]


def _exponential(process: Process, eta: float) -> Rule:
    """(E10)."""
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be between 0 and 1, got {eta}")

    def step(t: float, u: float) -> Step:
        if process.std(t) == 0:  # the end of a bridge: the state is y and tells nothing about x0, so all noise is fresh
            return Step(0.0, process.scale(u), process.std(u))
        h = process.log_snr(u) - process.log_snr(t)
        return Step(
            a=process.std(u) / process.std(t) * math.exp(-(eta**2) * h),
            b=process.scale(u) * -math.expm1(-(1 + eta**2) * h),
            n=process.std(u) * math.sqrt(-math.expm1(-2 * eta**2 * h)),
        )

    return step


def euler_maruyama_rule(process: Process) -> Rule:
    """(E12), its terms collected by x_t − y, x̂0 − y and z."""

    def step(t: float, u: float) -> Step:
        delta, g = t - u, process.diffusion(t)
        pull = delta * (g / process.std(t)) ** 2
        return Step(
            a=1 + delta * process.drift_rate(t) - pull,
            b=pull * process.scale(t),
            n=g * math.sqrt(delta),
        )

    return step


def reverse_diffusion_rule(process: Process) -> Rule:
    """(E13), its terms collected by x_t − y, x̂0 − y and z."""

    def step(t: float, u: float) -> Step:
        q = math.exp(process.log_scale(t) - process.log_scale(u))
        gain = process.std(t) ** 2 - (q * process.std(u)) ** 2
        pull = gain / process.std(t) ** 2
        return Step(a=2 - q - pull, b=pull * process.scale(t), n=math.sqrt(gain))

    return step


def complete(x: Array, x0: Array, y: Array, step: Step, previous: Array | None = None, slope: float = 0.0) -> None:
    """Completes x = a x_t, in place, to (E9) without the noise, with x̂0 + slope (x̂0 − previous) in place of x̂0."""
    a, b, _ = step
    x += y * (1 - a - b)
    if previous is None:
        x += x0 * b
    else:
        x += x0 * (b * (1 + slope))
        x -= previous * (b * slope)


def _steps(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: Times,
    noise: Noise,
    mean: Array | None,
    rule: Rule,
    extrapolate: bool = False,
) -> Iterator[Array]:
    """Takes the steps (E9) along the grid, with (E11) if `extrapolate` is true."""
    x = start(y, process, times[0], noise, mean)
    previous, h_previous = None, math.inf
    for t, u in pairwise(times):
        x0 = denoise(x, y, t)
        yield x0
        h = process.log_snr(u) - process.log_snr(t)
        step = rule(t, u)
        x = x * step.a  # a new array, because the denoiser may have kept or returned the old one
        complete(x, x0, y, step, previous, h / (2 * h_previous))
        if extrapolate:
            previous, h_previous = x0, h
        del x0  # frees its memory during the next evaluation
        if step.n > 0:
            x += draw(noise, y) * step.n
    x0 = denoise(x, y, times[-1])
    del x  # frees its memory
    yield x0
