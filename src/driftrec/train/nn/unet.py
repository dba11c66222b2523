"""The efficient U-Net: residual blocks on unshuffled pixels, conditioned on the noise level.

Three decisions make it cheap.  Pixels are first unshuffled into `patch` × `patch` cells, so no convolution
runs at full resolution; there is no normalisation and no attention, so a tile sees the same statistics as the
whole picture; and skips are added, not concatenated.  What remains are 3×3 convolutions wide enough to keep a
CPU's vector units busy.
"""

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftrec.train.nn.recompute import Recomputable

EMBEDDING = 64
"""Width of the noise-level embedding: half of it sines, half cosines."""


@dataclass(frozen=True)
class UNetConfig:
    """Shape of a `UNet`; one definition gives every size.

    Level 0 works on `patch`-fold unshuffled pixels, each further level at half the resolution of the one
    before.  `encoder` and `decoder` count the residual blocks of each level on the way down and up; the
    deepest level has no decoder.
    """

    patch: int = 2
    channels: tuple[int, ...] = (48, 96, 160)
    encoder: tuple[int, ...] = (1, 1, 2)
    decoder: tuple[int, ...] = (1, 1)
    kind: Literal["unet"] = "unet"

    def __post_init__(self) -> None:
        if not len(self.channels) == len(self.encoder) == len(self.decoder) + 1:
            raise ValueError(
                f"channels {self.channels}, encoder {self.encoder} and decoder {self.decoder} do not fit: "
                "give as many encoder counts as levels, and one decoder count fewer"
            )
        if min(self.patch, *self.channels) < 1 or min(self.encoder + self.decoder) < 0:
            raise ValueError("patch and channels must be at least 1, block counts at least 0")

    @property
    def multiple(self) -> int:
        """Height and width of the input must be multiples of this many pixels."""
        return self.patch * 2 ** (len(self.channels) - 1)

    def card(self) -> dict[str, object]:
        """The configuration as JSON-ready values."""
        return asdict(self)


class Block(Recomputable):
    """x + conv(relu(film(conv(x)))), where the embedding of the noise level scales and shifts the hidden channels."""

    def __init__(self, channels: int, embedding: int = EMBEDDING) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        silence(self.film)
        silence(self.second)

    def compute(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = F.relu(torch.addcmul(shift, self.first(x), 1 + scale), inplace=True)
        return x + self.second(hidden)


class Stage(nn.ModuleList):
    """The residual blocks of one level, one after the other."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for block in self:
            x = block(x, embedding)
        return x


class Up(nn.Module):
    """Doubles the resolution: a linear map, then channels to 2×2 cells."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(coarse, 4 * fine, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.project(x), 2)


class NoiseEmbedding(nn.Module):
    """Fourier features of c_noise = ¼ ln s, then one hidden layer: (batch,) -> (batch, EMBEDDING)."""

    frequencies: Tensor

    def __init__(self) -> None:
        super().__init__()
        # c_noise spans about [−1.5, 1.8]: from one period over that range to one per tenth of it.
        self.register_buffer("frequencies", 2 * math.pi * torch.logspace(-0.5, 0.5, EMBEDDING // 2))
        self.layers = nn.Sequential(nn.Linear(EMBEDDING, EMBEDDING), nn.ReLU())

    def forward(self, c_noise: Tensor) -> Tensor:
        phase = c_noise[:, None] * self.frequencies
        return self.layers(torch.cat([phase.sin(), phase.cos()], dim=1))


class UNet(nn.Module):
    """F(r, c_noise, y): the raw network inside the preconditioned denoiser.

    Arguments of `forward`: scaled residual and corrupted image, both (batch, 3, height, width), height and
    width multiples of `config.multiple`; c_noise (batch,).  Returns (batch, 3, height, width).
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        cell = 3 * config.patch**2
        widths = config.channels
        self.embed = NoiseEmbedding()
        self.stem = nn.Conv2d(2 * cell, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(map(_stage, widths, config.encoder))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(Up(b, a) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(map(_stage, widths, config.decoder))
        self.head = nn.Conv2d(widths[0], cell, 3, padding=1)
        silence(self.head)

    def forward(self, r: Tensor, c_noise: Tensor, y: Tensor) -> Tensor:
        embedding = self.embed(c_noise)
        x = self.stem(F.pixel_unshuffle(torch.cat([r, 4 * y - 2], dim=1), self.config.patch))
        skips = []
        for stage, down in zip(self.encoder, self.down, strict=False):
            skips.append(stage(x, embedding))
            x = down(skips[-1])
        x = self.encoder[-1](x, embedding)
        for level in reversed(range(len(self.up))):
            x = self.decoder[level](skips[level] + self.up[level](x), embedding)
        return F.pixel_shuffle(self.head(x), self.config.patch)


def _stage(channels: int, count: int) -> Stage:
    return Stage(Block(channels) for _ in range(count))


def silence(layer: nn.Module) -> None:
    """Sets all weights to zero: the layer adds nothing until it has learnt something."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
