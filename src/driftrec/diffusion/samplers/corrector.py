"""Predictor–corrector sampling: Langevin steps at every time, in between the steps from one time to the next."""

import math
from collections.abc import Iterator
from typing import Literal, TypeAlias, get_args

from driftrec.diffusion.process import Process
from driftrec.diffusion.samplers.family import Step, complete, euler_maruyama_rule, reverse_diffusion_rule
from driftrec.diffusion.samplers.state import Times, checked, checks_first, draw, start
from driftrec.diffusion.types import Array, Denoise, Noise

Predictor: TypeAlias = Literal["euler-maruyama", "reverse-diffusion", "none"]
Corrector: TypeAlias = Literal["langevin", "annealed-langevin", "none"]


@checks_first
def predictor_corrector(
    denoise: Denoise,
    y: Array,
    process: Process,
    times: Times,
    *,
    noise: Noise,
    mean: Array | None = None,
    predictor: Predictor = "reverse-diffusion",
    corrector: Corrector = "annealed-langevin",
    snr: float = 0.1,
    corrector_steps: int = 1,
    initial_steps: int = 0,
    final_denoising: bool = True,
) -> Iterator[Array]:
    """The paper's general sampler (after Song et al. 2021, arXiv 2011.13456, algorithms 4 and 5).

    At every time, it first takes `corrector_steps` steps of Langevin dynamics towards the marginal of that time:

        x ← x + ε score + √(2ε) z                                                                  (E14)
        langevin: ε = 2 (snr ‖z‖/‖score‖)²,  annealed-langevin: ε = 2 (snr σ)²

    The norms are computed for each image alone, so no result depends on the rest of the batch.  Then the predictor
    steps to the next time.  N times cost N (1 + corrector_steps) + initial_steps evaluations.

    Arguments, in addition to those of `first_order`:
        predictor: the step between times; with "none" only the corrector changes the state.
        corrector: the rule for ε.
        snr: signal-to-noise ratio of a corrector step, > 0.
        corrector_steps: number of corrector steps at every time, at least 0.
        initial_steps: number of additional corrector steps at the first time, at least 0.
        final_denoising: if true, the result is the estimate x̂0 at the last time; otherwise it is the state itself,
            including noise, which saves one evaluation.

    Raises ValueError when `first_order` does, and for options outside these ranges.
    """
    times = checked(times, process)
    if predictor not in get_args(Predictor) or corrector not in get_args(Corrector):
        raise ValueError(
            f"predictors are {', '.join(get_args(Predictor))} and correctors {', '.join(get_args(Corrector))}, "
            f"got {predictor!r} and {corrector!r}"
        )
    if not (snr > 0 and corrector_steps >= 0 and initial_steps >= 0):
        raise ValueError(f"snr must be positive and steps not negative, got {snr}, {corrector_steps}, {initial_steps}")
    yield
    rules = {"euler-maruyama": euler_maruyama_rule, "reverse-diffusion": reverse_diffusion_rule}
    rule = rules[predictor](process) if predictor in rules else lambda t, u: Step(1.0, 0.0, 0.0)  # noqa: ARG005
    each = 0 if corrector == "none" else corrector_steps
    x = start(y, process, times[0], noise, mean)
    for number, t in enumerate(times):
        for _ in range(each + (initial_steps if number == 0 else 0)):
            x = _corrected(x, denoise(x, y, t), y, process, t, noise, corrector, snr)
        if number + 1 < len(times):
            x0 = denoise(x, y, t)
            yield x0
            step = rule(t, times[number + 1])
            x = x * step.a
            complete(x, x0, y, step)
            if step.n > 0:
                x += draw(noise, y) * step.n
    yield denoise(x, y, times[-1]) if final_denoising else x


def _corrected(
    x: Array, x0: Array, y: Array, process: Process, t: float, noise: Noise, corrector: Corrector, snr: float
) -> Array:
    """(E14)."""
    k, std = process.scale(t), process.std(t)
    score = (x0 * k + y * (1 - k) - x) * (1 / std**2)
    z = draw(noise, y)
    x = x * 1
    for image, slope, jitter in zip(x, score, z, strict=True):
        size = std if corrector == "annealed-langevin" else _norm(jitter) / max(_norm(slope), 1e-12)
        step = 2 * (snr * size) ** 2
        image += slope * step
        image += jitter * math.sqrt(2 * step)
    return x


def _norm(image: Array) -> float:
    return math.sqrt(float((image * image).sum()))
