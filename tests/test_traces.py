"""The search for earlier compressions: what it must find, and what it must not take for one."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator
from PIL import Image, ImageDraw

from driftrec.jpeg import examine, read_jpeg
from driftrec.jpeg.requantised import EVIDENCE, _log_ratio, _monotone, requantised
from support import jpeg, jpeg_file, opened, scene

SIZE = (168, 200)
ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]]


def painted(levels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """A picture between two colours (2, 3), by levels in [0, 1]."""
    return np.rint(colours[0] + (colours[1] - colours[0]) * levels[..., None]).clip(0, 255).astype(np.uint8)


def flat(_: Generator, colours: np.ndarray) -> np.ndarray:
    return painted(np.zeros(SIZE), colours)


def ramp(rng: Generator, colours: np.ndarray) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    levels = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS
    return painted((levels - levels.min()) / np.ptp(levels), colours)


def sky(rng: Generator, colours: np.ndarray) -> np.ndarray:
    levels = np.hypot(ROWS - rng.uniform(0, SIZE[0]), COLUMNS - rng.uniform(0, SIZE[1])) / 300
    return painted(levels + rng.normal(0, 0.01, SIZE), colours)


def night(rng: Generator, _: np.ndarray) -> np.ndarray:
    picture = (np.array([8, 10, 30]) + rng.normal(0, 3, (*SIZE, 1))).clip(0, 255)
    picture[rng.integers(0, SIZE[0], 30), rng.integers(0, SIZE[1], 30)] = 255
    return picture.astype(np.uint8)


def lines(rng: Generator, colours: np.ndarray) -> np.ndarray:
    angle, period = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]), rng.choice([2, 3, 5, 8, rng.uniform(2, 20)])
    along = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS
    return painted(
        0.5 + 0.5 * np.sin(2 * np.pi * along / period) if rng.random() < 0.5 else along % period < 1, colours
    )


def checkers(rng: Generator, colours: np.ndarray) -> np.ndarray:
    side = rng.choice([1, 2, 4, 5, 8, 16])
    return painted((ROWS // side + COLUMNS // side) % 2, colours)


def screentone(rng: Generator, _: np.ndarray) -> np.ndarray:
    period, angle = rng.uniform(3, 10), rng.uniform(0, np.pi)
    u, v = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS, np.cos(angle) * ROWS - np.sin(angle) * COLUMNS
    tone = np.cos(2 * np.pi * u / period) + np.cos(2 * np.pi * v / period)
    return painted(tone > COLUMNS / SIZE[1] - 0.5, np.array([[0] * 3, [255] * 3]))


def drawing(rng: Generator, colours: np.ndarray) -> np.ndarray:
    picture = Image.new("RGB", SIZE[::-1], "white")
    draw = ImageDraw.Draw(picture)
    for _ in range(25):
        left, top = rng.integers(0, 160, 2).tolist()
        draw.line([left, top, left + int(rng.integers(8, 90)), top], fill="black")
        draw.line([left, top, left, top + int(rng.integers(8, 90))], fill="black")
        draw.text((top, left), f"R{left}", fill=tuple(colours[0].astype(int).tolist()))
    return np.asarray(picture)


@pytest.mark.parametrize("kind", [flat, ramp, sky, night, lines, checkers, screentone, drawing])
@pytest.mark.parametrize("seed", range(4))
def test_pictures_that_prove_nothing_have_no_history(kind: Callable[..., np.ndarray], seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = kind(rng, rng.integers(0, 256, (2, 3)).astype(float))
    assert examine(picture).earlier is None
    quality = (30, 50, 75, 95)[seed]
    data = jpeg_file(picture, quality=quality, subsampling=("4:2:0", "4:4:4")[seed % 2])
    report = examine(opened(data), data)
    assert report.earlier is None
    assert 0 <= report.probability < 0.5


@pytest.mark.parametrize("quality", [60, 75])
def test_drawings_in_black_and_white_that_were_saved_twice_are_found(quality: int) -> None:
    """Decoding clips nearly all of their blocks, so their coefficients do not stay multiples of the first steps."""
    picture = drawing(np.random.default_rng(1), np.zeros((2, 3)))
    data = jpeg_file(jpeg(picture, 10), quality=quality)
    report = examine(opened(data), data)
    assert report.earlier is not None
    assert report.earlier.shift == (0, 0)
    assert abs(report.earlier.quality - 10) <= 3


@pytest.mark.parametrize(("first", "last"), [(10, 30), (30, 50), (50, 75), (75, 90), (92, 95)])
def test_the_quality_of_the_first_compression_is_found_exactly(first: int, last: int) -> None:
    picture = np.clip(scene(160, 200) + np.random.default_rng(0).normal(0, 8, (160, 200, 1)), 20, 235).astype(np.uint8)
    evidence, quality = requantised(read_jpeg(jpeg_file(jpeg(picture, first), quality=last)))
    assert evidence > EVIDENCE
    assert abs(quality - first) <= 1
    assert requantised(read_jpeg(jpeg_file(picture, quality=last)))[0] < 0


def test_small_files_are_searched_by_their_coefficients() -> None:
    data = jpeg_file(jpeg(scene(64, 64), 20), quality=85)
    earlier = examine(opened(data), data).earlier
    assert earlier is not None
    assert abs(earlier.quality - 20) <= 2


def test_the_likelihood_ratio_is_that_of_a_hand_calculation(rng: Generator) -> None:
    """Steps 30, then 10, of a flat density: each multiple of 3 is worth log(0.97 · 3 + 0.03) nats."""
    counts = np.zeros(300)
    counts[2::3] = 60
    expected = counts.sum() * (np.log(0.97 * 3 + 0.03) - 0.02)
    assert _log_ratio(counts, 30, 10) == pytest.approx(expected, rel=0.03)
    # Single compressions: a large ratio is improbable, whatever the density.
    for scale in (5, 20, 80):
        values = np.rint(np.abs(rng.laplace(0, scale, 4000)) / 10).astype(int)
        assert _log_ratio(np.bincount(values)[1:].astype(float), 30, 10) < 0


def test_interpolation_between_falling_values_falls(rng: Generator) -> None:
    values = -np.cumsum(rng.exponential(size=20) ** 4)
    x = np.linspace(0, 19, 500)
    assert np.all(np.diff(_monotone(x, values)) <= 1e-9)
    np.testing.assert_allclose(_monotone(np.arange(20.0), values), values)
