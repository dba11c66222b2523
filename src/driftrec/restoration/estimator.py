"""The network's estimate from pixels alone, by averaged views, sampling and tiling; files play no part here."""

import math
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from driftrec.diffusion.posterior import PosteriorSampling, posterior_sampling
from driftrec.diffusion.process import process_from_text
from driftrec.diffusion.samplers import Counted, seeded_noise
from driftrec.diffusion.types import Noise
from driftrec.model.card import Card
from driftrec.model.runner import Runner
from driftrec.restoration.binding import Binding
from driftrec.restoration.chroma import Known, predict_chroma
from driftrec.restoration.moments import Moments
from driftrec.restoration.options import Options
from driftrec.restoration.symmetry import averaged
from driftrec.restoration.texture import weigh_texture
from driftrec.restoration.tiling import Tiling, margins, tiled

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (tiles done, tiles in total) after every tile of every evaluation."""

Preview: TypeAlias = Callable[[np.ndarray], None]
"""Called with every estimate of the network, float32 (height, width, 3) in [0, 1], in file order."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A restoration by the network.

    Attributes:
        pixels: float32 (height, width, 3) in [0, 1].
        evaluations: number of network evaluations of the whole picture.
        deviation: standard deviation of several samples, root mean square over channels, float32 (height, width) in
            image units; None for fewer than two.
    """

    pixels: np.ndarray
    evaluations: int
    deviation: np.ndarray | None = None


def evaluations_for(options: Options, card: Card) -> int:
    """Returns the maximum of network evaluations for one restoration.

    Raises:
        ValueError: the model cannot do what the options ask for.
    """
    if options.mode == "decode":
        return 0
    if options.mode == "faithful":
        if not card.faithful:
            raise ValueError(f"the model {card.name} has no faithful estimate: take the mean of natural samples")
        return options.steps or 1
    if not card.natural:
        raise ValueError(f"the model {card.name} is a regression and cannot sample: ask for faithful")
    if options.mode == "sample":
        return sampling_for(options, card).evaluations + int(card.faithful)
    return options.steps or card.plan.evaluations


def sampling_for(options: Options, card: Card) -> PosteriorSampling:
    """Returns how samples are drawn with the options and the model.

    Raises:
        ValueError: start lies at the end of sampling.
    """
    process = None if options.process is None else process_from_text(options.process)
    return posterior_sampling(
        card.plan,
        card.ratio_max,
        process=process,
        sampler=options.sampler,
        evaluations=options.steps,
        start=options.start,
    )


class Estimator:
    """Restores one picture with the network; `estimate` does the work.

    Arguments: `runner`, the network; `tiling`, how large pictures are cut; `options`, whose mode, steps, seed,
    samples and texture are used; `progress` and `preview`, called during the work; `noise`, gives the noise of a seed.
    """

    def __init__(
        self,
        runner: Runner,
        tiling: Tiling,
        options: Options,
        progress: Progress | None = None,
        preview: Preview | None = None,
        noise: Callable[[int], Noise] | None = None,
    ) -> None:
        self.runner, self.tiling, self.progress, self.preview = runner, tiling, progress, preview
        self.noise = noise or (lambda seed: seeded_noise([seed]))
        self.evaluations = evaluations_for(options, runner.card)
        # Models without a faithful estimate are sampled without one.
        self.views = self.evaluations if options.mode == "faithful" else int(runner.card.faithful)
        self.seeds = range(options.seed, options.seed + options.samples)
        self.sampling = sampling_for(options, runner.card) if options.mode == "sample" else None
        self.texture = runner.card.plan.texture if options.texture is None else options.texture
        self.bound: Binding | None = None
        self.known: Known | None = None
        self.gray = False

    @property
    def faithful(self) -> bool:
        """Whether the faithful estimate is asked for, rather than natural restorations or samples."""
        return self.evaluations == self.views

    def silent(self) -> "Estimator":
        """Returns the same estimator without progress and previews."""
        other = copy(self)
        other.progress = other.preview = None
        return other

    def bound_by(self, binding: Binding) -> "Estimator":
        """Returns the same estimator, which shows `binding` the faithful estimate, and binds each sample of mode
        "sample" by it."""
        other = copy(self)
        other.bound = binding
        return other

    def knowing(self, known: Known | None) -> "Estimator":
        """Returns the same estimator, which predicts the chroma of faithful estimates from their luma by what is known
        of a compression, and makes natural restorations of the result."""
        other = copy(self)
        other.known = known
        return other

    def in_gray(self) -> "Estimator":
        """Returns the same estimator, whose estimates have the means of their channels in all of them."""
        other = copy(self)
        other.gray = True
        return other

    def showing(self, change: Callable[[np.ndarray], np.ndarray]) -> "Estimator":
        """Returns the same estimator, whose previews show what `change` makes of the estimates."""
        if self.preview is None:
            return self
        preview, other = self.preview, copy(self)
        other.preview = lambda pixels: preview(change(pixels))
        return other

    def estimate(self, pixels: np.ndarray, grid: tuple[int, int] = (0, 0)) -> Estimate:
        """Returns the restoration of pixels, float32 (height, width, 3) in [0, 1].

        `grid` is the (row, column) of the first whole 8×8 block of the compression to undo.
        """
        height, width = pixels.shape[:2]
        around = margins(height, width, self.runner.card.multiple, grid)
        y = around.added(pixels.transpose(2, 0, 1)[None])
        del pixels  # the caller holds no reference either, so this frees the memory of a large picture

        def cut(x0: np.ndarray) -> np.ndarray:
            pixels = np.array(around.removed(x0)[0].transpose(1, 2, 0), order="C")
            if self.gray:
                pixels[...] = pixels.mean(axis=2, keepdims=True)
            return np.clip(pixels, 0, 1, out=pixels)

        most = self.views + len(self.seeds) * (self.evaluations - self.views)
        on_tile = _counter(self.progress, most * self.tiling.count(*y.shape[-2:])) if self.progress else None
        preview = self.preview
        show = None if preview is None else lambda x0: preview(cut(x0))
        faithful, change = None, math.inf
        if self.views:
            regression = tiled(self.runner.regression(), self.tiling, on_tile)
            faithful = averaged(lambda view: regression(view, view, 1.0), y, self.views)
            if self.gray:
                faithful[...] = faithful.mean(axis=1, keepdims=True)
            change = _rms_difference(faithful, y)
            if self.bound and self.bound.noticing:
                self.bound.notice(cut(faithful))
            if self.known and not self.sampling:
                predict_chroma(around.aligned(faithful)[0].transpose(1, 2, 0), self.known)
                if self.bound and not self.faithful:
                    self.bound.settle(around.removed(faithful)[0].transpose(1, 2, 0))
            if show:
                show(faithful)
            if self.faithful:
                return Estimate(cut(faithful), self.views)
        samples, taken = Moments(), self.views
        for x0, evaluations in self._samples(y, faithful, change, on_tile, show):
            sample = cut(x0)
            samples.add(self.bound.sample(sample) if self.bound and self.sampling else sample)
            taken += evaluations
        return Estimate(samples.mean, taken, samples.deviation() if len(self.seeds) > 1 else None)

    def _samples(
        self,
        y: np.ndarray,
        faithful: np.ndarray | None,
        change: float,
        on_tile: Callable[[], None] | None,
        show: Callable[[np.ndarray], None] | None,
    ) -> Iterator[tuple[np.ndarray, int]]:
        """Yields (natural restoration or sample, evaluations in addition to the faithful one) for every seed."""
        plan = self.runner.card.plan
        process = self.sampling.process if self.sampling else plan.process
        last = None if self.sampling else self.runner.finisher(process)
        for seed in self.seeds:
            noise = self.noise(seed)
            denoise = Counted(tiled(self.runner.denoiser(process), self.tiling, on_tile))
            finish = None if last is None else Counted(tiled(last, self.tiling, on_tile))
            if self.sampling:
                estimates = self.sampling.sample(denoise, y, faithful, noise=noise)
            else:
                estimates = plan.sample(
                    denoise, y, faithful, change, noise=noise, evaluations=self.evaluations, finish=finish
                )
            x0 = y
            for x0 in estimates:
                if show and x0 is not faithful:
                    show(x0)
            if not self.sampling and faithful is not None and x0 is not faithful:
                x0 = np.array(x0)
                weigh_texture(x0, faithful, self.texture)
            yield x0, denoise.evaluations + (finish.evaluations if finish else 0)


def _counter(progress: Progress, total: int) -> Callable[[], None]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        progress(done, max(done, total))  # adaptive samplers take as many evaluations as they need

    return count


def _rms_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square difference of two images (1, channel, height, width), one channel at a time to save memory."""
    return float(np.sqrt(np.mean([np.square(p - q).mean(dtype=np.float64) for p, q in zip(a[0], b[0], strict=True)])))
