"""Samplers: they yield the estimate x̂0 of every time of the grid; the last one is the result.

    for x0 in multistep(denoise, y, process, times, noise=noise):
        ...                                            # progress, previews, an early end

They know a `Denoise` and a process, nothing else.  The first state is

    x = y + k (mean − y) + σ z                                                                     (E7)

at the first time, where `mean` is the best guess of the clean image so far: y itself, as in the paper, or a regression
estimate, which allows to start late.  All of them then take steps t → u < t of one form, and differ in its three
coefficients:

    x_u = y + a (x_t − y) + b (x̂0 − y) + n z                                                       (E8)

`denoise` is evaluated once at each time, and `noise` is called once for the start and once for each step with n > 0.
Arrays are combined by + − × with Python floats only, so NumPy arrays and PyTorch tensors pass, in their own dtype.
Nothing that was passed in or yielded is ever changed; whoever receives an estimate must not change it either, but for
the last one.

Memory, measured in arrays of y's size beside y, the mean and what the denoiser itself takes: 2 while the denoiser works
(the state, and the last estimate where the caller or `multistep` holds it), and at most 4 between evaluations.  Do not
collect the estimates, as `*_, x0 = …` would, when the images are large.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from driftrec.process import Process
from driftrec.types import Array, Denoise, Noise


def seeded_noise(seeds: Sequence[int]) -> Noise:
    """float32 NumPy noise with one generator per image, so that no result depends on its batch mates.

    Arguments:
        seeds: one for each image of the batch.

    The noise raises ValueError for a shape whose batch is not as long as `seeds`.
    """
    generators = [np.random.default_rng(seed) for seed in seeds]

    def noise(shape: tuple[int, ...]) -> Array:
        if shape[0] != len(generators):
            raise ValueError(f"{len(generators)} seeds cannot serve a batch of {shape[0]}")
        out = np.empty(shape, np.float32)
        for image, generator in zip(out, generators, strict=True):
            generator.standard_normal(out=image, dtype=np.float32)
        return out

    return noise


def first_order(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: Sequence[float],
    *,
    noise: Noise,
    mean: Array | None = None,
    eta: float = 1.0,
) -> Iterator[Array]:
    """The η-family: η = 1 draws each step from the exact posterior of (E2), η = 0 follows the probability-flow ODE.

    With h = λ_u − λ_t > 0, the coefficients of (E8) are

        a = (σ_u/σ_t) e^{−η²h},  b = k_u (1 − e^{−(1+η²)h}),  n = σ_u √(1 − e^{−2η²h})               (E9)

    They are the exact solution of the reverse SDE (η = 1) or of the ODE (η = 0) while x̂0 stays as it is.  For the
    residual x − y this is the family of DDIM (Song et al. 2021, arXiv 2010.02502, equation 12); between 0 and 1, its η
    counts differently.

    Arguments:
        denoise: the estimate of the clean image, see `driftrec.types.Denoise`.
        y: corrupted images (batch, channel, height, width).
        process: the process that `denoise` answers for.
        times: falling, in (0, 1]; see `driftrec.grids`.
        noise: shape -> standard normal numbers of y's kind and dtype.
        mean: where to start, (E7); shape of y.
        eta: strength of the fresh noise, in [0, 1].

    Raises ValueError for times that do not fall or lie outside (0, 1], for eta outside [0, 1], and, when the noise is
    first drawn, for noise of another shape or dtype than y.
    """
    times = _checked(times)
    return _sample(denoise, y, process, times, noise, mean, _exponential(process, eta))


def multistep(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: Sequence[float],
    *,
    noise: Noise,
    mean: Array | None = None,
    eta: float = 1.0,
) -> Iterator[Array]:
    """`first_order` with x̂0 extrapolated from the last two evaluations: second order in h at the same cost.

        x̂0 ← x̂0_t + h/(2 h_prev) (x̂0_t − x̂0_prev)                                                 (E10)

    The first step is of first order.  For the residual this is 2M of DPM-Solver++ and its SDE form (Lu et al. 2022,
    arXiv 2211.01095).  Arguments and errors as for `first_order`.
    """
    times = _checked(times)
    return _sample(denoise, y, process, times, noise, mean, _exponential(process, eta), extrapolate=True)


def euler_maruyama(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: Sequence[float],
    *,
    noise: Noise,
    mean: Array | None = None,
) -> Iterator[Array]:
    """The paper's sampler: Euler–Maruyama steps of δ = t − u on the reverse SDE (DriftRec, arXiv 2211.06757).

        x_u − y = (x_t − y) + δ (f (x_t − y) + g² score) + g √δ z
        score = (k (x̂0 − y) − (x_t − y)) / σ²                                                      (E11)

    δ is the distance of the two times, whatever the grid.  Few steps do badly: prefer `multistep`.
    Arguments and errors as for `first_order`.
    """
    times = _checked(times)
    return _sample(denoise, y, process, times, noise, mean, _euler_maruyama(process))


class _Step(NamedTuple):
    """The coefficients of (E8)."""

    a: float
    b: float
    n: float


_Rule = Callable[[float, float], _Step]


def _exponential(process: Process, eta: float) -> _Rule:
    """(E9)."""
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be between 0 and 1, got {eta}")

    def step(t: float, u: float) -> _Step:
        h = process.log_snr(u) - process.log_snr(t)
        return _Step(
            a=process.std(u) / process.std(t) * math.exp(-(eta**2) * h),
            b=process.scale(u) * -math.expm1(-(1 + eta**2) * h),
            n=process.std(u) * math.sqrt(-math.expm1(-2 * eta**2 * h)),
        )

    return step


def _euler_maruyama(process: Process) -> _Rule:
    """(E11), sorted by x_t − y, x̂0 − y and z."""

    def step(t: float, u: float) -> _Step:
        delta, g = t - u, process.diffusion(t)
        pull = delta * (g / process.std(t)) ** 2
        return _Step(
            a=1 + delta * process.drift_rate(t) - pull,
            b=pull * process.scale(t),
            n=g * math.sqrt(delta),
        )

    return step


def _sample(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: tuple[float, ...],
    noise: Noise,
    mean: Array | None,
    rule: _Rule,
    extrapolate: bool = False,
) -> Iterator[Array]:
    """(E8) from time to time, with (E10) where asked for."""
    x = _start(y, process, times[0], noise, mean)
    previous, h_previous = None, math.inf
    for t, u in pairwise(times):
        x0 = denoise(x, y, t)
        yield x0
        a, b, n = rule(t, u)
        h = process.log_snr(u) - process.log_snr(t)
        slope = h / (2 * h_previous)
        x = x * a  # a new array, because the denoiser may have kept the old one, or returned it
        x += y * (1 - a - b)
        x += x0 * (b * (1 + slope))
        if previous is not None:
            x -= previous * (b * slope)
        if extrapolate:
            previous, h_previous = x0, h
        del x0  # not to hold it during the next evaluation
        if n > 0:
            x += _draw(noise, y) * n
    yield denoise(x, y, times[-1])


def _start(y: Array, process: Process, t: float, noise: Noise, mean: Array | None) -> Array:
    """The first state, (E7)."""
    x = _draw(noise, y) * process.std(t)
    if mean is None:
        x += y
    else:
        k = process.scale(t)
        x += mean * k
        x += y * (1 - k)
    return x


def _draw(noise: Noise, y: Array) -> Array:
    z = noise(tuple(y.shape))
    if z.shape != y.shape or z.dtype != y.dtype:
        raise ValueError(f"noise must be {y.dtype} of shape {tuple(y.shape)}, got {z.dtype} of {tuple(z.shape)}")
    return z


def _checked(times: Sequence[float]) -> tuple[float, ...]:
    times = tuple(float(t) for t in times)
    if not times or not all(u < t for t, u in pairwise(times)):
        raise ValueError(f"times must fall from one to the next, got {times}")
    if not (times[0] <= 1 and times[-1] > 0):
        raise ValueError(f"times must lie in (0, 1], got {times}")
    return times
