"""Samplers: generators that yield the estimate x̂0 of every step; the last one is the result.

    *_, x0 = multistep(denoise, y, process, times, noise=noise)

They know a `Denoise` and a process, nothing else.  All work on the residual r = x − y, for which the processes are
plain Gaussian diffusions (see `process`), and start at the first time from

    r = k (mean − y) + σ z,                                                                        (E6)

where `mean` is the best guess of the clean image so far: y itself, as in the paper, or a regression estimate, which
allows to start late.  There is one evaluation per time.  Arrays are combined by + − × with Python floats only, so NumPy
arrays and PyTorch tensors pass, in their own dtype; nothing that was passed in or yielded is ever changed.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from driftrec.process import Process
from driftrec.types import Array, Denoise, Noise


def seeded_noise(seeds: Sequence[int]) -> Noise:
    """Noise for NumPy images with one generator per image, so that no result depends on its batch mates."""
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
    """The η-family: η = 1 draws from the exact posterior of (E2), η = 0 follows the probability-flow ODE (DDIM).

    One step t → u, with h = λ_u − λ_t and D = x̂0 − y (Song et al. 2021, equation 12, for the residual):

        r_u = (σ_u/σ_t) e^{−η²h} r_t + k_u (1 − e^{−(1+η²)h}) D + σ_u √(1 − e^{−2η²h}) z             (E7)

    Arguments:
        denoise: the estimate of the clean image, see `driftrec.types.Denoise`.
        y: corrupted images (batch, channel, height, width).
        times: falling, in (0, 1]; see `driftrec.grids`.
        noise: shape -> standard normal numbers of y's kind.
        mean: where to start, (E6); same shape as y.
        eta: share of fresh noise, in [0, 1].

    Raises ValueError for times that do not fall or lie outside (0, 1], or eta outside [0, 1].
    """
    return _exponential(denoise, y, process, times, noise, mean, eta, order=1)


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
    """`first_order` with the estimate extrapolated from the last two evaluations: second order at the same cost.

        D ← D_t + h / (2 h_prev) (D_t − D_prev)                                                    (E8)

    (DPM-Solver++ 2M, Lu et al. 2022, and its SDE form.)  The first step is of first order.
    """
    return _exponential(denoise, y, process, times, noise, mean, eta, order=2)


def euler_maruyama(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: Sequence[float],
    *,
    noise: Noise,
    mean: Array | None = None,
) -> Iterator[Array]:
    """The paper's sampler: the reverse SDE in steps of δ = t − u, which are those of the grid.

        r_u = r_t + δ (f r_t + g² score) + g √δ z,   score = (k D − r_t)/σ²                         (E9)

    Arguments and errors as for `first_order`.
    """
    _check(times, 0.0)
    r = _start(y, process, times[0], noise, mean)
    for t, u in zip(times, [*times[1:], None], strict=True):
        x0 = denoise(y + r, y, t)
        yield x0
        if u is None:
            return
        delta, variance = t - u, process.diffusion(t) ** 2
        pull = delta * variance / process.std(t) ** 2
        r *= 1 + delta * process.drift_rate(t) - pull
        r += (x0 - y) * (pull * process.scale(t))
        r += noise(tuple(y.shape)) * math.sqrt(variance * delta)


def _exponential(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: Sequence[float],
    noise: Noise,
    mean: Array | None,
    eta: float,
    order: int,
) -> Iterator[Array]:
    """(E7), and (E8) for order 2."""
    _check(times, eta)
    r = _start(y, process, times[0], noise, mean)
    previous, h_previous = None, 0.0
    for t, u in zip(times, [*times[1:], None], strict=True):
        x0 = denoise(y + r, y, t)
        yield x0
        if u is None:
            return
        h = process.log_snr(u) - process.log_snr(t)
        weight = process.scale(u) * -math.expm1(-(1 + eta**2) * h)
        r *= process.std(u) / process.std(t) * math.exp(-(eta**2) * h)
        if previous is None or order == 1:
            r += (x0 - y) * weight
        else:
            slope = h / (2 * h_previous)
            r += (x0 - y) * (weight * (1 + slope))
            r -= (previous - y) * (weight * slope)
        if eta > 0:
            r += noise(tuple(y.shape)) * (process.std(u) * math.sqrt(-math.expm1(-2 * eta**2 * h)))
        previous, h_previous = x0, h


def _start(y: Array, process: Process, t: float, noise: Noise, mean: Array | None) -> Array:
    """The residual at the first time, (E6)."""
    r = noise(tuple(y.shape)) * process.std(t)
    if mean is not None:
        r += (mean - y) * process.scale(t)
    return r


def _check(times: Sequence[float], eta: float) -> None:
    if len(times) == 0 or not all(u < t for t, u in pairwise(times)):
        raise ValueError(f"times must fall from one to the next, got {list(times)}")
    if not (times[0] <= 1 and times[-1] > 0):
        raise ValueError(f"times must lie in (0, 1], got {list(times)}")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be between 0 and 1, got {eta}")
