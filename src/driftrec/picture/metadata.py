"""Reads EXIF, XMP and IPTC from any file, adapts them to the restored picture, and writes them to any format."""

import contextlib
import re
import struct
from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from driftrec.picture.exif import PREFIX, without_orientation
from driftrec.picture.quiet import quiet
from driftrec.picture.value import Picture

_ORIENTATION = int(ExifTags.Base.Orientation)
_IPTC_RESOURCE = 0x0404  # Photoshop's number for IPTC records
_IPTC_TAG = 33723
_PNG_IPTC = "Raw profile type iptc"

# In a TIFF, EXIF shares one directory with the layout of the pixels; these tags describe the picture, not the file.
_DESCRIPTIVE = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)


def read_orientation(image: Image.Image) -> int:
    """Returns the orientation, 1 to 8, that EXIF or XMP specify; 1 if they are absent or broken."""
    with contextlib.suppress(Exception):  # broken metadata must not make the picture unreadable
        orientation = image.getexif().get(_ORIENTATION, 1)
        if orientation in range(1, 9):
            return int(orientation)
    return 1


def read_exif(image: Image.Image) -> bytes | None:
    """Returns the file's EXIF block, or one made from the descriptive tags of a TIFF."""
    if isinstance(block := image.info.get("exif"), bytes):
        return block.removeprefix(PREFIX)
    with contextlib.suppress(Exception):  # as above
        if len(tags := _descriptive(image.getexif())):
            return tags.tobytes().removeprefix(PREFIX)
    return None


def _descriptive(tags: Image.Exif) -> Image.Exif:
    """Returns the tags that describe the picture, including those of the camera and the GPS position."""
    kept = Image.Exif()
    kept.update({int(tag): tags[tag] for tag in _DESCRIPTIVE if tag in tags})
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if described := tags.get_ifd(ifd):
            kept[int(ifd)] = described
    return kept


def read_iptc(image: Image.Image) -> bytes | None:
    """Returns the IPTC records (IIM) of a JPEG, PNG or TIFF."""
    with contextlib.suppress(Exception):  # broken metadata must not make the picture unreadable
        if isinstance(resources := image.info.get("photoshop"), dict):
            return resources.get(_IPTC_RESOURCE)
        if isinstance(text := image.info.get(_PNG_IPTC), str):
            return bytes.fromhex("".join(text.split()[2:]))
        if image.format == "TIFF":
            records = image.getexif().get(_IPTC_TAG)
            return records if isinstance(records, bytes) else None
    return None


def upright_xmp(packet: bytes) -> bytes:
    """Returns the XMP packet with orientation 1."""
    return re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", packet)


def metadata_options(picture: Picture, file_format: str) -> dict[str, Any]:
    """Returns the picture's metadata as options of Pillow's encoder for that format.

    Raises:
        ValueError: the format cannot hold something.
        Exception: an error of any class, for EXIF that Pillow cannot rewrite.
    """
    options: dict[str, Any] = {}
    if picture.icc_profile:
        if picture.gray and file_format == "WEBP":
            raise ValueError("WebP stores gray pictures as three channels, for which a profile of gray is wrong")
        options["icc_profile"] = picture.icc_profile
    if file_format == "TIFF":
        return options | {"exif": _tiff_tags(picture)}
    if picture.exif:
        options["exif"] = {"JPEG": PREFIX + picture.exif, "AVIF": without_orientation(picture.exif)}.get(
            file_format, picture.exif
        )
    if file_format == "PNG":
        options["pnginfo"] = _png_texts(picture)
        return options
    if picture.xmp:
        options["xmp"] = picture.xmp
    if picture.iptc:
        if file_format != "JPEG":
            raise ValueError(f"{file_format} has no place for IPTC records")
        options["extra"] = _photoshop_segment(picture.iptc)
    return options


def _png_texts(picture: Picture) -> PngInfo:
    """Returns XMP and IPTC as PNG text chunks, where exiftool and ImageMagick look for them."""
    texts = PngInfo()
    if picture.xmp:
        texts.add_itxt("XML:com.adobe.xmp", picture.xmp.decode("utf-8", "replace"))
    if picture.iptc:
        digits = picture.iptc.hex()
        lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
        texts.add_text(_PNG_IPTC, f"\niptc\n{len(picture.iptc):8}\n{lines}\n", zip=True)
    return texts


def _photoshop_segment(iptc: bytes) -> bytes:
    """Returns the APP13 segment of a JPEG that holds IPTC records.  Raises ValueError if they do not fit into one."""
    padded = iptc + bytes(len(iptc) % 2)
    body = b"Photoshop 3.0\x008BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(iptc)) + padded
    if len(body) > 65_533:
        raise ValueError("the IPTC records are too long for a segment")
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def _tiff_tags(picture: Picture) -> bytes:
    """Returns EXIF, XMP and IPTC as one block, because they share the directory of a TIFF."""
    tags = Image.Exif()
    with quiet():
        tags.load(picture.exif or b"")
        tags = _descriptive(tags)
    if picture.xmp:
        tags[int(ExifTags.Base.XMLPacket)] = picture.xmp
    if picture.iptc:
        tags[_IPTC_TAG] = picture.iptc
    return tags.tobytes()
