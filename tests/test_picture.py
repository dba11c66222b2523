"""Opening and saving: every mode, format and refusal."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from driftrec.picture import (
    MAX_PIXELS,
    PICTURE_SUFFIXES,
    SAVE_EXTENSIONS,
    Picture,
    PictureError,
    open_picture,
    save_picture,
)
from driftrec.picture.png import QUICK, png_compression
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


# ----------------------------------------------------------------------------------------------- refusals, opening


def png_header(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b""))
    )


def bad_files():
    photo = Image.fromarray(noise(64, 64, 3))
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    many = {"save_all": True, "append_images": frames[1:]}
    jpeg, png = encoded(photo, "JPEG"), encoded(photo, "PNG")
    limit = MAX_PIXELS // 10**6
    return {
        "cut.jpg": (jpeg[: len(jpeg) // 2], "is damaged or cut short (image file is truncated"),
        "cut.png": (png[: len(png) // 2], "is damaged or cut short ("),
        "headless.jpg": (jpeg[:20], "is not a picture: give a JPEG, PNG, WebP, TIFF or AVIF file"),
        "garbled.png": (png[:60] + bytes(200) + png[260:], "is damaged or cut short ("),
        "text.jpg": (b"Hello, I am a picture.", "is not a picture: give a JPEG, PNG, WebP, TIFF or AVIF file"),
        "nothing.jpg": (b"", "is not a picture: give a JPEG, PNG, WebP, TIFF or AVIF file"),
        "moving.gif": (
            encoded(frames[0], "GIF", **many),
            "holds 3 frames or pages: save the one to restore as a separate file",
        ),
        "moving.webp": (encoded(frames[0], "WEBP", **many), "holds 3 frames or pages"),
        "moving.png": (encoded(frames[0], "PNG", **many), "holds 3 frames or pages"),
        "pages.tif": (encoded(frames[0], "TIFF", **many), "holds 3 frames or pages"),
        "floats.tif": (
            encoded(Image.new("F", (4, 4)), "TIFF"),
            "has pixels of the mode F: convert it to 8-bit RGB first",
        ),
        "wide.tif": (
            encoded(Image.new("I", (4, 4), -5), "TIFF"),
            "has samples outside 0 to 65535: convert it to 8 or 16 bits first",
        ),
        "bomb.png": (
            png_header(50_000, 50_000),
            f"has 2500 megapixels, more than {limit}: raise the limit, or split the picture",
        ),
        "large.png": (png_header(MAX_PIXELS // 1000 + 1000, 1000), f"has {limit + 1} megapixels, more than {limit}:"),
    }


@pytest.mark.parametrize("name", bad_files())
def test_bad_files_are_refused_in_one_sentence(tmp_path, name):
    data, words = bad_files()[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(PictureError) as refusal:
        open_picture(path)
    assert str(refusal.value).startswith(f"{path} {words}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
def test_damage_of_any_kind_ends_in_a_picture_or_a_picture_error(file_format):
    whole = encoded(Image.fromarray(noise(24, 24, 3)), file_format, exif=exif_with(6).tobytes())
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(whole[: rng.integers(len(whole) // 2, len(whole) + 1)])
        for place in rng.integers(0, min(len(damaged), 400), 4):
            damaged[place] = rng.integers(256)
        with contextlib.suppress(PictureError):  # and nothing else
            assert open_picture(bytes(damaged)).pixels.shape[2] == 3


def test_the_limit_of_size_can_be_set():
    assert open_picture(Image.new("L", (10, 10)), max_pixels=100).pixels.shape == (10, 10, 3)
    with pytest.raises(PictureError, match=r"has 0\.00011 megapixels, more than 0\.0001:"):
        open_picture(Image.new("L", (10, 11)), max_pixels=100)
    with pytest.raises(PictureError, match="cut short"):  # the header passes, beyond Pillow's own limit, too
        open_picture(png_header(20_000, 20_000), max_pixels=500_000_000)


def test_large_but_allowed_pictures_raise_no_warning():
    with pytest.raises(PictureError, match="cut short"):  # the header passes: only the pixels are missing
        open_picture(png_header(12_000, 12_000))


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(PictureError, match=r"no\.jpg does not exist: check the name and the folder"):
        open_picture(tmp_path / "no.jpg")
    with pytest.raises(PictureError, match="is a folder: give the pictures in it one by one"):
        open_picture(tmp_path)


def test_unreadable_files_are_refused(tmp_path, monkeypatch):
    def deny(*_):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "in.png"
    Image.new("L", (2, 2)).save(path)
    monkeypatch.setattr(Image, "open", deny)
    with pytest.raises(PictureError, match=r"in\.png cannot be read: you need permission to read it"):
        open_picture(path)


def test_sources_without_a_name_are_named_in_words():
    with pytest.raises(PictureError, match=r"^the picture given is not a picture"):
        open_picture(b"text")
    with pytest.raises(PictureError, match=r"^the picture given is 0 × 5 pixels: give a picture that is not empty"):
        open_picture(Image.new("RGB", (0, 5)))


def test_other_objects_are_a_type_error():
    with pytest.raises(TypeError, match="not int"):
        open_picture(3)  # pyright: ignore[reportArgumentType]


# ------------------------------------------------------------------------------------------------ refusals, saving


GRAY16 = Picture(np.zeros((4, 4, 3), np.uint16), gray=True, bit_depth=16)
CLEAR16 = Picture(np.zeros((4, 4, 3), np.uint16), alpha=np.zeros((4, 4), np.uint16), gray=True, bit_depth=16)
COLOUR = Picture(np.zeros((4, 4, 3), np.uint8))
CLEAR = Picture(np.zeros((4, 4, 3), np.uint8), alpha=np.zeros((4, 4), np.uint8))
LONG = Picture(np.zeros((1, 20_000, 3), np.uint8))


@pytest.mark.parametrize(
    ("picture", "name", "words"),
    [
        (COLOUR, "out.gif", "has an extension that cannot be written: use one of " + ", ".join(SAVE_EXTENSIONS)),
        (COLOUR, "out", "has an extension that cannot be written: use one of .png"),
        (COLOUR, "nowhere/out.png", "cannot be written: make the folder "),
        (COLOUR, "folder.png", "is a folder: give the name of a file"),
        (CLEAR, "out.jpg", "cannot be written: JPEG holds no transparency; use .png, .webp or .tif"),
        (GRAY16, "out.jpg", "cannot be written: its format holds 8 bits, not 16; use .png or .tif"),
        (GRAY16, "out.avif", "cannot be written: its format holds 8 bits, not 16; use .png or .tif"),
        (GRAY16, "out.webp", "cannot be written: its format holds 8 bits, not 16; use .png or .tif"),
        (LONG, "out.webp", "cannot be written: its format holds 16383 pixels per side, not"),
        (CLEAR16, "out.tif", "cannot be written: few programs read gray TIFFs of 16 bits with alpha; use .png"),
    ],
)
def test_impossible_targets_are_refused(tmp_path, picture, name, words):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PictureError) as refusal:
        save_picture(picture, tmp_path / name)
    assert str(refusal.value).startswith(f"{tmp_path / name} {words}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_no_stray_one(tmp_path, monkeypatch, error):
    def fill_the_disk(_, stream, *__, **___):
        stream.write(b"half a picture")
        raise error

    path = tmp_path / "out.png"
    path.write_bytes(b"the old picture")
    monkeypatch.setattr(Image.Image, "save", fill_the_disk)
    with pytest.raises(PictureError if isinstance(error, OSError) else KeyboardInterrupt):
        save_picture(COLOUR, path)
    assert path.read_bytes() == b"the old picture"
    assert list(tmp_path.iterdir()) == [path]


def test_saving_replaces_an_older_file(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"the old picture")
    save_picture(COLOUR, path)
    assert open_picture(path).pixels.shape == (4, 4, 3)
    assert list(tmp_path.iterdir()) == [path]


def test_whatever_can_be_saved_counts_as_a_picture_and_so_do_the_other_names_of_jpeg():
    assert set(SAVE_EXTENSIONS) < PICTURE_SUFFIXES
    assert {".jpe", ".jfif", ".bmp", ".ppm"} < PICTURE_SUFFIXES
    known = Image.registered_extensions()
    assert all(suffix in known for suffix in PICTURE_SUFFIXES)


def test_photographs_are_compressed_quickly_and_drawings_thoroughly(tmp_path):
    photograph = noise(256, 96, 3)
    drawing = np.empty((256, 512, 3), np.uint8)
    drawing[...] = np.linspace(0, 255, 512)[:, None]
    for pixels, quick in ((photograph, True), (drawing, False)):
        image = Image.fromarray(pixels)
        assert (png_compression(image) in QUICK) == quick
        save_picture(Picture(pixels), tmp_path / "picture.png")
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "picture.png")), pixels)
