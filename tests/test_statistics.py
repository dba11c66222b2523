"""Intervals and paired tests against exact enumeration, closed forms and simulation."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftrec.evaluate.corruptions import decode, encode
from driftrec.evaluate.measurement import Measurements
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.statistics import difference, mean_of
from driftrec.evaluate.tables import Row

ROOT = Path(__file__).parents[1]


def test_the_interval_is_that_of_the_bootstrap_distribution(rng: np.random.Generator) -> None:
    # Of means of 400 values that distribution is nearly normal, with the deviation of the sample over its root.
    values = rng.normal(3, 2, 400)
    mean = mean_of(values.tolist())
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert mean.value == pytest.approx(values.mean())
    assert (mean.low, mean.high) == pytest.approx((mean.value - half, mean.value + half), abs=0.04 * half)
    assert mean_of(values.tolist()) == mean


def test_the_interval_of_few_values_is_that_of_all_resamples() -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    means = np.array(list(product(values, repeat=5))).mean(axis=1)  # 5⁵, each as likely as the others
    spread = means.std()
    mean = mean_of(values.tolist())
    for bound, quantile in ((mean.low, 0.025), (mean.high, 0.975)):
        # As many resamples fall below the bound as the quantile says, within four standard errors of 9999 draws.
        error = 4 * math.sqrt(quantile * (1 - quantile) / 9999)
        below, at_most = (means < bound - 1e-9).mean(), (means <= bound + 1e-9).mean()
        assert below - error <= quantile <= at_most + error
        assert abs(bound - mean.value) < 4 * spread


def test_the_intervals_that_were_published_are_found_again(data_folder: Path) -> None:
    # The committed intervals of plain JPEGs of LIVE1 were computed by a bootstrap written by hand.  Two draws of 9999
    # resamples differ in the quantiles of 0.025 and 0.975 by about √2 · 0.027 standard errors of the mean.
    clean = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((data_folder / "test/live1").glob("*.png"))]
    rows = map(Row.of, Measurements.read(ROOT / "docs/measured/results_live1-color.jsonl").entries)
    published = {row.corruption: row.mean for row in rows if (row.method, row.metric) == ("JPEG", "psnr")}
    for quality in (5, 10, 20, 30, 40):
        values = np.array([psnr(decode(encode(picture, quality)), picture) for picture in clean])
        found, old = mean_of(values.tolist()), published[f"q{quality}"]
        assert found.value == pytest.approx(old.value, abs=1e-4)
        tolerance = 4 * math.sqrt(2) * 0.027 * values.std() / math.sqrt(len(values))
        assert found.low == pytest.approx(old.low, abs=tolerance)
        assert found.high == pytest.approx(old.high, abs=tolerance)


def test_the_interval_covers_the_truth_as_often_as_it_says(rng: np.random.Generator) -> None:
    covered = [m.low <= 1 <= m.high for m in (mean_of(rng.exponential(1, 60).tolist()) for _ in range(120))]
    assert 0.86 <= np.mean(covered) <= 0.99  # 95 %, a little less for skewed values


def test_one_value_and_infinite_values_have_no_interval() -> None:
    assert mean_of([2.5]).low == mean_of([2.5]).high == 2.5
    assert mean_of([1.0, math.inf]).value == math.inf
    with pytest.raises(ValueError, match="no values"):
        mean_of([])


def test_the_sign_flip_test_is_exact_for_few_pictures(rng: np.random.Generator) -> None:
    a, b = rng.normal(0.5, 1, 9), rng.normal(0, 1, 9)
    d = a - b
    means = [abs(np.mean(np.array(signs) * d)) for signs in product((-1, 1), repeat=9)]
    expected = np.mean([m >= abs(d.mean()) - 1e-12 for m in means])
    assert difference(a, b).p == pytest.approx(expected)
    assert difference(a, b).mean.value == pytest.approx(d.mean())


def test_equal_methods_are_rarely_told_apart(rng: np.random.Generator) -> None:
    p = [difference(rng.normal(0, 1, 20), np.zeros(20)).p for _ in range(100)]
    assert np.mean(np.array(p) < 0.1) < 0.2
    assert difference(rng.normal(3, 1, 20), np.zeros(20)).p < 0.001


def test_pictures_that_are_equal_count_as_no_difference() -> None:
    same = difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (same.mean.value, same.p) == (0, 1)
    with pytest.raises(ValueError, match="paired"):
        difference([1.0], [1.0, 2.0])


def test_pairs_with_an_infinite_value_do_not_count() -> None:
    infinite = float("inf")
    compared = difference([infinite, infinite, 3.0, 1.5], [infinite, 2.0, 1.0, 1.0])
    assert (compared.mean.value, compared.mean.count) == (1.25, 2)
