"""The texture of natural restorations."""

import numpy as np
import pytest

from driftrec import Restorer
from driftrec.restoration import texture
from driftrec.restoration.texture import FLAT, SIDE, TEXTURED, weigh_texture
from support import CROPS, jpeg_file, opened


def test_grain_stays_where_the_faithful_estimate_has_texture(rng: np.random.Generator) -> None:
    faithful = np.full((1, 3, 40, 60), 0.5, np.float32)
    faithful[..., 30:] += rng.normal(0, 2 * TEXTURED / 255, (1, 3, 40, 30)).astype(np.float32)
    restored = faithful + rng.normal(0, 0.01, faithful.shape).astype(np.float32)
    grain, changed = restored - faithful, restored.copy()
    weigh_texture(changed, faithful, 1)
    flat_part, textured = np.s_[..., : 30 - SIDE], np.s_[..., 30 + SIDE :]
    np.testing.assert_allclose(changed[flat_part], 0.5, atol=1e-6)
    assert np.corrcoef((changed - faithful)[textured].ravel(), grain[textured].ravel())[0, 1] > 0.999


def test_texture_is_the_standard_deviation_in_a_window(rng: np.random.Generator) -> None:
    levels = rng.normal(128, (FLAT + TEXTURED) / 2, (3, 12, 15)).astype(np.float32)
    weight = texture._textured(levels / 255)
    window = levels[:, 2 : 2 + SIDE, 3 : 3 + SIDE]
    deviation = window.std(axis=(1, 2)).max()
    assert weight[2 + SIDE // 2, 3 + SIDE // 2] == pytest.approx((deviation - FLAT) / (TEXTURED - FLAT), abs=1e-3)


def test_bands_do_not_show(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    faithful = (rng.random((1, 3, 50, 20)) * 0.01).astype(np.float32)
    restored = faithful + np.float32(0.1)
    whole, bands = restored.copy(), restored.copy()
    weigh_texture(whole, faithful, 1)
    monkeypatch.setattr(texture, "ROWS", 16)
    weigh_texture(bands, faithful, 1)
    np.testing.assert_allclose(bands, whole, atol=2e-4)


def test_paper_stays_smooth_in_natural_restorations() -> None:
    page = np.full((128, 160, 3), (250, 248, 240), np.uint8)
    page[40:90:8, 20:140] = (20, 20, 30)
    restored = np.asarray(Restorer(threads=1).restore(jpeg_file(page, quality=30), mode="natural"))
    assert restored[104:, 8:-8].std(axis=(0, 1)).max() <= 0.5


def test_texture_goes_from_the_faithful_to_the_whole_natural_restoration() -> None:
    pixels = opened((next(CROPS.glob("*.jpg"))).read_bytes())
    restorer = Restorer(threads=1)
    none, half, whole = (restorer.restore_pixels(pixels, texture=share) for share in (0, 0.5, 1))
    faithful = restorer.restore_pixels(pixels, mode="faithful")
    np.testing.assert_allclose(none, faithful, atol=1e-6)
    inside = np.all([(x > 0) & (x < 1) for x in (none, whole)], axis=0)  # beyond, values are limited at the end
    np.testing.assert_allclose(half[inside], ((none + whole) / 2)[inside], atol=1e-5)
    default = restorer.restore_pixels(pixels)
    at_default = restorer.restore_pixels(pixels, texture=restorer.runner.card.plan.texture)
    np.testing.assert_array_equal(default, at_default)
    assert 0 < restorer.runner.card.plan.texture < 1
