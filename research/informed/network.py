"""A U-Net that sees what a file says: planes of luma and chroma, the quantisation tables, the grid of its blocks.

It has the bones of `driftrec.train.nn.unet.UNet`.  Whatever a file need not say can be left out: tables and grid are
zeros then, with a mark that they are, so that one network serves files, re-saved pictures and bare pixels.
"""

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftrec.jpeg.blocks import RGB, YCBCR
from driftrec.train.nn.unet import EMBEDDING, Block, NoiseEmbedding, Stage, Up, silence

STATEMENT = 2 * 64 + 3
"""Numbers in a statement: logarithms of the tables, whether chroma is halved (vertically, horizontally), and 1; all
zeros where nothing is known."""

PERIODS = (8, 16)
"""Of the grid of blocks, and of that of halved chroma, in pixels."""


@dataclass(frozen=True)
class InformedConfig:
    """Shape and inputs of an `Informed`.

    `patch`, `channels`, `encoder`, `decoder`: as of `driftrec.train.nn.unet.UNetConfig`.  `block`: "plain", two 3×3
    convolutions; "gated", one to twice the channels, whose halves are multiplied.  `attention`: gated blocks weigh
    their channels by their means.  `colour`: the space of inputs and outputs, "rgb", "ycc", or "own": luma in full,
    chroma in half resolution.  `tables`, `grid`: whether these are inputs.
    """

    patch: int = 2
    channels: tuple[int, ...] = (64, 128, 256)
    encoder: tuple[int, ...] = (1, 5, 2)
    decoder: tuple[int, ...] = (1, 4)
    block: Literal["plain", "gated"] = "plain"
    attention: bool = False
    colour: Literal["rgb", "ycc", "own"] = "rgb"
    tables: bool = False
    grid: bool = False

    @property
    def multiple(self) -> int:
        """Height and width of the input must be multiples of this many pixels."""
        return self.patch * 2 ** (len(self.channels) - 1)

    def card(self) -> dict[str, object]:
        """The configuration as JSON-ready values."""
        return asdict(self)


class GatedBlock(nn.Module):
    """x + mix(a · b), where a and b are the halves of film(conv(x)); with `attention`, weighed by channel."""

    def __init__(self, channels: int, embedding: int, attention: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.film = nn.Linear(embedding, 4 * channels)
        self.weigh = nn.Linear(channels, channels) if attention else None
        self.second = nn.Conv2d(channels, channels, 1)
        silence(self.film)
        silence(self.second)
        if self.weigh:
            nn.init.zeros_(self.weigh.weight)
            nn.init.ones_(self.weigh.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        a, b = torch.addcmul(shift, self.first(x), 1 + scale).chunk(2, dim=1)
        hidden = a * b
        if self.weigh:
            hidden = hidden * self.weigh(hidden.mean(dim=(2, 3)))[:, :, None, None]
        return x + self.second(hidden)


class Informed(nn.Module):
    """F(r, c_noise, y, chroma, statement): the raw network inside a preconditioned denoiser.

    Arguments of `forward`, n images: `r`, scaled residual (n, 3, height, width), RGB; `c_noise` (n,); `y`, corrupted
    image (n, 3, height, width), RGB in about [0, 1]; `chroma`, its Cb and Cr in half resolution, (n, 2, height / 2,
    width / 2), white levels around 0, used with colour "own"; `statement` (n, STATEMENT).  Returns RGB (n, 3, height,
    width).
    """

    to_ycc: Tensor
    to_rgb: Tensor

    def __init__(self, config: InformedConfig) -> None:
        super().__init__()
        self.config = config
        widths, cell = config.channels, config.patch**2
        self.planes = cell + cell // 2 if config.colour == "own" else 3 * cell
        grid = 4 * len(PERIODS) if config.grid else 0
        width = 2 * EMBEDDING if config.tables else EMBEDDING
        self.register_buffer("to_ycc", torch.tensor(YCBCR, dtype=torch.float32), False)
        self.register_buffer("to_rgb", torch.tensor(RGB, dtype=torch.float32), False)
        self.embed = NoiseEmbedding()
        self.read = nn.Sequential(nn.Linear(STATEMENT, EMBEDDING), nn.ReLU()) if config.tables else None
        self.stem = nn.Conv2d(2 * self.planes + grid, widths[0], 3, padding=1)

        def stage(channels: int, count: int) -> Stage:
            if config.block == "gated":
                return Stage(GatedBlock(channels, width, config.attention) for _ in range(count))
            return Stage(Block(channels, width) for _ in range(count))

        self.encoder = nn.ModuleList(map(stage, widths, config.encoder))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(Up(b, a) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(map(stage, widths, config.decoder))
        self.head = nn.Conv2d(widths[0], self.planes, 3, padding=1)
        silence(self.head)

    def forward(self, r: Tensor, c_noise: Tensor, y: Tensor, chroma: Tensor, statement: Tensor) -> Tensor:
        embedding = self.embed(c_noise)
        if self.read is not None:
            embedding = torch.cat([embedding, self.read(statement)], dim=1)
        x = self.stem(self._inputs(r, y, chroma, statement))
        skips = []
        for stage, down in zip(self.encoder, self.down, strict=False):
            skips.append(stage(x, embedding))
            x = down(skips[-1])
        x = self.encoder[-1](x, embedding)
        for level in reversed(range(len(self.up))):
            x = self.decoder[level](skips[level] + self.up[level](x), embedding)
        return self._output(self.head(x).float())

    def _inputs(self, r: Tensor, y: Tensor, chroma: Tensor, statement: Tensor) -> Tensor:
        """All inputs at the resolution of the first level."""
        patch, colour = self.config.patch, self.config.colour
        if colour == "rgb":
            planes = [F.pixel_unshuffle(torch.cat([r, 4 * y - 2], dim=1), patch)]
        else:
            r, y = (torch.einsum("ij,njhw->nihw", self.to_ycc, image) for image in (r, y))
            full = torch.cat([r[:, :1], 4 * y[:, :1] - 2], dim=1)
            if colour == "ycc":
                planes = [F.pixel_unshuffle(torch.cat([full, 2 * r[:, 1:], 8 * y[:, 1:]], dim=1), patch)]
            else:
                half = torch.cat([2 * F.avg_pool2d(r[:, 1:], 2), 8 * chroma], dim=1)
                planes = [F.pixel_unshuffle(full, patch), F.pixel_unshuffle(half, patch // 2)]
        if self.config.grid:
            planes.append(statement[:, -1:, None, None] * self._grid(planes[0]))
        return torch.cat(planes, dim=1).contiguous(memory_format=torch.channels_last)

    def _grid(self, like: Tensor) -> Tensor:
        """Where a pixel stands in its block, as sines and cosines: (1, 4 · periods, height, width)."""
        found = []
        for period in PERIODS:
            rows, columns = (
                2 * math.pi * self.config.patch / period * torch.arange(n, device=like.device) for n in like.shape[2:]
            )
            for wave in (torch.sin, torch.cos):
                found.append(wave(rows)[:, None].expand(like.shape[2:]))
                found.append(wave(columns)[None].expand(like.shape[2:]))
        return torch.stack(found)[None]

    def _output(self, x: Tensor) -> Tensor:
        """Channels of the head as RGB."""
        patch = self.config.patch
        if self.config.colour == "rgb":
            return F.pixel_shuffle(x, patch)
        if self.config.colour == "ycc":
            image = F.pixel_shuffle(x, patch)
        else:
            luma, chroma = x.split([patch**2, self.planes - patch**2], dim=1)
            luma = F.pixel_shuffle(luma, patch)
            half = F.pixel_shuffle(chroma, patch // 2)
            image = torch.cat([luma, F.interpolate(half, scale_factor=2, mode="bilinear", align_corners=False)], dim=1)
        return torch.einsum("ij,njhw->nihw", self.to_rgb, image)


def statements(tables: Tensor, facts: Tensor) -> Tensor:
    """(n, STATEMENT) of tables (n, 2, 64), entries 1 to 255, and facts (n, 3): stated, chroma halved (vertically,
    horizontally); zeros where not stated."""
    stated = facts[:, :1].float()
    logs = tables.float().clamp_min(1).log2().flatten(1) / 2 - 2
    return stated * torch.cat([logs, facts[:, 1:].float(), torch.ones_like(stated)], dim=1)
