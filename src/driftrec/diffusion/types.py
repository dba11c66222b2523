"""Types shared by all modules of `driftrec.diffusion`.

Images are arrays of shape (batch, channel, height, width), float32, RGB in [0, 1].  Samplers and processes use only
+ − × ÷ on them, so the same code works on NumPy arrays and PyTorch tensors, and `Array` stands for either.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

Array: TypeAlias = Any
"""A NumPy array or a PyTorch tensor."""

Denoise: TypeAlias = Callable[[Array, Array, float], Array]
"""(xt, y, t) -> x0: the estimate of the clean image from the state xt at time t and the corrupted image y.

All three arrays have the same shape; t is a Python float in [0, 1].
"""

REGRESSION_RATIO = 1e3
"""Networks treat noise-to-scale ratios of this value or more, including infinity, as s = ∞: they ignore the residual
and return E[x0 | y]."""

Noise: TypeAlias = Callable[[tuple[int, ...]], Array]
"""shape -> array of independent standard normal numbers, of the same array type and dtype as the images."""

Anchor: TypeAlias = Literal["corrupted", "gray"]
"""The image that a process drifts to and that residuals are measured from: the corrupted image, or mid-gray for
processes that start from pure noise."""

GRAY = 0.5
