"""Sums over the windows around each pixel."""

import numpy as np


def window_sums(values: np.ndarray, side: int, axis: int) -> np.ndarray:
    """Returns the sums of all `side` neighbours along an axis, which becomes side − 1 shorter; by doubling.

    The dtype stays.  Adding few numbers at a time keeps single precision exact enough for differences of sums.
    """
    values = values.swapaxes(0, axis)
    count = len(values) - side + 1
    total, powers, width, offset = None, values, 1, 0
    while True:
        if side & width:
            part = powers[offset : offset + count]
            total = part if total is None else total + part
            offset += width
        if 2 * width > side:
            break
        powers = powers[:-width] + powers[width:]
        width *= 2
    assert total is not None
    return total.swapaxes(0, axis)
