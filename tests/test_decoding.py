"""Expected values: decoding that is closer to the picture than Pillow's."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from driftrec.jpeg import decode, read_jpeg
from driftrec.jpeg.dequantise import expected_coefficients, laplacian_theta
from driftrec.jpeg.file import Component
from support import jpeg_file, opened, psnr, scene, textured


@pytest.mark.parametrize("scale", [0.15, 0.5, 2.0])
def test_laplacian_scales_are_recovered(scale: float, rng: np.random.Generator) -> None:
    quantised = np.rint(rng.laplace(0, scale, 200_000)).astype(np.int16)
    assert laplacian_theta(quantised) == pytest.approx(np.exp(-1 / (2 * scale)), rel=0.03)
    assert laplacian_theta(np.zeros(9, np.int16)) == 0


def test_expected_values_are_the_means_of_what_was_quantised(rng: np.random.Generator) -> None:
    true = rng.laplace(0, 14, (800, 800)).astype(np.float32)
    table = np.full((8, 8), 10)
    component = Component(1, (1, 1), table, np.rint(true / 10).astype(np.int16))
    expected = expected_coefficients(component)
    one = component.coefficients == 1
    one[::8, ::8] = False  # DC has no peak at zero: it stays in the middle
    assert expected[one].mean() == pytest.approx(true[one].mean(), abs=0.1)
    assert 9 < expected[one].mean() < 9.8
    assert (expected[::8, ::8] == 10 * component.coefficients[::8, ::8]).all()


@pytest.mark.parametrize(("quality", "gain"), [(10, 0.1), (75, 0.15), (90, 0.2)])
def test_decoding_gains_over_pillows(quality: int, gain: float) -> None:
    clean = textured(256, 256)[..., 1]
    data = jpeg_file(clean, quality=quality)
    better = np.rint(decode(read_jpeg(data))[..., 0] * 255)
    assert psnr(better, clean) > psnr(opened(data)[..., 0], clean) + gain


@pytest.mark.parametrize("size", [(83, 117), (1, 1), (3, 3), (4, 4), (2, 5), (5, 2), (9, 18)])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_decoding_is_pillows_but_for_expected_values(
    size: tuple[int, int], subsampling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftrec.jpeg.dequantise._shrinkage", lambda _: 0.0)
    data = jpeg_file(scene(83, 117)[20 : 20 + size[0], 40 : 40 + size[1]], quality=70, subsampling=subsampling)
    difference = np.abs(decode(read_jpeg(data)) * 255 - opened(data))
    assert difference.max() < 6  # Pillow rounds Y, Cb and Cr; a level of Cb moves blue by 1.8
    assert difference.mean() < 0.7


def black_on_white() -> np.ndarray:
    """Writing and thin lines, uint8 (192, 192)."""
    rng = np.random.default_rng(0)
    image = Image.new("L", (192, 192), 255)
    draw = ImageDraw.Draw(image)
    for x, y in rng.integers(0, 192, (14, 2)).tolist():
        draw.text((x - 30, y - 6), "Black ink on paper", 0)
    for ends in rng.integers(0, 192, (10, 4)).tolist():
        draw.line(ends, fill=0, width=1 + ends[0] % 3)
    return np.asarray(image)


def coloured_discs() -> np.ndarray:
    """Flat areas with black outlines, uint8 (192, 192, 3)."""
    rng = np.random.default_rng(1)
    image = Image.new("RGB", (192, 192), "white")
    for x, y, side, *colour in rng.integers(0, (160, 160, 60, 256, 256, 256), (16, 6)).tolist():
        box = (x, y, x + 20 + side, y + 20 + side)
        ImageDraw.Draw(image).ellipse(box, fill=tuple(colour), outline=(0, 0, 0))
    return np.asarray(image)


@pytest.mark.parametrize("quality", [10, 40, 75])
@pytest.mark.parametrize("picture", [black_on_white, coloured_discs])
def test_decoding_gains_where_contrast_is_at_its_limit(picture: Callable[[], np.ndarray], quality: int) -> None:
    # Ink that is clipped at black and white, and colours that are blurred by their interpolation.
    clean = picture()
    data = jpeg_file(clean, quality=quality, subsampling="4:2:0")
    better = np.rint(decode(read_jpeg(data)) * 255)
    rgb = np.broadcast_to(clean.reshape(192, 192, -1), better.shape)
    assert psnr(better, rgb) > psnr(opened(data), rgb)
