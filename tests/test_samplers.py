"""Samplers against exact denoisers: order of convergence, distribution, and no hidden state."""

import itertools
import math
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from driftrec.diffusion.grids import uniform_log_snr, uniform_time
from driftrec.diffusion.oracle import FiniteSet, GaussianPairs
from driftrec.diffusion.process import OUVE, TSDVE, VP, Bridge, CosVE, Process
from driftrec.diffusion.samplers import euler_maruyama, first_order, multistep, reverse_diffusion, seeded_noise

PROCESSES = [OUVE(), TSDVE(2), CosVE()]
PAIRS = GaussianPairs(OUVE(), mean=0.05, variance=0.01)
SHAPE = (2, 3, 4, 5)
SAMPLERS = [first_order, multistep, euler_maruyama, reverse_diffusion]


def last(estimates: Iterator) -> np.ndarray:
    *_, x0 = estimates
    return x0


def double_noise(seed: int) -> Callable:
    """Noise in double precision, so that slopes are not limited by rounding."""
    return np.random.default_rng(seed).standard_normal


def recorded(denoise: Callable) -> tuple[Callable, list[np.ndarray]]:
    """The denoiser, and the states that it will have been asked about."""
    states: list[np.ndarray] = []

    def record(xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        states.append(xt.copy())
        return denoise(xt, y, t)

    return record, states


# ------------------------------------------------------------------------------------------------------ the ODE


@pytest.mark.parametrize("process", PROCESSES, ids=str)
@pytest.mark.parametrize(("sampler", "order"), [(first_order, 1), (multistep, 2)])
def test_ode_samplers_converge_to_the_exact_flow(process: Process, sampler, order: int) -> None:
    pairs, y = GaussianPairs(process, 0.05, 0.01), np.full((1, 1, 8, 8), 0.4)
    start = y + double_noise(0)(y.shape) * process.std(1.0)
    exact = pairs.denoise(pairs.flow(start, y, 1.0, 0.05), y, 0.05)
    counts, errors = [16, 32, 64, 128], []
    for steps in counts:
        times = uniform_log_snr(process, steps, end=0.05)
        result = last(sampler(pairs.denoise, y, process, times, noise=double_noise(0), eta=0.0))
        errors.append(np.abs(result - exact).max())
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(slope - order) < 0.25


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_ddim_is_eulers_method_in_the_noise_to_scale_ratio(process: Process) -> None:
    # With ρ = r/k the probability flow is dρ/ds = (ρ − D)/s (Karras et al. 2022, equation 1 with their σ = s).
    oracle = FiniteSet(process, np.random.default_rng(5).random((4, 1, 2, 2)))
    times, y = uniform_time(12), np.full((1, 1, 2, 2), 0.5)
    rho = double_noise(3)(y.shape) * process.ratio(1.0)
    for t, u in itertools.pairwise(times):
        d = oracle.denoise(y + process.scale(t) * rho, y, t) - y
        rho = rho + (process.ratio(u) - process.ratio(t)) * (rho - d) / process.ratio(t)
    expected = oracle.denoise(y + process.scale(times[-1]) * rho, y, times[-1])
    result = last(first_order(oracle.denoise, y, process, times, noise=double_noise(3), eta=0.0))
    np.testing.assert_allclose(result, expected, rtol=1e-9)


def test_multistep_starts_with_a_step_of_first_order() -> None:
    y, times = np.zeros((1, 1, 4, 4)), uniform_time(3)
    one, two = (
        list(sampler(PAIRS.denoise, y, PAIRS.process, times, noise=double_noise(0), eta=0.0))
        for sampler in (first_order, multistep)
    )
    np.testing.assert_array_equal(one[:2], two[:2])
    assert np.abs(one[2] - two[2]).max() > 1e-3


# --------------------------------------------------------------------------------------------- the distribution


@pytest.mark.parametrize("eta", [0.5, 1.0])
@pytest.mark.parametrize(("sampler", "steps"), [(first_order, 400), (multistep, 50)])
def test_samples_have_the_distribution_of_clean_images(sampler, steps: int, eta: float) -> None:
    y = np.zeros((1, 1, 120, 120))
    times = uniform_log_snr(PAIRS.process, steps, end=0.01)
    result = last(sampler(PAIRS.denoise, y, PAIRS.process, times, noise=double_noise(1), eta=eta))
    assert result.mean() == pytest.approx(PAIRS.mean, abs=5 * 0.1 / 120)
    assert result.var() == pytest.approx(PAIRS.variance, rel=0.05)


def posterior_step(process: Process, t: float, u: float) -> tuple[float, float, float]:
    """q(r_u | r_t, r_0) = N(a r_t + b r_0, n²), by conditioning the joint Gaussian on r_t and r_0."""
    forward = process.scale(t) / process.scale(u)
    added = process.std(t) ** 2 - forward**2 * process.std(u) ** 2  # variance of r_t given r_u
    variance = 1 / (1 / process.std(u) ** 2 + forward**2 / added)
    return variance * forward / added, variance * process.scale(u) / process.std(u) ** 2, math.sqrt(variance)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_ancestral_steps_are_exact_posteriors(process: Process) -> None:
    t, u, r0, y = 0.8, 0.4, 0.2, np.zeros((1, 1, 4, 4))
    fixed = double_noise(6)(y.shape)
    denoise, states = recorded(lambda _xt, y, _t: y + r0)
    last(first_order(denoise, y, process, (t, u), noise=lambda _shape: fixed))
    a, b, n = posterior_step(process, t, u)
    np.testing.assert_allclose(states[1], a * states[0] + b * r0 + n * fixed, rtol=1e-9)


@pytest.mark.parametrize("steps", [5, 30, 100])
def test_ancestral_variance_follows_its_recursion(steps: int) -> None:
    # r_0 is replaced by E[r_0 | r_t], linear in r_t with the slope Cov(r_0, r_t)/Var(r_t): the state stays Gaussian.
    process, times = PAIRS.process, uniform_log_snr(PAIRS.process, steps)

    def slope(t: float) -> float:
        k = process.scale(t)
        return k * PAIRS.variance / (k**2 * PAIRS.variance + process.std(t) ** 2)

    variance = process.std(1.0) ** 2
    for t, u in itertools.pairwise(times):
        a, b, n = posterior_step(process, t, u)
        variance = (a + b * slope(t)) ** 2 * variance + n**2
    result = last(first_order(PAIRS.denoise, np.zeros((1, 1, 250, 250)), process, times, noise=double_noise(2)))
    assert result.var() == pytest.approx(slope(times[-1]) ** 2 * variance, rel=0.03)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
@pytest.mark.parametrize("steps", [10, 30, 100])
def test_euler_maruyama_follows_its_own_variance_recursion(process: Process, steps: int) -> None:
    # The score is −(r − k m)/(k² v + σ²), that of the marginal, and (E1) backwards in time makes the rest.
    mean, v, times = 0.05, 0.01, uniform_time(steps, end=0.05)
    expected, variance = 0.0, process.std(1.0) ** 2
    for t, u in itertools.pairwise(times):
        f, g, k = process.drift_rate(t), process.diffusion(t), process.scale(t)
        pull = g**2 / (k**2 * v + process.std(t) ** 2)
        expected += (t - u) * (f * expected - pull * (expected - k * mean))
        variance = (1 + (t - u) * (f - pull)) ** 2 * variance + g**2 * (t - u)
    pairs = GaussianPairs(process, mean, v)
    denoise, states = recorded(pairs.denoise)
    last(euler_maruyama(denoise, np.zeros((1, 1, 200, 200)), process, times, noise=double_noise(2)))
    assert states[-1].var() == pytest.approx(variance, rel=0.04)
    assert states[-1].mean() == pytest.approx(expected, abs=5 * math.sqrt(variance) / 200)


@pytest.mark.parametrize("process", [*PROCESSES, VP(std_max=0.4), Bridge(0.4)], ids=str)
@pytest.mark.parametrize("steps", [10, 30, 100])
def test_reverse_diffusion_follows_its_own_variance_recursion(process: Process, steps: int) -> None:
    mean, v, times = 0.05, 0.01, uniform_time(steps, start=0.95, end=0.05)
    expected, variance = 0.0, process.std(0.95) ** 2
    for t, u in itertools.pairwise(times):
        k, q = process.scale(t), process.scale(t) / process.scale(u)
        added = process.std(t) ** 2 - q**2 * process.std(u) ** 2  # by the forward step u → t
        pull = added / (k**2 * v + process.std(t) ** 2)
        expected = (2 - q) * expected - pull * (expected - k * mean)
        variance = (2 - q - pull) ** 2 * variance + added
    pairs = GaussianPairs(process, mean, v)
    denoise, states = recorded(pairs.denoise)
    last(reverse_diffusion(denoise, np.zeros((1, 1, 200, 200)), process, times, noise=double_noise(2)))
    assert states[-1].var() == pytest.approx(variance, rel=0.04)
    assert states[-1].mean() == pytest.approx(expected, abs=5 * math.sqrt(variance) / 200)


def test_a_bridge_starts_in_y_itself() -> None:
    # At t = 1 the state is y; the first step draws fresh noise around the estimate, whatever η.
    process, y = Bridge(0.3), np.full((1, 1, 100, 100), 0.4)
    pairs = GaussianPairs(process, 0.05, 0.01)
    for eta in (0.0, 0.5, 1.0):
        denoise, states = recorded(lambda xt, y, t: y + 0.05 if t == 1 else pairs.denoise(xt, y, t))
        times = (1.0, *uniform_log_snr(process, 60, start=0.999, end=0.01))
        result = last(multistep(denoise, y, process, times, noise=double_noise(3), eta=eta))
        np.testing.assert_array_equal(states[0], y)
        assert result.mean() == pytest.approx(0.45, abs=0.005)
        assert result.var() == pytest.approx(0.01, rel=0.08)
    for sampler in (euler_maruyama, reverse_diffusion):
        with pytest.raises(ValueError, match="Bridge has neither noise nor a bounded drift: start earlier"):
            sampler(pairs.denoise, y, process, (1.0, 0.5), noise=double_noise(0))


def test_euler_maruyama_has_the_right_limit() -> None:
    y, errors = np.zeros((1, 1, 120, 120)), []
    for steps in (5, 400):
        times = uniform_time(steps, end=0.01)
        result = last(euler_maruyama(PAIRS.denoise, y, PAIRS.process, times, noise=double_noise(3)))
        errors.append(abs(result.var() / PAIRS.variance - 1))
    assert errors[1] < 0.05 < 0.1 < errors[0]


@pytest.mark.parametrize("sampler", [first_order, multistep])
def test_samples_from_a_finite_set_are_its_members(sampler) -> None:
    clean = np.random.default_rng(5).random((4, 1, 2, 2)).astype(np.float32)
    oracle, batch = FiniteSet(OUVE(), clean), 400
    y, times = np.full((batch, 1, 2, 2), 0.5, np.float32), uniform_log_snr(OUVE(), 40)
    result = last(sampler(oracle.denoise, y, oracle.process, times, noise=seeded_noise(range(batch))))
    distance = np.abs(result[:, None] - clean).max(axis=(2, 3, 4))
    assert np.mean(distance.min(axis=1) < 0.01) > 0.99
    assert (np.bincount(distance.argmin(axis=1), minlength=4) > batch / 8).all()


# ---------------------------------------------------------------------------------------------------- the start


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("start", [1.0, 0.4])
def test_the_first_state_is_that_of_the_mean(sampler, start: float, rng: np.random.Generator) -> None:
    process, y, mean, z = OUVE(), rng.random(SHAPE), rng.random(SHAPE), rng.standard_normal(SHAPE)
    for guess, centre in [(None, y), (y, y), (mean, y + math.exp(-start) * (mean - y))]:
        denoise, states = recorded(PAIRS.denoise)
        list(sampler(denoise, y, process, (start,), noise=lambda _shape: z, mean=guess))
        np.testing.assert_allclose(states[0], centre + process.std(start) * z, rtol=1e-12)


def test_a_starting_mean_allows_a_late_start() -> None:
    y, times = np.zeros((1, 1, 100, 100)), uniform_log_snr(PAIRS.process, 30, start=0.3, end=0.01)
    without = last(first_order(PAIRS.denoise, y, PAIRS.process, times, noise=double_noise(4)))
    guess = y + PAIRS.mean
    near = last(first_order(PAIRS.denoise, y, PAIRS.process, times, noise=double_noise(4), mean=guess))
    assert abs(near.mean() - PAIRS.mean) < 0.003 < abs(without.mean() - PAIRS.mean)


# ------------------------------------------------------------------------------------------------- the contract


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_one_evaluation_and_one_estimate_per_time(sampler, steps: int) -> None:
    seen: list[float] = []

    def denoise(xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        seen.append(t)
        return PAIRS.denoise(xt, y, t)

    times = np.array(uniform_time(steps))
    estimates = list(sampler(denoise, np.zeros(SHAPE, np.float32), PAIRS.process, times, noise=seeded_noise([1, 2])))
    assert seen == list(times)
    assert {type(t) for t in seen} == {float}
    assert [(e.dtype, e.shape) for e in estimates] == [(np.float32, SHAPE)] * steps


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_evaluate_only_when_asked(sampler) -> None:
    denoise, states = recorded(PAIRS.denoise)
    estimates = sampler(denoise, np.zeros(SHAPE), PAIRS.process, uniform_time(5), noise=double_noise(0))
    assert len(states) == 0
    next(estimates)
    assert len(states) == 1


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_inputs_and_estimates_are_left_alone(sampler, convert: Callable, rng: np.random.Generator) -> None:
    # The harshest denoiser returns the very state that it was given, and the noise the same array each time.
    y, mean, z = (convert(rng.random(SHAPE, dtype=np.float32)) for _ in range(3))
    before = [np.asarray(array).copy() for array in (y, mean, z)]
    for denoise in (PAIRS.denoise, lambda xt, _y, _t: xt, lambda _xt, y, _t: y):
        estimates = sampler(denoise, y, PAIRS.process, uniform_time(6), noise=lambda _shape: z, mean=mean)
        kept = [(estimate, np.asarray(estimate).copy()) for estimate in estimates]
        assert all((np.asarray(estimate) == copy).all() for estimate, copy in kept)
        assert all((np.asarray(a) == b).all() for a, b in zip((y, mean, z), before, strict=True))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_image_does_not_depend_on_its_batch_mates(sampler, rng: np.random.Generator) -> None:
    y, times = rng.random((3, 3, 4, 5), dtype=np.float32), uniform_time(6)
    batch = last(sampler(PAIRS.denoise, y, PAIRS.process, times, noise=seeded_noise([8, 9, 10])))
    for i, seed in enumerate([8, 9, 10]):
        alone = last(sampler(PAIRS.denoise, y[i : i + 1], PAIRS.process, times, noise=seeded_noise([seed])))
        np.testing.assert_array_equal(batch[i : i + 1], alone)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_torch_tensors_take_the_same_path(sampler, rng: np.random.Generator) -> None:
    y, mean = rng.random((2, *SHAPE), dtype=np.float32)
    draws = rng.standard_normal((6, *SHAPE), dtype=np.float32)

    def run(convert: Callable) -> np.ndarray:
        queue = iter(draws)
        return last(
            sampler(
                PAIRS.denoise,
                convert(y),
                PAIRS.process,
                uniform_time(6),
                noise=lambda _shape: convert(next(queue)),
                mean=convert(mean),
            )
        )

    ours, theirs = run(np.asarray), run(torch.from_numpy)
    assert (ours.dtype, theirs.dtype) == (np.float32, torch.float32)
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_single_precision_is_enough(sampler, rng: np.random.Generator) -> None:
    y, draws = rng.random(SHAPE), rng.standard_normal((50, *SHAPE))

    def run(dtype: type) -> np.ndarray:
        queue = iter(draws.astype(dtype))
        times = uniform_time(50)
        return last(sampler(PAIRS.denoise, y.astype(dtype), PAIRS.process, times, noise=lambda _shape: next(queue)))

    np.testing.assert_allclose(run(np.float32), run(np.float64), atol=2e-6)


def test_every_option_matters(rng: np.random.Generator) -> None:
    y = rng.random(SHAPE, dtype=np.float32)
    grid = uniform_time(6)

    def run(sampler, process: Process = PAIRS.process, times: tuple = grid, seed: int = 1, **options) -> np.ndarray:
        return last(sampler(PAIRS.denoise, y, process, times, noise=seeded_noise([seed, seed]), **options))

    results = [
        run(first_order),
        run(first_order, eta=0.5),
        run(first_order, eta=0.0),
        run(first_order, mean=y + 1),
        run(multistep),
        run(multistep, eta=0.5),
        run(multistep, eta=0.0),
        run(multistep, mean=y + 1),
        run(multistep, seed=2),
        run(multistep, process=OUVE(gamma=2)),
        run(multistep, times=uniform_time(5)),
        run(euler_maruyama),
        run(euler_maruyama, mean=y + 1),
        run(euler_maruyama, seed=2),
        run(euler_maruyama, process=OUVE(gamma=2)),
        run(euler_maruyama, times=uniform_time(5)),
    ]
    for a, b in itertools.combinations(results, 2):
        assert np.abs(a - b).max() > 1e-5


@pytest.mark.parametrize(
    ("sampler", "options", "draws"),
    [
        (first_order, {"eta": 0.0}, 1),
        (multistep, {"eta": 0.0}, 1),
        (first_order, {"eta": 0.5}, 9),
        (multistep, {}, 9),
        (euler_maruyama, {}, 9),
    ],
)
def test_noise_is_drawn_only_where_it_counts(sampler, options: dict, draws: int) -> None:
    shapes = []

    def noise(shape: tuple[int, ...]) -> np.ndarray:
        shapes.append(shape)
        return np.zeros(shape)

    last(sampler(PAIRS.denoise, np.zeros(SHAPE), PAIRS.process, uniform_time(9), noise=noise, **options))
    assert shapes == [SHAPE] * draws


@pytest.mark.parametrize(("sampler", "own"), [(first_order, 1), (multistep, 2), (euler_maruyama, 1)])
def test_memory_is_as_documented(sampler, own: int) -> None:
    y = np.full((1, 3, 500, 500), 0.5, np.float32)

    def measure(consume: Callable[[Iterator], object]) -> tuple[float, float]:
        """(most held when the denoiser is called, peak), in arrays."""
        held: list[int] = []

        def denoise(_xt: np.ndarray, y: np.ndarray, _t: float) -> np.ndarray:
            held.append(tracemalloc.get_traced_memory()[0])
            return y.copy()

        estimates = sampler(denoise, y, PAIRS.process, uniform_time(6), noise=seeded_noise([1]), mean=y)
        tracemalloc.start()
        try:
            consume(estimates)
            return max(held) / y.nbytes, tracemalloc.get_traced_memory()[1] / y.nbytes
        finally:
            tracemalloc.stop()

    def keep_the_last(estimates: Iterator) -> None:
        for _estimate in estimates:
            pass

    def keep_none(estimates: Iterator) -> None:
        deque(estimates, maxlen=0)

    inside, peak = measure(keep_the_last)
    assert inside < 2.2
    assert peak < 4.2
    assert measure(keep_none)[0] < own + 0.2


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    ("times", "message"),
    [
        ((0.5, 0.5), "must fall"),
        ((0.2, 0.5), "must fall"),
        ((), "must fall"),
        ((1.0, 0.0), "lie in"),
        ((1.5,), "lie in"),
    ],
)
def test_wrong_times_are_refused_at_once(sampler, times: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sampler(PAIRS.denoise, np.zeros(SHAPE), PAIRS.process, times, noise=double_noise(0))


@pytest.mark.parametrize("sampler", [first_order, multistep])
@pytest.mark.parametrize("eta", [-0.1, 2.0, math.nan])
def test_wrong_eta_is_refused_at_once(sampler, eta: float) -> None:
    with pytest.raises(ValueError, match="eta must be between 0 and 1"):
        sampler(PAIRS.denoise, np.zeros(SHAPE), PAIRS.process, (1.0,), noise=double_noise(0), eta=eta)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (np.zeros, r"noise must be float32 of shape \(2, 3, 4, 5\), got float64"),
        (lambda _shape: np.zeros(3, np.float32), r"got float32 of \(3,\)"),
    ],
)
def test_noise_must_be_of_the_images_kind(noise: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        last(multistep(PAIRS.denoise, np.zeros(SHAPE, np.float32), PAIRS.process, (1.0,), noise=noise))


# ---------------------------------------------------------------------------------------------------- the noise


def test_seeded_noise_is_standard_normal_and_repeats() -> None:
    first, again = seeded_noise([1, 2]), seeded_noise([1, 2])
    a, b = first((2, 3, 100, 100)), first((2, 3, 100, 100))
    assert a.dtype == np.float32
    assert (again(a.shape) == a).all()
    assert a.std() == pytest.approx(1, abs=0.02)
    assert np.abs(np.corrcoef([a[0].ravel(), a[1].ravel(), b[0].ravel()]) - np.eye(3)).max() < 0.03


def test_noise_needs_a_seed_per_image() -> None:
    with pytest.raises(ValueError, match="2 seeds cannot serve a batch of 3"):
        seeded_noise([1, 2])((3, 1, 1, 1))
