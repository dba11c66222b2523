"""Finds the JPEG of which a picture in a lossless format is a copy.

A decoded JPEG that is compressed once more with the same tables and subsampling gives nearly the same coefficients.
Rounding and clipping change some of them, so that decoding gives slightly other pixels.  The difference is added to
what is compressed, which need not lie between black and white, until decoding gives the pixels again.

Parts that were changed after the JPEG was decoded, by writing for example, cannot give the same pixels.  Nothing is
known of the coefficients there.
"""

import io
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from driftrec.jpeg.blocks import OFFSET, Plane, box_mean, dct, idct, pad, to_components, to_image, upsample_triangle
from driftrec.jpeg.file import JpegFile, read_jpeg
from driftrec.jpeg.tables import BLOCK, MCU

Pixels = NDArray[np.uint8]

SUBSAMPLINGS = ("4:2:0", "4:4:4", "4:2:2")

NEAR = (0, -1, 1)
"""Differences of qualities that are tried: traces may be read a little wrongly."""

PROBE = 256
"""Side of the part in the middle of the picture that shows quality and subsampling, in pixels."""

SAME = 1.0
"""Greatest mean squared difference of MCUs that are the same, in squared levels: decoders round differently."""

EDITED = 4.0
"""Above this difference, an MCU was changed after the JPEG was decoded."""

LEAST_SAME = 0.5
"""Least share of the MCUs of a copy that are the same; of other pictures, few are."""

PASSES = 8
"""Most compressions."""

STRIP = 32 * MCU
"""Rows that are worked on at a time, so that memory does not grow with the picture."""


def copied_jpeg(pixels: NDArray[np.generic], quality: int, *, gray: bool) -> JpegFile | None:
    """Returns the contents of a JPEG file that shows these pixels, or None if they are no copy of a JPEG.

    Where a copy was changed later, the coefficients of whole MCUs are not known.

    Arguments: RGB, (height, width, 3) in file order; other types than uint8 are no copies; the approximate quality of
    the JPEG, with libjpeg's tables, whose grid starts at the first pixel; `gray`, whether the picture has one channel.
    """
    if pixels.dtype != np.uint8 or min(pixels.shape[:2]) < MCU:
        return None
    shown = np.asarray(pixels[..., 0] if gray else pixels, np.uint8)
    top, left = (max(n - PROBE, 0) // (2 * MCU) * MCU for n in shown.shape[:2])
    probe = np.ascontiguousarray(shown[top : top + PROBE, left : left + PROBE])
    qualities = [quality + near for near in NEAR if 1 <= quality + near <= 100]
    ways = product(qualities, ("4:4:4",) if gray else SUBSAMPLINGS)
    errors = {way: _solved(probe, _compressed(probe, *way))[1] for way in ways}
    best = min(errors, key=lambda way: float(errors[way].clip(max=EDITED).mean()))
    if (errors[best] <= SAME).mean() < LEAST_SAME:
        return None
    file = _compressed(shown, *best)
    errors = _corrected(shown, file)
    return _without(errors > EDITED, file) if (errors <= SAME).mean() >= LEAST_SAME else None


def _without(edited: NDArray[np.bool_], file: JpegFile) -> JpegFile:
    """The file without knowledge of the MCUs that were edited, (rows, columns)."""
    if not edited.any():
        return file
    components = []
    for component in file.components:
        unit = np.ones([BLOCK * count for count in component.sampling], bool)
        rows, columns = component.coefficients.shape
        components.append(replace(component, known=np.kron(~edited, unit)[:rows, :columns]))
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
