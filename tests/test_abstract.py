"""What is said of the paper's abstract, and the means behind it."""

import math

import numpy as np
import pytest

import claims
from abstract import PRIOR, below, verdict
from driftrec.evaluate.benchmark import Record
from driftrec.evaluate.measurement import Conditions, Measurement


def value(number: float, high: float | None = None) -> Measurement:
    return Measurement({"damage": "twice"}, "LPIPS", number, "", "{}", Conditions("a machine", "some code"), high=high)


@pytest.mark.parametrize(
    ("holds", "word"), [([True, True], "yes"), ([True, False], "partly"), ([False], "no"), ([True], "yes")]
)
def test_a_verdict_says_how_much_holds(holds: list[bool], word: str) -> None:
    assert verdict(holds) == word


def test_nothing_compared_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="nothing was compared"):
        verdict([])


@pytest.mark.parametrize(
    ("difference", "high", "file", "ahead"),
    [(-0.1, -0.05, 0.3, True), (-0.1, 0.01, 0.3, False), (-0.1, -0.05, 0.15, False), (0.1, 0.2, 0.5, False)],
)
def test_a_restoration_is_ahead_only_of_both_regression_and_file(
    difference: float, high: float, file: float, ahead: bool
) -> None:
    assert below(value(difference, high), value(0.3), value(file)) == ahead


def test_no_picture_is_nearer_to_gaussian_noise() -> None:
    noise = np.random.default_rng(0).standard_normal((256, 256))
    psnr = [10 * math.log10(4 / np.mean(np.square(noise - level))) for level in (-1, -0.5, 0, 0.5, 1)]
    assert max(psnr) == pytest.approx(PRIOR, abs=0.05)
    assert psnr.index(max(psnr)) == 2


def test_means_are_taken_over_all_corruptions_of_a_picture() -> None:
    records = [
        Record(picture, corruption, method, "", 8, 8, 1.0, None, None, None, {"psnr": psnr})
        for picture, method, psnr_of in (("a", "x", (20.0, 30.0)), ("b", "x", (40.0, 44.0)), ("a", "y", (1.0, 2.0)))
        for corruption, psnr in zip(("q10+q30", "q30+q10"), psnr_of, strict=True)
    ]
    found = claims.means("twice", records)
    assert [(r.picture, r.method, r.corruption, r.metrics["psnr"]) for r in found] == [
        ("a", "x", "twice", 25.0),
        ("b", "x", "twice", 42.0),
        ("a", "y", "twice", 1.5),
    ]
