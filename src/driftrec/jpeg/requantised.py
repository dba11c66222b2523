"""Whether a JPEG's coefficients were quantised before, with coarser steps on the same grid.

If a coefficient was first quantised with step a, all that the file's own step b can hold of it are multiples of a,
rounded to multiples of b, so its histogram has gaps.  The two explanations of a histogram are compared by the
logarithm of their likelihood ratio.  Both place the same number of coefficients into every interval of length a around
a multiple of a; if there was only one compression, they are spread over the interval as over a smooth density, else all
lie at the multiple, but for the error of decoding to 8 bits.  Within the intervals the ratio has a mean of 1 under the
first explanation, whatever the density, so that a large ratio is as improbable as it looks (Ville's inequality).

Where pixels were clipped to black or white in between, coefficients do not stay at multiples.  Blocks with such pixels
are left out, and if too few others are left, they are looked at in another way: coefficients of a file that was
compressed twice stay what they are if both compressions are repeated (Farid, *Exposing digital forgeries from JPEG
ghosts*, 2009).

A block counts once, however often the picture repeats it, and blocks without AC coefficients do not count, so flat and
periodic pictures prove nothing.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import DCT, OFFSET, distinct
from driftrec.jpeg.file import JpegFile
from driftrec.jpeg.tables import BLOCK, NATURAL, ijg_table

FREQUENCIES = NATURAL[1:22]
"""Zigzag-ordered frequencies that are compared: the lower third, without DC."""

QUALITIES = range(1, 97)
"""Candidates for the earlier quality."""

COARSER = 1.2
"""Only steps at least this many times the file's leave a gap."""

MIN_COARSER = 4
"""Minimum number of frequencies with such steps."""

STRONGEST = 3
"""Number of frequencies, those with the most evidence, that do not count: in a gradient a few alone have a lot."""

MIN_BLOCKS = 8
"""Minimum number of different blocks."""

MAX_BLOCKS = 4096
"""Maximum number of blocks of a picture that are looked at."""

ERROR = 0.45
"""Standard deviation of a coefficient's error from decoding to 8-bit RGB and back, in levels."""

FAR = 25 * ERROR
"""A distance that no error reaches."""

DOUBT = 0.02
"""Evidence per coefficient, in nats, that does not count: densities are not as smooth as is assumed."""

OUTLIERS = 0.03
"""Fraction of coefficients to which something else happened."""

NEAR = 4
"""Distance from black and white, in levels, at which pixels may have been clipped."""

ENOUGH = 150
"""Number of nonzero coefficients in blocks without clipped pixels from which these alone decide."""

GHOST = 0.27
"""Minimum share of coefficients that repetition leaves alone beyond those that it leaves alone by chance."""

MIN_REPEATED = 1000
"""Minimum number of nonzero coefficients in blocks with clipped pixels."""

EVIDENCE = 40.0
"""Evidence, in nats, from which an earlier compression is reported."""

GHOST_QUALITIES = (*range(2, 20, 2), *range(20, 60, 4), *range(60, 96, 3))
"""Candidates for the earlier quality in blocks with clipped pixels; the best one is refined to single steps."""

_BASIS = np.kron(DCT, DCT).astype(np.float32)
_ORDER = np.array([int(k) for k in FREQUENCIES])


def requantised(file: JpegFile) -> tuple[float, int]:
    """(evidence in nats, quality) of the likeliest earlier compression with a table of libjpeg on the file's grid.

    Positive evidence speaks for it: the logarithm of a likelihood ratio.  (0, 0) if there is too little to tell.
    """
    luma = file.components[0]
    blocks = _distinct(luma.coefficients)
    if len(blocks) < MIN_BLOCKS:
        return 0.0, 0
    steps = luma.table.reshape(-1)
    clipped = _clipped(blocks, steps)
    if np.count_nonzero(blocks[~clipped][:, _ORDER]) >= ENOUGH:
        return _by_gaps(np.abs(blocks[~clipped][:, _ORDER]), steps)
    return _by_repetition(blocks[clipped], steps)


def variety(file: JpegFile) -> float:
    """The number of different blocks of luma over the number of blocks, without those that have no AC coefficients.

    Near 1 for photographs; small for patterns that repeat themselves; 0 if there are no such blocks.
    """
    blocks = _blocks(file.components[0].coefficients)
    return len(distinct(blocks[:, 1:])) / len(blocks) if len(blocks) else 0.0


def _distinct(coefficients: NDArray[np.integer]) -> NDArray[np.integer]:
    """The different blocks with AC coefficients, (count, 64)."""
    blocks = _blocks(coefficients)
    return blocks[distinct(blocks[:, 1:])]


def _blocks(coefficients: NDArray[np.integer]) -> NDArray[np.integer]:
    """Blocks with AC coefficients, (count, 64); of large pictures, only some, spread evenly."""
    height, width = coefficients.shape
    blocks = coefficients.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(0, 2, 1, 3)
    blocks = blocks.reshape(-1, BLOCK * BLOCK)
    blocks = blocks[blocks[:, _ORDER].any(axis=1)]
    return blocks[:: max(1, -(-len(blocks) // MAX_BLOCKS))]


def _clipped(blocks: NDArray[np.integer], steps: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which blocks reach black or white, or nearly."""
    levels = (blocks * steps).astype(np.float32) @ _BASIS + OFFSET
    return np.asarray(((levels < NEAR) | (levels > 255 - NEAR)).any(axis=1))


def _by_gaps(values: NDArray[np.integer], steps: NDArray[np.integer]) -> tuple[float, int]:
    """The same for absolute values (block, frequency) and the file's steps, from gaps in their histograms."""
    tables = _tables()
    found = np.full(tables.shape, -np.inf)  # −∞: it leaves no gap
    for place, column in enumerate(values.T):
        counts, own = np.bincount(column)[1:].astype(np.float64), int(steps[_ORDER[place]])
        coarser = tables[:, place] > COARSER * own
        if len(counts) and coarser.any():
            different, which = np.unique(tables[coarser, place], return_inverse=True)
            found[coarser, place] = _log_ratios(counts, different.astype(np.float64), own)[which]
    enough = np.isfinite(found).sum(axis=1) >= MIN_COARSER
    found.sort(axis=1)
    evidence = np.where(np.isfinite(found), found, 0)[:, :-STRONGEST].sum(axis=1)
    sums = zip(evidence, QUALITIES, enough, strict=True)
    return max(((float(nats), quality) for nats, quality, counts in sums if counts), default=(0.0, 0))


@cache
def _tables() -> NDArray[np.int_]:
    """The steps of QUALITIES, (quality, frequency)."""
    return np.array([ijg_table(quality).reshape(-1)[_ORDER] for quality in QUALITIES])


def _log_ratios(counts: NDArray[np.float64], a: NDArray[np.float64], b: float) -> NDArray[np.float64]:
    """Log-likelihood ratios of earlier steps `a`, (steps,), to none, for counts of |n| = 1, 2, … with step b."""
    edges, above = _intervals(counts, a, b)
    ratio = (1 - OUTLIERS) * _gathered(edges, above[:, :-1] - above[:, 1:], a) / _spread(edges, above, a, b)
    return (counts * _weights(counts, a / b) * (np.log(ratio + OUTLIERS) - DOUBT)).sum(axis=1)


def _intervals(
    counts: NDArray[np.float64], a: NDArray[np.float64], b: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(edges of the cells of |n| = 1, 2, …; numbers of coefficients above b / 2, b / 2 + a, b / 2 + 2a, …, (steps,
    knots), for each step as many as the smallest one needs)."""
    edges = (np.arange(len(counts) + 1, dtype=np.float64) + 0.5) * b
    knots = b / 2 + a[:, None] * np.arange(int(edges[-1] / a.min()) + 2)
    below = np.concatenate([[0], counts.cumsum()])
    return edges, np.asarray(below[-1] + 0.5 - np.interp(knots, edges, below), np.float64)


def _gathered(edges: NDArray[np.float64], heights: NDArray[np.float64], a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected counts if all coefficients lie at the multiples of the steps, but for the error; `heights`: how many at
    a, 2a, …, (steps, multiples)."""
    reach = int(np.ceil(FAR / a.min()))
    padded = np.pad(heights, ((0, 0), (reach + 1, reach + 1)))
    passed = np.pad(heights.cumsum(axis=1), ((0, 0), (1, 0)))
    # Of multiples further away than the error reaches, all or none lie below an edge.
    first = np.maximum((edges / a[:, None]).astype(np.int64) - reach, 0)
    rows, count = np.arange(len(a))[:, None], heights.shape[1]
    below = passed[rows, np.minimum(first, count)]
    for number in range(1, 2 * reach + 2):
        multiple = first + number
        near = padded[rows, np.minimum(multiple + reach, count + 2 * reach + 1)]
        below = below + near * _normal(edges - a[:, None] * multiple)
    return below[:, 1:] - below[:, :-1]


def _spread(
    edges: NDArray[np.float64], above: NDArray[np.float64], a: NDArray[np.float64], b: float
) -> NDArray[np.float64]:
    """Expected counts if the coefficients in every interval are spread as over a smooth density; arguments as from
    `_intervals`."""
    last = (edges[-1] / a).astype(np.int64) + 1
    higher = np.exp(_monotone((edges - b / 2) / a[:, None], np.log(above), last))
    return np.maximum(higher[:, :-1] - higher[:, 1:], 1e-9)


def _weights(counts: NDArray[np.float64], ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that keep a multiple of the earlier step from counting far more than those beside it.

    In drawings the same value comes again and again; that it happens to be a multiple proves nothing.
    """
    nearest = np.maximum(np.rint(np.arange(1, len(counts) + 1) / ratios[:, None]).astype(np.int64), 1)
    size = int(nearest[:, -1].max()) + 2
    places = nearest + size * np.arange(len(ratios))[:, None]
    total = np.bincount(places.ravel(), np.tile(counts, len(ratios)), minlength=size * len(ratios)).reshape(-1, size)
    beside = np.maximum(total[:, 2:], np.pad(total[:, 1:-2], ((0, 0), (1, 0))))
    return np.take_along_axis(np.minimum(1, (2 + 3 * beside) / total[:, 1:-1].clip(1)), nearest - 1, axis=1)


def _monotone(x: NDArray[np.float64], values: NDArray[np.float64], last: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cubic interpolation between falling values at 0, 1, 2, … `last` that falls everywhere (Fritsch and Butland,
    1984); a row for each `last`."""
    rises = values[:, 1:] - values[:, :-1]
    inside = 2 * rises[:, 1:] * rises[:, :-1] / (rises[:, 1:] + rises[:, :-1] - 1e-12)
    slopes = np.concatenate([rises[:, :1], inside, rises[:, -1:]], axis=1)
    rows = np.arange(len(x))[:, None]
    slopes[rows[:, 0], last] = rises[rows[:, 0], last - 1]
    i = np.minimum(x.astype(np.int64), last[:, None] - 1)
    t, rise, left, right = x - i, rises[rows, i], slopes[rows, i], slopes[rows, i + 1]
    return values[rows, i] + t * (left + t * (3 * rise - 2 * left - right + t * (left + right - 2 * rise)))


def _normal(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distribution function of the error, by the logistic function that is nearest to it."""
    return 0.5 + 0.5 * np.tanh((0.851 / ERROR) * distances)


def _by_repetition(blocks: NDArray[np.integer], steps: NDArray[np.integer]) -> tuple[float, int]:
    """The same for blocks with clipped pixels, evidence scaled so that the threshold GHOST is EVIDENCE nats."""
    if len(blocks) < MIN_BLOCKS:
        return 0.0, 0
    shown = np.rint((blocks * steps).astype(np.float32) @ _BASIS + OFFSET).clip(0, 255)
    coefficients = (shown - OFFSET) @ _BASIS.T

    values, own = blocks[:, _ORDER], steps[_ORDER]
    histograms = [np.bincount(column)[1:].astype(np.float64) for column in np.abs(values).T]

    def gain(quality: int) -> float:
        table = ijg_table(quality).reshape(-1)
        first = (np.rint(coefficients / table) * table).astype(np.float32) @ _BASIS + OFFSET
        again = np.rint((np.rint(first.clip(0, 255)) - OFFSET) @ _BASIS.T[:, _ORDER] / own)
        coarser = table[_ORDER] > COARSER * own
        counted = (values != 0) & coarser
        if coarser.sum() < MIN_COARSER or counted.sum() < MIN_REPEATED:
            return 0.0
        chance = (
            sum(_chance(histograms[k], float(table[_ORDER[k]]), float(own[k])) for k in np.flatnonzero(coarser))
            / counted.sum()
        )
        return float(((again == values)[counted].mean() - chance) / max(1 - chance, 0.1))

    best = max(GHOST_QUALITIES, key=gain)
    best = max(range(max(best - 3, 1), best + 4), key=gain)
    return EVIDENCE * gain(best) / GHOST, best


def _chance(counts: NDArray[np.float64], a: float, b: float) -> float:
    """Expected number of coefficients that are multiples of a, rounded to multiples of b, by chance."""
    if not len(counts):
        return 0.0
    values = np.arange(1, len(counts) + 1) * b
    errors = values - a * np.maximum(np.rint(values / a), 1)
    edges, above = _intervals(counts, np.array([a]), b)
    spread = _spread(edges, above, np.array([a]), b)[0]
    return float((spread * (_normal(errors + b / 2) - _normal(errors - b / 2))).sum())
