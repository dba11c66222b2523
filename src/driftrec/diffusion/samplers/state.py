"""Code that all samplers share: noise, the first state, the check of times and a counter of evaluations."""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from itertools import pairwise
from typing import ParamSpec, TypeAlias

import numpy as np

from driftrec.diffusion.process import Process
from driftrec.diffusion.types import Array, Denoise, Noise

Parameters = ParamSpec("Parameters")
Times: TypeAlias = Sequence[float]
"""Falling times in (0, 1]; see `driftrec.diffusion.grids`."""


def checks_first(sampler: Callable[Parameters, Iterator[Array]]) -> Callable[Parameters, Iterator[Array]]:
    """Makes a sampler raise its errors when it is called, not when its first estimate is requested.

    The sampler must be a generator that checks its arguments, yields once without a value, then yields its estimates.
    """

    @wraps(sampler)
    def checked_sampler(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Iterator[Array]:
        estimates = sampler(*args, **kwargs)
        next(estimates)
        return estimates

    return checked_sampler


def seeded_noise(seeds: Sequence[int]) -> Noise:
    """Returns float32 NumPy noise with one generator per image, so that no result depends on the rest of the batch.

    Arguments:
        seeds: one seed for each image of the batch.

    The returned function raises ValueError if the batch size of a shape differs from the number of seeds.
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


class Counted:
    """A denoiser that counts its evaluations; a whole batch counts as one."""

    def __init__(self, denoise: Denoise) -> None:
        self._denoise = denoise
        self.evaluations = 0

    def __call__(self, xt: Array, y: Array, t: float) -> Array:
        self.evaluations += 1
        return self._denoise(xt, y, t)


def start(y: Array, process: Process, t: float, noise: Noise, mean: Array | None) -> Array:
    """The first state, (E8)."""
    x = draw(noise, y) * process.std(t)
    if mean is None:
        x += y
    else:
        k = process.scale(t)
        x += mean * k
        x += y * (1 - k)
    return x


def draw(noise: Noise, y: Array) -> Array:
    """Draws noise for y.  Raises ValueError if its shape or dtype differs from y's."""
    z = noise(tuple(y.shape))
    if z.shape != y.shape or z.dtype != y.dtype:
        raise ValueError(f"noise must be {y.dtype} of shape {tuple(y.shape)}, got {z.dtype} of {tuple(z.shape)}")
    return z


def checked(times: Times, process: Process | None = None) -> tuple[float, ...]:
    """The times as floats.  Raises ValueError unless they fall, lie in (0, 1], and start where `process` has noise."""
    times = tuple(float(t) for t in times)
    if not times or not all(u < t for t, u in pairwise(times)):
        raise ValueError(f"times must fall from one to the next, got {times}")
    if not (times[0] <= 1 and times[-1] > 0):
        raise ValueError(f"times must lie in (0, 1], got {times}")
    if process is not None and process.std(times[0]) == 0:
        raise ValueError(
            f"at time {times[0]} {type(process).__name__} has neither noise nor a bounded drift: start earlier"
        )
    return times
