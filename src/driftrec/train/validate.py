"""Validation during training: the PSNR of faithful and natural restorations of held-out crops, and a sheet of them."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from driftrec.diffusion.coordinates import anchor_image
from driftrec.diffusion.plan import Plan
from driftrec.evaluate.corruptions import Pixels
from driftrec.train.data.crops import Corpus
from driftrec.train.data.degrade import Degradation, RandomJpeg, jpeg
from driftrec.train.denoiser import Estimator, faithful_estimate, of_states
from driftrec.train.finisher import Finishing
from driftrec.train.objective import Denoising, Share
from driftrec.train.recipe import TrainConfig

COUNT, SIDE = 48, 160
"""The number of crops, and their side in pixels before `crop_side` rounds it."""
QUALITIES = (5, 10, 20, 40, 80, 95)
DECISIVE = (5, 10, 20, 40, 80)
"""The qualities that decide which weights are the best.  At higher ones, the decoder matters more than the network."""
DOUBLE = (10, 30)
"""Qualities of a double compression that is also scored; the grid of the second is shifted by (4, 4).  Crops are
aligned with the grid of the first, as pictures are in the tool (`driftrec.jpeg.Report.grid`)."""
SHEET_QUALITY = 10
LOSS = "validation_loss"
PROBE = 0.05
"""The noise-to-scale ratio at which networks without a faithful estimate are scored."""


@dataclass(frozen=True)
class ValidationSet:
    """Clean centre crops (n, 3, side, side) in [0, 1], and their corrupted versions by the name of the corruption."""

    clean: Tensor
    corrupted: dict[str, Tensor]


def crop_side(multiple: int) -> int:
    """The side of the crops for a network that needs multiples of `multiple` pixels: `SIDE`, rounded down to one."""
    return max(SIDE // multiple, 1) * multiple


def validation_set(corpus: Corpus, count: int, side: int, degradation: Degradation | None = None) -> ValidationSet:
    """Centre crops, `side` pixels wide and high, of at most `count` pictures spread evenly over the corpus.

    The corrupted versions are those of the corpus, if it has pairs, or are made by `degradation`, if it is given; their
    name is "input".  Otherwise they are JPEGs (4:2:0) of `QUALITIES`, with names like "jpeg_5", and of the two
    compressions of `DOUBLE`, "jpeg_10_30".
    """
    pairs = centre_pairs(corpus, count, side)
    crops = [clean for clean, _ in pairs]
    if corpus.corrupted is not None:
        corrupted = {"input": _tensor([theirs for _, theirs in pairs if theirs is not None])}
    elif degradation is not None:
        corrupted = {"input": _tensor([degradation(c, np.random.default_rng(n)) for n, c in enumerate(crops)])}
    else:
        corrupted = {f"jpeg_{q}": _tensor([jpeg(crop, q) for crop in crops]) for q in QUALITIES}
        corrupted[f"jpeg_{DOUBLE[0]}_{DOUBLE[1]}"] = _tensor([_double_jpeg(crop) for crop in crops])
    return ValidationSet(_tensor(crops), corrupted)


def _double_jpeg(crop: Pixels) -> Pixels:
    first, second = DOUBLE
    again = RandomJpeg(second, second, subsampling=(0, 0, 1), shift=(4, 4))
    return again(jpeg(crop, first), np.random.default_rng(0))


def centre_pairs(corpus: Corpus, count: int, size: int) -> list[tuple[Pixels, Pixels | None]]:
    """(clean, corrupted or None) centre crops of at most `count` pictures, spread evenly over the corpus."""
    large = [i for i, entry in enumerate(corpus.entries) if min(entry.height, entry.width) >= size]
    if not large:
        raise ValueError(f"no held-out picture is {size} pixels wide and high: add larger pictures")
    chosen = (corpus.pair(large[int(k)]) for k in np.linspace(0, len(large) - 1, min(count, len(large))))
    return [(_centre(clean, size), None if theirs is None else _centre(theirs, size)) for clean, theirs in chosen]


def natural_sample(
    network: Estimator,
    y: Tensor,
    faithful: Tensor | None,
    plan: Plan,
    *,
    seed: int = 0,
    finisher: Estimator | None = None,
) -> Tensor:
    """A sample around the faithful estimates.  All images of the batch start at the same time of the process."""
    generator = torch.Generator(y.device).manual_seed(seed)

    def noise(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, device=y.device)

    change = math.inf if faithful is None else (faithful - y).square().mean().sqrt().item()
    denoise = of_states(network, plan.process, plan.anchor)
    finish = of_states(finisher, plan.process, plan.anchor) if finisher else None
    *_, last = plan.sample(denoise, y, faithful, change, noise=noise, finish=finish)
    return last


class Validation:
    """Scores of a network on held-out crops, as means over the crops.

    For each corruption, the scores are the PSNR in dB (RGB) of the input and of the faithful restoration (`faithful`).
    Natural restorations (`natural`) are scored for JPEGs of `SHEET_QUALITY`, or for the only corruption.  Networks
    without a faithful estimate are scored by their estimate from the clean image with noise of ratio `PROBE`
    (`denoised`).  Finishers are scored by the results of their plans: PSNR (`natural`), each LPIPS, and (E26)
    (`finish`).  With best_by: loss, the mean training loss of the crops is a score, too (`validation_loss`).
    """

    def __init__(self, config: TrainConfig, corpus: Corpus, finishing: Finishing | None = None) -> None:
        self.finishing = finishing
        self.objective = Denoising(config) if config.best_by == "loss" else None
        self.jpeg = config.data.is_jpeg
        side = crop_side(finishing.multiple if finishing else config.network.multiple)
        self.data = validation_set(corpus, COUNT, side, None if self.jpeg else config.data.degradation())
        self.has_faithful, self.has_natural = config.noise.regression > 0, config.noise.regression < 1
        if config.objective.blind:
            self.has_faithful = self.has_natural = False
        plan = config.sampling_plan()
        self.plan = replace(plan, evaluations=min(plan.evaluations, 8))

    @torch.no_grad()
    def __call__(self, network: Estimator, device: torch.device, sheet: Path | None = None) -> dict[str, float]:
        """The scores by name.  Also writes a picture of the crops to `sheet`, if given."""
        result = {}
        for name, corrupted in self.data.corrupted.items():
            quality = name.removeprefix("jpeg_") if self.jpeg else ""
            shown = not self.jpeg or quality == str(SHEET_QUALITY)
            restored: dict[str, list[Tensor]] = {}
            distances: dict[str, list[Tensor]] = {}
            for number, (clean, y) in enumerate(zip(self.data.clean.split(16), corrupted.split(16), strict=True)):
                y = y.to(device)
                outputs = self._restored(network, clean.to(device), y, shown)
                for kind, output in outputs.items():
                    restored.setdefault(kind, []).append(output.cpu())
                if self.finishing:
                    for kind, values in self._distances(clean.to(device), y, outputs["natural"]).items():
                        distances.setdefault(kind, []).append(values.cpu())
                if shown and sheet and number == 0:
                    _write_sheet(sheet, [clean, y.cpu(), *(output.cpu() for output in outputs.values())])
            result[name] = psnr(corrupted, self.data.clean).mean().item()
            for kind, outputs in restored.items():
                key = f"{kind}_{quality}" if quality else kind
                result[key] = psnr(torch.cat(outputs), self.data.clean).mean().item()
            for kind, values in distances.items():
                result[f"{kind}_{quality}" if quality else kind] = torch.cat(values).mean().item()
            if self.objective:
                result[f"{LOSS}_{quality}" if quality else LOSS] = self._loss(
                    self.objective, network, corrupted, device
                )
        return result

    def _loss(self, objective: Denoising, network: Estimator, corrupted: Tensor, device: torch.device) -> float:
        """The mean training loss over the crops, with the same noise in every validation."""
        losses, count = [], len(corrupted)
        for number, (clean, y) in enumerate(zip(self.data.clean.split(16), corrupted.split(16), strict=True)):
            x0, y = clean.to(device), y.to(device)
            residual, ratio, std = objective.states(x0, y, Share(0, 16 * number, count))
            losses.append(objective.loss(x0, y, network(residual, ratio, y), ratio, std, 0).cpu())
        return torch.cat(losses).mean().item()

    def decision(self, scores: dict[str, float]) -> float:
        """The score that decides which weights are the best; larger is better.

        It is the PSNR of `faithful`, or of `denoised` for networks without a faithful estimate; for finishers, (E26)
        times −1; with best_by: loss, the mean training loss times −1.
        """
        kind = "finish" if self.finishing else "faithful" if self.has_faithful else "denoised"
        kind = LOSS if self.objective else kind
        names = [f"{kind}_{quality}" for quality in DECISIVE] if self.jpeg else [kind]
        mean = sum(scores[name] for name in names) / len(names)
        return -mean if self.finishing or self.objective else mean

    def _restored(self, network: Estimator, clean: Tensor, y: Tensor, shown: bool) -> dict[str, Tensor]:
        outputs = {}
        if self.finishing:
            ends = self.finishing.ends(y, 0)
            return {"natural": network(ends.residual, ends.ratio, y).clamp(0, 1)}
        if self.has_faithful:
            outputs["faithful"] = faithful_estimate(network, y)
        else:
            z = torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).to(y.device)
            residual = clean - anchor_image(y, self.plan.anchor) + PROBE * z
            outputs["denoised"] = network(residual, y.new_full((len(y),), PROBE), y)
        if shown and self.has_natural:
            outputs["natural"] = natural_sample(network, y, outputs.get("faithful"), self.plan)
        return outputs

    def _distances(self, clean: Tensor, y: Tensor, natural: Tensor) -> dict[str, Tensor]:
        if self.finishing is None:
            return {}
        found = {"finish": self.finishing.distance(clean, y, natural)}
        for name, network in zip(self.finishing.settings.networks, self.finishing.lpips, strict=True):
            found[f"lpips_{name}"] = network(natural, clean)
        return found


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """PSNR of each image in dB, (batch,), for images in [0, 1].

    It is not that of `driftrec.evaluate`, which rounds to 8 bits first and works on one NumPy picture at a time.
    """
    return -10 * (a.clamp(0, 1) - b).square().mean(dim=(1, 2, 3)).clamp_min(1e-10).log10()


def _centre(picture: np.ndarray, size: int) -> np.ndarray:
    top, left = ((n - size) // 2 for n in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + size, left : left + size])


def _tensor(crops: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous().float() / 255


def _write_sheet(path: Path, columns: list[Tensor], rows: int = 6, zoom: int = 2) -> None:
    """Writes one row for each picture: clean, corrupted, restored."""
    grid = torch.cat([torch.cat(list(column[:rows]), dim=1) for column in columns], dim=2)
    pixels = (grid.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels)
    image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(path)
