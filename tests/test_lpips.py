"""LPIPS by hand, and against documented values; the real weights are not part of the repository."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from driftrec.evaluate.metrics.lpips import Lpips, Trunk
from support import jpeg_file, opened

ALEXNET = {
    0: (64, 3, 11, 11),
    3: (192, 64, 5, 5),
    6: (384, 192, 3, 3),
    8: (256, 384, 3, 3),
    10: (256, 256, 3, 3),
}


def lpips(folder: Path, trunk: Trunk) -> Lpips:
    return Lpips(trunk, folder / f"lpips_{trunk}_v0.1.safetensors")


def empty_alexnet() -> dict[str, Tensor]:
    """AlexNet and heads whose weights are all zero."""
    tensors = {}
    for layer, (number, shape) in enumerate(ALEXNET.items()):
        tensors[f"features.{number}.weight"] = torch.zeros(shape)
        tensors[f"features.{number}.bias"] = torch.zeros(shape[0])
        tensors[f"lin{layer}.weight"] = torch.zeros(1, shape[0], 1, 1)
    return tensors


def empty_squeezenet() -> dict[str, Tensor]:
    """SqueezeNet 1.1 and heads whose weights are all zero."""
    shapes: dict[str, tuple[int, ...]] = {"features.0": (64, 3, 3, 3)}
    inner = 64
    for number, squeezed in {3: 16, 4: 16, 6: 32, 7: 32, 9: 48, 10: 48, 11: 64, 12: 64}.items():
        shapes[f"features.{number}.squeeze"] = (squeezed, inner, 1, 1)
        shapes[f"features.{number}.expand1x1"] = (4 * squeezed, squeezed, 1, 1)
        shapes[f"features.{number}.expand3x3"] = (4 * squeezed, squeezed, 3, 3)
        inner = 8 * squeezed
    tensors = {f"lin{i}.weight": torch.zeros(1, n, 1, 1) for i, n in enumerate((64, 128, 256, 384, 384, 512, 512))}
    for name, shape in shapes.items():
        tensors |= {f"{name}.weight": torch.zeros(shape), f"{name}.bias": torch.zeros(shape[0])}
    return tensors


EMPTY = {"alex": empty_alexnet, "squeeze": empty_squeezenet}


def random_weights(trunk: Trunk, folder: Path) -> Path:
    """Weights like those of networks before training: normal, as large as keeps signals alive, heads not negative."""
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(zero.shape, generator=generator) for name, zero in EMPTY[trunk]().items()}
    for name, value in tensors.items():
        value *= 0.1 if value.ndim == 1 else math.sqrt(2 / value[0].numel())
        if name.startswith("lin"):
            value.abs_()
    save_file(tensors, folder / f"{trunk}.safetensors")
    return folder / f"{trunk}.safetensors"


def flat(*colour: float) -> Tensor:
    return torch.tensor(colour)[None, :, None, None].expand(1, 3, 40, 48)


# ------------------------------------------------------------------------------------------------- by hand


def test_a_network_that_sees_red_and_green(tmp_path: Path) -> None:
    # Channel 0 of the first layer reads the red of one pixel, channel 1 its green; the heads weigh them 2 and 3.
    tensors = empty_alexnet()
    tensors["features.0.weight"][0, 0, 5, 5] = tensors["features.0.weight"][1, 1, 5, 5] = 1
    tensors["lin0.weight"][0, :2, 0, 0] = torch.tensor([2.0, 3.0])
    save_file(tensors, tmp_path / "alex.safetensors")
    metric = Lpips("alex", tmp_path / "alex.safetensors")

    red, green, yellow, black = flat(1, 0, 0), flat(0, 1, 0), flat(1, 1, 0), flat(0, 0, 0)
    assert metric(red, green).item() == pytest.approx(2 + 3)  # directions (1, 0) and (0, 1)
    assert metric(red, black).item() == pytest.approx(2)  # (1, 0) and nothing
    r, g = 1.030 / 0.458, 1.088 / 0.448  # what the first layer sees of full red and green
    x, y = r / math.hypot(r, g), g / math.hypot(r, g)
    assert metric(red, yellow).item() == pytest.approx(2 * (1 - x) ** 2 + 3 * y**2)


# ------------------------------------------------------------------------------------------------- documented values


def test_squeezenet_reads_as_torchmetrics_documents(weights_folder: Path) -> None:
    generator = torch.Generator().manual_seed(123)
    a, b = (torch.rand(10, 3, 100, 100, generator=generator) for _ in range(2))
    assert lpips(weights_folder, "squeeze")(a, b).mean().item() == pytest.approx(0.1008, abs=5e-5)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ("bikes", {"alex": 0.21151, "squeeze": 0.28474}),
        ("parrots", {"alex": 0.35134, "squeeze": 0.43353}),
        ("womanhat", {"alex": 0.39482, "squeeze": 0.39184}),
    ],
)
def test_plain_jpegs_of_quality_10(
    weights_folder: Path, data_folder: Path, picture: str, expected: dict[Trunk, float]
) -> None:
    # From a run of the protocol live1-color whose means over all of LIVE1 were .3013 (alex; CODiff and SODiff
    # print the same) and .3433 (squeeze).
    clean = opened((data_folder / f"test/live1/{picture}.png").read_bytes())
    jpeg = opened(jpeg_file(clean, quality=10, subsampling="4:2:0"))
    pair = [torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255 for pixels in (jpeg, clean)]
    for trunk, value in expected.items():
        assert lpips(weights_folder, trunk)(*pair).item() == pytest.approx(value, abs=2e-4)


# ------------------------------------------------------------------------------------------------- properties


@pytest.mark.parametrize("trunk", ["alex", "squeeze"])
def test_it_is_a_distance(tmp_path: Path, trunk: Trunk) -> None:
    a, b = torch.rand(2, 2, 3, 64, 80, generator=torch.Generator().manual_seed(0))
    metric = Lpips(trunk, random_weights(trunk, tmp_path))
    assert metric(a, a).tolist() == [0, 0]
    torch.testing.assert_close(metric(a, b), metric(b, a))
    torch.testing.assert_close(metric(a, b)[1:], metric(a[1:], b[1:]))
    assert (metric(a, b) > metric(a, 0.9 * a + 0.1 * b)).all()


@pytest.mark.parametrize("trunk", ["alex", "squeeze"])
def test_the_last_layer_sees_the_smallest_pictures(tmp_path: Path, trunk: Trunk) -> None:
    # Every layer hands red and green on, at the middle of its window; the last head weighs them 2 and 3.
    tensors = EMPTY[trunk]()
    for name, value in tensors.items():
        if name.startswith("features") and value.ndim == 4 and "expand3x3" not in name:
            middle = value.shape[2] // 2
            value[0, 0, middle, middle] = value[1, 1, middle, middle] = 1
    last = max(name for name in tensors if name.startswith("lin"))
    tensors[last][0, :2, 0, 0] = torch.tensor([2.0, 3.0])
    save_file(tensors, tmp_path / "small.safetensors")
    red, green = (flat(*colour)[..., :32, :33] for colour in ((1, 0, 0), (0, 1, 0)))
    assert Lpips(trunk, tmp_path / "small.safetensors")(red, green).item() == pytest.approx(2 + 3)


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    save_file(empty_alexnet(), tmp_path / "alex.safetensors")
    before = torch.get_rng_state()
    Lpips("alex", tmp_path / "alex.safetensors")
    assert torch.equal(torch.get_rng_state(), before)


# ------------------------------------------------------------------------------------------------- refusals


def test_wrong_weights_are_named(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"x\.safetensors does not hold LPIPS weights of the network 'alex'"):
        Lpips("alex", tmp_path / "x.safetensors")
    save_file(empty_alexnet(), tmp_path / "alex.safetensors")
    with pytest.raises(ValueError, match="network 'squeeze'"):
        Lpips("squeeze", tmp_path / "alex.safetensors")
    with pytest.raises(ValueError, match="cannot be read"):
        Lpips("alex", tmp_path / "missing")
    (tmp_path / "text").write_text("not weights")
    with pytest.raises(ValueError, match="cannot be read"):
        Lpips("alex", tmp_path / "text")
    with pytest.raises(ValueError, match="alex, squeeze, not 'vgg'"):
        Lpips("vgg", tmp_path / "alex.safetensors")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(1, 3, 40, 40) - 1, torch.zeros(1, 3, 40, 40), r"in \[0, 1\], not in \[-1, -1\]"),
        (torch.zeros(1, 3, 40, 40), torch.full((1, 3, 40, 40), torch.nan), "nan"),
        (torch.zeros(3, 40, 40), torch.zeros(3, 40, 40), r"not \[3, 40, 40\]"),
        (torch.zeros(1, 3, 31, 40), torch.zeros(1, 3, 31, 40), "32 pixels or more"),
        (torch.zeros(1, 3, 40, 40), torch.zeros(1, 3, 40, 48), "different sizes"),
    ],
)
def test_pictures_that_cannot_be_compared(tmp_path: Path, a: Tensor, b: Tensor, message: str) -> None:
    save_file(empty_alexnet(), tmp_path / "alex.safetensors")
    with pytest.raises(ValueError, match=message):
        Lpips("alex", tmp_path / "alex.safetensors")(a, b)
