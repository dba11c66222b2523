"""Processes of other diffusion models.  They also have the form (E1), so every sampler and network works with them.

Palette, SR3 and similar models (arXiv 2111.05826, 2104.07636) start from pure noise: their processes drift from the
clean image to a constant instead of y; see `anchor` in `driftrec.train.recipe`.  A diffusion bridge does end at y.
"""

from dataclasses import dataclass

import numpy as np

from driftrec.diffusion.process.base import Process, Times


@dataclass(frozen=True)
class VP(Process):
    """Variance preserving (Song et al. 2021, arXiv 2011.13456, equation 11): f = β/2, g² = β std².

    β rises linearly from `beta_min` to `beta_max`; `std_max` (std above) is the preserved standard deviation, in image
    units.
    Raises ValueError unless 0 < beta_min ≤ beta_max ≤ 1000 and std > 0.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    std_max: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.beta_min <= self.beta_max <= 1000:
            raise ValueError(f"betas must satisfy 0 < min ≤ max ≤ 1000, got {self.beta_min} and {self.beta_max}")
        if not self.std_max > 0:
            raise ValueError(f"std_max must be positive, got {self.std_max}")

    def _beta(self, t: Times) -> Times:
        return self.beta_min + (self.beta_max - self.beta_min) * t

    def _drift_rate(self, t: Times) -> Times:
        return self._beta(t) / 2

    def _log_scale(self, t: Times) -> Times:
        return -(self.beta_min * t + (self.beta_max - self.beta_min) * t**2 / 2) / 2

    def _diffusion(self, t: Times) -> Times:
        return self.std_max * np.sqrt(self._beta(t))

    def _std(self, t: Times) -> Times:
        return self.std_max * np.sqrt(-np.expm1(2 * self._log_scale(t)))


@dataclass(frozen=True)
class Bridge(Process):
    """A diffusion bridge (I2SB, Liu et al. 2023, arXiv 2302.05872): Brownian motion with the clock V, pinned to y.

        g² = V',  f = V'/(V(1) − V),  k = 1 − V/V(1),  σ² = V k                                    (E7)

    It is (E1) with a drift that grows without bound: at t = 1 the state is y itself, without noise.  As in I2SB, the
    noise rises and falls symmetrically: g ∝ floor + (1 − floor)(1 − |2t − 1|).

    Attributes:
        std_max: √V(1), the standard deviation of the free motion at t = 1, in image units, above 0.
        floor: ratio of g at either end to g in the middle, in (0, 1].

    Raises ValueError for values outside these ranges.
    """

    std_max: float = 0.2
    floor: float = 0.02

    def __post_init__(self) -> None:
        if not (self.std_max > 0 and 0 < self.floor <= 1):
            raise ValueError(
                f"std_max must be positive and floor in (0, 1], got std_max {self.std_max} and floor {self.floor}"
            )

    def _elapsed(self, t: Times) -> Times:
        """V(t)/V(1): a cubic on each half of [0, 1]; the second half mirrors the first."""
        rise = (1 - self.floor) / self.floor
        early = np.minimum(t, 1 - t)
        # ∫ (1 + 2 rise v)² dv, expanded so that nothing cancels near 0.
        part = early * (1 + 2 * rise * early + 4 / 3 * (rise * early) ** 2)
        half = 0.5 * (1 + rise + rise**2 / 3)
        share = part / (2 * half)
        return np.where(t <= 0.5, share, 1 - share)

    def _remaining(self, t: Times) -> Times:
        """1 − V(t)/V(1), by symmetry, without cancellation near t = 1."""
        return self._elapsed(1 - t)

    def _drift_rate(self, t: Times) -> Times:
        with np.errstate(divide="ignore"):  # f(1) = +∞
            return self._diffusion(t) ** 2 / (self.std_max**2 * self._remaining(t))

    def _log_scale(self, t: Times) -> Times:
        with np.errstate(divide="ignore"):  # ln k(1) = −∞
            return np.log(self._remaining(t))

    def _diffusion(self, t: Times) -> Times:
        shape = self.floor + (1 - self.floor) * (1 - np.abs(2 * t - 1))
        return self.std_max * shape / np.sqrt((1 + self.floor + self.floor**2) / 3)  # ∫ shape² dt is the denominator²

    def _std(self, t: Times) -> Times:
        return self.std_max * np.sqrt(self._elapsed(t) * self._remaining(t))

    def _log_snr(self, t: Times) -> Times:
        with np.errstate(divide="ignore"):  # λ(0) = +∞ and λ(1) = −∞; σ/k is 0/0 at t = 1
            return (np.log(self._remaining(t)) - np.log(self._elapsed(t))) / 2 - np.log(self.std_max)
