"""How firmly cells bind: by the share of an estimate that lies outside them, the quality, and the texture."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from driftrec import Restorer
from driftrec.jpeg import Cells, read_jpeg
from driftrec.jpeg.blocks import to_components
from driftrec.restoration import binding
from driftrec.restoration.binding import Binding, certainty, texture
from driftrec.restoration.chroma import with_chroma_from_luma
from hard_pictures import MAKERS, hard_picture
from support import jpeg_file, opened, scene


def estimates(quality: int, earlier: int | None = None, side: int = 144) -> tuple[np.ndarray, np.ndarray, Cells]:
    """An estimate near the file's pixels, one far from them, and the file's cells."""
    noise = np.random.default_rng(0).normal(0, 6, (side, side + 16, 1))
    data = jpeg_file((scene(side, side + 16) + noise).clip(0, 255).astype(np.uint8), quality=quality)
    near = (opened(data) / 255).astype(np.float32)
    return near, gaussian_filter(near, (2, 2, 0)), Cells(read_jpeg(data), earlier)


@pytest.mark.parametrize("quality", [40, 85])
def test_estimates_that_leave_many_cells_are_not_bound(quality: int) -> None:
    near, far, cells = estimates(quality)
    assert certainty(near, cells) > 0.9
    assert certainty(far, cells) < 0.1


def test_the_certainty_is_that_of_a_hand_calculation() -> None:
    near, _, cells = estimates(50)
    counts = [(np.count_nonzero(c.coefficients), c.coefficients.size) for c in cells.file.components]
    nonzero = sum(n for n, _ in counts) / sum(size for _, size in counts)
    outside = 1 - cells.contains(near, tolerance=0)
    odds = -13.47 - 2.94 * math.log(outside + 3e-4) + 0.067 * 50
    odds += 2.16 * math.log(nonzero + 1e-3) + 2.08 * math.log(texture(near) + 0.3)
    assert certainty(near, cells) == pytest.approx(1 / (1 + math.exp(-3 * odds)), rel=1e-6)


@pytest.mark.parametrize("case", [{"quality": 15}, {"quality": 85, "side": 96}, {"quality": 85, "earlier": 20}])
def test_wide_cells_small_pictures_and_known_histories_always_bind(case: dict) -> None:
    _, far, cells = estimates(**case)
    assert certainty(far, cells) == 1.0


def test_texture_is_the_finest_diagonal_detail(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = rng.normal(0, 5 / 255, (300, 200, 1)).repeat(3, axis=2).astype(np.float32) + np.float32(0.5)
    assert texture(noise) == pytest.approx(5, rel=0.02)  # four independent values, halved
    assert texture(np.full((40, 40, 3), 0.3, np.float32)) == pytest.approx(0, abs=1e-3)
    whole = texture(noise)
    monkeypatch.setattr(binding, "ROWS", 64)
    assert texture(noise) == pytest.approx(whole, rel=1e-5)


def test_samples_are_held_by_whole_cells_unless_both_compressions_are_known() -> None:
    _, far, cells = estimates(60)
    np.testing.assert_array_equal(Binding(cells, noticing=False).sample(far), cells.project(far))
    _, far, cells = estimates(85, 20)
    binding = Binding(cells, noticing=False)
    np.testing.assert_array_equal(binding.sample(far), cells.improve(far))
    np.testing.assert_array_equal(binding.estimate(far), with_chroma_from_luma(far, cells, predicted=True))


def test_natural_restorations_begin_with_the_networks_luma_and_bound_chroma() -> None:
    _, far, cells = estimates(50)
    binding, settled = Binding(cells, noticing=True), far.copy()
    binding.settle(settled)
    luma, *found = to_components(settled, "YCbCr")
    np.testing.assert_allclose(luma, to_components(far, "YCbCr")[0], atol=1e-3)
    bound = to_components(with_chroma_from_luma(far, cells, predicted=True), "YCbCr")[1:]
    np.testing.assert_allclose(found, bound, atol=1e-3)
    assert np.abs(np.subtract(found, to_components(far, "YCbCr")[1:])).mean() > 0.1
    binding.certain, kept = 0.5, far.copy()
    binding.settle(kept)
    np.testing.assert_array_equal(kept, far)


def test_what_is_noticed_sets_the_estimates_free() -> None:
    near, far, cells = estimates(85)
    binding, bound = Binding(cells, noticing=True), with_chroma_from_luma(far, cells, predicted=True)
    for noticed, estimate, sample in ((far, far, far), (near, bound, cells.project(far))):
        binding.notice(noticed)
        assert binding.doubtful == (noticed is far)
        np.testing.assert_array_equal(binding.estimate(far), estimate)
        np.testing.assert_array_equal(binding.sample(far), sample)


@pytest.mark.parametrize("kind", list(MAKERS))
@pytest.mark.parametrize("quality", [40, 75])
def test_drawn_pictures_that_were_saved_once_are_bound(kind: str, quality: int) -> None:
    data = jpeg_file(hard_picture(kind, quality), quality=quality)
    estimate = Restorer(mode="faithful", threads=1).restore_pixels(opened(data))
    assert certainty(estimate, Cells(read_jpeg(data))) > 0.9
