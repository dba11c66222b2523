"""DISTS: structure and texture similarity of VGG16 features (Ding et al. 2020, arXiv 2004.07728).

    d(a, b) = 1 − Σ_l Σ_c (α_lc S_mean + β_lc S_structure)                       (equation 7; Σ α + β = 1)

S_mean compares the means of one channel over all pixels, S_structure their covariance.  The picture itself is layer 0.
The weights file is a safetensors file with `features.*` of torchvision's VGG16 and the fitted `alpha` and `beta`.
pyiqa is not used because it requires torchvision, transformers and bitsandbytes.
"""

from os import PathLike

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions of VGG16, stage by stage."""

CHANNELS = (3, *(stage[-1] for stage in STAGES))
SMALLEST = 32
STABILISER = 1e-6

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's red, green and blue in [0, 1]."""


class Dists(nn.Module):
    """DISTS.  Raises ValueError when the weights file cannot be read or does not hold the network."""

    blur: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, weights: str | PathLike[str]) -> None:
        super().__init__()
        with torch.device("meta"):
            self.features = _vgg16()
            self.alpha, self.beta = (nn.Parameter(torch.empty(sum(CHANNELS))) for _ in range(2))
        try:
            tensors = load_file(weights)
            self.load_state_dict(
                {k: v.flatten() if k in ("alpha", "beta") else v for k, v in tensors.items()}, assign=True
            )
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ValueError(f"{weights} does not hold the weights of DISTS") from error
        self.requires_grad_(False)
        row = torch.tensor([1.0, 2.0, 1.0]) / 4  # a Hann window of length 5 without its zeros
        self.register_buffer("blur", torch.outer(row, row)[None, None], persistent=False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None], persistent=False)

    @torch.no_grad()
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance of each pair, (batch,): 0 for equal pictures, at most about 1, symmetric.

        Arguments: a and b, float32 RGB of shape (batch, 3, height, width) in [0, 1], compared at full size.  Raises
        ValueError if the shapes are invalid or differ, and for sides shorter than 32 pixels.
        """
        if a.shape != b.shape:
            raise ValueError(f"pictures of different sizes cannot be compared: {list(a.shape)} and {list(b.shape)}")
        if a.ndim != 4 or a.shape[1] != 3 or min(a.shape[2:]) < SMALLEST:
            raise ValueError(
                f"pictures are (batch, 3, height, width) with sides of {SMALLEST} or more, not {list(a.shape)}"
            )
        total = self.alpha.sum() + self.beta.sum()
        alphas, betas = ((w / total).split(CHANNELS) for w in (self.alpha, self.beta))
        similar = torch.zeros(len(a), device=a.device)
        for alpha, beta, fa, fb in zip(alphas, betas, self._layers(a), self._layers(b), strict=True):
            mean_a, mean_b = fa.mean((2, 3)), fb.mean((2, 3))
            var_a, var_b = fa.var((2, 3), correction=0), fb.var((2, 3), correction=0)
            covariance = (fa * fb).mean((2, 3)) - mean_a * mean_b
            means = (2 * mean_a * mean_b + STABILISER) / (mean_a**2 + mean_b**2 + STABILISER)
            structure = (2 * covariance + STABILISER) / (var_a + var_b + STABILISER)
            similar += means @ alpha + structure @ beta
        return 1 - similar

    def _layers(self, image: Tensor) -> list[Tensor]:
        """The picture and the features after each stage, with L2 pooling instead of VGG's max pooling."""
        x, layers = (image - self.mean) / self.deviation, [image]
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                layers.append(x)
                kernel = self.blur.expand(x.shape[1], 1, 3, 3)
                x = (F.conv2d(x**2, kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()
            else:
                x = layer(x)
        return [*layers, x]


def _vgg16() -> nn.Sequential:
    """The convolutions of torchvision's VGG16, with its numbering, without the last pooling."""
    layers: list[nn.Module] = []
    inner = 3
    for stage in STAGES:
        if layers:
            layers.append(nn.MaxPool2d(2, 2))
        for channels in stage:
            layers += [nn.Conv2d(inner, channels, 3, padding=1), nn.ReLU()]
            inner = channels
    return nn.Sequential(*layers)
