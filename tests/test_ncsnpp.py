"""The paper's network: its published sizes, its start, its attention, its place in a recipe."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from driftrec.model.onnx import Network
from driftrec.train import checkpoint
from driftrec.train.denoiser import Residual
from driftrec.train.export import export
from driftrec.train.nn.cost import cost
from driftrec.train.nn.ncsnpp import Attention, NCSNpp, NCSNppConfig, enlarge, shrink
from driftrec.train.recipe import TrainConfig, read_recipe
from driftrec.train.runner import TorchRunner

TINY = NCSNppConfig(features=8, multipliers=(1, 2, 2), blocks=1, attention=(1,))


def network(config: NCSNppConfig = TINY, noise: float = 0.0) -> NCSNpp:
    """A network with reproducible weights; `noise` is added to all of them."""
    torch.manual_seed(0)
    model = NCSNpp(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
    return model.eval()


def pictures(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


# ------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(("conditional", "millions"), [(True, 65.62), (False, 59.60)])
def test_it_has_the_published_number_of_parameters(conditional: bool, millions: float) -> None:
    with torch.device("meta"):
        model = NCSNpp(NCSNppConfig(conditional=conditional))
    trained = sum(p.numel() for p in model.parameters())
    assert trained / 1e6 == pytest.approx(millions, abs=0.01)


def test_it_costs_what_was_measured_of_the_official_network() -> None:
    # 534.6 GFLOP for 256×256 pixels: two operations for each multiply–add, convolutions and little else.
    with torch.device("meta"):
        model = NCSNpp(NCSNppConfig())
    assert 2 * cost(model).multiply_adds * 256**2 / 1e9 == pytest.approx(534.6, rel=0.02)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 20), (32, 12)])
def test_every_multiple_of_the_size_works(height: int, width: int) -> None:
    y = pictures(2, 3, height, width)
    assert TINY.multiple == 4
    assert network(noise=0.02)(y, torch.tensor([0.1, 0.2]), y).shape == y.shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 6}, "multiple of 4"),
        ({"multipliers": ()}, "at least 1"),
        ({"blocks": 0}, "at least 1"),
        ({"attention": (7,)}, "below 7"),
        ({"window": 0}, "at least 1"),
    ],
)
def test_shapes_that_do_not_fit(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NCSNppConfig(**options)


# ------------------------------------------------------------------------------------------------- behaviour


def test_an_untrained_network_says_nothing() -> None:
    y = pictures(1, 3, 16, 16)
    assert network()(y, torch.tensor([0.1]), y).abs().max() < 1e-6


def test_the_noise_level_and_both_images_are_looked_at() -> None:
    model, x, y = network(noise=0.1), pictures(1, 3, 16, 16), pictures(1, 3, 16, 16).flip(-1)
    out = model(x, torch.tensor([-1.0]), y)
    for other in (
        model(x, torch.tensor([-0.9]), y),
        model(x.roll(1, -1), torch.tensor([-1.0]), y),
        model(x, torch.tensor([-1.0]), y.roll(1, -1)),
    ):
        assert (other - out).abs().max() > 1e-4


def test_a_regression_network_looks_at_the_corrupted_image_only() -> None:
    model, x = network(NCSNppConfig(8, (1, 2), 1, (1,), conditional=False), noise=0.1), pictures(1, 3, 8, 8)
    y = x.flip(-1)
    torch.testing.assert_close(model(x, torch.tensor([0.1]), y), model(0 * x, torch.tensor([0.9]), y))


def test_attention_is_softmax_over_all_positions_by_hand() -> None:
    torch.manual_seed(0)
    attention = Attention(8, None)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(1, 8, 3, 5)
    h = attention.norm(x)
    query, key, value = (part(h).flatten(2)[0] for part in (attention.query, attention.key, attention.value))
    weights = (query.T @ key / math.sqrt(8)).softmax(dim=1)
    expected = (x + attention.out((value @ weights.T).view(1, 8, 3, 5))) / math.sqrt(2)
    torch.testing.assert_close(attention(x), expected)


def test_windows_that_cover_the_map_change_nothing_and_smaller_ones_stay_apart() -> None:
    y = pictures(1, 3, 32, 32)

    def out(window: int | None, picture: torch.Tensor) -> torch.Tensor:
        config = NCSNppConfig(8, (1, 2, 2), 1, (1,), window=window)
        return network(config, noise=0.1)(picture, torch.tensor([0.1]), picture)

    torch.testing.assert_close(out(16, y), out(None, y))
    assert (out(4, y) - out(None, y)).abs().max() > 1e-5


@pytest.mark.parametrize(("height", "width"), [(8, 8), (20, 12), (5, 17)])
def test_windows_are_pieces_of_the_map_each_by_itself(height: int, width: int) -> None:
    torch.manual_seed(0)
    windowed, whole = Attention(8, 8), Attention(8, None)
    with torch.no_grad():
        for parameter in windowed.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    whole.load_state_dict(windowed.state_dict())
    windowed.norm, whole.norm = nn.Identity(), nn.Identity()  # it alone looks beyond the window
    x = torch.randn(2, 8, height, width)
    got = windowed(x)
    for top in range(0, height, 8):
        for left in range(0, width, 8):
            part = slice(None), slice(None), slice(top, top + 8), slice(left, left + 8)
            torch.testing.assert_close(got[part], whole(x[part]))


@pytest.mark.usefixtures("half_precision")
@pytest.mark.parametrize(("window", "multipliers"), [(None, [1, 2]), (4, [1])])
def test_one_exported_file_is_the_network_at_every_size(
    window: int | None, multipliers: list[int], tmp_path: Path
) -> None:
    network_section = {"kind": "ncsnpp", "features": 8, "multipliers": multipliers, "blocks": 1, "window": window}
    config = TrainConfig.model_validate(
        {
            "network": {**network_section, "attention": [len(multipliers) - 1]},
            "objective": {"predicts": "score", "weight": "score"},
            "noise": {"regression": 0, "law": "time"},
        }
    )
    torch.manual_seed(0)
    weights = {name: p + 0.03 * torch.randn_like(p) for name, p in config.denoiser().named_parameters()}
    data = {"pictures": 0, "megapixels": 0, "licences": {}}
    facts = {"config": config.model_dump(mode="json"), "data": data, "hardware": "none", "step": 0, "minutes": 0.0}
    checkpoint.write(tmp_path / "n.safetensors", weights, facts)
    export(tmp_path / "n.safetensors", tmp_path / "n.onnx", "n", "CC0-1.0")
    exported, ours = Network(tmp_path / "n.onnx"), TorchRunner(tmp_path / "n.safetensors", device="cpu")
    for shape in ((1, 3, 4, 6), (2, 3, 16, 22), (1, 3, 34, 8)):
        y, residual = np.random.default_rng(1).random((2, *shape), dtype=np.float32)
        expected = ours(residual / 5, 0.3, y)
        assert np.abs(expected - y).max() > 0.05
        np.testing.assert_allclose(exported(residual / 5, 0.3, y), expected, atol=2e-3)


def test_resampling_keeps_constants_and_shrinks_what_it_enlarged() -> None:
    ones = torch.ones(1, 2, 16, 16)
    torch.testing.assert_close(shrink(ones)[..., 1:-1, 1:-1], torch.ones(1, 2, 6, 6))
    torch.testing.assert_close(enlarge(ones)[..., 1:-1, 1:-1], torch.ones(1, 2, 30, 30))
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    torch.testing.assert_close(shrink(ramp)[..., 2:-2, 2:-2], ramp[..., ::2, ::2][..., 2:-2, 2:-2] + 0.5)


def test_gradients_reach_every_weight_once_it_has_learnt_something() -> None:
    model, x = network(noise=0.05), pictures(2, 3, 16, 16)
    model(x, torch.tensor([0.1, 0.3]), x.flip(-1)).square().mean().backward()
    silent = [n for n, p in model.named_parameters() if p.requires_grad and not (p.grad is not None and p.grad.any())]
    assert silent == []
    assert not model.embed.frequencies.requires_grad  # pyright: ignore[reportOptionalMemberAccess]


def test_a_recipe_may_name_it(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("network: {kind: ncsnpp, features: 8, multipliers: [1, 2], attention: [1]}", encoding="utf-8")
    model = read_recipe(recipe).denoiser().network
    assert isinstance(model, NCSNpp)
    assert isinstance(Residual(model, 0.05), nn.Module)
    recipe.write_text("network: {kind: transformer}", encoding="utf-8")
    with pytest.raises(ValueError, match="transformer"):
        read_recipe(recipe)
