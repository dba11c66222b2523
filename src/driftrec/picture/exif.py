"""EXIF blocks: the orientation is changed in place, and damaged tags are left out one by one.

A block is a TIFF header and its directories.  Rewriting it would move the data that maker notes point to, so it is
copied byte for byte wherever the format and Pillow allow it.
"""

import struct
from collections.abc import Iterator
from typing import Any

from PIL import ExifTags, Image

from driftrec.picture.quiet import quiet

PREFIX = b"Exif\x00\x00"
"""Stands before the block in JPEG files."""

_ORIENTATION = int(ExifTags.Base.Orientation)
_SHORT = 3  # TIFF's number for a 16-bit integer
_IFDS = {int(ExifTags.IFD.Exif): ExifTags.TAGS, int(ExifTags.IFD.GPSInfo): ExifTags.GPSTAGS}
"""Directories inside the first one that are kept, and the names of their tags."""


def upright_exif(block: bytes | None) -> bytes | None:
    """Returns the block with orientation 1 and every other byte unchanged; None if it has no readable directory."""
    if (found := _directory(block)) is None or block is None:
        return None
    order, _, entries = found
    patched = bytearray(block)
    for entry in entries:
        if struct.unpack_from(f"{order}H", block, entry) == (_ORIENTATION,):
            struct.pack_into(f"{order}HIHH", patched, entry + 2, _SHORT, 1, 1, 0)
    return bytes(patched)


def without_orientation(block: bytes) -> bytes:
    """Returns the block without its orientation; entries behind it move up, and all other data stays in its place."""
    if (found := _directory(block)) is None:
        return block
    order, start, entries = found
    (count,) = struct.unpack_from(f"{order}H", block, start)
    end = start + 2 + 12 * count + 4  # behind the entries lies the offset of the next directory
    kept = [e for e in entries if struct.unpack_from(f"{order}H", block, e) != (_ORIENTATION,)]
    if len(entries) != count or end > len(block) or len(kept) == count:
        return block
    directory = struct.pack(f"{order}H", len(kept)) + b"".join(block[e : e + 12] for e in kept) + block[end - 4 : end]
    return block[:start] + directory.ljust(end - start, b"\0") + block[end:]


def _directory(block: bytes | None) -> tuple[str, int, list[int]] | None:
    """Returns byte order and offset of the first directory, and the offsets of its entries that the block holds."""
    if block is None or block[:2] not in (b"II", b"MM"):
        return None
    order = "<" if block[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, start)
    except struct.error:
        return None
    entries = [e for e in range(start + 2, start + 2 + 12 * count, 12) if e + 12 <= len(block)]
    return (order, start, entries) if entries or not count else None


def sound_tags(block: bytes) -> tuple[bytes, list[str]]:
    """Returns a new block of the tags that Pillow can read and write, and the names of the others.

    Raises:
        ValueError: there are none.
        Exception: an error of any class, if not even the header can be read.
    """
    tags, sound, lost = Image.Exif(), Image.Exif(), []
    with quiet():
        tags.load(block)
        lost += [name for number, name in _entries(block) if number not in tags]
        for tag, value, name in _each(tags, ExifTags.TAGS, lost):
            if tag in _IFDS:
                inner = _each(_directory_of(tags, tag, name, lost), _IFDS[tag], lost)
                sound[tag] = {t: v for t, v, n in inner if _writable({tag: {t: v}}, n, lost)}
            elif _writable({tag: value}, name, lost):
                sound[tag] = value
        if not sound:
            raise ValueError("the block has no sound tags")
        return sound.tobytes().removeprefix(PREFIX), lost


def _entries(block: bytes) -> Iterator[tuple[int, str]]:
    """Yields number and name of the tags in the first directory, whether or not they can be read."""
    order, _, entries = _directory(block) or ("<", 0, [])
    for entry in entries:
        (number,) = struct.unpack_from(f"{order}H", block, entry)
        yield number, ExifTags.TAGS.get(number, f"0x{number:04x}")


def _directory_of(tags: Image.Exif, tag: int, name: str, lost: list[str]) -> dict[int, Any]:
    """Returns a directory inside the first one; if it cannot be read, it is empty, and its name is added to `lost`."""
    try:
        return tags.get_ifd(tag)
    except Exception:  # damaged directories raise errors of any class
        lost.append(name)
        return {}


def _each(tags: Any, names: dict[int, str], lost: list[str]) -> Iterator[tuple[int, Any, str]]:  # noqa: ANN401
    """Yields (number, value, name) of the tags that can be read; adds the names of the others to `lost`."""
    for tag in list(tags):
        name = names.get(tag, f"0x{tag:04x}")
        try:
            value = tags[tag]
        except Exception:  # as above
            lost.append(name)
            continue
        yield tag, value, name


def _writable(tags: dict[int, Any], name: str, lost: list[str]) -> bool:
    """Whether Pillow can write a tag; if not, its name is added to `lost`."""
    trial = Image.Exif()
    try:
        trial.update(tags)
        trial.tobytes()
    except Exception:  # as above
        lost.append(name)
        return False
    return True
