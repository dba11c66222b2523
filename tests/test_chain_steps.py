"""Steps of chains against hand checks: formats, geometry, tone and drawing."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from driftrec.evaluate.chains.chain import Chain, Part
from driftrec.evaluate.chains.drawing import Border, Caption, Screenshot
from driftrec.evaluate.chains.formats import AsAvif, AsJpeg, AsPalette, AsWebp, shown
from driftrec.evaluate.chains.geometry import FILTERS, Crop, Edit, Filter, Resize, Rotate, Turn
from driftrec.evaluate.chains.tables import CLIPPED, IJG, MOZJPEG, PHONE, Tables
from driftrec.evaluate.chains.tone import Blur, Noise, Sharpen, Tone
from driftrec.evaluate.corruptions import Pixels, decode
from driftrec.jpeg import read_jpeg
from support import jpeg_file, scene


def rgb(plane: np.ndarray) -> Pixels:
    """Three equal channels of a plane, rounded to levels."""
    return np.repeat(np.rint(plane).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


# ------------------------------------------------------------------------------------------------- formats


def test_jpeg_is_pillows_unless_its_tables_are_others() -> None:
    picture = scene(40, 56)
    assert AsJpeg(30, "4:2:2").encode(picture) == jpeg_file(picture, quality=30, subsampling="4:2:2")
    gray = AsJpeg(30).encode(rgb(picture[..., 0]))
    assert len(read_jpeg(gray).components) == 1
    np.testing.assert_array_equal(decode(gray), decode(jpeg_file(picture[..., 0], quality=30)))


@pytest.mark.parametrize("tables", [MOZJPEG, PHONE, CLIPPED, IJG])
def test_files_carry_the_tables_that_were_asked_for(tables: Tables) -> None:
    # Quality 50 is scale 100 %; quality 25 doubles the entries, which a file of 8 bits cuts to 255; at 87.5, they are
    # scaled by (200 − 2 · 87.5) % and rounded.
    base = np.reshape(tables.luma, (8, 8)), np.reshape(tables.chroma, (8, 8))
    for quality, scaled in (
        (50, [t.clip(1, 255) for t in base]),
        (25, [(2 * t).clip(1, 255) for t in base]),
        (87.5, [((25 * t + 50) // 100).clip(1, 255) for t in base]),
    ):
        found = read_jpeg(AsJpeg(quality, "4:2:0", tables).encode(scene(32, 32))).components
        np.testing.assert_array_equal(found[0].table, scaled[0])
        np.testing.assert_array_equal(found[1].table, scaled[1])


@pytest.mark.parametrize("tables", [MOZJPEG, CLIPPED])
def test_tables_from_models_of_vision_are_symmetric(tables: Tables) -> None:
    luma = np.reshape(tables.luma, (8, 8))
    np.testing.assert_array_equal(luma, luma.T)


@pytest.mark.parametrize(
    ("step", "kind"),
    [(AsWebp(60), "WEBP"), (AsAvif(55), "AVIF"), (AsPalette(64), "PNG"), (AsPalette(64, container="GIF"), "GIF")],
)
def test_formats_write_what_they_say_and_lose_something(step: AsWebp | AsAvif | AsPalette, kind: str, tmp_path) -> None:
    picture = scene(48, 64)
    (tmp_path / "file").write_bytes(step.encode(picture))
    with Image.open(tmp_path / "file") as image:
        assert (image.format, image.size) == (kind, (64, 48))
    error = np.abs(step(picture).astype(int) - picture)
    assert 0 < error.mean() < 12


def test_palettes_have_their_number_of_colours_and_dithering_keeps_the_mean() -> None:
    ramp = rgb(np.broadcast_to(np.linspace(60, 180, 128), (64, 128)))
    flat, dithered = AsPalette(4, dither=False)(ramp), AsPalette(4, dither=True)(ramp)
    assert len(np.unique(flat.reshape(-1, 3), axis=0)) == len(np.unique(dithered.reshape(-1, 3), axis=0)) == 4

    def worst(picture: Pixels) -> float:
        """Error of means over 8×8 pixels, away from the borders: dithering pays back what it takes."""
        means = (picture - ramp.astype(float)).reshape(8, 8, 16, 8, 3).mean(axis=(1, 3))
        return float(np.abs(means[:, 2:-2]).max())

    assert worst(dithered) < 0.5 * worst(flat)


def test_wrong_parameters_are_refused() -> None:
    for make, message in (
        (lambda: AsJpeg(0), "1 to 100, not 0"),
        (lambda: AsPalette(1), "2 to 256 colours"),
        (lambda: Resize(0), "positive factor"),
        (lambda: Rotate(60), "turn it as well"),
        (lambda: Tables((1,) * 63, (1,) * 64), "64 entries"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


# ------------------------------------------------------------------------------------------------- geometry

KERNELS: dict[Filter, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    "area": (0.5, lambda x: (np.abs(x) <= 0.5) * 1.0),
    "bilinear": (1, lambda x: np.maximum(1 - np.abs(x), 0)),
    # Keys 1981 with a = −½.
    "bicubic": (
        2,
        lambda x: np.where(
            np.abs(x) < 1,
            1.5 * np.abs(x) ** 3 - 2.5 * x**2 + 1,
            np.where(np.abs(x) < 2, -0.5 * np.abs(x) ** 3 + 2.5 * x**2 - 4 * np.abs(x) + 2, 0),
        ),
    ),
    "lanczos": (3, lambda x: np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)),
}
"""Radius and weights of the filters, from their definitions."""


@pytest.mark.parametrize("factor", [2.0, 1.6, 0.625, 0.5])
@pytest.mark.parametrize("name", list(KERNELS))
def test_filters_weigh_pixels_by_their_kernels(name: Filter, factor: float) -> None:
    """In a picture of equal rows, each result is the mean of a row's pixels, weighed by their distance."""
    row = np.random.default_rng(1).integers(40, 216, 80).astype(float)
    radius, kernel = KERNELS[name]
    widened = max(1 / factor, 1)
    centres = (np.arange(round(80 * factor)) + 0.5) / factor
    distances = (np.arange(80) + 0.5 - centres[:, None]) / widened
    weights = kernel(distances) * (np.abs(distances) <= radius)
    expected = (weights * row).sum(axis=1) / weights.sum(axis=1)
    result = Resize(factor, name)(rgb(np.broadcast_to(row, (3, 80))))
    assert result.shape == (max(round(3 * factor), 1), round(80 * factor), 3)
    assert np.abs(result[0, :, 1] - expected).max() <= 1.01


def test_nearest_repeats_and_points_do_not_widen() -> None:
    picture = scene(30, 36)
    np.testing.assert_array_equal(Resize(2, "nearest")(picture), np.kron(picture, np.ones((2, 2, 1), np.uint8)))
    # At a third, the sample falls on the middle one of three pixels, whatever the others are.
    np.testing.assert_array_equal(Resize(1 / 3, "points")(picture), picture[1::3, 1::3])
    np.testing.assert_array_equal(Resize(1.5, "points")(picture), Resize(1.5, "bilinear")(picture))


def test_crops_turns_and_mirrors_move_pixels_only() -> None:
    picture = scene(20, 31)
    np.testing.assert_array_equal(Crop(1, 2, 3, 4)(picture), picture[1:17, 2:27])
    assert Crop(50, 50, 50, 50)(picture).shape == (1, 1, 3)
    turned = Turn(1)(picture)  # anticlockwise: the top right corner becomes the top left
    assert turned.shape == (31, 20, 3)
    np.testing.assert_array_equal(turned[0, 0], picture[0, -1])
    np.testing.assert_array_equal(Turn(0, mirror=True)(picture), picture[:, ::-1])


def wave(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return 128 + 50 * np.sin(0.21 * x + 0.08 * y) + 40 * np.cos(0.17 * y - 0.05 * x)


@pytest.mark.parametrize("degrees", [2.5, -7.0, 20.0])
@pytest.mark.parametrize("shape", [(80, 80), (60, 101)])
def test_rotation_shows_the_scene_at_the_angle_around_the_centre(degrees: float, shape: tuple[int, int]) -> None:
    y, x = np.mgrid[: shape[0], : shape[1]]
    result = Rotate(degrees)(rgb(wave(y, x))).astype(float)[..., 0]
    rows, columns = result.shape
    assert min(rows / shape[0], columns / shape[1]) > (0.5 if degrees == 20 else 0.75)  # no more is cut than needed
    angle = np.deg2rad(degrees)
    v, u = np.mgrid[:rows, :columns]
    v, u = v + (shape[0] - rows) // 2 - (shape[0] - 1) / 2, u + (shape[1] - columns) // 2 - (shape[1] - 1) / 2
    # Rows grow downwards: what a rotation anticlockwise shows at (u, v) was further clockwise before.
    before = wave(
        np.sin(angle) * u + np.cos(angle) * v + (shape[0] - 1) / 2,
        np.cos(angle) * u - np.sin(angle) * v + (shape[1] - 1) / 2,
    )
    assert np.abs(result - before).max() < 3


GEOMETRIC: tuple[Edit, ...] = (
    *(Resize(factor, name) for factor in (0.4, 0.73, 1.37, 2.5) for name in (*FILTERS, "points")),
    *(Crop(3, 5, 2, 1), Turn(3, mirror=True), Rotate(-4), Rotate(13)),
)


def shift(a: Pixels, b: Pixels) -> np.ndarray:
    """How far b lies from a in pixels (down, right): least squares on the gradient of a."""
    a, b = (gaussian_filter(plane.astype(float).mean(axis=2), 1) for plane in (a, b))
    slopes = np.stack([g.ravel() for g in np.gradient(a)], axis=1)
    return -np.linalg.lstsq(slopes, (b - a).ravel(), rcond=None)[0]


def test_the_measure_of_shifts_is_right() -> None:
    picture = scene(96, 96)
    np.testing.assert_allclose(shift(picture[1:, 1:], picture[:-1, 1:]), (1, 0), atol=0.25)
    np.testing.assert_allclose(shift(picture[1:, 1:], picture[1:, :-1]), (0, 1), atol=0.25)


@pytest.mark.parametrize("edit", GEOMETRIC, ids=repr)
def test_truth_and_corrupted_picture_stay_aligned(edit: Edit) -> None:
    chain = Chain("", (Part(AsJpeg(60)),), (edit, AsJpeg(60)))
    file, truth = chain(scene(120, 132))
    corrupted = shown(file)
    assert corrupted.shape == truth.shape
    assert np.abs(shift(truth, corrupted)).max() < 0.1  # half a pixel of the input is 0.2 or more here


@pytest.mark.parametrize("edit", GEOMETRIC, ids=repr)
def test_edits_reach_as_far_as_they_say(edit: Edit) -> None:
    for side in (16, 33, 96):
        assert min(edit(scene(edit.reach(side), edit.reach(side))).shape[:2]) >= side


# ------------------------------------------------------------------------------------------------- tone


def test_tone_is_its_formula() -> None:
    levels = rgb(np.arange(256.0)[None])
    v = np.arange(256) / 255
    expected = 255 * (1.2 * (v**0.8 - 0.5) + 0.5 + 0.05)
    np.testing.assert_array_equal(Tone(0.05, 1.2, 0.8)(levels)[0, :, 0], np.rint(expected.clip(0, 255)))
    np.testing.assert_array_equal(Tone()(levels), levels)


def test_blur_and_sharpening_are_a_gaussians() -> None:
    picture = scene(60, 60)
    blurred = gaussian_filter(picture.astype(float), (1.5, 1.5, 0), mode="nearest")
    assert np.abs(Blur(1.5)(picture) - blurred).mean() < 1
    sharper = (picture + 0.8 * (picture - blurred)).clip(0, 255)
    result = Sharpen(0.8, 1.5)(picture)
    assert np.abs(result - sharper).mean() < 1.2
    assert np.abs(result.astype(float) - picture).mean() > 3


def test_noise_has_its_strength_and_stays_the_same() -> None:
    flat = np.full((160, 160, 3), 100, np.uint8)
    for step, expected in ((Noise(4), 4), (Noise(3, shot=0.2), (9 + 20) ** 0.5), (Noise(5, grain=2.5), 5)):
        noise = step(flat).astype(float) - 100
        assert noise.std() == pytest.approx((expected**2 + 1 / 12) ** 0.5, rel=0.03)
        np.testing.assert_array_equal(step(flat), step(flat))
    assert (Noise(4, seed=1)(flat) != Noise(4)(flat)).any()


def test_grains_are_larger_than_pixels_and_gray_stays_gray() -> None:
    flat = np.full((160, 160, 3), 100, np.uint8)

    def neighbours(step: Noise) -> float:
        noise = step(flat).astype(float)[..., 1]
        return float(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1])

    assert abs(neighbours(Noise(5))) < 0.03
    assert neighbours(Noise(5, grain=2.5)) > 0.5
    assert np.ptp(Noise(5)(flat), axis=2).max() == 0
    assert np.ptp(Noise(5)(scene(32, 32)).astype(int) - scene(32, 32), axis=2).max() > 5
    assert (
        np.ptp(
            Noise(5, colour=False)(np.array(scene(32, 32) // 2 + 60)).astype(int) - (scene(32, 32) // 2 + 60), axis=2
        ).max()
        == 0
    )


# ------------------------------------------------------------------------------------------------- drawing


def test_what_is_drawn_around_a_picture_leaves_it_as_it_is() -> None:
    picture = scene(70, 90)
    framed = Border(7, (1, 2, 3))(picture)
    assert framed.shape == (84, 104, 3)
    np.testing.assert_array_equal(framed[7:-7, 7:-7], picture)
    assert (framed[:7] == (1, 2, 3)).all()
    for dark in (False, True):
        screen = Screenshot(37, 61, 45, 13, dark)(picture)
        assert screen.shape == (70 + 37 + 45, 90 + 61 + 13, 3)
        np.testing.assert_array_equal(screen[37:107, 61:151], picture)
        below = screen[107:, 61:].reshape(-1, 3)
        assert len(np.unique(below, axis=0)) > 10  # text, with smooth edges
        assert (np.median(below) < 128) == dark


def test_captions_are_white_and_black_and_stay_in_their_line() -> None:
    flat = np.full((120, 200, 3), 90, np.uint8)
    captioned = Caption("SAVED AGAIN", place=0.25, size=0.1)(flat)
    changed = np.flatnonzero((captioned != flat).any(axis=(1, 2)))
    assert 20 < changed.min() < 30 < changed.max() < 40
    assert {0, 255} <= set(np.unique(captioned))
    np.testing.assert_array_equal(flat, np.full((120, 200, 3), 90, np.uint8))
