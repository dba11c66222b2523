"""From the raw network to a denoiser: residual preconditioning, and the loss it is trained with.

In the coordinates (r/k, s) of the theory, r = x − y and s = σ/k, the noisy residual is r/k = r0 + s z, whatever
the process.  With S² = E[(x0 − y)²] the denoiser of the residual is (EDM, Karras et al. 2022, table 1, applied to
the residual)

    x̂0 − y = c_skip r/k + c_out F(c_in r/k, c_noise, y)                                            (E17)
    c_skip = S²/(S² + s²),  c_out = s S/√(S² + s²),  c_in = 1/√(S² + s²),  c_noise = ¼ ln s        (E18)

As s → ∞: c_skip, c_in → 0 and c_out → S, so x̂0 − y = S F(0, ·, y) is plain L2 regression of the residual.  Such samples
see a residual input of exact zeros, never noise.
"""

import torch
from torch import Tensor, nn

from driftrec.types import REGRESSION_RATIO


class Denoiser(nn.Module):
    """The preconditioned network: an estimate of the clean image from (r/k, s, y).

    Arguments of `forward`: residual r/k (batch, 3, height, width) in image units, ratio s (batch,) in
    (0, ∞], y (batch, 3, height, width) in [0, 1].  Returns the clean image x0, same shape, not clipped.
    """

    def __init__(self, network: nn.Module, residual_std: float) -> None:
        super().__init__()
        if not 0 < residual_std < 1:
            raise ValueError(f"residual_std must be in (0, 1), got {residual_std}")
        self.network = network
        self.residual_std = residual_std

    def forward(self, residual: Tensor, ratio: Tensor, y: Tensor) -> Tensor:
        regression = (ratio >= REGRESSION_RATIO)[:, None, None, None]
        s = ratio.clamp(max=REGRESSION_RATIO)
        c_noise = s.log() / 4
        s = s[:, None, None, None]
        total = (self.residual_std**2 + s**2).sqrt()
        r = torch.where(regression, 0.0, residual / total)
        raw = self.network(r, c_noise, y).float()
        return y + self.residual_std / total * (self.residual_std * r + s * raw)


def loss(x0: Tensor, y: Tensor, estimate: Tensor, ratio: Tensor, floor: float) -> Tensor:
    """The denoising loss of each image, relative to what could be expected: (batch,).

        loss_i = E‖x̂0 − x0‖² (1/S_i² + 1/s²)                                                       (E19)

    The squared error is divided by c_out² = s² S_i²/(s² + S_i²), with S_i² the image's own mean squared
    residual plus `floor`², instead of one S² for all.  At s = ∞ this is the squared error relative to the
    corrupted image's own, so that qualities 10 and 90 count alike, as they do in a mean of PSNRs.
    """
    own = (x0 - y).square().mean(dim=(1, 2, 3)) + floor**2
    error = (estimate - x0).square().mean(dim=(1, 2, 3))
    return error * (1 / own + 1 / ratio.square())
