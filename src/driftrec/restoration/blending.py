"""Weighted means of two pictures."""

import numpy as np


def blend(start: np.ndarray, end: np.ndarray, weight: float) -> np.ndarray:
    """Returns start + weight · (end − start); allocates only the result, or nothing if it is `end`."""
    if weight == 1 or end is start:
        return end
    mean = end - start
    mean *= np.float32(weight)
    mean += start
    return mean
