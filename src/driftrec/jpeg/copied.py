"""Finds the JPEG of which a picture in a lossless format is a copy, or a copy of a part.

A decoded JPEG that is compressed once more with the same tables and subsampling gives nearly the same coefficients.
Rounding and clipping change some of them, so that decoding gives slightly other pixels.  The difference is added to
what is compressed, which need not lie between black and white, until decoding gives the pixels again.

Parts that were changed after the JPEG was decoded, by writing for example, cannot give the same pixels.  Nothing is
known of the coefficients there, nor of blocks of which only a part was copied.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from driftrec.jpeg.blocks import OFFSET, Plane, box_mean, dct, idct, pad, to_components, to_image, upsample_triangle
from driftrec.jpeg.file import JpegFile, read_jpeg
from driftrec.jpeg.tables import BLOCK, MCU

Pixels = NDArray[np.uint8]

T = TypeVar("T", bound=np.generic)

UNITS = {"4:2:0": (MCU, MCU), "4:4:4": (BLOCK, BLOCK), "4:2:2": (BLOCK, MCU)}
"""Subsamplings that are tried, and (height, width) of their MCUs in pixels."""

PROBE = 192
"""Side of the part in the middle of the picture that shows quality and subsampling, in pixels."""

SAME = 1.0
"""Greatest mean squared difference of MCUs that are the same, in squared levels: decoders round differently."""

EDITED = 4.0
"""Above this difference, an MCU was changed after the JPEG was decoded."""

LEAST_SAME = 0.5
"""Least share of the MCUs of a copy that are the same; of other pictures, few are."""

CLEAR = 0.9
"""From this share on, the layout is clear, though a quality beside the given one may fit still better."""

PASSES = 8
"""Most compressions."""

STRIP = 32 * MCU
"""Rows that are worked on at a time, so that memory does not grow with the picture."""


@dataclass(frozen=True, eq=False)
class Copy:
    """A JPEG of which a picture is a copy.

    Attributes:
        file: what a file would contain that shows the picture.
        offset: (rows, columns) of `file` that are above and to the left of the picture, at most 15 each.
    """

    file: JpegFile
    offset: tuple[int, int]


def copied_jpeg(
    pixels: NDArray[np.generic], quality: int, shift: tuple[int, int] = (0, 0), *, gray: bool
) -> Copy | None:
    """Returns the JPEG that shows these pixels, or None if they are no copy of a JPEG.

    Where a copy was changed later, or holds only a part of a block, the coefficients are not known.

    Arguments: RGB, (height, width, 3) in file order; other types than uint8 are no copies; the approximate quality of
    the JPEG, with libjpeg's tables; `shift`, (row, column) from 0 to 7 of the first whole block; `gray`, whether the
    picture has one channel.
    """
    if pixels.dtype != np.uint8 or min(pixels.shape[:2]) < 2 * MCU:
        return None
    shown = np.asarray(pixels[..., 0] if gray else pixels, np.uint8)
    best = _best(shown, quality, shift, gray=gray)
    if best.same < LEAST_SAME:
        return None
    whole = completed(shown, best.offset)
    file = _compressed(whole, best.quality, best.subsampling)
    errors = _corrected(whole, file)
    if (errors <= SAME).mean() < LEAST_SAME:
        return None
    return Copy(_known(file, errors > EDITED, best.offset), best.offset)


def completed(pixels: NDArray[T], offset: tuple[int, int]) -> NDArray[T]:
    """Returns a picture (height, width, …) with its first row and column repeated, so that it starts with an MCU."""
    around = [(lack, 0) for lack in offset] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, around, mode="edge") if any(offset) else pixels


@dataclass(frozen=True)
class _Way:
    """One way in which a picture may have been compressed, and how well it explains a part of the picture: the mean
    error of its MCUs, in squared levels, and the share of them that are the same."""

    quality: int
    subsampling: str
    offset: tuple[int, int]
    error: float
    same: float


def _best(shown: Pixels, quality: int, shift: tuple[int, int], *, gray: bool) -> _Way:
    """The way with the smallest error, of all subsamplings and offsets and of the given quality or one beside it."""
    subsamplings = ["4:4:4"] if gray else list(UNITS)
    laid_out = [(name, offset) for name in subsamplings for offset in _offsets(UNITS[name], shift)]
    qualities = [near for near in (quality, quality - 1, quality + 1) if 1 <= near <= 100]
    ways = [_tried(shown, quality, *layout) for layout in laid_out]
    first = min(ways, key=_error)
    layouts = [(first.subsampling, first.offset)] if first.same >= CLEAR else laid_out
    ways += [_tried(shown, near, *layout) for near in qualities[1:] for layout in layouts]
    return min(ways, key=_error)


def _offsets(unit: tuple[int, int], shift: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Where MCUs of (height, width) pixels may start, if blocks start at `shift`: rows and columns that are lacking."""
    for top, left in product(*(range(first, side, BLOCK) for first, side in zip(shift, unit, strict=True))):
        yield -top % unit[0], -left % unit[1]


def _error(way: _Way) -> float:
    return way.error


def _tried(shown: Pixels, quality: int, subsampling: str, offset: tuple[int, int]) -> _Way:
    """How well a way explains the middle of a picture."""
    top, left = (
        max(n - PROBE, 0) // 2 // side * side + -lack % side
        for n, side, lack in zip(shown.shape[:2], UNITS[subsampling], offset, strict=True)
    )
    probe = np.ascontiguousarray(shown[top : top + PROBE, left : left + PROBE])
    errors = _solved(probe, _compressed(probe, quality, subsampling))[1]
    return _Way(quality, subsampling, offset, float(errors.clip(max=EDITED).mean()), float((errors <= SAME).mean()))


def _known(file: JpegFile, edited: NDArray[np.bool_], offset: tuple[int, int]) -> JpegFile:
    """The file without knowledge of edited MCUs, (rows, columns), and of blocks that reach beyond the copy."""
    components = []
    for component in file.components:
        known = np.kron(~edited, np.ones([BLOCK * count for count in component.sampling], bool))
        known = known[: component.coefficients.shape[0], : component.coefficients.shape[1]]
        for axis, (lack, size) in enumerate(zip(offset, (file.height, file.width), strict=True)):
            side = file.mcu[axis] // component.sampling[axis]
            start = np.arange(known.shape[axis]) // BLOCK * side
            np.moveaxis(known, axis, -1)[:, (start < lack) | (start + side > size)] = False
        components.append(replace(component, known=None if known.all() else known))
    return replace(file, components=tuple(components))


def _corrected(shown: Pixels, file: JpegFile) -> NDArray[np.float64]:
    """Corrects the coefficients of a compressed picture, in place, and returns the errors of its MCUs, as `_solved`."""
    unit, errors = file.mcu[0], []
    for start in range(0, file.height, STRIP):
        first, last = max(start - unit, 0), min(start + STRIP + unit, file.height)
        planes, left = _solved(shown[first:last], file)
        skipped, count = (start - first) // unit, min(STRIP // unit, -(-(file.height - start) // unit))
        errors.append(left[skipped : skipped + count])
        for component, plane in zip(file.components, planes, strict=True):
            side = BLOCK * component.sampling[0]  # rows of coefficients in a row of MCUs
            target = component.coefficients[start // unit * side :][: count * side]
            target[...] = plane[skipped * side :, : target.shape[1]][: len(target)]
    return np.concatenate(errors)


def _solved(shown: Pixels, file: JpegFile) -> tuple[list[NDArray[np.int16]], NDArray[np.float64]]:
    """The coefficients of each component that give the pixels of some rows of a picture, and what is left of the
    difference: its mean square in each MCU, in squared levels."""
    (unit_v, unit_h), most = file.mcu, file.components[0].sampling
    height, width = shown.shape[:2]
    rows, columns = -(-height // unit_v), -(-width // unit_h)
    levels = np.atleast_3d(shown).astype(np.float32)
    wanted = pad(levels / np.float32(255), rows * unit_v, columns * unit_h)
    source, least = np.broadcast_to(wanted, (*wanted.shape[:2], 3)).copy(), np.full((rows, columns), np.inf)
    kept: list[Plane] = []
    for _ in range(PASSES):
        planes, decoded = [], []
        for component, plane in zip(file.components, to_components(source, file.colour), strict=True):
            factors = most[0] // component.sampling[0], most[1] // component.sampling[1]
            samples = box_mean(plane, *factors)
            steps = np.tile(component.table.astype(np.float32), [n // BLOCK for n in samples.shape])
            planes.append(np.rint(dct(samples) / steps))
            decoded.append(upsample_triangle(idct(planes[-1] * steps).clip(-OFFSET, 127), *factors))
        difference = wanted - to_image(decoded, file.colour)
        difference[height:] = 0  # what the encoder added around the picture was not kept
        difference[:, width:] = 0
        errors = np.square(255 * difference).reshape(rows, unit_v, columns, unit_h, -1).mean(axis=(1, 3, 4))
        better = errors < least
        if not better.any():
            break
        least = np.minimum(errors, least)
        kept = kept or planes
        for old, new in zip(kept, planes, strict=True):
            sides = (n // count for n, count in zip(old.shape, better.shape, strict=True))
            np.copyto(old, new, where=np.kron(better, np.ones(tuple(sides), bool)))
        source += difference
    return [plane.astype(np.int16) for plane in kept], least


def _compressed(pixels: Pixels, quality: int, subsampling: str) -> JpegFile:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return read_jpeg(file.getvalue())
