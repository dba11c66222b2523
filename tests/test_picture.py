"""Opening and saving: every mode and format, and the value between them."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from driftrec.picture import (
    SAVE_EXTENSIONS,
    Picture,
    open_picture,
    save_picture,
)
from support import SRGB, encoded, exif_with, noise

LOSSLESS = [extension for extension in SAVE_EXTENSIONS if not extension.startswith((".jp", ".avif"))]


# ------------------------------------------------------------------------------------------------ modes, formats


@pytest.mark.parametrize("extension", LOSSLESS)
@pytest.mark.parametrize(
    ("mode", "channels"), [("L", None), ("LA", 2), ("RGB", 3), ("RGBA", 4)], ids=["L", "LA", "RGB", "RGBA"]
)
def test_round_trip_is_exact(tmp_path, mode, channels, extension):
    original = Image.fromarray(noise(11, 7, channels) if channels else noise(11, 7))
    assert original.mode == mode
    path = tmp_path / f"out{extension}"

    save_picture(open_picture(original), path)

    with Image.open(path) as saved:
        expected = original.convert(mode.replace("LA", "RGBA").replace("L", "RGB")) if "webp" in extension else original
        assert saved.mode == expected.mode
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(expected))


@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bit_gray_stays_so(tmp_path, file_format, extension):
    samples = noise(9, 5, dtype=np.uint16)
    picture = open_picture(encoded(Image.fromarray(samples), file_format))
    assert (picture.bit_depth, picture.gray, picture.pixels.dtype) == (16, True, np.uint16)

    save_picture(picture.replace_pixels(picture.as_float()), tmp_path / f"out{extension}")

    with Image.open(tmp_path / f"out{extension}") as saved:
        assert saved.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(saved), samples)


def test_big_endian_and_integer_samples_are_sixteen_bit():
    samples = noise(4, 6, dtype=np.uint16)
    netpbm = b"P5 6 4 65535\n" + samples.astype(">u2").tobytes()
    for source in (netpbm, Image.fromarray(samples.astype(np.int32)), Image.fromarray(samples.astype(">u2"))):
        np.testing.assert_array_equal(open_picture(source).pixels[..., 1], samples)


def test_bilevel_becomes_gray():
    picture = open_picture(Image.fromarray(noise(8, 8) > 127))
    assert picture.gray
    assert set(np.unique(picture.pixels)) == {0, 255}
    assert picture.to_pil().mode == "L"


def test_palette_becomes_colour_and_its_transparency_alpha():
    palette = Image.new("P", (4, 2))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((0, 0), 1)
    opaque = open_picture(encoded(palette, "PNG"))
    assert opaque.alpha is None
    np.testing.assert_array_equal(opaque.pixels[0, 0], [200, 100, 50])

    clear = open_picture(encoded(palette, "PNG", transparency=1))
    assert clear.alpha is not None
    assert (clear.alpha[0, 0], clear.alpha[0, 1]) == (0, 255)
    np.testing.assert_array_equal(clear.pixels, opaque.pixels)


def deep_png(samples):
    """A 16-bit PNG, its rows without a filter, made by hand from the specification."""
    height, width, channels = samples.shape
    rows = np.insert(samples.astype(">u2").view(np.uint8).reshape(height, -1), 0, 0, axis=1)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows.tobytes())), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep_samples(path):
    """What a 16-bit PNG or TIFF holds, read by hand: Paeth's filter undone, or the one strip of a TIFF."""
    data = path.read_bytes()
    if path.suffix == ".tif":
        with Image.open(path) as image:
            tags = {tag: image.tag_v2[tag] for tag in (256, 257, 258, 273, 277, 279, 338) if tag in image.tag_v2}
        assert set(tags[258]) == {16}
        strip = data[tags[273][0] :][: tags[279][0]]
        return np.frombuffer(strip, "<u2").reshape(tags[257], tags[256], tags[277])
    place, compressed = 8, b""
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", data, place + 8 + length)[0]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", body)
        compressed += body if kind == b"IDAT" else b""
        place += length + 12
    assert depth == 16
    channels = {2: 3, 4: 2, 6: 4}[colour]
    step, raw = 2 * channels, np.frombuffer(zlib.decompress(compressed), np.uint8).reshape(height, -1)
    rows = np.zeros((height + 1, step + width * step), int)
    for y, (kind, *values) in enumerate(raw.tolist(), start=1):
        assert kind == 4
        for x, value in enumerate(values, start=step):
            a, b, c = rows[y, x - step], rows[y - 1, x], rows[y - 1, x - step]
            rows[y, x] = (value + min((a, b, c), key=lambda v, p=a + b - c: abs(p - v))) % 256
    return rows[1:, step:].astype(np.uint8).view(">u2").reshape(height, width, channels)


@pytest.mark.parametrize(("channels", "extension"), [(2, ".png"), (3, ".png"), (4, ".png"), (3, ".tif"), (4, ".tif")])
def test_all_sixteen_bits_of_colour_and_alpha_are_read_and_written(tmp_path, channels, extension):
    samples = noise(70, 5, channels, dtype=np.uint16)
    samples[:, 1:4] = samples[:, :1]  # flat parts, which the filter likes
    picture = open_picture(deep_png(samples))
    assert (picture.bit_depth, picture.gray) == (16, channels == 2)
    pixels = samples[..., :1] if channels == 2 else samples[..., :3]
    np.testing.assert_array_equal(picture.pixels, np.broadcast_to(pixels, picture.pixels.shape))

    save_picture(picture.replace_pixels(picture.as_float()), tmp_path / f"out{extension}")
    np.testing.assert_array_equal(deep_samples(tmp_path / f"out{extension}"), samples)
    again = open_picture(tmp_path / f"out{extension}")
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    if channels != 3:
        np.testing.assert_array_equal(again.alpha, samples[..., -1])


@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_sixteen_bits_hold_what_eight_would_round_away(tmp_path, extension):
    fine = np.linspace(0.5, 0.51, 60, dtype=np.float32).reshape(4, 5, 3)
    picture = Picture(np.zeros((4, 5, 3), np.uint8)).replace_pixels(fine)
    save_picture(picture.with_bits(16), tmp_path / f"deep{extension}")
    np.testing.assert_allclose(open_picture(tmp_path / f"deep{extension}").as_float(), fine, atol=0.51 / 65535)
    save_picture(picture.with_bits(8), tmp_path / f"flat{extension}")
    assert open_picture(tmp_path / f"flat{extension}").bit_depth == 8


def test_avif_is_close_when_it_is_asked_for(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)[..., None].repeat(3, axis=2)
    save_picture(Picture(smooth), tmp_path / "out.avif")
    assert np.abs(open_picture(tmp_path / "out.avif").pixels.astype(int) - smooth).max() <= 3


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (7, 7, 7))])
def test_transparent_colour_becomes_alpha(mode, key):
    image = Image.new(mode, (3, 2), 9 if mode == "L" else (9, 9, 9))
    image.putpixel((1, 0), key)
    picture = open_picture(encoded(image, "PNG", transparency=key))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha == 0, [[False, True, False], [False, False, False]])
    assert picture.to_pil().mode == mode + "A"


@pytest.mark.parametrize("source_mode", ["HSV", "YCbCr", "RGBX"])
def test_other_colour_modes_become_rgb(source_mode):
    image = Image.fromarray(noise(4, 4, 3)).convert(source_mode)
    np.testing.assert_array_equal(open_picture(image).pixels, np.asarray(image.convert("RGB")))


def cmyk_profile():
    """A CMYK profile by hand: a 2-point table to Lab in which ink of any kind is L = 50, paper is white."""
    corners = b"\xff\x80\x80" + b"\x80\x80\x80" * 15
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + corners + ramp * 3
    header = struct.pack(">I4xI4s4s4s12x4s", 144 + len(table), 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp")
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_profile(file_format):
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))  # full cyan; the profile above calls it a mid gray
    with_profile = open_picture(encoded(image, file_format, icc_profile=cmyk_profile()))
    without = open_picture(encoded(image, file_format))
    broken = open_picture(encoded(image, file_format, icc_profile=b"no profile at all"))

    assert np.ptp(with_profile.pixels[0, 0].astype(int)) <= 2
    assert with_profile.icc_profile is None
    np.testing.assert_allclose(without.pixels[0, 0], [0, 255, 255], atol=2)
    np.testing.assert_array_equal(broken.pixels, without.pixels)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_keeps_its_mode_and_full_chroma(tmp_path, mode):
    image = Image.new("RGB", (16, 16), (200, 30, 40)).convert(mode)
    save_picture(open_picture(image), tmp_path / "out.JPG")
    with Image.open(tmp_path / "out.JPG") as saved:
        assert (saved.format, saved.mode) == ("JPEG", mode)
        assert mode == "L" or [layer[1:3] for layer in saved.layer] == [(1, 1)] * 3
        np.testing.assert_allclose(np.asarray(saved).astype(int), np.asarray(image), atol=2)


def test_all_kinds_of_source_agree(tmp_path):
    path = tmp_path / "in.png"
    Image.fromarray(noise(6, 6, 3)).save(path)
    with path.open("rb") as stream, Image.open(path) as image:
        for source in (path, str(path), path.read_bytes(), stream, image):
            picture = open_picture(source)
            np.testing.assert_array_equal(picture.pixels, noise(6, 6, 3))
            assert picture.source_format == "PNG"
        assert not stream.closed


def test_first_picture_of_a_camera_file():
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    picture = open_picture(encoded(first, "MPO", save_all=True, append_images=[second]))
    assert picture.source_format == "MPO"
    np.testing.assert_allclose(picture.pixels[4, 4], [255, 0, 0], atol=2)
    assert picture.left_out == ("the other picture of this multi-picture file (gain map, depth or second view)",)
    assert open_picture(encoded(first, "MPO", save_all=True)).left_out == ()


# ---------------------------------------------------------------------------------------------------- the value


def test_rounds_to_nearest_and_clips():
    levels = np.array([-0.2, 0.49, 0.51, 127.4, 127.6, 254.6, 300.0], np.float32) / 255
    pixels = np.repeat(levels[None, :, None], 3, axis=2)
    np.testing.assert_array_equal(np.asarray(Picture(pixels).to_pil())[0, :, 0], [0, 0, 1, 127, 128, 255, 255])


def test_as_float_is_exact_at_both_depths():
    for dtype, depth in ((np.uint8, 8), (np.uint16, 16)):
        every = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(1, -1, 1).repeat(3, axis=2)
        picture = Picture(every, gray=True, bit_depth=depth)
        unit = picture.as_float()
        assert unit.dtype == np.float32
        assert (unit.min(), unit.max(), unit.flags.c_contiguous) == (0, 1, True)
        np.testing.assert_array_equal(np.asarray(picture.replace_pixels(unit).to_pil())[0], every[0, :, 0])


def test_gray_is_the_mean_of_the_restored_channels():
    picture = open_picture(Image.new("L", (2, 2), 100))
    restored = picture.as_float() + np.array([-3, 0, 9], np.float32) / 255
    image = picture.replace_pixels(restored).to_pil()
    assert image.mode == "L"
    assert np.asarray(image)[0, 0] == 102


def test_replace_pixels_keeps_the_rest():
    data = encoded(Image.fromarray(noise(4, 6, 4)), "PNG", exif=exif_with(6), icc_profile=SRGB)
    picture = open_picture(data)
    other = picture.replace_pixels(np.zeros((4, 6, 3), np.float32))
    for name in ("alpha", "gray", "bit_depth", "orientation", "exif", "icc_profile", "xmp", "source_format"):
        assert getattr(other, name) is getattr(picture, name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pixels": np.zeros((4, 4), np.uint8)}, "shape"),
        ({"pixels": np.zeros((0, 4, 3), np.uint8)}, "shape"),
        ({"pixels": np.zeros((4, 4, 3), np.float64)}, "float64"),
        ({"pixels": np.zeros((4, 4, 3), np.uint16)}, "uint16"),
        ({"pixels": np.full((4, 4, 3), np.nan, np.float32)}, "finite"),
        ({"alpha": np.zeros((4, 5), np.uint8)}, "alpha"),
        ({"alpha": np.zeros((4, 4), np.float32)}, "alpha"),
        ({"bit_depth": 12}, "8 or 16"),
        ({"bit_depth": 16}, "uint8"),
        ({"orientation": 0}, "1 to 8"),
    ],
)
def test_impossible_pictures_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Picture(**{"pixels": np.zeros((4, 4, 3), np.uint8)} | options)


def test_restored_pixels_of_another_size_are_refused():
    with pytest.raises(ValueError, match="shape"):
        Picture(np.zeros((4, 4, 3), np.uint8)).replace_pixels(np.zeros((4, 5, 3), np.float32))
