"""Colour correction: what the low band lets through, and that a sample takes it from the other picture."""

import numpy as np
import pytest
import torch

from driftrec.diffusion.colour import low_band, with_low_band, with_mean


def test_constants_pass_and_sums_stay(rng: np.random.Generator) -> None:
    image = rng.random((2, 3, 40, 50))
    np.testing.assert_allclose(low_band(np.ones((1, 1, 20, 30))), 1)
    np.testing.assert_allclose(low_band(image.copy()).sum((2, 3)), image.sum((2, 3)))


@pytest.mark.parametrize("frequency", [0.01, 0.03, 0.1, 0.25])
def test_waves_pass_as_the_three_binomial_filters_say(frequency: float) -> None:
    wave = np.cos(2 * np.pi * frequency * np.arange(400))[None, :].repeat(3, axis=0)
    expected = np.prod([np.cos(np.pi * frequency * distance) ** 2 for distance in (1, 2, 4)])
    np.testing.assert_allclose(low_band(wave.copy())[1, 20:380], expected * wave[1, 20:380], atol=1e-12)


def test_a_point_becomes_a_bell_of_three_pixels() -> None:
    point = np.zeros((41, 41))
    point[20, 20] = 1
    bell, x = low_band(point).sum(axis=0), np.arange(41) - 20
    assert np.sqrt(bell @ x**2) == pytest.approx(np.sqrt((1 + 4 + 16) / 2))


def test_a_shift_of_colour_goes_and_texture_stays(rng: np.random.Generator) -> None:
    reference = rng.random((1, 3, 64, 64))
    checks = 0.1 * (-1) ** np.add.outer(np.arange(64), np.arange(64))
    shifted = reference + checks + np.array([0.02, -0.01, 0.03])[:, None, None]
    inner = (..., slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(with_low_band(shifted, reference)[inner], (reference + checks)[inner], atol=1e-12)


def test_small_pictures_and_tensors(rng: np.random.Generator) -> None:
    for shape in ((1, 3, 1, 1), (1, 3, 3, 2), (1, 3, 5, 40)):
        x, reference = rng.random((2, *shape))
        both = with_low_band(torch.from_numpy(x.copy()), torch.from_numpy(reference))
        np.testing.assert_allclose(with_low_band(x, reference), both.numpy())


def test_the_mean_of_every_channel_is_taken_over_and_nothing_else(rng: np.random.Generator) -> None:
    x, reference = rng.random((2, 2, 3, 8, 9))
    corrected = with_mean(x.copy(), reference)
    np.testing.assert_allclose(corrected.mean((2, 3)), reference.mean((2, 3)))
    np.testing.assert_allclose((corrected - x).std((2, 3)), 0, atol=1e-12)
