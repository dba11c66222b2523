"""Samplers and grids against an exact denoiser: order of convergence, distribution, and no hidden state."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch

from driftrec.grids import karras, uniform_log_snr, uniform_time
from driftrec.oracle import FiniteSet, GaussianPairs
from driftrec.process import OUVE, TSDVE, CosVE, Process
from driftrec.samplers import euler_maruyama, first_order, multistep, seeded_noise

PAIRS = GaussianPairs(OUVE(), mean=0.05, variance=0.01)
SHAPE = (2, 3, 4, 5)


def last(estimates: Iterator) -> np.ndarray:
    *_, x0 = estimates
    return x0


def double_noise(seed: int) -> Callable:
    """Noise in double precision, so that slopes are not limited by rounding."""
    return np.random.default_rng(seed).standard_normal


# ------------------------------------------------------------------------------------------------------ order


@pytest.mark.parametrize("process", [OUVE(), TSDVE(2), CosVE()], ids=str)
@pytest.mark.parametrize(("sampler", "order"), [(first_order, 1), (multistep, 2)])
def test_ode_samplers_converge_to_the_exact_flow(process: Process, sampler, order: int) -> None:
    pairs, y = GaussianPairs(process, 0.05, 0.01), np.zeros((1, 1, 8, 8))
    start = double_noise(0)(y.shape) * process.std(1.0)
    exact = pairs.denoise(pairs.flow(start, y, 1.0, 0.05), y, 0.05)
    counts, errors = [16, 32, 64, 128], []
    for steps in counts:
        times = uniform_log_snr(process, steps, end=0.05)
        result = last(sampler(pairs.denoise, y, process, times, noise=double_noise(0), eta=0.0))
        errors.append(np.abs(result - exact).max())
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(slope - order) < 0.25


# ----------------------------------------------------------------------------------------------- distribution


@pytest.mark.parametrize("eta", [0.5, 1.0])
@pytest.mark.parametrize(("sampler", "steps"), [(first_order, 400), (multistep, 50)])
def test_samples_have_the_distribution_of_clean_images(sampler, steps: int, eta: float) -> None:
    y = np.zeros((1, 1, 120, 120))
    times = uniform_log_snr(PAIRS.process, steps, end=0.01)
    result = last(sampler(PAIRS.denoise, y, PAIRS.process, times, noise=double_noise(1), eta=eta))
    assert result.mean() == pytest.approx(PAIRS.mean, abs=5 * 0.1 / 120)
    assert result.var() == pytest.approx(PAIRS.variance, rel=0.05)


@pytest.mark.parametrize("steps", [5, 10, 30, 100])
def test_euler_maruyama_follows_its_own_variance_recursion(steps: int) -> None:
    # For a linear score the state stays Gaussian: its variance obeys a scalar recursion, written out here
    # from (E1) and the score −(r − k m)/(k² v + σ²) of the marginal, not from the denoiser.
    process, times = PAIRS.process, uniform_time(steps, end=0.05)
    variance = process.std(1.0) ** 2
    for t, u in pairwise(times):
        f, g = process.drift_rate(t), process.diffusion(t)
        factor = 1 + (t - u) * (f - g**2 / PAIRS.marginal_variance(t))
        variance = factor**2 * variance + g**2 * (t - u)
    gain = process.scale(times[-1]) * PAIRS.variance / PAIRS.marginal_variance(times[-1])
    result = last(euler_maruyama(PAIRS.denoise, np.zeros((1, 1, 300, 300)), process, times, noise=double_noise(2)))
    assert result.var() == pytest.approx(gain**2 * variance, rel=0.03)


def test_ancestral_steps_are_exact_posteriors() -> None:
    # With the clean image known, one step t → u of η = 1 must draw from q(r_u | r_t, r_0) of the joint Gaussian.
    process, t, u, r0 = OUVE(), 0.8, 0.4, 0.2
    y = np.zeros((1, 1, 400, 400))
    states: list[np.ndarray] = []

    def denoise(xt: np.ndarray, y: np.ndarray, _t: float) -> np.ndarray:
        states.append(xt - y)
        return y + r0

    last(first_order(denoise, y, process, (t, u), noise=double_noise(3)))
    rt, ru = (s.ravel() for s in states)
    forward = process.scale(t) / process.scale(u)
    added = process.std(t) ** 2 - forward**2 * process.std(u) ** 2  # variance of r_t given r_u
    variance = 1 / (1 / process.std(u) ** 2 + forward**2 / added)
    mean = variance * (process.scale(u) * r0 / process.std(u) ** 2 + forward * rt / added)
    assert ru.mean() == pytest.approx(mean.mean(), abs=4 * math.sqrt(variance) / 400)
    assert (ru - mean).var() == pytest.approx(variance, rel=0.02)
    assert np.corrcoef(ru - mean, rt)[0, 1] == pytest.approx(0, abs=4 / 400)


def test_a_starting_mean_allows_a_late_start() -> None:
    y, times = np.zeros((1, 1, 100, 100)), uniform_log_snr(PAIRS.process, 30, start=0.3, end=0.01)
    without = last(first_order(PAIRS.denoise, y, PAIRS.process, times, noise=double_noise(4)))
    guess = y + PAIRS.mean
    near = last(first_order(PAIRS.denoise, y, PAIRS.process, times, noise=double_noise(4), mean=guess))
    assert abs(near.mean() - PAIRS.mean) < 0.003 < abs(without.mean() - PAIRS.mean)


# ------------------------------------------------------------------------------------------------- the contract

SAMPLERS = [first_order, multistep, euler_maruyama]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_evaluation_and_one_estimate_per_time(sampler) -> None:
    seen: list[float] = []

    def denoise(xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        seen.append(t)
        return PAIRS.denoise(xt, y, t)

    times = uniform_time(7)
    estimates = list(sampler(denoise, np.zeros(SHAPE, np.float32), PAIRS.process, times, noise=seeded_noise([1, 2])))
    assert tuple(seen) == times
    assert len(estimates) == 7
    assert {e.dtype for e in estimates} == {np.dtype(np.float32)}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_inputs_and_estimates_are_left_alone(sampler, rng: np.random.Generator) -> None:
    y, mean = rng.random(SHAPE, dtype=np.float32), rng.random(SHAPE, dtype=np.float32)
    before = y.copy(), mean.copy()
    kept = [
        (estimate, estimate.copy())
        for estimate in sampler(PAIRS.denoise, y, PAIRS.process, uniform_time(6), noise=seeded_noise([1, 2]), mean=mean)
    ]
    assert all((a == b).all() for a, b in kept)
    assert (y == before[0]).all()
    assert (mean == before[1]).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_image_does_not_depend_on_its_batch_mates(sampler, rng: np.random.Generator) -> None:
    y, times = rng.random(SHAPE, dtype=np.float32), uniform_time(6)
    batch = last(sampler(PAIRS.denoise, y, PAIRS.process, times, noise=seeded_noise([8, 9])))
    alone = last(sampler(PAIRS.denoise, y[1:], PAIRS.process, times, noise=seeded_noise([9])))
    np.testing.assert_array_equal(batch[1:], alone)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_torch_tensors_take_the_same_path(sampler, rng: np.random.Generator) -> None:
    y, mean, times = rng.random(SHAPE, dtype=np.float32), np.zeros(SHAPE, np.float32), uniform_time(6)
    draws = [rng.standard_normal(SHAPE, dtype=np.float32) for _ in range(6)]

    def replay(convert: Callable) -> Callable:
        queue = iter(draws)
        return lambda _shape: convert(next(queue).copy())

    ours = last(sampler(PAIRS.denoise, y, PAIRS.process, times, noise=replay(np.asarray), mean=mean))
    theirs = last(
        sampler(
            PAIRS.denoise,
            torch.from_numpy(y),
            PAIRS.process,
            times,
            noise=replay(torch.from_numpy),
            mean=torch.from_numpy(mean),
        )
    )
    assert theirs.dtype == torch.float32
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)


def test_every_option_matters(rng: np.random.Generator) -> None:
    y = rng.random(SHAPE, dtype=np.float32)
    times = uniform_time(6)

    def run(sampler, process: Process = PAIRS.process, times: tuple = times, seed: int = 1, **options) -> np.ndarray:
        return last(sampler(PAIRS.denoise, y, process, times, noise=seeded_noise([seed, seed]), **options))

    results = [
        run(first_order),
        run(first_order, eta=0.5),
        run(first_order, eta=0.0),
        run(multistep),
        run(multistep, eta=0.0),
        run(euler_maruyama),
        run(euler_maruyama, mean=y + 1),
        run(multistep, mean=y + 1),
        run(multistep, seed=2),
        run(multistep, process=OUVE(gamma=2)),
        run(multistep, times=uniform_time(5)),
    ]
    for i, a in enumerate(results):
        for b in results[:i]:
            assert np.abs(a - b).max() > 1e-5


def test_no_noise_is_drawn_for_an_ode() -> None:
    shapes = []

    def noise(shape: tuple[int, ...]) -> np.ndarray:
        shapes.append(shape)
        return np.zeros(shape)

    last(multistep(PAIRS.denoise, np.zeros(SHAPE), PAIRS.process, uniform_time(9), noise=noise, eta=0.0))
    assert shapes == [SHAPE]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"times": (0.5, 0.5)}, "fall"), ({"times": ()}, "fall"), ({"times": (1.0, 0.0)}, "lie"), ({"eta": 2.0}, "eta")],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    settings = {"times": uniform_time(3), "eta": 1.0} | options
    times = settings.pop("times")
    with pytest.raises(ValueError, match=message):
        last(multistep(PAIRS.denoise, np.zeros(SHAPE), PAIRS.process, times, noise=seeded_noise([1, 2]), **settings))


def test_noise_needs_a_seed_per_image() -> None:
    with pytest.raises(ValueError, match="2 seeds"):
        seeded_noise([1, 2])((3, 1, 1, 1))


# ------------------------------------------------------------------------------------------------------- grids


@pytest.mark.parametrize("steps", [1, 2, 3, 8])
def test_grids_have_their_ends_and_spacing(steps: int) -> None:
    process = CosVE()
    for times, clock in [
        (uniform_time(steps, start=0.9, end=0.1), lambda t: t),
        (uniform_log_snr(process, steps, start=0.9, end=0.1), process.log_snr),
        (karras(process, steps, rho=3, start=0.9, end=0.1), lambda t: process.ratio(t) ** (1 / 3)),
    ]:
        assert len(times) == steps
        assert times[0] == 0.9
        if steps > 1:
            assert times[-1] == pytest.approx(0.1)
            gaps = np.diff([clock(t) for t in times])
            np.testing.assert_allclose(gaps, gaps[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "at least 1"),
        ({"start": 1.1}, "start"),
        ({"end": 0}, "end"),
        ({"start": 0.1, "end": 0.2}, "start"),
    ],
)
def test_wrong_grids_are_refused(options: dict, message: str) -> None:
    steps = options.pop("steps", 3)
    for grid in (uniform_time, lambda n, **o: uniform_log_snr(OUVE(), n, **o), lambda n, **o: karras(OUVE(), n, **o)):
        with pytest.raises(ValueError, match=message):
            grid(steps, **options)
    with pytest.raises(ValueError, match="rho"):
        karras(OUVE(), 3, rho=0.5)


# ------------------------------------------------------------------------------------------------------ oracles


def test_gaussian_denoiser_is_the_regression_of_simulated_pairs(rng: np.random.Generator) -> None:
    process, t, y = PAIRS.process, 0.5, 0.3
    r0 = PAIRS.mean + PAIRS.variance**0.5 * rng.standard_normal(400_000)
    xt = y + process.scale(t) * r0 + process.std(t) * rng.standard_normal(len(r0))
    slope, intercept = np.polyfit(xt, y + r0, 1)
    at = np.array([0.1, 0.5])
    np.testing.assert_allclose(PAIRS.denoise(at, np.full(2, y), t), intercept + slope * at, atol=2e-3)


def test_gaussian_flow_moves_along_the_ode() -> None:
    # dr/dt = −f r + ½ g² (r − k m)/(k² v + σ²), by a small Euler step.
    process, t, dt, x = PAIRS.process, 0.6, 1e-6, np.array([0.4])
    r = x[0] - 0.1
    score = -(r - process.scale(t) * PAIRS.mean) / PAIRS.marginal_variance(t)
    velocity = -process.drift_rate(t) * r - 0.5 * process.diffusion(t) ** 2 * score
    moved = PAIRS.flow(x, np.array([0.1]), t, t + dt)
    assert (moved[0] - x[0]) / dt == pytest.approx(velocity, rel=1e-4)


def test_finite_set_finds_the_image_and_averages_when_it_cannot() -> None:
    clean = np.random.default_rng(5).random((4, 1, 2, 2)).astype(np.float32)
    oracle, y = FiniteSet(OUVE(sigma_max=50), clean), np.full((1, 1, 2, 2), 0.5, np.float32)
    near = y + oracle.process.scale(0.01) * (clean[2:3] - y)
    np.testing.assert_allclose(oracle.denoise(near, y, 0.01), clean[2:3], atol=1e-6)
    np.testing.assert_allclose(oracle.denoise(y, y, 1.0), clean.mean(axis=0, keepdims=True), atol=1e-3)
    result = last(
        multistep(oracle.denoise, y, oracle.process, uniform_log_snr(oracle.process, 25), noise=seeded_noise([0]))
    )
    assert np.abs(result - clean).max(axis=(1, 2, 3)).min() < 1e-3
