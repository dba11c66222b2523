"""The Inception network for FID, from TensorFlow's 2015 release as ported by pytorch-fid (arXiv 1512.00567).

It differs from torchvision's Inception v3 in three ways: it has other weights, its average pooling excludes the
padding, and its last block uses max pooling.  Names follow torchvision, so that the weights file of the port loads.
torch-fidelity is not used because it requires torchvision.
"""

from os import PathLike

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

FEATURES = 2048
SIDE = 299
"""Pictures are resized to squares of this side, in pixels."""


class Inception(nn.Module):
    """Computes features.  Raises ValueError if the weights file cannot be read or does not hold the network."""

    def __init__(self, weights: str | PathLike[str] | None) -> None:
        super().__init__()
        with torch.device("meta" if weights else "cpu"):
            self._build()
        if weights:
            try:
                self.load_state_dict(load_file(weights), assign=True)
            except (OSError, SafetensorError, RuntimeError) as error:
                raise ValueError(f"{weights} does not hold the weights of FID's Inception network") from error
        self.requires_grad_(False).eval()

    def _build(self) -> None:
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3)
        self.Mixed_5b = _MixedA(192, 32)
        self.Mixed_5c = _MixedA(256, 64)
        self.Mixed_5d = _MixedA(288, 64)
        self.Mixed_6a = _MixedB(288)
        self.Mixed_6b = _MixedC(768, 128)
        self.Mixed_6c = _MixedC(768, 160)
        self.Mixed_6d = _MixedC(768, 160)
        self.Mixed_6e = _MixedC(768, 192)
        self.Mixed_7a = _MixedD(768)
        self.Mixed_7b = _MixedE(1280, maximum=False)
        self.Mixed_7c = _MixedE(2048, maximum=True)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Features (batch, 2048) of RGB pictures (batch, 3, height, width) in [0, 1], resized to 299×299 (bilinear)."""
        x = 2 * F.interpolate(image, (SIDE, SIDE), mode="bilinear", align_corners=False) - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean((2, 3))


class _Conv(nn.Module):
    """Convolution, batch normalisation with fixed statistics, ReLU."""

    def __init__(
        self, inner: int, outer: int, kernel: int | tuple[int, int], stride: int = 1, padding: int | tuple[int, int] = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outer, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _MixedA(nn.Module):
    def __init__(self, inner: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(inner, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = _Conv(inner, 48, 1), _Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = _Conv(inner, 64, 1)
        self.branch3x3dbl_2, self.branch3x3dbl_3 = _Conv(64, 96, 3, padding=1), _Conv(96, 96, 3, padding=1)
        self.branch_pool = _Conv(inner, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pooled = self.branch_pool(_average(x))
        return torch.cat([self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, pooled], 1)


class _MixedB(nn.Module):
    def __init__(self, inner: int) -> None:
        super().__init__()
        self.branch3x3 = _Conv(inner, 384, 3, stride=2)
        self.branch3x3dbl_1 = _Conv(inner, 64, 1)
        self.branch3x3dbl_2, self.branch3x3dbl_3 = _Conv(64, 96, 3, padding=1), _Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


class _MixedC(nn.Module):
    def __init__(self, inner: int, middle: int) -> None:
        super().__init__()

        def row(outer: int) -> _Conv:
            return _Conv(middle, outer, (1, 7), padding=(0, 3))

        def column(outer: int) -> _Conv:
            return _Conv(middle, outer, (7, 1), padding=(3, 0))

        self.branch1x1 = _Conv(inner, 192, 1)
        self.branch7x7_1 = _Conv(inner, middle, 1)
        self.branch7x7_2, self.branch7x7_3 = row(middle), column(192)
        self.branch7x7dbl_1 = _Conv(inner, middle, 1)
        self.branch7x7dbl_2, self.branch7x7dbl_3 = column(middle), row(middle)
        self.branch7x7dbl_4, self.branch7x7dbl_5 = column(middle), row(192)
        self.branch_pool = _Conv(inner, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(_average(x))], 1)


class _MixedD(nn.Module):
    def __init__(self, inner: int) -> None:
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = _Conv(inner, 192, 1), _Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _Conv(inner, 192, 1)
        self.branch7x7x3_2 = _Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = _Conv(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = _Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        long = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), long, F.max_pool2d(x, 3, 2)], 1)


class _MixedE(nn.Module):
    def __init__(self, inner: int, *, maximum: bool) -> None:
        super().__init__()
        self.maximum = maximum
        self.branch1x1 = _Conv(inner, 320, 1)
        self.branch3x3_1 = _Conv(inner, 384, 1)
        self.branch3x3_2a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1, self.branch3x3dbl_2 = _Conv(inner, 448, 1), _Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = _Conv(inner, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.maximum else _average(x)
        parts = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(pooled),
        ]
        return torch.cat(parts, 1)
