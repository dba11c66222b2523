"""Time grids: their ends, their even spacing in their own clock, and their limits."""

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftrec.diffusion.grids import uniform_log_snr, uniform_time
from driftrec.diffusion.process import OUVE, TSDVE, CosVE, Process

PROCESSES = [OUVE(), TSDVE(2), CosVE()]


def grids_of(process: Process) -> list[Callable[..., tuple[float, ...]]]:
    return [uniform_time, partial(uniform_log_snr, process)]


@given(
    process=st.sampled_from(PROCESSES),
    which=st.integers(0, 1),
    count=st.integers(1, 12),
    end=st.floats(1e-4, 0.4),
    start=st.floats(0.5, 1),
)
@settings(deadline=None)
def test_grids_fall_from_start_to_end(process: Process, which: int, count: int, end: float, start: float) -> None:
    times = grids_of(process)[which](count, start=start, end=end)
    assert len(times) == count
    assert all(type(t) is float for t in times)
    assert all(u < t for t, u in itertools.pairwise(times))
    assert (times[0], times[-1]) == (start, end if count > 1 else start)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_each_grid_is_even_in_its_clock(process: Process) -> None:
    ends = {"start": 0.9, "end": 0.1}
    for times, clock in [
        (uniform_time(8, **ends), lambda t: t),
        (uniform_log_snr(process, 8, **ends), process.log_snr),
    ]:
        gaps = np.diff([clock(t) for t in times])
        np.testing.assert_allclose(gaps, gaps[0], rtol=1e-9)


def test_uniform_time_by_hand() -> None:
    assert uniform_time(1) == (1.0,)
    assert uniform_time(2) == (1.0, 0.03)
    assert uniform_time(4, start=0.8, end=0.2) == pytest.approx((0.8, 0.6, 0.4, 0.2))


def test_every_option_matters() -> None:
    process = OUVE()
    grids = [
        uniform_time(5),
        uniform_time(5, start=0.5),
        uniform_time(5, end=0.01),
        uniform_log_snr(process, 5),
        uniform_log_snr(CosVE(), 5),
        uniform_log_snr(process, 5, start=0.5),
        uniform_log_snr(process, 5, end=0.01),
    ]
    assert len(set(grids)) == len(grids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "a grid needs at least 1 time, got 0"),
        ({"start": 1.1}, "got start 1.1 and end 0.03"),
        ({"end": 0}, "got start 1.0 and end 0"),
        ({"start": 0.1, "end": 0.2}, "0 < end < start ≤ 1"),
        ({"start": float("nan")}, "got start nan"),
    ],
)
@pytest.mark.parametrize("grid", grids_of(OUVE()))
def test_wrong_grids_are_refused(grid, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grid(**{"count": 3} | options)
