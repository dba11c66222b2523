"""Lossless copies of JPEGs."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from driftrec import Restorer, inspect
from driftrec.jpeg import read_jpeg
from driftrec.jpeg.copied import copied_jpeg
from support import CROPS, jpeg_file, opened, psnr, scene


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("quality", "subsampling"), [(10, "4:2:0"), (50, "4:2:2"), (80, "4:4:4")])
def test_the_coefficients_of_a_copied_jpeg_are_found(quality: int, subsampling: str) -> None:
    with Image.open(CROPS / "otter.png") as image:
        data = jpeg_file(np.asarray(image.convert("RGB")), quality=quality, subsampling=subsampling)
    found, file = copied_jpeg(opened(data), quality + 1, gray=False), read_jpeg(data)
    assert found is not None
    assert (found.quality, found.subsampling) == ((quality, True), subsampling)
    for part, original in zip(found.components, file.components, strict=True):
        assert (part.coefficients != original.coefficients).mean() < 2e-3


def test_clipped_writing_and_gray_pictures_are_found() -> None:
    page = np.full((700, 180, 3), 255, np.uint8)  # more rows than are worked on at a time
    page[20:680:16, 10:170:5] = 0
    data = jpeg_file(page, "L", quality=30)
    found, file = copied_jpeg(opened(data), 30, gray=True), read_jpeg(data)
    assert found is not None
    assert (found.components[0].coefficients != file.components[0].coefficients).mean() < 0.02  # clipping hides some


def test_other_pictures_are_no_copies() -> None:
    pixels = scene(200, 240)
    assert copied_jpeg(pixels, 40, gray=False) is None
    assert copied_jpeg(opened(jpeg_file(pixels, quality=40))[3:, 5:], 40, gray=False) is None
    assert copied_jpeg(pixels.astype(np.float32) / 255, 40, gray=False) is None
    assert copied_jpeg(pixels[:12], 40, gray=False) is None


def test_copies_are_restored_as_their_jpegs() -> None:
    clean = scene(240, 256, seed=3)
    data = jpeg_file(clean, quality=60)
    restorer = Restorer(threads=1, mode="faithful")
    original, copy = restorer.restore(data), restorer.restore(png(opened(data)))
    assert "lossless copy of a JPEG of quality 60" in copy.note
    assert psnr(original.pixels, copy.pixels) > 45
    assert copy.consistent is not None
    report = inspect(png(opened(data))).report
    assert report.copied
    assert report.row()[1] == "copy of 60"
    assert report.edited is None
    assert not inspect(data).report.copied


@pytest.mark.parametrize(("mode", "most"), [("faithful", 1.5), ("decode", 0.0)])
def test_what_was_written_into_a_copy_stays(mode: str, most: float) -> None:
    with Image.open(CROPS / "coneflowers-q10.jpg") as image:
        shown = image.convert("RGB")
    draw = ImageDraw.Draw(shown)
    draw.rectangle((20, 20, 120, 40), (255, 255, 255))
    draw.text((24, 24), "as it was written", (200, 0, 30))
    pixels = np.asarray(shown)
    restored = Restorer(threads=1, mode=mode).restore(png(pixels))
    assert "lossless copy" in restored.note
    caption = np.s_[22:39, 22:119]
    change = np.abs(np.asarray(restored, float) - pixels)
    assert change[caption].mean() <= most
    assert change.mean() > 1.5
