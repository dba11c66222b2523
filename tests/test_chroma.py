"""Chroma that follows luma: lines, their weights, and what they bring real files."""

import math

import numpy as np
import pytest

from driftrec.jpeg import Cells, JpegFile, read_jpeg
from driftrec.jpeg.blocks import YCBCR
from driftrec.restoration import chroma
from driftrec.restoration.chroma import Known, known_of_file, lines, predict_chroma, with_chroma_from_luma
from driftrec.restoration.restored import Restored
from driftrec.restoration.restorer import Restorer
from support import CROPS, jpeg_file, opened, psnr, text_page

PAPER, INK = (250, 220, 120), (30, 40, 160)

NEVER = np.tile(np.array([0, 0, 0, 0, -chroma.MOST], np.float32), (len(chroma.SIDES), 1))
"""Weights with which chroma stays as it is."""


def coneflowers() -> np.ndarray:
    return opened((CROPS / "coneflowers.png").read_bytes())


def as_float(pixels: np.ndarray) -> np.ndarray:
    return np.float32(pixels) / np.float32(255)


def cells_of(pixels: np.ndarray, quality: int = 40, subsampling: str = "4:2:0") -> Cells:
    return Cells(read_jpeg(jpeg_file(pixels, quality=quality, subsampling=subsampling)))


def known(file: JpegFile) -> Known:
    found = known_of_file(file)
    assert found is not None
    return found


def chroma_of(pixels: np.ndarray) -> np.ndarray:
    return 255 * pixels.astype(np.float64) @ YCBCR[1:].T


def chroma_error(pixels: np.ndarray, clean: np.ndarray) -> float:
    """Mean square error in squared levels."""
    return float(np.mean((chroma_of(pixels) - chroma_of(as_float(clean))) ** 2))


def two_colours(height: int = 96, width: int = 96) -> np.ndarray:
    """Antialiased discs of one colour on another, so that all pixels lie on a line."""
    row, column = np.mgrid[:height, :width]
    distance = np.hypot(row % 32 - 15.3, column % 32 - 14.8)
    share = np.clip(10.5 - distance, 0, 1)[..., None]
    return np.rint(share * INK + (1 - share) * PAPER).astype(np.uint8)


def halved(pixels: np.ndarray) -> np.ndarray:
    """The picture with chroma that is the mean of 2×2 pixels."""
    planes = pixels @ YCBCR.T
    means = planes.reshape(pixels.shape[0] // 2, 2, -1, 2, 3).mean(axis=(1, 3))[..., 1:]
    planes[..., 1:] = means.repeat(2, 0).repeat(2, 1)
    return (planes @ np.linalg.inv(YCBCR).T).astype(np.float32)


def test_lines_are_those_of_least_squares() -> None:
    """(E30), beside numpy's fit of the means in some windows."""
    rng = np.random.default_rng(0)
    y, c = (rng.normal(0, 30, (24, 32)).astype(np.float32) for _ in range(2))
    c = (0.4 * y + 0.3 * c).astype(np.float32)
    for side, line in zip(chroma.SIDES, lines(y, [c])[0], strict=True):
        for row, column in [(12, 15), (9, 20)]:
            reach = side // 2
            rows, columns = slice(row - reach, row + reach + 1), slice(column - reach, column + reach + 1)
            slope, intercept = np.polyfit(y[rows, columns].ravel().astype(float), c[rows, columns].ravel(), 1)
            left = np.mean((c[rows, columns] - slope * y[rows, columns] - intercept) ** 2)
            assert line.slope[row, column] == pytest.approx(slope, abs=2e-3)  # ε makes it a little flatter
            assert line.intercept[row, column] == pytest.approx(intercept, abs=0.05)
            change = abs(slope * y[row, column] + intercept - c[row, column])
            assert line.left[row, column] == pytest.approx(math.log(left + chroma.LEAST_LEFT), abs=0.02)
            assert line.change[row, column] == pytest.approx(math.log1p(change), abs=0.02)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_colours_on_a_line_are_found_again(subsampling: str) -> None:
    clean = two_colours()
    estimate = halved(as_float(clean))
    moved = estimate.copy()
    predict_chroma(moved, known(cells_of(clean, 75, subsampling).file))
    np.testing.assert_allclose(moved @ YCBCR[0], estimate @ YCBCR[0], atol=2e-3)  # luma stays
    assert chroma_error(moved, clean) < 0.3 * chroma_error(estimate, clean)


def test_each_round_ends_in_the_likely_parts_and_the_estimate_stays() -> None:
    estimate, cells = halved(as_float(two_colours())), cells_of(two_colours())
    kept = expected = estimate.copy()
    for _ in range(chroma.ROUNDS):
        moved = expected.copy()
        predict_chroma(moved, known(cells.file))
        expected = cells.improve(moved)
    np.testing.assert_array_equal(with_chroma_from_luma(estimate, cells), expected)
    np.testing.assert_array_equal(estimate, kept)
    predict_chroma(estimate, known(cells.file))
    np.testing.assert_array_equal(with_chroma_from_luma(estimate, cells, predicted=True), expected)


def test_what_is_known_of_chroma() -> None:
    clean = two_colours()
    step = (18 + 18 + 21 + 24 + 24) / 5  # table K.2
    assert known(cells_of(clean, 50).file) == pytest.approx((step, 4))
    assert chroma.known_of_quality(50) == pytest.approx((step, 4))
    assert known(cells_of(clean, 50, "4:2:2").file) == pytest.approx((step, 2))
    assert known(cells_of(clean, 50, "4:4:4").file) == pytest.approx((step, 1))
    assert Known(step, 4).inputs == pytest.approx((math.log(step), 1))


@pytest.mark.parametrize(("mode", "options"), [("L", {}), ("RGB", {"keep_rgb": True})])
def test_files_without_chroma_are_only_drawn_to_their_cells(mode: str, options: dict[str, bool]) -> None:
    file = read_jpeg(jpeg_file(two_colours(), mode, quality=30, **options))
    assert file.colour in ("gray", "RGB")
    pixels = halved(as_float(two_colours()))
    np.testing.assert_array_equal(with_chroma_from_luma(pixels, Cells(file)), Cells(file).improve(pixels))


def test_bands_of_rows_and_odd_sides_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = two_colours()[:91, :87]
    pixels, cells = as_float(opened(jpeg_file(clean, quality=30))), cells_of(clean, 30)
    whole = with_chroma_from_luma(pixels, cells)
    assert whole.shape == pixels.shape
    monkeypatch.setattr(chroma, "ROWS", 16)
    np.testing.assert_allclose(with_chroma_from_luma(pixels, cells), whole, atol=1e-4)


@pytest.mark.parametrize("quality", [20, 75])
@pytest.mark.parametrize("mode", ["faithful", "decode"])
def test_coloured_text_comes_nearer_to_the_original(mode: str, quality: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = text_page(150, PAPER, INK)
    assert_nearer(clean, quality, mode, 0.9, monkeypatch)


@pytest.mark.parametrize("quality", [10, 40, 75])
def test_natural_restorations_are_made_of_the_predicted_estimate(quality: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_nearer(text_page(150, PAPER, INK), quality, "natural", 0.9, monkeypatch)
    assert_nearer(coneflowers(), quality, "natural", 0.99, monkeypatch)


@pytest.mark.parametrize("mode", ["faithful", "natural"])
def test_pictures_whose_file_is_lost_have_their_chroma_predicted(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a decoded JPEG, brightened, has the trace of a compression only."""
    clean = coneflowers()
    shown = np.minimum(opened(jpeg_file(clean, quality=20))[3:, 5:].astype(int) + 2, 255).astype(np.uint8)
    restored, without = of_source(shown, mode, monkeypatch)
    assert restored.note == "it was once a JPEG of quality 20"
    brighter = np.minimum(clean[3:, 5:].astype(int) + 2, 255).astype(np.uint8)
    assert chroma_error(restored.pixels, brighter) < 0.97 * chroma_error(without.pixels, brighter)


@pytest.mark.parametrize("quality", [10, 40, 75])
def test_colourful_photographs_come_nearer_to_the_original(quality: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_nearer(coneflowers(), quality, "faithful", 0.96, monkeypatch)


@pytest.mark.parametrize("quality", [10, 75])
def test_photographs_with_hardly_any_colour_lose_nothing(quality: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = opened((CROPS / "otter.png").read_bytes())
    restored, without = with_and_without(clean, quality, "faithful", monkeypatch)
    assert psnr(restored.pixels, as_float(clean)) > psnr(without.pixels, as_float(clean)) - 0.02


def assert_nearer(clean: np.ndarray, quality: int, mode: str, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of chroma falls at least to a share of it, and the picture stays in its cells."""
    restored, without = with_and_without(clean, quality, mode, monkeypatch)
    assert chroma_error(restored.pixels, clean) < least * chroma_error(without.pixels, clean)
    assert psnr(restored.pixels, as_float(clean)) > psnr(without.pixels, as_float(clean))
    assert restored.consistent is not None
    assert restored.consistent > 0.99


def with_and_without(
    clean: np.ndarray, quality: int, mode: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Restored, Restored]:
    return of_source(jpeg_file(clean, quality=quality), mode, monkeypatch, history="single")


def of_source(
    source: bytes | np.ndarray, mode: str, monkeypatch: pytest.MonkeyPatch, **options: str
) -> tuple[Restored, Restored]:
    restorer = Restorer("small", mode=mode, threads=1)
    restored = restorer.restore(source, **options)
    with monkeypatch.context() as patched:
        patched.setattr(chroma, "WEIGHTS", NEVER)
        return restored, restorer.restore(source, **options)
