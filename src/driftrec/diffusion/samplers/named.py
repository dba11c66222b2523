"""Samplers by name and number of evaluations, for plans and experiments."""

from collections.abc import Iterator
from functools import partial

from driftrec.diffusion.grids import uniform_log_snr, uniform_time
from driftrec.diffusion.process import Process
from driftrec.diffusion.samplers.corrector import predictor_corrector
from driftrec.diffusion.samplers.family import euler_maruyama, first_order, multistep, reverse_diffusion
from driftrec.diffusion.samplers.heun import euler_heun
from driftrec.diffusion.samplers.ode import probability_flow
from driftrec.diffusion.types import Array, Denoise, Noise

_FAST = {
    "multistep": multistep,
    "multistep-ode": partial(multistep, eta=0.0),
    "ancestral": first_order,
    "ddim": partial(first_order, eta=0.0),
}
"""Samplers that run on the grid that is uniform in log-SNR."""

_PAPER = {
    "euler-maruyama": (euler_maruyama, 1),
    "reverse-diffusion": (reverse_diffusion, 1),
    "euler-heun": (euler_heun, 2),
    "langevin": (partial(predictor_corrector, corrector="langevin"), 2),
    "annealed-langevin": (partial(predictor_corrector, corrector="annealed-langevin"), 2),
}
"""Samplers that run on the paper's grid, uniform in time, each with its number of evaluations for every time."""

ADAPTIVE = "probability-flow"
"""The sampler whose tolerances determine the number of evaluations."""

NAMES = (*_FAST, *_PAPER, ADAPTIVE)


def sample(
    name: str,
    denoise: Denoise,
    y: Array,
    process: Process,
    evaluations: int,
    *,
    start: float,
    end: float,
    noise: Noise,
    mean: Array | None = None,
) -> Iterator[Array]:
    """Samples with at most `evaluations` evaluations between the times `start` and `end`.

    The other arguments are those of `driftrec.diffusion.samplers.first_order`.  Raises ValueError for an unknown name
    and whenever the sampler does.
    """
    if name in _FAST:
        times = uniform_log_snr(process, evaluations, start=start, end=end)
        return _FAST[name](denoise, y, process, times, noise=noise, mean=mean)
    if name in _PAPER:
        sampler, cost = _PAPER[name]
        count = (evaluations + 1) // 2 if name == "euler-heun" else evaluations // cost
        return sampler(denoise, y, process, uniform_time(max(count, 1), start=start, end=end), noise=noise, mean=mean)
    if name == ADAPTIVE:
        return probability_flow(denoise, y, process, (start, end), noise=noise, mean=mean)
    raise ValueError(f"there is no sampler '{name}': choose from {', '.join(NAMES)}")
