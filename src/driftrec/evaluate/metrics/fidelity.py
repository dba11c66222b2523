"""Fidelity of a restored picture to the clean one: PSNR, SSIM, PSNR-B, the blocking effect factor, colour shift.

Pictures are uint8 arrays in [0, 255], (height, width, 3) RGB or (height, width) gray.  Every function takes one pair,
the restored picture first, and returns one number; the figure for a set is the mean over its pictures, as in papers.
All functions raise ValueError for arrays of other shapes or types, and for two pictures of different sizes.
"""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from skimage.metrics import structural_similarity

from driftrec.jpeg.blocks import YCBCR
from driftrec.jpeg.tables import BLOCK

Pixels = NDArray[np.uint8]

WINDOW = 11
"""Side of the Gaussian window of SSIM, in pixels."""

PLAIN_WINDOW = 8
"""Side of the uniform window of `ssim_plain`, in pixels."""


def psnr(restored: Pixels, clean: Pixels) -> float:
    """10 log10(255² / mean square error) over all channels, in dB; infinite for equal pictures."""
    return _decibels(_mean_square_error(restored, clean))


def psnr_luma(restored: Pixels, clean: Pixels) -> float:
    """`psnr` of the luma, not rounded, in dB, as in super-resolution papers; the same as `psnr` for gray pictures."""
    _check(restored, clean)
    return _decibels(float(np.mean(np.square(luma(restored) - luma(clean)))))


def psnr_chroma(restored: Pixels, clean: Pixels) -> float | None:
    """`psnr` of Cb and Cr together, as JPEG files have them, not rounded, in dB; None for gray pictures.

    JPNeO calls this C-PSNR (Han et al. 2025, arXiv 2507.23521).
    """
    if clean.ndim == 2:
        return None
    _check(restored, clean)
    return _decibels(float(np.mean(np.square((restored.astype(np.float64) - clean) @ YCBCR[1:].T))))


def ssim(restored: Pixels, clean: Pixels) -> float:
    """Structural similarity, at most 1, with a Gaussian window (11×11, σ 1.5), mean over channels.

    The code of SwinIR and FBCNN computes this SSIM.  QGAC and JDEC print `ssim_plain`, whose values are higher (.759
    instead of .743 for plain JPEG at quality 10 on LIVE1 in colour).  Windows that extend beyond the picture do not
    count.  (Wang et al. 2004.)

    Raises ValueError, in addition to the module's errors, for pictures of fewer than 11 pixels in height or width.
    """
    _check(restored, clean)
    if min(clean.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM needs at least {WINDOW}×{WINDOW} pixels, got {clean.shape[0]}×{clean.shape[1]}")
    score = structural_similarity(
        restored,
        clean,
        data_range=255,
        channel_axis=2 if clean.ndim == 3 else None,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(cast("np.float64", score))


def ssim_plain(restored: Pixels, clean: Pixels) -> float:
    """Structural similarity, at most 1, with a uniform 8×8 window, mean over channels.

    QGAC and JDEC print this SSIM for colour pictures.  Windows that extend beyond the picture do not count.
    (Wang et al. 2004, with the window of Wang and Bovik 2002.)

    Raises ValueError, in addition to the module's errors, for pictures of fewer than 8 pixels in height or width.
    """
    _check(restored, clean)
    if min(clean.shape[:2]) < PLAIN_WINDOW:
        raise ValueError(f"SSIM needs at least 8×8 pixels, got {clean.shape[0]}×{clean.shape[1]}")
    a, b = (np.atleast_3d(x).astype(np.float64) for x in (restored, clean))
    mean_a, mean_b = _windows(a), _windows(b)
    var_a, var_b = _windows(a * a) - mean_a**2, _windows(b * b) - mean_b**2
    covariance = _windows(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(np.mean(likeness / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))))


def colour_shift(restored: Pixels, clean: Pixels) -> float:
    """Shift of the mean colour: Euclidean distance between the pictures' mean RGB (or gray), in gray levels."""
    _check(restored, clean)
    means = (np.atleast_3d(x).mean(axis=(0, 1), dtype=np.float64) for x in (restored, clean))
    return float(np.linalg.norm(np.subtract(*means)))


def psnr_b(restored: Pixels, clean: Pixels) -> float:
    """PSNR with a penalty for blocking, in dB: 10 log10(255² / (MSE + BEF)), the convention of FBCNN and JDEC.

    MSE covers all channels; BEF, the blocking effect factor, uses the restored picture's rounded luma.
    (Yim and Bovik 2011.)  Raises ValueError when `blocking_effect` does.
    """
    error = _mean_square_error(restored, clean)
    return _decibels(error + blocking_effect(np.rint(luma(restored))))


def psnr_b_channels(restored: Pixels, clean: Pixels) -> float:
    """PSNR-B of each channel, averaged, in dB: the convention of torchjpeg and of the DriftRec paper.

    On plain JPEGs of LIVE1 it is about 0.45 dB lower than `psnr_b`.  Raises ValueError when `blocking_effect` does.
    """
    _check(restored, clean)
    channels = (np.moveaxis(np.atleast_3d(picture), 2, 0) for picture in (restored, clean))
    return float(np.mean([psnr_b(r, c) for r, c in zip(*channels, strict=True)]))


def blocking_effect(gray: NDArray) -> float:
    """BEF: how much larger squared steps are across the 8×8 grid than elsewhere, in squared gray levels.

    The grid starts at the first pixel; to move it, crop the array.  BEF is at least 0 and is weighted by
    log 8 / log min(height, width).  (Yim and Bovik 2011.)  This function counts the actual steps, so sides need not be
    multiples of 8.  The code of FBCNN assumes width / 8 − 1 boundaries and that of torchjpeg ⌊width / 8⌋ − 1.  For
    other sides that is too few, which lowers PSNR-B of plain JPEGs on LIVE1 by up to 0.02 dB.

    Argument: `gray`, (height, width), any real dtype.  Raises ValueError if a side is shorter than a block.
    """
    if gray.ndim != 2 or min(gray.shape) < BLOCK:
        raise ValueError(f"blocking needs one channel of at least {BLOCK}×{BLOCK} pixels, got {gray.shape}")
    steps = [np.square(np.diff(gray.astype(np.float64), axis=axis)) for axis in (0, 1)]
    across = [steps[0][BLOCK - 1 :: BLOCK, :], steps[1][:, BLOCK - 1 :: BLOCK]]
    count, total = (sum(s.size for s in part) for part in (across, steps))
    if count == 0:
        return 0.0
    at_blocks, everywhere = (sum(float(s.sum()) for s in part) for part in (across, steps))
    excess = at_blocks / count - (everywhere - at_blocks) / (total - count)
    return max(excess, 0.0) * math.log(BLOCK) / math.log(min(gray.shape))


def luma(pixels: Pixels) -> NDArray[np.float64]:
    """Y of ITU-R BT.601, (height, width), not rounded, in studio range [16, 235] for RGB; gray pictures unchanged."""
    if pixels.ndim == 2:
        return pixels.astype(np.float64)
    return 16 + pixels.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255


def _windows(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over all uniform windows that lie inside a picture (height, width, channel)."""
    half, (height, width) = PLAIN_WINDOW // 2, x.shape[:2]
    means = uniform_filter(x, PLAIN_WINDOW, axes=(0, 1))
    return means[half : height - half + 1, half : width - half + 1]


def _mean_square_error(a: Pixels, b: Pixels) -> float:
    _check(a, b)
    return float(np.mean(np.square(a.astype(np.float64) - b)))


def _decibels(error: float) -> float:
    return 10 * math.log10(255**2 / error) if error > 0 else math.inf


def _check(a: NDArray, b: NDArray) -> None:
    for pixels in (a, b):
        if pixels.dtype != np.uint8:
            raise ValueError(f"pictures are compared as 8 bits, uint8 in [0, 255], not as {pixels.dtype}")
        if pixels.ndim != 2 and pixels.shape[2:] != (3,):
            raise ValueError(f"pictures are (height, width, 3) or (height, width), not {pixels.shape}")
    if a.shape != b.shape:
        raise ValueError(f"pictures of different sizes cannot be compared: {a.shape} and {b.shape}")
