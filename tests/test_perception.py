"""NIQE, DISTS and the Inception network: fits on samples of known laws, weights made by hand, documented sizes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.stats import gennorm

from driftrec.evaluate.corruptions import decode, encode
from driftrec.evaluate.metrics.dists import CHANNELS, Dists
from driftrec.evaluate.metrics.inception import FEATURES, Inception
from driftrec.evaluate.metrics.niqe import Pristine, fit_asymmetric, niqe
from support import scene

# ------------------------------------------------------------------------------------------------- NIQE


@pytest.mark.parametrize(("shape", "left", "right"), [(2.0, 1.0, 1.0), (0.7, 1.0, 3.0), (1.3, 2.0, 0.5)])
def test_the_fit_finds_the_law_that_samples_came_from(shape: float, left: float, right: float) -> None:
    # Two generalised Gaussian halves; the density at 0 is one number, so their shares are as their scales.
    rng = np.random.default_rng(1)
    size = np.abs(gennorm.rvs(shape, size=400_000, random_state=rng))
    values = np.where(rng.random(size.size) < left / (left + right), -left * size, right * size)
    assert fit_asymmetric(values) == pytest.approx((shape, left, right), rel=0.03)


def test_niqe_is_the_formula_and_zero_for_pictures_like_the_pristine_ones() -> None:
    # Where the pristine covariance is s times the identity and outweighs the picture's own, equation 10 is
    # d² = 2/s |μ − μ₀|².  So distances from μ₀ = ±t e_k tell the k-th feature of the picture's mean μ.
    picture = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
    window, unit, scale, step = np.full((7, 7), 1 / 49), np.eye(36), 1e8, 10.0

    def squared(mean: np.ndarray) -> float:
        return niqe(picture, Pristine(mean, scale * unit, window)) ** 2 * scale / 2

    at_zero, mean = squared(np.zeros(36)), np.empty(36)
    for k in range(36):
        plus, minus = squared(step * unit[k]), squared(-step * unit[k])
        assert plus + minus - 2 * at_zero == pytest.approx(2 * step**2, rel=1e-4)
        mean[k] = (minus - plus) / (4 * step)
    assert at_zero == pytest.approx(mean @ mean, rel=1e-4)
    assert niqe(picture, Pristine(mean, unit, window)) == pytest.approx(0, abs=1e-3)
    # Noise without structure is not skewed: left and right scales of products of neighbours agree.
    assert mean[[3, 7, 11, 15]] == pytest.approx(0, abs=0.05)


def test_compression_reads_worse_than_the_photo(data_folder: Path, weights_folder: Path) -> None:
    pristine = Pristine.load(weights_folder / "niqe_pris_params.npz")
    pictures = [np.asarray(Image.open(path)) for path in sorted((data_folder / "test/live1").glob("*.png"))[:4]]
    clean, five = (
        np.mean([niqe(p, pristine) for p in s]) for s in (pictures, [decode(encode(p, 5)) for p in pictures])
    )
    assert 2 < clean < 5 < five


def test_niqe_refuses_small_and_flat_pictures_and_other_files(tmp_path: Path) -> None:
    model = Pristine(np.zeros(36), np.eye(36), np.full((7, 7), 1 / 49))
    with pytest.raises(ValueError, match="two blocks"):
        niqe(scene(96, 190), model)
    with pytest.raises(ValueError, match="flat"):
        niqe(np.full((192, 192), 7, np.uint8), model)
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match="pristine"):
        Pristine.load(tmp_path / "other.npz")


# ------------------------------------------------------------------------------------------------- DISTS


def dists_weights(folder: Path, alpha: torch.Tensor, beta: torch.Tensor) -> Path:
    with torch.device("meta"):
        from driftrec.evaluate.metrics.dists import _vgg16

        shapes = {f"features.{k}": v.shape for k, v in _vgg16().state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    tensors = {k: torch.randn(shape, generator=generator) / 20 for k, shape in shapes.items()}
    save_file({**tensors, "alpha": alpha, "beta": beta}, folder / "dists.safetensors")
    return folder / "dists.safetensors"


def test_dists_of_colours_is_that_of_the_first_layer_by_hand(tmp_path: Path) -> None:
    # Only the picture's own layer counts: α 1 for red, β 1 for green.
    alpha, beta = torch.zeros(sum(CHANNELS)), torch.zeros(sum(CHANNELS))
    alpha[0] = beta[1] = 1
    metric = Dists(dists_weights(tmp_path, alpha, beta))
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(rng.random((1, 3, 32, 40), dtype=np.float32)) for _ in range(2))
    red_a, red_b = float(a[0, 0].mean()), float(b[0, 0].mean())
    means = (2 * red_a * red_b + 1e-6) / (red_a**2 + red_b**2 + 1e-6)
    covariance = np.cov(a[0, 1].ravel(), b[0, 1].ravel(), bias=True)
    structure = (2 * covariance[0, 1] + 1e-6) / (covariance[0, 0] + covariance[1, 1] + 1e-6)
    assert metric(a, b).item() == pytest.approx(1 - (means + structure) / 2, abs=1e-5)


def test_dists_is_zero_for_equal_pictures_symmetric_and_independent_of_the_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    metric = Dists(dists_weights(tmp_path, torch.rand(sum(CHANNELS)), torch.rand(sum(CHANNELS))))
    a, b = torch.rand(2, 2, 3, 32, 32)
    assert metric(a, a).abs().max() < 1e-5
    torch.testing.assert_close(metric(a, b), metric(b, a))
    torch.testing.assert_close(metric(a, b)[1:], metric(a[1:], b[1:]))
    assert (metric(a, b) > metric(a, 0.9 * a + 0.1 * b)).all()


def test_dists_refuses_other_weights_and_shapes(tmp_path: Path) -> None:
    save_file({"alpha": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="DISTS"):
        Dists(tmp_path / "other.safetensors")
    metric = Dists(dists_weights(tmp_path, torch.ones(sum(CHANNELS)), torch.ones(sum(CHANNELS))))
    with pytest.raises(ValueError, match="different sizes"):
        metric(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 40, 32))
    with pytest.raises(ValueError, match="sides of 32"):
        metric(torch.rand(1, 3, 16, 32), torch.rand(1, 3, 16, 32))


# ------------------------------------------------------------------------------------------------- Inception


def test_inception_has_the_size_of_the_original_and_gives_its_features() -> None:
    torch.manual_seed(0)
    network = Inception(None)
    # torchvision's Inception v3 has 27 161 264, of them 2 049 000 in its classifier, 3 326 696 in the auxiliary head.
    assert sum(p.numel() for p in network.parameters()) == 27_161_264 - 2_049_000 - 3_326_696
    pictures = torch.rand(2, 3, 64, 80)
    features = network(pictures)
    assert features.shape == (2, FEATURES)
    torch.testing.assert_close(network(pictures[1:]), features[1:], rtol=1e-3, atol=1e-5)
    assert features.std(dim=0).max() > 0  # each picture has its own


def test_inception_reads_its_file_and_refuses_others(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Inception(None)
    save_file(network.state_dict(), tmp_path / "inception.safetensors")
    picture = torch.rand(1, 3, 40, 40)
    torch.testing.assert_close(Inception(tmp_path / "inception.safetensors")(picture), network(picture))
    with pytest.raises(ValueError, match="Inception"):
        Inception(tmp_path / "missing.safetensors")
