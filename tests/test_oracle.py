"""The exact denoisers against simulation, the probability-flow ODE and brute force."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from driftrec.diffusion.oracle import FiniteSet, GaussianPairs
from driftrec.diffusion.process import OUVE, TSDVE, CosVE, Process

PAIRS = GaussianPairs(OUVE(), mean=0.05, variance=0.01)


@pytest.mark.parametrize("process", [OUVE(), TSDVE(2), CosVE()], ids=str)
def test_gaussian_denoiser_is_the_regression_of_simulated_pairs(process: Process, rng: np.random.Generator) -> None:
    pairs, t, y = GaussianPairs(process, 0.05, 0.01), 0.5, 0.3
    r0 = rng.normal(pairs.mean, pairs.variance**0.5, 400_000)
    xt = y + process.scale(t) * r0 + process.std(t) * rng.standard_normal(len(r0))
    slope, intercept = np.polyfit(xt, y + r0, 1)
    at = np.array([0.1, 0.5])
    np.testing.assert_allclose(pairs.denoise(at, np.full(2, y), t), intercept + slope * at, atol=2e-3)
    assert xt.var() == pytest.approx(pairs.marginal_variance(t), rel=0.02)


def test_gaussian_denoiser_knows_nothing_late_and_everything_early() -> None:
    pairs, y = GaussianPairs(OUVE(5.0, 0.01, 100.0), mean=0.05, variance=0.01), np.array([0.3])
    assert pairs.denoise(y + 1, y, 1.0)[0] == pytest.approx(0.35, abs=1e-5)
    assert pairs.denoise(y + 0.2, y, 1e-9)[0] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("process", [OUVE(), TSDVE(2), CosVE()], ids=str)
@pytest.mark.parametrize(("t", "u"), [(0.9, 0.05), (0.1, 1.0)])
def test_gaussian_flow_solves_the_probability_flow_ode(process: Process, t: float, u: float) -> None:
    # dr/dt = −f r − ½ g² score, with the score of N(k m, k² v + σ²) taken from SciPy's density by differences.
    pairs = GaussianPairs(process, 0.05, 0.01)

    def velocity(t: float, r: np.ndarray) -> np.ndarray:
        k = process.scale(t)
        marginal = stats.norm(k * pairs.mean, np.sqrt(k**2 * pairs.variance + process.std(t) ** 2))
        score = (marginal.logpdf(r + 1e-4) - marginal.logpdf(r - 1e-4)) / 2e-4
        return -process.drift_rate(t) * r - process.diffusion(t) ** 2 * score / 2

    y, r = 0.1, np.array([0.4, -0.2])
    solution = integrate.solve_ivp(velocity, (t, u), r, "DOP853", rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(pairs.flow(y + r, np.full(2, y), t, u) - y, solution.y[:, -1], rtol=1e-6)


def test_gaussian_flow_there_and_back_is_the_identity(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 1, 3, 3)), rng.random((2, 1, 3, 3))
    np.testing.assert_allclose(PAIRS.flow(PAIRS.flow(x, y, 0.9, 0.1), y, 0.1, 0.9), x, rtol=1e-10)


def test_gaussian_pairs_take_tensors_and_keep_float32(rng: np.random.Generator) -> None:
    xt, y = rng.random((2, 2, 1, 3, 3), dtype=np.float32)
    ours, theirs = PAIRS.denoise(xt, y, 0.5), PAIRS.denoise(torch.from_numpy(xt), torch.from_numpy(y), 0.5)
    assert ours.dtype == np.float32
    assert theirs.dtype == torch.float32
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)


@pytest.fixture
def clean(rng: np.random.Generator) -> np.ndarray:
    return rng.random((4, 1, 2, 2)).astype(np.float32)


def test_finite_set_weights_are_bayes_rule(clean: np.ndarray, rng: np.random.Generator) -> None:
    oracle, t = FiniteSet(OUVE(), clean), 0.6
    y, xt = rng.random((2, 3, 1, 2, 2))
    weights = oracle.weights(xt, y, t)
    for i in range(3):
        likelihood = [
            stats.norm.pdf(xt[i], y[i] + oracle.process.scale(t) * (x0 - y[i]), oracle.process.std(t)).prod()
            for x0 in clean
        ]
        np.testing.assert_allclose(weights[i], likelihood / np.sum(likelihood), rtol=1e-6)
        expected = sum(w * x0 for w, x0 in zip(weights[i], clean, strict=True))
        np.testing.assert_allclose(oracle.denoise(xt, y, t)[i], expected, rtol=1e-6)


def test_finite_set_finds_the_image_and_averages_when_it_cannot(clean: np.ndarray) -> None:
    oracle, y = FiniteSet(OUVE(sigma_max=50), clean), np.full((1, 1, 2, 2), 0.5, np.float32)
    near = y + oracle.process.scale(1e-6) * (clean[2:3] - y)
    np.testing.assert_allclose(oracle.denoise(near, y, 1e-6), clean[2:3], atol=1e-6)
    np.testing.assert_allclose(oracle.denoise(y, y, 1.0), clean.mean(axis=0, keepdims=True), atol=1e-3)
    assert oracle.denoise(near, y, 0.5).dtype == np.float32


def test_finite_set_survives_states_that_no_image_explains(clean: np.ndarray) -> None:
    y = np.zeros((1, 1, 2, 2), np.float32)
    far = FiniteSet(OUVE(), clean).weights(y + 1000, y, 1e-6)
    assert np.isfinite(far).all()
    assert far.sum() == pytest.approx(1)


def test_wrong_oracles_are_refused(clean: np.ndarray) -> None:
    with pytest.raises(ValueError, match="variance must not be negative, got -1"):
        GaussianPairs(OUVE(), variance=-1)
    for wrong in (clean[0], clean[:0]):
        with pytest.raises(ValueError, match=r"clean must be \(n, channel, height, width\)"):
            FiniteSet(OUVE(), wrong)
