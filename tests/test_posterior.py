"""The mode `sample`: exact pairs give the spread that they have, by every process and sampler, and options reach it."""

from pathlib import Path

import numpy as np
import pytest

import driftrec
from driftrec.diffusion.oracle import GaussianPairs
from driftrec.diffusion.plan import Plan
from driftrec.diffusion.posterior import EVALUATIONS, RATIO, PosteriorSampling, posterior_sampling
from driftrec.diffusion.process import OUVE, VP, Bridge, CosVE, Process, process_from_text
from driftrec.diffusion.samplers import NAMES, seeded_noise
from driftrec.evaluate.methods import Driftrec, parse_method
from driftrec.model.card import Card
from driftrec.model.runner import Runner
from driftrec.restoration.estimator import sampling_for
from driftrec.restoration.options import Options
from driftrec.restoration.restorer import Restorer
from driftrec.web.pace import work_of
from support import CROPS, jpeg_file, scene

MEAN, SPREAD = 0.02, 0.03


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer("small", threads=1)


@pytest.mark.parametrize("process", [OUVE(), CosVE(gamma=2), VP(), Bridge()], ids=lambda p: type(p).__name__)
def test_samples_of_exact_pairs_have_their_mean_and_spread(process: Process) -> None:
    pairs, y = GaussianPairs(process, MEAN, SPREAD**2), np.full((1, 1, 80, 80), 0.5, np.float32)
    sampling = posterior_sampling(Plan(), 1.0, process=process, evaluations=60)
    *_, x0 = sampling.sample(pairs.denoise, y, y + np.float32(MEAN), noise=seeded_noise([0]))
    assert x0.mean() == pytest.approx(0.5 + MEAN, abs=3 * SPREAD / 80)
    assert x0.std() == pytest.approx(SPREAD, rel=0.06)


@pytest.mark.parametrize("name", NAMES)
def test_every_sampler_can_be_chosen(name: str) -> None:
    pairs, y = GaussianPairs(OUVE(), MEAN, SPREAD**2), np.full((1, 1, 40, 40), 0.5, np.float32)
    sampling = posterior_sampling(Plan(), 1.0, sampler=name, evaluations=300)
    *_, x0 = sampling.sample(pairs.denoise, y, y + np.float32(MEAN), noise=seeded_noise([0]))
    assert x0.std() == pytest.approx(SPREAD, rel=0.15)


def test_sampling_starts_and_ends_at_the_same_ratios_whatever_the_process() -> None:
    plan = Plan()
    for process in (OUVE(), CosVE(), VP(), Bridge()):
        sampling = posterior_sampling(plan, 1.0, process=process)
        assert process.ratio(sampling.start) == pytest.approx(RATIO)
        assert process.ratio(sampling.end) == pytest.approx(plan.process.ratio(plan.end))
    assert OUVE().ratio(posterior_sampling(plan, 0.2).start) == pytest.approx(0.2)  # what the network was trained for
    weak = OUVE(sigma_max=0.1)  # never reaches the ratio
    assert posterior_sampling(plan, 1.0, process=weak).start == pytest.approx(1.0)


def test_networks_without_a_faithful_estimate_follow_their_plan() -> None:
    plan = Plan(around="file", evaluations=30, start=0.9, end=0.03)
    assert posterior_sampling(plan, 0.3) == PosteriorSampling(OUVE(), 0.9, 0.03, evaluations=30)


def test_a_start_behind_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"start must be above 0\.02, where sampling ends, and at most 1, not 0\.01"):
        sampling_for(Options(mode="sample", start=0.01), Card("a", 1, 0.01, 0.3, Plan()))


def test_processes_are_read_from_text() -> None:
    assert process_from_text("VP") == VP()
    assert process_from_text("CosVE:gamma=2:growth=linear") == CosVE(gamma=2.0, growth="linear")
    for text, sentence in (
        ("OU", "there is no process 'OU'; known are OUVE"),
        ("OUVE:stiffness=2", "OUVE has no parameter 'stiffness'"),
        ("OUVE:gamma", "'gamma' is no parameter of a process: write NAME:PARAMETER=VALUE"),
        ("OUVE:gamma=much", "gamma must be a number, got 'much'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Options(mode="sample", process=text)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sampler": "best"}, "sampler must be one of multistep"),
        ({"start": 0.0}, r"start must be above 0 and at most 1, not 0\.0"),
        ({"mode": "natural", "start": 0.5}, "start is for the mode sample: omit it, or choose that mode"),
        ({"mode": "natural", "process": "VP"}, "process is for the mode sample"),
        ({"mode": "faithful", "sampler": "ddim"}, "sampler is for the mode sample"),
        ({"steps": 1001}, "steps must be between 1 and 1000"),
    ],
)
def test_what_cannot_be_sampled_is_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Options(**{"mode": "sample", **changes})


def test_samples_of_two_seeds_differ_more_than_natural_restorations(restorer: Restorer) -> None:
    data = (CROPS / "otter-q10.jpg").read_bytes()
    spread = {}
    for mode in ("natural", "sample"):
        one, same, other = (restorer.restore(data, mode=mode, seed=seed).pixels for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        spread[mode] = np.sqrt(np.square(one - other).mean())
    assert spread["sample"] > 2 * spread["natural"]


def test_a_mean_of_samples_is_that_of_pictures_in_the_files_cells(restorer: Restorer) -> None:
    data = jpeg_file(scene(48, 64), quality=20)
    singles = [restorer.restore(data, mode="sample", steps=3, seed=seed) for seed in (4, 5, 6)]
    assert [single.consistent for single in singles] == [1.0] * 3
    several = restorer.restore(data, mode="sample", steps=3, seed=4, samples=3)
    assert several.evaluations == 1 + 3 * 3
    pixels = [single.picture.pixels for single in singles]
    np.testing.assert_allclose(several.picture.pixels, np.mean(pixels, axis=0), atol=1e-5)
    expected = np.sqrt(np.var(pixels, axis=0, ddof=1).mean(axis=2))
    np.testing.assert_allclose(several.deviation, expected, atol=1e-5)  # pyright: ignore[reportArgumentType]


class Free(Runner):
    """E[x0 | y] = y + 0.1; at finite ratios it returns the state's own residual, whose low band nobody corrects."""

    def __init__(self) -> None:
        self.card = Card("free", 1, 0.01, 1.0, Plan(), finisher=True, corruption="other")

    def __call__(self, residual: np.ndarray, ratio: float, y: np.ndarray, *, finish: bool = False) -> np.ndarray:  # noqa: ARG002
        assert not finish, "samples end without a finisher"
        return y + np.float32(0.1) if np.isinf(ratio) else y + np.float32(0.3)


def test_neither_low_band_nor_finisher_change_a_sample() -> None:
    grey = np.full((32, 32, 3), 0.5, np.float32)
    seen: list[tuple[int, int]] = []
    sample = Restorer(Free()).restore(grey, mode="sample", steps=4, progress=lambda *at: seen.append(at))
    np.testing.assert_allclose(sample.pixels, 0.8, atol=1e-6)
    assert sample.evaluations == 5
    assert seen == [(done, 5) for done in range(1, 6)]


@pytest.mark.parametrize(("sampler", "steps", "taken"), [("euler-heun", 7, 7), ("annealed-langevin", 6, 6)])
def test_evaluations_are_those_of_the_network(sampler: str, steps: int, taken: int) -> None:
    grey = np.full((32, 32, 3), 0.5, np.float32)
    assert Restorer(Free()).restore(grey, mode="sample", sampler=sampler, steps=steps).evaluations == 1 + taken


def test_adaptive_samplers_take_what_they_need() -> None:
    seen: list[tuple[int, int]] = []
    grey = np.full((32, 32, 3), 0.5, np.float32)
    options = {"mode": "sample", "sampler": "probability-flow", "steps": 2}
    taken = Restorer(Free()).restore(grey, progress=lambda *at: seen.append(at), **options).evaluations
    assert len(seen) == taken > 3
    assert all(done <= total for done, total in seen)


def test_a_benchmark_can_use_every_sampler() -> None:
    method = parse_method("sample:sampler=euler-maruyama,process=CosVE:gamma=2,start=1,steps=30,samples=4")
    assert isinstance(method, Driftrec)
    asked = Options(
        mode="sample", sampler="euler-maruyama", process="CosVE:gamma=2", start=1.0, steps=30, samples=4
    )  # fmt: skip
    assert method.options == asked
    expected = "driftrec mean of samples of 4, 30 steps, sampler euler-maruyama, process CosVE:gamma=2, start 1.0"
    assert method.label == expected
    assert parse_method("sample").label == "driftrec sample"


def test_time_is_predicted_for_all_evaluations(restorer: Restorer) -> None:
    card, faithful = restorer.runner.card, Options(mode="faithful")
    one = work_of(faithful.changed(steps=2), card) - work_of(faithful, card)
    sample = work_of(Options(mode="sample"), card) - work_of(faithful, card)
    assert sample == pytest.approx(EVALUATIONS * one)


def test_the_command_line_samples(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from driftrec.cli.app import app

    asked = ["--mode", "sample", "--sampler", "ancestral", "--process", "TSDVE", "--start", "0.7", "--steps", "2"]
    call = ["restore", str(CROPS / "otter-q10.jpg"), "-o", str(tmp_path / "out.png"), "-v", *asked]
    result = CliRunner().invoke(app, call, catch_exceptions=False)
    assert "sample, 3 evaluations" in result.output
    assert driftrec.open_picture(tmp_path / "out.png").pixels.shape == (128, 136, 3)
