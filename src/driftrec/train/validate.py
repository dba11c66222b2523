"""Validation while training: PSNR of fixed held-out crops, faithful and natural, and a sheet of pictures."""

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
from driftrec.train.recipe import TrainConfig

COUNT, SIDE = 48, 160
"""How many crops are scored at most, and their side in pixels, from which `crop_side` may depart."""
QUALITIES = (5, 10, 20, 40, 80, 95)
DECISIVE = (5, 10, 20, 40, 80)
"""The qualities that choose the best weights; above them the score depends more on the decoder than on the network."""
DOUBLE = (10, 30)
"""Qualities of a double compression that is scored too, the second on a grid shifted by (4, 4).  The crops lie on the
grid of the first, where the tool puts pictures (`driftrec.jpeg.Report.grid`)."""
SHEET_QUALITY = 10
PROBE = 0.05
"""The ratio at which networks without an estimate at infinity are compared."""


@dataclass(frozen=True)
class ValidationSet:
    """Clean centre crops (n, 3, size, size) in [0, 1], and their corrupted versions by name of the corruption."""

    clean: Tensor
    corrupted: dict[str, Tensor]


def crop_side(multiple: int) -> int:
    """The side of the crops for a network that needs multiples of `multiple` pixels: `SIDE`, rounded down to one."""
    return max(SIDE // multiple, 1) * multiple


def validation_set(corpus: Corpus, count: int, side: int, degradation: Degradation | None = None) -> ValidationSet:
    """Centre crops, `side` pixels wide and high, of `count` pictures spread over the corpus; fewer when it has fewer
    large enough.

    They are corrupted by JPEG 4:2:0 of `QUALITIES`, named jpeg_5 and so on, and by that of `DOUBLE`, jpeg_10_30; or,
    named input, by `degradation`; or they are the corpus's own pairs.
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
    """(clean, corrupted or None) centre crops of at most `count` pictures, spread over the corpus."""
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
    """A sample around the faithful estimates; the images of the batch share one starting time."""
    generator = torch.Generator(y.device).manual_seed(seed)

    def noise(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, device=y.device)

    change = math.inf if faithful is None else (faithful - y).square().mean().sqrt().item()
    denoise = of_states(network, plan.process, plan.anchor)
    finish = of_states(finisher, plan.process, plan.anchor) if finisher else None
    *_, last = plan.sample(denoise, y, faithful, change, noise=noise, finish=finish)
    return last


class Validation:
    """Scores of a network on held-out crops.

    For every corruption, PSNR in dB (mean over images, RGB) of the input and of the restorations that the network is
    trained for: `faithful`, and at JPEG's `SHEET_QUALITY` or the only corruption `natural`.  Networks without a
    faithful estimate are scored, as `denoised`, by their estimate from the clean image with noise of ratio `PROBE`.
    A finisher is scored by its results at the end of the plans: PSNR, `natural`, each LPIPS, and the mean of (E26),
    `finish`.
    """

    def __init__(self, config: TrainConfig, corpus: Corpus, finishing: Finishing | None = None) -> None:
        self.finishing = finishing
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
        """The scores; writes `sheet` if given."""
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
        return result

    def decision(self, scores: dict[str, float]) -> float:
        """The score that selects the best weights; larger is better.  It is the PSNR of the faithful estimates, or of
        the denoised ones if the network has no faithful estimate; for finishers it is the negative of (E26)."""
        kind = "finish" if self.finishing else "faithful" if self.has_faithful else "denoised"
        names = [f"{kind}_{quality}" for quality in DECISIVE] if self.jpeg else [kind]
        mean = sum(scores[name] for name in names) / len(names)
        return -mean if self.finishing else mean

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
    """10 log10(1 / mean square error) of each image, in dB: (batch,), for images in [0, 1]."""
    return -10 * (a.clamp(0, 1) - b).square().mean(dim=(1, 2, 3)).clamp_min(1e-10).log10()


def _centre(picture: np.ndarray, size: int) -> np.ndarray:
    top, left = ((n - size) // 2 for n in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + size, left : left + size])


def _tensor(crops: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous().float() / 255


def _write_sheet(path: Path, columns: list[Tensor], rows: int = 6, zoom: int = 2) -> None:
    """One row a picture: clean, corrupted, restored."""
    grid = torch.cat([torch.cat(list(column[:rows]), dim=1) for column in columns], dim=2)
    pixels = (grid.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels)
    image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(path)
