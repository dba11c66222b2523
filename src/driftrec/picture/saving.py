"""Saves pictures: what each format can hold."""

import logging
import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from driftrec.picture.atomic import atomic_write
from driftrec.picture.deep import write_png, write_tiff
from driftrec.picture.metadata import metadata_options
from driftrec.picture.value import Picture, PictureError, PictureIsFolderError, PictureNotFoundError

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


def save_picture(picture: Picture, path: str | os.PathLike[str]) -> None:
    """Saves a picture upright, in the format that the extension names, with all its metadata.

    .png, .webp, .tif and .tiff are lossless; .avif, .jpg and .jpeg are written at quality 95 without chroma
    subsampling.  A gray picture stays gray (WebP and AVIF store it as three equal channels).  WebP and AVIF cannot
    store IPTC records and lose them.  The file is written under a temporary name in the same folder and then renamed,
    so if anything fails, an existing file stays unchanged.

    Raises:
        PictureError: the extension is unknown, the folder is missing (also a FileNotFoundError), the path is a folder
            (also an IsADirectoryError), the file is not writable, or the format cannot hold the picture (alpha in JPEG,
            16 bits in JPEG, WebP or AVIF, too many pixels).
    """
    target = Path(path)
    encoder = _encoder(picture, target)
    if not target.parent.is_dir():
        raise PictureNotFoundError(f"{target} cannot be written: make the folder {target.parent} first")
    if target.is_dir():
        raise PictureIsFolderError(f"{target} is a folder: give the name of a file")
    try:
        with atomic_write(target) as stream:
            _write(picture, encoder, stream)
    except (OSError, ValueError, RuntimeError) as error:
        raise PictureError(f"{target} cannot be written ({error}): try another folder or .png") from error
    _log.debug("saved %s", target)


def encode_picture(picture: Picture, name: str) -> bytes:
    """Returns the bytes of the file that ``save_picture`` writes under this name.

    Raises:
        PictureError: the extension is unknown, or the format cannot hold the picture.
    """
    encoder, stream = _encoder(picture, Path(name)), BytesIO()
    try:
        _write(picture, encoder, stream)
    except (OSError, ValueError, RuntimeError) as error:
        raise PictureError(f"{name} cannot be written ({error}): try .png") from error
    return stream.getvalue()


def require_format(picture: Picture, name: str) -> None:
    """Raises PictureError, as ``save_picture`` does, if the format that the extension names cannot hold the picture."""
    _encoder(picture, Path(name))


def _write(picture: Picture, encoder: _Encoder, stream: IO[bytes]) -> None:
    """Writes a picture, with all its metadata, to a stream."""
    options = encoder.options | metadata_options(picture, encoder.file_format)
    if picture.bit_depth == 16 and not (picture.gray and picture.alpha is None):
        write = write_tiff if encoder is _TIFF else write_png
        write(picture.samples(), stream, options)
    else:
        picture.to_pil(metadata=False).save(stream, encoder.file_format, **options)


def _encoder(picture: Picture, target: Path) -> _Encoder:
    """Returns the encoder that the extension names, after checking that it can hold the picture."""
    encoder = _ENCODERS.get(target.suffix.lower())
    if encoder is None:
        known = ", ".join(SAVE_EXTENSIONS)
        raise PictureError(f"{target} has an extension that cannot be written: use one of {known}")
    if picture.alpha is not None and not encoder.alpha:
        raise PictureError(f"{target} cannot be written: JPEG holds no transparency; use .png, .webp or .tif")
    if picture.bit_depth == 16 and not encoder.deep:
        raise PictureError(f"{target} cannot be written: its format holds 8 bits, not 16; use .png or .tif")
    if picture.bit_depth == 16 and encoder is _TIFF and picture.gray and picture.alpha is not None:
        raise PictureError(f"{target} cannot be written: few programs read gray TIFFs of 16 bits with alpha; use .png")
    longest = max(picture.pixels.shape[:2])
    if encoder.side is not None and longest > encoder.side:
        raise PictureError(
            f"{target} cannot be written: its format holds {encoder.side} pixels per side, not {longest}; "
            "use .png or .tif"
        )
    return encoder
