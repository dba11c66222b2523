"""The picture as a value: pixels, and everything that must survive their restoration."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from PIL import Image, ImageCms

from driftrec.picture.profiles import to_srgb


class PictureError(ValueError):
    """A picture cannot be opened or saved; the message names the file, the problem, and what to do."""


class PictureNotFoundError(PictureError, FileNotFoundError):
    """The file of a picture, or the folder for it, does not exist."""


class PictureIsFolderError(PictureError, IsADirectoryError):
    """The path of a picture is that of a folder."""


class PicturePermissionError(PictureError, PermissionError):
    """The file of a picture may not be read."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and everything that must survive its restoration.  Pixels are in file order, *not* turned upright.

    ``np.asarray(picture)`` gives its upright ``samples``, as integers.

    Arguments:
        pixels: RGB, (H, W, 3): uint8 in [0, 255], uint16 in [0, 65535] or float32 in [0, 1], all read-only by
            convention.  The three channels of a gray picture are equal (and one array in memory when opened).
        alpha: opacity, (H, W), uint8 in [0, 255] or uint16 in [0, 65535], or None.
        gray: whether the file had one channel; the saved file then has one too.
        bit_depth: bits per sample when saved, 8 or 16.
        orientation: EXIF orientation, 1 to 8, that ``to_pil`` and ``save_picture`` apply.
        exif: EXIF block (a TIFF header and its directories), its orientation set to 1, or None.
        icc_profile: the ICC profile that the pixels are in, or None for sRGB.
        xmp: XMP packet, its orientation set to 1, or None.
        iptc: IPTC records (IIM), or None.
        source_format: Pillow's name of the file's format ("JPEG", "MPO", "PNG", …), None if made in memory.
        left_out: descriptions, for people to read, of what the file holds and this value does not.
        file: the bytes of the file that the pixels were decoded from; None if there is no file, or if the pixels have
            been replaced.
        name: the picture's name in messages.
        lossy: whether files of this kind have usually lost something: JPEG, WebP, AVIF and the like, and palettes.
        cut_short: whether the file ends before the picture does; where it holds nothing, pixels are gray or black.

    Raises:
        ValueError: an array has another shape or type, or a value is outside the ranges above.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    gray: bool = False
    bit_depth: int = 8
    orientation: int = 1
    exif: bytes | None = field(default=None, repr=False)
    icc_profile: bytes | None = field(default=None, repr=False)
    xmp: bytes | None = field(default=None, repr=False)
    iptc: bytes | None = field(default=None, repr=False)
    source_format: str | None = None
    left_out: tuple[str, ...] = ()
    file: bytes | None = field(default=None, repr=False)
    name: str = "the picture given"
    lossy: bool = False
    cut_short: bool = False

    def __post_init__(self) -> None:
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"pixels must have a shape (H, W, 3) without zeros, not {shape}")
        if self.bit_depth not in _SAMPLE_TYPE:
            raise ValueError(f"bit_depth must be 8 or 16, not {self.bit_depth}")
        if dtype not in (_SAMPLE_TYPE[self.bit_depth], np.float32):
            raise ValueError(f"pixels of bit depth {self.bit_depth} cannot be {dtype}; use float32 in [0, 1]")
        if dtype == np.float32 and not np.isfinite(self.pixels).all():
            raise ValueError("pixels must be finite")
        if self.alpha is not None and (self.alpha.shape != shape[:2] or self.alpha.dtype not in (np.uint8, np.uint16)):
            raise ValueError(f"alpha must be uint8 or uint16 of shape {shape[:2]}")
        if self.orientation not in range(1, 9):
            raise ValueError(f"orientation must be 1 to 8, not {self.orientation}")

    def as_float(self) -> np.ndarray:
        """Returns the pixels as a float32 array (H, W, 3) in [0, 1], in file order."""
        return as_float(self.pixels)

    def replace_pixels(self, restored: np.ndarray) -> Self:
        """Returns the same picture with other pixels: alpha, orientation and metadata stay, ``file`` does not.

        Arguments:
            restored: float32, (H, W, 3) in [0, 1], in file order; values outside are clipped when saved.

        Raises:
            ValueError: the shape differs from that of ``pixels``, or the values are not finite float32.
        """
        if restored.shape != self.pixels.shape:
            raise ValueError(f"restored pixels have the shape {restored.shape}, not {self.pixels.shape}")
        return replace(self, pixels=restored, file=None)

    def with_bits(self, bit_depth: int) -> Self:
        """Returns the same picture, to be saved at 8 or 16 bits per sample."""
        return self if bit_depth == self.bit_depth else replace(self, pixels=self.as_float(), bit_depth=bit_depth)

    def cropped(self, height: int, width: int) -> Self:
        """Returns the upper left part of the picture, with everything else."""
        alpha = None if self.alpha is None else self.alpha[:height, :width]
        return replace(self, pixels=self.pixels[:height, :width], alpha=alpha, file=None)

    def bare(self) -> Self:
        """Returns the same picture without any metadata, its colour profile included."""
        return replace(self.stripped(), icc_profile=None)

    def stripped(self) -> Self:
        """Returns the same picture without EXIF, XMP and IPTC.  The ICC profile stays, as it defines the colours."""
        return replace(self, exif=None, xmp=None, iptc=None)

    def upright(self) -> Self:
        """Returns the same picture with its pixels and alpha turned upright, so that its orientation is 1."""
        alpha = None if self.alpha is None else _upright(self.alpha, self.orientation)
        pixels = _upright(self.pixels, self.orientation)
        return self if self.orientation == 1 else replace(self, pixels=pixels, alpha=alpha, orientation=1, file=None)

    def samples(self) -> np.ndarray:
        """Returns the upright samples as they are saved: (H, W), or (H, W, 2 to 4) with colour or alpha.

        They are uint8 or uint16, depending on ``bit_depth``; floats are rounded to the nearest level.  Gray is the mean
        of the channels: these are three estimates of the same value, and their mean is the best estimate.
        """
        samples = self.pixels
        if self.gray:
            samples = samples.mean(axis=2) if samples.dtype == np.float32 else samples[..., 0]
        samples = _round_to(self.bit_depth, samples)
        if self.alpha is not None:
            samples = np.dstack([samples, _round_to(self.bit_depth, self.alpha)])
        return _upright(samples, self.orientation)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: ANN401 (NumPy's protocol)
        """Returns the upright ``samples``, of another type if `dtype` asks for it."""
        samples = self.samples()
        wanted = samples.dtype if dtype is None else np.dtype(dtype)
        if copy is False and not (wanted == samples.dtype and np.may_share_memory(samples, self.pixels)):
            raise ValueError("these samples cannot be had without a copy: leave copy out")
        return samples.astype(wanted, copy=bool(copy))

    def to_pil(self, *, metadata: bool = True, srgb: bool = False) -> Image.Image:
        """Returns the picture as a Pillow image, upright, in mode L, LA, RGB, RGBA or I;16.

        Only gray without alpha keeps 16 bits: Pillow has no other 16-bit mode, so all other pictures become 8-bit.

        Arguments:
            metadata: whether the image keeps the ICC profile, EXIF and XMP, in ``info``, where Pillow looks for them.
                Their orientation is 1, so ``ImageOps.exif_transpose`` changes nothing.
            srgb: whether to convert the colours from the ICC profile to sRGB, in 8 bits; the image then has no profile.

        Raises:
            PictureError: `srgb` is asked for, and the ICC profile cannot be used.
        """
        if self.bit_depth == 16 and (srgb or self.alpha is not None or not self.gray):
            return self.with_bits(8).to_pil(metadata=metadata, srgb=srgb)
        image, profile = Image.fromarray(self.samples()), self.icc_profile
        if srgb and profile:
            image, profile = self._in_srgb(image, profile), None
        if metadata:
            exif = self.exif and b"Exif\x00\x00" + self.exif
            kept = {"icc_profile": profile, "exif": exif, "xmp": self.xmp}
            image.info |= {key: value for key, value in kept.items() if value}
        return image

    def _in_srgb(self, image: Image.Image, profile: bytes) -> Image.Image:
        """Converts an image of this picture to sRGB; its mode and its alpha stay."""
        try:
            converted = to_srgb(image.convert(image.mode.removesuffix("A")), profile)
        except (ImageCms.PyCMSError, OSError) as error:
            raise PictureError(f"{self.name} has a colour profile that cannot be used ({error}): omit srgb") from error
        converted = converted.convert(image.mode)
        converted.info.clear()  # Pillow adds the profile of sRGB
        if image.mode.endswith("A"):
            converted.putalpha(image.getchannel("A"))
        return converted


_SAMPLE_TYPE = {8: np.uint8, 16: np.uint16}

_ROWS = 64
"""Rows that are rounded at a time, which needs less memory than all of them at once, and is faster."""


def as_float(samples: np.ndarray) -> np.ndarray:
    """Returns samples, uint8, uint16 or float32 in [0, 1], as float32 in [0, 1]."""
    if samples.dtype == np.float32:
        return samples
    return np.divide(samples, np.iinfo(samples.dtype).max, dtype=np.float32, order="C")


def _round_to(bit_depth: int, samples: np.ndarray) -> np.ndarray:
    """Returns the samples as integers of that depth, floats and other depths rounded to the nearest level."""
    if samples.dtype == _SAMPLE_TYPE[bit_depth]:
        return samples
    top = 2**bit_depth - 1
    rounded = np.empty(samples.shape, _SAMPLE_TYPE[bit_depth])
    for start in range(0, len(samples), _ROWS):
        rows = slice(start, start + _ROWS)
        levels = as_float(samples[rows]) * np.float32(top)
        np.rint(levels, out=levels)
        np.clip(levels, 0, top, out=levels)
        rounded[rows] = levels
    return rounded


def _upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Returns a view of the array (H, W, …), turned upright as the EXIF orientation says.

    The eight orientations are the symmetries of the square: 5 to 8 exchange rows and columns, and then the rows,
    the columns, both or neither are reversed.
    """
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return samples[rows, columns]
