"""What experiments work with: held-out crops, corruptions, trained networks, and metrics."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from driftrec.diffusion.coordinates import anchor_image
from driftrec.diffusion.process import Process
from driftrec.diffusion.samplers import sample, seeded_noise
from driftrec.diffusion.samplers.named import ADAPTIVE
from driftrec.diffusion.types import Denoise
from driftrec.evaluate.corruptions import Corruption, decode
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.weights import LPIPS_ALEX, find
from driftrec.jpeg import Cells, read_jpeg
from driftrec.model.runner import Runner
from driftrec.train.data.crops import Corpus, open_corpus
from driftrec.train.runner import TorchRunner
from driftrec.train.validate import centre_pairs

Images: TypeAlias = np.ndarray
"""float32 (n, 3, height, width) in [0, 1]."""

Labels: TypeAlias = Mapping[str, str | int | float]

MULTIPLE = 8
"""Sides of pictures are multiples of this many pixels, as the networks of the experiments require."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Clean pictures, and the same corrupted; `files` are what the corrupted ones were decoded from."""

    clean: Images
    y: Images
    files: tuple[bytes, ...]

    @cached_property
    def cells(self) -> tuple[Cells, ...]:
        """The quantisation cells of the files."""
        return tuple(Cells(read_jpeg(file)) for file in self.files)


@dataclass(frozen=True)
class Measured:
    """Metrics of one picture under some settings."""

    settings: Labels
    picture: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Lab:
    """Everything that an experiment may use; its value never changes, but what was made once is kept.

    Attributes:
        corpus: held-out pictures; None for experiments that need none.
        runs: the folder of the trained runs, named as their recipes.
        lpips: the perceptual metric, of two batches of images in [0, 1].
        pictures, size: how many centre crops of how many pixels.
        threads: CPU threads of the networks.
    """

    corpus: Corpus | None
    runs: Path
    lpips: Callable[[Tensor, Tensor], Tensor]
    pictures: int = 24
    size: int = 160
    threads: int | None = None

    @cached_property
    def crops(self) -> list[np.ndarray]:
        """Clean crops, uint8 (size, size, 3), spread over the corpus.  Raises ValueError where there is none."""
        if self.corpus is None:
            raise ValueError("this experiment needs pictures: name the folders of the training with --data")
        return [clean for clean, _ in centre_pairs(self.corpus, self.pictures, self.size)]

    @cached_property
    def batch(self) -> Callable[[Corruption], Batch]:
        """corruption -> the crops after it, cut to sides that are multiples of `MULTIPLE`."""
        return cache(self._corrupt)

    @cached_property
    def runner(self) -> Callable[[str], Runner]:
        """name -> the best weights of that run.  Raises ValueError that says how to train a run that is missing."""
        return cache(self._open)

    def _corrupt(self, corruption: Corruption) -> Batch:
        pairs = [corruption(crop) for crop in self.crops]
        return Batch(
            _images([clean for _, clean in pairs]),
            _images([decode(file) for file, _ in pairs]),
            tuple(file for file, _ in pairs),
        )

    def _open(self, name: str) -> Runner:
        path = self.runs / name / "best.safetensors"
        if not path.is_file():
            raise ValueError(
                f"{path} is not there: driftrec train research/recipes/{name}.yaml --data CLEAN_FOLDER "
                f"--out {self.runs / name}"
            )
        return TorchRunner(path, threads=self.threads, device="auto")

    def rows(self, settings: Labels, restored: Images, batch: Batch) -> Iterator[Measured]:
        """PSNR, LPIPS and the shift of colour of every picture, rounded to 8 bits as if saved."""
        saved = np.rint(restored.clip(0, 1) * 255).astype(np.float32) / 255
        shifts = np.abs((saved - batch.clean).mean((2, 3))).mean(1) * 255
        for number in range(len(saved)):
            pair = (torch.from_numpy(images[number : number + 1]) for images in (saved, batch.clean))
            metrics = {
                "psnr": min(psnr(_levels(saved[number]), _levels(batch.clean[number])), 100.0),
                "lpips": float(self.lpips(*pair)),
                "colour": float(shifts[number]),
            }
            yield Measured(settings, number, {name: round(value, 5) for name, value in metrics.items()})


def open_lab(
    data: Sequence[Path], held_out: float, runs: Path, weights: Path | None, pictures: int, threads: int | None
) -> Lab:
    """A lab on the pictures that were held out of the training on `data`; other arguments as for `Lab`.

    `weights`: folder with the weights of LPIPS, which are looked for when the metric is first used.  Raises ValueError
    for folders without pictures.
    """

    @cache
    def metric() -> Lpips:
        return Lpips("alex", find(LPIPS_ALEX, weights))

    corpus = open_corpus(list(data)).split(held_out)[1] if data else None
    return Lab(corpus, runs, lambda restored, clean: metric()(restored, clean), pictures, threads=threads)


def faithful_estimate(runner: Runner, y: Images) -> Images:
    """E[x0 | y]."""
    return runner.regression()(y, y, 1.0)


def sampled(
    runner: Runner,
    y: Images,
    process: Process,
    evaluations: int,
    *,
    sampler: str = "multistep",
    start: float = 1.0,
    end: float = 0.03,
    mean: Images | None = None,
    seed: int = 0,
    wrap: Callable[[Denoise], Denoise] = lambda denoise: denoise,
) -> Images:
    """The last estimate of a sampler; every picture has its own noise.  `wrap` changes the denoiser."""
    if sampler == ADAPTIVE and len(y) > 1:  # one picture after the other, each with its own steps
        options = {"sampler": sampler, "start": start, "end": end, "wrap": wrap}
        means = [None] * len(y) if mean is None else np.split(mean, len(y))
        parts = zip(np.split(y, len(y)), means, strict=True)
        return np.concatenate(
            [
                sampled(runner, one, process, evaluations, mean=its, seed=seed + number, **options)
                for number, (one, its) in enumerate(parts)
            ]
        )
    denoise = wrap(runner.denoiser(process))
    anchor = anchor_image(y, runner.card.plan.anchor)
    noise = seeded_noise([1000 * seed + number for number in range(len(y))])

    def around(xt: Images, _: Images, t: float) -> Images:
        return denoise(xt, y, t)

    *_, x0 = sample(sampler, around, anchor, process, evaluations, start=start, end=end, noise=noise, mean=mean)
    return x0


def projected(batch: Batch) -> Callable[[Denoise], Denoise]:
    """Every estimate is moved into the quantisation cells of its file: the data term of DDRM and ΠGDM."""

    def wrap(denoise: Denoise) -> Denoise:
        def inside(xt: Images, y: Images, t: float) -> Images:
            x0 = denoise(xt, y, t)
            pictures = (
                cell.project(np.ascontiguousarray(x.transpose(1, 2, 0)), passes=1)
                for cell, x in zip(batch.cells, x0, strict=True)
            )
            return np.stack([picture.transpose(2, 0, 1) for picture in pictures])

        return inside

    return wrap


def _levels(image: np.ndarray) -> np.ndarray:
    """An image (3, height, width) in [0, 1] as uint8 (height, width, 3)."""
    return np.rint(image.transpose(1, 2, 0) * 255).astype(np.uint8)


def _images(pictures: list[np.ndarray]) -> Images:
    stacked = np.stack([p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=2) for p in pictures])
    height, width = (side - side % MULTIPLE for side in stacked.shape[1:3])
    stacked = stacked[:, :height, :width]
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)).astype(np.float32) / 255
