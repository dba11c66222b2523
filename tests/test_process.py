"""The processes against the differential equations that define them, simulation, and hand values."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import dawsn

from driftrec.diffusion.process import OUVE, TSDVE, VP, Bridge, CosVE, PaperProcess, Process, Times, process_from_card

KINDS = [OUVE, TSDVE, CosVE]
SOME = [
    *(kind(gamma, low, high) for kind in KINDS for gamma, low, high in [(1, 0.01, 1), (2.5, 0.05, 0.3), (0, 0.1, 2)]),
    *(kind(1.5, 0.02, 0.7, "linear") for kind in KINDS),
]
OTHERS = [VP(), VP(1, 12, 0.3), Bridge(), Bridge(0.4, 1.0)]

paper_processes = st.builds(
    lambda kind, gamma, low, kappa: kind(gamma, low, low * kappa),
    st.sampled_from(KINDS),
    st.floats(0, 5),
    st.floats(1e-3, 0.1),
    st.floats(1.5, 300),
)
inner_times = st.floats(1e-3, 1)


class Brownian(Process):
    """No drift, unit noise: k = 1 and σ = √t."""

    def _drift_rate(self, t: Times) -> Times:
        return np.zeros_like(t)

    def _log_scale(self, t: Times) -> Times:
        return np.zeros_like(t)

    def _diffusion(self, t: Times) -> Times:
        return np.ones_like(t)

    def _std(self, t: Times) -> Times:
        return np.sqrt(t)


# ---------------------------------------------------------------------------------------- moments: (E3), (E4), (E6)


@pytest.mark.parametrize("process", [*SOME, *OTHERS], ids=str)
def test_moments_solve_their_differential_equations(process: Process) -> None:
    # dk/dt = −f k and dσ²/dt = −2 f σ² + g², integrated by an adaptive Runge–Kutta method.
    def slopes(t: float, state: np.ndarray) -> list[float]:
        f, g = process.drift_rate(t), process.diffusion(t)
        return [-f * state[0], -2 * f * state[1] + g**2]

    times = np.linspace(0, 0.999 if isinstance(process, Bridge) else 1, 41)  # a bridge's drift grows without bound
    solution = integrate.solve_ivp(slopes, (0, times[-1]), [1.0, 0.0], "DOP853", times, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(process.scale(times), solution.y[0], rtol=1e-9)
    np.testing.assert_allclose(process.std(times) ** 2, solution.y[1], rtol=1e-8, atol=1e-14)


@given(process=paper_processes, t=st.floats(0.01, 0.99))
@settings(deadline=None)
def test_drift_and_diffusion_are_the_slopes_of_the_moments(process: PaperProcess, t: float) -> None:
    step = 1e-4
    at = np.array([t - step, t + step])
    log_scale, variance = process.log_scale(at), process.std(at) ** 2
    f, g = process.drift_rate(t), process.diffusion(t)
    assert -np.diff(log_scale)[0] / (2 * step) == pytest.approx(f, rel=1e-6, abs=1e-6)
    assert np.diff(variance)[0] / (2 * step) + 2 * f * process.std(t) ** 2 == pytest.approx(g**2, rel=1e-5)


@pytest.mark.parametrize("process", SOME, ids=str)
@pytest.mark.parametrize("t", [1e-6, 1e-4, 5e-4, 0.01, 0.1, 0.5, 1.0])
def test_std_is_accurate_at_all_times(process: Process, t: float) -> None:
    def integrand(v: float) -> float:
        return (process.scale(t) / process.scale(v) * process.diffusion(v)) ** 2

    variance, _ = integrate.quad(integrand, 0, t, epsabs=0, epsrel=1e-12)
    assert process.std(t) == pytest.approx(math.sqrt(variance), rel=1e-10)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 40.0])
def test_tsdve_variance_is_a_dawson_function(gamma: float) -> None:
    # ∫₀ᵗ e^{2Lv − γ(t² − v²)} dv by completing the square; c cancels from σ(t)/σ(1) = σ(t)/σ_max.
    process, t = TSDVE(gamma, 0.01, 1.0), np.linspace(0.1, 1, 10)
    root, log_kappa = math.sqrt(gamma), math.log(100)
    integral = np.exp(2 * log_kappa * t) * dawsn(root * t + log_kappa / root)
    integral -= np.exp(-gamma * t**2) * dawsn(log_kappa / root)
    np.testing.assert_allclose(process.std(t), np.sqrt(integral / integral[-1]), rtol=1e-12)


def test_values_by_hand() -> None:
    assert OUVE().scale(1.0) == pytest.approx(0.36787944117)
    assert OUVE().std(1.0) ** 2 == pytest.approx(1 - 1e-4 * math.exp(-2))
    assert OUVE().diffusion(0.5) ** 2 == pytest.approx(2 * 0.01 * (1 + math.log(100)))
    assert OUVE(2.0, 0.1, 0.3).std(0.5) ** 2 == pytest.approx(0.01 * (3 - math.exp(-2)))
    assert TSDVE(2).scale(0.5) == pytest.approx(math.exp(-0.25))
    assert CosVE(math.pi).scale(0.5) == pytest.approx(math.exp(1 - math.pi / 2))
    assert [CosVE().drift_rate(t) for t in (0.0, 0.5, 1.0)] == pytest.approx([0, 1, 2])


@pytest.mark.parametrize(
    ("t", "std", "log_snr"), [(1.0, 1.0, -1.0), (0.7, 0.251, 0.68), (0.3, 0.039, 2.94), (0.03, 0.0061, 5.06)]
)
def test_values_of_the_papers_process(t: float, std: float, log_snr: float) -> None:
    assert OUVE().std(t) == pytest.approx(std, rel=0.03)
    assert OUVE().log_snr(t) == pytest.approx(log_snr, abs=0.01)


@pytest.mark.parametrize("process", SOME, ids=str)
def test_noise_starts_at_nothing_and_ends_at_sigma_max(process: PaperProcess) -> None:
    assert process.std(0.0) == 0
    assert process.scale(0.0) == 1
    assert process.log_snr(0.0) == math.inf
    closed_form = isinstance(process, OUVE) and process.growth == "exponential"
    short = process.sigma_min**2 * math.exp(-2 * process.gamma) if closed_form else 0
    assert process.std(1.0) ** 2 == pytest.approx(process.sigma_max**2 - short, rel=1e-12)
    # The noise grows as κ^t or along a line to κ, and close to 0 the process is Brownian motion with g(0).
    kappa = process.sigma_max / process.sigma_min
    middle = math.sqrt(kappa) if process.growth == "exponential" else (1 + kappa) / 2
    assert process.diffusion(1.0) / process.diffusion(0.0) == pytest.approx(kappa)
    assert process.diffusion(0.5) / process.diffusion(0.0) == pytest.approx(middle)
    assert process.std(1e-9) == pytest.approx(process.diffusion(0.0) * 1e-9**0.5, rel=1e-6)


@pytest.mark.parametrize("process", [VP(), VP(1, 12, 0.3)], ids=str)
def test_vp_preserves_the_variance(process: VP) -> None:
    t = np.linspace(0, 1, 21)
    np.testing.assert_allclose(process.scale(t) ** 2 * process.std_max**2 + process.std(t) ** 2, process.std_max**2)
    assert VP().scale(1.0) == pytest.approx(math.exp(-10.05 / 2))


@pytest.mark.parametrize("process", [Bridge(), Bridge(0.4, 1.0), Bridge(0.5, 0.3)], ids=str)
def test_a_bridge_is_free_motion_that_is_known_to_end_in_y(process: Bridge) -> None:
    # I2SB's posterior: of N(x0, V(t)) from the start and N(y, V(1) − V(t)) from the end, weighted by precision.
    for t in (0.01, 0.3, 0.5, 0.77, 0.999):
        before, _ = integrate.quad(lambda v: process.diffusion(v) ** 2, 0, t, points=[0.5], epsrel=1e-12)
        after, _ = integrate.quad(lambda v: process.diffusion(v) ** 2, t, 1, points=[0.5], epsrel=1e-12)
        assert before + after == pytest.approx(process.std_max**2, rel=1e-9)
        assert process.scale(t) == pytest.approx(after / (before + after), rel=1e-9)
        assert process.std(t) ** 2 == pytest.approx(before * after / (before + after), rel=1e-9)
    assert (process.scale(1.0), process.std(1.0), process.ratio(1.0), process.log_snr(1.0)) == (
        0,
        0,
        math.inf,
        -math.inf,
    )


@pytest.mark.parametrize("process", OTHERS, ids=str)
@pytest.mark.parametrize("ratio", [1e-4, 0.01, 0.1, 1.0, 5.0])
def test_the_clock_of_the_others_runs_backwards_too(process: Process, ratio: float) -> None:
    assert process.ratio(process.time_of_ratio(ratio)) == pytest.approx(ratio, rel=1e-9)
    assert process_from_card(json.loads(json.dumps(process.card()))) == process


def test_without_drift_the_processes_are_one() -> None:
    t = np.linspace(0, 1, 11)
    np.testing.assert_allclose(TSDVE(0).std(t), CosVE(0).std(t), rtol=1e-13)
    np.testing.assert_allclose(TSDVE(0).std(t), OUVE(0).std(t) / OUVE(0).std(1.0), rtol=1e-13)


# ------------------------------------------------------------------------------------------- the process: (E1), (E2)


@given(process=paper_processes, a=inner_times, b=inner_times, c=inner_times)
@settings(deadline=None, max_examples=50)
def test_chapman_kolmogorov(process: PaperProcess, a: float, b: float, c: float) -> None:
    # r_t | r_s is Gaussian with scale k_t/k_s; going s → t → u equals going s → u, and going 0 → s → u equals 0 → u.
    s, t, u = sorted((a, b, c))

    def step(s: float, t: float) -> tuple[float, float]:
        scale = process.scale(t) / process.scale(s)
        variance, _ = integrate.quad(
            lambda v: (process.scale(t) / process.scale(v) * process.diffusion(v)) ** 2, s, t, epsabs=1e-13
        )
        return scale, variance

    (k1, v1), (k2, v2), (k, v) = step(s, t), step(t, u), step(s, u)
    assert k1 * k2 == pytest.approx(k, rel=1e-12)
    assert k2**2 * v1 + v2 == pytest.approx(v, rel=1e-7, abs=1e-12)
    assert process.std(u) ** 2 == pytest.approx(k**2 * process.std(s) ** 2 + v, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("process", [kind(gamma=2.0) for kind in KINDS], ids=str)
def test_simulated_paths_have_the_promised_distribution(process: Process) -> None:
    rng, steps, residual = np.random.default_rng(1), 400, 0.9
    r = np.full(20_000, residual)
    for t in (np.arange(steps) + 0.5) / steps:
        r += -process.drift_rate(t) * r / steps + process.diffusion(t) * rng.standard_normal(len(r)) / steps**0.5
    expected = stats.norm(process.scale(1.0) * residual, process.std(1.0))
    assert stats.kstest(r, expected.cdf).pvalue > 1e-5


# --------------------------------------------------------------------------------------------- derived clocks: (E5)


def test_what_follows_from_scale_and_std() -> None:
    # Brownian motion has s = √t and λ = −½ ln t.
    t = np.array([1e-150, 0.01, 0.25, 1.0])
    np.testing.assert_allclose(Brownian().ratio(t), np.sqrt(t))
    np.testing.assert_allclose(Brownian().log_snr(t), -np.log(t) / 2)
    np.testing.assert_allclose(Brownian().time_of_ratio(np.sqrt(t)), t, rtol=1e-12)
    assert Brownian().time_of_log_snr(0.0) == 1
    assert Brownian().time_of_log_snr(math.log(2)) == pytest.approx(0.25, rel=1e-14)


@given(process=paper_processes, t=st.floats(1e-12, 1))
@settings(deadline=None)
def test_times_come_back_from_both_clocks(process: PaperProcess, t: float) -> None:
    assert process.time_of_log_snr(process.log_snr(t)) == pytest.approx(t, rel=1e-10)
    assert process.time_of_ratio(process.ratio(t)) == pytest.approx(t, rel=1e-10)


@given(process=paper_processes)
@settings(deadline=None)
def test_log_snr_falls(process: PaperProcess) -> None:
    t = np.linspace(0, 1, 200)
    assert (np.diff(process.log_snr(t)[1:]) < 0).all()
    assert (np.diff(process.ratio(t)) > 0).all()


QUANTITIES = ["drift_rate", "diffusion", "log_scale", "scale", "std", "ratio", "log_snr"]


@pytest.mark.parametrize("process", [kind() for kind in KINDS], ids=str)
@pytest.mark.parametrize("name", [*QUANTITIES, "time_of_log_snr", "time_of_ratio"])
def test_scalars_give_floats_and_arrays_give_float64_arrays(process: PaperProcess, name: str) -> None:
    quantity = getattr(process, name)
    for t in (1, 0.5, np.float64(0.5), np.float32(0.5)):
        assert type(quantity(t)) is float
    times = np.array([[0.25, 0.5, 1.0], [0.125, 0.75, 0.875]], np.float32)
    values = quantity(times)
    assert (values.dtype, values.shape) == (np.float64, (2, 3))
    np.testing.assert_allclose(values, [[quantity(float(t)) for t in row] for row in times], rtol=1e-13, atol=1e-15)
    assert quantity(np.array(0.5)).shape == ()
    assert quantity(np.empty(0)).shape == (0,)


# ------------------------------------------------------------------------------------------------- values and errors


@pytest.mark.parametrize("process", [kind(2, 0.02, 0.7) for kind in KINDS], ids=str)
def test_cards_survive_json(process: PaperProcess) -> None:
    process.std(0.5)
    assert process_from_card(json.loads(json.dumps(process.card()))) == process


def test_cards_may_leave_parameters_out() -> None:
    assert process_from_card({"name": "CosVE", "gamma": 2}) == CosVE(gamma=2.0)


def test_processes_are_values() -> None:
    assert OUVE() == OUVE()
    assert len({OUVE(), OUVE(1.0), OUVE(2.0), TSDVE(), CosVE()}) == 4


@pytest.mark.parametrize("option", [{"gamma": 1.5}, {"sigma_min": 0.02}, {"sigma_max": 0.9}])
@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_matters(kind: type[PaperProcess], option: dict[str, float]) -> None:
    assert abs(kind(**option).log_snr(0.5) - kind().log_snr(0.5)) > 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OUVE(-1), "gamma must be between 0 and 100, got -1"),
        (lambda: OUVE(math.nan), "gamma must be between 0 and 100, got nan"),
        (lambda: OUVE(growth="fast"), "growth must be 'exponential' or 'linear', got 'fast'"),
        (lambda: VP(0), "betas must satisfy 0 < min ≤ max ≤ 1000, got 0 and 20"),
        (lambda: VP(std_max=0), "std_max must be positive, got 0"),
        (lambda: Bridge(floor=0), "std_max must be positive and floor in"),
        (lambda: CosVE(1, 0, 1), "sigmas must satisfy .* got sigma_min 0 and sigma_max 1"),
        (lambda: TSDVE(1, 0.5, 0.5), "sigmas must satisfy"),
        (lambda: TSDVE(1, 0.5, math.inf), "sigmas must satisfy"),
        (lambda: OUVE().std(1.5), r"times must lie in \[0, 1\], got 1.5"),
        (lambda: OUVE().scale(np.array([0.5, math.nan])), r"times must lie in \[0, 1\]"),
        (lambda: OUVE().time_of_log_snr(-5.0), "log-SNRs of this process lie between -1.0000 and .* got -5.0"),
        (lambda: OUVE().time_of_log_snr(math.inf), "got inf"),
        (lambda: OUVE().time_of_log_snr(math.nan), "got nan"),
        (lambda: OUVE().time_of_ratio(3.0), "log-SNRs of this process"),
        (lambda: OUVE().time_of_ratio(0.0), "ratios must be positive, got 0.0"),
        (lambda: process_from_card({"name": "DDPM"}), "no process 'DDPM'; known are OUVE, TSDVE, CosVE, VP, Bridge"),
        (lambda: process_from_card({}), "no process None"),
        (lambda: process_from_card({"name": "OUVE", "beta": 1}), "no parameter 'beta'; known are gamma, sigma_min"),
        (lambda: process_from_card({"name": "OUVE", "gamma": "1"}), "gamma must be a number, got '1'"),
    ],
)
def test_what_is_wrong_is_said(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
