"""Solid colours of drawings: found, told from those of gradients, and used for what lies near them."""

import math

import numpy as np
import pytest
from PIL import Image

from driftrec.jpeg import Cells, read_jpeg
from driftrec.restoration import chroma, solid
from driftrec.restoration.restorer import Restorer
from driftrec.restoration.solid import Solid, drawn, solid_colours, with_solid_colours
from driftrec.restoration.windows import window_sums
from support import CROPS, jpeg_file, psnr, text_page

PAPER, BAR = (255, 255, 255), (52, 101, 164)


def page(side: int = 192, paper: tuple[int, int, int] = PAPER) -> np.ndarray:
    return text_page(side, paper, BAR)


def gradient(side: int = 192) -> np.ndarray:
    """A sky that becomes slowly brighter towards its horizon, with noise that dithers it."""
    rng, rise = np.random.default_rng(0), np.linspace(0, 12, side)[:, None, None]
    return np.rint(np.array([120.0, 160, 210]) + rise + rng.normal(0, 0.4, (side, side, 1))).astype(np.uint8)


def as_float(pixels: np.ndarray) -> np.ndarray:
    return np.float32(pixels) / np.float32(255)


def cells_of(pixels: np.ndarray, quality: int = 40) -> Cells:
    return Cells(read_jpeg(jpeg_file(pixels, quality=quality)))


def certainties(pixels: np.ndarray, cells: Cells) -> list[float]:
    step, found = solid.file_step(cells), solid_colours(as_float(pixels), cells)
    return [certainty(one, step) for one in found]


def certainty(colour: Solid, step: float) -> float:
    return 1 / (1 + math.exp(-solid.SHARP * colour.inputs(step) @ solid.COLOUR_WEIGHTS))


@pytest.mark.parametrize("side", [1, 2, 3, 5, 9, 25])
@pytest.mark.parametrize("axis", [0, 1])
def test_window_sums_are_those_of_all_windows(side: int, axis: int) -> None:
    values = np.random.default_rng(side).integers(0, 100, (31, 40))
    windows = np.lib.stride_tricks.sliding_window_view(values, side, axis)
    np.testing.assert_array_equal(window_sums(values, side, axis), windows.sum(axis=-1))


def test_colours_of_a_page_are_found_in_order_of_their_areas() -> None:
    found = solid_colours(as_float(page()), cells_of(page()))
    assert [tuple(one.colour) for one in found[:2]] == [PAPER, BAR]
    assert 0.4 < found[0].share < 0.8
    assert 0.15 < found[1].share < 0.25
    assert all(one.peak > 0.8 for one in found[:2])


@pytest.mark.parametrize(("quality", "white"), [(20, True), (90, False)])
def test_paper_is_white_if_rounding_explains_the_difference(quality: int, white: bool) -> None:
    pixels = page(paper=(253, 254, 255))
    (found, *_) = solid_colours(as_float(pixels), cells_of(pixels, quality))
    assert tuple(found.colour) == (PAPER if white else (253, 254, 255))


def test_colours_of_a_gradient_are_not_taken_for_solid_ones() -> None:
    assert min(certainties(page(), cells_of(page()))[:2]) > 0.5
    assert 0 < max(certainties(gradient(), cells_of(gradient()))) < 0.1


def test_a_pixel_is_drawn_by_its_probability() -> None:
    """(E29), for some pixels of a small picture by loops over their windows."""
    pixels, cells = as_float(page(64)), cells_of(page(64))
    pixels = (pixels + np.random.default_rng(1).normal(0, 0.02, pixels.shape).astype(np.float32)).clip(0, 1)
    colour = Solid(np.float32(PAPER), 0.6, 0.9, 0.3)
    result = drawn(pixels, [colour], cells)
    sure = certainty(colour, solid.file_step(cells))
    distance = np.abs(255 * pixels - 255).max(axis=2)

    def share(row: int, column: int, side: int, most: float) -> float:
        reach = range(-(side // 2), side // 2 + 1)
        near = [distance[min(max(row + v, 0), 63), min(max(column + h, 0), 63)] <= most for v in reach for h in reach]
        return sum(near) / side**2

    for row, column in [(0, 0), (13, 20), (20, 9), (40, 33), (63, 50)]:
        away = 255 * pixels[row, column].astype(np.float64) - 255
        luma = away @ (0.299, 0.587, 0.114)
        chroma = math.sqrt(np.mean((away - luma) ** 2))
        shares = [share(row, column, side, solid.CLOSE) for side in solid.SIDES]
        shares.append(share(row, column, solid.NEAR_SIDE, solid.NEAR))
        inputs = [math.log1p(abs(luma)), math.log1p(chroma), *shares, math.log(solid.file_step(cells)), 1]
        p = sure / (1 + math.exp(-np.dot(inputs, solid.PIXEL_WEIGHTS))) if distance[row, column] < solid.FAR else 0
        np.testing.assert_allclose(result[row, column], pixels[row, column] - p * away / 255, atol=1e-5)


@pytest.mark.parametrize(("quality", "gain"), [(20, 0.3), (40, 0.8), (75, 1.0)])
@pytest.mark.parametrize("mode", ["faithful", "natural"])
def test_pages_come_nearer_to_the_original(
    quality: int, gain: float, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = page()
    file = jpeg_file(clean, quality=quality)
    restorer = Restorer("small", mode=mode, threads=1)
    restored = restorer.restore(file)
    monkeypatch.setattr(solid, "LEAST_SHARE", 2.0)  # no colour has as much
    without = restorer.restore(file)
    never = np.tile(np.array([0, 0, 0, 0, -chroma.MOST], np.float32), (len(chroma.SIDES), 1))
    monkeypatch.setattr(chroma, "WEIGHTS", never)  # with which chroma stays as it is
    neither = restorer.restore(file)
    truth = as_float(clean)
    assert psnr(restored.pixels, truth) > psnr(without.pixels, truth)
    assert psnr(restored.pixels, truth) > psnr(neither.pixels, truth) + gain
    assert restored.consistent is not None
    assert without.consistent is not None
    assert restored.consistent >= without.consistent > 0.99
    paper = np.abs(truth - restored.pixels)[(clean == 255).all(axis=2)]
    assert np.mean(paper > 5 / 255) < 0.7 * np.mean(
        np.abs(truth - without.pixels)[(clean == 255).all(axis=2)] > 5 / 255
    )


@pytest.mark.parametrize("name", ["coneflowers", "otter"])
def test_photographs_stay_as_they_are(name: str) -> None:
    file = (CROPS / f"{name}-q10.jpg").read_bytes()
    cells = Cells(read_jpeg(file))
    pixels = Restorer("small", mode="faithful", threads=1).restore(file).pixels
    assert (name == "otter") == bool(solid_colours(pixels, cells))  # dark water: many pixels nearly have its colour
    np.testing.assert_array_equal(with_solid_colours(pixels, cells), pixels)


def test_a_slow_gradient_is_not_cut_into_steps() -> None:
    clean = gradient()
    file = jpeg_file(clean, quality=40)
    estimate = as_float(clean)
    moved = with_solid_colours(estimate, Cells(read_jpeg(file)))
    assert psnr(moved, Cells(read_jpeg(file)).improve(estimate)) > 55


def test_bands_of_rows_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, cells = as_float(page()), cells_of(page())
    whole = with_solid_colours(pixels, cells)
    monkeypatch.setattr(solid, "ROWS", 32)
    np.testing.assert_allclose(with_solid_colours(pixels, cells), whole, atol=1e-5)


def test_pages_in_gray_are_drawn_to_paper_too(monkeypatch: pytest.MonkeyPatch) -> None:
    gray = np.asarray(Image.fromarray(page()).convert("L"))
    file, restorer = jpeg_file(gray, quality=40), Restorer("small", mode="faithful", threads=1)
    restored = restorer.restore(file).to_pil()
    monkeypatch.setattr(solid, "LEAST_SHARE", 2.0)
    without = restorer.restore(file).to_pil()
    assert restored.mode == "L"
    assert psnr(np.asarray(restored), gray) > psnr(np.asarray(without), gray) + 0.4


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 4), (9, 70)])
def test_small_pictures_have_no_solid_colours_or_keep_them(size: tuple[int, int]) -> None:
    clean = np.full((*size, 3), 200, np.uint8)
    moved = with_solid_colours(as_float(clean), cells_of(clean, 90))
    assert np.abs(255 * moved - 200).max() <= 2
