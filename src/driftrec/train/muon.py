"""Muon: momentum whose matrices are orthogonalised before they are applied; AdamW for everything else.

A gradient of a convolution is dominated by a few directions; its nearest orthogonal matrix moves all of them by the
same amount (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks").  Scaled by 0.2 √max(rows,
columns) the update has the size of AdamW's, so both share one learning rate (Liu et al. 2025, arXiv 2502.16982).

PyTorch's own `torch.optim.Muon` (since 2.9) takes two-dimensional parameters only, and nearly all parameters here are
four-dimensional kernels.  This one flattens them, orthogonalises all of one shape in one batch, and serves vectors too.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Approximately the nearest (semi-)orthogonal matrices, (batch, rows, columns), with singular values close to 1.

    Newton–Schulz iteration with the quintic of the Muon article, whose fixed points lie in [0.7, 1.2].
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrices.shape[1] <= matrices.shape[2]
    x = (matrices if wide else matrices.mT).to(_precision(matrices.device))
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x if wide else x.mT).to(matrices.dtype)


def _precision(device: torch.device) -> torch.dtype:
    """bfloat16, which is precise enough, if the hardware supports it; otherwise float32, which is then faster."""
    fast = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


class Muon(Optimizer):
    """Muon for tensors of two or more dimensions (flattened to out × rest), AdamW for the others.

    Arguments: `lr` for both; `momentum` of Muon (Nesterov); `betas` and `eps` of AdamW; `weight_decay`, decoupled,
    for the matrices.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update; closures are not supported."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.ndim >= 2:
                    shapes.setdefault((p.shape[0], p.numel() // p.shape[0]), []).append((p, p.grad))
                else:
                    self._adam(p, p.grad, group)
            for shape, members in shapes.items():
                self._muon(members, shape, group)

    def _muon(self, members: list[tuple[Tensor, Tensor]], shape: tuple[int, int], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        updates = []
        for p, gradient in members:
            buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
            buffer.lerp_(gradient, 1 - momentum)
            updates.append(gradient.lerp(buffer, momentum).reshape(shape))
        size = 0.2 * max(shape) ** 0.5
        for (p, _), update in zip(members, orthogonalise(torch.stack(updates)), strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(update.reshape(p.shape), alpha=-group["lr"] * size)

    def _adam(self, p: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[p], group["betas"]
        count = state.setdefault("count", torch.zeros((), device="cpu"))
        mean = state.setdefault("mean", torch.zeros_like(p))
        square = state.setdefault("square", torch.zeros_like(p))
        count += 1
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        correction = (1 - beta2 ** count.item()) ** 0.5 / (1 - beta1 ** count.item())
        p.addcdiv_(mean, square.sqrt().add_(group["eps"]), value=-group["lr"] * correction)
