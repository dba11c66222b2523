"""Schedule-free training, against what its sequences are by hand."""

import pytest
import torch


def test_the_three_sequences_by_hand() -> None:
    from schedule_free import ScheduleFree

    model, beta = torch.nn.Linear(1, 1, bias=False), 0.9
    torch.nn.init.constant_(model.weight, 5.0)
    average = ScheduleFree(model, beta)
    for step in range(1, 8):
        with torch.no_grad():
            model.weight -= 0.25  # the optimiser's step, from y
        average.update(model, step)
        z, x = 5 - 0.25 * step, 5 - 0.25 * (step + 1) / 2  # x: the mean of all z so far
        assert average.weights["weight"].item() == pytest.approx(x, rel=1e-6)
        assert model.weight.item() == pytest.approx((1 - beta) * z + beta * x, rel=1e-6)
