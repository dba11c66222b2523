"""What a file says beside its pixels, for training: planes of its own resolution, unrounded, and its tables.

A crop is compressed here as libjpeg does it, but for the file itself: what is quantised is kept as numbers, so that
nothing has to be written and read again.  `encoded` differs from libjpeg in a rounding now and then.

The statement of a `Witness` is: *a compression with these tables had its grid at the first pixel*.  Where a picture was
compressed twice and the first grid is found, the tables are the first compression's and the planes the last file's.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from driftrec.jpeg.blocks import OFFSET, YCBCR, Plane, box_mean, dct, idct, pad, upsample_triangle
from driftrec.jpeg.dequantise import PSEUDO_COUNT
from driftrec.jpeg.file import Component, JpegFile
from driftrec.jpeg.tables import CHROMA, LUMA, ijg_table
from driftrec.train.data.degrade import MCU, SUBSAMPLINGS, Pixels, jpeg

FACTORS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}
"""Pixels per chroma sample (vertical, horizontal)."""


@dataclass(frozen=True)
class Witness:
    """A corrupted crop and what is known of it.

    Attributes:
        pixels: as a decoder shows it, uint8 (height, width, 3).
        planes: expected luma, Cb and Cr, float32 (3, height, width) in levels around 0, neither rounded nor clipped;
            chroma is interpolated.
        chroma: Cb and Cr, float32 (2, height / 2, width / 2): the file's own samples where it has so many, else means.
        tables: of luma and chroma, (2, 64), entries 1 to 255; zeros where nothing is known.
        halved: chroma has half the resolution of luma (vertically, horizontally).
        stated: the file is at hand, so planes, tables and grid are its own; else they are made of the pixels.
    """

    pixels: Pixels
    planes: NDArray[np.float32]
    chroma: NDArray[np.float32]
    tables: NDArray[np.uint8]
    halved: tuple[bool, bool]
    stated: bool


def bare(pixels: Pixels) -> Witness:
    """Pixels of which nothing is known; sides must be even."""
    planes = ycc(pixels)
    chroma = np.stack([box_mean(plane, 2, 2) for plane in planes[1:]])
    return Witness(pixels, planes, chroma, np.zeros((2, 64), np.uint8), (False, False), stated=False)


def ycc(pixels: Pixels) -> NDArray[np.float32]:
    """Luma, Cb and Cr of RGB pixels, unrounded, in levels around 0: (3, height, width)."""
    planes = np.moveaxis(pixels.astype(np.float32) @ YCBCR.T.astype(np.float32), 2, 0).copy()
    planes[0] -= OFFSET
    return planes


def of_file(file: JpegFile, pixels: Pixels, top: int = 0, left: int = 0) -> Witness:
    """The witness of a file whose first rows and columns, an even number of them, are left out.

    `pixels` are what a decoder shows of the rest.  Colour files must be YCbCr of a sampling in `FACTORS`.
    """
    return _witness(list(file.components), FACTORS.get(file.subsampling, (1, 1)), pixels, top, left)


def encoded(pixels: Pixels, quality: int, subsampling: str) -> list[Component]:
    """The components of libjpeg's file of RGB pixels; only luma where they have no colour."""
    planes = np.rint(ycc(pixels))
    if (pixels[..., :1] == pixels).all():
        planes, subsampling = planes[:1], "4:4:4"
    factors = [(1, 1), FACTORS[subsampling], FACTORS[subsampling]]
    components = []
    for number, (plane, (vertical, horizontal)) in enumerate(zip(planes, factors, strict=False)):
        whole = [-(-n // MCU) * MCU for n in plane.shape]
        samples = _reduced(pad(plane, *whole), vertical, horizontal)
        table = ijg_table(quality, CHROMA if number else LUMA)
        steps = np.tile(table.astype(np.float32), [n // 8 for n in samples.shape])
        stored = np.rint(dct(samples) / steps).astype(np.int16)
        components.append(Component(number + 1, (1, 1) if number else FACTORS[subsampling], table, stored))
    return components


def _reduced(plane: Plane, vertical: int, horizontal: int) -> Plane:
    """Means of whole levels, rounded to whole levels as libjpeg does: halves go up and down by turns."""
    if (vertical, horizontal) == (1, 1):
        return plane
    count = vertical * horizontal
    bias = (np.arange(plane.shape[1] // horizontal) % 2 + (1 if vertical == 2 else 0)).astype(np.float32)
    return np.floor(box_mean(plane, vertical, horizontal) + bias / count)


def expected_planes(components: list[Component]) -> list[Plane]:
    """Samples of components from the expected values of their coefficients."""
    return [idct(_expected(component)) for component in components]


def _expected(component: Component) -> Plane:
    """`driftrec.jpeg.dequantise.expected_coefficients`, all frequencies at once."""
    stored = component.coefficients.astype(np.float32)
    rows, columns = (n // 8 for n in stored.shape)
    blocks = stored.reshape(rows, 8, columns, 8)
    magnitudes = np.abs(blocks)
    count = float(rows * columns)
    nonzero = np.count_nonzero(magnitudes, axis=(0, 2)).astype(np.float64)
    total = magnitudes.sum(axis=(0, 2), dtype=np.float64)
    a, b, c = count + 2 * total, count - nonzero, 2 * total - nonzero
    of_all = (-b + np.sqrt(b**2 + 4 * a * c)) / (2 * a)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_nonzero = np.sqrt(1 - (nonzero + PSEUDO_COUNT) / (total + PSEUDO_COUNT / (1 - of_all**2)))
        ratio = -2 * np.log(np.maximum(of_all, of_nonzero))
        shrink = np.where(ratio < 1e-3, ratio / 12, 0.5 - 1 / ratio + 1 / np.expm1(ratio))
    shrink = np.where(nonzero > 0, shrink, 0)
    shrink[0, 0] = 0
    moved = blocks - np.sign(blocks) * shrink[:, None, :].astype(np.float32)
    return (moved * component.table.astype(np.float32)[:, None, :]).reshape(stored.shape)


def _witness(
    components: list[Component], factors: tuple[int, int], pixels: Pixels, top: int = 0, left: int = 0
) -> Witness:
    height, width = pixels.shape[:2]
    samples = expected_planes(components)
    rows, columns = slice(top, top + height), slice(left, left + width)
    luma = samples[0][rows, columns]
    tables = np.stack([c.table.reshape(64) for c in (components[0], components[min(1, len(components) - 1)])])
    if len(components) == 1:
        planes = np.stack([luma, np.zeros_like(luma), np.zeros_like(luma)])
        chroma = np.zeros((2, height // 2, width // 2), np.float32)
        return Witness(pixels, planes, chroma, tables.astype(np.uint8), (False, False), stated=True)
    full = [upsample_triangle(plane, *factors)[rows, columns] for plane in samples[1:]]
    reduced = [box_mean(plane, 2 // factors[0], 2 // factors[1]) for plane in samples[1:]]
    half = slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2)
    return Witness(
        pixels,
        np.stack([luma, *full]),
        np.stack([plane[half] for plane in reduced]),
        tables.astype(np.uint8),
        (factors[0] == 2, factors[1] == 2),
        stated=True,
    )


@dataclass(frozen=True)
class Scenes:
    """What happens to clean crops, as `driftrec.train.data.degrade.jpeg_mixture`, with what is known of it.

    Called with clean pixels, uint8 (height, width, 3), sides multiples of 16, and a generator.  Shares of the cases:
    `shifted`, crops of larger JPEGs, of which only pixels are left; `double`, compressed twice, on the grid of the
    second; `double_first`, on the grid of the first, found with its tables, the second's shifted by an even number of
    pixels; `clean`.  The rest is a single JPEG.  Qualities of first compressions are 1 + ⌊100 u^power⌋.
    """

    shifted: float = 0.06
    double: float = 0.12
    double_first: float = 0.25
    clean: float = 0.05
    power: float = 2.0

    def __call__(self, pixels: Pixels, rng: Generator) -> Witness:
        edges = np.cumsum([self.shifted, self.double, self.double_first, self.clean])
        case = int(np.searchsorted(edges, rng.random(), side="right"))
        first = 1 + int(100 * rng.random() ** self.power)
        again = 1 + int(100 * rng.random())
        sampling, resampling = (
            SUBSAMPLINGS[int(np.searchsorted((0.25, 0.3), rng.random(), side="right"))] for _ in range(2)
        )
        top, left = (int(v) for v in rng.integers(0, MCU, 2))
        if case == 3:
            return bare(pixels)
        if case == 0:
            return bare(_moved_jpeg(pixels, first, sampling, top, left))
        if case == 1:
            return compressed(_moved_jpeg(pixels, first, sampling, top, left), again, resampling)
        if case == 2:
            even = top & ~1, left & ~1
            found = compressed(jpeg(pixels, first, sampling), again, resampling, *even)
            gray = bool((pixels[..., :1] == pixels).all())
            tables = np.stack([ijg_table(first, base).reshape(64) for base in (LUMA, LUMA if gray else CHROMA)])
            return replace(found, tables=tables.astype(np.uint8))
        return compressed(pixels, first, sampling)


def compressed(pixels: Pixels, quality: int, subsampling: str, top: int = 0, left: int = 0) -> Witness:
    """The witness of libjpeg's file, whose grid starts `top` and `left` pixels, even numbers, outside the picture."""
    padded = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), mode="reflect") if top or left else pixels
    shown = jpeg(padded, quality, subsampling)[top:, left:]
    return _witness(encoded(padded, quality, subsampling), FACTORS[subsampling], shown, top, left)


def _moved_jpeg(pixels: Pixels, quality: int, subsampling: str, top: int, left: int) -> Pixels:
    padded = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), mode="reflect")
    return jpeg(padded, quality, subsampling)[top:, left:]
