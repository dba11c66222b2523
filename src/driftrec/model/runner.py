"""A trained network as `Denoise` functions, whichever library computes it."""

import math
from abc import ABC, abstractmethod
from functools import partial

import numpy as np

from driftrec.diffusion.coordinates import denoise_states
from driftrec.diffusion.process import Process
from driftrec.diffusion.types import Array, Denoise
from driftrec.model.card import Card


class Runner(ABC):
    """Abstract: a trained network in the coordinates of `driftrec.diffusion.coordinates`.

    Subclasses set `card`, which says what the network is, and define `__call__`; everything else follows from these.
    """

    card: Card

    @abstractmethod
    def __call__(self, residual: np.ndarray, ratio: float, y: np.ndarray, *, finish: bool = False) -> np.ndarray:
        """The estimate of the clean image from r/k at ratio s; with `finish`, that of the finisher, if there is one.

        Arguments: residual and y float32 (batch, 3, height, width), sides multiples of `card.multiple`; ratio
        in (0, ∞], at ∞ the residual is ignored.  Returns x0, same shape, not clipped.
        """

    def regression(self) -> Denoise:
        """Returns E[x0 | y], the faithful estimate, as a `Denoise` that ignores state and time."""

        def denoise(xt: Array, y: Array, t: float) -> Array:  # noqa: ARG001
            return self(np.zeros_like(y), math.inf, y)

        return denoise

    def denoiser(self, process: Process) -> Denoise:
        """Returns E[x0 | xt, y] for a state of `process`, which drifts to the card's anchor."""
        return denoise_states(self, process, self.card.plan.anchor)

    def finisher(self, process: Process) -> Denoise | None:
        """Returns what makes the last evaluation of a plan; None for a model without a finisher."""
        finish = partial(self, finish=True)
        return denoise_states(finish, process, self.card.plan.anchor) if self.card.finisher else None
