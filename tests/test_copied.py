"""Lossless copies of JPEGs."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from driftrec import Restorer, inspect
from driftrec.evaluate.chains.drawing import Screenshot
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
    copy, file = copied_jpeg(opened(data), quality + 1, gray=False), read_jpeg(data)
    assert copy is not None
    assert copy.offset == (0, 0)
    assert (copy.file.quality, copy.file.subsampling) == ((quality, True), subsampling)
    for part, original in zip(copy.file.components, file.components, strict=True):
        assert (part.coefficients != original.coefficients).mean() < 2e-3


def inside(start: int, length: int, pixels: range) -> bool:
    return start in pixels and start + length - 1 in pixels


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
@pytest.mark.parametrize(("top", "left"), [(3, 21), (24, 8), (0, 15)])
def test_the_coefficients_of_a_copied_part_are_found(top: int, left: int, subsampling: str) -> None:
    with Image.open(CROPS / "otter.png") as image:
        data = jpeg_file(np.asarray(image.convert("RGB")), quality=60, subsampling=subsampling)
    file = read_jpeg(data)
    copy = copied_jpeg(opened(data)[top:-5, left:-3], 61, (-top % 8, -left % 8), gray=False)
    assert copy is not None
    height, width = file.mcu
    assert copy.offset == (top % height, left % width)
    rows, columns = (range(start, size - cut) for start, size, cut in ((top, file.height, 5), (left, file.width, 3)))
    for part, original in zip(copy.file.components, file.components, strict=True):
        tall, wide = (8 * n for n in part.sampling)
        there = original.coefficients[top // height * tall :, left // width * wide :]
        there = there[: part.coefficients.shape[0], : part.coefficients.shape[1]]
        assert part.known is not None
        assert (part.coefficients != there)[part.known].mean() < 2e-3
        for row, column in np.ndindex(part.known.shape[0] // 8, part.known.shape[1] // 8):
            v, h = (unit // n for unit, n in zip(file.mcu, part.sampling, strict=True))  # pixels of a block
            whole = inside(top // height * height + row * v, v, rows)
            whole &= inside(left // width * width + column * h, h, columns)
            unit = inside((top // height + row * v // height) * height, height, rows)
            unit &= inside((left // width + column * h // width) * width, width, columns)
            assert unit <= part.known[8 * row, 8 * column] <= whole


def test_clipped_writing_and_gray_pictures_are_found() -> None:
    page = np.full((700, 180, 3), 255, np.uint8)  # more rows than are worked on at a time
    page[20:680:16, 10:170:5] = 0
    data = jpeg_file(page, "L", quality=30)
    copy, file = copied_jpeg(opened(data), 30, gray=True), read_jpeg(data)
    assert copy is not None
    found, original = copy.file.components[0].coefficients, file.components[0].coefficients
    assert (found != original).mean() < 0.02  # clipping hides some


def test_other_pictures_are_no_copies() -> None:
    pixels = scene(200, 240)
    assert copied_jpeg(pixels, 40, gray=False) is None
    assert copied_jpeg(opened(jpeg_file(pixels, quality=40)), 40, (3, 5), gray=False) is None
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


def test_copied_parts_are_restored_as_parts_of_their_jpegs() -> None:
    data = jpeg_file(scene(240, 256, seed=3), quality=60)
    shown: list[tuple[int, ...]] = []
    restorer = Restorer(threads=1, mode="faithful")
    original = np.asarray(restorer.restore(data))[19:, 35:]
    part = restorer.restore(png(opened(data)[19:, 35:]), preview=lambda pixels: shown.append(pixels.shape))
    assert part.note == "it is a lossless copy of a part of a JPEG of quality 60"
    assert set(shown) == {original.shape}
    assert psnr(np.asarray(part)[13:, 13:] / 255, original[13:, 13:] / 255) > 45
    decoded = np.asarray(restorer.restore(data, mode="decode"))[19:, 35:]
    part_decoded = np.asarray(Restorer(mode="decode").restore(png(opened(data)[19:, 35:])))
    assert psnr(part_decoded / 255, decoded / 255) > 45


def test_screenshots_of_jpegs_are_restored_as_the_jpegs() -> None:
    data, window = jpeg_file(scene(240, 256, seed=3), quality=40), Screenshot()
    shown = window(opened(data))
    restorer = Restorer(threads=1, mode="faithful")
    restored = restorer.restore(png(shown))
    assert restored.note == "it is a lossless copy of a part of a JPEG of quality 40"
    inside = np.s_[window.top : window.top + 240, window.left : window.left + 256]
    assert psnr(np.asarray(restored)[inside] / 255, np.asarray(restorer.restore(data)) / 255) > 40
    above = np.s_[: window.top - 16]
    assert psnr(np.asarray(restored)[above] / 255, shown[above] / 255) > 45


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
