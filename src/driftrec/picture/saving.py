"""Saves pictures: what each format can hold."""

import contextlib
import logging
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from driftrec.picture.atomic import atomic_write
from driftrec.picture.deep import write_png, write_tiff
from driftrec.picture.exif import sound_tags
from driftrec.picture.metadata import metadata_options
from driftrec.picture.png import png_compression
from driftrec.picture.quiet import quiet
from driftrec.picture.value import Picture, PictureError, PictureIsFolderError, PictureNotFoundError
from driftrec.text import printable

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Encoder:
    """A file format that pictures are saved in, and what it can hold."""

    file_format: str
    options: dict[str, Any]
    alpha: bool = True
    deep: bool = True  # 16 bits per sample
    side: int | None = None  # longest side in pixels


_PNG = _Encoder("PNG", {})
_TIFF = _Encoder("TIFF", {"compression": "raw"})  # Pillow's compressed TIFF cannot hold the EXIF directory
_WEBP = _Encoder("WEBP", {"lossless": True, "exact": True}, deep=False, side=16383)
_JPEG = _Encoder("JPEG", {"quality": 95, "subsampling": "4:4:4"}, alpha=False, deep=False, side=65500)

# Even at quality 100, AVIF is off by some levels.
_AVIF = _Encoder("AVIF", {"quality": 95, "subsampling": "4:4:4"}, deep=False, side=65536)

_ENCODERS = {
    ".png": _PNG,
    ".webp": _WEBP,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".avif": _AVIF,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
}

SAVE_EXTENSIONS = tuple(_ENCODERS)
"""The extensions that ``save_picture`` supports; all are lossless except .avif, .jpg and .jpeg."""

PICTURE_SUFFIXES = frozenset({*SAVE_EXTENSIONS, ".bmp", ".jfif", ".jpe", ".ppm"})
"""Files with these suffixes count as pictures in folders, archives and training data; a file given by name may have any
suffix."""


def save_picture(picture: Picture, path: str | os.PathLike[str]) -> Picture:
    """Saves a picture upright, in the format that the extension names, with all metadata that the format can hold.

    .png, .webp, .tif and .tiff are lossless; .avif, .jpg and .jpeg are written at quality 95 without chroma
    subsampling.  A gray picture stays gray (WebP and AVIF store it as three equal channels).  The file is written under
    a temporary name in the same folder and then renamed, so if anything fails, an existing file stays unchanged.

    Returns the picture as it was saved, see `fitted`.

    Raises:
        PictureError: the extension is unknown, the folder is missing (also a FileNotFoundError), the path is a folder
            (also an IsADirectoryError), the file is not writable, or the format cannot hold the picture (alpha in JPEG,
            16 bits in JPEG, WebP or AVIF, too many pixels).
    """
    target, shown = Path(path), printable(path)
    encoder = _encoder(picture, target)
    if not target.parent.is_dir():
        raise PictureNotFoundError(f"{shown} cannot be written: make the folder {printable(target.parent)} first")
    if target.is_dir():
        raise PictureIsFolderError(f"{shown} is a folder: give the name of a file")
    saved = fitted(picture, target)
    try:
        with atomic_write(target) as stream:
            _write(saved, encoder, stream)
    except MemoryError:
        raise
    except Exception as error:  # encoders raise errors of any class
        raise PictureError(f"{shown} cannot be written ({printable(error)}): try another folder or .png") from error
    _log.debug("saved %s", shown)
    return saved


def encode_picture(picture: Picture, name: str) -> bytes:
    """Returns the bytes of the file that ``save_picture`` writes under this name.

    Raises:
        PictureError: the extension is unknown, or the format cannot hold the picture.
    """
    encoder, stream = _encoder(picture, Path(name)), BytesIO()
    saved = fitted(picture, name)
    try:
        _write(saved, encoder, stream)
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise PictureError(f"{printable(name)} cannot be written ({printable(error)}): try .png") from error
    return stream.getvalue()


def require_format(picture: Picture, name: str) -> None:
    """Raises PictureError, as ``save_picture`` does, if the format that the extension names cannot hold the picture."""
    _encoder(picture, Path(name))


def fitted(picture: Picture, name: str | os.PathLike[str]) -> Picture:
    """Returns the picture with the metadata that a file of this name can hold; ``left_out`` names the rest.

    Each kind of metadata is tried by writing a picture of one pixel.  From EXIF that cannot be written as it is, only
    the damaged tags are left out.

    Raises PictureError as ``save_picture`` does.
    """
    encoder = _encoder(picture, Path(name))
    kept, lost = picture.cropped(1, 1).bare(), []
    for kind, words in _KINDS.items():
        content = getattr(picture, kind)
        for candidate, missing in _candidates(kind, content, encoder) if content else ():
            try:
                _write(trial := replace(kept, **{kind: candidate}), encoder, BytesIO())
            except Exception:  # Pillow raises errors of any class for odd metadata
                continue
            kept = trial
            lost += missing
            break
        else:
            if content:
                lost.append(f"{words} (cannot be written as {encoder.file_format})")
    if not lost:
        return picture
    return replace(picture, **{kind: getattr(kept, kind) for kind in _KINDS}, left_out=(*picture.left_out, *lost))


_KINDS = {"icc_profile": "the colour profile", "exif": "EXIF", "xmp": "XMP", "iptc": "IPTC"}


def _candidates(kind: str, content: bytes, encoder: _Encoder) -> Iterator[tuple[bytes, list[str]]]:
    """Yields versions of metadata from the whole to the sound parts, with descriptions of what each leaves out."""
    if kind != "exif" or encoder is not _TIFF:  # TIFF files store the tags one by one
        yield content, []
    if kind == "exif":
        with contextlib.suppress(Exception):  # as above
            block, tags = sound_tags(content)
            yield block, [f"the damaged EXIF tag{'s' if len(tags) > 1 else ''} {', '.join(tags)}"] if tags else []


def _write(picture: Picture, encoder: _Encoder, stream: IO[bytes]) -> None:
    """Writes a picture, with all its metadata, to a stream."""
    options = encoder.options | metadata_options(picture, encoder.file_format)
    with quiet() if picture.exif and encoder in (_AVIF, _TIFF) else nullcontext():  # Pillow warns of odd EXIF
        if picture.bit_depth == 16 and not (picture.gray and picture.alpha is None):
            write = write_tiff if encoder is _TIFF else write_png
            write(picture.samples(), stream, options)
        else:
            image = picture.to_pil(metadata=False)
            image.save(stream, encoder.file_format, **(png_compression(image) if encoder is _PNG else {}), **options)


def _encoder(picture: Picture, target: Path) -> _Encoder:
    """Returns the encoder that the extension names, after checking that it can hold the picture."""
    shown, encoder = printable(target), _ENCODERS.get(target.suffix.lower())
    if encoder is None:
        known = ", ".join(SAVE_EXTENSIONS)
        raise PictureError(f"{shown} has an extension that cannot be written: use one of {known}")
    if picture.alpha is not None and not encoder.alpha:
        raise PictureError(f"{shown} cannot be written: JPEG holds no transparency; use .png, .webp or .tif")
    if picture.bit_depth == 16 and not encoder.deep:
        raise PictureError(f"{shown} cannot be written: its format holds 8 bits, not 16; use .png or .tif")
    if picture.bit_depth == 16 and encoder is _TIFF and picture.gray and picture.alpha is not None:
        raise PictureError(f"{shown} cannot be written: few programs read gray TIFFs of 16 bits with alpha; use .png")
    longest = max(picture.pixels.shape[:2])
    if encoder.side is not None and longest > encoder.side:
        raise PictureError(
            f"{shown} cannot be written: its format holds {encoder.side} pixels per side, not {longest}; "
            "use .png or .tif"
        )
    return encoder
