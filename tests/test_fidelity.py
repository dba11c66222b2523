"""Metrics against values worked out by hand, and against the published rows of plain JPEG."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftrec.evaluate.metrics.fidelity import (
    blocking_effect,
    colour_shift,
    luma,
    psnr,
    psnr_b,
    psnr_b_channels,
    psnr_chroma,
    psnr_luma,
    ssim,
    ssim_plain,
)
from support import jpeg_file

BEST = {psnr: math.inf, psnr_luma: math.inf, psnr_b: math.inf, psnr_b_channels: math.inf}
BEST |= {ssim: 1, ssim_plain: 1, colour_shift: 0}
METRICS = list(BEST)


def constant(value: int, shape: tuple[int, ...] = (16, 16, 3)) -> np.ndarray:
    return np.full(shape, value, np.uint8)


def decibels(error: float) -> float:
    return 10 * math.log10(255**2 / error)


def plain_jpegs(folder: Path, quality: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(JPEG, clean) for each picture of a folder; Pillow, 4:2:0 chroma."""
    pairs = []
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as image:
            clean = np.asarray(image)
        with Image.open(io.BytesIO(jpeg_file(clean, quality=quality, subsampling="4:2:0"))) as image:
            pairs.append((np.asarray(image), clean))
    return pairs


# ------------------------------------------------------------------------------------------------- by hand


def test_psnr() -> None:
    assert psnr(constant(100), constant(110)) == pytest.approx(decibels(100))
    assert psnr(constant(110), constant(100)) == psnr(constant(100), constant(110))  # no wrap-around of uint8
    one_channel = constant(0)
    one_channel[..., 0] = 30
    assert psnr(one_channel, constant(0)) == pytest.approx(decibels(900 / 3))


def test_luma_spans_the_studio_range_and_psnr_takes_it_unrounded() -> None:
    red = constant(0)
    red[..., 0] = 100
    assert luma(constant(0))[0, 0] == pytest.approx(16)
    assert luma(constant(255))[0, 0] == pytest.approx(235)
    assert psnr_luma(red, constant(0)) == pytest.approx(decibels((65.481 * 100 / 255) ** 2))


def test_psnr_of_chroma_takes_both_components_of_colours_only() -> None:
    green = constant(0)
    green[..., 1] = 100
    assert psnr_chroma(green, constant(0)) == pytest.approx(decibels((33.126**2 + 41.869**2) / 2), abs=1e-3)
    assert psnr_chroma(constant(100), constant(110)) > 200  # but for rounding
    assert psnr_chroma(constant(100, (16, 16)), constant(110, (16, 16))) is None


def test_gray_pictures_are_their_own_luma() -> None:
    gray = constant(100, (16, 16))
    np.testing.assert_array_equal(luma(gray), gray)
    assert psnr_luma(gray, constant(110, (16, 16))) == psnr(gray, constant(110, (16, 16)))


def test_blocking_effect_of_one_step_at_the_block_boundary() -> None:
    step = np.zeros((16, 16))
    step[:, 8:] = 10
    # 16 of the 16 + 16 steps across the grid are 10, all others 0
    assert blocking_effect(step) == pytest.approx(100 / 2 * math.log(8) / math.log(16))
    assert blocking_effect(step.T) == blocking_effect(step)


def test_blocking_effect_where_sides_are_no_multiples_of_eight() -> None:
    step = np.zeros((12, 20))
    step[:, 16:] = 6
    # the grid has 2 · 12 steps across columns and 20 across rows; 12 of these 44 are 6, all others 0
    assert blocking_effect(step) == pytest.approx(36 * 12 / 44 * math.log(8) / math.log(12))


def test_steps_elsewhere_outweigh_those_at_the_grid() -> None:
    step = np.zeros((16, 16))
    step[:, 8:] = 10
    step[:, 3:] += 2
    # off the grid: 16 steps of 2 among the 2 · 16 · 15 − 32 = 448
    assert blocking_effect(step) == pytest.approx((50 - 4 * 16 / 448) * math.log(8) / math.log(16))
    assert blocking_effect(step[:, 1:]) == 0  # the same steps, none of them on the grid
    assert blocking_effect(np.arange(64).reshape(8, 8)) == 0  # no grid at all


def test_psnr_b_of_gray_is_the_same_in_both_conventions() -> None:
    clean = constant(0, (16, 16))
    restored = clean.copy()
    restored[:, 8:] = 10  # mean square error 50, blocking effect 50 · log 8 / log 16
    assert psnr_b(restored, clean) == pytest.approx(decibels(50 + 50 * 0.75))
    assert psnr_b_channels(restored, clean) == psnr_b(restored, clean)
    assert psnr_b(clean, restored) == pytest.approx(decibels(50))  # only the restored picture is looked at


def test_psnr_b_of_colour_differs_between_the_conventions() -> None:
    clean = constant(0)
    restored = clean.copy()
    restored[:, 8:, 0], restored[..., 1], restored[..., 2] = 10, 10, 20
    # luma: 16 + (128.553 · 10 + 24.966 · 20) / 255 = 23.0 → 23, with red 25.6 → 26: steps of 3
    assert psnr_b(restored, clean) == pytest.approx(decibels((50 + 100 + 400) / 3 + 9 / 2 * 0.75))
    each = [decibels(50 + 50 * 0.75), decibels(100), decibels(400)]
    assert psnr_b_channels(restored, clean) == pytest.approx(np.mean(each))


def test_ssim_of_constants() -> None:
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert ssim(constant(100), constant(110)) == pytest.approx(expected, abs=1e-9)


def test_ssim_is_the_formula_in_every_window_that_fits(rng: np.random.Generator) -> None:
    a, b = rng.integers(0, 256, (2, 13, 14), dtype=np.uint8)
    bell = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
    weights = np.outer(bell, bell) / bell.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    scores = []
    for i, j in np.ndindex(3, 4):
        p, q = (x[i : i + 11, j : j + 11].astype(float) for x in (a, b))
        mp, mq = (weights * p).sum(), (weights * q).sum()
        vp, vq, vpq = (
            (weights * (x * y)).sum() - mx * my for x, y, mx, my in [(p, p, mp, mp), (q, q, mq, mq), (p, q, mp, mq)]
        )
        scores.append((2 * mp * mq + c1) * (2 * vpq + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(scores), abs=1e-9)
    colour = [np.stack([x, x, b], axis=2) for x in (a, b)]
    assert ssim(*colour) == pytest.approx((2 * np.mean(scores) + 1) / 3, abs=1e-9)


def test_ssim_with_a_plain_window_is_the_formula_in_every_window_that_fits(rng: np.random.Generator) -> None:
    a, b = rng.integers(0, 256, (2, 9, 10), dtype=np.uint8)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    scores = []
    for i, j in np.ndindex(2, 3):
        p, q = (x[i : i + 8, j : j + 8].astype(float) for x in (a, b))
        covariance = np.mean((p - p.mean()) * (q - q.mean()))
        luminance = (2 * p.mean() * q.mean() + c1) / (p.mean() ** 2 + q.mean() ** 2 + c1)
        scores.append(luminance * (2 * covariance + c2) / (p.var() + q.var() + c2))
    assert ssim_plain(a, b) == pytest.approx(np.mean(scores), abs=1e-9)
    colour = [np.stack([x, x, b], axis=2) for x in (a, b)]
    assert ssim_plain(*colour) == pytest.approx((2 * np.mean(scores) + 1) / 3, abs=1e-9)


def test_colour_shift_sees_means_only() -> None:
    restored = constant(100)
    restored[..., 0] += 4
    restored[..., 1] -= 3
    assert colour_shift(restored, constant(100)) == pytest.approx(5)
    restored[:8, :, 2], restored[8:, :, 2] = 90, 110  # the same mean
    assert colour_shift(restored, constant(100)) == pytest.approx(5)
    assert colour_shift(constant(90, (16, 16)), constant(100, (16, 16))) == pytest.approx(10)


@pytest.mark.parametrize("metric", METRICS)
def test_equal_pictures_get_the_best_mark(metric) -> None:
    picture = constant(77)
    picture[4:, 4:] = 200  # steps off the grid: on it, PSNR-B would be finite
    assert metric(picture, picture) == pytest.approx(BEST[metric])


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("restored", "clean", "message"),
    [
        (constant(0), constant(0, (16, 32, 3)), "different sizes"),
        (constant(0), constant(0, (16, 16)), "different sizes"),
        (constant(0) / 255, constant(0), "not as float64"),
        (constant(0, (16, 16, 4)), constant(0, (16, 16, 4)), r"not \(16, 16, 4\)"),
        (constant(0, (3, 16, 16)), constant(0, (3, 16, 16)), r"not \(3, 16, 16\)"),
    ],
)
def test_pictures_that_cannot_be_compared(metric, restored, clean, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(restored, clean)


def test_pictures_that_are_too_small() -> None:
    with pytest.raises(ValueError, match="11×11"):
        ssim(constant(1, (10, 20, 3)), constant(1, (10, 20, 3)))
    for metric in (psnr_b, ssim_plain):
        with pytest.raises(ValueError, match="8×8"):
            metric(constant(1, (7, 20, 3)), constant(1, (7, 20, 3)))
    with pytest.raises(ValueError, match="8×8"):
        psnr_b(constant(1, (7, 20, 3)), constant(1, (7, 20, 3)))


# ------------------------------------------------------------------------------------------------- published rows


@pytest.mark.parametrize(
    ("quality", "published"),
    [
        (10, (25.69, 24.20, 0.759)),
        (20, (28.06, 26.49, 0.841)),
        (30, (29.37, 27.84, 0.875)),
        (40, (30.28, 28.84, 0.894)),
    ],
)
def test_live1_in_colour_reads_as_in_jdec(data_folder: Path, quality: int, published: tuple[float, ...]) -> None:
    pairs = plain_jpegs(data_folder / "test/live1", quality)
    assert len(pairs) == 29
    measured = np.mean([(psnr(*pair), psnr_b(*pair), ssim_plain(*pair)) for pair in pairs], axis=0)
    assert (np.abs(measured - published) < [0.01, 0.01, 0.001]).all()


@pytest.mark.parametrize(
    ("quality", "published"),
    [
        (10, (27.82, 25.21, 0.760)),
        (20, (30.12, 27.50, 0.834)),
        (30, (31.48, 28.94, 0.867)),
        (40, (32.43, 29.92, 0.885)),
    ],
)
def test_classic5_in_gray_reads_as_in_fbcnn(data_folder: Path, quality: int, published: tuple[float, ...]) -> None:
    pairs = plain_jpegs(data_folder / "test/classic5", quality)
    assert len(pairs) == 5
    measured = np.mean([(psnr(*pair), psnr_b(*pair), ssim(*pair)) for pair in pairs], axis=0)
    assert (np.abs(measured - published) < [0.006, 0.006, 0.0006]).all()  # as printed, up to rounding
