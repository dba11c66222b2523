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
    histograms = [np.bincount(column)[1:].astype(np.float64) for column in values.T]
    ratios: dict[tuple[int, int], float] = {}
    best = (-np.inf, 0)
    for quality in QUALITIES:
        table, found = ijg_table(quality).reshape(-1), []
        for place, (frequency, histogram) in enumerate(zip(_ORDER, histograms, strict=True)):
            a, b = int(table[frequency]), int(steps[frequency])
            if a <= COARSER * b or not len(histogram):
                continue
            if (place, a) not in ratios:
                ratios[place, a] = _log_ratio(histogram, a, b)
            found.append(ratios[place, a])
        if len(found) >= MIN_COARSER:
            best = max(best, (sum(sorted(found)[:-STRONGEST]), quality))
    return best if best[1] else (0.0, 0)


def _log_ratio(counts: NDArray[np.float64], a: float, b: float) -> float:
    """Log-likelihood ratio of an earlier step a to none, for counts of |n| = 1, 2, … with step b."""
    edges, above = _intervals(counts, a, b)
    reached = _normal(edges[:, None] - a * np.arange(1, len(above)))
    ratio = (1 - OUTLIERS) * ((reached[1:] - reached[:-1]) @ (above[:-1] - above[1:])) / _spread(edges, above, a, b)
    return float((counts * _weights(counts, a / b) * (np.log(ratio + OUTLIERS) - DOUBT)).sum())


def _intervals(counts: NDArray[np.float64], a: float, b: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(edges of the cells of |n| = 1, 2, …; numbers of coefficients above b / 2, b / 2 + a, b / 2 + 2a, …)."""
    edges = (np.arange(len(counts) + 1, dtype=np.float64) + 0.5) * b
    knots = b / 2 + a * np.arange(int(edges[-1] / a) + 2)
    below = np.concatenate([[0], counts.cumsum()])
    return edges, np.asarray(below[-1] + 0.5 - np.interp(knots, edges, below), np.float64)


def _spread(edges: NDArray[np.float64], above: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    """Expected counts if the coefficients in every interval are spread as over a smooth density; arguments as from
    `_intervals`."""
    higher = np.exp(_monotone((edges - b / 2) / a, np.log(above)))
    return np.maximum(higher[:-1] - higher[1:], 1e-9)


def _weights(counts: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """Weights that keep a multiple of the earlier step from counting far more than those beside it.

    In drawings the same value comes again and again; that it happens to be a multiple proves nothing.
    """
    nearest = np.maximum(np.rint(np.arange(1, len(counts) + 1) / ratio).astype(int), 1)
    total = np.bincount(nearest, counts, minlength=nearest[-1] + 2)
    beside = np.maximum(total[2:], np.concatenate([[0], total[1:-2]]))
    return np.minimum(1, (2 + 3 * beside) / total[1:-1].clip(1))[nearest - 1]


def _monotone(x: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic interpolation between falling values at 0, 1, 2, … that falls everywhere (Fritsch and Butland, 1984)."""
    rises = values[1:] - values[:-1]
    slopes = np.concatenate([rises[:1], 2 * rises[1:] * rises[:-1] / (rises[1:] + rises[:-1] - 1e-12), rises[-1:]])
    i = np.minimum(x.astype(int), len(rises) - 1)
    t, rise, left, right = x - i, rises[i], slopes[i], slopes[i + 1]
    return values[i] + t * (left + t * (3 * rise - 2 * left - right + t * (left + right - 2 * rise)))


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
    return float((_spread(*_intervals(counts, a, b), a, b) * (_normal(errors + b / 2) - _normal(errors - b / 2))).sum())
