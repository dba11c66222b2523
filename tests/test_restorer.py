"""The shipped model, from a picture to the restored picture."""

import io

import numpy as np
import pytest
from PIL import Image

import driftrec
from conftest import scene
from driftrec.runtime import bundled_models
from driftrec.workshop.degrade import jpeg


@pytest.fixture(scope="module")
def restorer() -> driftrec.Restorer:
    return driftrec.Restorer(threads=1)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2)))


@pytest.mark.parametrize("quality", [5, 10, 20, 40])
def test_faithful_restoration_comes_closer_to_the_truth(restorer: driftrec.Restorer, quality: int) -> None:
    clean = scene(192, 256)
    corrupted = jpeg(clean, quality)
    restored = restorer.restore_pixels(corrupted, mode="faithful")
    assert restored.dtype == np.float32
    assert psnr(restored, clean / 255) > psnr(corrupted / 255, clean / 255) + 0.3


def test_good_pictures_are_left_alone(restorer: driftrec.Restorer) -> None:
    corrupted = jpeg(scene(128, 128), 97)
    assert psnr(restorer.restore_pixels(corrupted, mode="faithful"), corrupted / 255) > 42


def test_natural_pictures_depend_on_the_seed_alone(restorer: driftrec.Restorer) -> None:
    corrupted = jpeg(scene(64, 96), 10)
    one, same, other = (restorer.restore_pixels(corrupted, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("mode", ["faithful", "natural"])
def test_tiles_leave_no_seams(mode: driftrec.restorer.Mode) -> None:
    corrupted = jpeg(scene(336, 400), 10)
    whole = driftrec.Restorer(threads=1, tiling=driftrec.Tiling(tile=512)).restore_pixels(corrupted, mode=mode)
    tiles = driftrec.Restorer(threads=1, tiling=driftrec.Tiling(tile=192)).restore_pixels(corrupted, mode=mode)
    difference = np.abs(whole - tiles)
    assert difference.max() < 1.5 / 255
    assert difference.mean() < 0.02 / 255


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 9), (8, 8), (17, 33), (40, 15)])
def test_any_size_comes_back(restorer: driftrec.Restorer, size: tuple[int, int]) -> None:
    restored = restorer.restore(Image.fromarray(scene(*size)), steps=2)
    assert restored.picture.pixels.shape == (*size, 3)
    assert np.isfinite(restored.picture.pixels).all()


def test_steps_are_network_evaluations_and_progress_counts_them(restorer: driftrec.Restorer) -> None:
    picture = Image.fromarray(jpeg(scene(48, 48), 10))
    for mode, steps, evaluations in (("faithful", None, 1), ("natural", 1, 1), ("natural", 4, 4)):
        seen: list[tuple[int, int]] = []
        result = restorer.restore(picture, mode=mode, steps=steps, progress=lambda *at, seen=seen: seen.append(at))
        assert result.evaluations == evaluations
        assert seen == [(i + 1, evaluations) for i in range(evaluations)]
    one_step = restorer.restore(picture, mode="natural", steps=1).picture.pixels
    np.testing.assert_array_equal(one_step, restorer.restore(picture, mode="faithful").picture.pixels)


def test_gray_alpha_orientation_and_profile_survive(restorer: driftrec.Restorer) -> None:
    gray = Image.fromarray(scene(40, 56)[..., 0])
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    gray.save(file, "JPEG", quality=20, exif=exif, icc_profile=b"profile")
    restored = restorer.restore(file.getvalue(), mode="faithful").picture
    image = restored.to_pil()
    assert (image.mode, image.size) == ("L", (40, 56))
    assert restored.icc_profile == b"profile"
    alpha = Image.fromarray(np.dstack([scene(20, 20), np.full((20, 20), 77, np.uint8)]))
    assert restorer.restore(alpha, mode="faithful").picture.to_pil().getchannel("A").getextrema() == (77, 77)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mode": "sharp"}, "mode must be"), ({"steps": 0}, "steps"), ({"mode": "faithful", "steps": 3}, "takes 1 step")],
)
def test_wrong_options_are_refused(restorer: driftrec.Restorer, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        restorer.restore(Image.new("RGB", (8, 8)), **options)


def test_shipped_models_are_small_and_say_where_they_come_from() -> None:
    models = bundled_models()
    assert driftrec.runtime.DEFAULT_MODEL in models
    assert sum(path.stat().st_size for path in models.values()) < 20e6
    for name, path in models.items():
        card = driftrec.Network(path).card
        assert card.name == name
        assert card.facts["licence"]
        assert card.facts["training"]["licences"]
        first, last = card.plan.process.ratio(card.plan.start), card.plan.process.ratio(card.plan.end)
        assert card.ratio_min < last < first < card.ratio_max


def test_the_shortcut_does_the_same(restorer: driftrec.Restorer) -> None:
    picture = Image.fromarray(jpeg(scene(32, 32), 10))
    a = driftrec.restore(picture, mode="faithful", threads=1).picture.pixels
    np.testing.assert_array_equal(a, restorer.restore(picture, mode="faithful").picture.pixels)
