"""Pictures that were enlarged after JPEG compression: how they are recognised, and what restoring them gains."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import driftrec
from driftrec.jpeg import Enlargement, enlarge, examine, shrink
from driftrec.jpeg.detect import Trace
from driftrec.jpeg.enlarged import find_enlargement
from driftrec.restoration.decision import decide
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


def by_pillow(pixels: np.ndarray, size: tuple[int, int], kernel: str) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), FILTERS[kernel]))


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("size", [(83, 71), (120, 104), (51, 104)])
def test_enlarging_equals_pillow_s(kernel: str, size: tuple[int, int], rng: np.random.Generator) -> None:
    plane = rng.random((48, 40), np.float32)
    np.testing.assert_allclose(enlarge(plane, size, kernel), by_pillow(plane, size, kernel), atol=1e-6)


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("size", [(260, 230), (420, 330)])
def test_shrinking_undoes_enlarging(kernel: str, size: tuple[int, int], rng: np.random.Generator) -> None:
    picture = rng.random((208, 176, 3), np.float32)
    np.testing.assert_allclose(shrink(enlarge(picture, size, kernel), picture.shape[:2], kernel), picture, atol=0.01)


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
    found = examine(pixels).enlarged
    assert found is not None
    assert (found.before, found.after, found.kernel) == ((168, 152), pixels.shape[:2], kernel)
    assert abs(found.trace.quality - quality) <= 2


def test_an_enlarged_picture_that_was_saved_again_is_found_too() -> None:
    data = jpeg_file(by_pillow(jpeg(textured(168, 152), 10), (336, 304), "bicubic"), quality=90)
    report = examine(opened(data), data)
    assert report.enlarged is not None
    assert report.enlarged.before == (168, 152)
    assert not decide(report).consistent


@pytest.mark.parametrize("kernel", FILTERS)
def test_clean_pictures_are_not_taken_for_enlarged_jpegs(kernel: str) -> None:
    clean = textured(168, 152)
    assert find_enlargement(clean) is None
    assert find_enlargement(by_pillow(clean, (269, 243), kernel)) is None


@pytest.mark.parametrize("quality", [75, 90])
def test_single_jpegs_are_not_taken_for_enlarged_ones(quality: int) -> None:
    data = jpeg_file(textured(248, 232), quality=quality)
    assert examine(opened(data), data).enlarged is None


def test_a_coarser_last_compression_counts_more() -> None:
    data = jpeg_file(by_pillow(jpeg(textured(168, 152), 85), (336, 304), "bicubic"), quality=76)
    report = examine(opened(data), data)
    assert report.enlarged is None
    assert decide(report).consistent


def test_whole_factors_are_not_taken_for_an_ordinary_grid() -> None:
    pixels = by_pillow(jpeg(textured(168, 152), 15), (336, 304), "nearest neighbour")
    report = examine(pixels)
    assert report.enlarged is not None
    assert (report.enlarged.before, report.enlarged.kernel, report.earlier) == ((168, 152), "nearest neighbour", None)


def test_ordinary_jpegs_are_not_taken_for_enlarged_ones() -> None:
    report = examine(jpeg(textured(200, 240), 20))
    assert (report.earlier is not None, report.enlarged) == (True, None)


def test_people_and_programs_can_read_what_was_found() -> None:
    found = Enlargement((100, 160), (160, 256), "bicubic", 0.1, Trace((0, 0), 10, 0.5))
    report = replace(examine(scene(160, 256), history=False), enlarged=found)
    assert decide(report).why == "it was enlarged 1.6 times (bicubic) after a JPEG of quality 10"
    assert decide(report).verdict == "restore"
    assert report.facts()["enlarged"] == {
        "factor": 1.6,
        "kernel": "bicubic",
        "width": 160,
        "height": 100,
        "quality": 10,
    }
    assert "quality 10, enlarged 1.6 times" in report.row()


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
