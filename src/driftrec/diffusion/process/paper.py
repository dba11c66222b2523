"""The paper's processes (DriftRec, arXiv 2211.06757): they differ in the drift rate f and share the same noise.

    g(t) = c σ_min w(t),  w(t) = κ^t or 1 + (κ − 1) t,  κ = σ_max/σ_min                            (E6)

The paper's noise grows exponentially; linear growth is an option in its code.  With γ = 0 each of them is the
variance-exploding diffusion (VE) of Song et al. 2021 (arXiv 2011.13456).
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from driftrec.diffusion.process.base import Process, Times

Growth: TypeAlias = Literal["exponential", "linear"]


@dataclass(frozen=True)
class PaperProcess(Process):
    """What OUVE, TSDVE and CosVE have in common: their parameters and (E6).

    Attributes:
        gamma: stiffness γ of the drift per unit of time, in [0, 100].
        sigma_min, sigma_max: the size of the noise in image units, 10⁻⁶ ≤ sigma_min < sigma_max ≤ 1000.
        growth: how the noise grows with time.

    Raises ValueError for values outside these ranges.  Inside them (E4) is exact to 10⁻¹².
    """

    gamma: float = 1.0
    sigma_min: float = 0.01
    sigma_max: float = 1.0
    growth: Growth = "exponential"

    def __post_init__(self) -> None:
        if not 0 <= self.gamma <= 100:
            raise ValueError(f"gamma must be between 0 and 100, got {self.gamma}")
        if not 1e-6 <= self.sigma_min < self.sigma_max <= 1000:
            raise ValueError(
                "sigmas must satisfy 1e-6 ≤ sigma_min < sigma_max ≤ 1000, "
                f"got sigma_min {self.sigma_min} and sigma_max {self.sigma_max}"
            )
        if self.growth not in get_args(Growth):
            raise ValueError(f"growth must be 'exponential' or 'linear', got {self.growth!r}")

    def _gain(self) -> float:
        """The constant c² of (E6), by default chosen such that σ(1) = σ_max."""
        return math.exp(2 * self._log_kappa) / float(self._unit_variance(np.asarray(1.0)))

    def _unit_variance(self, t: Times) -> Times:
        """(E4) for c σ_min = 1: ∫₀ᵗ (k(t)/k(v))² w²(v) dv.

        Gauss–Legendre quadrature over v = t · node stays accurate relative to the result for t → 0, where splines and
        differences of antiderivatives do not.
        """
        v = t[..., None] * _NODES
        decay = self._log_scale(t)[..., None] - self._log_scale(v)
        return t * (np.exp(2 * (decay + self._log_growth(v))) @ _WEIGHTS)

    def _log_growth(self, t: Times) -> Times:
        """ln w(t)."""
        return self._log_kappa * t if self.growth == "exponential" else np.log1p(math.expm1(self._log_kappa) * t)

    @property
    def _log_kappa(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    @cached_property
    def _amplitude(self) -> float:
        """c σ_min."""
        return self.sigma_min * math.sqrt(self._gain())

    def _diffusion(self, t: Times) -> Times:
        return self._amplitude * np.exp(self._log_growth(t))

    def _std(self, t: Times) -> Times:
        return self._amplitude * np.sqrt(self._unit_variance(t))

    @abstractmethod
    def _log_scale(self, t: Times) -> Times: ...


@dataclass(frozen=True)
class OUVE(PaperProcess):
    """Ornstein–Uhlenbeck, variance exploding: f = γ, k = e^{−γt}.

    With the paper's c² = 2 (γ + ln κ) for exponential growth, the variance has the closed form
    σ² = σ_min² (κ^{2t} − e^{−2γt}).  At t = 1 it is σ_max² − σ_min² e^{−2γ}, slightly less than σ_max².
    """

    def _drift_rate(self, t: Times) -> Times:
        return np.full_like(t, self.gamma)

    def _log_scale(self, t: Times) -> Times:
        return -self.gamma * t

    def _gain(self) -> float:
        return 2 * (self.gamma + self._log_kappa) if self.growth == "exponential" else super()._gain()

    def _unit_variance(self, t: Times) -> Times:
        if self.growth == "linear":
            return super()._unit_variance(t)
        return np.exp(-2 * self.gamma * t) * np.expm1(self._gain() * t) / self._gain()  # no cancellation near t = 0


@dataclass(frozen=True)
class TSDVE(PaperProcess):
    """t-squared decay, variance exploding: f = γ t, k = e^{−γt²/2}, and c such that σ(1) = σ_max."""

    def _drift_rate(self, t: Times) -> Times:
        return self.gamma * t

    def _log_scale(self, t: Times) -> Times:
        return -self.gamma / 2 * t**2


@dataclass(frozen=True)
class CosVE(PaperProcess):
    """Cosine, variance exploding: f = γ (1 − cos πt), k = e^{−γ (t − sin(πt)/π)}, and c such that σ(1) = σ_max."""

    def _drift_rate(self, t: Times) -> Times:
        return self.gamma * (1 - np.cos(np.pi * t))

    def _log_scale(self, t: Times) -> Times:
        return -self.gamma * (t - np.sin(np.pi * t) / np.pi)


# Gauss–Legendre nodes and weights on [0, 1].
_NODES, _WEIGHTS = (0.5 * (v + shift) for v, shift in zip(np.polynomial.legendre.leggauss(64), (1, 0), strict=True))
