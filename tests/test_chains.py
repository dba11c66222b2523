"""Steps of chains against hand checks, chains with their ceilings, shares of ceilings, and the benchmark's list."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.evaluate.benchmark import BenchmarkTask, Record, Settings, run
from driftrec.evaluate.chains.chain import Chain, Part, edited
from driftrec.evaluate.chains.drawing import Border, Caption, Screenshot
from driftrec.evaluate.chains.formats import AsAvif, AsJpeg, AsPalette, AsWebp, shown
from driftrec.evaluate.chains.geometry import FILTERS, Crop, Edit, Filter, Resize, Rotate, Turn
from driftrec.evaluate.chains.listed import CHOOSING, REPORTED
from driftrec.evaluate.chains.tables import CLIPPED, IJG, MOZJPEG, PHONE, Tables
from driftrec.evaluate.chains.tone import Blur, Noise, Sharpen, Tone
from driftrec.evaluate.corruptions import Jpeg, Pixels, decode, encode
from driftrec.evaluate.measurement import Conditions
from driftrec.evaluate.methods import Case, Ceiling, Method, Restoration, Restore, parse_method
from driftrec.evaluate.shares import mean_share, shares
from driftrec.evaluate.statistics import difference, ratio_of
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


# ------------------------------------------------------------------------------------------------- chains

HALVES = (Part(AsJpeg(10), (0, 0, 1, 0.5)), Part(AsJpeg(90), (0, 0.5, 1, 1)))


def test_parts_are_files_of_their_own_and_the_rest_is_clean() -> None:
    clean = scene(50, 60)
    file, truth = Chain("", (Part(AsJpeg(10), (0.2, 0.1, 0.8, 0.5)),), ())(clean)
    pasted = shown(file)
    np.testing.assert_array_equal(truth, clean)
    np.testing.assert_array_equal(pasted[10:40, 6:30], decode(encode(clean[10:40, 6:30], 10)))
    pasted = pasted.copy()
    pasted[10:40, 6:30] = clean[10:40, 6:30]
    np.testing.assert_array_equal(pasted, clean)
    halves = shown(Chain("", HALVES, ())(clean)[0])
    np.testing.assert_array_equal(halves[:, :30], decode(encode(clean[:, :30], 10)))
    np.testing.assert_array_equal(halves[:, 30:], decode(encode(clean[:, 30:], 90)))


def test_steps_run_in_order_and_the_truth_is_spared_their_losses() -> None:
    clean = scene(48, 64)
    later = Resize(1.5), AsJpeg(60), Crop(3, 5), AsWebp(70)
    file, truth = Chain("", (Part(AsJpeg(20)),), later)(clean)
    np.testing.assert_array_equal(truth, Crop(3, 5)(Resize(1.5)(clean)))
    once = decode(encode(clean, 20))
    assert file == AsWebp(70).encode(Crop(3, 5)(decode(encode(Resize(1.5)(once), 60))))
    lossless, _ = Chain("", (Part(AsJpeg(20)),), later[:3])(clean)
    assert lossless.startswith(b"\x89PNG")


def test_gray_pictures_go_through_chains_too() -> None:
    gray = scene(40, 40)[..., 0]
    file, truth = Chain("", (Part(AsJpeg(30)),), (Resize(0.5), AsJpeg(80)))(gray)
    assert decode(file).shape == (20, 20)
    assert truth.shape == (20, 20, 3)


@pytest.mark.parametrize("chain", [*REPORTED, *CHOOSING], ids=lambda chain: chain.name)
def test_the_first_files_restored_perfectly_become_the_truth(chain: Chain) -> None:
    clean = scene(64, 80)
    file, truth = chain(clean)
    before = chain.before(clean)
    assert shown(file).shape == truth.shape
    parts = [clean[part.area(clean)] for part in chain.parts]
    assert [shown(one).shape for one in before.files] == [part.shape for part in parts]
    np.testing.assert_array_equal(before.finish(parts), truth)
    assert (before.finish([shown(one) for one in before.files]) != truth).any()


def test_the_lists_cover_what_happens_to_pictures_in_halves_of_their_own() -> None:
    names = [chain.name for chain in (*REPORTED, *CHOOSING)]
    assert len(set(names)) == len(names) >= 20
    everything: list[object] = []
    for half in (REPORTED, CHOOSING):
        assert len(half) >= 10
        steps = [step for chain in half for step in (*chain.later, *(part.jpeg for part in chain.parts))]
        everything += steps
        for kind in (Resize, Crop, Rotate, Turn, AsJpeg, AsWebp, AsPalette, Screenshot):
            assert any(isinstance(step, kind) for step in steps), kind
        assert any(part.box != (0, 0, 1, 1) for chain in half for part in chain.parts)
        assert any(len(chain.later) >= 6 for chain in half)
        assert any(not isinstance(chain.later[-1] if chain.later else None, AsJpeg) for chain in half)
    resized = [step for step in everything if isinstance(step, Resize)]
    assert {step.filter for step in resized} == {*FILTERS, "points"}
    assert (min(s.factor for s in resized), max(s.factor for s in resized)) == (0.4, 2.5)
    jpegs = [step for step in everything if isinstance(step, AsJpeg)]
    assert {step.subsampling for step in jpegs} == {"4:4:4", "4:2:2", "4:2:0"}
    assert {MOZJPEG, PHONE, CLIPPED} <= {step.tables for step in jpegs}
    kinds = {type(step) for step in everything}
    assert {Tone, Sharpen, Blur, Noise, Border, Caption, AsAvif} <= kinds
    assert {step.container for step in everything if isinstance(step, AsPalette)} == {"PNG", "GIF"}


# ------------------------------------------------------------------------------------------------- shares


@dataclass(frozen=True)
class Known(Method):
    """A restorer that knows the clean picture: all of it, or `share` of the way there."""

    clean: tuple[Pixels, ...]
    share: float = 1.0

    @property
    def label(self) -> str:
        return f"known {self.share}"

    def fingerprint(self, case: Case) -> str:  # noqa: ARG002
        return self.label

    def load(self, threads: int | None) -> Restore:  # noqa: ARG002
        def restore(case: Case) -> Restoration:
            start, end = shown(case.file), self.clean[0] if case.clean is None else case.clean
            return Restoration(np.rint(start + self.share * (end - start.astype(float))).astype(np.uint8))

        return restore


CHAIN = Chain("chain", (Part(AsJpeg(30)),), (Resize(1.25), AsJpeg(10)))


def records_of(tmp_path: Path, methods: Iterable[Method]) -> list[Record]:
    Image.fromarray(scene(48, 64)).save(tmp_path / "a.png")
    task = BenchmarkTask(tmp_path / "a.png", CHAIN)
    return list(run([task], [*methods], Settings(("psnr",), tmp_path / "out")))


def test_a_perfect_restorer_reaches_all_of_its_ceiling_and_the_identity_nothing(tmp_path: Path) -> None:
    clean = (scene(48, 64),)
    perfect, none = Known(clean), Known(clean, 0.0)
    records = records_of(tmp_path, [parse_method("plain"), perfect, Ceiling(perfect), none, Ceiling(none)])
    found = shares(records)
    (all_of_it,), (nothing,) = found["known 1.0", "psnr"], found["known 0.0", "psnr"]
    assert all_of_it.share is not None
    assert nothing.share is not None
    assert (all_of_it.share.value, all_of_it.restored, all_of_it.ceiling) == (1.0, np.inf, np.inf)
    assert (nothing.share.value, nothing.restored) == (0.0, nothing.input)
    assert nothing.ceiling > nothing.input  # the ceiling of the identity is spared the second compression


def test_the_ceiling_works_on_the_first_file(tmp_path: Path) -> None:
    clean = scene(48, 64)
    records = {r.method: r for r in records_of(tmp_path, [parse_method("ceiling:plain")])}
    expected = edited(decode(encode(clean, 30)), CHAIN.later)
    error = np.mean((expected.astype(float) - Resize(1.25)(clean)) ** 2)
    assert records["JPEG, ceiling"].metrics["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)


def measured(method: str, chain: str, picture: str, psnr: float, lpips: float) -> Record:
    metrics = {"psnr": psnr, "lpips_alex": lpips}
    return Record(picture, chain, method, f"{method}{chain}{picture}", 8, 8, 1.0, None, None, None, metrics)


def test_shares_are_ratios_of_mean_gains() -> None:
    records = [
        *(measured("JPEG", "one", p, 20, 0.4) for p in "ab"),
        *(measured("ours", "one", p, psnr, 0.3) for p, psnr in (("a", 21), ("b", 22))),
        *(measured("ours, ceiling", "one", p, psnr, 0.2) for p, psnr in (("a", 22), ("b", 24))),
        measured("JPEG", "two", "a", 20, 0.4),
        measured("ours", "two", "a", 21, 0.4),
        measured("ours, ceiling", "two", "a", 20, 0.5),  # which gains nothing: there is no share of it
    ]
    found = shares(records)
    one, two = found["ours", "psnr"]
    assert (one.chain, one.input, one.restored, one.ceiling) == ("one", 20, 21.5, 23)
    assert one.share is not None
    assert (one.share.value, one.share.count) == (0.5, 2)  # (1 + 2) / (2 + 4)
    assert two.share is None
    (lower,) = [share for share in found["ours", "lpips_alex"] if share.chain == "one"]
    assert lower.share is not None
    assert lower.share.value == pytest.approx(0.5)
    conditions = Conditions("", "")
    assert [cell.measure for cell in two.measurements(conditions)] == ["input", "restored", "ceiling"]
    assert [row.value for row in mean_share([one, two], conditions)] == [0.5, 0.5]


def test_ratios_have_intervals_over_pairs() -> None:
    rng = np.random.default_rng(0)
    b = rng.random(30) + 1
    noisy = ratio_of((0.6 * b + 0.05 * rng.standard_normal(30)).tolist(), b.tolist())
    assert noisy.low < 0.6 < noisy.high
    assert 0.02 < noisy.high - noisy.low < 0.06  # about 4 · 0.05 / 1.5 / √30
    exact = ratio_of([1, 2, 5], [2, 4, 10])
    assert (exact.value, exact.low, exact.high) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="3 and 2"):
        ratio_of([1, 2, 3], [1, 2])


def test_one_picture_gives_no_evidence_of_a_difference() -> None:
    found = difference([3.0], [1.0])
    assert (found.mean.value, found.p) == (2.0, 1.0)


def test_the_command_reports_shares(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(scene(64, 64)).save(tmp_path / "photos" / "a.png")
    call = ["benchmark", "--protocol", "chains", "--data", str(tmp_path / "photos"), "--out", str(tmp_path / "run")]
    call += ["--metric", "psnr", "--method", "plain", "--method", "ceiling:plain"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "run/tables.md").read_text()
    section = page[page.index("**JPEG: share of its ceiling's gain, PSNR (dB) ↑**") :]
    assert "| chain | input | restored | ceiling | share |" in section
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in section.splitlines() if line.startswith("| ")}
    assert {chain.name for chain in REPORTED} <= set(rows)
    assert rows["q15 webp60"].endswith(" 0.00 |")
    assert rows["mean of the chains"].endswith(" 0.00 |")


def test_programs_are_given_the_extension_of_the_last_file(tmp_path: Path) -> None:
    script = (
        "import sys, shutil; name, out = sys.argv[1:]; shutil.copy(name, out) if name.endswith('.webp') else exit(3)"
    )
    (tmp_path / "copy.py").write_text(script)
    Image.fromarray(scene(32, 32)).save(tmp_path / "a.png")
    task = BenchmarkTask(tmp_path / "a.png", Chain("w", (Part(AsJpeg(20)),), (AsWebp(60),)))
    method = parse_method(f"command:run={sys.executable} {tmp_path / 'copy.py'} {{input}} {{output}}")
    ours, plain = run([task], [method, parse_method("plain")], Settings(("psnr",), tmp_path / "out"))
    assert ours.metrics == plain.metrics


def test_ceilings_are_methods_by_name_and_need_a_chain(tmp_path: Path) -> None:
    assert parse_method("ceiling:faithful:model=base").label == "driftrec faithful, base, ceiling"
    Image.fromarray(scene(32, 32)).save(tmp_path / "a.png")
    task = BenchmarkTask(tmp_path / "a.png", Jpeg(10))
    with pytest.raises(ValueError, match="needs the first file of a chain"):
        list(run([task], [parse_method("ceiling:plain")], Settings(("psnr",), tmp_path / "out")))
