"""FID, KID, spectra and wavelets against closed forms, naive sums and pictures whose answer is known."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from driftrec.evaluate.metrics.distribution import fid, kid, spectrum_distance, wavelet_distance
from support import scene

# ------------------------------------------------------------------------------------------------- FID


def test_fid_is_the_formula_with_a_matrix_square_root(rng: np.random.Generator) -> None:
    a, b = rng.normal(0, 1, (50, 6)) @ rng.normal(0, 1, (6, 6)), rng.normal(1, 2, (40, 6))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.real(sqrtm(cov_a @ cov_b))
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b - 2 * root)
    assert fid(a, b) == pytest.approx(expected, rel=1e-9)
    assert fid(b, a) == pytest.approx(expected, rel=1e-9)
    assert fid(a, a) == pytest.approx(0, abs=1e-9)


def test_fid_with_fewer_samples_than_features(rng: np.random.Generator) -> None:
    # Centred rank is what counts: padding features with zeros changes nothing.
    a, b = rng.normal(0, 1, (30, 5)), rng.normal(0.5, 1, (30, 5))
    wide = [np.pad(x, ((0, 0), (0, 95))) for x in (a, b)]
    assert fid(*wide) == pytest.approx(fid(a, b), rel=1e-9)


def test_fid_of_few_samples_reads_too_high(rng: np.random.Generator) -> None:
    few, many = (np.mean([fid(*rng.normal(0, 1, (2, n, 8))) for _ in range(20)]) for n in (20, 500))
    assert few > 5 * many > 0


def test_fid_refuses_what_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="2 samples"):
        fid(np.zeros((1, 4)), np.zeros((5, 4)))
    with pytest.raises(ValueError, match="features"):
        fid(np.zeros((5, 4)), np.zeros((5, 3)))


# ------------------------------------------------------------------------------------------------- KID


def test_kid_is_the_unbiased_estimate(rng: np.random.Generator) -> None:
    a, b = ([rng.normal(shift, 1, (n, 4)) for n in (2, 3, 1)] for shift in (0, 0.3))
    x, y = np.concatenate(a), np.concatenate(b)

    def kernel(u: np.ndarray, v: np.ndarray) -> float:
        return (u @ v / 4 + 1) ** 3

    within = [np.mean([kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (x, y)]
    between = np.mean([kernel(u, v) for u in x for v in y])
    assert kid(a, b)[0] == pytest.approx(sum(within) - 2 * between, rel=1e-9)


def kids_of_samples(rng: np.random.Generator, shift: float) -> np.ndarray:
    """(draws, 2): KID and its error of two normal samples, the second one shifted."""
    draws = (([rng.normal(mean, 1, (1, 6)) for _ in range(30)] for mean in (0, shift)) for _ in range(200))
    return np.array([kid(*draw) for draw in draws])


def test_kid_of_one_distribution_is_zero_on_average_and_its_error_is_not_too_small(rng: np.random.Generator) -> None:
    values, errors = kids_of_samples(rng, 0).T
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(200)
    assert values.std() < errors.mean() < 2 * values.std()


def test_the_error_of_kid_is_its_deviation_where_sets_differ(rng: np.random.Generator) -> None:
    values, errors = kids_of_samples(rng, 1).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.2)


def test_kid_refuses_sets_that_cannot_be_left_out_in_pairs() -> None:
    with pytest.raises(ValueError, match="three pictures"):
        kid([np.ones((1, 4))] * 2, [np.ones((1, 4))] * 2)
    with pytest.raises(ValueError, match="one size"):
        kid([np.ones((1, 4))] * 3, [np.ones((1, 4))] * 4)


# ------------------------------------------------------------------------------------------------- pictures


def test_doubled_contrast_is_six_decibels_at_every_frequency(rng: np.random.Generator) -> None:
    noise = rng.normal(0, 1, (96, 128)).round()
    clean, double = (np.uint8(128 + gain * 8 * noise.clip(-3, 3)) for gain in (1, 2))
    assert spectrum_distance(double, clean) == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert spectrum_distance(clean, clean) == 0


def test_texture_counts_not_its_place(rng: np.random.Generator) -> None:
    clean, other = rng.integers(0, 256, (2, 128, 128), dtype=np.uint8)
    flat = np.full_like(clean, 128)
    for distance in (spectrum_distance, wavelet_distance):
        assert distance(other, clean) < 0.3 * distance(flat, clean)


def test_wavelet_distance_of_scaled_and_of_lost_texture(rng: np.random.Generator) -> None:
    clean = rng.integers(0, 200, (64, 64), dtype=np.uint8) // 2 * 2
    assert wavelet_distance(np.full_like(clean, 99), clean) == pytest.approx(1)
    assert wavelet_distance(clean // 2, clean) == pytest.approx(0.5)
    assert wavelet_distance(clean, clean) == 0


def test_pictures_that_differ_in_size_or_are_too_small() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        spectrum_distance(scene(32, 32), scene(32, 40))
    with pytest.raises(ValueError, match="16×16"):
        wavelet_distance(scene(8, 32), scene(8, 32))
