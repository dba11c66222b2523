"""Reads and writes 16 bits per sample where Pillow supports only 8: PNG and TIFF files with colour or alpha.

Reading: Pillow's decoders decompress such files and then drop the lower byte of every sample.  Which byte is dropped
depends on the byte order that they are given, so a file is decoded twice, in its own byte order and in the other one,
and the two bytes are combined.

Writing: Pillow writes a 1×1 PNG or the directory of a TIFF, with all metadata; this module adds the size, the depth and
the pixels.
"""

import struct
import sys
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import IO, Any

import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.ImageFile import ImageFile

# ------------------------------------------------------------------------------------------------------- reading

_OTHER_ORDER = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


def read_deep(image: Image.Image) -> np.ndarray | None:
    """Returns the samples of an image not yet loaded, uint16 (H, W, 2 to 4), or None if Pillow drops no bits.

    Two channels are gray and alpha, four are RGB and alpha.  Raises the same errors as Pillow for damaged files.
    """
    kind = _raw_kind(image)
    channels, _, order = kind.partition(";")
    if channels not in ("RGB", "RGBA", "RGBX", "LA") or order not in _OTHER_ORDER:
        return None
    assert isinstance(image, ImageFile)
    assert image.fp is not None
    place = image.fp.tell()
    image.fp.seek(0)
    file = image.fp.read()
    image.fp.seek(place)
    if channels == "LA":  # big-endian gray and alpha take the four bytes of RGBA
        return np.ascontiguousarray(_decoded(file, "RGBA")).view(">u2").astype(np.uint16)
    upper, lower = _decoded(file, kind), _decoded(file, f"{channels};{_OTHER_ORDER[order]}")
    samples = upper.astype(np.uint16) << 8
    samples |= lower
    return samples[..., :3] if channels == "RGBX" else samples


def _raw_kind(image: Image.Image) -> str:
    """Returns Pillow's name for the layout of the file's samples, such as "RGB;16B"; empty if it is not known."""
    if not isinstance(image, ImageFile) or not image.tile or image.mode.startswith("I"):
        return ""
    args = image.tile[0].args
    kind = args if isinstance(args, str) else args[0] if isinstance(args, tuple) and args else ""
    return kind if isinstance(kind, str) else ""


def _decoded(file: bytes, kind: str) -> np.ndarray:
    """Returns what Pillow decodes from the file, uint8 (H, W, channel), if its samples are declared to be of `kind`."""
    with Image.open(BytesIO(file)) as image:
        assert isinstance(image, ImageFile)
        image.tile = [
            tile._replace(args=kind if isinstance(tile.args, str) else (kind, *(tile.args or ())[1:]))
            for tile in image.tile
        ]
        image.load()
        return np.asarray(image)


# ------------------------------------------------------------------------------------------------------- writing

_BAND = 64  # rows filtered and compressed at a time


def write_png(samples: np.ndarray, stream: IO[bytes], options: dict[str, Any]) -> None:
    """Writes samples, uint16 (H, W, 2 to 4), as a PNG; `options` are those of Pillow's encoder."""
    height, width, channels = samples.shape
    stand_in = BytesIO()
    Image.new({2: "LA", 3: "RGB", 4: "RGBA"}[channels], (1, 1)).save(stand_in, "PNG", **options)
    stream.write(stand_in.getvalue()[:8])
    for kind, body in _chunks(stand_in.getvalue()):
        if kind == b"IHDR":
            _write_chunk(stream, kind, struct.pack(">IIB", width, height, 16) + body[9:])
        elif kind == b"IDAT":
            for part in _compressed(samples):
                _write_chunk(stream, kind, part)
        else:
            _write_chunk(stream, kind, body)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields kind and body of the chunks of a PNG file."""
    place = 8
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        yield kind, png[place + 8 : place + 8 + length]
        place += length + 12


def _write_chunk(stream: IO[bytes], kind: bytes, body: bytes) -> None:
    stream.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))


def _compressed(samples: np.ndarray) -> Iterator[bytes]:
    """Yields the parts of the compressed samples, a band of rows at a time."""
    deflate = zlib.compressobj()
    above = np.zeros((1, *samples.shape[1:]), ">u2").view(np.uint8)
    for top in range(0, len(samples), _BAND):
        band = np.ascontiguousarray(samples[top : top + _BAND], ">u2").view(np.uint8)
        yield deflate.compress(_filtered(band, above))
        above = band[-1:]
    yield deflate.flush()


def _filtered(band: np.ndarray, above: np.ndarray) -> bytes:
    """Returns rows of bytes (row, pixel, byte) after PNG's Paeth filter, given the row above them (1, pixel, byte)."""
    up = np.concatenate([above, band[:-1]]).astype(np.int16)
    left, corner = np.zeros_like(up), np.zeros_like(up)
    left[:, 1:], corner[:, 1:] = band[:, :-1], up[:, :-1]
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    nearest = np.where(by_up <= by_corner, up, corner)
    nearest = np.where((by_left <= by_up) & (by_left <= by_corner), left, nearest)
    rows = (band - nearest).astype(np.uint8).reshape(len(band), -1)
    return np.insert(rows, 0, 4, axis=1).tobytes()  # every row starts with the number of its filter


def write_tiff(samples: np.ndarray, stream: IO[bytes], options: dict[str, Any]) -> None:
    """Writes samples, uint16 (H, W, 3 or 4), as an uncompressed TIFF; `options` are those of Pillow's encoder."""
    height, width, channels = samples.shape
    tag, directory = TiffImagePlugin, TiffImagePlugin.ImageFileDirectory_v2()
    described = Image.Exif()
    described.load(options["exif"])
    for key in described:
        directory[key] = described.get_ifd(key) or described[key]
    directory[tag.IMAGEWIDTH], directory[tag.IMAGELENGTH] = width, height
    directory[tag.BITSPERSAMPLE] = (16,) * channels
    directory[tag.COMPRESSION] = 1
    directory[tag.PHOTOMETRIC_INTERPRETATION] = 2  # RGB
    directory[tag.SAMPLESPERPIXEL] = channels
    directory[tag.ROWSPERSTRIP] = height
    if channels == 4:
        directory[tag.EXTRASAMPLES] = 2  # unassociated alpha: the colours are not premultiplied
    if profile := options.get("icc_profile"):
        directory.tagtype[tag.ICCPROFILE] = 7
        directory[tag.ICCPROFILE] = profile
    directory[tag.STRIPOFFSETS], directory[tag.STRIPBYTECOUNTS] = 0, samples.nbytes
    stream.seek(directory.save(stream))
    stream.write(np.ascontiguousarray(samples, "<u2").tobytes())
