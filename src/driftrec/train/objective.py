"""Training objectives: the states that the network sees in a step, and the loss of its estimates."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from driftrec.diffusion.coordinates import anchor_image
from driftrec.train.denoiser import process_end
from driftrec.train.recipe import NoiseSection, TrainConfig


@dataclass(frozen=True)
class Share:
    """One device's part of a step: the step's `number`, the images of the whole `batch`, and how many of them come
    before its own, `first`."""

    number: int
    first: int
    batch: int


class Objective(Protocol):
    """States and loss; neither depends on how many devices share the batch."""

    def states(self, x0: Tensor, y: Tensor, share: Share) -> tuple[Tensor, Tensor, Tensor]:
        """(residual r/k (batch, 3, height, width), ratio s (batch,), std σ (batch,)) for clean and corrupted images."""
        ...

    def loss(self, x0: Tensor, y: Tensor, estimate: Tensor, ratio: Tensor, std: Tensor, step: int) -> Tensor:
        """The loss of every image in step number `step`, (batch,)."""
        ...


class Denoising:
    """The objective of a denoiser: states with noise, (E2), and the loss of the recipe."""

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.formula = config, config.loss()

    def states(self, x0: Tensor, y: Tensor, share: Share) -> tuple[Tensor, Tensor, Tensor]:
        # Noise is drawn for the batches of all devices, so that none depends on how many there are.
        shape, mine = (share.batch, *x0.shape[1:]), slice(share.first, share.first + len(x0))
        drawn = draw_noise(shape, self.config.noise, noise_seed(self.config.seed, share.number), x0.device)
        ratio, std, z = (values[mine] for values in drawn)
        anchor = anchor_image(y, self.config.objective.anchor)
        return x0 - anchor + z * torch.where(ratio.isinf(), 0.0, ratio)[:, None, None, None], ratio, std

    def loss(self, x0: Tensor, y: Tensor, estimate: Tensor, ratio: Tensor, std: Tensor, step: int) -> Tensor:  # noqa: ARG002
        return self.formula(x0, y, estimate, ratio, std)


def noise_seed(seed: int, number: int) -> int:
    """The seed of noise number `number` (a step, or an image) in a run with that `seed`."""
    return seed * 1_000_003 + number


def draw_noise(
    shape: tuple[int, ...], config: NoiseSection, seed: int, device: torch.device | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(ratio s, std σ, both (batch,); z of `shape`): the first share of the batch at s = ∞, the rest by the law.

    The log-normal law knows no process; there σ stands for s.
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
