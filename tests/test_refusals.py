"""What cannot be opened or saved: one sentence for each, and nothing lost."""

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
from support import encoded, exif_with, noise

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
