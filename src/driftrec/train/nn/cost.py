"""The cost of a network: multiply–adds and parameters."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Cost:
    """Cost of one evaluation: `multiply_adds` of the convolutions per image pixel, and `parameters`."""

    multiply_adds: float
    parameters: int


def cost(network: nn.Module) -> Cost:
    """Counts the multiply–adds of every convolution by running the network's shapes, without arithmetic.

    `network` is one of this package, built from its `config`.
    """
    config = cast(Any, network.config)
    size = 8 * config.multiple
    total = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += module.weight.numel() * output.shape[-2] * output.shape[-1]

    with torch.device("meta"):
        shadow = type(network)(config)
    for module in shadow.modules():
        module.register_forward_hook(count)
    image = torch.empty(1, 3, size, size, device="meta")
    shadow(image, torch.empty(1, device="meta"), image)
    return Cost(total / size**2, sum(p.numel() for p in network.parameters()))
