"""How closely cells bind: by the share of an estimate that lies in them."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from driftrec.jpeg import Cells, read_jpeg
from driftrec.restoration.binding import held
from support import jpeg_file, opened, scene


@pytest.mark.parametrize("quality", [40, 85])
def test_estimates_that_leave_many_cells_are_held_by_whole_cells_only(quality: int) -> None:
    clean = scene(96, 128)
    data = jpeg_file(clean, quality=quality)
    cells = Cells(read_jpeg(data))
    near = (opened(data) / 255).astype(np.float32)
    far = gaussian_filter(near, (2, 2, 0))
    np.testing.assert_array_equal(held(near, cells), cells.improve(near))
    np.testing.assert_array_equal(held(far, cells), cells.project(far))
    assert np.abs(cells.improve(far) - cells.project(far)).max() > 1 / 255


def test_what_both_compressions_allow_always_binds() -> None:
    data = jpeg_file(opened(jpeg_file(scene(96, 128), quality=20)), quality=85)
    cells = Cells(read_jpeg(data), 20)
    far = gaussian_filter((opened(data) / 255).astype(np.float32), (2, 2, 0))
    np.testing.assert_array_equal(held(far, cells), cells.improve(far))
