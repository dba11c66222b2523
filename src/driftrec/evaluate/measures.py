"""All metrics by name, with their headings and formats; `Measures` computes chosen ones for a picture.

A metric is a function of a `Comparison`.  To add one, add an entry to `METRICS`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from driftrec.evaluate import weights as places
from driftrec.evaluate.metrics import distribution, fidelity, graphics, niqe
from driftrec.evaluate.metrics.fidelity import Pixels
from driftrec.extras import how_to_add
from driftrec.jpeg import Cells, JpegError, read_jpeg

if TYPE_CHECKING:
    from torch import Tensor

GRID_SHIFT = 4
"""Offset in rows and columns between the two grids on which blocking is measured: the usual shift of double JPEGs."""

PATCH = 256
"""Side of the patches that classifiers and other networks for features see, in pixels."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A restored picture, the clean one (None if there is none), and the JPEG file (None if unknown)."""

    restored: Pixels
    clean: Pixels | None = None
    file: bytes | None = None


Compute = Callable[[Comparison], float | None]
"""Computes a metric; None if the comparison does not determine it."""


@dataclass(frozen=True)
class Metric:
    """A metric: its label, decimals and better direction, its factory, and whether it needs a clean picture."""

    label: str
    decimals: int
    better: Literal["higher", "lower"]
    make: Callable[[Path | None], Compute]
    """Makes the function from the folder with weights.  Raises ValueError if weights are missing."""
    paired: bool = True

    @property
    def heading(self) -> str:
        return f"{self.label} {'↑' if self.better == 'higher' else '↓'}"


def _full(function: Callable[[Pixels, Pixels], float | None]) -> Callable[[Path | None], Compute]:
    """Makes the factory of a metric that compares two pictures and needs no weights."""

    def compute(pair: Comparison) -> float | None:
        if pair.clean is None:
            raise ValueError("this metric needs a clean picture")
        return function(pair.restored, pair.clean)

    return lambda _: compute


def _bef(offset: int) -> Callable[[Path | None], Compute]:
    def compute(pair: Comparison) -> float:
        return fidelity.blocking_effect(np.rint(fidelity.luma(pair.restored))[offset:, offset:])

    return lambda _: compute


def _lpips(trunk: Literal["alex", "squeeze"], weights: places.Weights, folder: Path | None) -> Compute:
    path = places.find(weights, folder)
    from driftrec.evaluate.metrics.lpips import Lpips

    return _network(Lpips(trunk, path))


def _dists(folder: Path | None) -> Compute:
    path = places.find(places.DISTS, folder)
    from driftrec.evaluate.metrics.dists import Dists

    return _network(Dists(path))


def _cells(_: Path | None) -> Compute:
    def compute(pair: Comparison) -> float | None:
        if pair.file is None:
            return None
        try:
            cells = Cells(read_jpeg(pair.file))
        except JpegError:
            return None
        rgb = np.broadcast_to(np.atleast_3d(pair.restored), (*pair.restored.shape[:2], 3))
        return 100 * cells.contains(np.divide(rgb, 255, dtype=np.float32))

    return compute


def _classes(_: Path | None) -> Compute:
    from driftrec.evaluate.metrics.classifier import Classifier, packaged_weights

    classifier = Classifier(packaged_weights())

    def changed(restored: Pixels, clean: Pixels) -> float:
        a, b = ([int(classifier(as_batch(patch)).argmax()) for patch in patches(x)] for x in (restored, clean))
        return 100 * float(np.mean(np.not_equal(a, b)))

    return _full(changed)(None)


def _network(distance: Callable[["Tensor", "Tensor"], "Tensor"]) -> Compute:
    def compute(restored: Pixels, clean: Pixels) -> float:
        return float(distance(as_batch(restored), as_batch(clean)))

    return _full(compute)(None)


def _niqe(folder: Path | None) -> Compute:
    pristine = niqe.Pristine.load(places.find(places.NIQE, folder))
    return lambda pair: niqe.niqe(pair.restored, pristine)


def _ssimulacra2(_: Path | None) -> Compute:
    from driftrec.evaluate.metrics.ssimulacra import ssimulacra2

    return _full(ssimulacra2)(None)


def _reading(_: Path | None) -> Compute:
    from driftrec.evaluate.metrics.reading import Reader

    return _full(Reader().error)(None)


METRICS: dict[str, Metric] = {
    "psnr": Metric("PSNR (dB)", 2, "higher", _full(fidelity.psnr)),
    "psnr_y": Metric("PSNR of Y (dB)", 2, "higher", _full(fidelity.psnr_luma)),
    "psnr_chroma": Metric("PSNR of Cb and Cr (dB)", 2, "higher", _full(fidelity.psnr_chroma)),
    "psnr_b": Metric("PSNR-B (dB)", 2, "higher", _full(fidelity.psnr_b)),
    "psnr_b_channels": Metric("PSNR-B, mean over channels (dB)", 2, "higher", _full(fidelity.psnr_b_channels)),
    "ssim": Metric("SSIM, Gaussian window", 4, "higher", _full(fidelity.ssim)),
    "ssim_plain": Metric("SSIM, 8×8 window", 4, "higher", _full(fidelity.ssim_plain)),
    "lpips_alex": Metric("LPIPS, AlexNet", 4, "lower", partial(_lpips, "alex", places.LPIPS_ALEX)),
    "lpips_squeeze": Metric("LPIPS, SqueezeNet", 4, "lower", partial(_lpips, "squeeze", places.LPIPS_SQUEEZE)),
    "dists": Metric("DISTS", 4, "lower", _dists),
    "niqe": Metric("NIQE", 2, "lower", _niqe, paired=False),
    "spectrum": Metric("radial spectrum, RMS difference (dB)", 2, "lower", _full(distribution.spectrum_distance)),
    "wavelets": Metric("wavelet marginals, relative W1", 3, "lower", _full(distribution.wavelet_distance)),
    "bef": Metric("BEF", 2, "lower", _bef(0), paired=False),
    "bef_shifted": Metric("BEF on the grid shifted by (4, 4)", 2, "lower", _bef(GRID_SHIFT), paired=False),
    "cells": Metric("coefficients in the file's cells (%)", 2, "higher", _cells, paired=False),
    "colour_shift": Metric("colour shift (gray levels)", 2, "lower", _full(fidelity.colour_shift)),
    "ssimulacra2": Metric("SSIMULACRA 2", 1, "higher", _ssimulacra2),
    "classes": Metric("patches that a classifier takes for something else (%)", 1, "lower", _classes),
    "unevenness": Metric("unevenness of flat areas (gray levels)", 2, "lower", _full(graphics.unevenness)),
    "off_white": Metric("white pixels that are off white (%)", 1, "lower", _full(graphics.off_white)),
    "ink_chroma": Metric("chroma of black ink (gray levels)", 2, "lower", _full(graphics.ink_chroma)),
    "misread": Metric("misread characters (%)", 1, "lower", _reading),
}

FIDELITY = (
    *("psnr", "psnr_y", "psnr_chroma", "psnr_b", "psnr_b_channels", "ssim", "ssim_plain"),
    *("bef", "cells", "colour_shift"),
)
GRAPHICS = ("psnr", "ssim", "ssimulacra2", "lpips_alex", "unevenness", "off_white", "ink_chroma", "misread", "cells")
STANDARD = (*FIDELITY, "ssimulacra2", "niqe", "classes", "lpips_alex", "lpips_squeeze", "spectrum", "wavelets")


class Measures:
    """Computes the chosen metrics of a picture.

    Arguments: `names` of `METRICS`; `folder` with weights.  Raises ValueError for unknown names and missing weights.
    """

    def __init__(self, names: Sequence[str], folder: Path | None = None) -> None:
        self.computes = {name: known(name).make(folder) for name in names}

    def __call__(self, pair: Comparison) -> dict[str, float]:
        """The values by name, without metrics whose clean picture or readable JPEG file is missing."""
        there = {n: f(pair) for n, f in self.computes.items() if pair.clean is not None or not METRICS[n].paired}
        return {name: value for name, value in there.items() if value is not None}


def known(name: str) -> Metric:
    """The metric of that name.  Raises ValueError, listing all names, for unknown ones."""
    if name not in METRICS:
        raise ValueError(f"there is no metric '{name}': choose from {', '.join(METRICS)}")
    return METRICS[name]


def available(names: Iterable[str], folder: Path | None = None) -> tuple[list[str], list[str]]:
    """Returns (metrics that can be computed here, a sentence for each other metric that says why it cannot)."""
    there, missing = [], []
    for name in names:
        try:
            known(name).make(folder)
            there.append(name)
        except ModuleNotFoundError as error:
            missing.append(f"{name} is left out: it needs {error.name} ({how_to_add('evaluate')})")
        except ValueError as error:
            missing.append(f"{name} is left out: {error}")
    return there, missing


def as_batch(pixels: Pixels) -> "Tensor":
    """Converts a picture to (1, 3, height, width), float32 in [0, 1]; gray becomes three equal channels."""
    import torch

    rgb = np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], 3))
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], dtype=np.float32) / 255)


def patches(pixels: Pixels, side: int = PATCH) -> list[Pixels]:
    """Adjacent square patches from the top left of a picture; incomplete ones at the right and bottom are left out.

    A picture smaller than a patch is returned whole.
    """
    rows, columns = (n // side for n in pixels.shape[:2])
    if rows * columns == 0:
        return [pixels]
    return [pixels[i * side : (i + 1) * side, j * side : (j + 1) * side] for i in range(rows) for j in range(columns)]
