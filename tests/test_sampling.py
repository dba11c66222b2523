"""Plans: sampling starts where the file's loss says, and ends as every sampler does."""

from dataclasses import replace

import numpy as np
import pytest

from driftrec.diffusion.oracle import GaussianPairs
from driftrec.diffusion.plan import Plan, plan_from_card
from driftrec.diffusion.process import CosVE
from driftrec.diffusion.samplers import seeded_noise

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
