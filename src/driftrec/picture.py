"""Opens and saves pictures: one frozen value between the files of the world and the arrays of the restorer.

Two rules shape this module.

* **The 8×8 grid of a JPEG is sacred.**  The restorer must see the pixels where the encoder saw them, so a picture
  is opened *in file order*, whatever its EXIF orientation says; ``Picture.orientation`` carries the tag, and the
  pixels are turned upright, and the tag set to 1, only on the way out (``Picture.to_pil``, ``save_picture``).
* **Nothing is lost by accident.**  Alpha, EXIF, ICC profile and XMP travel with the pixels; the output is lossless
  unless the name ends in .jpg; a file is complete or it is not there.
"""

import contextlib
import os
import re
import secrets
import struct
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Self, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

__all__ = ["MAX_PIXELS", "SAVE_EXTENSIONS", "Picture", "PictureError", "Source", "open_picture", "save_picture"]

Source: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image
"""What ``open_picture`` takes: a path, the bytes of a file, a binary file object, or a Pillow image."""

MAX_PIXELS = 178_000_000
"""The largest picture that is opened; just below the size at which Pillow itself refuses."""


class PictureError(ValueError):
    """A picture cannot be opened or saved; the message says what, which file, and what to do."""


# ---------------------------------------------------------------------------------------------------- the value


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and all that must survive its restoration.  Pixels are in file order, *not* turned upright.

    Arguments:
        pixels: RGB, (H, W, 3): uint8 in [0, 255], uint16 in [0, 65535] or float32 in [0, 1], all read-only by
            convention.  The three channels of a gray picture are equal (and one array in memory when opened).
        alpha: opacity, (H, W) uint8 in [0, 255], or None.
        gray: the file held one channel, and the saved one will.
        bit_depth: bits per sample when saved, 8 or 16.  16 needs a gray picture without alpha: Pillow knows no
            other, and reads 16-bit colour at 8 bits.
        orientation: EXIF orientation, 1 to 8, that ``to_pil`` and ``save_picture`` apply.
        exif: EXIF block (a TIFF header and its directories), its orientation set to 1, or None.
        icc_profile: the ICC profile that the pixels are in, or None for sRGB.
        xmp: XMP packet, its orientation set to 1, or None.
        source_format: Pillow's name of the file's format ("JPEG", "MPO", "PNG", …), None if made in memory.

    Raises:
        ValueError: arrays of other shapes or types, or options outside the ranges above.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    gray: bool = False
    bit_depth: int = 8
    orientation: int = 1
    exif: bytes | None = field(default=None, repr=False)
    icc_profile: bytes | None = field(default=None, repr=False)
    xmp: bytes | None = field(default=None, repr=False)
    source_format: str | None = None

    def __post_init__(self) -> None:
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"pixels must have the shape (H, W, 3), none of them 0, not {shape}")
        if self.bit_depth not in _SAMPLE_TYPE:
            raise ValueError(f"bit_depth must be 8 or 16, not {self.bit_depth}")
        if self.bit_depth == 16 and (self.alpha is not None or not self.gray):
            raise ValueError("bit_depth 16 needs a gray picture without alpha")
        if dtype not in (_SAMPLE_TYPE[self.bit_depth], np.float32):
            raise ValueError(f"pixels of bit depth {self.bit_depth} cannot be {dtype}; use float32 in [0, 1]")
        if dtype == np.float32 and not np.isfinite(self.pixels).all():
            raise ValueError("pixels must be finite")
        if self.alpha is not None and (self.alpha.shape != shape[:2] or self.alpha.dtype != np.uint8):
            raise ValueError(f"alpha must be uint8 of shape {shape[:2]}")
        if self.orientation not in range(1, 9):
            raise ValueError(f"orientation must be 1 to 8, not {self.orientation}")

    def as_float(self) -> np.ndarray:
        """Return the pixels as a float32 array (H, W, 3) in [0, 1], in file order."""
        if self.pixels.dtype == np.float32:
            return self.pixels
        return np.divide(self.pixels, np.iinfo(self.pixels.dtype).max, dtype=np.float32, order="C")

    def replace_pixels(self, restored: np.ndarray) -> Self:
        """Return the same picture with other pixels: alpha, orientation and metadata stay.

        Arguments:
            restored: float32, (H, W, 3) in [0, 1], in file order; what lies outside is clipped at saving.

        Raises:
            ValueError: the shape differs from that of ``pixels``, or the values are not finite float32.
        """
        if restored.shape != self.pixels.shape:
            raise ValueError(f"restored pixels have the shape {restored.shape}, not {self.pixels.shape}")
        return replace(self, pixels=restored)

    def to_pil(self) -> Image.Image:
        """Return the picture upright, in mode L, LA, RGB, RGBA or (16 bits) I;16, without metadata.

        Float pixels are rounded to the nearest of the 2^bit_depth levels.  Gray is the mean of the channels: they
        are three estimates of the same number, and the mean is the best of them.
        """
        samples = self.pixels
        if self.gray:
            samples = samples.mean(axis=2) if samples.dtype == np.float32 else samples[..., 0]
        samples = _round_to(self.bit_depth, samples)
        if self.alpha is not None:
            samples = np.dstack([samples, self.alpha])
        return Image.fromarray(_upright(samples, self.orientation))


_SAMPLE_TYPE = {8: np.uint8, 16: np.uint16}


def _round_to(bit_depth: int, samples: np.ndarray) -> np.ndarray:
    """Return the samples as integers: floats in [0, 1] are rounded to nearest, integers pass."""
    if samples.dtype != np.float32:
        return samples
    top = 2**bit_depth - 1
    levels = samples * np.float32(top)
    np.rint(levels, out=levels)
    np.clip(levels, 0, top, out=levels)
    return levels.astype(_SAMPLE_TYPE[bit_depth])


def _upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of the array (H, W, …) as the EXIF orientation wants it seen.

    The eight orientations are the symmetries of the square: 5 to 8 exchange rows and columns, and then the rows,
    the columns, both or none of them are reversed.
    """
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return samples[rows, columns]


# ------------------------------------------------------------------------------------------------------ opening

_DEEP_GRAY = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_GRAY = frozenset({"1", "L", "LA", "La"}) | _DEEP_GRAY
_COLOUR = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})

_quiet_lock = threading.Lock()


def open_picture(source: Source) -> Picture:
    """Open a picture of any format and mode that Pillow reads, its pixels in file order.

    Palettes become RGB, CMYK becomes sRGB through its profile, transparent colours become alpha.  Of a camera's
    multi-picture JPEG (MPO) the first picture is taken.  TIFF is turned upright by Pillow's own decoder.

    Arguments:
        source: a path, the bytes of a file, a binary file object or a Pillow image (neither is closed).

    Raises:
        PictureError: the file is missing, a folder, unreadable, not a picture, damaged, cut short, empty, of a
            mode that RGB cannot hold, animated or of several pages, or larger than MAX_PIXELS.
        TypeError: the source is none of the above.
    """
    label = _label(source)
    with _quiet():
        try:
            with _header(source, label) as image:
                return _decode(image, label)
        except (PictureError, MemoryError):
            raise
        except PermissionError as error:
            raise PictureError(f"{label} may not be read: ask its owner for permission") from error
        except UnidentifiedImageError as error:
            raise PictureError(f"{label} is not a picture: give a JPEG, PNG, WebP, TIFF or AVIF file") from error
        except Image.DecompressionBombError as error:
            raise _too_large(label) from error
        except Exception as error:  # decoders answer damaged files with errors of every class
            raise PictureError(f"{label} is damaged or cut short ({error}): get a whole copy of it") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings (large pictures, odd metadata): what matters here becomes an error.

    Warning filters belong to the whole process, hence the lock.
    """
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _label(source: Source) -> str:
    """Return what error messages call the source."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if not isinstance(source, bytes | Image.Image) and not hasattr(source, "read"):
        raise TypeError(f"a picture is a path, bytes, a file or a Pillow image, not {type(source).__name__}")
    return str(getattr(source, "filename", "") or getattr(source, "name", "") or "the picture given")


def _header(source: Source, label: str) -> contextlib.AbstractContextManager[Image.Image]:
    """Return the source as a Pillow image whose pixels are not decoded yet."""
    if isinstance(source, Image.Image):
        return contextlib.nullcontext(source)
    if isinstance(source, bytes):
        return Image.open(BytesIO(source))
    if not isinstance(source, str | os.PathLike):
        return Image.open(source)
    path = Path(source)
    if path.is_dir():
        raise PictureError(f"{label} is a folder: give the pictures in it one by one")
    if not path.exists():
        raise PictureError(f"{label} does not exist: check the name and the folder")
    return Image.open(path)


def _too_large(label: str) -> PictureError:
    return PictureError(f"{label} has more than {MAX_PIXELS // 10**6} megapixels: cut it into parts first")


def _decode(image: Image.Image, label: str) -> Picture:
    """Decode an opened Pillow image."""
    _refuse(image, label)
    image.load()  # before the metadata: some formats keep theirs behind the pixels
    pixels, alpha = _samples(image, label)
    xmp = image.info.get("xmp")
    return Picture(
        pixels=pixels,
        alpha=alpha,
        gray=image.mode in _GRAY,
        bit_depth=16 if image.mode in _DEEP_GRAY else 8,
        orientation=_orientation(image),
        exif=_upright_exif(_exif(image)),
        icc_profile=None if image.mode == "CMYK" else image.info.get("icc_profile") or None,
        xmp=re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", xmp) if isinstance(xmp, bytes) else None,
        source_format=image.format,
    )


def _refuse(image: Image.Image, label: str) -> None:
    """Raise PictureError for what the header already shows to be out of reach."""
    width, height = image.size
    if 0 in image.size:
        raise PictureError(f"{label} is {width} × {height} pixels: give a picture that is not empty")
    if width * height > MAX_PIXELS:
        raise _too_large(label)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise PictureError(f"{label} holds {frames} frames or pages: save the one to restore as a file of its own")
    if image.mode not in _GRAY | _COLOUR:
        raise PictureError(f"{label} has pixels of the kind {image.mode}: convert it to 8-bit RGB first")


def _samples(image: Image.Image, label: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return pixels (H, W, 3), uint8 or uint16, and alpha (H, W) uint8 or None."""
    if image.mode in _DEEP_GRAY:
        return _three_channels(_deep_gray(image, label)), None
    if image.mode == "CMYK":
        image = _cmyk_to_srgb(image)
    gray, transparent = image.mode in _GRAY, image.has_transparency_data
    mode = ("L" if gray else "RGB") + ("A" if transparent else "")
    samples = np.asarray(image if image.mode == mode else image.convert(mode))
    if not transparent:
        return (_three_channels(samples) if gray else samples), None
    pixels, alpha = samples[..., :-1], samples[..., -1]
    return (_three_channels(pixels[..., 0]) if gray else pixels), alpha


def _three_channels(gray: np.ndarray) -> np.ndarray:
    """Return (H, W) as (H, W, 3) without a copy."""
    return np.broadcast_to(gray[..., None], (*gray.shape, 3))


def _deep_gray(image: Image.Image, label: str) -> np.ndarray:
    """Return the samples (H, W) of a 16-bit or integer image as uint16."""
    samples = np.asarray(image)
    if samples.min() < 0 or samples.max() > 65535:
        raise PictureError(f"{label} has samples outside 0 to 65535: convert it to 8 or 16 bits first")
    return samples.astype(np.uint16)


def _cmyk_to_srgb(image: Image.Image) -> Image.Image:
    """Return a CMYK image as RGB, through its ICC profile where it has one that works."""
    if profile := image.info.get("icc_profile"):
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(BytesIO(profile)),
                ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if converted is not None:
                return converted
    return image.convert("RGB")


# ----------------------------------------------------------------------------------------------------- metadata

_ORIENTATION = int(ExifTags.Base.Orientation)
_SHORT = 3  # TIFF's number for a 16-bit integer

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


def _orientation(image: Image.Image) -> int:
    """Return the orientation, 1 to 8, that EXIF or XMP ask for; 1 where they are absent or broken."""
    with contextlib.suppress(Exception):  # broken metadata must not cost the picture
        orientation = image.getexif().get(_ORIENTATION, 1)
        if orientation in range(1, 9):
            return int(orientation)
    return 1


def _exif(image: Image.Image) -> bytes | None:
    """Return the EXIF block as the file has it, or one made from the descriptive tags of a TIFF."""
    if isinstance(block := image.info.get("exif"), bytes):
        return block.removeprefix(b"Exif\x00\x00")
    with contextlib.suppress(Exception):  # as above
        if len(tags := _descriptive(image.getexif())):
            return tags.tobytes().removeprefix(b"Exif\x00\x00")
    return None


def _descriptive(tags: Image.Exif) -> Image.Exif:
    """Return the tags that describe the picture, with those of the camera and of the place."""
    kept = Image.Exif()
    kept.update({int(tag): tags[tag] for tag in _DESCRIPTIVE if tag in tags})
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if described := tags.get_ifd(ifd):
            kept[int(ifd)] = described
    return kept


def _upright_exif(block: bytes | None) -> bytes | None:
    """Return the EXIF block with orientation 1, every other byte as it was; None if it cannot be parsed.

    The tag is overwritten where it stands: writing the block anew would move what makers' notes point at.
    """
    if block is None or block[:2] not in (b"II", b"MM"):
        return None
    order, patched = "<" if block[:2] == b"II" else ">", bytearray(block)
    try:
        (directory,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            if struct.unpack_from(f"{order}H", block, entry) == (_ORIENTATION,):
                struct.pack_into(f"{order}HIHH", patched, entry + 2, _SHORT, 1, 1, 0)
    except struct.error:
        return None
    return bytes(patched)


def _metadata(picture: Picture, file_format: str) -> dict[str, Any]:
    """Return the metadata of the picture as the options of Pillow's encoder of that format."""
    options: dict[str, Any] = {}
    if picture.icc_profile and not (picture.gray and file_format == "WEBP"):  # WebP has no gray for it to describe
        options["icc_profile"] = picture.icc_profile
    if file_format == "TIFF":
        return options | {"exif": _tiff_tags(picture)}
    if picture.exif:
        options["exif"] = (b"Exif\x00\x00" if file_format == "JPEG" else b"") + picture.exif
    if picture.xmp and file_format == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", picture.xmp.decode("utf-8", "replace"))
    elif picture.xmp:
        options["xmp"] = picture.xmp
    return options


def _tiff_tags(picture: Picture) -> bytes:
    """Return EXIF and XMP as one block, for they share the directory of a TIFF."""
    tags = Image.Exif()
    with _quiet():
        tags.load(picture.exif or b"")
        tags = _descriptive(tags)
    if picture.xmp:
        tags[int(ExifTags.Base.XMLPacket)] = picture.xmp
    return tags.tobytes()


# ------------------------------------------------------------------------------------------------------- saving


@dataclass(frozen=True)
class _Encoder:
    """A file format that pictures are saved in, and what it can hold."""

    file_format: str
    options: dict[str, Any]
    alpha: bool = True
    deep: bool = True  # 16 bits per sample


_PNG = _Encoder("PNG", {})
_TIFF = _Encoder("TIFF", {"compression": "raw"})  # Pillow's compressed TIFF cannot hold the EXIF directory
_WEBP = _Encoder("WEBP", {"lossless": True, "exact": True}, deep=False)
_JPEG = _Encoder("JPEG", {"quality": 95, "subsampling": "4:4:4"}, alpha=False, deep=False)

# No .avif: Pillow's encoder is off by up to 3 levels even at quality 100 without chroma subsampling.
_ENCODERS = {".png": _PNG, ".webp": _WEBP, ".tif": _TIFF, ".tiff": _TIFF, ".jpg": _JPEG, ".jpeg": _JPEG}

SAVE_EXTENSIONS = tuple(_ENCODERS)
"""The extensions that ``save_picture`` knows; all are lossless but .jpg and .jpeg."""


def save_picture(picture: Picture, path: str | os.PathLike[str]) -> None:
    """Save a picture upright, in the format that the extension names, with all its metadata.

    .png, .webp, .tif and .tiff are lossless; .jpg and .jpeg are written at quality 95 without chroma subsampling.
    A gray picture stays gray (WebP, which has no gray, holds it as three equal channels).  The file is written
    under a temporary name in the same folder and then renamed: whatever fails, an older file stays as it was.

    Raises:
        PictureError: the extension is unknown, the folder missing, the path a folder, the file not writable, or
            the format cannot hold the picture (alpha in JPEG, 16 bits in JPEG or WebP, too many pixels).
    """
    target = Path(path)
    encoder = _encoder(picture, target)
    image, options = picture.to_pil(), encoder.options | _metadata(picture, encoder.file_format)
    try:
        with written_whole(target) as stream:
            image.save(stream, encoder.file_format, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise PictureError(f"{target} cannot be written ({error}): try another folder or .png") from error


def _encoder(picture: Picture, target: Path) -> _Encoder:
    """Return the encoder that the extension names, once it is sure that it can do its work."""
    encoder = _ENCODERS.get(target.suffix.lower())
    if encoder is None:
        known = ", ".join(SAVE_EXTENSIONS)
        raise PictureError(f"{target} has an extension that cannot be written: use one of {known}")
    if not target.parent.is_dir():
        raise PictureError(f"{target} cannot be written: make the folder {target.parent} first")
    if target.is_dir():
        raise PictureError(f"{target} is a folder: give the name of a file")
    if picture.alpha is not None and not encoder.alpha:
        raise PictureError(f"{target} cannot be written: JPEG holds no transparency; use .png, .webp or .tif")
    if picture.bit_depth == 16 and not encoder.deep:
        raise PictureError(f"{target} cannot be written: its format holds 8 bits, not 16; use .png or .tif")
    return encoder


@contextlib.contextmanager
def written_whole(target: Path) -> Iterator[IO[bytes]]:
    """Give a stream whose content becomes the target at the end, or vanishes if anything fails."""
    part = target.with_name(f".driftrec-{secrets.token_hex(8)}.part")
    try:
        with part.open("x+b") as stream:
            yield stream
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
