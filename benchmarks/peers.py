"""Networks of other restorers with random weights, to compare their speed.  They restore nothing."""

import torch
from torch import Tensor, nn


class Fbcnn(nn.Module):
    """FBCNN (Jiang, Zhang, Timofte 2021, arXiv 2109.14573), written from the paper: 72 M parameters.

    A residual U-Net of 64, 128, 256 and 512 channels with four blocks a level; a branch at the coarsest level
    estimates the quality, which scales and shifts the blocks of the decoder.
    """

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512), blocks: int = 4) -> None:
        super().__init__()
        fine, coarse = widths[:-1], widths[1:]
        deep = widths[-1]
        self.head = nn.Conv2d(3, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(nn.Sequential(*(Residual(w) for _ in range(blocks))) for w in fine)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in zip(fine, coarse, strict=True))
        self.middle = nn.Sequential(*(Residual(deep) for _ in range(blocks)))
        self.quality_features = nn.Sequential(*(Residual(deep) for _ in range(blocks)))
        self.quality = nn.Sequential(nn.Linear(deep, deep), nn.ReLU(), nn.Linear(deep, 1), nn.Sigmoid())
        self.embedding = nn.Sequential(nn.Linear(1, deep), nn.ReLU(), nn.Linear(deep, deep), nn.ReLU())
        self.last_middle = nn.Sequential(*(Residual(deep) for _ in range(blocks)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in zip(fine, coarse, strict=True))
        self.decoder = nn.ModuleList(nn.ModuleList(Residual(w) for _ in range(blocks)) for w in fine)
        self.film = nn.ModuleList(nn.Linear(deep, 2 * w) for w in fine)
        self.tail = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, y: Tensor) -> Tensor:
        x = self.head(y)
        skips = [x]
        for stage, down in zip(self.encoder, self.down, strict=True):
            x = down(stage(x))
            skips.append(x)
        x = self.middle(x)
        quality = self.embedding(self.quality(self.quality_features(x).mean(dim=(2, 3))))
        x = self.last_middle(x)
        for level in reversed(range(len(self.up))):
            x = self.up[level](x + skips[level + 1])
            film = self.film[level](quality)[:, :, None, None].chunk(2, dim=1)
            for block in self.decoder[level]:
                x = block(x, film)
        return self.tail(x + skips[0])


class Residual(nn.Module):
    """x + film · conv(relu(conv(x))): the second term is scaled and shifted if `film` is given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, film: tuple[Tensor, Tensor] | None = None) -> Tensor:
        change = self.second(self.first(x).relu())
        if film is not None:
            change = torch.addcmul(film[1], change, film[0])
        return x + change


class NafUNet(nn.Module):
    """A U-Net of NAFNet's blocks (Chen et al. 2022, arXiv 2204.04676) with the sizes of DeJPEGNet c40: 2.6 M weights.

    DeJPEGNet (<https://github.com/Miosp/dejpeg>) has three levels of 40, 80 and 160 channels with 2, 2 and 4 blocks,
    four blocks at an eighth of the resolution, and two blocks on each level of the decoder.  Its channel attention
    looks at windows of 32×32 pixels.  Its depthwise convolutions are those of inference, with one kernel each.
    """

    def __init__(self, widths: tuple[int, ...] = (40, 80, 160), blocks: tuple[int, ...] = (2, 2, 4)) -> None:
        super().__init__()
        deeper = (*widths[1:], widths[-1])
        self.head = nn.Conv2d(3, widths[0], 3, padding=1)
        levels = list(zip(widths, blocks, strict=True))
        self.encoder = nn.ModuleList(nn.Sequential(*(NafBlock(w) for _ in range(count))) for w, count in levels)
        pairs = list(zip(widths, deeper, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.middle = nn.Sequential(*(NafBlock(deeper[-1]) for _ in range(4)))
        self.up = nn.ModuleList(nn.Sequential(nn.Conv2d(b, 4 * a, 1), nn.PixelShuffle(2)) for a, b in pairs)
        self.decoder = nn.ModuleList(nn.Sequential(NafBlock(w), NafBlock(w)) for w in widths)
        self.tail = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, y: Tensor) -> Tensor:
        x, skips = self.head(y), []
        for stage, down in zip(self.encoder, self.down, strict=True):
            skips.append(stage(x))
            x = down(skips[-1])
        x = self.middle(x)
        for level in reversed(range(len(self.up))):
            x = self.decoder[level](self.up[level](x) + skips[level])
        return y + self.tail(x)


class NafBlock(nn.Module):
    """NAFNet's block: two residual branches without activations, whose halves are multiplied with each other."""

    WINDOW = 32

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in range(2))
        self.first, self.second = nn.Conv2d(channels, wide, 1), nn.Conv2d(channels, channels, 1)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False)
        self.attention = nn.Conv2d(channels, channels, 1)
        self.third, self.fourth = nn.Conv2d(channels, wide, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gated = _gated(self.depthwise(self.first(self.norms[0](x))))
        weights = self.attention(nn.functional.avg_pool2d(gated, self.WINDOW, ceil_mode=True))
        gated = gated * nn.functional.interpolate(weights, gated.shape[-2:])
        x = x + self.second(gated)
        return x + self.fourth(_gated(self.third(self.norms[1](x))))


class ChannelNorm(nn.Module):
    """Normalises the channels of every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale, self.shift = (nn.Parameter(torch.full((1, channels, 1, 1), value)) for value in (1.0, 0.0))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=1, keepdim=True)
        deviation = torch.sqrt(centred.square().mean(dim=1, keepdim=True) + 1e-6)
        return centred / deviation * self.scale + self.shift


def _gated(x: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=1)
    return a * b
