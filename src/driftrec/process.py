"""The forward processes: drift from the clean image x0 towards the corrupted image y, plus a little noise.

    dx = f(t) (y − x) dt + g(t) dw,  t ∈ [0, 1]                                                    (E1)
    x_t = y + k(t) (x0 − y) + σ(t) z,  z ~ N(0, 1)                                                 (E2)
    k(t) = exp(−∫₀ᵗ f)                                                                             (E3)
    σ²(t) = ∫₀ᵗ (k(t)/k(v))² g²(v) dv                                                              (E4)
    s(t) = σ(t)/k(t),  λ(t) = −ln s(t)                                                             (E5)
    g(t) = c σ_min κ^t,  κ = σ_max/σ_min                                                           (E6)

With r = x − y, (E2) is an ordinary Gaussian diffusion of the residual: r_t = k r_0 + σ z.  Samplers and networks
therefore need a process only through its scale k and its standard deviation σ, and these only as the noise-to-scale
ratio s or its logarithm, the log-SNR λ, which falls all the way from +∞ at t = 0: λ is the natural clock.

`Process` derives everything that follows from k, σ, f and g.  `PaperProcess` adds the noise (E6) that OUVE, TSDVE and
CosVE share (DriftRec, arXiv 2211.06757); they differ in their drift rate f.  A scalar time gives a Python
float, an array of times a float64 array of its shape; times outside [0, 1] raise ValueError.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Times: TypeAlias = NDArray[np.float64]
Time = TypeVar("Time", float, Times)


class Process(ABC):
    """A forward process (E1); it has no state of its own.

    A process says what it is in the four methods that follow, on float64 arrays of times in [0, 1].
    """

    @abstractmethod
    def _drift_rate(self, t: Times) -> Times:
        """f(t)."""

    @abstractmethod
    def _log_scale(self, t: Times) -> Times:
        """ln k(t) = −∫₀ᵗ f."""

    @abstractmethod
    def _diffusion(self, t: Times) -> Times:
        """g(t)."""

    @abstractmethod
    def _std(self, t: Times) -> Times:
        """σ(t)."""

    def drift_rate(self, t: Time) -> Time:
        """f(t) ≥ 0 of (E1), per unit of time."""
        return _like(t, self._drift_rate(_checked(t)))

    def diffusion(self, t: Time) -> Time:
        """g(t) > 0 of (E1), in image units per square root of time."""
        return _like(t, self._diffusion(_checked(t)))

    def log_scale(self, t: Time) -> Time:
        """ln k(t) of (E3), falling from 0."""
        return _like(t, self._log_scale(_checked(t)))

    def scale(self, t: Time) -> Time:
        """k(t) of (E3), the share of the residual x0 − y that is left; it falls from 1."""
        return _like(t, np.exp(self._log_scale(_checked(t))))

    def std(self, t: Time) -> Time:
        """σ(t) of (E4), the standard deviation of x_t given x0 and y, in image units; it is 0 at t = 0."""
        return _like(t, self._std(_checked(t)))

    def ratio(self, t: Time) -> Time:
        """s(t) of (E5), the standard deviation of r_t / k around r_0, in image units; it rises from 0."""
        times = _checked(t)
        return _like(t, self._std(times) / np.exp(self._log_scale(times)))

    def log_snr(self, t: Time) -> Time:
        """λ(t) of (E5), in nats; it falls from +∞ at t = 0."""
        return _like(t, self._log_snr(_checked(t)))

    def time_of_log_snr(self, log_snr: Time) -> Time:
        """The time at which λ has this value, exact to rounding.

        Raises ValueError for values below λ(1), which the process never reaches, and above λ(10⁻²⁰⁰).
        """
        target = np.asarray(log_snr, np.float64)
        lowest, highest = self.log_snr(1.0), self.log_snr(_EARLIEST)
        if not ((target >= lowest - 1e-9) & (target <= highest)).all():
            raise ValueError(f"log-SNRs of this process lie between {lowest:.4f} and {highest:.4f}, got {log_snr}")
        early, late = np.full_like(target, math.log(_EARLIEST)), np.zeros_like(target)
        for _ in range(64):  # Bisection in ln t, in which λ is almost a straight line; 460 / 2⁶⁴ is below rounding.
            middle = (early + late) / 2
            is_late = self._log_snr(np.exp(middle)) < target
            early, late = np.where(is_late, early, middle), np.where(is_late, middle, late)
        return _like(log_snr, np.exp(late))

    def time_of_ratio(self, ratio: Time) -> Time:
        """The time at which s has this value.  Raises ValueError as `time_of_log_snr` does, and for ratios ≤ 0."""
        values = np.asarray(ratio, np.float64)
        if not (values > 0).all():
            raise ValueError(f"ratios must be positive, got {ratio}")
        return self.time_of_log_snr(_like(ratio, -np.log(values)))

    def _log_snr(self, t: Times) -> Times:
        with np.errstate(divide="ignore"):  # λ(0) = +∞
            return self._log_scale(t) - np.log(self._std(t))


@dataclass(frozen=True)
class PaperProcess(Process):
    """What OUVE, TSDVE and CosVE have in common: their parameters, and noise that grows as κ^t (E6).

    Attributes:
        gamma: stiffness γ of the drift per unit of time, in [0, 100].
        sigma_min, sigma_max: the size of the noise in image units, 10⁻⁶ ≤ sigma_min < sigma_max ≤ 1000.

    Raises ValueError for values outside these ranges, within which (E4) is exact to 10⁻¹².
    """

    gamma: float = 1.0
    sigma_min: float = 0.01
    sigma_max: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.gamma <= 100:
            raise ValueError(f"gamma must be between 0 and 100, got {self.gamma}")
        if not 1e-6 <= self.sigma_min < self.sigma_max <= 1000:
            raise ValueError(
                "sigmas must satisfy 1e-6 ≤ sigma_min < sigma_max ≤ 1000, "
                f"got sigma_min {self.sigma_min} and sigma_max {self.sigma_max}"
            )

    @abstractmethod
    def _gain(self) -> float:
        """The constant c² of (E6)."""

    @abstractmethod
    def _unit_variance(self, t: Times) -> Times:
        """(E4) for c σ_min = 1."""

    def card(self) -> dict[str, str | float]:
        """The process as values for JSON; `process_from_card` is the way back."""
        return {"name": type(self).__name__, **asdict(self)}

    @property
    def _log_kappa(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    @cached_property
    def _amplitude(self) -> float:
        """c σ_min."""
        return self.sigma_min * math.sqrt(self._gain())

    def _diffusion(self, t: Times) -> Times:
        return self._amplitude * np.exp(self._log_kappa * t)

    def _std(self, t: Times) -> Times:
        return self._amplitude * np.sqrt(self._unit_variance(t))


@dataclass(frozen=True)
class OUVE(PaperProcess):
    """Ornstein–Uhlenbeck, variance exploding: f = γ, k = e^{−γt}.

    With the paper's c² = 2 (γ + ln κ), the variance has the closed form σ² = σ_min² (κ^{2t} − e^{−2γt}), which at
    t = 1 is σ_max² − σ_min² e^{−2γ}: just short of σ_max².
    """

    def _drift_rate(self, t: Times) -> Times:
        return np.full_like(t, self.gamma)

    def _log_scale(self, t: Times) -> Times:
        return -self.gamma * t

    def _gain(self) -> float:
        return 2 * (self.gamma + self._log_kappa)

    def _unit_variance(self, t: Times) -> Times:
        return np.exp(-2 * self.gamma * t) * np.expm1(self._gain() * t) / self._gain()  # no cancellation near t = 0


@dataclass(frozen=True)
class TSDVE(PaperProcess):
    """t-squared decay, variance exploding: f = γ t, k = e^{−γt²/2}, and c such that σ(1) = σ_max."""

    def _drift_rate(self, t: Times) -> Times:
        return self.gamma * t

    def _log_scale(self, t: Times) -> Times:
        return -self.gamma / 2 * t**2

    def _gain(self) -> float:
        return _gain_to_sigma_max(self)

    def _unit_variance(self, t: Times) -> Times:
        return _variance_integral(self._log_scale, self._log_kappa, t)


@dataclass(frozen=True)
class CosVE(PaperProcess):
    """Cosine, variance exploding: f = γ (1 − cos πt), k = e^{−γ (t − sin(πt)/π)}, and c such that σ(1) = σ_max."""

    def _drift_rate(self, t: Times) -> Times:
        return self.gamma * (1 - np.cos(np.pi * t))

    def _log_scale(self, t: Times) -> Times:
        return -self.gamma * (t - np.sin(np.pi * t) / np.pi)

    def _gain(self) -> float:
        return _gain_to_sigma_max(self)

    def _unit_variance(self, t: Times) -> Times:
        return _variance_integral(self._log_scale, self._log_kappa, t)


_BY_NAME: dict[str, type[PaperProcess]] = {kind.__name__: kind for kind in (OUVE, TSDVE, CosVE)}


def process_from_card(card: Mapping[str, Any]) -> PaperProcess:
    """The process that `PaperProcess.card` wrote down, {"name": "OUVE", "gamma": 1.0, …}; parameters left out take
    their defaults.

    Raises ValueError for an unknown name or parameter, and for a value that is no number or out of range.
    """
    values = dict(card)
    name = values.pop("name", None)
    if name not in _BY_NAME:
        raise ValueError(f"there is no process {name!r}; known are {', '.join(_BY_NAME)}")
    known = [field.name for field in fields(_BY_NAME[name])]
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{name} has no parameter {key!r}; known are {', '.join(known)}")
        if not isinstance(value, (int, float)):
            raise ValueError(f"{key} must be a number, got {value!r}")
    return _BY_NAME[name](**values)


_EARLIEST = 1e-200  # the range of `time_of_log_snr` ends here, before rounding to zero spoils variances

# Gauss–Legendre nodes and weights on [0, 1].
_NODES, _WEIGHTS = (0.5 * (v + shift) for v, shift in zip(np.polynomial.legendre.leggauss(64), (1, 0), strict=True))


def _variance_integral(log_scale: Callable[[Times], Times], log_kappa: float, t: Times) -> Times:
    """∫₀ᵗ (k(t)/k(v))² κ^{2v} dv.

    Gauss–Legendre quadrature over v = t · node keeps its relative accuracy for t → 0, where splines and differences of
    antiderivatives lose theirs.
    """
    v = t[..., None] * _NODES
    return t * (np.exp(2 * (log_scale(t)[..., None] - log_scale(v) + log_kappa * v)) @ _WEIGHTS)


def _gain_to_sigma_max(process: PaperProcess) -> float:
    """The c² of (E6) with which σ(1) = σ_max."""
    return math.exp(2 * process._log_kappa) / float(process._unit_variance(np.asarray(1.0)))


def _checked(t: float | Times) -> Times:
    times = np.asarray(t, np.float64)
    if not ((times >= 0) & (times <= 1)).all():
        raise ValueError(f"times must lie in [0, 1], got {t}")
    return times


def _like(argument: Time, value: Times) -> Time:
    """`value` as the kind of thing that `argument` is."""
    return cast(Time, np.asarray(value) if isinstance(argument, np.ndarray) else float(value))
