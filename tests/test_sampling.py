"""Plans: sampling starts where the file's loss says, and ends as every sampler does; networks as `Denoise`."""

from dataclasses import replace

import numpy as np
import pytest

from driftrec.diffusion.oracle import GaussianPairs
from driftrec.diffusion.plan import Plan, plan_from_card
from driftrec.diffusion.process import OUVE, VP, CosVE, Process
from driftrec.diffusion.samplers import seeded_noise
from driftrec.diffusion.types import Anchor
from driftrec.model.card import Card
from driftrec.model.runner import Runner

PLAN = Plan(CosVE(), evaluations=5, start=0.5, end=0.03, eta=0.7, level=0.004)


def test_the_start_follows_the_change_up_to_its_limit() -> None:
    for change in (0.008, 0.01, 0.015):
        times = PLAN.times(change)
        assert len(times) == 4
        assert PLAN.process.ratio(times[0]) == pytest.approx(change**2 / 0.004)
        assert times[-1] == 0.03
    assert PLAN.times(0.2)[0] == pytest.approx(0.5)


def test_a_single_time_lies_half_way() -> None:
    first, *_, last = PLAN.times(0.015)
    (only,) = PLAN.times(0.015, evaluations=2)
    assert PLAN.process.ratio(only) ** 2 == pytest.approx(PLAN.process.ratio(first) * PLAN.process.ratio(last))


def test_nothing_is_sampled_where_nothing_was_lost() -> None:
    assert PLAN.times(1e-4) == ()
    assert PLAN.times(0.05, evaluations=1) == ()


def test_samples_begin_with_the_faithful_estimate_and_count_their_evaluations() -> None:
    pairs, y = GaussianPairs(PLAN.process, 0.02, 0.03**2), np.zeros((1, 1, 60, 60), np.float32)
    faithful = y + np.float32(pairs.mean)
    estimates = list(PLAN.sample(pairs.denoise, y, faithful, 0.05, noise=seeded_noise([0])))
    assert len(estimates) == PLAN.evaluations
    assert estimates[0] is faithful
    assert estimates[-1].std() == pytest.approx(0.03, rel=0.2)  # the spread of clean images, which the mean lacks
    assert [e is faithful for e in PLAN.sample(pairs.denoise, y, faithful, 0.0, noise=seeded_noise([0]))] == [True]


def test_a_finisher_makes_the_last_evaluation_and_no_other() -> None:
    pairs, y = GaussianPairs(PLAN.process, 0.02, 0.03**2), np.zeros((1, 1, 20, 20), np.float32)
    calls: list[tuple[str, float]] = []

    def denoise(xt: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        calls.append(("denoise", t))
        return pairs.denoise(xt, y, t)

    def finish(_: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        calls.append(("finish", t))
        return np.full_like(y, 0.25)

    plan = replace(PLAN, colour="none")
    *_, last = plan.sample(denoise, y, y + np.float32(0.02), 0.05, noise=seeded_noise([0]), finish=finish)
    assert [name for name, _ in calls] == ["denoise"] * 3 + ["finish"]
    assert [t for _, t in calls] == list(plan.times(0.05))
    assert (last == 0.25).all()
    assert len(list(plan.sample(denoise, y, y, 0.0, noise=seeded_noise([0]), finish=finish))) == 1
    assert len(calls) == 4


def test_cards_round_trip() -> None:
    assert plan_from_card(PLAN.card()) == PLAN
    for change in ({"speed": 1}, {"process": {"name": "DDPM"}}, {"eta": 2.0}):
        with pytest.raises(ValueError, match=r"not a sampling plan|no process|eta"):
            plan_from_card(PLAN.card() | change)


@pytest.mark.parametrize("options", [{"evaluations": 0}, {"end": 0.5}, {"eta": -1}, {"level": 0}])
def test_wrong_settings_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Plan(**options)


class GaussianRunner(Runner):
    """The exact network for residuals N(0.02, 0.03²) from the anchor, in a network's coordinates: r/k = r0 + s z."""

    def __init__(self, anchor: Anchor, finisher: bool = False) -> None:
        self.card = Card("exact", 1, 0.0, np.inf, replace(PLAN, anchor=anchor), finisher=finisher)

    def __call__(self, residual: np.ndarray, ratio: float, y: np.ndarray, *, finish: bool = False) -> np.ndarray:
        anchor = y if self.card.plan.anchor == "corrupted" else np.float32(0.5)
        gain = 0.0 if np.isinf(ratio) else 0.03**2 / (0.03**2 + ratio**2)
        return anchor + np.float32(finish) + 0.02 + gain * (residual - 0.02)


@pytest.mark.parametrize("anchor", ["corrupted", "gray"])
@pytest.mark.parametrize("process", [OUVE(), CosVE(), VP()], ids=str)
def test_one_network_denoises_the_states_of_every_process(process: Process, anchor: Anchor) -> None:
    rng, runner = np.random.default_rng(0), GaussianRunner(anchor, finisher=True)
    xt, y = rng.random((2, 2, 3, 4, 4), dtype=np.float32)
    before, centre = xt.copy(), y if anchor == "corrupted" else np.full_like(y, 0.5)
    expected = GaussianPairs(process, 0.02, 0.03**2).denoise(xt, centre, 0.3)
    np.testing.assert_allclose(runner.denoiser(process)(xt, y, 0.3), expected, atol=1e-6)
    finish = runner.finisher(process)
    assert finish is not None
    np.testing.assert_allclose(finish(xt, y, 0.3), expected + 1, atol=1e-6)
    np.testing.assert_allclose(runner.regression()(xt, y, 0.3), centre + 0.02, atol=1e-6)
    np.testing.assert_array_equal(xt, before)
    assert GaussianRunner(anchor).finisher(process) is None
