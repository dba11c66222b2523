"""Predictor–corrector, Euler–Heun and the adaptive flow against exact denoisers, and evaluations counted truly."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch

from driftrec.diffusion.grids import uniform_time
from driftrec.diffusion.oracle import FiniteSet, GaussianPairs
from driftrec.diffusion.process import OUVE, TSDVE, VP, Bridge, CosVE, Process
from driftrec.diffusion.samplers import (
    NAMES,
    Counted,
    euler_heun,
    euler_maruyama,
    predictor_corrector,
    probability_flow,
    reverse_diffusion,
    sample,
    seeded_noise,
)

PROCESSES = [OUVE(), TSDVE(2), CosVE(), VP(std_max=0.4)]
MEAN, VARIANCE = 0.05, 0.01
SIDE = 200


def last(estimates: Iterator) -> np.ndarray:
    *_, x0 = estimates
    return x0


def double_noise(seed: int) -> Callable:
    return np.random.default_rng(seed).standard_normal


def state_moments(states: np.ndarray) -> tuple[float, float]:
    return float(states.mean()), float(states.var())


# ------------------------------------------------------------------------------------------- predictor–corrector


@pytest.mark.parametrize("steps", [5, 10, 30, 100])
@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_annealed_langevin_follows_its_recursion(process: Process, steps: int) -> None:
    # Bias and variance in closed form: the score of the marginal is linear, so is every step.
    snr, times, mean, variance = 0.16, uniform_time(steps, end=0.05), 0.0, process.std(1.0) ** 2
    for number, t in enumerate(times):
        k, sigma = process.scale(t), process.std(t)
        slope, epsilon = 1 / (k**2 * VARIANCE + sigma**2), 2 * (snr * sigma) ** 2
        for _ in range(2):
            mean -= epsilon * slope * (mean - k * MEAN)
            variance = (1 - epsilon * slope) ** 2 * variance + 2 * epsilon
        if number + 1 < len(times):
            u = times[number + 1]
            delta, g, f = t - u, process.diffusion(t), process.drift_rate(t)
            mean += delta * (f * mean - g**2 * slope * (mean - k * MEAN))
            variance = (1 + delta * (f - g**2 * slope)) ** 2 * variance + g**2 * delta
    x = last(
        predictor_corrector(
            GaussianPairs(process, MEAN, VARIANCE).denoise,
            np.zeros((1, 1, SIDE, SIDE)),
            process,
            times,
            noise=double_noise(1),
            predictor="euler-maruyama",
            snr=snr,
            corrector_steps=2,
            final_denoising=False,
        )
    )
    assert x.var() == pytest.approx(variance, rel=0.04)
    assert x.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance) / SIDE)


def test_langevin_steps_are_sized_by_each_image_alone() -> None:
    # ε = 2 (snr ‖z‖/‖score‖)²: an image with a large residual must not change the step of its neighbour.
    process, t = OUVE(), 0.5
    pairs = GaussianPairs(process, MEAN, VARIANCE)
    y = np.zeros((2, 1, 40, 40))
    y[1] += 5 * np.random.default_rng(0).standard_normal((1, 40, 40))

    def denoise(xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        return pairs.denoise(xt, y, t) + 0.1 * y**2

    def run(part: np.ndarray, seeds: list[int]) -> np.ndarray:
        noise = seeded_noise(seeds)
        return last(
            predictor_corrector(
                denoise,
                part,
                process,
                (t,),
                noise=lambda shape: noise(shape).astype(np.float64),
                corrector="langevin",
                corrector_steps=3,
                final_denoising=False,
            )
        )

    together = run(y, [3, 4])
    np.testing.assert_allclose(together[:1], run(y[:1], [3]), rtol=1e-12)
    np.testing.assert_allclose(together[1:], run(y[1:], [4]), rtol=1e-12)


def test_langevin_alone_reaches_the_marginal() -> None:
    # Many small steps at one time: the state forgets where it started and has the variance of that time.
    process, t = OUVE(), 0.4
    pairs = GaussianPairs(process, MEAN, VARIANCE)
    x = last(
        predictor_corrector(
            pairs.denoise,
            np.full((1, 1, SIDE, SIDE), 0.3),
            process,
            (t,),
            noise=double_noise(2),
            mean=np.full((1, 1, SIDE, SIDE), 0.5),
            predictor="none",
            corrector="langevin",
            snr=0.15,
            corrector_steps=200,
            initial_steps=200,
            final_denoising=False,
        )
    )
    assert x.mean() == pytest.approx(0.3 + process.scale(t) * MEAN, abs=0.005)
    assert x.var() == pytest.approx(pairs.marginal_variance(t), rel=0.06)


@pytest.mark.parametrize(
    ("predictor", "plain"), [("euler-maruyama", euler_maruyama), ("reverse-diffusion", reverse_diffusion)]
)
def test_without_a_corrector_it_is_the_predictor(predictor: str, plain: Callable) -> None:
    y, times = np.zeros((1, 3, 4, 5)), uniform_time(7)
    pairs = GaussianPairs(OUVE(), MEAN, VARIANCE)
    expected = last(plain(pairs.denoise, y, OUVE(), times, noise=double_noise(5)))
    for options in ({"corrector": "none"}, {"corrector_steps": 0}):
        result = last(
            predictor_corrector(pairs.denoise, y, OUVE(), times, noise=double_noise(5), predictor=predictor, **options)
        )
        np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_the_final_denoising_is_the_posterior_mean_of_the_final_state() -> None:
    pairs, y, times = GaussianPairs(OUVE(), MEAN, VARIANCE), np.zeros((1, 1, 5, 5)), uniform_time(4)
    run = {
        final: last(predictor_corrector(pairs.denoise, y, OUVE(), times, noise=double_noise(1), final_denoising=final))
        for final in (True, False)
    }
    np.testing.assert_allclose(run[True], pairs.denoise(run[False], y, times[-1]))


# ---------------------------------------------------------------------------------------------------- Euler–Heun


@pytest.mark.parametrize("steps", [5, 10, 30, 100])
@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_euler_heun_follows_its_recursion(process: Process, steps: int) -> None:
    times, mean, variance = uniform_time(steps, end=0.05), 0.0, process.std(1.0) ** 2

    def drift(t: float) -> tuple[float, float]:
        """β = slope · r + offset."""
        k, sigma, g = process.scale(t), process.std(t), process.diffusion(t)
        pull = g**2 / (k**2 * VARIANCE + sigma**2)
        return process.drift_rate(t) - pull, pull * k * MEAN

    for t, u in pairwise(times):
        delta, (a, b), (c, d) = t - u, drift(t), drift(u)
        g, h = process.diffusion(t) * math.sqrt(delta), process.diffusion(u) * math.sqrt(delta)
        gain = 1 + delta / 2 * (a + c * (1 + delta * a))
        mean = gain * mean + delta / 2 * (b + d + c * delta * b)
        variance = gain**2 * variance + (delta / 2 * c * g + (g + h) / 2) ** 2
    pairs, states = GaussianPairs(process, MEAN, VARIANCE), []

    def denoise(xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        states.append(xt)
        return pairs.denoise(xt, y, t)

    last(euler_heun(denoise, np.zeros((1, 1, SIDE, SIDE)), process, times, noise=double_noise(2)))
    assert states[-1].var() == pytest.approx(variance, rel=0.04)
    assert states[-1].mean() == pytest.approx(mean, abs=5 * math.sqrt(variance) / SIDE)


def test_euler_heun_is_of_second_order_without_noise() -> None:
    # With g → 0 in the noise terms but not in the score there is no such process; so the mean is looked at: it follows
    # dm/dt = −β(m), of which the limit is known by a fine Euler solution.
    process, pairs, y = OUVE(), GaussianPairs(OUVE(), MEAN, VARIANCE), np.zeros((1, 1, 1, 1))

    def run(steps: int) -> float:
        times = uniform_time(steps, start=0.6, end=0.2)
        silent = euler_heun(pairs.denoise, y, process, times, noise=np.zeros, mean=y + 0.5)
        return float(last(silent)[0, 0, 0, 0])

    errors = [abs(run(steps) - run(4097)) for steps in (17, 33, 65, 129)]
    slope = -np.polyfit(np.log([16, 32, 64, 128]), np.log(errors), 1)[0]
    assert slope == pytest.approx(2, abs=0.2)


# ------------------------------------------------------------------------------------------ the probability flow


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_the_adaptive_flow_is_exact_to_its_tolerance(process: Process) -> None:
    pairs, y = GaussianPairs(process, MEAN, VARIANCE), np.random.default_rng(1).random((2, 1, 6, 6))
    start = y + double_noise(0)(y.shape) * process.std(1.0)
    exact = pairs.denoise(pairs.flow(start, y, 1.0, 0.05), y, 0.05)
    for tolerance in (1e-3, 1e-6):
        result = last(
            probability_flow(
                pairs.denoise, y, process, (1.0, 0.05), noise=double_noise(0), rtol=tolerance, atol=tolerance
            )
        )
        assert np.abs(result - exact).max() < 10 * tolerance


def test_tighter_tolerances_take_more_evaluations_and_images_do_not_share_them() -> None:
    oracle = FiniteSet(OUVE(), np.random.default_rng(5).random((4, 1, 2, 2)).astype(np.float32))
    y = np.random.default_rng(1).random((2, 1, 2, 2)).astype(np.float32)

    def run(part: np.ndarray, seeds: list[int], tolerance: float) -> tuple[np.ndarray, int]:
        counted = Counted(oracle.denoise)
        flow = probability_flow(
            counted, part, OUVE(), (1.0, 0.05), noise=seeded_noise(seeds), rtol=tolerance, atol=tolerance
        )
        return last(flow), counted.evaluations

    both, evaluations = run(y, [1, 2], 1e-3)
    (one, first), (other, second) = run(y[:1], [1], 1e-3), run(y[1:], [2], 1e-3)
    assert evaluations == first + second
    np.testing.assert_array_equal(both, np.concatenate([one, other]))
    assert run(y, [1, 2], 1e-6)[1] > 2 * evaluations


# --------------------------------------------------------------------------------------- evaluations, and options


@pytest.mark.parametrize("process", PROCESSES, ids=str)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_evaluations_are_those_documented(process: Process, steps: int) -> None:
    pairs, y, times = GaussianPairs(process, MEAN, VARIANCE), np.zeros((2, 1, 4, 4), np.float32), uniform_time(steps)

    def cost(sampler: Callable, **options: object) -> int:
        counted = Counted(pairs.denoise)
        last(sampler(counted, y, process, times, noise=seeded_noise([1, 2]), **options))
        return counted.evaluations

    assert cost(euler_maruyama) == cost(reverse_diffusion) == steps
    assert cost(euler_heun) == 2 * steps - 1
    assert cost(predictor_corrector, corrector_steps=3, initial_steps=2) == 4 * steps + 2
    assert cost(predictor_corrector, corrector_steps=3, final_denoising=False) == 4 * steps - 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("process", [OUVE(), Bridge()], ids=str)
def test_every_name_samples_within_its_evaluations(name: str, process: Process) -> None:
    pairs, y = GaussianPairs(process, MEAN, VARIANCE), np.zeros((1, 1, 60, 60), np.float32)
    counted = Counted(pairs.denoise)
    x0 = last(sample(name, counted, y, process, 40, start=0.95, end=0.03, noise=seeded_noise([1])))
    assert x0.mean() == pytest.approx(MEAN, abs=0.02)
    assert 0.05 < x0.std() < 0.2
    assert counted.evaluations <= 40 or name == "probability-flow"
    assert counted.evaluations >= 38 or name == "probability-flow"


def test_torch_tensors_take_the_same_path() -> None:
    pairs, y, times = GaussianPairs(OUVE(), MEAN, VARIANCE), np.zeros((2, 1, 4, 4)), uniform_time(5)
    for sampler, options in ((euler_heun, {}), (predictor_corrector, {"corrector": "langevin"})):
        source, other = double_noise(3), double_noise(3)
        ours = last(sampler(pairs.denoise, y, OUVE(), times, noise=source, **options))
        theirs = last(
            sampler(
                pairs.denoise,
                torch.from_numpy(y),
                OUVE(),
                times,
                noise=lambda shape, other=other: torch.from_numpy(other(shape)),
                **options,
            )
        )
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda *a, **k: predictor_corrector(*a, predictor="heun", **k), "predictors are euler-maruyama"),
        (lambda *a, **k: predictor_corrector(*a, corrector="mala", **k), "correctors langevin"),
        (lambda *a, **k: predictor_corrector(*a, snr=0, **k), "snr must be positive"),
        (lambda *a, **k: predictor_corrector(*a, corrector_steps=-1, **k), "steps not negative"),
        (lambda *a, **k: probability_flow(*a, rtol=0, **k), "tolerances must be positive"),
    ],
)
def test_wrong_options_are_refused_at_once(make: Callable, message: str) -> None:
    pairs = GaussianPairs(OUVE(), MEAN, VARIANCE)
    with pytest.raises(ValueError, match=message):
        make(pairs.denoise, np.zeros((1, 1, 2, 2)), OUVE(), (1.0, 0.5), noise=double_noise(0))


@pytest.mark.parametrize("sampler", [predictor_corrector, euler_heun, probability_flow])
def test_a_bridges_end_is_refused(sampler: Callable) -> None:
    with pytest.raises(ValueError, match="start earlier"):
        sampler(lambda x, *_: x, np.zeros((1, 1, 2, 2)), Bridge(), (1.0, 0.5), noise=double_noise(0))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no sampler 'magic': choose from multistep"):
        sample("magic", lambda x, *_: x, np.zeros(1), OUVE(), 5, start=1.0, end=0.1, noise=np.zeros)
