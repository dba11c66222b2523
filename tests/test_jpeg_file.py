"""Reading JPEG files: facts and exact coefficients, against Pillow's decoder and SciPy's DCT."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn, idctn

from driftrec.jpeg import JpegError, ijg_quality, ijg_table, read_jpeg
from driftrec.jpeg.tables import CHROMA
from support import jpeg_file, scene


def blocks(plane: np.ndarray) -> np.ndarray:
    """(rows, columns, 8, 8)"""
    return plane.reshape(plane.shape[0] // 8, 8, -1, 8).swapaxes(1, 2)


@pytest.mark.parametrize("size", [(40, 56), (37, 51), (8, 8), (1, 1), (9, 130)])
@pytest.mark.parametrize("progressive", [False, True])
def test_coefficients_are_those_that_pillow_decodes(size: tuple[int, int], progressive: bool) -> None:
    data = jpeg_file(scene(*size), "L", quality=60, progressive=progressive)
    file = read_jpeg(data)
    (luma,) = file.components
    samples = idctn(blocks(luma.coefficients) * luma.table, axes=(2, 3), norm="ortho") + 128
    decoded = samples.swapaxes(1, 2).reshape(luma.coefficients.shape)[: size[0], : size[1]]
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_allclose(decoded.clip(0, 255), np.asarray(image), atol=1.5)
    assert (file.height, file.width, file.colour, file.progressive) == (*size, "gray", progressive)


def test_coefficients_are_those_that_the_encoder_rounded() -> None:
    pixels = scene(64, 80)[..., 0]
    (luma,) = read_jpeg(jpeg_file(pixels, "L", quality=90)).components
    wanted = dctn(blocks(pixels.astype(float) - 128), axes=(2, 3), norm="ortho") / luma.table
    assert np.abs(blocks(luma.coefficients) - wanted).max() < 0.56  # half a step, and the encoder's integers


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"restart_marker_blocks": 3}])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [4, 50, 100])
def test_a_progressive_file_holds_what_the_sequential_one_does(quality: int, subsampling: str, options: dict) -> None:
    pixels = scene(75, 101)
    one, other = (
        read_jpeg(jpeg_file(pixels, quality=quality, subsampling=subsampling, progressive=progressive, **options))
        for progressive in (False, True)
    )
    for a, b in zip(one.components, other.components, strict=True):
        np.testing.assert_array_equal(a.coefficients, b.coefficients)
        np.testing.assert_array_equal(a.table, b.table)
    assert one.subsampling == other.subsampling == subsampling
    assert one.quality == (quality, True)


def test_chroma_is_read_with_its_own_table_and_size() -> None:
    pixels = scene(64, 96)
    data = jpeg_file(pixels, quality=85, subsampling="4:2:0")
    _, blue, red = read_jpeg(data).components
    ycc = np.asarray(Image.fromarray(pixels).convert("YCbCr"), float)
    for component, channel in ((blue, 1), (red, 2)):
        np.testing.assert_array_equal(component.table, ijg_table(85, CHROMA))
        halved = ycc[..., channel].reshape(32, 2, 48, 2).mean(axis=(1, 3)) - 128
        wanted = dctn(blocks(halved), axes=(2, 3), norm="ortho") / component.table
        assert np.abs(blocks(component.coefficients) - wanted).max() < 2  # Pillow rounds YCbCr, libjpeg the means


@pytest.mark.parametrize(
    ("mode", "colour", "adobe", "identifiers"),
    [
        ("RGB", "YCbCr", None, [1, 2, 3]),
        ("CMYK", "CMYK", 0, [ord(letter) for letter in "CMYK"]),
        ("L", "gray", None, [1]),
    ],
)
def test_colour_and_markers(mode: str, colour: str, adobe: int | None, identifiers: list[int]) -> None:
    file = read_jpeg(jpeg_file(scene(32, 48), mode, restart_marker_blocks=2))
    assert (file.colour, file.adobe_transform, file.restart_interval) == (colour, adobe, 2)
    assert [component.identifier for component in file.components] == identifiers


def test_pixels_stored_as_rgb_are_known() -> None:
    file = read_jpeg(jpeg_file(scene(32, 48), keep_rgb=True, subsampling="4:4:4"))
    assert (file.colour, file.subsampling) == ("RGB", "4:4:4")


@pytest.mark.parametrize("factors", [(0x12, "4:4:0"), (0x41, "4:1:1")])
def test_sampling_names(factors: tuple[int, str]) -> None:
    """A file of zeros is valid whatever its sampling: for each block one bit of DC and one of AC."""
    code, name = factors
    per_mcu = (code >> 4) * (code & 15) + 2
    segment = lambda marker, body: bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + bytes(body)  # noqa: E731
    one_code = [1] + [0] * 15 + [0]  # the code word 0, for symbol 0
    data = b"\xff\xd8" + segment(0xDB, [0] + [1] * 64)
    data += segment(0xC0, [8, 0, 16, 0, 32, 3, 1, code, 0, 2, 0x11, 0, 3, 0x11, 0])
    data += segment(0xC4, [0x00, *one_code]) + segment(0xC4, [0x10, *one_code])
    mcus = (16 // (8 * (code & 15))) * (32 // (8 * (code >> 4)))
    data += segment(0xDA, [3, 1, 0, 2, 0, 3, 0, 0, 63, 0]) + bytes(-(-2 * per_mcu * mcus // 8)) + b"\xff\xd9"
    file = read_jpeg(data)
    assert file.subsampling == name
    assert file.components[0].coefficients.shape == (16, 32)
    assert not any(component.coefficients.any() for component in file.components)


def test_damaged_files_get_one_sentence() -> None:
    pixels = scene(64, 96)
    for progressive in (False, True):
        data = jpeg_file(pixels, quality=80, progressive=progressive)
        for cut in (0, 1, 30, 200, 700, len(data) // 2, len(data) - 40):
            with pytest.raises(JpegError):
                read_jpeg(data[:cut])
    with pytest.raises(JpegError, match="not a JPEG"):
        read_jpeg(b"\x89PNG")
    with pytest.raises(JpegError, match="arithmetic"):
        read_jpeg(data[: data.index(b"\xff\xc2")] + b"\xff\xc9" + data[data.index(b"\xff\xc2") + 2 :])


def test_noise_in_a_file_is_an_error_or_what_pillow_reads_from_its_headers(rng: np.random.Generator) -> None:
    read, refused = 0, 0
    for progressive in (False, True):
        data = jpeg_file(scene(48, 64), quality=70, progressive=progressive)
        headers = data.index(b"\xff\xda")
        for _ in range(60):
            noisy = bytearray(data)
            for place in [*rng.integers(headers, len(data), 3), rng.integers(2, headers)]:
                noisy[place] = rng.integers(256)
            try:
                file = read_jpeg(bytes(noisy))
            except JpegError:
                refused += 1
                continue
            read += 1
            with Image.open(io.BytesIO(noisy)) as image:
                assert (file.width, file.height) == image.size
                assert [component.identifier for component in file.components] == [layer[0] for layer in image.layer]
                for component, (*_, table) in zip(file.components, image.layer, strict=True):
                    np.testing.assert_array_equal(component.table.ravel(), image.quantization[table])
    assert min(read, refused) >= 10


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 99, 100])
def test_tables_are_those_of_libjpeg(quality: int) -> None:
    with Image.open(io.BytesIO(jpeg_file(scene(16, 16), quality=quality))) as image:
        luma, chroma = (np.reshape(table, (8, 8)) for table in image.quantization.values())
    np.testing.assert_array_equal(ijg_table(quality), luma)
    np.testing.assert_array_equal(ijg_table(quality, CHROMA), chroma)
    assert ijg_quality(luma) == (quality, True)
    assert ijg_quality(luma + 1) != (quality, True)
