"""Decoding to expected values instead of the middles of the intervals, without rounding in between.

Coefficients of one frequency are Laplacian to a good approximation (Reininger and Gibson, 1983), so within an
interval small values are likelier, and the expected value lies nearer to zero than the middle (Price and Rabbani,
2000).  With scale b, step Q and θ = exp(−Q/2b), a coefficient is quantised to

    0 with probability 1 − θ,   ±m with probability ½ θ^(2m−1) (1 − θ²).

Let N₁ of N coefficients be nonzero, with magnitudes that add up to M.  The likelihood of all N is largest at the
positive root of  (N + 2M) θ² + (N − N₁) θ − (2M − N₁) = 0,  and that of the N₁ alone at  θ² = 1 − N₁/M.  Zeros from
flat areas say nothing about the tails.  The larger θ is therefore used: it is more cautious and moves values less.

Two kinds of values stay nearer to the middle than that, as an expected value lowers contrasts:

* Blocks that leave the range of pixels when decoded to the middles: black and white text, line art and screentone.
  Clipping has then recovered the contrast, and lower values would take it back.
* Subsampled chroma.  The encoder's averages and their interpolation have lowered its contrast already.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import OFFSET, Plane, idct, replicate, to_image, upsample_triangle
from driftrec.jpeg.file import Component, JpegFile
from driftrec.jpeg.layout import Band, Strip, bands, require_known
from driftrec.jpeg.tables import BLOCK


def decode(file: JpegFile) -> NDArray[np.float32]:
    """Decodes a file to the expected values of its coefficients: float32 (height, width, 3), RGB in [0, 1].

    Chroma is interpolated as libjpeg does ("fancy").  Raises JpegError for colour spaces of four components and
    unknown sampling factors.
    """
    require_known(file)
    most = tuple(n // BLOCK for n in file.mcu)
    samples = [_samples(component, component.sampling == most) for component in file.components]
    out = np.empty((file.height, file.width, 3), np.float32)
    for band in bands(file):
        planes = [_full_size(plane, file, band, strip) for plane, strip in zip(samples, band.strips, strict=True)]
        out[band.part] = to_image(planes, file.colour)
    return out


def _full_size(samples: Plane, file: JpegFile, band: Band, strip: Strip) -> Plane:
    """The band's rows of a component at the picture's size.

    Interpolation looks one sample beyond them, but not beyond the picture.  Like libjpeg, it repeats the samples of
    chroma that is halved to one or two columns.
    """
    vertical, horizontal = strip.factors
    inside = samples[: -(-file.height // vertical), : -(-file.width // horizontal)]
    if horizontal == 2 and inside.shape[1] <= 2:
        inside, vertical, horizontal = replicate(inside, vertical, horizontal), 1, 1
    start = max(band.top // vertical - 1, 0)
    plane = upsample_triangle(inside[start : -(-band.bottom // vertical) + 1], vertical, horizontal)
    first = band.top - start * vertical
    return plane[first : first + band.bottom - band.top, : band.right - band.left]


def expected_coefficients(component: Component) -> Plane:
    """The expected values of a component's coefficients, in levels; those quantised to zero stay zero."""
    middles, shifts = _values(component.coefficients, component.table, _shrinkages(component))
    return middles - shifts


SATURATION = 0.3
"""Energy outside the range of pixels, over that of the shifts, at which a block is shifted half as far."""

STRIP = 32 * BLOCK
"""Rows of coefficients that are decoded at once, to keep memory low."""


def _samples(component: Component, full_size: bool) -> Plane:
    """A component's samples, around zero; `full_size` unless it is subsampled."""
    if not full_size:
        return idct(_values(component.coefficients, component.table, np.zeros((BLOCK, BLOCK)))[0])
    shrinkages = _shrinkages(component)
    out = np.empty(component.coefficients.shape, np.float32)
    for top in range(0, len(out), STRIP):
        rows = slice(top, top + STRIP)
        middles, shifts = _values(component.coefficients[rows], component.table, shrinkages)
        decoded = idct(middles)
        excess = _energy(decoded - np.clip(decoded, -OFFSET, 255 - OFFSET))
        moved = _energy(shifts)
        share = np.divide(moved, np.maximum(moved + excess / SATURATION, 1e-9), dtype=np.float32)
        out[rows] = decoded - idct(shifts * replicate(share, BLOCK, BLOCK))
    return out


def _energy(plane: Plane) -> Plane:
    """The sum of squares of each block."""
    rows, columns = (n // BLOCK for n in plane.shape)
    return np.square(plane).reshape(rows, BLOCK, columns, BLOCK).sum(axis=(1, 3))


def _values(
    stored: NDArray[np.int16], table: NDArray[np.integer[Any]], shrinkages: NDArray[np.float64]
) -> tuple[Plane, Plane]:
    """(middles of the intervals, distances from there to the expected values), in levels."""
    blocks = stored.shape[0] // BLOCK, stored.shape[1] // BLOCK
    middles = stored * np.tile(table.astype(np.float32), blocks)
    return middles, np.sign(middles) * np.tile((shrinkages * table).astype(np.float32), blocks)


def _shrinkages(component: Component) -> NDArray[np.float64]:
    """`_shrinkage` of every frequency, (8, 8)."""
    shrinkages = np.array(
        [[_shrinkage(component.coefficients[u::BLOCK, v::BLOCK]) for v in range(BLOCK)] for u in range(BLOCK)]
    )
    shrinkages[0, 0] = 0  # block means have no peak at zero
    return shrinkages


PSEUDO_COUNT = 8
"""Weight of the fit to all coefficients within the fit to the nonzero ones, which may be very few; a count."""


def laplacian_theta(quantised: NDArray[np.int16]) -> float:
    """The estimate of θ = exp(−Q/2b) from quantised Laplacian numbers; 0 if all are zero."""
    magnitudes = np.abs(quantised.astype(np.int64))
    count, nonzero, total = magnitudes.size, np.count_nonzero(magnitudes), int(magnitudes.sum())
    if nonzero == 0:
        return 0.0
    a, b, c = count + 2 * total, count - nonzero, 2 * total - nonzero
    of_all = (-b + np.sqrt(b**2 + 4 * a * c)) / (2 * a)
    expected_total = PSEUDO_COUNT / (1 - of_all**2)  # magnitudes that so many nonzero coefficients would add up to
    of_nonzero = np.sqrt(1 - (nonzero + PSEUDO_COUNT) / (total + expected_total))
    return float(max(of_all, of_nonzero))


def _shrinkage(quantised: NDArray[np.int16]) -> float:
    """Distance of a nonzero coefficient's expected value from the middle of its interval, towards zero, in steps.

    Within an interval the density falls by exp(−x/b); its mean lies b/Q − 1/(exp(Q/b) − 1) steps above the lower end.
    """
    theta = laplacian_theta(quantised)
    if theta == 0:
        return 0.0
    ratio = -2 * np.log(theta)  # Q / b
    if ratio < 1e-3:
        return float(ratio / 12)
    return float(0.5 - 1 / ratio + 1 / np.expm1(ratio))
