"""The coordinates of a network: residual r/k from the anchor, noise-to-scale ratio s, corrupted image y.

They belong to no process, so one network serves all of them.
"""

from collections.abc import Callable
from typing import TypeAlias

from driftrec.diffusion.process import Process
from driftrec.diffusion.types import GRAY, Anchor, Array, Denoise

Estimate: TypeAlias = Callable[[Array, float, Array], Array]
"""(residual r/k, ratio s, y) -> x0: what a network computes; images of one shape, s in (0, ∞]."""


def anchor_image(y: Array, anchor: Anchor) -> Array:
    """The image that a process drifts to and that residuals are measured from, of y's shape and dtype."""
    return y if anchor == "corrupted" else y * 0 + GRAY


def denoise_states(estimate: Estimate, process: Process, anchor: Anchor) -> Denoise:
    """The network as a `Denoise` of the states of `process`, which drifts to `anchor`."""

    def denoise(xt: Array, y: Array, t: float) -> Array:
        residual = xt - anchor_image(y, anchor)
        residual /= process.scale(t)
        return estimate(residual, process.ratio(t), y)

    return denoise
