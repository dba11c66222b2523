import numpy as np
import pytest
from PIL import Image

from driftrec import Picture, Restorer
from driftrec.restoration.moments import Moments
from driftrec.restoration.uncertainty import FULL_SCALE, deviation_data, deviation_map
from support import jpeg, jpeg_file, scene


def test_moments_are_those_of_all_samples_together(rng: np.random.Generator) -> None:
    samples = rng.random((7, 5, 6, 3), dtype=np.float32)
    kept = samples.copy()
    moments = Moments()
    for sample in samples:
        moments.add(sample)
    np.testing.assert_allclose(moments.mean, samples.mean(axis=0), atol=1e-6)
    together = np.sqrt(np.var(samples, axis=0, ddof=1).mean(axis=2))
    np.testing.assert_allclose(moments.deviation(), together, atol=1e-6)
    np.testing.assert_array_equal(samples, kept)


def test_one_sample_has_no_deviation() -> None:
    moments = Moments()
    moments.add(np.ones((2, 2, 3), np.float32))
    with pytest.raises(ValueError, match="needs at least two samples"):
        moments.deviation()


def test_a_mean_of_samples_is_the_mean_of_their_restorations() -> None:
    restorer = Restorer()
    picture = Picture(_compressed(40, 56))
    options = {"steps": 3, "consistent": "off", "force": True}
    single = [restorer.restore(picture, seed=seed, **options).picture.pixels for seed in (5, 6, 7)]
    seen: list[tuple[int, int]] = []
    several = restorer.restore(picture, seed=5, samples=3, progress=lambda *at: seen.append(at), **options)
    assert several.evaluations == 1 + 3 * 2  # the faithful estimate is shared
    assert seen == [(done, 7) for done in range(1, 8)]
    np.testing.assert_allclose(several.picture.pixels, np.mean(single, axis=0), atol=1e-5)
    spread = np.sqrt(np.var(single, axis=0, ddof=1).mean(axis=2))
    assert several.deviation is not None
    assert spread.max() > 1e-3
    np.testing.assert_allclose(several.deviation, spread, atol=1e-5)
    half = restorer.restore(picture, seed=5, samples=3, strength=0.5, **options)
    np.testing.assert_allclose(half.deviation, spread / 2, atol=1e-5)  # pyright: ignore[reportArgumentType]


def test_the_deviation_shrinks_with_the_trust_in_the_network() -> None:
    restorer, data = Restorer(), jpeg_file(scene(40, 56), quality=95)  # half-way between full trust and none
    options = {"steps": 3, "samples": 2, "consistent": "off"}
    trusted, blended = (restorer.restore(data, force=force, **options).deviation for force in (True, False))
    assert trusted is not None
    assert trusted.max() > 1e-3
    np.testing.assert_allclose(blended, trusted / 2, atol=1e-5)  # pyright: ignore[reportArgumentType]


def test_a_single_sample_states_no_deviation() -> None:
    assert Restorer().restore(Picture(_compressed(24, 24)), steps=2, force=True).deviation is None


@pytest.mark.parametrize(("mode", "samples"), [("faithful", 2), ("natural", 0), ("decode", 2)])
def test_impossible_numbers_of_samples_are_refused(mode: str, samples: int) -> None:
    with pytest.raises(ValueError, match=r"samples must be between 1 and 1000|only natural restorations are sampled"):
        Restorer().restore(Picture(_compressed(24, 24)), mode=mode, samples=samples)  # pyright: ignore[reportArgumentType]


def test_deviation_data_can_be_read_back(tmp_path) -> None:
    deviation = np.linspace(0, 0.2, 6, dtype=np.float32).reshape(2, 3)
    turned = Picture(np.zeros((2, 3, 3), np.uint8), orientation=6)
    image = deviation_data(deviation, turned).to_pil()
    assert (image.mode, image.size) == ("I;16", (2, 3))
    image.save(tmp_path / "deviation.png")
    with Image.open(tmp_path / "deviation.png") as stored:
        read = np.asarray(stored) / 65535
    np.testing.assert_allclose(read, np.rot90(deviation, -1), atol=1e-5)
    whole = deviation_data(np.array([[0, 1, 2]], np.float32), turned).pixels
    np.testing.assert_array_equal(whole[0, :, 0], [0, 65535, 65535])


def test_the_map_gets_brighter_and_ends_at_full_scale() -> None:
    deviation = np.array([[0, 0.25, 0.5, 0.75, 1, 3]], np.float32) * FULL_SCALE
    shown = deviation_map(deviation, Picture(np.zeros((1, 6, 3), np.uint8))).pixels[0]
    luma = shown @ [0.299, 0.587, 0.114]
    assert (np.diff(luma[:5]) > 0.1).all()
    np.testing.assert_array_equal(shown[4], shown[5])
    assert luma[0] < 0.01


def _compressed(height: int, width: int) -> np.ndarray:
    return jpeg(scene(height, width), 10)
