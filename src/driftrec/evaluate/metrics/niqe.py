"""NIQE: distance of a picture's local statistics from those of good photographs; it needs no clean picture.

    d = √((μ − μ₀)ᵀ ((Σ + Σ₀)/2)⁺ (μ − μ₀))                                     (Mittal et al. 2013, equation 10)

μ and Σ are the mean and covariance of 36 features over blocks of 96×96 pixels; μ₀ and Σ₀ are those of 125 pristine
photographs.  Lower is better: good photographs score about 3, plain JPEGs at quality 10 about 6 to 8.  pyiqa is not
used because it requires torchvision, transformers and bitsandbytes.
"""

from dataclasses import dataclass
from os import PathLike
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate
from scipy.special import gamma

from driftrec.evaluate.metrics.fidelity import Pixels, luma

BLOCK = 96
"""Side of the blocks that features are computed for, in pixels at the first of the two scales."""

_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
_SHAPES = np.arange(0.2, 10.001, 0.001)
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))


@dataclass(frozen=True, eq=False)
class Pristine:
    """The reference model of NIQE: `mean` (36,), `covariance` (36, 36), and the 7×7 `window` for local means."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    window: NDArray[np.float64]

    @staticmethod
    def load(path: str | PathLike[str]) -> "Pristine":
        """Reads `niqe_pris_params.npz` in the form that BasicSR publishes.  Raises ValueError for any other file."""
        try:
            with np.load(path) as file:
                mean, covariance, window = (file[key] for key in ("mu_pris_param", "cov_pris_param", "gaussian_window"))
        except (OSError, KeyError, ValueError, BadZipFile) as error:
            raise ValueError(f"{path} does not hold the pristine model of NIQE: {error}") from error
        return Pristine(mean.ravel(), covariance, window)


def niqe(pixels: Pixels, pristine: Pristine) -> float:
    """NIQE of one picture; lower is better.

    Arguments: `pixels`, uint8 (height, width, 3) or (height, width); only their luma is used.  Raises ValueError for
    pictures with fewer than two whole blocks of 96×96 pixels, and for pictures with fewer than two textured blocks.
    """
    gray = luma(pixels)
    rows, columns = (side // BLOCK for side in gray.shape)
    if rows * columns < 2:
        raise ValueError(f"NIQE needs two blocks of {BLOCK}×{BLOCK} pixels, got {gray.shape[0]}×{gray.shape[1]}")
    gray = gray[: rows * BLOCK, : columns * BLOCK]
    half = np.asarray(
        Image.fromarray(gray.astype(np.float32)).resize(
            (gray.shape[1] // 2, gray.shape[0] // 2), Image.Resampling.BICUBIC
        )
    )
    described = np.hstack(
        [_block_features(_normalised(x, pristine.window), side) for x, side in ((gray, BLOCK), (half, BLOCK // 2))]
    )
    whole = described[np.isfinite(described).all(axis=1)]
    if len(whole) < 2:
        raise ValueError("NIQE needs two blocks with texture: this picture is flat")
    mean = np.array([column[np.isfinite(column)].mean() for column in described.T])
    away = mean - pristine.mean
    spread = (np.cov(whole, rowvar=False) + pristine.covariance) / 2
    return float(np.sqrt(away @ np.linalg.pinv(spread) @ away))


def fit_asymmetric(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """(shape α, left scale β_l, right scale β_r) of an asymmetric generalised Gaussian, by moments.

    The density is ∝ exp(−(|x|/β)^α), with β_l left and β_r right of 0.  All are NaN if either side has no values.
    (Lasmar et al. 2009.)
    """
    left, right = values[values < 0], values[values > 0]
    if left.size == 0 or right.size == 0:
        return np.nan, np.nan, np.nan
    deviations = np.sqrt(np.mean(left**2)), np.sqrt(np.mean(right**2))
    skew = deviations[0] / deviations[1]
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shape = float(_SHAPES[np.argmin((_RATIOS - ratio) ** 2)])
    to_scale = float(np.sqrt(gamma(1 / shape) / gamma(3 / shape)))
    return shape, float(deviations[0]) * to_scale, float(deviations[1]) * to_scale


def _normalised(gray: NDArray[np.floating], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """(gray − local mean) / (local standard deviation + 1), equation 1."""
    gray = gray.astype(np.float64)
    mean = correlate(gray, window, mode="nearest")
    variance = correlate(gray**2, window, mode="nearest") - mean**2
    return (gray - mean) / (np.sqrt(np.abs(variance)) + 1)


def _block_features(normalised: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Parameters of the fits to each block and to its products with four neighbours, (blocks, 18)."""
    rows, columns = (n // side for n in normalised.shape)
    blocks = normalised[: rows * side, : columns * side].reshape(rows, side, columns, side).swapaxes(1, 2)
    return np.array([_features(block) for block in blocks.reshape(-1, side, side)])


def _features(block: NDArray[np.float64]) -> list[float]:
    shape, left, right = fit_asymmetric(block.ravel())
    features = [shape, (left + right) / 2]
    for step in _NEIGHBOURS:
        shape, left, right = fit_asymmetric((block * np.roll(block, step, axis=(0, 1))).ravel())
        features += [shape, (right - left) * float(gamma(2 / shape) / gamma(1 / shape)), left, right]
    return features
