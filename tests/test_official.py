"""Checkpoints of the paper's program: every parameter finds its place, and the network computes what it did there."""

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.diffusion.process import OUVE
from driftrec.restoration.restorer import Restorer
from driftrec.train.model import load
from driftrec.train.nn.ncsnpp import NCSNpp, NCSNppConfig
from driftrec.train.official import converted, import_official, official_names, read_official
from driftrec.train.recipe import TrainConfig, bundled_recipes, read_recipe
from plain_ncsnpp import PlainNCSNpp
from support import scene

ROOT = Path(__file__).parents[1]
SHAPE = {"features": 8, "multipliers": (1, 2, 2), "blocks": 2, "attention": (1,)}
SCORE = {
    "network": {"kind": "ncsnpp", **SHAPE},
    "objective": {"predicts": "score", "weight": "score"},
    "noise": {"regression": 0, "law": "time"},
}
REGRESSION = {
    "network": {"kind": "ncsnpp", "conditional": False, **SHAPE},
    "objective": {"predicts": "clean", "weight": "none"},
    "noise": {"regression": 1},
}


def official(conditional: bool = True) -> PlainNCSNpp:
    """A network of the official structure and names, with weights that are all different."""
    torch.manual_seed(0)
    model = PlainNCSNpp(NCSNppConfig(conditional=conditional, **SHAPE))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def saved(model: PlainNCSNpp, path: Path, prefix: str = "backbone.", **more: object) -> Path:
    """A checkpoint as the official program writes it."""
    state = {f"{prefix}{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "global_step": 7, **more}, path)
    return path


def pictures(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def published(conditional: bool) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters of the official networks; tests/data/README.md says where they come from."""
    text = (Path(__file__).parent / f"data/official-{'score' if conditional else 'regression'}.txt").read_text()
    rows = (line.split() for line in text.splitlines())
    return {name: tuple(int(side) for side in shape.split("x")) for name, shape in rows}


@pytest.mark.parametrize("conditional", [True, False])
def test_every_parameter_of_the_official_networks_is_imported(conditional: bool) -> None:
    config, shapes = NCSNppConfig(conditional=conditional), published(conditional)
    with torch.device("meta"):
        network, plain = NCSNpp(config), PlainNCSNpp(config)
        state = {name: torch.empty(shape) for name, shape in shapes.items()}
    weights = converted(network, state)  # raises where names or shapes differ
    assert weights.keys() == dict(network.named_parameters()).keys()
    assert {name: tuple(value.shape) for name, value in plain.state_dict().items()} == shapes


def test_the_matrices_of_attention_keep_their_roles() -> None:
    with torch.device("meta"):
        names = official_names(NCSNpp(NCSNppConfig()))
    roles = {"query": "NIN_0", "key": "NIN_1", "value": "NIN_2", "out": "NIN_3"}
    assert [names[f"middle.attention.{role}.weight"].split(".")[-2] for role in roles] == list(roles.values())


def test_an_imported_score_is_the_official_one(tmp_path: Path) -> None:
    model = official()
    import_official(saved(model, tmp_path / "a.ckpt"), TrainConfig.model_validate(SCORE), tmp_path / "a.safetensors")
    part = load(tmp_path / "a.safetensors").denoiser
    ours, facts = part.network, part.facts
    assert facts["step"] == 7
    process, t = OUVE(), 0.4
    y, residual = pictures(1, 2, 3, 16, 24), 0.1 * pictures(2, 2, 3, 16, 24)
    k, sigma = process.scale(t), process.std(t)
    xt = y + k * residual
    with torch.no_grad():
        score = model(torch.cat([xt, y], dim=1), torch.full((2,), sigma)) / sigma
        estimate = ours(residual, torch.full((2,), process.ratio(t)), y)
    assert score.abs().max() > 0.1
    torch.testing.assert_close(estimate, y + (xt - y + sigma**2 * score) / k, rtol=0, atol=3e-4)


@pytest.mark.parametrize("predicts", ["clean", "change", "mask"])
def test_an_imported_regression_is_the_official_one(predicts: str, tmp_path: Path) -> None:
    model = official(conditional=False)
    config = TrainConfig.model_validate(REGRESSION | {"objective": {"predicts": predicts, "weight": "none"}})
    import_official(saved(model, tmp_path / "a.ckpt", "dnn."), config, tmp_path / "a.safetensors")
    ours = load(tmp_path / "a.safetensors").denoiser.network
    y = pictures(1, 1, 3, 16, 16)
    with torch.no_grad():
        raw = model(y, torch.ones(1))
        expected = {"clean": raw, "change": y - raw, "mask": y * raw}[predicts]
        got = ours(torch.zeros_like(y), torch.tensor([torch.inf]), y)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("trained_only", [True, False])
def test_averaged_weights_are_taken_where_there_are_any(trained_only: bool, tmp_path: Path) -> None:
    model = official()
    shadows = [p.detach() + 1 for p in model.parameters() if p.requires_grad or not trained_only]
    read, _ = read_official(saved(model, tmp_path / "a.ckpt", ema={"decay": 0.999, "shadow_params": shadows}))
    state = model.state_dict()
    assert set(read) == set(state)
    for name, value in read.items():
        torch.testing.assert_close(value, state[name] + (0 if trained_only and name == "all_modules.0.W" else 1))
    with pytest.raises(ValueError, match="averaged parameters do not match"):
        read_official(saved(model, tmp_path / "a.ckpt", ema={"shadow_params": shadows[1:]}))


def test_other_files_and_what_they_may_hold(tmp_path: Path) -> None:
    model = official()
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, tmp_path / "a.safetensors")
    assert set(read_official(tmp_path / "a.safetensors")[0]) == set(model.state_dict())
    saved(model, tmp_path / "a.ckpt", hyper_parameters={"args": argparse.Namespace(lr=1e-4)})
    assert read_official(tmp_path / "a.ckpt")[1] == 7
    saved(model, tmp_path / "a.ckpt", callbacks=Restorer)
    with pytest.raises(ValueError, match="is not a PyTorch file, or holds more than tensors"):
        read_official(tmp_path / "a.ckpt")
    torch.save([1], tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="holds a list, not a checkpoint"):
        read_official(tmp_path / "a.ckpt")
    torch.save({"state_dict": {"conv.weight": torch.zeros(1)}}, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"holds no NCSN\+\+"):
        read_official(tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="there is no file"):
        read_official(tmp_path / "b.ckpt")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"features": 16}, "is .* in the checkpoint and .* in the recipe's network"),
        ({"blocks": 3}, "the checkpoint has no '.*', which the recipe's network needs"),
        ({"blocks": 1}, "'.*'"),
        ({"kind": "unet"}, r"only NCSN\+\+ can be imported"),
    ],
)
def test_another_network_is_refused(network: dict, message: str, tmp_path: Path) -> None:
    shape = {"kind": "unet"} if network.get("kind") == "unet" else {"kind": "ncsnpp", **SHAPE, **network}
    config = TrainConfig.model_validate(SCORE | {"network": shape})
    with pytest.raises(ValueError, match=message):
        import_official(saved(official(), tmp_path / "a.ckpt"), config, tmp_path / "b.safetensors")
    assert not (tmp_path / "b.safetensors").exists()


def test_the_command_makes_a_model_that_restores(tmp_path: Path) -> None:
    saved(official(), tmp_path / "a.ckpt")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(bundled_recipes()["paper-ouve-d2kf2k"].read_text())
    arguments = ["import-official", str(tmp_path / "a.ckpt"), str(recipe), "-o", str(tmp_path / "m.safetensors")]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "the checkpoint has no" in refused.output.replace("\n", " ")
    recipe.write_text(
        recipe.read_text().replace(
            "{kind: ncsnpp}", "{kind: ncsnpp, features: 8, multipliers: [1, 2, 2], blocks: 2, attention: [1]}"
        )
    )
    assert read_recipe(recipe).network == NCSNppConfig(**SHAPE)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "7 steps" in done.output
    restored = Restorer(tmp_path / "m.safetensors", device="cpu").restore_pixels(scene(20, 30), steps=2)
    assert restored.shape == (20, 30, 3)
