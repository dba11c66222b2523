"""LPIPS v0.1: a distance between pictures that approximates human judgement (Zhang et al. 2018, arXiv 1801.03924).

    d(a, b) = Σ_l mean over pixels Σ_c w_lc (f̂_lc(a) − f̂_lc(b))²        f̂ = f / |f|, normalised over channels c

where f_l are the features of an ImageNet network after its l-th layer, and w_l ≥ 0 was fitted to human judgements.
Papers use AlexNet ("alex").  The weights file, which is not part of driftrec, is a safetensors file with the trunk
under torchvision's names (`features.*`) and the heads (`lin0.weight`, …).
"""

import re
from os import PathLike
from typing import Literal, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

Trunk: TypeAlias = Literal["alex", "squeeze"]

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""Mean and standard deviation of ImageNet's red, green and blue in [−1, 1]."""

SMALLEST = 32
"""Shortest side of pictures, in pixels; smaller pictures have no features left after the last pooling."""


class Lpips(nn.Module):
    """LPIPS with the trunk AlexNet ("alex") or SqueezeNet 1.1 ("squeeze").

    Arguments: `trunk`; `weights`, the path of its weights file.  Raises ValueError for any other trunk, and if the file
    cannot be read or does not hold that network.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: Trunk, weights: str | PathLike[str]) -> None:
        super().__init__()
        if trunk not in _TRUNKS:
            raise ValueError(f"the trunk of LPIPS must be one of {', '.join(_TRUNKS)}, not {trunk!r}")
        build, self.taps = _TRUNKS[trunk]
        with torch.device("meta"):  # no memory and no random numbers for weights that the file replaces
            self.features = build()
            self.heads = nn.ModuleList(nn.Conv2d(channels, 1, 1, bias=False) for channels in self.taps.values())
        self._load(trunk, weights)
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None], persistent=False)

    def _load(self, trunk: Trunk, weights: str | PathLike[str]) -> None:
        try:
            tensors = load_file(weights)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{weights} cannot be read as LPIPS weights: {error}") from error
        try:
            self.load_state_dict({re.sub("^lin", "heads.", k): v for k, v in tensors.items()}, assign=True)
        except RuntimeError as error:
            raise ValueError(f"{weights} does not hold LPIPS weights of the network '{trunk}'") from error
        self.requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance of each pair, (batch,): 0 for equal pictures, symmetric, independent of the rest of the batch,
        differentiable with respect to the pictures.

        Arguments: a and b, float32 RGB of shape (batch, 3, height, width) in [0, 1] (the original code takes
        [−1, 1]).  Raises ValueError for other shapes or values, and for sides shorter than 32 pixels.
        """
        for image in (a, b):
            _check(image)
        if a.shape != b.shape:
            raise ValueError(f"pictures of different sizes cannot be compared: {list(a.shape)} and {list(b.shape)}")
        layers = zip(self.heads, self._features(a), self._features(b), strict=True)
        return torch.stack([head((fa - fb).square()).mean(dim=(1, 2, 3)) for head, fa, fb in layers]).sum(dim=0)

    def _features(self, image: Tensor) -> list[Tensor]:
        """Features after each tapped layer, of unit length over channels."""
        x = (2 * image - 1 - self.shift) / self.scale
        tapped = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                tapped.append(x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10))
        return tapped


class _Fire(nn.Module):
    """SqueezeNet's Fire module: a 1×1 convolution to few channels, then 1×1 and 3×3 convolutions to many, half of them
    each (Iandola et al. 2016)."""

    def __init__(self, inner: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inner, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1).relu()


def _alexnet() -> nn.Sequential:
    """The convolutions of torchvision's AlexNet, with its numbering."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )


def _squeezenet() -> nn.Sequential:
    """The convolutions of torchvision's SqueezeNet 1.1, with its numbering."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        _Fire(64, 16, 64),
        _Fire(128, 16, 64),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        _Fire(128, 32, 128),
        _Fire(256, 32, 128),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        _Fire(256, 48, 192),
        _Fire(384, 48, 192),
        _Fire(384, 64, 256),
        _Fire(512, 64, 256),
    )


_TRUNKS = {  # (function that builds the trunk, {index of a compared layer: its channels})
    "alex": (_alexnet, {1: 64, 4: 192, 7: 384, 9: 256, 11: 256}),
    "squeeze": (_squeezenet, {1: 64, 4: 128, 7: 256, 9: 384, 10: 384, 11: 512, 12: 512}),
}


def _check(image: Tensor) -> None:
    if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < SMALLEST:
        raise ValueError(
            f"pictures are (batch, 3, height, width) with sides of {SMALLEST} pixels or more, not {list(image.shape)}"
        )
    low, high = (float(v) for v in image.detach().aminmax())
    if not (low >= 0 and high <= 1):  # written this way to reject NaN too
        raise ValueError(f"values of pictures are in [0, 1], not in [{low:.3g}, {high:.3g}]")
