"""Mean and standard deviation of samples that arrive one by one, without storing them."""

import numpy as np


class Moments:
    """Running mean and standard deviation of arrays of one shape (Welford 1962).

    `mean` is float32 and has the samples' shape.  It may share memory with the first sample: do not change that one.
    """

    mean: np.ndarray

    def __init__(self) -> None:
        self.count = 0

    def add(self, sample: np.ndarray) -> None:
        """Adds one sample."""
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
        """Returns the standard deviation, root mean square over the last axis.

        Raises:
            ValueError: there are fewer than two samples.
        """
        if self._squares is None:
            raise ValueError("a standard deviation needs at least two samples")
        return np.sqrt(self._squares / np.float32(self.count - 1))
