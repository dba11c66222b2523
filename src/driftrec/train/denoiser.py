"""Denoisers: networks F, what their outputs mean, and the losses that they are trained with.

In the coordinates (r/k, s) of the theory, with r = x − y and s = σ/k, the noisy residual is r/k = r0 + s z for every
process.  A `Denoiser` works in these coordinates; its subclasses differ in what F predicts.

`Residual`, this project's own, applies the preconditioning of EDM (Karras et al. 2022, table 1) to the residual, with
S² = E[(x0 − y)²]:

    x̂0 − y = c_skip r/k + c_out F(c_in r/k, c_noise, y)                                            (E22)
    c_skip = S²/(S² + s²),  c_out = s S/√(S² + s²),  c_in = 1/√(S² + s²),  c_noise = ¼ ln s        (E23)

As s → ∞, c_skip and c_in → 0 and c_out → S, so x̂0 − y = S F(0, ·, y): plain L2 regression of the residual.  The
residual input is exactly zero then.

`Score`, the paper's (arXiv 2211.06757): F/σ is the score of x_t, so F estimates −z:

    x̂0 − y = r/k + s F(x_t, ln σ, y)                                                               (E25)

A network without normalisation learns this better from c_in r/k and c_noise of (E23) in place of x_t and ln σ.

`Direct` predicts the clean image itself: x̂0 = F, y + F or y ⊙ F.  If the network sees only y, this is the paper's
regression baseline; if it also sees the state, it is plain data prediction.

With the `anchor` "gray", the process drifts to mid-gray instead of y: it ends in pure noise, and y is only a condition,
as in Palette and SR3.  A `blind` denoiser does not see y at all: it is a prior of clean images.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from driftrec.diffusion.coordinates import anchor_image, denoise_states
from driftrec.diffusion.process import Process
from driftrec.diffusion.types import GRAY, REGRESSION_RATIO, Anchor, Denoise

Weight: TypeAlias = Literal["relative", "edm", "score", "none"]
Estimator: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(residual r/k, ratio s, y) -> x0: a `Denoiser` or a function around one."""


class Denoiser(nn.Module):
    """Abstract: an estimate of the clean image from (r/k, s, y).

    Arguments of `forward`: residual r/k (batch, 3, height, width) in image units, from the anchor; ratio s (batch,) in
    (0, ∞]; y (batch, 3, height, width) in [0, 1].  Returns the clean image x0, same shape, not clipped.
    """

    def __init__(self, network: nn.Module, anchor: Anchor = "corrupted", blind: bool = False) -> None:
        super().__init__()
        self.network = network
        self.anchor: Anchor = anchor
        self.blind = blind

    def forward(self, residual: Tensor, ratio: Tensor, y: Tensor) -> Tensor:
        if self.blind:
            y = torch.full_like(y, GRAY)
        return self.estimate(residual, ratio, y, anchor_image(y, self.anchor))

    def estimate(self, residual: Tensor, ratio: Tensor, y: Tensor, anchor: Tensor) -> Tensor:
        """x0, from y as far as the network may see it, and the image that the residual is measured from."""
        raise NotImplementedError


class Residual(Denoiser):
    """(E22) with S = `residual_std`, in (0, 1)."""

    def __init__(
        self, network: nn.Module, residual_std: float, anchor: Anchor = "corrupted", blind: bool = False
    ) -> None:
        super().__init__(network, anchor, blind)
        if not 0 < residual_std < 1:
            raise ValueError(f"residual_std must be in (0, 1), got {residual_std}")
        self.residual_std = residual_std

    def estimate(self, residual: Tensor, ratio: Tensor, y: Tensor, anchor: Tensor) -> Tensor:
        r, s, total, c_noise = _scaled(residual, ratio, self.residual_std)
        raw = self.network(r, c_noise, y).float()
        return anchor + self.residual_std / total * (self.residual_std * r + s * raw)


class Direct(Denoiser):
    """F is the clean image, its difference from y, or a factor for every sample of y; its inputs are those of (E23)."""

    def __init__(
        self,
        network: nn.Module,
        predicts: Literal["clean", "change", "mask"],
        residual_std: float,
        anchor: Anchor = "corrupted",
        blind: bool = False,
    ) -> None:
        super().__init__(network, anchor, blind)
        self.predicts = predicts
        self.residual_std = residual_std

    def estimate(self, residual: Tensor, ratio: Tensor, y: Tensor, anchor: Tensor) -> Tensor:  # noqa: ARG002
        r, _, _, c_noise = _scaled(residual, ratio, self.residual_std)
        raw = self.network(r, c_noise, y).float()
        return {"clean": lambda: raw, "change": lambda: y + raw, "mask": lambda: y * raw}[self.predicts]()


class Score(Denoiser):
    """(E25), for the states of one process.  There is no estimate at s = ∞; ratios above s(1) are treated as s(1).

    With `residual_std` (S, in image units) the network's inputs are those of (E23), otherwise x_t and ln σ.  k is
    interpolated between 4096 log-SNRs λ, with an error of at most 10⁻⁵.
    """

    log_scales: Tensor

    def __init__(
        self,
        network: nn.Module,
        process: Process,
        anchor: Anchor = "corrupted",
        blind: bool = False,
        residual_std: float | None = None,
    ) -> None:
        super().__init__(network, anchor, blind)
        self.residual_std = residual_std
        lowest, highest = process.log_snr(process_end(process)), process.log_snr(EARLIEST)
        log_snrs = np.linspace(lowest, highest, 4096)
        times = process.time_of_log_snr(log_snrs)
        self.lowest, self.step = lowest, float(log_snrs[1] - log_snrs[0])
        self.register_buffer("log_scales", torch.tensor(process.log_scale(times), dtype=torch.float32), False)

    def estimate(self, residual: Tensor, ratio: Tensor, y: Tensor, anchor: Tensor) -> Tensor:
        s = ratio.clamp(max=math.exp(-self.lowest))
        if self.residual_std is None:
            state, c_noise = self._state(residual, ratio, anchor)
        else:
            state, _, _, c_noise = _scaled(residual, s, self.residual_std)
        return anchor + residual + s[:, None, None, None] * self.network(state, c_noise, y).float()

    def _state(self, residual: Tensor, ratio: Tensor, anchor: Tensor) -> tuple[Tensor, Tensor]:
        """(x_t, ln σ)."""
        position = ((-ratio.log() - self.lowest) / self.step).clamp(0.0, len(self.log_scales) - 1.001)
        below = position.floor()
        index = below.long()
        low, high = self.log_scales[index], self.log_scales[index + 1]
        log_scale = low + (position - below) * (high - low)
        log_std = -(self.lowest + self.step * position) + log_scale
        return anchor + log_scale.exp()[:, None, None, None] * residual, log_std


EARLIEST = 1e-4
"""The earliest time that a `Score` distinguishes from later ones."""


def process_end(process: Process) -> float:
    """The last time at which a process has a finite log-SNR: 1, or just before 1 for a bridge."""
    return 1.0 if np.isfinite(process.log_snr(1.0)) else 1 - 1e-3


def of_states(estimate: Estimator, process: Process, anchor: Anchor) -> Denoise:
    """The estimator as a `Denoise` for the states of `process`, which drifts to `anchor`."""
    return denoise_states(lambda r, s, y: estimate(r, y.new_full((len(y),), s), y), process, anchor)


def faithful_estimate(estimate: Estimator, y: Tensor) -> Tensor:
    """E[x0 | y], the minimum mean square error estimate: one evaluation at infinite ratio."""
    return estimate(torch.zeros_like(y), y.new_full((len(y),), torch.inf), y)


def _scaled(residual: Tensor, ratio: Tensor, residual_std: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(c_in r/k, s, √(S² + s²), c_noise) of (E23); s and √(S² + s²) broadcast over an image."""
    regression = (ratio >= REGRESSION_RATIO)[:, None, None, None]
    s = ratio.clamp(max=REGRESSION_RATIO)
    c_noise = s.log() / 4
    s = s[:, None, None, None]
    total = (residual_std**2 + s**2).sqrt()
    return torch.where(regression, 0.0, residual / total), s, total, c_noise


@dataclass(frozen=True)
class Loss:
    """The loss of each image: E|x̂0 − x0|² w σ^exponent, or with `absolute` E|x̂0 − x0| √w σ^exponent.

        relative    w = 1/S_i² + 1/s²                                                              (E24)
        edm         w = 1/S² + 1/s²
        score       w = ½ 1/s², which is ½ E|σ score + z|², denoising score matching
        none        w = 1, the L2 regression of the paper's baseline, and plain data prediction

    The relative loss is the squared error divided by c_out² of (E23), with the image's own mean squared residual plus
    `floor`², S_i², in place of S².  At s = ∞ it is the squared error relative to that of the corrupted image, so
    qualities 10 and 90 have the same weight, as in a mean of PSNRs.

    Attributes:
        weight: as above.
        floor: image units, above 0.
        residual_std: S, image units.
        absolute: mean absolute instead of mean squared error.
        std_exponent: of σ, see above.
    """

    weight: Weight = "relative"
    floor: float = 0.02
    residual_std: float = 0.05
    absolute: bool = False
    std_exponent: float = 0.0

    def __call__(self, x0: Tensor, y: Tensor, estimate: Tensor, ratio: Tensor, std: Tensor | None = None) -> Tensor:
        """Images (batch, 3, height, width), ratio and std (σ; needed with an exponent) (batch,) -> (batch,)."""
        error = estimate - x0
        error = (error.abs() if self.absolute else error.square()).mean(dim=(1, 2, 3))
        weight = self._weight(x0, y, ratio)
        if self.absolute:
            weight = weight.sqrt()
        if self.std_exponent and std is not None:
            weight = weight * std**self.std_exponent
        return error * weight

    def _weight(self, x0: Tensor, y: Tensor, ratio: Tensor) -> Tensor:
        if self.weight == "none":
            return torch.ones_like(ratio)
        if self.weight == "score":
            return 0.5 / ratio.square()
        if self.weight == "edm":
            return 1 / self.residual_std**2 + 1 / ratio.square()
        own = (x0 - y).square().mean(dim=(1, 2, 3)) + self.floor**2
        return 1 / own + 1 / ratio.square()
