"""Orientation and metadata: each is kept in every format that can hold it, and applied once."""

import dataclasses
import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from driftrec.picture import SAVE_EXTENSIONS, open_picture, save_picture
from support import SRGB, encoded, exif_with, noise

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_and_only_on_the_way_out(tmp_path, orientation, endian):
    original = Image.fromarray(noise(5, 9, 4))
    data = encoded(original, "PNG", exif=exif_with(orientation, endian))
    picture = open_picture(data)

    assert picture.orientation == orientation
    np.testing.assert_array_equal(picture.pixels, np.asarray(original)[..., :3])  # in file order
    save_picture(picture, tmp_path / "out.png")

    with Image.open(io.BytesIO(data)) as source, Image.open(tmp_path / "out.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(ImageOps.exif_transpose(source)))
        assert saved.getexif()[0x0112] == 1
    assert open_picture(tmp_path / "out.png").orientation == 1


@pytest.mark.parametrize("extension", SAVE_EXTENSIONS)
def test_metadata_survives_in_every_format(tmp_path, extension):
    data = encoded(Image.new("RGB", (16, 8)), "JPEG", exif=exif_with(6), icc_profile=SRGB, xmp=XMP)
    save_picture(open_picture(data), tmp_path / f"out{extension}")

    with Image.open(tmp_path / f"out{extension}") as saved:
        saved.load()
        assert saved.size == (8, 16)
        assert saved.info["icc_profile"] == SRGB
        assert saved.info["xmp"] == XMP.replace(b'"6"', b'"1"')
        exif = saved.getexif()
        assert (exif[0x010F], exif[0x8298]) == ("Maker of cameras", "Someone")
        assert exif.get_ifd(0x8769)[0x927C] == b"a maker's note"
        assert exif.get(0x0112, 1) == 1
    again = open_picture(tmp_path / f"out{extension}")
    assert again.orientation == 1
    assert again.icc_profile == SRGB


IPTC = b"\x1c\x02\x78\x00\x05Words\x1c\x02\x74\x00\x03Me!"


def with_iptc():
    """A JPEG with a caption and a copyright, as Photoshop writes them."""
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + bytes(len(IPTC) % 2)
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    data = encoded(Image.new("RGB", (16, 8)), "JPEG")
    return data[:2] + segment + data[2:]


@pytest.mark.parametrize("extension", [".png", ".tif", ".jpg"])
def test_iptc_survives_where_the_format_knows_it(tmp_path, extension):
    save_picture(open_picture(with_iptc()), tmp_path / f"out{extension}")
    assert open_picture(tmp_path / f"out{extension}").iptc == IPTC
    if extension == ".jpg":
        with Image.open(tmp_path / "out.jpg") as saved:
            assert saved.info["photoshop"][0x0404] == IPTC


def test_stripping_leaves_the_colours_only(tmp_path):
    data = encoded(Image.new("RGB", (16, 8)), "JPEG", exif=exif_with(6), icc_profile=SRGB, xmp=XMP)
    save_picture(open_picture(data).stripped(), tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as saved:
        saved.load()
        assert saved.size == (8, 16)  # upright all the same
        assert set(saved.info) == {"icc_profile"}
    stripped = open_picture(with_iptc()).stripped()
    assert (stripped.exif, stripped.xmp, stripped.iptc) == (None, None, None)


def test_only_the_orientation_of_the_exif_block_changes():
    block = exif_with(8).tobytes()
    picture = open_picture(encoded(Image.new("RGB", (8, 8)), "JPEG", exif=block))
    assert picture.exif is not None
    changed = [(a, b) for a, b in zip(block[6:], picture.exif, strict=True) if a != b]
    assert changed == [(8, 1)]


def test_tiff_gives_its_descriptive_tags_and_no_others():
    data = encoded(Image.fromarray(noise(6, 4, 3)), "TIFF", exif=exif_with(6).tobytes())
    picture = open_picture(data)
    assert picture.orientation == 1  # Pillow turns a TIFF while it decodes it
    assert picture.pixels.shape == (4, 6, 3)
    tags = Image.Exif()
    tags.load(picture.exif or b"")
    assert set(tags) == {0x010F, 0x8298, 0x8769}
    assert tags.get_ifd(0x8769) == {0x927C: b"a maker's note"}


def test_orientation_in_xmp_alone_counts(tmp_path):
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    picture = open_picture(encoded(Image.fromarray(noise(4, 6, 3)), "PNG", pnginfo=info))
    assert (picture.orientation, picture.exif) == (6, None)
    save_picture(picture, tmp_path / "out.png")
    assert open_picture(tmp_path / "out.png").orientation == 1


@pytest.mark.parametrize("block", [b"", b"II*\0", b"II*\0\xff\xff\xff\0", b"MM\0*\0\0\0\x08\0\x09", b"rubbish" * 5])
def test_broken_exif_does_not_cost_the_picture(block):
    picture = open_picture(encoded(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0" + block))
    assert (picture.orientation, picture.exif) == (1, None)
    assert picture.left_out == (("EXIF, which cannot be read",) if block else ())


@pytest.mark.parametrize("value", [0, 9, 300])
def test_orientations_out_of_range_mean_none(value):
    assert open_picture(encoded(Image.new("RGB", (8, 8)), "JPEG", exif=exif_with(value))).orientation == 1


def test_gray_profile_stays_off_a_format_without_gray(tmp_path):
    picture = dataclasses.replace(open_picture(Image.new("L", (4, 4))), icc_profile=SRGB)
    save_picture(picture, tmp_path / "out.webp")
    save_picture(picture, tmp_path / "out.png")
    assert open_picture(tmp_path / "out.webp").icc_profile is None
    assert open_picture(tmp_path / "out.png").icc_profile == SRGB
