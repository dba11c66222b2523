"""NCSN++ written down the plain way: a flat list of modules that the forward pass walks through, in single precision.

Written from the description of the architecture (Song et al. 2021, arXiv 2011.13456, appendix H; DriftRec, arXiv
2211.06757), with the parameters' names and order of the official code.  Imported checkpoints are tested against it, and
`benchmarks/ncsnpp.py` compares its speed with that of `driftrec.train.nn.ncsnpp`.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftrec.train.nn.ncsnpp import NCSNppConfig


class Fourier(nn.Module):
    """Sines and cosines of random frequencies W."""

    def __init__(self, features: int, scale: float) -> None:
        super().__init__()
        self.W = nn.Parameter(scale * torch.randn(features), requires_grad=False)

    def forward(self, value: Tensor) -> Tensor:
        phase = 2 * math.pi * torch.outer(value, self.W)
        return torch.cat((torch.sin(phase), torch.cos(phase)), dim=-1)


class Matrix(nn.Module):
    """A linear map of the channels, x W + b."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.W = nn.Parameter(0.05 * torch.randn(channels, channels))
        self.b = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bihw,io->bohw", x, self.W) + self.b[:, None, None]


class Attention(nn.Module):
    """Every position looks at every other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.GroupNorm_0 = norm(channels)
        self.NIN_0, self.NIN_1, self.NIN_2, self.NIN_3 = (Matrix(channels) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.GroupNorm_0(x)
        query, key, value = (matrix(h) for matrix in (self.NIN_0, self.NIN_1, self.NIN_2))
        likeness = torch.einsum("bchw,bcij->bhwij", query, key) / math.sqrt(x.shape[1])
        weights = F.softmax(likeness.flatten(3), dim=-1).view_as(likeness)
        return (x + self.NIN_3(torch.einsum("bhwij,bcij->bchw", weights, value))) / math.sqrt(2)


class Block(nn.Module):
    """A residual block, `change` being what it does to the resolution."""

    def __init__(self, inputs: int, outputs: int, embedding: int, change: str = "") -> None:
        super().__init__()
        self.change = change
        self.GroupNorm_0 = norm(inputs)
        self.Conv_0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        if embedding:
            self.Dense_0 = nn.Linear(embedding, outputs)
        self.GroupNorm_1 = norm(outputs)
        self.Conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.Conv_2 = nn.Conv2d(inputs, outputs, 1) if change or inputs != outputs else None

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        h = F.silu(self.GroupNorm_0(x))
        if self.change:
            resample = half if self.change == "down" else double
            h, x = resample(h), resample(x)
        h = self.Conv_0(h)
        if embedding is not None:
            h = h + self.Dense_0(F.silu(embedding))[:, :, None, None]
        h = self.Conv_1(F.silu(self.GroupNorm_1(h)))
        return ((x if self.Conv_2 is None else self.Conv_2(x)) + h) / math.sqrt(2)


class Combine(nn.Module):
    """Adds the shrunk input to the features."""

    def __init__(self, image: int, channels: int) -> None:
        super().__init__()
        self.Conv_0 = nn.Conv2d(image, channels, 1)

    def forward(self, image: Tensor, h: Tensor) -> Tensor:
        return self.Conv_0(image) + h


class PlainNCSNpp(nn.Module):
    """(x, σ) -> the network's answer, where x is the state and the corrupted image (or the latter alone)."""

    def __init__(self, config: NCSNppConfig) -> None:
        super().__init__()
        self.config = config
        image = 6 if config.conditional else 3
        self.output_layer = nn.Conv2d(image, 3, 1)
        self.all_modules = nn.ModuleList(_modules(config, image))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        config, step = self.config, iter(self.all_modules)
        levels, embedding = range(len(config.multipliers)), None
        if config.conditional:
            embedding = next(step)(sigma.log())
            embedding = next(step)(embedding)
            embedding = next(step)(F.silu(embedding))
        image, skips = x, [next(step)(x)]
        for level in levels:
            for _ in range(config.blocks):
                h = next(step)(skips[-1], embedding)
                skips.append(next(step)(h) if level in config.attention else h)
            if level != levels[-1]:
                h, image = next(step)(skips[-1], embedding), half(image)
                skips.append(next(step)(image, h))
        h = next(step)(skips[-1], embedding)
        h = next(step)(h)
        h = next(step)(h, embedding)
        output = None
        for level in reversed(levels):
            for _ in range(config.blocks + 1):
                h = next(step)(torch.cat((h, skips.pop()), dim=1), embedding)
            if level in config.attention:
                h = next(step)(h)
            part = next(step)(h)
            part = next(step)(F.silu(part))
            output = part if output is None else double(output) + part
            if level:
                h = next(step)(h, embedding)
        return self.output_layer(output)


def _modules(config: NCSNppConfig, image: int) -> Iterator[nn.Module]:
    """All modules in the order of the forward pass."""
    features, embedding = config.features, 4 * config.features if config.conditional else 0
    if config.conditional:
        yield Fourier(features, config.fourier_scale)
        yield nn.Linear(2 * features, embedding)
        yield nn.Linear(embedding, embedding)
    yield nn.Conv2d(image, features, 3, padding=1)
    widths, skips = [features * m for m in config.multipliers], [features]
    levels = range(len(widths))
    for level in levels:
        width = widths[level]
        for _ in range(config.blocks):
            yield Block(skips[-1], width, embedding)
            skips.append(width)
            if level in config.attention:
                yield Attention(width)
        if level != levels[-1]:
            yield Block(width, width, embedding, "down")
            yield Combine(image, width)
            skips.append(width)
    yield Block(widths[-1], widths[-1], embedding)
    yield Attention(widths[-1])
    yield Block(widths[-1], widths[-1], embedding)
    before = widths[-1]
    for level in reversed(levels):
        width = widths[level]
        for _ in range(config.blocks + 1):
            yield Block(before + skips.pop(), width, embedding)
            before = width
        if level in config.attention:
            yield Attention(width)
        yield norm(width)
        yield nn.Conv2d(width, image, 3, padding=1)
        if level:
            yield Block(width, width, embedding, "up")


def norm(channels: int) -> nn.GroupNorm:
    """Group normalisation as everywhere in the network."""
    return nn.GroupNorm(min(channels // 4, 32), channels, eps=1e-6)


def half(x: Tensor) -> Tensor:
    """Half the resolution: the filter [1, 3, 3, 1] in both directions, then every second pixel."""
    return _filtered(x, 1.0, 1, 1)[:, :, ::2, ::2]


def double(x: Tensor) -> Tensor:
    """Twice the resolution: a zero after every pixel in both directions, then the filter."""
    batch, channels, height, width = x.shape
    spread = x.new_zeros(batch, channels, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = x
    return _filtered(spread, 4.0, 2, 1)


def _filtered(x: Tensor, gain: float, before: int, after: int) -> Tensor:
    """Channel by channel, with zeros outside."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    planes = F.pad(x.flatten(0, 1)[:, None], (before, after, before, after))
    return F.conv2d(planes, gain * torch.outer(line, line)[None, None].to(x))[:, 0].unflatten(0, x.shape[:2])
