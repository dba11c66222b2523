"""Validation while training: PSNR of fixed held-out crops, faithful and natural, and a sheet to look at."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from driftrec.sampling import Plan
from driftrec.workshop.data import Corpus
from driftrec.workshop.degrade import jpeg

QUALITIES = (5, 10, 20, 40, 80, 95)
DECISIVE = (5, 10, 20, 40, 80)
"""The qualities that choose the best weights: above, the decoder and not the network has most of the say."""
SHEET_QUALITY = 10

Network = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(residual r/k, ratio s, y) -> x0, see `driftrec.workshop.denoiser.Denoiser`."""


@dataclass(frozen=True)
class ValidationSet:
    """Clean centre crops (n, 3, size, size) in [0, 1], and the same after JPEG 4:2:0 at each quality."""

    clean: Tensor
    corrupted: dict[int, Tensor]


def validation_set(corpus: Corpus, count: int = 48, size: int = 160) -> ValidationSet:
    """Centre crops of `count` pictures spread over the corpus; fewer when it has fewer large enough."""
    large = [i for i, entry in enumerate(corpus.entries) if min(entry.height, entry.width) >= size]
    chosen = [large[int(k)] for k in np.linspace(0, len(large) - 1, min(count, len(large)))]
    if not chosen:
        raise ValueError(f"no held-out picture is {size} pixels wide and high: add larger pictures")
    crops = [_centre(corpus[i], size) for i in chosen]
    corrupted = {q: _tensor([jpeg(crop, q) for crop in crops]) for q in QUALITIES}
    return ValidationSet(_tensor(crops), corrupted)


def faithful(network: Network, y: Tensor) -> Tensor:
    """The minimum mean square error estimate: one evaluation at infinite ratio."""
    return network(torch.zeros_like(y), torch.full((len(y),), torch.inf, device=y.device), y)


def natural(network: Network, y: Tensor, faithful: Tensor, plan: Plan, seed: int = 0) -> Tensor:
    """A sample around the faithful estimates; the images of the batch share one starting time."""
    generator = torch.Generator(y.device).manual_seed(seed)

    def denoise(xt: Tensor, y: Tensor, t: float) -> Tensor:
        ratio = torch.full((len(y),), plan.process.ratio(t), device=y.device)
        return network((xt - y) / plan.process.scale(t), ratio, y)

    def noise(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, device=y.device)

    change = (faithful - y).square().mean().sqrt().item()
    *_, last = plan.sample(denoise, y, faithful, change, noise=noise)
    return last


@torch.no_grad()
def validate(
    network: Network, data: ValidationSet, device: torch.device, sheet: Path | None = None
) -> dict[str, float]:
    """PSNR in dB (mean over images, RGB) of the JPEGs and both restorations; writes `sheet` if given."""
    result = {}
    for quality, corrupted in data.corrupted.items():
        sharp, single = [], []
        for clean, y in zip(data.clean.split(16), corrupted.split(16), strict=True):
            y = y.to(device)
            estimate = faithful(network, y)
            sharp.append(psnr(estimate.cpu(), clean))
            if quality == SHEET_QUALITY:
                sample = natural(network, y, estimate, Plan())
                single.append(psnr(sample.cpu(), clean))
                if sheet and len(single) == 1:
                    _write_sheet(sheet, [clean, y.cpu(), estimate.cpu(), sample.cpu()])
        result[f"jpeg_{quality}"] = torch.cat([psnr(corrupted, data.clean)]).mean().item()
        result[f"faithful_{quality}"] = torch.cat(sharp).mean().item()
        if single:
            result[f"natural_{quality}"] = torch.cat(single).mean().item()
    return result


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """10 log10(1 / mean square error) of each image, in dB: (batch,), for images in [0, 1]."""
    return -10 * (a.clamp(0, 1) - b).square().mean(dim=(1, 2, 3)).clamp_min(1e-10).log10()


def _centre(picture: np.ndarray, size: int) -> np.ndarray:
    top, left = ((n - size) // 2 for n in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + size, left : left + size])


def _tensor(crops: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous().float() / 255


def _write_sheet(path: Path, columns: list[Tensor], rows: int = 6, zoom: int = 2) -> None:
    """One row a picture: clean, JPEG, faithful, natural."""
    grid = torch.cat([torch.cat(list(column[:rows]), dim=1) for column in columns], dim=2)
    pixels = (grid.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels)
    image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(path)
