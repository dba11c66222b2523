"""Recovers an earlier compression: estimates its coefficients from those of later compressions.

A picture that was compressed with coarse steps, cropped and compressed again with finer ones is, for a restorer, a
single JPEG with noise.  On the grid of the first compression its coefficients lie near multiples of the first steps,
and the expected values of these multiples (`driftrec.jpeg.multiples`) take the noise away.  If it is small, the picture
of the first compression is recovered exactly.

Values beyond black and white were clipped when the first compression was decoded.  The recovered coefficients show by
how much.  This amount is added to the pixels, and they are recovered again.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import Plane, box_mean, idct, pad, to_components, to_image, upsample_triangle
from driftrec.jpeg.detect import Trace
from driftrec.jpeg.file import JpegFile
from driftrec.jpeg.layout import BAND
from driftrec.jpeg.multiples import (
    Fit,
    Grid,
    Resubsample,
    by_frequency,
    coefficients_of,
    fit_chroma,
    fit_multiples,
    unchanged,
)
from driftrec.jpeg.tables import BLOCK, LUMA, MCU, ijg_table

LUMA_SCORE = 0.25
"""Lowest score of luma's median frequency for a picture to be recovered; tables other than libjpeg's score lower."""

SAMPLE_SIDE = 1024
"""Statistics are computed from the middle of the picture, of at most this many pixels a side."""

CHROMA_REACH = 16
"""Reach of the iterations that find chroma samples, beyond a sample, in pixels."""

CLIPPING_MARGIN = 0.5 / 255
"""Channels closer than this to 0 or 1 may have been clipped."""

PASSES = 3
"""Maximum number of recovery passes; each undoes more of the clipping than the one before."""

ROUNDS = 2
"""How often the statistics are computed again without the parts that were not quantised with the trace's table."""

MAX_RESIDUAL = 10
"""Blocks stay as they are if recovery changes their luma by more than this many times the expected energy of e:
something else happened to them."""


def compressed_part(pixels: Plane, trace: Trace) -> NDArray[np.bool_]:
    """Returns which pixels belong to the rectangle that a compression left its trace in, as in a screenshot.

    Arguments: `pixels`, RGB (height, width, 3), float32 in [0, 1]; the trace of the compression.

    Returns booleans (height, width), all true if the rectangle cannot be told.
    """
    middle = _middle(pixels)
    luma = _fit_luma(to_components(middle, "YCbCr")[0], trace, _unclipped(middle))
    if luma is None:
        return np.ones(pixels.shape[:2], bool)
    return luma.part(to_components(pixels, "YCbCr")[0])


def recovered(pixels: NDArray[np.float32], trace: Trace, file: JpegFile | None = None) -> NDArray[np.float32]:
    """An estimate of the picture as it was right after the compression that left the trace.

    Arguments:
        pixels: RGB (height, width, 3), float32 in [0, 1], in the orientation in which the trace was found.
        trace: the trace of a compression that was coarser than any later one and on another grid.
        file: the JPEG that the pixels were decoded from, if any.

    Returns an array of the same shape.  Some parts stay unchanged: blocks that the border cuts; blocks that the
    compression did not touch, or whose recovered coefficients do not explain their pixels; chroma that does not look
    quantised with libjpeg's table of the trace's quality; and the whole picture if its luma does not.
    """
    middle = _middle(pixels)
    planes, unclipped, resubsample = to_components(middle, "YCbCr"), _unclipped(middle), _resubsampling(file)
    luma = _fit_luma(planes[0], trace, unclipped)
    if luma is None or luma.median_score < LUMA_SCORE:
        return pixels
    chroma = fit_chroma(planes[1:], trace, unclipped, resubsample)

    out = np.empty_like(pixels)
    for rows, kept in _bands(len(pixels)):
        image = _recover_band(
            pixels[rows], luma.starting_at(rows.start), chroma and chroma.starting_at(rows.start), resubsample
        )
        out[kept] = image[kept.start - rows.start : kept.stop - rows.start]
    return out


def _middle(pixels: Plane) -> Plane:
    """The part of a picture from which statistics are computed; it starts where an MCU could."""
    height, width = pixels.shape[:2]
    top, left = (max(n - SAMPLE_SIDE, 0) // (2 * MCU) * MCU for n in (height, width))
    return pixels[top : top + SAMPLE_SIDE, left : left + SAMPLE_SIDE]


def _fit_luma(plane: Plane, trace: Trace, unclipped: NDArray[np.bool_]) -> Fit | None:
    """The fit of luma without the parts that the compression did not touch, which are taken out of `unclipped`."""
    table, grid = ijg_table(trace.quality, LUMA), Grid(trace.shift, (1, 1))
    luma = fit_multiples([plane], table, unclipped, grid, unchanged)
    for _ in range(ROUNDS):
        if luma is None or not (others := luma.elsewhere(plane)).any():
            break
        unclipped &= ~others
        luma = fit_multiples([plane], table, unclipped, grid, unchanged)
    return luma


def _recover_band(
    pixels: NDArray[np.float32], luma: Fit, chroma: Fit | None, resubsample: Resubsample
) -> NDArray[np.float32]:
    """The pixels with all whole blocks recovered, except those whose residual is too large."""
    image, clipped_off = pixels, np.zeros_like(pixels)
    for _ in range(PASSES):
        planes = to_components(pixels + clipped_off, "YCbCr")
        _recover_planes(planes[:1], luma, unchanged)
        if chroma is not None:
            _recover_planes(planes[1:], chroma, resubsample)
        unlimited = to_image(planes, "YCbCr", clip=False)
        image = unlimited.clip(0, 1)
        clipped_off = unlimited - image
        if not clipped_off.any():
            break

    before, after = (to_components(picture, "YCbCr")[0] for picture in (pixels, image))
    residual = luma.grid.whole(before - after)
    rows, columns = (n // BLOCK for n in residual.shape)
    energy = np.square(residual).reshape(rows, BLOCK, columns, BLOCK).sum(axis=(1, 3))
    unexplained = np.repeat(np.repeat(energy > MAX_RESIDUAL * luma.error_energy, BLOCK, axis=0), BLOCK, axis=1)
    unexplained |= luma.grid.whole(luma.elsewhere(before))
    np.copyto(luma.grid.whole(image), luma.grid.whole(pixels), where=unexplained[..., None])
    return image


def _recover_planes(planes: Sequence[Plane], fit: Fit, resubsample: Resubsample) -> None:
    """Recovers components in place."""
    # Interpolated chroma at the border depends on samples that are not known.
    inside = slice(None) if fit.grid.factors == (1, 1) else slice(1, -1)
    for plane in planes:
        inner = fit.grid.whole(plane)
        if not inner.size:
            continue
        coefficients = coefficients_of(plane, fit.grid, resubsample)
        frequencies = by_frequency(coefficients)
        frequencies[...] = fit.expected(frequencies)
        inner[inside, inside] = upsample_triangle(idct(coefficients), *fit.grid.factors)[inside, inside]


def _bands(height: int) -> Iterator[tuple[slice, slice]]:
    """Yields (rows to process, rows to keep) for each band; the former include all that the latter depend on."""
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        margin = MCU + PASSES * CHROMA_REACH  # for blocks that start before the band, and for the reach of the passes
        yield slice(max(top - margin, 0), min(bottom + margin, height)), slice(top, bottom)


def _unclipped(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pixels were certainly not clipped, (height, width)."""
    return np.asarray(((pixels > CLIPPING_MARGIN) & (pixels < 1 - CLIPPING_MARGIN)).all(axis=2))


def _resubsampling(file: JpegFile | None) -> Resubsample:
    """The function that applies the file's own subsampling to chroma."""
    if file is None or len(file.components) < 3:
        return unchanged
    chroma = file.components[1]
    vertical, horizontal = (side // (BLOCK * factor) for side, factor in zip(file.mcu, chroma.sampling, strict=True))

    def resubsample(plane: Plane, start: tuple[int, int]) -> Plane:
        height, width = plane.shape
        top, left = start[0] % vertical, start[1] % horizontal
        padded = np.pad(plane, ((top, 0), (left, 0)), mode="edge")
        padded = pad(padded, *(-(-n // f) * f for n, f in zip(padded.shape, (vertical, horizontal), strict=True)))
        again = upsample_triangle(box_mean(padded, vertical, horizontal), vertical, horizontal)
        return again[top : top + height, left : left + width]

    return resubsample
