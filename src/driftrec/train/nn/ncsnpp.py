"""NCSN++, the paper's network: a U-Net of residual blocks with attention, and an image pyramid on both sides.

The architecture is that of Song et al. 2021 (arXiv 2011.13456, appendix H): BigGAN residual blocks (Brock et al. 2019),
resampling with the FIR filter [1, 3, 3, 1], Fourier features of the noise level, sums divided by √2.  The input,
downsampled level by level, is added to the features on the way down.  On the way up, every level adds an image to the
upsampled output of the level below it.  DriftRec (arXiv 2211.06757) conditions the network on the corrupted image by
concatenation; with the defaults of `NCSNppConfig` it has 65.62 million parameters.

Dividing by √2 keeps the variance of a sum of two signals.  The last layer of every branch starts at zero.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftrec.train.nn.recompute import Recomputable

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class NCSNppConfig:
    """Shape of an `NCSNpp`; the defaults are the paper's.

    Attributes:
        features: channels of level 0; a multiple of 4.
        multipliers: channels of each level over `features`; level i works at 1/2^i of the resolution.
        blocks: residual blocks of each level on the way down; one more on the way up.
        attention: levels with self-attention, 0 ≤ level < len(multipliers); the bottleneck always has it.
        conditional: whether the network sees the state and the noise level in addition to the corrupted image.
        fourier_scale: standard deviation of the frequencies of the noise embedding.
        rescale: whether images are mapped from [0, 1] to [−1, 1] first.
        window: side of the windows, in positions of the feature map, within which attention works; None for one window
            that covers the map.  Without windows, time grows with the square of the area, but memory does not.  On
            level 4, a crop of 256 pixels has 16 positions a side.

    Raises ValueError for shapes that do not fit.
    """

    features: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 2, 2, 2)
    blocks: int = 2
    attention: tuple[int, ...] = (4,)
    conditional: bool = True
    fourier_scale: float = 16.0
    rescale: bool = False
    window: int | None = None
    kind: Literal["ncsnpp"] = "ncsnpp"

    def __post_init__(self) -> None:
        if self.features < 4 or self.features % 4:
            raise ValueError(f"features must be a positive multiple of 4, got {self.features}")
        if not self.multipliers or min(self.multipliers) < 1 or self.blocks < 1:
            raise ValueError(f"multipliers and blocks must be at least 1, got {self.multipliers} and {self.blocks}")
        if not all(0 <= level < len(self.multipliers) for level in self.attention):
            raise ValueError(f"attention must name levels below {len(self.multipliers)}, got {self.attention}")
        if self.window is not None and self.window < 1:
            raise ValueError(f"window must be at least 1, got {self.window}")

    @property
    def multiple(self) -> int:
        """Height and width of the input must be multiples of this many pixels."""
        return 2 ** (len(self.multipliers) - 1)

    def card(self) -> dict[str, object]:
        """The configuration as JSON-ready values."""
        return asdict(self)


class NCSNpp(nn.Module):
    """F(x, c_noise, y).

    Arguments of `forward`: state and corrupted image, both (batch, 3, height, width), height and width multiples of
    `config.multiple`; c_noise (batch,), the logarithm of the noise level.  Without `config.conditional` only y is
    used.  Returns (batch, 3, height, width).
    """

    def __init__(self, config: NCSNppConfig) -> None:
        super().__init__()
        self.config = config
        image = 6 if config.conditional else 3
        embedding = 4 * config.features if config.conditional else 0
        widths = [config.features * m for m in config.multipliers]
        deepest = len(widths) - 1
        self.embed = NoiseEmbedding(config.features, config.fourier_scale) if config.conditional else None
        self.stem = _conv(image, widths[0])
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        skips = [widths[0]]
        for level, width in enumerate(widths):
            attention = level in config.attention
            stage = Down(skips[-1], width, image, embedding, config, attention, last=level == deepest)
            self.down.append(stage)
            skips += [width] * (config.blocks + (level < deepest))
        self.middle = Middle(widths[-1], embedding, config.window)
        incoming = widths[-1]
        for level, width in reversed(list(enumerate(widths))):
            inputs = [incoming + skips.pop(), *(width + skips.pop() for _ in range(config.blocks))]
            self.up.append(Up(inputs, width, image, embedding, config, level in config.attention, last=level == 0))
            incoming = width
        self.head = nn.Conv2d(image, 3, 1)
        nn.init.zeros_(_bias(self.head))

    def forward(self, x: Tensor, c_noise: Tensor, y: Tensor) -> Tensor:
        image = torch.cat([x, y], dim=1) if self.config.conditional else y
        if self.config.rescale:
            image = 2 * image - 1
        embedding = None if self.embed is None else self.embed(c_noise)
        h = self.stem(image)
        skips = [h]
        for stage in self.down:
            h, image = stage(h, image, embedding, skips)
        h = self.middle(h, embedding)
        output = None
        for stage in self.up:
            h, output = stage(h, output, embedding, skips)
        return self.head(output)


class NoiseEmbedding(nn.Module):
    """Random Fourier features of c_noise, then two linear layers: (batch,) -> (batch, 4 · features)."""

    def __init__(self, features: int, scale: float) -> None:
        super().__init__()
        # A parameter, so that it is saved with the weights; it is not trained.
        self.frequencies = nn.Parameter(scale * torch.randn(features), requires_grad=False)
        self.first = _initialised(nn.Linear(2 * features, 4 * features))
        self.second = _initialised(nn.Linear(4 * features, 4 * features))

    def forward(self, c_noise: Tensor) -> Tensor:
        phase = 2 * math.pi * c_noise[:, None] * self.frequencies
        return F.silu(self.second(F.silu(self.first(torch.cat([phase.sin(), phase.cos()], dim=1)))))


class ResBlock(Recomputable):
    """BigGAN's residual block, (x + conv(silu(norm(…)))) / √2, which may also change the resolution."""

    def __init__(
        self, inputs: int, outputs: int, embedding: int, resample: Literal["up", "down"] | None = None
    ) -> None:
        super().__init__()
        self.first_norm = _norm(inputs)
        self.resample = {"up": enlarge, "down": shrink, None: nn.Identity()}[resample]
        self.first = _conv(inputs, outputs)
        self.shift = _initialised(nn.Linear(embedding, outputs)) if embedding else None
        self.second_norm = _norm(outputs)
        self.second = _conv(outputs, outputs, gain=0)
        self.shortcut = _conv(inputs, outputs, 1) if resample or inputs != outputs else nn.Identity()

    def compute(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        h = self.first(self.resample(F.silu(self.first_norm(x))))
        if self.shift is not None:
            h = h + self.shift(embedding)[:, :, None, None]
        h = self.second(F.silu(self.second_norm(h)))
        return (self.shortcut(self.resample(x)) + h) / math.sqrt(2)


class Attention(Recomputable):
    """Self-attention over positions with one head, within windows of `window` × `window` positions (None: no limit)."""

    def __init__(self, channels: int, window: int | None) -> None:
        super().__init__()
        self.window = window
        self.norm = _norm(channels)
        self.query, self.key, self.value = (_conv(channels, channels, 1, gain=math.sqrt(0.1)) for _ in range(3))
        self.out = _conv(channels, channels, 1, gain=0)

    def compute(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        h = torch.cat([self.query(h), self.key(h), self.value(h)], dim=1)
        if self.window is None or (not torch.compiler.is_exporting() and max(h.shape[2:]) <= self.window):
            h = self._attend(h)
        else:
            h = self._attend_in_windows(h, self.window)
        return (x + self.out(h)) / math.sqrt(2)

    @staticmethod
    def _attend(h: Tensor) -> Tensor:
        query, key, value = (part.flatten(2).mT[:, None].contiguous() for part in h.chunk(3, dim=1))
        return F.scaled_dot_product_attention(query, key, value)[:, 0].mT.unflatten(2, h.shape[2:])

    @staticmethod
    def _attend_in_windows(h: Tensor, window: int) -> Tensor:
        """`_attend` in each window.  Windows at the right and bottom edges are padded, and the padding is masked.

        The code does not branch on the size, so one export works for all sizes.
        """
        batch, channels, height, width = h.shape
        rows, columns = ((side + window - 1) // window for side in (height, width))
        border = (0, columns * window - width, 0, rows * window - height)
        parts, there = (
            F.pad(image, border)
            .reshape(image.shape[0], image.shape[1], rows, window, columns, window)
            .permute(0, 2, 4, 3, 5, 1)
            .reshape(image.shape[0], rows * columns, window**2, image.shape[1])
            for image in (h, h.new_ones(1, 1, height, width))
        )
        query, key, value = (part.contiguous() for part in parts.chunk(3, dim=3))
        out = F.scaled_dot_product_attention(query, key, value, there.mT > 0)
        out = out.reshape(batch, rows, columns, window, window, channels // 3).permute(0, 5, 1, 3, 2, 4)
        return out.reshape(batch, channels // 3, rows * window, columns * window)[..., :height, :width]


class Down(nn.Module):
    """One level of the way down.  All but the last halve the resolution and then add the downsampled input."""

    def __init__(
        self, inputs: int, width: int, image: int, embedding: int, config: NCSNppConfig, attention: bool, last: bool
    ) -> None:
        super().__init__()
        widths = [inputs] + [width] * (config.blocks - 1)
        self.blocks = nn.ModuleList(ResBlock(n, width, embedding) for n in widths)
        self.attention = nn.ModuleList(_attention(width, config, attention) for _ in widths)
        self.shrink = None if last else ResBlock(width, width, embedding, "down")
        self.merge = None if last else _conv(image, width, 1)

    def forward(self, h: Tensor, image: Tensor, embedding: Tensor | None, skips: list[Tensor]) -> tuple[Tensor, Tensor]:
        """(features, input image) at the resolution of the next level; appends the skips for the way up to `skips`."""
        for block, attention in zip(self.blocks, self.attention, strict=True):
            h = attention(block(h, embedding))
            skips.append(h)
        if self.shrink is not None and self.merge is not None:
            image = shrink(image)
            h = self.shrink(h, embedding) + self.merge(image)
            skips.append(h)
        return h, image


class Middle(nn.Module):
    """The bottleneck: block, attention, block."""

    def __init__(self, width: int, embedding: int, window: int | None) -> None:
        super().__init__()
        self.first = ResBlock(width, width, embedding)
        self.attention = Attention(width, window)
        self.second = ResBlock(width, width, embedding)

    def forward(self, h: Tensor, embedding: Tensor | None) -> Tensor:
        return self.second(self.attention(self.first(h, embedding)), embedding)


class Up(nn.Module):
    """One level of the way up: residual blocks on features and skips, then a convolution to this level's image."""

    def __init__(
        self,
        inputs: Iterable[int],
        width: int,
        image: int,
        embedding: int,
        config: NCSNppConfig,
        attention: bool,
        last: bool,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResBlock(n, width, embedding) for n in inputs)
        self.attention = _attention(width, config, attention)
        self.norm = _norm(width)
        self.paint = _conv(width, image, gain=0)
        self.enlarge = None if last else ResBlock(width, width, embedding, "up")

    def forward(
        self, h: Tensor, output: Tensor | None, embedding: Tensor | None, skips: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """(features at the resolution of the next level, sum of the images so far); removes its skips from `skips`."""
        for block in self.blocks:
            h = block(torch.cat([h, skips.pop()], dim=1), embedding)
        h = self.attention(h)
        part = self.paint(F.silu(self.norm(h)))
        if output is not None:
            part = enlarge(output) + part
        return (h if self.enlarge is None else self.enlarge(h, embedding)), part


def shrink(x: Tensor) -> Tensor:
    """Smooths with the FIR filter and halves the resolution; (batch, channel, height, width), height and width even."""
    return F.conv2d(x, _fir(x), stride=2, padding=1, groups=x.shape[1])


def enlarge(x: Tensor) -> Tensor:
    """Doubles the resolution: inserts zeros between the pixels and smooths with the FIR filter."""
    return F.conv_transpose2d(x, 4 * _fir(x), stride=2, padding=1, groups=x.shape[1])


def _fir(x: Tensor) -> Tensor:
    """The separable filter [1, 3, 3, 1], normalised to sum 1, for every channel of x."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device, dtype=x.dtype) / 8
    return torch.outer(line, line).expand(x.shape[1], 1, 4, 4)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(channels // 4, 32), channels, eps=1e-6)


def _attention(channels: int, config: NCSNppConfig, wanted: bool) -> nn.Module:
    return Attention(channels, config.window) if wanted else nn.Identity()


def _conv(inputs: int, outputs: int, size: int = 3, gain: float = 1) -> nn.Conv2d:
    return _initialised(nn.Conv2d(inputs, outputs, size, padding=size // 2), gain)


def _initialised(layer: Layer, gain: float = 1) -> Layer:
    """The layer with uniform weights of variance gain² / mean(fan-in, fan-out) and zero bias."""
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(_bias(layer))
    return layer


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    assert layer.bias is not None  # all layers here have one
    return layer.bias
