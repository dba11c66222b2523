"""Samplers against an exact score: what is left is the error of the sampler itself."""

from collections.abc import Iterator

import numpy as np

from driftrec.diffusion.oracle import GaussianPairs
from driftrec.diffusion.process import OUVE
from driftrec.diffusion.samplers import NAMES, Counted, sample, seeded_noise
from driftrec.diffusion.samplers.named import ADAPTIVE
from experiments.lab import Measured

MEAN, STD = 0.05, 0.05
"""Of the residuals, about those of a JPEG of quality 10."""


def exact(evaluations: tuple[int, ...] = (5, 10, 30, 100), side: int = 300) -> Iterator[Measured]:
    """Bias of the mean and of the standard deviation of samples, over the true standard deviation."""
    process = OUVE()
    pairs, y = GaussianPairs(process, MEAN, STD**2), np.full((1, 1, side, side), 0.4, np.float32)
    for name in NAMES:
        for count in evaluations if name != ADAPTIVE else evaluations[-1:]:
            counted = Counted(pairs.denoise)
            *_, x0 = sample(name, counted, y, process, count, start=1.0, end=0.03, noise=seeded_noise([count]))
            residual = (x0 - y).astype(np.float64)
            metrics = {
                "bias": round(float(residual.mean() - MEAN) / STD, 5),
                "spread": round(float(residual.std()) / STD - 1, 5),
                "evaluations": counted.evaluations,
            }
            yield Measured({"sampler": name, "N": "adaptive" if name == ADAPTIVE else count}, 0, metrics)
