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
