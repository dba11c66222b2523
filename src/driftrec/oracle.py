"""Exact denoisers, for tests, theory and demonstrations: what a perfectly trained network would answer."""

import math
from dataclasses import dataclass

import numpy as np

from driftrec.process import Process
from driftrec.types import Array


@dataclass(frozen=True)
class GaussianPairs:
    """Pairs whose residual x0 − y is N(mean, variance), independently in every pixel; image units.

    Everything about them is known in closed form: the denoiser, and the probability flow from any time to any other.
    """

    process: Process
    mean: float = 0.0
    variance: float = 0.01

    def denoise(self, xt: Array, y: Array, t: float) -> Array:
        """E[x0 | xt, y], a `Denoise`."""
        k, marginal = self.process.scale(t), self.marginal_variance(t)
        gain = k * self.variance / marginal
        return y + self.mean + (xt - y - k * self.mean) * gain

    def marginal_variance(self, t: float) -> float:
        """The variance of r_t: k² variance + σ²."""
        return self.process.scale(t) ** 2 * self.variance + self.process.std(t) ** 2

    def flow(self, xt: Array, y: Array, t: float, u: float) -> Array:
        """Where the probability-flow ODE carries xt from time t to time u: marginals map onto marginals."""
        stretch = math.sqrt(self.marginal_variance(u) / self.marginal_variance(t))
        return y + self.process.scale(u) * self.mean + (xt - y - self.process.scale(t) * self.mean) * stretch


@dataclass(frozen=True)
class FiniteSet:
    """Clean images from a finite set, all equally likely: `clean` is (n, channel, height, width), NumPy.

    The posterior mean is the average of the set, weighted by how well each image explains the state.
    """

    process: Process
    clean: np.ndarray

    def denoise(self, xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        """E[x0 | xt, y], a `Denoise`."""
        k, std = self.process.scale(t), self.process.std(t)
        expected = y[:, None] + k * (self.clean[None] - y[:, None])
        distance = ((xt[:, None] - expected) ** 2).sum(axis=(2, 3, 4), dtype=np.float64) / (2 * std**2)
        weight = np.exp(distance.min(axis=1, keepdims=True) - distance)
        weight /= weight.sum(axis=1, keepdims=True)
        return np.einsum("bn,nchw->bchw", weight, self.clean).astype(xt.dtype)
