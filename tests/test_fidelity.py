"""Metrics against hand values, batch mates that do not exist, and the published rows of plain JPEG."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftrec.evaluate.fidelity import blocking_effect, luma, psnr, psnr_b, psnr_b_channels, psnr_luma, ssim


def constant(value: int, shape: tuple[int, ...] = (16, 16, 3)) -> np.ndarray:
    return np.full(shape, value, np.uint8)


def test_psnr_by_hand() -> None:
    assert psnr(constant(100), constant(110)) == pytest.approx(20 * math.log10(25.5))
    assert psnr(constant(7), constant(7)) == math.inf
    red = constant(0)
    red[..., 0] = 100
    assert luma(red)[0, 0] == pytest.approx(16 + 100 * 65.481 / 255)
    assert psnr_luma(red, constant(0)) == pytest.approx(20 * math.log10(255 / (100 * 65.481 / 255)))


def test_blocking_effect_by_hand() -> None:
    # One step of 10 at the only vertical block boundary of a 16×16 picture, and nowhere else:
    # boundaries: 16 steps across columns and 16 across rows, half of them 10² = 100; mean 50; elsewhere 0.
    step = np.zeros((16, 16))
    step[:, 8:] = 10
    assert blocking_effect(step) == pytest.approx(50 * math.log(8) / math.log(16))
    # The same step off the grid is no blocking: elsewhere − blocks is positive.
    off_grid = np.zeros((16, 16))
    off_grid[:, 5:] = 10
    assert blocking_effect(off_grid) == 0
    assert blocking_effect(np.zeros((8, 8))) == 0


def test_psnr_b_by_hand() -> None:
    clean = constant(0, (16, 16))
    restored = clean.copy()
    restored[:, 8:] = 10
    expected = 10 * math.log10(255**2 / (50 + 50 * 0.75))
    assert psnr_b(restored, clean) == pytest.approx(expected)
    assert psnr_b_channels(restored, clean) == pytest.approx(expected)
    colour = np.repeat(restored[..., None], 3, axis=2)
    assert psnr_b_channels(colour, np.zeros_like(colour)) == pytest.approx(expected)
    assert psnr_b(clean, clean) == math.inf


def test_ssim_of_constants_by_hand() -> None:
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert ssim(constant(100), constant(110)) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="11×11"):
        ssim(constant(1, (10, 20, 3)), constant(1, (10, 20, 3)))


@pytest.mark.parametrize("metric", [psnr, psnr_luma, ssim, psnr_b, psnr_b_channels])
def test_sizes_must_agree(metric) -> None:
    with pytest.raises(ValueError, match="different sizes"):
        metric(constant(0), constant(0, (16, 32, 3)))


@pytest.mark.parametrize(("quality", "published"), [(10, (25.69, 24.20)), (40, (30.28, 28.84))])
def test_plain_jpeg_reads_as_published(data_folder: Path, quality: int, published: tuple[float, float]) -> None:
    scores = []
    for path in sorted((data_folder / "test" / "live1").glob("*.png")):
        with Image.open(path) as image:
            clean, file = image.convert("RGB"), io.BytesIO()
        clean.save(file, "JPEG", quality=quality, subsampling="4:2:0")
        decoded = np.asarray(Image.open(file))
        scores.append((psnr(decoded, np.asarray(clean)), psnr_b(decoded, np.asarray(clean))))
    assert len(scores) == 29
    assert np.mean(scores, axis=0) == pytest.approx(published, abs=0.01)


@pytest.mark.parametrize(("quality", "published"), [(10, 27.82), (40, 32.43)])
def test_plain_gray_jpeg_reads_as_published(data_folder: Path, quality: int, published: float) -> None:
    scores = []
    for path in sorted((data_folder / "test" / "classic5").glob("*.png")):
        with Image.open(path) as image:
            clean, file = image.convert("L"), io.BytesIO()
        clean.save(file, "JPEG", quality=quality)
        scores.append(psnr(np.asarray(Image.open(file)), np.asarray(clean)))
    assert np.mean(scores) == pytest.approx(published, abs=0.01)
