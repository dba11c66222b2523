"""Two photographs that ship with the tests: metrics against values of other code, and what the restorer gains."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import driftrec
from driftrec.evaluate.measures import as_batch
from driftrec.evaluate.metrics.fidelity import psnr, psnr_b, ssim
from driftrec.evaluate.metrics.lpips import Lpips, Trunk
from driftrec.model.find import bundled_models
from support import CROPS, opened

VALUES = {  # of the JPEGs of quality 10; tests/data/README.md says how they were computed
    "otter": {psnr: 24.6357, psnr_b: 22.3198, ssim: 0.70410, "alex": 0.21513, "squeeze": 0.33576},
    "coneflowers": {psnr: 22.3927, psnr_b: 20.2840, ssim: 0.67710, "alex": 0.17971, "squeeze": 0.23520},
}


def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(JPEG, clean), uint8."""
    return opened((CROPS / f"{name}-q10.jpg").read_bytes()), opened((CROPS / f"{name}.png").read_bytes())


@pytest.mark.parametrize("name", VALUES)
def test_metrics_are_those_of_other_code(name: str) -> None:
    jpeg, clean = pair(name)
    for metric, tolerance in ((psnr, 0.001), (psnr_b, 0.001), (ssim, 0.0001)):
        assert metric(jpeg, clean) == pytest.approx(VALUES[name][metric], abs=tolerance)


@pytest.mark.parametrize("trunk", ["alex", "squeeze"])
@pytest.mark.parametrize("name", VALUES)
def test_lpips_is_that_of_other_code(weights_folder: Path, name: str, trunk: Trunk) -> None:
    metric = Lpips(trunk, weights_folder / f"lpips_{trunk}_v0.1.safetensors")
    with torch.no_grad():
        distance = metric(*map(as_batch, pair(name))).item()
    assert distance == pytest.approx(VALUES[name][trunk], abs=1e-4)


@pytest.mark.parametrize("model", bundled_models())
@pytest.mark.parametrize(("mode", "gain"), [("faithful", 1.0), ("natural", 0.45), ("decode", 0.24)])
@pytest.mark.parametrize("name", VALUES)
def test_every_mode_comes_closer_to_the_photograph(name: str, mode: str, gain: float, model: str) -> None:
    # Measured in dB of PSNR: faithful 1.03 to 1.15, natural 0.56 to 0.77, decode 0.25 to 0.28.
    jpeg, clean = pair(name)
    restored = driftrec.Restorer(model, threads=1).restore(CROPS / f"{name}-q10.jpg", mode=mode).picture.to_pil()
    assert gain < psnr(np.asarray(restored), clean) - psnr(jpeg, clean) < gain + 0.4


def test_the_crops_are_small_and_their_jpegs_are_what_pillow_makes_of_them() -> None:
    for name in VALUES:
        jpeg, clean = pair(name)
        with Image.open(CROPS / f"{name}-q10.jpg") as image:
            assert image.size == (clean.shape[1], clean.shape[0])
            assert image.quantization[0][0] == 80  # 16 of table K.1, five times as coarse at quality 10
        assert (CROPS / f"{name}.png").stat().st_size < 50_000
        assert jpeg.shape == clean.shape
