"""Tiles must be invisible: windows add up to one, the grid keeps its phase, any size works."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftrec.jpeg.tables import MCU
from driftrec.restoration.tiling import Tiling, margins, tiled

SMALL = Tiling(tile=160, blind=16, feather=16)


@given(blocks=st.integers(1, 90), tiling=st.sampled_from([SMALL, Tiling(tile=160, blind=16, feather=27)]))
@settings(deadline=None)
def test_windows_add_up_to_one_and_vanish_where_context_lacks(blocks: int, tiling: Tiling) -> None:
    length = blocks * MCU
    total = np.zeros(length)
    side, _ = tiling.cut(length, 160)
    assert side.size <= 160
    for start, window in zip(side.starts, tiling.windows(side), strict=True):
        assert start % MCU == 0
        assert start + len(window) <= length
        if start > 0:
            assert window[: tiling.blind].max() == 0
        if start + len(window) < length:
            assert window[-tiling.blind :].max() == 0
        total[start : start + len(window)] += window
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize("shape", [(16, 16), (160, 160), (176, 480), (640, 336)])
def test_the_identity_comes_back_and_every_tile_is_counted(shape: tuple[int, int], rng: np.random.Generator) -> None:
    image = rng.random((1, 3, *shape), dtype=np.float32)
    calls = []
    result = tiled(lambda xt, _y, _t: xt.copy(), SMALL, lambda: calls.append(1))(image, image, 0.5)
    np.testing.assert_allclose(result, image, atol=1e-6)
    assert len(calls) == SMALL.count(*shape)


def test_a_local_filter_gives_the_same_picture_with_and_without_tiles(rng: np.random.Generator) -> None:
    def blur(xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:  # noqa: ARG001
        for axis in (2, 3):
            xt = sum(np.roll(xt, shift, axis) for shift in range(-7, 8)) / np.float32(15)
        return xt

    image = rng.random((1, 3, 400, 512), dtype=np.float32)
    whole = blur(image, image, 0)
    result = tiled(blur, SMALL)(image, image, 0)
    inner = (..., slice(16, -16), slice(16, -16))  # np.roll wraps around at the picture's own rim
    np.testing.assert_allclose(result[inner], whole[inner], atol=1e-5)


@pytest.mark.parametrize("shape", [(160, 160), (32, 800), (800, 32), (176, 176), (1024, 80), (4000, 6000)])
def test_tiles_are_no_larger_than_allowed_and_as_few_as_possible(shape: tuple[int, int]) -> None:
    rows, columns = SMALL.cut(*shape)
    assert rows.size * columns.size <= SMALL.tile**2
    if shape[0] * shape[1] <= SMALL.tile**2:
        assert (rows.starts, columns.starts) == ((0,), (0,))
    squares = [-(-(n - SMALL.overlap) // (SMALL.tile - SMALL.overlap)) * SMALL.tile for n in shape]
    assert rows.total * columns.total <= max(squares[0], SMALL.tile) * max(squares[1], SMALL.tile)


@pytest.mark.parametrize("grid", [(0, 0), (3, 0), (4, 7)])
def test_margins_repeat_the_rim_and_put_the_grid_at_the_first_pixel(
    grid: tuple[int, int], rng: np.random.Generator
) -> None:
    for height in (1, 15, 16, 17):
        for width in (1, 16, 33):
            image = rng.random((1, 3, height, width), dtype=np.float32)
            around = margins(height, width, grid=grid)
            padded = around.added(image)
            assert not any(n % MCU for n in padded.shape[2:])
            np.testing.assert_array_equal(around.removed(padded), image)
            np.testing.assert_array_equal(padded[..., 0, 0], image[..., 0, 0])
            np.testing.assert_array_equal(padded[..., -1, -1], image[..., -1, -1])
            if height > grid[0] and width > grid[1]:  # the first whole block is a whole block of the padded image
                first = padded[..., 8 if grid[0] else 0, 8 if grid[1] else 0]
                np.testing.assert_array_equal(first, image[..., grid[0], grid[1]])


@pytest.mark.parametrize("options", [{"tile": 648}, {"tile": -640}, {"blind": 8}, {"blind": 40}, {"feather": 8}])
def test_tilings_that_would_break_the_grid_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be positive multiples of 16, feather at least 16"):
        Tiling(**options)


def test_tiles_are_at_least_twice_as_large_as_their_overlap() -> None:
    assert Tiling(tile=160, blind=32, feather=16).overlap == 80
    with pytest.raises(ValueError, match="a tile of 144 px is too small: it must be at least 160 px"):
        Tiling(tile=144, blind=32, feather=16)
