"""Recipes inside files: what earlier versions wrote is read, what later ones will write is refused in a sentence."""

import json
from pathlib import Path

import pytest

from driftrec.train import dump as dumps
from driftrec.train.dump import dump, from_dump, version
from driftrec.train.model import load
from driftrec.train.nn.ncsnpp import NCSNppConfig
from driftrec.train.nn.unet import UNetConfig
from driftrec.train.recipe import TrainConfig, read_recipe

VERSION_1 = json.loads((Path(__file__).parent / "data/recipe-version-1.json").read_text())
"""What the model `small` said of its finisher's run when dumps had no version yet; not to be changed."""


def test_a_dump_of_version_1_is_still_read() -> None:
    config = from_dump(VERSION_1, "small.onnx")
    assert config.network == UNetConfig(2, (48, 96, 128), (3, 6, 12), (4, 5))
    assert config.finish is not None
    assert (config.finish.model, config.finish.weight, config.finish.pattern) == ("small", 20.0, 0.5)
    assert config.finish.evaluations == (2, 2, 2, 2, 2, 6)
    assert (config.data.power, config.data.double_first, config.noise.floor) == (4.0, 0.38, 0.005)
    assert (config.optimizer, config.learning_rate, config.batch, config.minutes) == ("muon", 0.0005, 12, 87.0)


@pytest.mark.parametrize("name", ["small", "base"])
def test_models_that_ship_can_be_trained_further(name: str) -> None:
    model = load(name)
    assert model.finisher is not None
    recipe = read_recipe(name)
    assert model.denoiser.config.data.chains == recipe.data.chains is not None
    assert model.denoiser.config.network == recipe.network
    assert model.finisher.config.network == UNetConfig(2, (48, 96, 128), (3, 6, 12), (4, 5))


def test_dumps_round_trip() -> None:
    corruption = [{"kind": "one-of", "chains": [[{"kind": "jpeg", "lowest": 5}], [{"kind": "clean"}]]}]
    config = TrainConfig.model_validate(
        {"network": {"kind": "ncsnpp", "attention": [1, 2]}, "data": {"crop": 64, "corruption": corruption}, "steps": 5}
    )
    assert isinstance(config.network, NCSNppConfig)
    content = json.loads(json.dumps(dump(config)))
    assert content["version"] == version()
    assert from_dump(content, "x") == config


def test_migrations_run_in_order_from_the_dumps_own_version(monkeypatch: pytest.MonkeyPatch) -> None:
    now = version()

    def rename(values: dict) -> dict:
        """To the next version: `crops` becomes `batch`."""
        return {"batch" if key == "crops" else key: value for key, value in values.items()}

    def double(values: dict) -> dict:
        """To the version after that: the batch is counted twice."""
        return {**values, "batch": 2 * values["batch"]}

    monkeypatch.setattr(dumps, "MIGRATIONS", (*dumps.MIGRATIONS, rename, double))
    for content, batch in (
        ({"crops": 3}, 6),
        ({"version": now, "crops": 3}, 6),
        ({"version": now + 1, "batch": 3}, 6),
        ({"version": now + 2, "batch": 3}, 3),
    ):
        assert from_dump(content, "x").batch == batch
    assert dump(TrainConfig())["version"] == now + 2


def test_scores_of_earlier_versions_keep_their_inputs() -> None:
    score = {"objective": {"predicts": "score"}, "noise": {"regression": 0.0, "law": "time"}}
    deep = {"network": {"kind": "ncsnpp", "multipliers": [1, 2], "attention": []}}
    for content, expected in (
        ({"version": 2, "network": {"kind": "unet"}, **score}, "state"),  # when every network saw x_t
        (score, "state"),
        ({"version": 2, **score, **deep}, None),
        ({"version": 3, **score}, None),
        ({"version": 2}, None),
    ):
        assert from_dump(content, "x").objective.inputs == expected


def test_later_dumps_and_wrong_ones_are_refused_in_a_sentence() -> None:
    later = version() + 1
    message = f"run/last.safetensors was written by a later driftrec .recipe version {later}, .* update driftrec$"
    with pytest.raises(ValueError, match=message):
        from_dump({"version": later, "warp": 9}, "run/last.safetensors")
    with pytest.raises(ValueError, match=r"^x holds a recipe that cannot be used: unknown setting 'data.crp'; did you"):
        from_dump({"data": {"crp": 3}}, "x")
