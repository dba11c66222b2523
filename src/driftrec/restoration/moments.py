"""Mean and spread of samples that come one after the other, without keeping them."""

import numpy as np


class Moments:
    """Running mean and standard deviation of arrays of one shape (Welford 1962).

    `mean` is float32, of the samples' shape; the first sample becomes part of it, so do not change it afterwards.
    """

    mean: np.ndarray

    def __init__(self) -> None:
        self.count = 0

    def add(self, sample: np.ndarray) -> None:
        """Takes one more sample into account."""
        self.count += 1
        if self.count == 1:
            self.mean, self._squares = sample, None
            return
        if self._squares is None:
            self.mean, self._squares = self.mean.copy(), np.zeros(sample.shape[:-1], np.float32)
        before = sample - self.mean
        self.mean += before / np.float32(self.count)
        self._squares += (before * (sample - self.mean)).mean(axis=-1)

    def deviation(self) -> np.ndarray:
        """The standard deviation, root mean square over the last axis; of one sample more is asked: ValueError."""
        if self._squares is None:
            raise ValueError("the deviation of samples needs two of them")
        return np.sqrt(self._squares / np.float32(self.count - 1))
