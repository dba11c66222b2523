"""A network's coordinates: the residual r/k from the anchor, the noise-to-scale ratio s and the corrupted image y.

They do not depend on the process, so one network works with all of them.
"""

from collections.abc import Callable
from typing import TypeAlias

from driftrec.diffusion.process import Process
from driftrec.diffusion.types import GRAY, Anchor, Array, Denoise

Estimate: TypeAlias = Callable[[Array, float, Array], Array]
"""(residual r/k, ratio s, y) -> x0: the function that a network computes; images of the same shape, s in (0, ∞]."""


def anchor_image(y: Array, anchor: Anchor) -> Array:
    """The image that a process drifts to and that residuals are measured from, with y's shape and dtype."""
    return y if anchor == "corrupted" else y * 0 + GRAY


def denoise_states(estimate: Estimate, process: Process, anchor: Anchor) -> Denoise:
    """Wraps the network as a `Denoise` for states of `process`, which drifts to `anchor`."""

    def denoise(xt: Array, y: Array, t: float) -> Array:
        residual = xt - anchor_image(y, anchor)
        residual /= process.scale(t)
        return estimate(residual, process.ratio(t), y)

    return denoise
