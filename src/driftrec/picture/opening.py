"""Opens any file as a picture, or raises an error that explains in one sentence why not."""

import contextlib
import io
import logging
import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from driftrec.picture.arrays import picture_from_array
from driftrec.picture.deep import read_deep
from driftrec.picture.exif import upright_exif
from driftrec.picture.metadata import read_exif, read_iptc, read_orientation, upright_xmp
from driftrec.picture.profiles import to_srgb
from driftrec.picture.quiet import quiet, tolerant
from driftrec.picture.value import (
    Picture,
    PictureError,
    PictureIsFolderError,
    PictureNotFoundError,
    PicturePermissionError,
)
from driftrec.text import printable

_log = logging.getLogger(__name__)

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | np.ndarray
"""What ``open_picture`` takes: a path, the bytes of a file, a binary file object, a Pillow image, or an array."""

MAX_PIXELS = 178_000_000
"""The most pixels of a picture that is opened by default; restoring one of that size takes about 15 GB of memory."""

_DEEP_GRAY = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_LOSSY = frozenset({"JPEG", "MPO", "WEBP", "AVIF", "GIF", "JPEG2000"})
_GRAY = frozenset({"1", "L", "LA", "La"}) | _DEEP_GRAY
_COLOUR = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})


def open_picture(
    source: Source, *, max_pixels: int = MAX_PIXELS, name: str | None = None, partial: bool = False
) -> Picture:
    """Opens a picture of any format and mode that Pillow reads, with its pixels in file order.

    Palettes become RGB, CMYK becomes sRGB through its profile, and transparent colours become alpha; 16 bits per sample
    are kept.  A camera's multi-picture JPEG (MPO) gives its first picture; ``Picture.left_out`` names the others (gain
    maps, depth maps, second views).  Pillow's decoder itself turns TIFF upright.

    Arguments:
        source: a path, the bytes of a file, a binary file object or a Pillow image (neither is closed), or an array of
            upright samples: (H, W), or (H, W, 1 to 4) for gray or RGB with or without alpha, as uint8, uint16 or floats
            in [0, 1].
        max_pixels: larger pictures are refused before they are decoded.
        name: the picture's name in messages (default: the name of the source, if it has one).
        partial: also opens a JPEG that is cut short; ``Picture.cut_short`` says so.

    Returns:
        The picture.  A file is read once, completely; ``Picture.file`` keeps its bytes.

    Raises:
        PictureError: the file is missing (also a FileNotFoundError), a folder (also an IsADirectoryError), unreadable
            (also a PermissionError), not a picture, damaged, cut short, empty, of a mode that RGB cannot hold, animated
            or of several pages, or larger than `max_pixels`; or the array has another shape, type or range.
        TypeError: the source is none of the above.
    """
    label = _label(source) if name is None else name
    picture = _opened(source, label, max_pixels, partial)
    height, width = picture.pixels.shape[:2]
    _log.debug("opened %s: %d × %d pixels, format %s", label, width, height, picture.source_format or "none")
    return picture


def _opened(source: Source, label: str, max_pixels: int, partial: bool) -> Picture:
    """Opens a picture; see ``open_picture``."""
    with quiet():
        try:
            if isinstance(source, np.ndarray):
                if source.ndim > 1:
                    _refuse_size(source.shape[1], source.shape[0], label, max_pixels)
                return picture_from_array(source, label)
            if isinstance(source, Image.Image):
                return _decode(source, None, label, max_pixels)
            file = _bytes(source, label)
            return _decode_file(file, label, max_pixels, partial)
        except (PictureError, MemoryError):
            raise
        except PermissionError as error:
            raise PicturePermissionError(f"{label} cannot be read: you need permission to read it") from error
        except UnidentifiedImageError as error:
            raise PictureError(f"{label} is not a picture: give a JPEG, PNG, WebP, TIFF or AVIF file") from error
        except Exception as error:  # decoders raise errors of any class for damaged files
            raise PictureError(f"{label} is damaged or cut short ({error}): use an intact copy") from error


def _label(source: Source) -> str:
    """Returns the name of the source in error messages."""
    if isinstance(source, str | os.PathLike):
        return printable(os.fspath(source))
    if isinstance(source, io.TextIOBase):
        raise TypeError(f"{getattr(source, 'name', 'the file given')} was opened as text: open it with mode 'rb'")
    if not isinstance(source, bytes | bytearray | memoryview | Image.Image | np.ndarray) and not hasattr(
        source, "read"
    ):
        kinds = "a path, bytes, a binary file, an array or a Pillow image"
        raise TypeError(f"a picture is {kinds}, not {type(source).__name__}")
    return printable(getattr(source, "filename", "") or getattr(source, "name", "") or "the picture given")


def _bytes(source: str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes], label: str) -> bytes:
    """Returns the whole file."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, str | os.PathLike):
        if source.seekable():
            source.seek(0)
        return source.read()
    path = Path(source)
    if path.is_dir():
        raise PictureIsFolderError(f"{label} is a folder: give the pictures in it one by one")
    if not path.exists():
        raise PictureNotFoundError(f"{label} does not exist: check the name and the folder")
    if not path.is_file():  # reading a pipe or a device may wait for ever
        raise PictureError(f"{label} is a pipe, a socket or a device: give the file of a picture")
    return path.read_bytes()


def _decode_file(file: bytes, label: str, max_pixels: int, partial: bool) -> Picture:
    """Decodes a file; what is missing from a JPEG that is cut short stays gray or black, if that is allowed."""
    with Image.open(BytesIO(file)) as image:
        try:
            return _decode(image, file, label, max_pixels)
        except OSError as error:
            if not partial or image.format not in ("JPEG", "MPO") or "truncated" not in str(error):
                raise
    with tolerant(), Image.open(BytesIO(file)) as image:
        return replace(_decode(image, file, label, max_pixels), cut_short=True)


def _decode(image: Image.Image, file: bytes | None, label: str, max_pixels: int) -> Picture:
    """Decodes an opened Pillow image."""
    _refuse(image, label, max_pixels)
    deep = read_deep(image)  # before Pillow drops the lower bytes
    image.load()  # before reading metadata, which some formats store after the pixels
    pixels, alpha = _samples(image, label) if deep is None else _split(deep)
    xmp, block = image.info.get("xmp"), read_exif(image)
    exif = upright_exif(block)
    left_out = ("EXIF, which cannot be read",) if block and exif is None else ()
    return Picture(
        pixels=pixels,
        alpha=alpha,
        gray=image.mode in _GRAY if deep is None else deep.shape[2] == 2,
        bit_depth=16 if pixels.dtype == np.uint16 else 8,
        orientation=read_orientation(image),
        exif=exif,
        icc_profile=None if image.mode == "CMYK" else image.info.get("icc_profile") or None,
        xmp=upright_xmp(xmp) if isinstance(xmp, bytes) else None,
        iptc=read_iptc(image),
        source_format=image.format,
        lossy=image.format in _LOSSY or image.mode in ("P", "PA"),
        left_out=(*_left_out(image), *left_out),
        file=file,
        name=label,
    )


def _left_out(image: Image.Image) -> tuple[str, ...]:
    """Returns descriptions of what the file holds besides the picture."""
    if image.format == "MPO" and (frames := getattr(image, "n_frames", 1)) > 1:
        others = "other picture" if frames == 2 else f"{frames - 1} other pictures"
        return (f"the {others} of this multi-picture file (gain map, depth or second view)",)
    return ()


def _refuse(image: Image.Image, label: str, max_pixels: int) -> None:
    """Raises PictureError if the header already shows that the picture cannot be opened."""
    _refuse_size(*image.size, label, max_pixels)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise PictureError(f"{label} holds {frames} frames or pages: save the one to restore as a separate file")
    if image.mode not in _GRAY | _COLOUR:
        raise PictureError(f"{label} has pixels of the mode {image.mode}: convert it to 8-bit RGB first")


def _refuse_size(width: int, height: int, label: str, max_pixels: int) -> None:
    """Raises PictureError for no pixels and for too many."""
    if 0 in (width, height):
        raise PictureError(f"{label} is {width} × {height} pixels: give a picture that is not empty")
    if width * height > max_pixels:
        size, limit = (f"{n / 1e6:.0f}" if n > 1e7 else f"{n / 1e6:.3g}" for n in (width * height, max_pixels))
        raise PictureError(f"{label} has {size} megapixels, more than {limit}: raise the limit, or split the picture")


def _samples(image: Image.Image, label: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns pixels (H, W, 3), uint8 or uint16, and alpha (H, W) uint8 or None."""
    if image.mode in _DEEP_GRAY:
        return _three_channels(_deep_gray(image, label)), None
    if image.mode == "CMYK":
        image = _cmyk_to_srgb(image)
    gray, transparent = image.mode in _GRAY, image.has_transparency_data
    mode = ("L" if gray else "RGB") + ("A" if transparent else "")
    samples = np.asarray(image if image.mode == mode else image.convert(mode))
    if not transparent:
        return (_three_channels(samples) if gray else samples), None
    return _split(samples)


def _split(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Splits samples (H, W, 2 to 4) into pixels (H, W, 3) and alpha (H, W) or None."""
    if samples.shape[2] == 3:
        return samples, None
    pixels, alpha = samples[..., :-1], samples[..., -1]
    return (_three_channels(pixels[..., 0]) if pixels.shape[2] == 1 else pixels), alpha


def _three_channels(gray: np.ndarray) -> np.ndarray:
    """Returns gray (H, W) as (H, W, 3) without copying."""
    return np.broadcast_to(gray[..., None], (*gray.shape, 3))


def _deep_gray(image: Image.Image, label: str) -> np.ndarray:
    """Returns the samples (H, W) of a 16-bit or integer image as uint16."""
    samples = np.asarray(image)
    if samples.min() < 0 or samples.max() > 65535:
        raise PictureError(f"{label} has samples outside 0 to 65535: convert it to 8 or 16 bits first")
    return samples.astype(np.uint16)


def _cmyk_to_srgb(image: Image.Image) -> Image.Image:
    """Converts a CMYK image to RGB, through its ICC profile if it has one that works."""
    if profile := image.info.get("icc_profile"):
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            return to_srgb(image, profile)
    return image.convert("RGB")
