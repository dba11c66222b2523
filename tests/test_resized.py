"""Pictures that were resized after JPEG compression: how they are recognised, and what restoring them gains."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import driftrec
from driftrec.evaluate.chains.drawing import Screenshot
from driftrec.jpeg import Resizing, examine, resized, resizing, unresized
from driftrec.jpeg.detect import Trace
from driftrec.jpeg.interpolation import LEVEL, Axis, _roughness, needed, whole
from driftrec.jpeg.resizing import find_resizing
from driftrec.restoration.decision import decide, inspect
from driftrec.restoration.options import Mode
from support import jpeg, jpeg_file, opened, psnr, scene

FILTERS = {
    "nearest neighbour": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
}


def textured(height: int, width: int) -> np.ndarray:
    """A picture with detail of all scales, uint8 (height, width, 3)."""
    noise = np.random.default_rng(1).normal(0, 14, (height // 2, width // 2))
    grain = np.asarray(Image.fromarray(noise.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))
    return (scene(height, width) + grain[..., None]).clip(0, 255).astype(np.uint8)


REDUCERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}


def by_pillow(pixels: np.ndarray, size: tuple[int, int], kernel: str) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), FILTERS[kernel]))


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("size", [(83, 71), (120, 104), (51, 104)])
def test_enlarging_equals_pillow_s(kernel: str, size: tuple[int, int], rng: np.random.Generator) -> None:
    plane = rng.random((48, 40), np.float32)
    np.testing.assert_allclose(
        resized(plane, whole(plane.shape, size), kernel), by_pillow(plane, size, kernel), atol=1e-6
    )


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("size", [(260, 230), (420, 330)])
def test_shrinking_undoes_enlarging(kernel: str, size: tuple[int, int], rng: np.random.Generator) -> None:
    picture = rng.random((208, 176, 3), np.float32)
    axes = whole(picture.shape, size)
    np.testing.assert_allclose(unresized(resized(picture, axes, kernel), axes, kernel), picture, atol=0.01)


@pytest.mark.parametrize("kernel", REDUCERS)
@pytest.mark.parametrize("size", [(47, 40), (30, 23)])
def test_reducing_equals_pillow_s(kernel: str, size: tuple[int, int], rng: np.random.Generator) -> None:
    plane = rng.random((60, 50), np.float32)
    reference = Image.fromarray(plane).resize((size[1], size[0]), REDUCERS[kernel])
    np.testing.assert_allclose(resized(plane, whole(plane.shape, size), kernel), np.asarray(reference), atol=1e-6)


def test_reducing_without_smoothing_interpolates_between_the_nearest_pixels() -> None:
    ramp = np.arange(40, dtype=np.float32).repeat(8).reshape(40, 8)
    found = resized(ramp, whole((40, 8), (16, 8)), "bilinear, not smoothed")
    np.testing.assert_allclose(found[:, 0], (np.arange(16) + 0.5) * 2.5 - 0.5, atol=1e-5)


@pytest.mark.parametrize(("after", "kernel"), [(83, "bilinear"), (120, "Lanczos"), (31, "area"), (40, "bicubic")])
def test_a_part_of_a_resized_picture_is_computed_from_the_part_before(
    after: int, kernel: str, rng: np.random.Generator
) -> None:
    plane, scale = rng.random((48, 1), np.float32), 48 / after
    expected = np.asarray(Image.fromarray(plane).resize((1, after), (FILTERS | REDUCERS)[kernel]))[9:27]
    first = max(int(9 * scale) - 4, 0)  # no kernel reaches farther
    axis = Axis(before=48 - first, after=18, scale=scale, start=9 * scale - first)
    np.testing.assert_allclose(resized(plane[first:], (axis, Axis(1, 1, 1.0)), kernel), expected, atol=1e-6)


@pytest.mark.parametrize("kernel", ["area", "bilinear, not smoothed"])
def test_a_side_that_keeps_its_length_is_not_changed(kernel: str) -> None:
    axes = whole((120, 96), (90, 96))
    small = resized(textured(120, 96).astype(np.float32), axes, kernel)
    (rows, columns), (down, across) = needed((slice(8, 60), slice(8, 60)), axes, kernel)
    before = unresized(small, axes, kernel)
    part = np.einsum("ij,jkc,lk->ilc", down, small[rows, columns], across)
    np.testing.assert_allclose(part, before[8:60, 8:60], atol=0.5)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_roughness_is_the_squared_differences_of_neighbours(count: int, rng: np.random.Generator) -> None:
    values = rng.random(count)
    expected = np.square(np.diff(values)).sum() + LEVEL * np.square(values).sum()
    assert values @ _roughness(count) @ values == pytest.approx(expected)


@pytest.mark.parametrize("lossy", [False, True])
@pytest.mark.parametrize("kernel", [*REDUCERS, "bilinear, not smoothed"])
def test_a_picture_before_reducing_explains_the_reduced_one(kernel: str, lossy: bool) -> None:
    picture, axes = textured(208, 176).astype(np.float32), whole((208, 176), (156, 132))
    small = resized(picture, axes, kernel)
    before = unresized(small, axes, kernel, lossy=lossy)
    error = np.abs(resized(before, axes, kernel) - small).mean()
    assert error < (1.0 if lossy else 0.2)
    assert psnr(before / 255, picture / 255) > psnr(
        by_pillow(small.clip(0, 255).astype(np.uint8), (208, 176), "bicubic") / 255, picture / 255
    )


@pytest.mark.parametrize(
    ("kernel", "factor", "quality"),
    [
        ("nearest neighbour", 1.7, 10),
        ("bilinear", 1.5, 15),
        ("bicubic", 1.6, 10),
        ("bicubic", 2.5, 40),
        ("Lanczos", 1.25, 30),
    ],
)
def test_size_kernel_and_quality_are_found_exactly(kernel: str, factor: float, quality: int) -> None:
    small = jpeg(textured(168, 152), quality)
    pixels = by_pillow(small, (round(168 * factor), round(152 * factor)), kernel)
    found = examine(pixels).resized
    assert found is not None
    assert (found.before, found.after, found.kernel) == ((168, 152), pixels.shape[:2], kernel)
    assert abs(found.trace.quality - quality) <= 2


def test_multiples_of_the_size_before_are_not_taken_for_it() -> None:
    pixels = by_pillow(jpeg(textured(168, 152), 12), (420, 380), "nearest neighbour")
    found = examine(pixels).resized
    assert found is not None
    assert found.before == (168, 152)


def test_an_enlarged_picture_that_was_saved_again_is_found_too() -> None:
    data = jpeg_file(by_pillow(jpeg(textured(168, 152), 10), (336, 304), "bicubic"), quality=90)
    report = examine(opened(data), data)
    assert report.resized is not None
    assert report.resized.before == (168, 152)
    assert not decide(report).consistent


@pytest.mark.parametrize(
    ("reducer", "factor", "quality"), [("bicubic", 0.75, 20), ("area", 0.75, 20), ("bilinear", 0.5, 10)]
)
def test_size_kernel_and_quality_before_reducing_are_found(reducer: str, factor: float, quality: int) -> None:
    large = jpeg(textured(320, 280), quality)
    size = round(320 * factor), round(280 * factor)
    pixels = np.asarray(Image.fromarray(large).resize((size[1], size[0]), REDUCERS[reducer]))
    found = examine(pixels).resized
    assert found is not None
    assert (found.before, found.after, found.kernel) == ((320, 280), size, reducer)
    assert abs(found.trace.quality - quality) <= 2
    assert found.how == f"reduced to {100 * factor:.3g} %"


def test_sizes_before_that_are_too_large_to_restore_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = smaller(jpeg(textured(320, 288), 15))
    found = find_resizing(pixels)
    assert found is not None
    assert found.before == (320, 288)
    monkeypatch.setattr(resizing, "LARGEST", 320 * 288 - 2000)
    assert find_resizing(pixels) is None


def test_a_reduced_picture_that_was_saved_again_is_found_too() -> None:
    data = jpeg_file(smaller(jpeg(textured(400, 360), 20)), quality=80)
    report = examine(opened(data), data)
    assert report.resized is not None
    assert report.resized.before == (400, 360)
    assert not decide(report).consistent


def smaller(pixels: np.ndarray) -> np.ndarray:
    size = pixels.shape[1] * 3 // 4, pixels.shape[0] * 3 // 4
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


@pytest.mark.parametrize("kernel", FILTERS)
def test_clean_pictures_are_not_taken_for_resized_jpegs(kernel: str) -> None:
    clean = textured(168, 152)
    assert find_resizing(clean) is None
    assert find_resizing(by_pillow(clean, (269, 243), kernel)) is None
    assert find_resizing(by_pillow(textured(320, 288), (240, 216), kernel)) is None


@pytest.mark.parametrize("quality", [75, 90])
def test_single_jpegs_are_not_taken_for_resized_ones(quality: int) -> None:
    data = jpeg_file(textured(248, 232), quality=quality)
    assert examine(opened(data), data).resized is None


def test_a_coarser_last_compression_counts_more() -> None:
    data = jpeg_file(by_pillow(jpeg(textured(168, 152), 85), (336, 304), "bicubic"), quality=76)
    report = examine(opened(data), data)
    assert report.resized is None
    assert decide(report).consistent


def test_whole_factors_are_not_taken_for_an_ordinary_grid() -> None:
    pixels = by_pillow(jpeg(textured(168, 152), 15), (336, 304), "nearest neighbour")
    report = examine(pixels)
    assert report.resized is not None
    assert (report.resized.before, report.resized.kernel, report.earlier) == ((168, 152), "nearest neighbour", None)


def test_ordinary_jpegs_are_not_taken_for_enlarged_ones() -> None:
    report = examine(jpeg(textured(200, 240), 20))
    assert (report.copied, report.resized) == (True, None)


def test_people_and_programs_can_read_what_was_found() -> None:
    found = Resizing(whole((100, 160), (160, 256)), "bicubic", Trace((0, 0), 10, 0.5))
    report = replace(examine(scene(160, 256), history=False), resized=found)
    assert decide(report).why == "it was enlarged 1.6 times (bicubic) after a JPEG of quality 10"
    assert decide(report).verdict == "restore"
    assert report.facts()["resized"] == {
        "factor": 1.6,
        "kernel": "bicubic",
        "width": 160,
        "height": 100,
        "part": False,
        "quality": 10,
    }
    assert "quality 10, enlarged 1.6 times" in report.row()


PARTS = [("bilinear", 1.33, 15), ("Lanczos", 1.8, 30), ("bicubic", 0.7, 20)]


def part_of(pixels: np.ndarray, kernel: str, factor: float) -> np.ndarray:
    """A part of the resized picture that starts in the middle of a block."""
    size = round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)
    larger = np.asarray(Image.fromarray(pixels).resize(size, (FILTERS | REDUCERS)[kernel]))
    return larger[21 : larger.shape[0] - 10, 14 : larger.shape[1] - 17]


@pytest.mark.parametrize(
    ("kernel", "factor", "quality", "last"), [*((*part, None) for part in PARTS), *((*part, 90) for part in PARTS[:2])]
)
def test_parts_of_resized_pictures_are_recognised(kernel: str, factor: float, quality: int, last: int | None) -> None:
    pixels = part_of(jpeg(textured(320, 288), quality), kernel, factor)
    file = None if last is None else jpeg_file(pixels, quality=last)
    found = examine(pixels if file is None else opened(file), file).resized
    assert found is not None
    assert found.part
    assert found.factor == pytest.approx(factor, rel=2e-3)
    assert abs(found.trace.quality - quality) <= 2
    for axis, grid, first in zip(found.axes, found.trace.shift, (21, 14), strict=True):
        border = (first / factor - axis.start + grid) / 8  # where a block starts, in blocks of the whole picture
        assert border == pytest.approx(round(border), abs=0.03)
    if last is None and factor > 1:
        assert found.kernel == kernel
    words = "enlarged" if factor > 1 else "reduced"
    assert str(found).startswith(f"it is, or holds, a part of a JPEG of quality {found.trace.quality} that was {words}")


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "Lanczos"])
def test_parts_of_clean_pictures_are_not_taken_for_those_of_jpegs(kernel: str) -> None:
    for factor in (0.7, 1.4, 2.2):
        assert find_resizing(part_of(textured(320, 288), kernel, factor)) is None


@pytest.fixture(scope="module")
def restorer() -> driftrec.Restorer:
    return driftrec.Restorer(threads=1)


@pytest.mark.parametrize("last", [None, 90])
def test_restoring_gains_nearly_as_much_as_before_enlarging(last: int | None, restorer: driftrec.Restorer) -> None:
    clean, size = textured(168, 152), (269, 243)
    file = jpeg_file(clean, quality=10)
    truth, pixels = by_pillow(clean, size, "bicubic"), by_pillow(opened(file), size, "bicubic")
    best = by_pillow(np.asarray(restorer.restore(file, mode="faithful").picture.to_pil()), size, "bicubic")
    source = Image.fromarray(pixels) if last is None else jpeg_file(pixels, quality=last)
    result = restorer.restore(source, mode="faithful")
    assert result.note == "it was enlarged 1.6 times (bicubic) after a JPEG of quality 10"
    assert (result.verdict, result.consistent) == ("restore", None)
    before = psnr(pixels, truth)
    assert psnr(best, truth) > before + 0.3
    assert psnr(np.asarray(result.picture.to_pil()), truth) - before > 0.8 * (psnr(best, truth) - before)


@pytest.mark.parametrize("last", [None, 80])
def test_restoring_before_reducing_gains_more_than_in_the_present_size(
    last: int | None, restorer: driftrec.Restorer
) -> None:
    clean = textured(320, 288)
    pixels, truth = smaller(jpeg(clean, 15)), smaller(clean)
    file = None if last is None else jpeg_file(pixels, quality=last)
    shown = pixels if file is None else opened(file)
    found = restorer.restore(file or Image.fromarray(pixels), mode="faithful")
    assert found.note == "it was reduced to 75 % (bicubic) after a JPEG of quality 15"
    present = restorer.restore(shown, mode="faithful", history="resaved")
    gain, gain_at_present = (psnr(np.asarray(r), truth) - psnr(shown, truth) for r in (found, present))
    assert gain > gain_at_present + 0.1 > 0.2


@pytest.mark.parametrize(("kernel", "factor", "quality"), PARTS)
def test_restoring_a_part_gains_nearly_as_much_as_before_resizing(
    kernel: str, factor: float, quality: int, restorer: driftrec.Restorer
) -> None:
    clean = textured(320, 288)
    file = jpeg_file(clean, quality=quality)
    truth, pixels = part_of(clean, kernel, factor), part_of(opened(file), kernel, factor)
    best = part_of(np.asarray(restorer.restore(file, mode="faithful").picture.to_pil()), kernel, factor)
    result = restorer.restore(Image.fromarray(pixels), mode="faithful")
    before, gained, most = (psnr(np.asarray(x), truth) for x in (pixels, result.picture.to_pil(), best))
    assert gained - before > 0.8 * (most - before) > 0.2


@pytest.mark.parametrize("size", [(426, 383), (240, 216)])
@pytest.mark.parametrize("last", [None, 90])
@pytest.mark.parametrize("mode", ["faithful", "natural"])
def test_the_window_around_a_resized_picture_is_not_resized(
    size: tuple[int, int], last: int | None, mode: Mode, restorer: driftrec.Restorer
) -> None:
    clean, window = textured(320, 288), Screenshot()
    truth, shown = (window(by_pillow(x, size, "bilinear")) for x in (clean, jpeg(clean, 15)))
    file = None if last is None else jpeg_file(shown, quality=last)
    result = np.asarray(restorer.restore(file or Image.fromarray(shown), mode=mode).picture.to_pil())
    shown = shown if file is None else opened(file)
    inside = np.zeros(truth.shape[:2], bool)
    inside[window.top : -window.bottom, window.left : -window.right] = True
    error, changed = (np.square(x.astype(float) - y).mean(axis=2) for x, y in ((shown, truth), (result, truth)))
    assert changed[inside].mean() < (0.85 if mode == "faithful" else 0.9) * error[inside].mean()
    assert changed[~inside].mean() < (2.0 if last is None else error[~inside].mean())


@pytest.mark.parametrize(("quality", "found"), [(20, False), (60, True)])
def test_webp_has_blocks_of_half_the_size_of_jpeg(quality: int, found: bool) -> None:
    with Image.open(Path(__file__).parent / "data/otter.png") as image:
        image.save(file := io.BytesIO(), "WEBP", quality=quality)
    resized = inspect(file.getvalue()).report.resized
    assert (resized is not None) == found
    if resized is not None:
        assert resized.factor == pytest.approx(0.5, abs=0.01)
        assert str(resized).endswith(", or compressed as WebP")


def test_previews_and_deviations_have_the_size_of_the_picture(restorer: driftrec.Restorer) -> None:
    pixels = by_pillow(jpeg(textured(168, 152), 10), (269, 243), "bicubic")
    seen: list[tuple[int, ...]] = []
    result = restorer.restore(
        Image.fromarray(pixels), steps=2, samples=2, preview=lambda picture: seen.append(picture.shape)
    )
    assert set(seen) == {pixels.shape}
    assert result.deviation is not None
    assert result.deviation.shape == pixels.shape[:2]
    assert result.deviation.min() >= 0
