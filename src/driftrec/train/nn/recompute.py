"""Blocks that recompute their activations in the backward pass instead of storing them, to save memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Recomputable(nn.Module):
    """Abstract: a block that keeps its activations for the backward pass or, if `recompute` is set, only its inputs.

    The gradients are the same.  Subclasses define `compute` instead of `forward`; it must not be random.
    """

    recompute = False
    compute: Callable[..., Tensor]

    def forward(self, *inputs: Any) -> Tensor:  # noqa: ANN401 (those of `compute`)
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self.compute, *inputs, use_reentrant=False, preserve_rng_state=False)
        return self.compute(*inputs)


def set_recompute(network: nn.Module, wanted: bool) -> None:
    """Sets whether all such blocks of a network recompute their activations."""
    for module in network.modules():
        if isinstance(module, Recomputable):
            module.recompute = wanted
