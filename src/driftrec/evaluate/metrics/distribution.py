"""Similarity of distributions, regardless of position: FID and KID of features, spectra, wavelet marginals.

FID and KID compare features of an Inception network, one array (patches, features) for each picture.  The other
measures need no network: they compare two pictures by the strength of their texture, not by its position.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from driftrec.evaluate.metrics.fidelity import Pixels, luma

Features = NDArray[np.floating]

FEWEST = 3
"""Minimum number of pictures in a set for its KID."""

LEVELS = 3
"""Number of scales of the wavelet transform."""


def fid(a: Features, b: Features) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features; at least 0, and 0 for equal sets.

        |μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½)                       (Heusel et al. 2017, arXiv 1706.08500)

    It is biased: for two sets of n samples of one distribution it is above 0, and the bias grows as n falls.  Compare
    figures only at equal n (10 000 or more are usual); with fewer samples, use `kid`.

    Arguments: (samples, features).  Raises ValueError for fewer than two samples or different numbers of features.
    """
    _check(a, b)
    centred = [(x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (a.astype(np.float64), b.astype(np.float64))]
    # tr (Σ_a Σ_b)^½ is the sum of the singular values of X_a X_bᵀ; R of X = Q R gives the same values as X.
    ra, rb = (np.asarray(np.linalg.qr(x, mode="r")) for x in centred)
    cross = np.linalg.svd(ra @ rb.T, compute_uv=False).sum()
    apart = np.square(a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)).sum()
    return float(max(apart + sum(np.square(x).sum() for x in centred) - 2 * cross, 0))


def kid(a: Sequence[Features], b: Sequence[Features]) -> tuple[float, float]:
    """(KID, its standard error): unbiased squared maximum mean discrepancy under k(x, y) = (x·y/d + 1)³.

    Its expectation for two sets of one distribution is 0 at any size; single values may be negative.  (Bińkowski et al.
    2018, arXiv 1801.01401, equation 4.)  The standard error is a jackknife that leaves out whole pictures with all
    their patches; it is too large by up to √2 if the distributions are equal.  Most papers print the standard deviation
    over random subsets of 1000 instead.

    Arguments: the features of each picture, (patches, features).  If both sets have the same length, pictures i of `a`
    and `b` form a pair and are left out together.  Raises ValueError for fewer than three pictures in a set.
    """
    if min(len(a), len(b)) < FEWEST:
        raise ValueError(f"KID needs three pictures or more in each set, got {len(a)} and {len(b)}")
    if len(a) != len(b):
        raise ValueError(f"KID leaves pictures out in pairs: give sets of one size, not {len(a)} and {len(b)}")
    sums_aa, sums_bb, sums_ab = _kernel_sums(a, a), _kernel_sums(b, b), _kernel_sums(a, b)
    sizes_a, sizes_b = (np.array([len(x) for x in s], dtype=float) for s in (a, b))
    own_a, own_b = (np.array([_kernel(x, x).trace() for x in s]) for s in (a, b))

    def estimate(kept: NDArray[np.bool_]) -> float:
        n, m = sizes_a[kept].sum(), sizes_b[kept].sum()
        within_a = (sums_aa[np.ix_(kept, kept)].sum() - own_a[kept].sum()) / (n * (n - 1))
        within_b = (sums_bb[np.ix_(kept, kept)].sum() - own_b[kept].sum()) / (m * (m - 1))
        return float(within_a + within_b - 2 * sums_ab[np.ix_(kept, kept)].sum() / (n * m))

    everyone = np.ones(len(a), dtype=bool)
    without = np.array([estimate(everyone & (np.arange(len(a)) != i)) for i in range(len(a))])
    error = np.sqrt((len(a) - 1) / len(a) * np.square(without - without.mean()).sum())
    return estimate(everyone), float(error)


def spectrum_distance(restored: Pixels, clean: Pixels) -> float:
    """Root mean square difference between the radial power spectra of two lumas, in dB; 0 for equal spectra.

    Power is averaged over rings one cycle per picture wide, from 1 to half the shorter side.  Blur lowers the power;
    blocks and noise raise it.  Raises ValueError for pictures of different sizes.
    """
    a, b = (10 * np.log10(_radial_power(luma(x)) + 1e-3) for x in _pair(restored, clean))
    return float(np.sqrt(np.mean(np.square(a - b))))


def wavelet_distance(restored: Pixels, clean: Pixels) -> float:
    """Wasserstein-1 distance between the marginals of two lumas' Haar coefficients, relative to their mean magnitude.

    Mean over three scales and three orientations of mean |sorted a − sorted b| / mean |b|: 0 for equal marginals,
    1 if all texture is gone.  Raises ValueError for pictures of different sizes, or of fewer than 16 pixels a side.
    """
    pair = _pair(restored, clean)
    if min(clean.shape[:2]) < 2 ** (LEVELS + 1):
        raise ValueError(f"three scales of wavelets need 16×16 pixels, got {clean.shape[0]}×{clean.shape[1]}")
    distances = []
    for a, b in zip(*(_haar(luma(x)) for x in pair), strict=True):
        moved = np.abs(np.sort(a, axis=None) - np.sort(b, axis=None)).mean()
        distances.append(moved / max(np.abs(b).mean(), 1e-3))
    return float(np.mean(distances))


def _kernel(x: Features, y: Features) -> NDArray[np.float64]:
    return (x.astype(np.float64) @ y.T.astype(np.float64) / x.shape[1] + 1) ** 3


def _kernel_sums(a: Sequence[Features], b: Sequence[Features]) -> NDArray[np.float64]:
    """The kernel summed over all pairs of patches of two pictures, (pictures, pictures)."""
    starts = np.cumsum([0, *(len(x) for x in b[:-1])])
    stacked = np.concatenate(b)
    return np.array([np.add.reduceat(_kernel(x, stacked).sum(axis=0), starts) for x in a])


def _radial_power(gray: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean power over rings of the spectrum, (half the shorter side,); a Hann window suppresses border effects."""
    height, width = gray.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2 / np.square(window).sum()
    shorter = min(height, width)
    v, u = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    ring = np.rint(np.hypot(v, u) * shorter).astype(int).ravel()
    totals, counts = np.bincount(ring, power.ravel()), np.bincount(ring)
    return totals[1 : shorter // 2 + 1] / np.maximum(counts[1 : shorter // 2 + 1], 1)


def _haar(gray: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Detail coefficients of the orthonormal Haar transform: three orientations at each of `LEVELS` scales."""
    details = []
    for _ in range(LEVELS):
        gray = gray[: gray.shape[0] // 2 * 2, : gray.shape[1] // 2 * 2]
        a, b, c, d = gray[::2, ::2], gray[::2, 1::2], gray[1::2, ::2], gray[1::2, 1::2]
        details += [(a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2]
        gray = (a + b + c + d) / 2
    return details


def _pair(restored: Pixels, clean: Pixels) -> tuple[Pixels, Pixels]:
    if restored.shape != clean.shape:
        raise ValueError(f"pictures of different sizes cannot be compared: {restored.shape} and {clean.shape}")
    return restored, clean


def _check(a: Features, b: Features) -> None:
    if min(len(a), len(b)) < 2 or a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"features are (2 samples or more, features), the same for both sets, not {a.shape}, {b.shape}"
        )
