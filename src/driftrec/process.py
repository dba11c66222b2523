"""The forward processes: drift from the clean image x0 towards the corrupted image y, plus a little noise.

    dx = f(t) (y − x) dt + g(t) dw,  t ∈ [0, 1]                                                    (E1)
    x_t = y + k(t) (x0 − y) + σ(t) z,  z ~ N(0, 1)                                                 (E2)
    k(t) = exp(−∫₀ᵗ f)                                                                             (E3)
    σ²(t) = ∫₀ᵗ (k(t)/k(s))² g²(s) ds                                                              (E4)
    g(t) = c σ_min κ^t,  κ = σ_max/σ_min                                                           (E5)

With r = x − y, (E2) is an ordinary Gaussian diffusion of the residual: r_t = k r_0 + σ z.  A process is therefore its
drift rate f and the constant c; everything else is derived here, once for all of them.  Scalars in give Python floats,
arrays give float64 arrays.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

Times: TypeAlias = NDArray[np.float64]

# Gauss–Legendre nodes and weights on [0, 1]; 64 of them integrate (E4) to rounding for any sensible parameters.
_NODES, _WEIGHTS = (0.5 * (v + shift) for v, shift in zip(np.polynomial.legendre.leggauss(64), (1, 0), strict=True))


@dataclass(frozen=True)
class Process(ABC):
    """What all processes have in common.

    `gamma` is the stiffness γ of the drift, per unit of time; `sigma_min` and `sigma_max` bound the noise, in image
    units.  Raises ValueError for parameters outside 0 ≤ γ ≤ 100, 0 < sigma_min < sigma_max ≤ 1000.
    """

    gamma: float = 1.0
    sigma_min: float = 0.01
    sigma_max: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.gamma <= 100:
            raise ValueError(f"gamma must be between 0 and 100, got {self.gamma}")
        if not 0 < self.sigma_min < self.sigma_max <= 1000:
            raise ValueError(
                f"sigmas must satisfy 0 < sigma_min < sigma_max ≤ 1000, got {self.sigma_min} and {self.sigma_max}"
            )

    @abstractmethod
    def _rate(self, t: Times) -> Times:
        """f(t)."""

    @abstractmethod
    def _log_scale(self, t: Times) -> Times:
        """ln k(t) = −∫₀ᵗ f."""

    @property
    @abstractmethod
    def gain(self) -> float:
        """The constant c² of (E5)."""

    @overload
    def drift_rate(self, t: float) -> float: ...
    @overload
    def drift_rate(self, t: Times) -> Times: ...
    def drift_rate(self, t: float | Times) -> float | Times:
        """f(t) of (E1)."""
        return _like(t, self._rate(_times(t)))

    @overload
    def scale(self, t: float) -> float: ...
    @overload
    def scale(self, t: Times) -> Times: ...
    def scale(self, t: float | Times) -> float | Times:
        """k(t) of (E3), falling from 1."""
        return _like(t, np.exp(self._log_scale(_times(t))))

    @overload
    def diffusion(self, t: float) -> float: ...
    @overload
    def diffusion(self, t: Times) -> Times: ...
    def diffusion(self, t: float | Times) -> float | Times:
        """g(t) of (E5), in image units per square root of time."""
        return _like(t, math.sqrt(self.gain) * self._growth(_times(t)))

    @overload
    def std(self, t: float) -> float: ...
    @overload
    def std(self, t: Times) -> Times: ...
    def std(self, t: float | Times) -> float | Times:
        """σ(t) of (E4), in image units, rising from 0."""
        return _like(t, np.sqrt(self.gain * self._unit_variance(_times(t))))

    @overload
    def ratio(self, t: float) -> float: ...
    @overload
    def ratio(self, t: Times) -> Times: ...
    def ratio(self, t: float | Times) -> float | Times:
        """The noise-to-scale ratio s = σ/k: standard deviation of r_t / k around r_0.  It rises with t."""
        return _like(t, self.std(_times(t)) / self.scale(_times(t)))

    @overload
    def log_snr(self, t: float) -> float: ...
    @overload
    def log_snr(self, t: Times) -> Times: ...
    def log_snr(self, t: float | Times) -> float | Times:
        """λ(t) = −ln s(t), which falls from +∞ at t = 0."""
        with np.errstate(divide="ignore"):
            return _like(t, -np.log(self.ratio(_times(t))))

    def time_of_log_snr(self, log_snr: float) -> float:
        """The t ∈ (0, 1] with λ(t) = log_snr; ValueError when the process never comes so low."""
        if not log_snr >= self.log_snr(1.0) - 1e-12:
            raise ValueError(f"this process ends at log-SNR {self.log_snr(1.0):.3f}: {log_snr} lies beyond")
        low, high = 0.0, 1.0
        for _ in range(80):  # bisection: λ is monotone
            middle = 0.5 * (low + high)
            low, high = (low, middle) if self.log_snr(middle) < log_snr else (middle, high)
        return high

    def card(self) -> dict[str, Any]:
        """The process as JSON-ready values, for `process_from_card`."""
        return {"name": type(self).__name__, **asdict(self)}

    def _growth(self, t: Times) -> Times:
        """σ_min κ^t, the diffusion but for the constant c."""
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** t

    def _unit_variance(self, t: Times) -> Times:
        """(E4) for c = 1, by Gauss–Legendre quadrature over s = t · node."""
        s = t[..., None] * _NODES
        decay = np.exp(2 * (self._log_scale(t)[..., None] - self._log_scale(s)))
        return t * ((decay * self._growth(s) ** 2) @ _WEIGHTS)

    @cached_property
    def _gain_to_sigma_max(self) -> float:
        """The c² with which σ(1) = σ_max."""
        return self.sigma_max**2 / float(self._unit_variance(np.float64(1.0)))


@dataclass(frozen=True)
class OUVE(Process):
    """Ornstein–Uhlenbeck, variance exploding: f = γ, with the paper's g² = 2 (γ + ln κ) σ_min² κ^{2t}.

    Then σ² = σ_min² (κ^{2t} − e^{−2γt}) in closed form, so σ(1)² is σ_max² − σ_min² e^{−2γ}, just short of σ_max².
    """

    def _rate(self, t: Times) -> Times:
        return np.full_like(t, self.gamma)

    def _log_scale(self, t: Times) -> Times:
        return -self.gamma * t

    @property
    def gain(self) -> float:
        """c² = 2 (γ + ln κ)."""
        return 2 * (self.gamma + math.log(self.sigma_max / self.sigma_min))


@dataclass(frozen=True)
class TSDVE(Process):
    """t-squared decay, variance exploding: f = γ t, k = exp(−γ t²/2), and σ(1) = σ_max."""

    def _rate(self, t: Times) -> Times:
        return self.gamma * t

    def _log_scale(self, t: Times) -> Times:
        return -0.5 * self.gamma * t**2

    @property
    def gain(self) -> float:
        """The c² with which σ(1) = σ_max."""
        return self._gain_to_sigma_max


@dataclass(frozen=True)
class CosVE(Process):
    """Cosine, variance exploding: f = γ (1 − cos πt), k = exp(−γ (t − sin(πt)/π)), and σ(1) = σ_max."""

    def _rate(self, t: Times) -> Times:
        return self.gamma * (1 - np.cos(np.pi * t))

    def _log_scale(self, t: Times) -> Times:
        return -self.gamma * (t - np.sin(np.pi * t) / np.pi)

    @property
    def gain(self) -> float:
        """The c² with which σ(1) = σ_max."""
        return self._gain_to_sigma_max


PROCESSES: dict[str, type[Process]] = {kind.__name__: kind for kind in (OUVE, TSDVE, CosVE)}


def process_from_card(card: dict[str, Any]) -> Process:
    """The process that `Process.card` described; ValueError for an unknown name or parameter."""
    values = dict(card)
    name = values.pop("name", None)
    if name not in PROCESSES:
        raise ValueError(f"there is no process {name!r}; known are {', '.join(PROCESSES)}")
    try:
        return PROCESSES[name](**values)
    except TypeError as error:
        raise ValueError(f"{name} takes gamma, sigma_min and sigma_max, got {', '.join(values)}") from error


def _times(t: float | Times) -> Times:
    times = np.asarray(t, np.float64)
    if not ((times >= 0) & (times <= 1)).all():
        raise ValueError(f"times must lie in [0, 1], got {t}")
    return times


def _like(t: float | Times, value: Times) -> float | Times:
    return value if isinstance(t, np.ndarray) else float(value)
