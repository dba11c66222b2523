"""Exact denoisers for tests, theory and demonstrations: they return what a perfectly trained network would return.

Both `denoise` methods satisfy `driftrec.diffusion.types.Denoise`, for times in (0, 1].
"""

import math
from dataclasses import dataclass

import numpy as np

from driftrec.diffusion.process import Process
from driftrec.diffusion.types import Array


@dataclass(frozen=True)
class GaussianPairs:
    """Pairs whose residual x0 − y is N(m, v), independently in every pixel and for every y.

    Then r_t = x_t − y is N(k m, k² v + σ²), and denoiser and flow have closed forms:

        E[x0 | x_t, y] = y + m + k v (r_t − k m) / (k² v + σ²)                                     (E17)
        r_u = k_u m + (r_t − k_t m) √((k_u² v + σ_u²) / (k_t² v + σ_t²))                           (E18)

    (E18) is the probability flow: the ODE maps each marginal to the next, and for Gaussians this map is linear.

    Attributes:
        process: the forward process.
        mean: m, in image units.
        variance: v, in squared image units; a negative value raises ValueError.
    """

    process: Process
    mean: float = 0.0
    variance: float = 0.01

    def __post_init__(self) -> None:
        if not self.variance >= 0:
            raise ValueError(f"variance must not be negative, got {self.variance}")

    def denoise(self, xt: Array, y: Array, t: float) -> Array:
        """E[x0 | xt, y], (E17)."""
        k = self.process.scale(t)
        gain = k * self.variance / self.marginal_variance(t)
        return y + self.mean + (xt - y - k * self.mean) * gain

    def marginal_variance(self, t: float) -> float:
        """k² v + σ², the variance of x_t given y."""
        return self.process.scale(t) ** 2 * self.variance + self.process.std(t) ** 2

    def flow(self, xt: Array, y: Array, t: float, u: float) -> Array:
        """The state at time u, before or after t, on the probability-flow ODE through xt at time t: (E18)."""
        stretch = math.sqrt(self.marginal_variance(u) / self.marginal_variance(t))
        return y + self.process.scale(u) * self.mean + (xt - y - self.process.scale(t) * self.mean) * stretch


@dataclass(frozen=True, eq=False)
class FiniteSet:
    """Clean images from a finite set, all equally likely for every y.

    The posterior mean is their average, each image weighted by its likelihood given the state:

        E[x0 | x_t, y] = Σ w_i x_i,  w_i ∝ exp(−‖x_t − y − k (x_i − y)‖² / (2σ²))                  (E19)

    As t → 1 with large σ it tends to the mean of the set, and as t → 0 to the nearest image.

    Attributes:
        process: the forward process.
        clean: NumPy images (n, channel, height, width), n ≥ 1; another shape raises ValueError.
    """

    process: Process
    clean: np.ndarray

    def __post_init__(self) -> None:
        if self.clean.ndim != 4 or len(self.clean) == 0:
            raise ValueError(f"clean must be (n, channel, height, width) with n ≥ 1, got {self.clean.shape}")

    def denoise(self, xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        """E[x0 | xt, y], (E19), in the dtype of xt."""
        return np.einsum("bn,nchw->bchw", self.weights(xt, y, t), self.clean).astype(xt.dtype)

    def weights(self, xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        """The posterior probabilities w (batch, n) of (E19), float64; each row sums to 1."""
        k, std = self.process.scale(t), self.process.std(t)
        centres = y[:, None] + k * (self.clean - y[:, None])
        distance = ((xt[:, None] - centres) ** 2).sum(axis=(2, 3, 4), dtype=np.float64)
        nearest = distance.min(axis=1, keepdims=True)  # subtracted to make the largest exponential 1 and avoid overflow
        weights = np.exp((nearest - distance) / (2 * std**2))
        return weights / weights.sum(axis=1, keepdims=True)
