"""The faithful restoration as a PyTorch module that is built from its weights alone."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftrec.jpeg.tables import MCU
from driftrec.train.denoiser import Residual, faithful_estimate
from driftrec.train.nn.unet import UNet, UNetConfig

NETWORK = "denoiser.network"
STD = "residual_std"


class Faithful(nn.Module):
    """E[x0 | y] of a denoiser with a `UNet`.

    Takes and returns pictures (batch, 3, height, width), sRGB in [0, 1], of any size.  The state dict holds all that
    is needed to build the module again: the weights, and S of (E23).
    """

    def __init__(self, network: UNet, residual_std: float) -> None:
        super().__init__()
        self.denoiser = Residual(network, residual_std)
        self._step = math.lcm(MCU, network.config.multiple)
        self.register_buffer(STD, torch.tensor(residual_std))

    def forward(self, y: Tensor) -> Tensor:
        height, width = y.shape[-2:]
        padded = F.pad(y, (0, -width % self._step, 0, -height % self._step), mode="replicate")
        return faithful_estimate(self.denoiser, padded)[..., :height, :width].clamp(0, 1)

    @staticmethod
    def of(weights: Mapping[str, Tensor]) -> "Faithful":
        """Builds the module of a state dict, with new weights."""
        levels = 1 + _count(weights, f"{NETWORK}.down")
        stem = weights[f"{NETWORK}.stem.weight"]
        widths = [stem.shape[0], *(weights[f"{NETWORK}.down.{level}.weight"].shape[0] for level in range(levels - 1))]
        encoder = [_count(weights, f"{NETWORK}.encoder.{level}") for level in range(levels)]
        decoder = [_count(weights, f"{NETWORK}.decoder.{level}") for level in range(levels - 1)]
        patch = math.isqrt(stem.shape[1] // 6)  # residual and picture, three channels each
        config = UNetConfig(patch, tuple(widths), tuple(encoder), tuple(decoder))
        return Faithful(UNet(config), float(weights[STD]))


def _count(weights: Mapping[str, Tensor], prefix: str) -> int:
    """The number of numbered parts below a prefix."""
    return len({name.removeprefix(f"{prefix}.").split(".")[0] for name in weights if name.startswith(f"{prefix}.")})
