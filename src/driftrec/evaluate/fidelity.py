"""How close a restored picture is to the clean one: PSNR, SSIM, PSNR-B, and the blocking effect factor.

Pictures are 8-bit arrays, (height, width, 3) RGB or (height, width) gray; every function takes one pair and gives one
number, so a set's figure is the mean over its pictures, as in the field.
"""

import math

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

Pixels = NDArray[np.uint8]

BLOCK = 8


def psnr(restored: Pixels, clean: Pixels) -> float:
    """10 log10(255² / mean square error) over all channels, in dB; infinite for equal pictures."""
    return _decibels(_mean_square_error(restored, clean))


def psnr_luma(restored: Pixels, clean: Pixels) -> float:
    """`psnr` of the studio-range luma of RGB pictures (not rounded), as in super-resolution papers."""
    return _decibels(_mean_square_error(luma(restored), luma(clean)))


def ssim(restored: Pixels, clean: Pixels) -> float:
    """SSIM with a Gaussian window (11×11, σ 1.5), mean over channels: the convention of SwinIR and DnCNN.

    (Wang et al. 2004.)  Rims of 5 pixels, where the window leaves the picture, do not count.  Raises ValueError for
    pictures of fewer than 11 pixels in height or width.
    """
    _check(restored, clean)
    if min(clean.shape[:2]) < 11:
        raise ValueError(f"SSIM needs at least 11×11 pixels, got {clean.shape[0]}×{clean.shape[1]}")
    return float(
        structural_similarity(
            restored,
            clean,
            data_range=255,
            channel_axis=2 if clean.ndim == 3 else None,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def psnr_b(restored: Pixels, clean: Pixels) -> float:
    """PSNR less a penalty for blocks, in dB: 10 log10(255² / (MSE + BEF)), the convention of FBCNN and JDEC.

    The error is that of all channels, the blocking effect factor that of the restored picture's studio-range luma.
    (Yim and Bovik 2011, equation 15.)
    """
    gray = restored if restored.ndim == 2 else np.rint(luma(restored))
    return _decibels(_mean_square_error(restored, clean) + blocking_effect(gray))


def psnr_b_channels(restored: Pixels, clean: Pixels) -> float:
    """PSNR-B in the convention of torchjpeg and the DriftRec paper: computed in each channel, then averaged, in dB."""
    _check(restored, clean)
    channels = [(restored, clean)] if clean.ndim == 2 else list(zip(restored.T, clean.T, strict=True))
    return float(np.mean([_decibels(_mean_square_error(r, c) + blocking_effect(r.T)) for r, c in channels]))


def blocking_effect(gray: NDArray) -> float:
    """BEF: how much larger squared steps are across the 8×8 grid at (0, 0) than elsewhere, in squared grey levels.

    `gray` is (height, width).  Never negative; weighted by log 8 / log min(height, width).  (Yim and Bovik 2011,
    equations 11–14.)  0 for pictures that hold no block boundary.
    """
    steps = [np.square(np.diff(gray.astype(np.float64), axis=axis)) for axis in (0, 1)]
    across = [np.take(s, range(BLOCK - 1, s.shape[axis], BLOCK), axis) for axis, s in enumerate(steps)]
    count = sum(a.size for a in across)
    if count == 0:
        return 0.0
    at_blocks = sum(float(a.sum()) for a in across)
    elsewhere = sum(float(s.sum()) for s in steps) - at_blocks
    excess = at_blocks / count - elsewhere / (sum(s.size for s in steps) - count)
    return max(excess, 0.0) * math.log(BLOCK) / math.log(min(gray.shape))


def luma(rgb: Pixels) -> NDArray[np.float64]:
    """Y of ITU-R BT.601 in studio range [16, 235], (height, width)."""
    return 16 + rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255


def _mean_square_error(a: NDArray, b: NDArray) -> float:
    _check(a, b)
    return float(np.mean(np.square(a.astype(np.float64) - b)))


def _decibels(error: float) -> float:
    return 10 * math.log10(255**2 / error) if error > 0 else math.inf


def _check(a: NDArray, b: NDArray) -> None:
    if a.shape != b.shape:
        raise ValueError(f"pictures of different sizes cannot be compared: {a.shape} and {b.shape}")
