"""Forward processes: the state drifts from the clean image x0 towards the corrupted image y and gains a little noise.

    dx = f(t) (y − x) dt + g(t) dw,  t ∈ [0, 1]                                                    (E1)
    x_t = y + k(t) (x0 − y) + σ(t) z,  z ~ N(0, 1)                                                 (E2)
    k(t) = exp(−∫₀ᵗ f)                                                                             (E3)
    σ²(t) = ∫₀ᵗ (k(t)/k(v))² g²(v) dv                                                              (E4)
    s(t) = σ(t)/k(t),  λ(t) = −ln s(t)                                                             (E5)

With r = x − y, (E2) is an ordinary Gaussian diffusion of the residual: r_t = k r_0 + σ z.  Samplers and networks
therefore need only two functions of a process, its scale k and its standard deviation σ.  They use them through the
noise-to-scale ratio s or the log-SNR λ = −ln s.  λ falls monotonically from +∞ at t = 0, so it is the natural clock.

`Process` derives all other functions from k, σ, f and g.  A scalar time gives a Python float, and an array of times
gives a float64 array of the same shape; times outside [0, 1] raise ValueError.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Times: TypeAlias = NDArray[np.float64]
Time = TypeVar("Time", float, Times)


class Process(ABC):
    """A forward process (E1), without mutable state.

    Subclasses define the four methods below, on float64 arrays of times in [0, 1].
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
        """k(t) of (E3), the fraction of the residual x0 − y that remains; it falls from 1."""
        return _like(t, np.exp(self._log_scale(_checked(t))))

    def std(self, t: Time) -> Time:
        """σ(t) of (E4), the standard deviation of x_t given x0 and y, in image units; it is 0 at t = 0."""
        return _like(t, self._std(_checked(t)))

    def ratio(self, t: Time) -> Time:
        """s(t) of (E5), the standard deviation of r_t / k around r_0, in image units; it rises from 0."""
        return _like(t, np.exp(-self._log_snr(_checked(t))))

    def log_snr(self, t: Time) -> Time:
        """λ(t) of (E5), in nats; it falls from +∞ at t = 0."""
        return _like(t, self._log_snr(_checked(t)))

    def time_of_log_snr(self, log_snr: Time) -> Time:
        """The time at which λ has this value, exact up to rounding.

        Raises ValueError for values below λ(1), which the process never reaches, and for values above λ(10⁻²⁰⁰).
        """
        target = np.asarray(log_snr, np.float64)
        lowest, highest = self.log_snr(1.0), self.log_snr(_EARLIEST)
        if not ((target >= lowest - 1e-9) & (target <= highest)).all():
            raise ValueError(f"log-SNRs of this process lie between {lowest:.4f} and {highest:.4f}, got {log_snr}")
        early, late = np.full_like(target, math.log(_EARLIEST)), np.zeros_like(target)
        for _ in range(64):  # Bisection in ln t, where λ is almost linear; 460 / 2⁶⁴ is below rounding.
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

    def card(self) -> dict[str, Any]:
        """The process, which must be a dataclass, as values for JSON; `process_from_card` is the inverse."""
        parameters = fields(cast(Any, self))
        return {"name": type(self).__name__, **{field.name: getattr(self, field.name) for field in parameters}}


_EARLIEST = 1e-200  # lower end of the range of `time_of_log_snr`; at earlier times variances would round to zero


def _checked(t: float | Times) -> Times:
    times = np.asarray(t, np.float64)
    if not ((times >= 0) & (times <= 1)).all():
        raise ValueError(f"times must lie in [0, 1], got {t}")
    return times


def _like(argument: Time, value: Times) -> Time:
    """`value` as a float if `argument` is a scalar, otherwise as an array."""
    return cast(Time, np.asarray(value) if isinstance(argument, np.ndarray) else float(value))
