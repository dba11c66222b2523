"""Training objectives: the states that a network sees in a step, and the loss of its estimates."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from driftrec.diffusion.coordinates import anchor_image
from driftrec.train.denoiser import process_end
from driftrec.train.recipe import NoiseSection, TrainConfig


@dataclass(frozen=True)
class Share:
    """One device's share of a step.

    Attributes:
        number: number of the step.
        first: index of the device's first image in the whole batch.
        batch: images in the whole batch.
    """

    number: int
    first: int
    batch: int


class Objective(Protocol):
    """Draws states and computes losses; both are independent of the number of devices."""

    def states(self, x0: Tensor, y: Tensor, share: Share) -> tuple[Tensor, Tensor, Tensor]:
        """(residual r/k (batch, 3, height, width), ratio s (batch,), std σ (batch,)) for clean and corrupted images."""
        ...

    def loss(self, x0: Tensor, y: Tensor, estimate: Tensor, ratio: Tensor, std: Tensor, step: int) -> Tensor:
        """The loss of each image in step number `step`, (batch,)."""
        ...


class Denoising:
    """The objective of a denoiser: noisy states, (E2), and the loss of the recipe."""

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.formula = config, config.loss()

    def states(self, x0: Tensor, y: Tensor, share: Share) -> tuple[Tensor, Tensor, Tensor]:
        # Each device draws the noise of the whole batch, so that its own does not depend on the number of devices.
        shape, mine = (share.batch, *x0.shape[1:]), slice(share.first, share.first + len(x0))
        drawn = draw_noise(shape, self.config.noise, noise_seed(self.config.seed, share.number), x0.device)
        ratio, std, z = (values[mine] for values in drawn)
        anchor = anchor_image(y, self.config.objective.anchor)
        return x0 - anchor + z * torch.where(ratio.isinf(), 0.0, ratio)[:, None, None, None], ratio, std

    def loss(self, x0: Tensor, y: Tensor, estimate: Tensor, ratio: Tensor, std: Tensor, step: int) -> Tensor:  # noqa: ARG002
        return self.formula(x0, y, estimate, ratio, std)


def noise_seed(seed: int, number: int) -> int:
    """The seed for the noise of step (or image) number `number` in a run with this `seed`."""
    return seed * 1_000_003 + number


def draw_noise(
    shape: tuple[int, ...], config: NoiseSection, seed: int, device: torch.device | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(ratio s (batch,), std σ (batch,), z of `shape`).

    The first images of the batch, a share `config.regression`, have s = ∞; the rest follow the law.  The log-normal law
    has no process; it returns s for σ, too.
    """
    device = device or torch.device("cpu")
    generator = torch.Generator(device).manual_seed(seed)
    if config.law == "time":
        process = config.build_process()
        draws = torch.rand(shape[0], generator=generator, device=device).double().cpu().numpy()
        times = config.earliest + (process_end(process) - config.earliest) * draws
        values = process.ratio(times), process.std(times)
        ratio, std = (torch.tensor(v, dtype=torch.float32, device=device) for v in values)
    else:
        ratio = (config.log_mean + config.log_std * torch.randn(shape[0], generator=generator, device=device)).exp()
        std = ratio.clone()
    ratio[: round(config.regression * shape[0])] = torch.inf
    return ratio, std, torch.randn(shape, generator=generator, device=device)
