"""The types that all modules of the mathematics share.

Images are arrays of shape (batch, channel, height, width), float32, RGB in [0, 1].  Samplers and processes
use only + − × ÷ on them, so NumPy arrays and PyTorch tensors pass through the same code; ``Array`` therefore
stands for either.
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
"""Networks take noise-to-scale ratios from this one on, infinity included, for s = ∞: they ignore the residual and
answer E[x0 | y]."""

Noise: TypeAlias = Callable[[tuple[int, ...]], Array]
"""shape -> array of independent standard normal numbers, of the kind and dtype that the images have."""

Anchor: TypeAlias = Literal["corrupted", "gray"]
"""What a process drifts to, and residuals are measured from: the corrupted image, or mid-gray as for pure noise."""

GRAY = 0.5
