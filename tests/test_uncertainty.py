from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from PIL import Image

from driftrec import Options, Picture, Restorer
from driftrec.evaluate.measurement import Conditions, Measurements
from driftrec.restoration.binding import LIKELY
from driftrec.restoration.moments import Moments
from driftrec.restoration.uncertainty import FACTORS, FULL_SCALE, QUALITIES, deviation_data, deviation_map, factor_for
from spread import Restorations, ranks, spread
from support import jpeg, jpeg_file, scene

ROOT = Path(__file__).parents[1]
CONDITIONS = Conditions("a test", "none")


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


def test_the_deviation_shrinks_with_the_weight_of_the_network() -> None:
    restorer, data = Restorer(), jpeg_file(scene(40, 56), quality=95)
    full, weighed = (restorer.restore(data, force=force, steps=3, samples=2).deviation for force in (True, False))
    assert full is not None
    assert full.max() > 1e-3
    np.testing.assert_allclose(weighed, LIKELY * full, atol=1e-5)  # pyright: ignore[reportArgumentType]


def test_a_single_sample_states_no_deviation() -> None:
    assert Restorer().restore(Picture(_compressed(24, 24)), steps=2, force=True).deviation is None


@pytest.mark.parametrize(("mode", "samples"), [("faithful", 2), ("natural", 0), ("decode", 2)])
def test_impossible_numbers_of_samples_are_refused(mode: str, samples: int) -> None:
    with pytest.raises(ValueError, match=r"samples must be between 1 and 1000|has no samples to average"):
        Restorer().restore(Picture(_compressed(24, 24)), mode=mode, samples=samples)  # pyright: ignore[reportArgumentType]


def test_the_factors_are_those_that_were_measured() -> None:
    measured = Measurements.read(ROOT / "docs/measured/spread.jsonl").entries
    found = {(e.what["method"], e.what["quality"]): e.value for e in measured if e.measure == "factor"}
    for mode, factors in FACTORS.items():
        assert factors == tuple(round(float(found[mode, quality]), 2) for quality in QUALITIES)


def test_factors_hold_where_they_were_measured_only() -> None:
    usual = Options()
    assert factor_for(usual, 10) == FACTORS["natural"][0]
    assert factor_for(usual, 15) == pytest.approx(sum(FACTORS["natural"][:2]) / 2)
    assert factor_for(usual, 90) == FACTORS["natural"][-1]
    assert factor_for(usual.changed(seed=3, samples=5, strength=0.5), 5) == FACTORS["natural"][0]
    assert factor_for(usual.changed(mode="sample"), 20) == FACTORS["sample"][1]
    for changes in ({"steps": 6}, {"model": "base"}, {"mode": "faithful"}, {"mode": "sample", "sampler": "ddim"}):
        assert factor_for(usual.changed(**changes), 10) == 1.0
    assert factor_for(usual, None) == 1.0


def test_the_uncertainty_is_the_deviation_times_the_factor_of_the_coarsest_compression() -> None:
    restorer = Restorer(threads=1)
    once = restorer.restore(jpeg_file(scene(40, 56), quality=15), samples=2)
    assert once.deviation is not None
    np.testing.assert_allclose(once.uncertainty, once.deviation * factor_for(Options(), 15), rtol=1e-6)  # pyright: ignore[reportArgumentType]
    forced = restorer.restore(Picture(_compressed(40, 56)), samples=2, force=True)  # no file, too small for traces
    assert forced.calibration == 1.0
    assert restorer.restore(jpeg_file(scene(40, 56), quality=15)).uncertainty is None


def test_spread_is_measured_as_exact_samples_have_it(rng: np.random.Generator) -> None:
    shape, std = (64, 64, 3), rng.uniform(0.01, 0.1, (64, 64)).astype(np.float32)
    centre = rng.random(shape, dtype=np.float32)

    def drawn(count: int, scale: float = 1.0) -> np.ndarray:
        return centre + scale * std[..., None] * rng.standard_normal((count, *shape), np.float32)

    for scale in (1.0, 0.25):  # of the draws' deviation; then too small by a factor of four
        made = []
        for _ in range(4):
            draws, (clean,) = drawn(200, scale), drawn(1)
            deviation = np.sqrt(draws.var(axis=0, ddof=1).mean(axis=2))
            made.append(Restorations(clean, centre, draws, draws.mean(axis=0), deviation))
        row = {e.measure: e.value for e in spread({"method": "exact", "quality": 0}, made, CONDITIONS)}
        assert row["variance / error of the mean"] == pytest.approx(100 * scale**2, rel=0.03)
        assert row["factor"] == pytest.approx(1 / scale, rel=0.03)
        assert row["68% interval holds, calibrated"] == pytest.approx(68, abs=1)
        assert row["95% interval holds, calibrated"] == pytest.approx(95, abs=1)
        assert row["95% interval holds"] == pytest.approx(100 * (2 * NormalDist().cdf(1.96 * scale) - 1), abs=1)
    clean, faithful = drawn(2)
    exact = [Restorations(clean, faithful, drawn(4), centre, std)]
    shares = [float(e.value) for e in ranks({"method": "exact", "quality": 0}, exact, CONDITIONS)]
    np.testing.assert_allclose(shares, 20, atol=1.5)


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
