"""The average of a network's weights over the steps of its training."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Ema:
    """Exponential moving average of weights; its decay rises from 2/11 after the first step to `decay`."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Updates the average with the model's weights after step number `step` (counted from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.weights.values()), list(model.parameters()), 1 - decay)  # pyright: ignore[reportPrivateImportUsage]

    @contextmanager
    def swapped_into(self, model: nn.Module) -> Iterator[None]:
        """Puts the averaged weights into the model for the duration of the context."""
        own = {name: p.detach().clone() for name, p in model.named_parameters()}
        model.load_state_dict(self.weights, strict=False)
        try:
            yield
        finally:
            model.load_state_dict(own, strict=False)
