"""Odd metadata: the picture is saved all the same, with as much of it as the format can hold, and the rest is named."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.picture import SAVE_EXTENSIONS, Picture, encode_picture, fitted, open_picture, save_picture
from driftrec.picture.exif import upright_exif, without_orientation
from support import SRGB, jpeg_file, scene

FORMATS = sorted(set(SAVE_EXTENSIONS) - {".jpeg", ".tiff"})
PIXELS = scene(9, 13)


def block(entries: list[tuple[int, int, int, bytes]], order: str = "<", magic: int = 42) -> bytes:
    """A TIFF header with one directory of (tag, type, count, value) entries; long values follow it."""
    start, values, directory = 8 + 2 + 12 * len(entries) + 4, b"", struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        inline = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(f"{order}I", start + len(values))
        directory += struct.pack(f"{order}HHI", tag, kind, count) + inline
        values += value if len(value) > 4 else b""
    return {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", magic, 8) + directory + bytes(4) + values


MAKE, MODEL = (0x10F, 2, 6, b"Maker\0"), (0x110, 2, 6, b"Model\0")
TURNED = (0x112, 3, 1, struct.pack("<H", 6))
ODD = {
    "another magic number": block([MAKE, TURNED], magic=0),
    "a negative resolution": block([MAKE, (0x11A, 10, 1, struct.pack("<ii", -5, 3)), TURNED]),
    "a type that does not exist": block([MAKE, TURNED, (0x8298, 255, 2, b"cc")]),
    "text where a fraction belongs": block([MAKE, (0x11A, 2, 9, b"72 dpi \0\0"), TURNED]),
    "bytes where text belongs": block([(0x10F, 7, 6, b"\xff\xfe\0\1\2\3"), MODEL, TURNED]),
    "a value beyond the end": block([MAKE, (0x132, 2, 2**31, b"\xff\xff\xff\x7f"), TURNED]),
    "too many values": block([MAKE, (0x11A, 5, 2**32 - 1, bytes(8)), TURNED]),
    "a directory that is no number": block([MAKE, TURNED, (0x8769, 2, 5, b"text\0")]),
    "a directory beyond the end": block([MAKE, TURNED, (0x8825, 4, 1, b"\xff\xff\xff\x7f")]),
    "a directory within itself": block([MAKE, TURNED, (0x8769, 4, 1, struct.pack("<I", 8))]),
    "a date of no values": block([MAKE, TURNED, (0x132, 2, 0, b"")]),
    "a directory that is cut off": block([MAKE, MODEL, TURNED])[:34],
}


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("exif", ODD.values(), ids=list(ODD))
def test_pictures_with_odd_exif_are_saved(exif: bytes, extension: str, tmp_path: Path) -> None:
    picture = open_picture(jpeg_file(PIXELS, exif=b"Exif\0\0" + exif))
    saved = save_picture(picture, tmp_path / f"out{extension}")
    again = open_picture(tmp_path / f"out{extension}")
    assert again.pixels.shape[:2] == picture.to_pil().size[::-1]
    assert (again.exif is None) == (saved.exif is None)
    if extension in (".png", ".webp", ".jpg"):  # copied as it is, but for the orientation
        assert saved.exif == again.exif == picture.exif
        assert saved.left_out == ()
    if again.exif is None or saved.exif is None or len(saved.exif) < len(picture.exif or b"") // 2:
        assert any("EXIF" in part for part in saved.left_out)


@pytest.mark.parametrize("name", ["a negative resolution", "a type that does not exist", "a value beyond the end"])
def test_a_tiff_keeps_the_sound_tags_and_names_the_others(name: str) -> None:
    picture = open_picture(jpeg_file(PIXELS, exif=b"Exif\0\0" + ODD[name]))
    with Image.open(io.BytesIO(encode_picture(picture, "out.tif"))) as image:
        assert image.getexif()[0x10F] == "Maker"
    tag = {"a negative": "XResolution", "a type tha": "Copyright", "a value be": "DateTime"}[name[:10]]
    assert fitted(picture, "out.tif").left_out == (f"the damaged EXIF tag {tag}",)


def test_mutated_exif_never_costs_the_picture(rng: np.random.Generator) -> None:
    sound = block(
        [MAKE, MODEL, TURNED, (0x11A, 5, 1, struct.pack("<II", 72, 1)), (0x132, 2, 20, b"2020:01:01 00:00:00\0")]
    )
    for number in range(60):
        mutated = bytearray(sound)
        for place in rng.integers(4, len(sound), 1 + number % 4):
            mutated[place] = rng.integers(256)
        exif = upright_exif(bytes(mutated[: rng.integers(20, len(sound) + 20)]))
        deep = Picture(PIXELS.astype(np.uint16) * 257, bit_depth=16, exif=exif)
        for picture, extension in ((Picture(PIXELS, exif=exif), ".tif"), (deep, ".tif"), (deep, ".png")):
            assert open_picture(encode_picture(picture, f"out{extension}")).pixels.shape == PIXELS.shape
        if number % 6 == 0:  # slower
            assert open_picture(encode_picture(Picture(PIXELS, exif=exif), "out.avif")).pixels.shape == PIXELS.shape


@pytest.mark.parametrize("order", ["<", ">"])
def test_only_the_orientation_leaves_the_block(order: str) -> None:
    turned = (0x112, 3, 1, struct.pack(f"{order}H", 6))
    date = (0x132, 2, 20, b"2020:01:01 00:00:00\0")
    with_it, without = block([MAKE, turned, date], order), without_orientation(block([MAKE, turned, date], order))
    assert len(without) == len(with_it)
    tags = Image.Exif()
    tags.load(without)
    assert dict(tags) == {0x10F: "Maker", 0x132: "2020:01:01 00:00:00"}
    values = len(block([MAKE, turned, date], order)) - 26
    assert without[values:] == with_it[values:]  # nothing that a maker note might point to has moved


def test_avif_keeps_the_block_byte_by_byte_but_for_the_orientation() -> None:
    exif = block([MAKE, TURNED, (0x927C, 7, 40, bytes(range(40)))])
    again = open_picture(encode_picture(open_picture(jpeg_file(PIXELS, exif=b"Exif\0\0" + exif)), "out.avif"))
    assert again.exif == without_orientation(exif)


@pytest.mark.parametrize(
    ("metadata", "extension", "left_out"),
    [
        ({"exif": block([MAKE, (0x927C, 7, 70_000, bytes(70_000))])}, ".jpg", "EXIF (cannot be written as JPEG)"),
        ({"xmp": b"x" * 70_000}, ".jpg", "XMP (cannot be written as JPEG)"),
        ({"iptc": b"x" * 70_000}, ".jpg", "IPTC (cannot be written as JPEG)"),
        ({"iptc": b"x"}, ".webp", "IPTC (cannot be written as WEBP)"),
        ({"iptc": b"x"}, ".avif", "IPTC (cannot be written as AVIF)"),
        ({"icc_profile": SRGB, "gray": True}, ".webp", "the colour profile (cannot be written as WEBP)"),
    ],
)
def test_what_a_format_cannot_hold_is_named(metadata: dict, extension: str, left_out: str, tmp_path: Path) -> None:
    gray = np.repeat(PIXELS[..., :1], 3, axis=2)
    picture = Picture(gray, **metadata, left_out=("before",))
    assert save_picture(picture, tmp_path / f"out{extension}").left_out == ("before", left_out)
    kept = fitted(picture, "out.png")
    assert kept is picture
    assert open_picture(encode_picture(kept, "out.png")).pixels.shape == gray.shape


def test_the_summary_and_the_report_say_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "odd.jpg").write_bytes(jpeg_file(PIXELS, exif=b"Exif\0\0" + ODD["a negative resolution"]))
    report = tmp_path / "report.jsonl"
    arguments = ["restore", str(tmp_path / "odd.jpg"), "-o", str(tmp_path / "out.tif"), "--mode", "decode"]
    result = CliRunner().invoke(app, [*arguments, "--report", str(report)])
    assert result.exit_code == 0, result.output
    assert "left out: the damaged EXIF tag XResolution" in result.output
    assert '"left_out": ["the damaged EXIF tag XResolution"]' in report.read_text()
