"""`driftrec` with schedule-free training, for comparison (Defazio et al. 2024, arXiv 2405.15682).

    python research/schedule_free.py train small --data CLEAN --out OUT --set anneal=1e-9 --set ema=0.9

Three sequences of weights take the place of momentum, of the falling rate and of the moving average: z takes the steps
of the optimiser, x is the mean of all z so far and what is scored, and gradients are taken at y = (1 − β) z + β x.
`ema` is β here, and `anneal` must be next to nothing.  Runs cannot be resumed.
"""

import functools

import torch
from torch import nn

from driftrec.cli.app import main
from driftrec.train import loop as train
from driftrec.train.muon import Muon


class ScheduleFree(train.Ema):
    """In the place of the moving average: x as its weights; the model's own are y."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model, decay)
        self.z = [weights.clone() for weights in self.weights.values()]
        self.y = [weights.clone() for weights in self.weights.values()]

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Gives the step that the model has just taken from y to z; then x, and a new y, which the model gets."""
        parameters = model.parameters()
        for z, y, x, parameter in zip(self.z, self.y, self.weights.values(), parameters, strict=True):
            z += parameter - y
            x.lerp_(z, 1 / step)
            y.copy_(z.lerp(x, self.decay))
            parameter.copy_(y)


if __name__ == "__main__":
    train.Ema = ScheduleFree
    train.Muon = functools.partial(Muon, momentum=0.0, betas=(0.0, 0.99))
    main()
