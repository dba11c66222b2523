"""The processes against the differential equations that define them, simulation, and hand values."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from driftrec.process import OUVE, TSDVE, CosVE, Process, process_from_card

KINDS = [OUVE, TSDVE, CosVE]
SOME = [kind(gamma, low, high) for kind in KINDS for gamma, low, high in [(1, 0.01, 1), (2.5, 0.05, 0.3), (0, 0.1, 2)]]


@pytest.mark.parametrize("process", SOME, ids=str)
def test_moments_solve_their_differential_equations(process: Process) -> None:
    # dk/dt = −f k and dσ²/dt = −2 f σ² + g², integrated by an adaptive Runge–Kutta method.
    def moments(t: float, state: np.ndarray) -> list[float]:
        f, g = process.drift_rate(t), process.diffusion(t)
        return [-f * state[0], -2 * f * state[1] + g**2]

    times = np.linspace(0, 1, 41)
    solution = integrate.solve_ivp(moments, (0, 1), [1.0, 0.0], "DOP853", times, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(process.scale(times), solution.y[0], rtol=1e-8)
    np.testing.assert_allclose(process.std(times) ** 2, solution.y[1], rtol=1e-7, atol=1e-13)


@pytest.mark.parametrize("process", [OUVE(), OUVE(3, 0.02, 0.5)], ids=str)
def test_ouve_has_the_papers_closed_forms(process: OUVE) -> None:
    gamma, low, kappa = process.gamma, process.sigma_min, process.sigma_max / process.sigma_min
    t = np.array([1e-6, 1e-3, 0.03, 0.3, 1.0])
    variance = low**2 * np.exp(-2 * gamma * t) * np.expm1(2 * (gamma + math.log(kappa)) * t)
    np.testing.assert_allclose(process.std(t), np.sqrt(variance), rtol=1e-10)
    np.testing.assert_allclose(process.diffusion(t), low * kappa**t * math.sqrt(2 * (gamma + math.log(kappa))))


def test_values_by_hand() -> None:
    assert OUVE().scale(1.0) == pytest.approx(0.36787944117)
    assert OUVE().std(1.0) ** 2 == pytest.approx(1 - 1e-4 * math.exp(-2))
    assert TSDVE(2).scale(0.5) == pytest.approx(math.exp(-0.25))
    assert CosVE(math.pi).scale(0.5) == pytest.approx(math.exp(1 - math.pi / 2))
    assert CosVE().drift_rate(1.0) == pytest.approx(2)


@pytest.mark.parametrize("process", SOME, ids=str)
def test_noise_starts_at_nothing_and_ends_at_sigma_max(process: Process) -> None:
    assert process.std(0.0) == 0
    assert process.scale(0.0) == 1
    assert process.log_snr(0.0) == math.inf
    short = process.sigma_min**2 * math.exp(-2 * process.gamma) if isinstance(process, OUVE) else 0
    assert process.std(1.0) ** 2 == pytest.approx(process.sigma_max**2 - short, rel=1e-12)
    # Close to 0 the process is Brownian motion with g(0).
    assert process.std(1e-9) == pytest.approx(process.diffusion(0.0) * 1e-9**0.5, rel=1e-6)


@given(
    kind=st.sampled_from(KINDS), gamma=st.floats(0, 5), a=st.floats(1e-3, 1), b=st.floats(1e-3, 1), c=st.floats(1e-3, 1)
)
@settings(deadline=None)
def test_chapman_kolmogorov(kind: type[Process], gamma: float, a: float, b: float, c: float) -> None:
    # r_t | r_s has scale k_t/k_s and variance σ_t² − (k_t/k_s)² σ_s²; going s → t → u equals going s → u.
    process, (s, t, u) = kind(gamma), sorted((a, b, c))

    def step(s: float, t: float) -> tuple[float, float]:
        scale = process.scale(t) / process.scale(s)
        variance, _ = integrate.quad(
            lambda v: (process.scale(t) / process.scale(v) * process.diffusion(v)) ** 2, s, t, epsabs=1e-12
        )
        return scale, variance

    (k1, v1), (k2, v2), (k, v) = step(s, t), step(t, u), step(s, u)
    assert k1 * k2 == pytest.approx(k, rel=1e-9)
    assert k2**2 * v1 + v2 == pytest.approx(v, rel=1e-6, abs=1e-10)
    assert process.std(u) ** 2 == pytest.approx(k**2 * process.std(s) ** 2 + v, rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("process", [kind() for kind in KINDS], ids=str)
def test_simulated_paths_have_the_promised_distribution(process: Process) -> None:
    rng, steps, residual = np.random.default_rng(1), 400, 0.3
    r = np.full(20_000, residual)
    for t in np.arange(steps) / steps:
        r += -process.drift_rate(t) * r / steps + process.diffusion(t) * rng.standard_normal(len(r)) / steps**0.5
    expected = stats.norm(process.scale(1.0) * residual, process.std(1.0))
    assert stats.kstest(r, expected.cdf).statistic < 0.02  # one step is 1/400, so its bias is below 1 %


@given(kind=st.sampled_from(KINDS), gamma=st.floats(0, 5), t=st.floats(1e-4, 1))
@settings(deadline=None)
def test_time_of_log_snr_inverts_log_snr(kind: type[Process], gamma: float, t: float) -> None:
    process = kind(gamma)
    assert process.time_of_log_snr(process.log_snr(t)) == pytest.approx(t, rel=1e-9)


def test_log_snr_and_ratio_are_one_thing() -> None:
    t = np.linspace(0.1, 1, 5)
    np.testing.assert_allclose(OUVE().log_snr(t), np.log(OUVE().scale(t) / OUVE().std(t)))
    assert (np.diff(CosVE(3).ratio(np.linspace(0, 1, 200))) > 0).all()


@pytest.mark.parametrize("process", [kind(2, 0.02, 0.7) for kind in KINDS], ids=str)
def test_cards_round_trip(process: Process) -> None:
    assert process_from_card(process.card()) == process


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OUVE(-1), "gamma must be between 0 and 100, got -1"),
        (lambda: CosVE(1, 0, 1), "sigmas must satisfy"),
        (lambda: TSDVE(1, 0.5, 0.5), "sigmas must satisfy"),
        (lambda: OUVE(math.nan), "gamma"),
        (lambda: OUVE().std(1.5), r"times must lie in \[0, 1\]"),
        (lambda: OUVE().time_of_log_snr(-5), "lies beyond"),
        (lambda: process_from_card({"name": "VP"}), "known are OUVE, TSDVE, CosVE"),
        (lambda: process_from_card({"name": "OUVE", "beta": 1}), "got beta"),
    ],
)
def test_what_is_wrong_is_said(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_scalars_give_floats_whatever_their_kind() -> None:
    for t in (0.5, np.float64(0.5), torch.tensor(0.5).item()):
        assert type(OUVE().std(t)) is float
