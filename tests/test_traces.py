"""The search for earlier compressions: what it must find, and what it must not take for one."""

import numpy as np
import pytest
from numpy.random import Generator

from driftrec.jpeg import examine, read_jpeg
from driftrec.jpeg.requantised import EVIDENCE, _log_ratios, _monotone, requantised, variety
from hard_pictures import MAKERS, drawing, hard_picture
from support import jpeg, jpeg_file, opened, scene


@pytest.mark.parametrize("kind", list(MAKERS))
@pytest.mark.parametrize("seed", range(4))
def test_pictures_that_prove_nothing_have_no_history(kind: str, seed: int) -> None:
    picture = hard_picture(kind, seed)
    assert examine(picture).earlier is None
    quality = (30, 50, 75, 95)[seed]
    data = jpeg_file(picture, quality=quality, subsampling=("4:2:0", "4:4:4")[seed % 2])
    report = examine(opened(data), data)
    assert report.earlier is None
    assert 0 <= report.probability < 0.5


@pytest.mark.parametrize(("seed", "quality", "subsampling"), [(6, 74, "4:4:4"), (103, 54, "4:4:4"), (119, 47, "4:2:0")])
def test_patterns_do_not_show_the_own_steps_on_another_grid(seed: int, quality: int, subsampling: str) -> None:
    """Squares of 5 pixels look alike after a shift by (4, 4)."""
    data = jpeg_file(hard_picture("checkerboards", seed), quality=quality, subsampling=subsampling)
    assert examine(opened(data), data).earlier is None


@pytest.mark.parametrize("quality", [60, 75])
def test_drawings_in_black_and_white_that_were_saved_twice_are_found(quality: int) -> None:
    """Decoding clips nearly all of their blocks, so their coefficients do not stay multiples of the first steps."""
    picture = drawing(np.random.default_rng(1), np.zeros((2, 3)))
    data = jpeg_file(jpeg(picture, 10), quality=quality)
    report = examine(opened(data), data)
    assert report.earlier is not None
    assert report.earlier.shift == (0, 0)
    assert abs(report.earlier.quality - 10) <= 3


@pytest.mark.parametrize(("first", "last"), [(10, 30), (30, 50), (50, 75), (75, 90), (92, 95)])
def test_the_quality_of_the_first_compression_is_found_exactly(first: int, last: int) -> None:
    picture = np.clip(scene(160, 200) + np.random.default_rng(0).normal(0, 8, (160, 200, 1)), 20, 235).astype(np.uint8)
    evidence, quality = requantised(read_jpeg(jpeg_file(jpeg(picture, first), quality=last)))
    assert evidence > EVIDENCE
    assert abs(quality - first) <= 1
    assert requantised(read_jpeg(jpeg_file(picture, quality=last)))[0] < 0


def test_small_files_are_searched_by_their_coefficients() -> None:
    data = jpeg_file(jpeg(scene(64, 64), 20), quality=85)
    earlier = examine(opened(data), data).earlier
    assert earlier is not None
    assert abs(earlier.quality - 20) <= 2


def test_the_likelihood_ratio_is_that_of_a_hand_calculation(rng: Generator) -> None:
    """Steps 30, then 10, of a flat density: each multiple of 3 is worth log(0.97 · 3 + 0.03) nats."""
    counts = np.zeros(300)
    counts[2::3] = 60
    expected = counts.sum() * (np.log(0.97 * 3 + 0.03) - 0.02)
    # The ratio of a step does not depend on the steps that are compared with it.
    found = _log_ratios(counts, np.array([17.0, 30.0, 70.0]), 10)
    assert found[1] == pytest.approx(expected, rel=0.03)
    assert found[1] == pytest.approx(_log_ratios(counts, np.array([30.0]), 10)[0])
    # Single compressions: a large ratio is improbable, whatever the density.
    for scale in (5, 20, 80):
        values = np.rint(np.abs(rng.laplace(0, scale, 4000)) / 10).astype(int)
        assert _log_ratios(np.bincount(values)[1:].astype(float), np.array([30.0]), 10)[0] < 0


def test_interpolation_between_falling_values_falls(rng: Generator) -> None:
    values, last = -np.cumsum(rng.exponential(size=(1, 20)) ** 4, axis=1), np.array([19])
    assert np.all(np.diff(_monotone(np.linspace(0, 19, 500)[None], values, last)) <= 1e-9)
    np.testing.assert_allclose(_monotone(np.arange(20.0)[None], values, last), values)


def test_variety_counts_different_blocks_with_texture(rng: np.random.Generator) -> None:
    block = rng.integers(0, 256, (8, 8, 1), np.uint8)
    pattern = np.tile(block, (10, 10, 3))
    assert variety(read_jpeg(jpeg_file(pattern, quality=80, subsampling="4:4:4"))) == 1 / 100
    assert variety(read_jpeg(jpeg_file(np.full((80, 80, 3), 90, np.uint8), quality=80))) == 0
    assert variety(read_jpeg(jpeg_file(rng.integers(0, 256, (80, 80, 3), np.uint8), quality=80))) == 1
