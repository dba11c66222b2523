"""Euler–Heun: steps on the reverse SDE that are of second order in the drift and cost two evaluations each."""

import math
from collections.abc import Iterator
from itertools import pairwise

from driftrec.diffusion.process import Process
from driftrec.diffusion.samplers.state import Times, checked, checks_first, draw, start
from driftrec.diffusion.types import Array, Denoise, Noise


@checks_first
def euler_heun(
    denoise: Denoise, y: Array, process: Process, times: Times, *, noise: Noise, mean: Array | None = None
) -> Iterator[Array]:
    """Euler–Heun steps of δ = t − u, with the mean of the drifts at the start and end of an Euler–Maruyama step.

        x̃ = x_t + δ β(x_t, t) + g_t √δ z,  β = f (x − y) + g² score
        x_u = x_t + δ/2 (β(x_t, t) + β(x̃, u)) + (g_t + g_u)/2 √δ z                                 (E15)

    N times cost 2 N − 1 evaluations.  Arguments and errors are those of `driftrec.diffusion.samplers.first_order`.
    """
    times = checked(times, process)
    yield
    x = start(y, process, times[0], noise, mean)
    for t, u in pairwise(times):
        delta, z = t - u, draw(noise, y)
        x0 = denoise(x, y, t)
        yield x0
        first = _drift(x, x0, y, process, t)
        end = x + first * delta
        end += z * (process.diffusion(t) * math.sqrt(delta))
        second = _drift(end, denoise(end, y, u), y, process, u)
        x = x + first * (delta / 2)
        x += second * (delta / 2)
        x += z * ((process.diffusion(t) + process.diffusion(u)) / 2 * math.sqrt(delta))
    yield denoise(x, y, times[-1])


def _drift(x: Array, x0: Array, y: Array, process: Process, t: float) -> Array:
    """β of (E15)."""
    pull = (process.diffusion(t) / process.std(t)) ** 2
    drift = (x - y) * (process.drift_rate(t) - pull)
    drift += (x0 - y) * (pull * process.scale(t))
    return drift
