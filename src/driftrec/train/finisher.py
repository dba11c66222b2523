"""Finishers: second networks for the last evaluation of a plan, trained to give sharp pictures.

A plan with few evaluations ends with E[x0 | x_t, y] at a noise level that is not small.  This is an average, softer
than any clean picture.  A finisher G replaces the denoiser in the last evaluation.  It is a network of the same kind in
the same coordinates and starts with the denoiser's weights.  It is trained on the states that the plan's sampler
reaches with the denoiser, whose weights are fixed:

    loss_i = (E‖e‖² + v B E‖p‖²)/S_i² + w Σ_n LPIPS_n(G(r/k, s, y), x0),  e = G(r/k, s, y) − x0    (E26)

with S_i² as in (E24), LPIPS by one or two networks n, and p the mean of e over the B blocks of 8×8 pixels minus its own
mean.  If the errors of different blocks are independent, E‖p‖² is E‖e‖²/B; errors that repeat in every block have B
times that weight.  Without this term, a finisher learns to add a texture with the period of the blocks, because it
lowers LPIPS.  The networks of LPIPS have strides, hence grids of their own, so LPIPS is computed on a crop with another
corner in every step.

CRP (Lay et al. 2023, arXiv 2309.09677) also trains only the last step, on the sampler's own states, with the mean
squared error.
"""

import math
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from driftrec.diffusion.coordinates import anchor_image, denoise_states
from driftrec.evaluate.metrics.lpips import SMALLEST, Lpips
from driftrec.evaluate.weights import LPIPS_ALEX, LPIPS_SQUEEZE, find
from driftrec.jpeg.tables import BLOCK
from driftrec.train.denoiser import faithful_estimate, of_states
from driftrec.train.dump import dump
from driftrec.train.model import Model, TrainedNetwork, load
from driftrec.train.objective import Share, noise_seed
from driftrec.train.recipe import FinishSection, TrainConfig

Module = TypeVar("Module", bound=nn.Module)

PERIOD = 16
"""The largest stride of the LPIPS networks, in pixels, which is the period of their grids."""

LPIPS_WEIGHTS = {"alex": LPIPS_ALEX, "squeeze": LPIPS_SQUEEZE}


class Ends(NamedTuple):
    """The states before the last evaluation of a plan, which a finisher starts from: residuals r/k and ratios s."""

    residual: Tensor
    ratio: Tensor


class Finishing:
    """The objective of a finisher: the states before the last evaluation of a model's plans, and (E26).

    Arguments: `config` with a `finish` section; `device`, where the model and LPIPS run.  Attribute `multiple`: height
    and width of images must be multiples of this many pixels, for both networks.

    Raises ValueError for a model that cannot be found, that has no faithful estimate or whose objective is not that of
    the recipe, for crops that do not fit, and if the weights of LPIPS are neither found nor downloaded.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        if config.finish is None:
            raise ValueError("the recipe has no 'finish' section")
        self.seed, self.floor, self.settings = config.seed, config.noise.floor, config.finish
        self.of = _finishable(load(self.settings.model), config, self.settings)
        self.multiple = math.lcm(config.network.multiple, self.of.config.network.multiple)
        config.data.require_side(self.multiple, PERIOD + SMALLEST)
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
        """(E26) of each image, (batch,).

        With a `corner` (row, column), LPIPS is computed on crops that start there, `PERIOD` pixels smaller than x0.
        """
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
        """The states before the last evaluation for corrupted images y (batch, 3, height, width).

        Noise and number of evaluations of image i of the batch depend on `first` + i only.
        """
        faithful = faithful_estimate(self.denoiser, y)
        pairs = zip(y.split(1), faithful.split(1), strict=True)
        residuals, ratios = zip(*(self._end(*pair, first + i) for i, pair in enumerate(pairs)), strict=True)
        return Ends(torch.cat(residuals), y.new_tensor(ratios))

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The weights of the denoiser, with `prefix` before their names."""
        return {prefix + name: value for name, value in self.denoiser.named_parameters()}

    def facts(self, name: str) -> dict[str, Any]:
        """The facts about the denoiser's run, under the key `name`."""
        return {name: {**self.of.facts, "config": dump(self.of.config)}}

    def _end(self, y: Tensor, faithful: Tensor, seed: int) -> tuple[Tensor, float]:
        """(residual, ratio) of one image before its last evaluation; of the faithful estimate if nothing is sampled."""
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
    """The network on the device, without gradients, in the fastest memory layout."""
    return network.requires_grad_(False).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def repeated(error: Tensor) -> Tensor:
    """B E‖p‖² of (E26), the energy of errors that repeat in all 8×8 blocks, (batch,).

    `error` is (batch, channel, height, width).  For white noise the result is close to its variance.
    """
    height, width = (side // BLOCK for side in error.shape[2:])
    blocks = error[:, :, : height * BLOCK, : width * BLOCK].unflatten(3, (width, BLOCK)).unflatten(2, (height, BLOCK))
    pattern = blocks.mean(dim=(2, 4))
    pattern = pattern - pattern.mean(dim=(2, 3), keepdim=True)
    return height * width * pattern.square().mean(dim=(1, 2, 3))


def _finishable(model: Model, config: TrainConfig, settings: FinishSection) -> TrainedNetwork:
    """The model's denoiser.  Raises ValueError if a finisher with this configuration cannot end its plans."""
    theirs = model.denoiser.config
    if theirs.noise.regression == 0 or theirs.objective.blind:
        raise ValueError(f"{settings.model} has no faithful estimate to start from: it cannot be finished")
    if (theirs.objective, theirs.noise.residual_std) != (config.objective, config.noise.residual_std):
        raise ValueError(
            f"{settings.model} was trained with another objective or residual_std than those of the recipe"
        )
    return model.denoiser
