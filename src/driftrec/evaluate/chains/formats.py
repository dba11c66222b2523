"""Formats that lose something: JPEG with any tables, WebP, AVIF, and palettes as in PNG and GIF.

file = format.encode(pixels)        pixels: uint8 (height, width, 3)
pixels = format(pixels)             what a viewer shows of that file
"""

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from driftrec.evaluate.chains.tables import IJG, Tables
from driftrec.evaluate.corruptions import Pixels, decode, encode, without_colour


class Format:
    """Abstract base of the formats: subclasses say how they encode."""

    def encode(self, pixels: Pixels) -> bytes:
        """The file of a picture."""
        raise NotImplementedError

    def __call__(self, pixels: Pixels) -> Pixels:
        return shown(self.encode(pixels))


def shown(file: bytes) -> Pixels:
    """What a viewer shows of a file: uint8 (height, width, 3), for gray files, too."""
    return coloured(decode(file))


def coloured(pixels: Pixels) -> Pixels:
    """Three channels, equal ones for (height, width) of gray pictures."""
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def png(pixels: Pixels) -> bytes:
    """A PNG file, without loss."""
    return _saved(Image.fromarray(pixels), "PNG")


@dataclass(frozen=True)
class AsJpeg(Format):
    """libjpeg's JPEG: quality 1 to 100, fractions allowed, as a scale of `tables`; gray pictures have one channel."""

    quality: float
    subsampling: str = "4:2:0"
    tables: Tables = IJG

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"JPEG qualities are 1 to 100, not {self.quality}")

    def encode(self, pixels: Pixels) -> bytes:
        pixels = without_colour(pixels)
        if self.tables == IJG and self.quality == int(self.quality):
            return encode(pixels, int(self.quality), self.subsampling)
        steps = [table.ravel().tolist() for table in self.tables.scaled(self.quality)[: 2 if pixels.ndim == 3 else 1]]
        return _saved(Image.fromarray(pixels), "JPEG", qtables=steps, subsampling=self.subsampling)


@dataclass(frozen=True)
class AsWebp(Format):
    """Lossy WebP at libwebp's quality, 0 to 100; a lower `method` (0 to 6) is faster and worse."""

    quality: float
    method: int = 4

    def encode(self, pixels: Pixels) -> bytes:
        return _saved(Image.fromarray(pixels), "WEBP", quality=self.quality, method=self.method)


@dataclass(frozen=True)
class AsAvif(Format):
    """AVIF, 4:2:0, at libavif's quality, 0 to 100; a higher `speed` (0 to 10) is faster and worse."""

    quality: int
    speed: int = 6

    def encode(self, pixels: Pixels) -> bytes:
        return _saved(Image.fromarray(pixels), "AVIF", quality=self.quality, speed=self.speed, max_threads=1)


@dataclass(frozen=True)
class AsPalette(Format):
    """A palette of the picture's own colours, 2 to 256, with or without Floyd–Steinberg dithering.

    Colours are chosen by median cut, or in an octree, which is faster and worse.
    """

    colours: int = 256
    dither: bool = True
    container: Literal["PNG", "GIF"] = "PNG"
    octree: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.colours <= 256:
            raise ValueError(f"a palette has 2 to 256 colours, not {self.colours}")

    def encode(self, pixels: Pixels) -> bytes:
        image = Image.fromarray(pixels)
        reduced = image.quantize(self.colours, Image.Quantize.FASTOCTREE if self.octree else Image.Quantize.MEDIANCUT)
        if self.dither:
            reduced = image.quantize(palette=reduced, dither=Image.Dither.FLOYDSTEINBERG)
        return _saved(reduced, self.container)


def _saved(image: Image.Image, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()
