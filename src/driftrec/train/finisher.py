"""Finishers: a second network for the last step of a plan, trained to look sharp.

A plan of few evaluations ends in E[x0 | x_t, y] at a noise level that is not small, an average that is softer than any
clean picture.  A finisher G replaces the denoiser in the last evaluation.  It is a network of the same kind in the
same coordinates, starts with the denoiser's weights, and learns from the very states that the plan's sampler reaches
with the denoiser, which stays as it is:

    loss_i = (E‖e‖² + v B E‖p‖²)/S_i² + w Σ_n LPIPS_n(G(r/k, s, y), x0),  e = G(r/k, s, y) − x0    (E26)

with S_i² as in (E24), LPIPS by one or two networks n, and p the mean of e over the B blocks of 8×8 pixels, less its own
mean.  For errors that know no blocks, E‖p‖² is E‖e‖²/B; a pattern that repeats from block to block counts B times as
much.  It is the texture that is cheapest to make up, and just what a restorer of JPEGs must not leave.  For the same
reason LPIPS, whose networks have grids of their own, sees a crop with a different corner in every step.

Training only the last step, on the sampler's own states, is the corrective step of CRP (Lay et al. 2023, arXiv
2309.09677), there with the mean squared error.
"""

import math
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from driftrec.diffusion.coordinates import anchor_image, denoise_states
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.weights import LPIPS_ALEX, LPIPS_SQUEEZE, find
from driftrec.jpeg.tables import BLOCK
from driftrec.train.denoiser import faithful_estimate, of_states
from driftrec.train.dump import dump
from driftrec.train.model import Model, TrainedNetwork, load
from driftrec.train.objective import Share, noise_seed
from driftrec.train.recipe import FinishSection, TrainConfig

Module = TypeVar("Module", bound=nn.Module)

PERIOD = 16
"""The largest stride of the LPIPS networks, in pixels: their grids repeat when the corner moves by this much."""

LPIPS_WEIGHTS = {"alex": LPIPS_ALEX, "squeeze": LPIPS_SQUEEZE}


class Ends(NamedTuple):
    """The states that a finisher starts from: residuals r/k and ratios s before the last evaluation."""

    residual: Tensor
    ratio: Tensor


class Finishing:
    """The objective of a finisher: states that the plans of a model end in, and (E26).

    Arguments: `config` with a `finish` section; `device`, where the model and LPIPS run.  Attribute `multiple`: images
    must have sides that are multiples of this many pixels, for both networks.  Raises ValueError for a model
    that cannot be found, has no faithful estimate or was trained otherwise than the recipe says, and where the weights
    of LPIPS cannot be had.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        if config.finish is None:
            raise ValueError("the recipe has no 'finish' section")
        self.seed, self.floor, self.settings = config.seed, config.noise.floor, config.finish
        self.of = _finishable(load(self.settings.model), config, self.settings)
        self.multiple = math.lcm(config.network.multiple, self.of.config.network.multiple)
        config.data.require_multiple(self.multiple)
        self.plan = config.sampling_plan()
        self.denoiser = _fixed(self.of.network, device)
        folder = self.settings.weights_folder
        networks = (Lpips(name, find(LPIPS_WEIGHTS[name], folder)) for name in self.settings.networks)
        self.lpips = _fixed(nn.ModuleList(networks), device)

    def states(self, x0: Tensor, y: Tensor, share: Share) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG002
        ends = self.ends(y, noise_seed(self.seed, share.number * share.batch + share.first))
        return ends.residual, ends.ratio, ends.ratio

    def loss(self, x0: Tensor, y: Tensor, estimate: Tensor, ratio: Tensor, std: Tensor, step: int) -> Tensor:  # noqa: ARG002
        corner = np.random.default_rng((self.seed, step)).integers(0, PERIOD, 2)
        return self.distance(x0, y, estimate, (int(corner[0]), int(corner[1])))

    def distance(self, x0: Tensor, y: Tensor, estimate: Tensor, corner: tuple[int, int] | None = None) -> Tensor:
        """(E26) of every image, (batch,); LPIPS of all, or of what is `PERIOD` pixels smaller from a corner on."""
        own = (x0 - y).square().mean(dim=(1, 2, 3)) + self.floor**2
        error = estimate - x0
        squared = error.square().mean(dim=(1, 2, 3)) + self.settings.pattern * repeated(error)
        images = [estimate.clamp(0, 1), x0]
        if corner is not None:
            (top, left), (height, width) = corner, (side - PERIOD for side in x0.shape[2:])
            images = [image[:, :, top : top + height, left : left + width] for image in images]
        return squared / own + self.settings.weight * torch.stack([lpips(*images) for lpips in self.lpips]).sum(dim=0)

    @torch.no_grad()
    def ends(self, y: Tensor, first: int) -> Ends:
        """The ends of the plans for corrupted images y (batch, 3, height, width).

        Image i of the batch draws its noise, and the length of its plan, from `first` + i alone.
        """
        faithful = faithful_estimate(self.denoiser, y)
        pairs = zip(y.split(1), faithful.split(1), strict=True)
        residuals, ratios = zip(*(self._end(*pair, first + i) for i, pair in enumerate(pairs)), strict=True)
        return Ends(torch.cat(residuals), y.new_tensor(ratios))

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The weights of the denoiser, by prefixed names."""
        return {prefix + name: value for name, value in self.denoiser.named_parameters()}

    def facts(self, name: str) -> dict[str, Any]:
        """The facts about the denoiser's run, under the key `name`."""
        return {name: {**self.of.facts, "config": dump(self.of.config)}}

    def _end(self, y: Tensor, faithful: Tensor, seed: int) -> tuple[Tensor, float]:
        """The state of one image before its last evaluation; where nothing is sampled, the faithful estimate."""
        plan, generator = self.plan, torch.Generator(y.device).manual_seed(seed)
        process, anchor = plan.process, plan.anchor
        end = faithful - anchor_image(y, anchor), process.ratio(plan.end)

        def noise(shape: tuple[int, ...]) -> Tensor:
            return torch.randn(shape, generator=generator, device=y.device)

        def keep(residual: Tensor, ratio: float, y: Tensor) -> Tensor:
            nonlocal end
            end = residual, ratio
            return y.clone()

        change = (faithful - y).square().mean().sqrt().item()
        evaluations = self.settings.evaluations[seed % len(self.settings.evaluations)]
        denoise, finish = of_states(self.denoiser, process, anchor), denoise_states(keep, process, anchor)
        for _ in plan.sample(denoise, y, faithful, change, noise=noise, evaluations=evaluations, finish=finish):
            pass
        return end


def _fixed(network: Module, device: torch.device) -> Module:
    """A network that is evaluated and not trained, in the memory layout that is fastest."""
    return network.requires_grad_(False).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def repeated(error: Tensor) -> Tensor:
    """B E‖p‖² of (E26): what is the same in all blocks of 8×8 pixels of an image.  (batch, channel, height, width) ->
    (batch,); for white noise its variance, nearly."""
    height, width = (side // BLOCK for side in error.shape[2:])
    blocks = error[:, :, : height * BLOCK, : width * BLOCK].unflatten(3, (width, BLOCK)).unflatten(2, (height, BLOCK))
    pattern = blocks.mean(dim=(2, 4))
    pattern = pattern - pattern.mean(dim=(2, 3), keepdim=True)
    return height * width * pattern.square().mean(dim=(1, 2, 3))


def _finishable(model: Model, config: TrainConfig, settings: FinishSection) -> TrainedNetwork:
    """The model's denoiser, if a run of that configuration can finish its plans."""
    theirs = model.denoiser.config
    if theirs.noise.regression == 0 or theirs.objective.blind:
        raise ValueError(f"{settings.model} has no faithful estimate to start from: it cannot be finished")
    if (theirs.objective, theirs.noise.residual_std) != (config.objective, config.noise.residual_std):
        raise ValueError(f"{settings.model} was trained with another objective or residual_std than the recipe states")
    return model.denoiser
