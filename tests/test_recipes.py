"""Every recipe of the package, at a fraction of its width: a step, a validation, a resumed run, an exported model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from driftrec.diffusion.process import OUVE, CosVE
from driftrec.model.onnx import Network
from driftrec.train import checkpoint
from driftrec.train.data.degrade import RandomJpeg
from driftrec.train.export import export
from driftrec.train.loop import BEST, LAST, train
from driftrec.train.model import load
from driftrec.train.nn.ncsnpp import NCSNppConfig
from driftrec.train.recipe import TrainConfig, bundled_recipes, read_recipe
from support import scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clean pictures, large enough for every crop of validation, and beside them the cache."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "clean").mkdir()
    for i in range(6):
        Image.fromarray(scene(168, 176, seed=i)).save(folder / f"clean/{i}.png")
    return folder


def narrow(name: str, folder: Path, **settings: object) -> TrainConfig:
    """The recipe with a narrow network of one block on each of its levels, on the pictures of `folder`."""
    stated = read_recipe(name).network
    width: dict[str, Any] = {"network.features": 4, "network.blocks": 1}
    if not isinstance(stated, NCSNppConfig):
        parts = {"channels": (4, 8, 12), "encoder": (1, 1, 1), "decoder": (1, 1)}
        width = {f"network.{part}": counts[: len(getattr(stated, part))] for part, counts in parts.items()}
    run = {"data.folders": [str(folder / "clean")], "data.held_out": 0.4, "batch": 2, "workers": 0, "compile": False}
    often = {"precision": "32-true", "validate_every": 1e-9, "save_every": 1e-9}
    return read_recipe(name, width | run | often | settings)


@pytest.fixture(scope="module")
def denoiser(folder: Path) -> Path:
    """What recipes that start from a model, or finish one, are given instead of the shipped models."""
    config = narrow("small", folder)
    torch.manual_seed(0)
    weights = {name: p + 0.03 * torch.randn_like(p) for name, p in config.denoiser().named_parameters()}
    facts = {"config": config.model_dump(mode="json"), "hardware": "a test", "step": 0, "minutes": 0.0, "best": 0.0}
    checkpoint.write(folder / BEST, weights, facts | {"data": {"pictures": 0, "megapixels": 0, "licences": {}}})
    return folder / BEST


@pytest.mark.parametrize(
    ("network", "data", "message"),
    [
        ({}, {"crop": 63}, "data.crop is 63, but the network needs a multiple of 8 pixels: set it to 56 or 64"),
        (
            {"kind": "ncsnpp"},
            {"crop": 160},
            "is 160, but the network needs a multiple of 64 pixels: set it to 128 or",
        ),
        ({"kind": "ncsnpp"}, {"crop": 48}, "data.crop is 48, .* multiple of 64 pixels: set it to 64 "),
        ({}, {"crop": 63, "post_crop": 36}, "data.post_crop is 36, but the network needs a multiple of 8 pixels"),
    ],
)
def test_crops_that_do_not_fit_the_network_are_refused(network: dict, data: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig.model_validate({"network": network, "data": data})
    TrainConfig.model_validate({"data": {"crop": 63, "post_crop": 56}})  # the network sees 56


@pytest.mark.parametrize("name", [name for name in bundled_recipes() if name.startswith("paper-")])
def test_the_papers_recipes_are_the_papers_settings(name: str) -> None:
    """Against the commands and defaults of the paper's program (sp-uhh/driftrec, README and source)."""
    recipe = read_recipe(name)
    celeba, regression = name.endswith("celebahq"), "regression" in name
    assert (recipe.data.crop, recipe.data.resize) == (256, None if celeba else (0.2, 1.0))
    assert (recipe.data.symmetries, recipe.data.order, recipe.data.gray) == (False, "epochs", 0)
    assert recipe.data.corruption == (RandomJpeg(0, 100, 1.0, (0, 0, 1)),)
    assert (recipe.optimizer, recipe.learning_rate, recipe.betas, recipe.weight_decay) == (
        "adamw",
        1e-4,
        (0.9, 0.999),
        0.01,
    )
    assert (recipe.clip, recipe.precision, recipe.best_by) == (None, "32-true", "loss")
    assert (recipe.batch, recipe.ema, recipe.warm_up) == (8, 0.999, 0)
    epochs, pictures = 3000 if regression and not celeba else 300, 24000 if celeba else 2840
    assert recipe.steps == epochs * pictures // 8
    assert recipe.network == NCSNppConfig(conditional=not regression)
    if not regression:
        process = CosVE if celeba else OUVE
        assert recipe.noise.build_process() == process(gamma=1, sigma_min=0.01, sigma_max=1)
        assert recipe.noise.earliest == 0.01


class Difference(nn.Module):
    """Takes the place of LPIPS, whose weights are not part of the repository."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().mean(dim=(1, 2, 3))


@pytest.fixture
def trained(
    request: pytest.FixtureRequest, folder: Path, denoiser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path]:
    """A recipe's name, and the folder of its run of one step, which was then resumed for another."""
    monkeypatch.setattr("driftrec.train.validate.COUNT", 2)
    monkeypatch.setattr("driftrec.train.validate.SIDE", 80)  # is rounded to 64 for the paper's network
    monkeypatch.setattr("driftrec.train.finisher.find", lambda *_: Path())
    monkeypatch.setattr("driftrec.train.finisher.Lpips", lambda *_: Difference())
    name, settings = request.param
    stated = read_recipe(name)
    models = ({"start": str(denoiser)} if stated.start else {}) | (
        {"finish.model": str(denoiser)} if stated.finish else {}
    )
    for steps in (1, 2):
        config = narrow(name, folder, steps=steps, **models, **settings)
        (record,) = train(config, tmp_path / "run", cache=folder)
        assert record["step"] == steps
        assert checkpoint.read(tmp_path / "run" / LAST)[1]["step"] == steps
    return name, tmp_path / "run"


@pytest.mark.parametrize("trained", [(name, {}) for name in bundled_recipes()], ids=bundled_recipes(), indirect=True)
def test_every_recipe_trains_validates_and_resumes(trained: tuple[str, Path]) -> None:
    name, run = trained
    assert load(run / BEST).plan == read_recipe(name).sampling_plan()


def models_to_export() -> dict[str, tuple[str, dict[str, object]]]:
    """One recipe of each kind of model; exporting NCSN++ takes long, so it gets two levels only."""
    found = {}
    for name in bundled_recipes():
        stated = read_recipe(name)
        shallow = {"network.multipliers": [1, 1], "network.attention": []}
        network = shallow if isinstance(stated.network, NCSNppConfig) else {}
        kind = stated.network.kind, stated.objective, stated.noise.regression > 0, stated.finish is None
        found.setdefault(str(kind), (name, network | {"data.crop": 48}))
    return {name: (name, settings) for name, settings in found.values()}


@pytest.mark.parametrize("trained", models_to_export().values(), ids=models_to_export(), indirect=True)
def test_every_kind_of_model_is_exported(trained: tuple[str, Path]) -> None:
    name, run = trained
    export(run / BEST, run / "model.onnx", name, "CC0-1.0")
    card = Network(run / "model.onnx").card
    assert (card.name, card.finisher) == (name, read_recipe(name).finish is not None)
