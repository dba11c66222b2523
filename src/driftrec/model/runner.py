"""A trained network as `Denoise` functions, independent of the library that computes it.

The inputs of the network are those of the theory: residual r/k, ratio s = σ/k, and y.  They do not depend on the
process, so one file serves all processes.
"""

import math
from abc import ABC, abstractmethod

import numpy as np

from driftrec.diffusion.process import Process
from driftrec.diffusion.types import GRAY, Array, Denoise
from driftrec.model.card import Card


class Runner(ABC):
    """A trained network, computed by any library; `card` holds its properties."""

    card: Card

    @abstractmethod
    def __call__(self, residual: np.ndarray, ratio: float, y: np.ndarray, *, finish: bool = False) -> np.ndarray:
        """The estimate of the clean image from r/k at ratio s; with `finish`, that of the finisher, if there is one.

        Arguments: residual and y float32 (batch, 3, height, width), sides multiples of `card.multiple`; ratio
        in (0, ∞], at ∞ the residual is ignored.  Returns x0, same shape, not clipped.
        """

    def regression(self) -> Denoise:
        """E[x0 | y], the faithful estimate, as a `Denoise` that ignores state and time."""

        def denoise(xt: Array, y: Array, t: float) -> Array:  # noqa: ARG001
            return self(np.zeros_like(y), math.inf, y)

        return denoise

    def denoiser(self, process: Process) -> Denoise:
        """E[x0 | xt, y] for a state of `process`, which drifts to the card's anchor."""
        return self._of_states(process)

    def finisher(self, process: Process) -> Denoise | None:
        """The function for the last evaluation of a plan; None if the model has no finisher."""
        return self._of_states(process, finish=True) if self.card.finisher else None

    def _of_states(self, process: Process, finish: bool = False) -> Denoise:
        anchored = self.card.plan.anchor == "corrupted"

        def denoise(xt: Array, y: Array, t: float) -> Array:
            residual = xt - (y if anchored else np.float32(GRAY))
            residual /= process.scale(t)
            return self(residual, process.ratio(t), y, finish=finish)

        return denoise
