"""LPIPS against documented values; the weights are not part of the repository."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from driftrec.evaluate.lpips import Lpips, Trunk


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    folder = Path(os.environ.get("DRIFTREC_WEIGHTS", Path(__file__).parents[1] / "../shared/weights"))
    if not folder.is_dir():
        pytest.skip(f"no LPIPS weights in {folder}; set DRIFTREC_WEIGHTS to the folder that holds them")
    return folder


def lpips(folder: Path, trunk: Trunk) -> Lpips:
    return Lpips(trunk, folder / f"lpips_{trunk}_v0.1.safetensors")


def test_the_value_that_torchmetrics_documents(weights_folder: Path) -> None:
    torch.manual_seed(123)
    a, b = torch.rand(10, 3, 100, 100), torch.rand(10, 3, 100, 100)
    value = lpips(weights_folder, "squeeze")(a, b)
    assert value.mean().item() == pytest.approx(0.1008, abs=5e-5)


@pytest.mark.parametrize("trunk", ["alex", "squeeze"])
def test_it_is_a_distance(weights_folder: Path, trunk: Trunk) -> None:
    a, b = torch.rand(2, 2, 3, 64, 80, generator=torch.Generator().manual_seed(0))
    metric = lpips(weights_folder, trunk)
    assert metric(a, a).tolist() == [0, 0]
    torch.testing.assert_close(metric(a, b), metric(b, a))
    torch.testing.assert_close(metric(a, b)[1:], metric(a[1:], b[1:]))
    assert (metric(a, b) > metric(a, 0.9 * a + 0.1 * b)).all()


@pytest.mark.parametrize(("trunk", "published"), [("alex", 0.3013), ("squeeze", 0.3433)])
def test_plain_jpeg_of_quality_10_reads_as_published(
    weights_folder: Path, data_folder: Path, trunk: Trunk, published: float
) -> None:
    # The published figure is a mean over 29 pictures; every third of them comes within 0.02 of it.
    metric, values = lpips(weights_folder, trunk), []
    for path in sorted((data_folder / "test" / "live1").glob("*.png"))[::3]:
        with Image.open(path) as image:
            clean, file = image.convert("RGB"), io.BytesIO()
        clean.save(file, "JPEG", quality=10, subsampling="4:2:0")
        a, b = (torch.from_numpy(np.array(i)).permute(2, 0, 1)[None] / 255 for i in (clean, Image.open(file)))
        values.append(metric(a, b).item())
    assert np.mean(values) == pytest.approx(published, abs=0.02)


def test_wrong_weights_are_named(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="does not hold LPIPS weights of the network 'alex'"):
        Lpips("alex", tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="cannot be read"):
        Lpips("alex", tmp_path / "missing")
