"""The short trainings that compare shapes and inputs: what a trial saves is all that it needs."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from informed.evidence import compressed
from informed.network import InformedConfig
from informed.packed import Batch, batch_of
from model_trials import Run, Trial, cost_of

TINY = InformedConfig(channels=(8, 12), encoder=(1, 1), decoder=(1,), colour="ycc", tables=True, grid=True)


def batch(number: int) -> Batch:
    pixels = np.random.default_rng(number).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    return batch_of([(clean, compressed(clean, 30, "4:2:0")) for clean in pixels])


@pytest.mark.parametrize("regression", [0.5, 1.0])
def test_a_resumed_trial_ends_where_an_uninterrupted_one_does(tmp_path: Path, regression: float) -> None:
    trial = Trial(TINY, "expected", regression=regression, batch=2, compiled=False)

    def run(state: str) -> Run:
        return Run("tiny", trial, Namespace(state=tmp_path / state, steps=4, crop=32))

    whole, first = run("whole"), run("parts")
    for number in range(4):
        whole.step(batch(number))
    for number in range(2):
        first.step(batch(number))
    first.save()
    second = run("parts")
    assert second.steps == 2
    for number in range(2, 4):
        second.step(batch(number))
    assert second.progress == 1
    for name, weights in whole.network.named_parameters():
        torch.testing.assert_close(dict(second.network.named_parameters())[name], weights)
        torch.testing.assert_close(second.ema.weights[name], whole.ema.weights[name])


def test_cost_counted_by_hand() -> None:
    # At half resolution stem, head and two blocks; one block and both 1×1 maps at a quarter.
    by_hand = (9 * 32 * 8 + 9 * 8 * 12 + 4 * 9 * 8 * 8) / 4 + (2 * 9 * 12 * 12 + 32 * 12 + 12 * 32) / 16
    assert cost_of(TINY).multiply_adds == by_hand
