"""LPIPS v0.1: a distance between pictures that follows what people see (Zhang et al. 2018, arXiv 1801.03924).

Features of an ImageNet network are normalised over their channels, compared, weighted per channel, averaged over
space and summed over layers.  The weights file holds the trunk as torchvision names it (`features.*`) and the linear
heads (`lin0` …); it is not part of driftrec.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

Trunk: TypeAlias = Literal["alex", "squeeze"]

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""Mean and standard deviation of ImageNet pictures in [−1, 1]."""


class Lpips(nn.Module):
    """LPIPS with the AlexNet ("alex") or SqueezeNet 1.1 ("squeeze") trunk.

    Arguments: `trunk`; `weights`, a safetensors file.  Raises ValueError when the file does not hold that network.
    """

    def __init__(self, trunk: Trunk, weights: Path) -> None:
        super().__init__()
        self.trunk: Trunk = trunk
        try:
            tensors = load_file(weights)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{weights} cannot be read as LPIPS weights: {error}") from error
        probe = "features.3.weight" if trunk == "alex" else "features.3.squeeze.weight"
        if probe not in tensors or "lin4.weight" not in tensors:
            raise ValueError(f"{weights} does not hold LPIPS weights of the network '{trunk}'")
        for name, value in tensors.items():
            self.register_buffer(name.replace(".", "_"), value)

    @torch.no_grad()
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of each pair, (batch,), 0 for equal ones; a and b are (batch, 3, height, width) in [0, 1]."""
        total = torch.zeros(len(a))
        for layer, (fa, fb) in enumerate(zip(self._features(a), self._features(b), strict=True)):
            difference = (_normalised(fa) - _normalised(fb)).square()
            total += F.conv2d(difference, self._get(f"lin{layer}.weight")).mean(dim=(1, 2, 3))
        return total

    def _features(self, image: Tensor) -> Iterator[Tensor]:
        shift, scale = (torch.tensor(v)[:, None, None] for v in (SHIFT, SCALE))
        x = (2 * image - 1 - shift) / scale
        return self._alex(x) if self.trunk == "alex" else self._squeeze(x)

    def _alex(self, x: Tensor) -> Iterator[Tensor]:
        x = self._convolve(x, "features.0", stride=4, padding=2)
        yield x
        for name, padding, pool in (("3", 2, True), ("6", 1, True), ("8", 1, False), ("10", 1, False)):
            x = F.max_pool2d(x, 3, 2) if pool else x
            x = self._convolve(x, f"features.{name}", padding=padding)
            yield x

    def _squeeze(self, x: Tensor) -> Iterator[Tensor]:
        x = self._convolve(x, "features.0", stride=2)
        yield x
        for pool, fires in (
            (True, (3, 4)),
            (True, (6, 7)),
            (True, (9,)),
            (False, (10,)),
            (False, (11,)),
            (False, (12,)),
        ):
            x = F.max_pool2d(x, 3, 2, ceil_mode=True) if pool else x
            for fire in fires:
                squeezed = self._convolve(x, f"features.{fire}.squeeze")
                wide = [self._convolve(squeezed, f"features.{fire}.expand{k}x{k}", padding=k // 2) for k in (1, 3)]
                x = torch.cat(wide, dim=1)
            yield x

    def _convolve(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        return F.relu(F.conv2d(x, self._get(f"{name}.weight"), self._get(f"{name}.bias"), stride, padding))

    def _get(self, name: str) -> Tensor:
        return self.get_buffer(name.replace(".", "_"))


def _normalised(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
