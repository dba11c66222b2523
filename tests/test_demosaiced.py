"""What research/demosaiced.py makes of pictures."""

import numpy as np

from demosaiced import demosaiced
from driftrec.jpeg.blocks import YCBCR


def test_linear_gray_and_constant_colours_stay() -> None:
    row, column = np.mgrid[:24, :32]
    gray = (3 * row + 5 * column)[..., None].repeat(3, axis=2).astype(np.uint8)
    np.testing.assert_array_equal(demosaiced(gray)[2:-2, 2:-2], gray[2:-2, 2:-2])
    colour = np.full((12, 14, 3), (200, 90, 30), np.uint8)
    np.testing.assert_array_equal(demosaiced(colour), colour)


def test_what_the_sensor_sees_stays_and_chroma_loses_detail() -> None:
    clean = np.random.default_rng(0).integers(40, 216, (64, 64, 3)).astype(np.uint8)
    made = demosaiced(clean)
    for rows, columns, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        np.testing.assert_array_equal(made[rows::2, columns::2, channel], clean[rows::2, columns::2, channel])
    spread = [np.var(pixels.astype(float) @ YCBCR.T, axis=(0, 1)) for pixels in (made, clean)]
    assert (spread[0][1:] / spread[1][1:] < 0.6 * spread[0][0] / spread[1][0]).all()
