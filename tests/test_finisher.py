"""Finishers: the states they learn from, their loss, a training, and one file of both networks."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.weights import LPIPS_ALEX
from driftrec.model.card import ModelError
from driftrec.model.onnx import Network
from driftrec.restoration.restorer import Restorer
from driftrec.train import checkpoint
from driftrec.train.export import export
from driftrec.train.finisher import Finishing, repeated
from driftrec.train.loop import BEST, Run, train
from driftrec.train.model import load
from driftrec.train.nn.cost import cost
from driftrec.train.objective import Share
from driftrec.train.recipe import TrainConfig
from driftrec.train.runner import TorchRunner
from support import scene

NETWORK = {"patch": 2, "channels": [8, 12], "encoder": [1, 1], "decoder": [1]}
DEEPER = NETWORK | {"encoder": [1, 2], "decoder": [2]}
DATA = {"pictures": 3, "megapixels": 1, "licences": {"CC0": 3}}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A denoiser with random weights, such as a run leaves behind."""
    path = tmp_path_factory.mktemp("run") / BEST
    config = TrainConfig.model_validate({"network": NETWORK})
    torch.manual_seed(5)
    weights = {name: p + 0.05 * torch.randn_like(p) for name, p in config.denoiser().named_parameters()}
    facts = {"config": config.model_dump(mode="json"), "step": 9, "minutes": 2.0, "hardware": "a test", "data": DATA}
    checkpoint.write(path, weights, facts)
    return path


@pytest.fixture
def lpips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lpips:
    """LPIPS with random weights, where the program looks for the real ones."""
    generator = torch.Generator().manual_seed(1)
    shapes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    tensors = {}
    for layer, (out, inner, side) in shapes.items():
        std = (2 / (inner * side**2)) ** 0.5
        tensors[f"features.{layer}.weight"] = std * torch.randn(out, inner, side, side, generator=generator)
        tensors[f"features.{layer}.bias"] = torch.zeros(out)
    for head, (out, *_) in enumerate(shapes.values()):
        tensors[f"lin{head}.weight"] = torch.rand(1, out, 1, 1, generator=generator) / out
    monkeypatch.setenv("DRIFTREC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    save_file(tensors, tmp_path / "cache" / LPIPS_ALEX.file)
    return Lpips("alex", tmp_path / "cache" / LPIPS_ALEX.file)


def recipe(model: Path, **settings: object) -> TrainConfig:
    finish = {"model": str(model), "networks": ["alex"], "weight": 2.0, "evaluations": [2, 4]}
    return TrainConfig.model_validate({"network": NETWORK, "finish": finish} | settings)


def corrupted(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.usefixtures("lpips")
def test_states_are_those_of_the_plan_before_its_last_evaluation(model: Path) -> None:
    finishing, y = Finishing(recipe(model), CPU), corrupted(4)
    plan = finishing.plan
    ends = finishing.ends(y, 0)
    with torch.no_grad():
        guess = load(model).denoiser.network(torch.zeros_like(y), torch.full((4,), math.inf), y)
    change = (guess - y).square().mean(dim=(1, 2, 3)).sqrt()
    # Even images: two evaluations, so faithful estimate plus noise half-way from (E20) to the end; odd ones: the end.
    start = (change.square() / plan.level).clamp(max=plan.process.ratio(plan.start))
    assert (start > plan.process.ratio(plan.end)).all()
    middle = (start * plan.process.ratio(plan.end)).sqrt()
    torch.testing.assert_close(ends.ratio[::2], middle[::2], rtol=1e-4, atol=0)
    torch.testing.assert_close(ends.ratio[1::2], torch.full((2,), plan.process.ratio(plan.end)), rtol=1e-4, atol=0)
    noise = ((ends.residual - (guess - y)) / ends.ratio[:, None, None, None])[::2]
    assert noise.mean().abs() < 0.05
    assert noise.std() == pytest.approx(1, abs=0.05)


@pytest.mark.usefixtures("lpips")
def test_states_depend_on_the_image_and_its_number_alone(model: Path) -> None:
    finishing, y = Finishing(recipe(model), CPU), corrupted(4)
    whole = finishing.states(y, y, Share(3, 0, 4))
    parts = [finishing.states(y[i : i + 2], y[i : i + 2], Share(3, i, 4)) for i in (0, 2)]
    for together, *apart in zip(whole, *parts, strict=True):
        torch.testing.assert_close(together, torch.cat(apart), rtol=1e-4, atol=1e-5)
    assert not torch.equal(whole[0], finishing.states(y, y, Share(4, 0, 4))[0])


def test_nothing_to_sample_leaves_the_faithful_estimate(model: Path, lpips: Lpips) -> None:  # noqa: ARG001
    finishing = Finishing(recipe(model), CPU)
    for parameter in finishing.denoiser.parameters():  # which now changes nothing
        parameter.zero_()
    y = corrupted(2)
    ends = finishing.ends(y, 0)
    assert not ends.residual.any()
    torch.testing.assert_close(ends.ratio, torch.full((2,), finishing.plan.process.ratio(finishing.plan.end)))


def test_the_loss_by_hand(model: Path, lpips: Lpips) -> None:
    finishing = Finishing(recipe(model), CPU)
    x0, y, estimate = corrupted(2, 1), corrupted(2, 2), corrupted(2, 3) * 1.2 - 0.1
    for n, loss in enumerate(finishing.distance(x0, y, estimate)):
        errors = [((a[n] - x0[n]).numpy().astype(float) ** 2).mean() for a in (estimate, y)]
        distance = lpips(estimate[n : n + 1].clamp(0, 1), x0[n : n + 1]).item()
        error = (estimate[n] - x0[n]).numpy().astype(float)
        blocks = [error[:, i : i + 8, j : j + 8] for i in range(0, 32, 8) for j in range(0, 32, 8)]
        mean = np.mean(blocks, axis=0)
        pattern = 16 * ((mean - mean.mean((1, 2), keepdims=True)) ** 2).mean()
        expected = (errors[0] + 0.1 * pattern) / (errors[1] + 0.02**2) + 2.0 * distance
        assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_what_repeats_from_block_to_block_counts_as_often_as_it_does() -> None:
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(64, 3, 40, 44, generator=generator)  # the last four columns are part of no block
    assert repeated(noise).mean() == pytest.approx(63 / 64, rel=0.02)
    pattern = torch.randn(1, 3, 8, 8, generator=generator).tile(1, 1, 5, 5)
    deviation = pattern.var(dim=(2, 3), correction=0).mean().item()
    assert repeated(pattern).item() == pytest.approx(25 * deviation, rel=1e-4)
    assert repeated(torch.full((1, 3, 16, 16), 0.3)).item() == pytest.approx(0, abs=1e-9)


def test_every_step_looks_from_another_corner(model: Path, lpips: Lpips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftrec.train.finisher.PERIOD", 4)
    finishing = Finishing(recipe(model), CPU)
    generator = torch.Generator().manual_seed(1)
    x0, y, estimate = (torch.rand(1, 3, 36, 36, generator=generator) for _ in range(3))
    nothing = torch.zeros(1)
    error = (finishing.distance(x0, y, estimate) - 2.0 * lpips(estimate, x0)).item()
    losses = [finishing.loss(x0, y, estimate, nothing, nothing, step).item() for step in range(6)]
    assert len(set(losses)) > 3
    parts = ((..., slice(t, t + 32), slice(u, u + 32)) for t, u in product(range(4), repeat=2))
    seen = np.array([lpips(estimate[part], x0[part]).item() for part in parts])
    for loss in losses:
        assert np.abs(error + 2.0 * seen - loss).min() < 1e-4 * loss
    assert finishing.loss(x0, y, estimate, nothing, nothing, 3).item() == losses[3]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "clean"
    folder.mkdir()
    for seed in range(12):
        Image.fromarray(scene(64, 64, seed)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def few_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation on three crops of 48 pixels."""
    monkeypatch.setattr("driftrec.train.validate.COUNT", 3)
    monkeypatch.setattr("driftrec.train.validate.SIDE", 48)


@pytest.mark.usefixtures("lpips", "few_crops", "half_precision")
def test_a_finisher_learns_ships_with_its_denoiser_and_makes_the_last_step(
    model: Path, pictures: Path, tmp_path: Path
) -> None:
    data = {"folders": [str(pictures)], "crop": 48, "held_out": 0.3}
    settings = {"network": DEEPER, "data": data, "batch": 4, "warm_up": 1, "workers": 0, "learning_rate": 4e-3}
    (first,), (last,) = (list(train(recipe(model, steps=n, **settings), tmp_path / f"run{n}")) for n in (1, 12))
    (tmp_path / "run12").rename(tmp_path / "run")
    assert last["finish_10"] < first["finish_10"]
    assert {"natural_10", "lpips_alex_10"} <= set(last)

    before, after = load(model), load(tmp_path / "run" / BEST)
    assert after.finisher is not None
    for name, value in before.denoiser.network.state_dict().items():
        torch.testing.assert_close(after.denoiser.network.state_dict()[name], value, rtol=0, atol=0)
    assert any(
        not torch.equal(value, after.finisher.network.state_dict()[name])
        for name, value in before.denoiser.network.state_dict().items()
    )

    exported = tmp_path / "both.onnx"
    export(tmp_path / "run" / BEST, exported, "both", "CC0-1.0")
    there = Network(exported), TorchRunner(tmp_path / "run" / BEST)
    assert there[0].card.finisher
    assert there[0].card.plan == after.plan
    plan = there[0].card.plan
    assert (plan.evaluations, plan.colour, plan.texture) == (2, "low-band", 0.8)
    assert there[0].card.facts["finishing"]["steps"] == last["step"]
    facts = there[0].card.facts
    assert facts["finishing"]["earlier"] == before.denoiser.spent()
    parts = before.denoiser.network.network, after.finisher.network.network
    assert facts["parameters"] == sum(p.numel() for part in parts for p in part.parameters())
    assert facts["plan_multiply_adds_per_pixel"] == round(sum(cost(part).multiply_adds for part in parts))
    y, residual = corrupted(2).numpy(), 0.05 * np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype("f4")
    for finish in (False, True):
        results = [runner(residual, 0.1, y, finish=finish) for runner in there]
        np.testing.assert_allclose(*results, atol=2e-3)
    assert np.abs(there[0](residual, 0.1, y) - there[0](residual, 0.1, y, finish=True)).max() > 5e-3
    assert str(pictures) not in onnx.load(exported).SerializeToString().decode("latin1")

    # It may be trained further from what ships, and used as any model.
    again = load(exported)
    assert again.finisher is not None
    assert again.finisher.spent()["steps"] == last["step"] + before.denoiser.spent()["steps"]
    for part, other in ((again.denoiser, after.denoiser), (again.finisher, after.finisher)):
        for (name, a), b in zip(part.network.named_parameters(), other.network.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=2e-3, atol=1e-4, msg=name)
    picture = np.ascontiguousarray(scene(40, 56))
    made = [Restorer(name).restore_pixels(picture) for name in (exported, tmp_path / "run" / BEST)]
    np.testing.assert_allclose(*made, atol=4e-3)


@pytest.mark.usefixtures("lpips", "few_crops")
def test_denoiser_and_lpips_calculate_in_the_precision_of_the_run(model: Path, pictures: Path, tmp_path: Path) -> None:
    data = {"folders": [str(pictures)], "crop": 48, "held_out": 0.3}
    run = Run(recipe(model, data=data, batch=4, workers=0, steps=1, precision="bf16-mixed"), tmp_path, None, tmp_path)
    assert isinstance(run.objective, Finishing)
    seen: set[tuple[str, torch.dtype]] = set()
    for name in ("denoiser", "lpips"):
        for layer in getattr(run.objective, name).modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.register_forward_hook(lambda _, __, out, name=name: seen.add((name, out.dtype)))
    run.step()
    assert seen == {("denoiser", torch.bfloat16), ("lpips", torch.bfloat16)}
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}


@pytest.mark.usefixtures("lpips")
def test_models_that_cannot_be_finished_are_named(model: Path, tmp_path: Path) -> None:
    config = TrainConfig.model_validate({"network": NETWORK, "noise": {"regression": 0.0}})
    tensors, facts = checkpoint.read(model)
    blind = tmp_path / "nofaith.safetensors"
    checkpoint.write(blind, tensors, facts | {"config": config.model_dump(mode="json")})
    with pytest.raises(ValueError, match="no faithful estimate"):
        Finishing(recipe(blind), CPU)
    with pytest.raises(ValueError, match="another objective or residual_std"):
        Finishing(recipe(model, noise={"residual_std": 0.1}), CPU)
    with pytest.raises(ValueError, match=r"data.crop is 32, but .* multiple of 4 pixels from 48 up: set it to 48$"):
        Finishing(recipe(model, data={"crop": 32}), CPU)
    with pytest.raises(ModelError, match="there is no model"):
        Finishing(recipe(tmp_path / "nowhere.safetensors"), CPU)


def test_weights_of_lpips_are_looked_for_where_the_recipe_says(model: Path, lpips: Lpips, tmp_path: Path) -> None:
    (tmp_path / "cache" / LPIPS_ALEX.file).rename(tmp_path / LPIPS_ALEX.file)
    config = recipe(model, finish={"model": str(model), "networks": ["alex"], "weights_folder": str(tmp_path)})
    (found,) = Finishing(config, CPU).lpips
    torch.testing.assert_close(found.state_dict(), lpips.state_dict())


@pytest.mark.usefixtures("few_crops")
def test_runs_start_from_models_that_fit(model: Path, pictures: Path, tmp_path: Path) -> None:
    data = {"folders": [str(pictures)], "crop": 32, "held_out": 0.3}
    deeper = NETWORK | {"encoder": [1, 2]}
    short = {"data": data, "start": str(model), "steps": 1, "batch": 2, "workers": 0, "learning_rate": 1e-9}
    config = TrainConfig.model_validate({"network": deeper, **short})
    list(train(config, tmp_path / "deeper", cache=tmp_path))
    y = corrupted(2)
    ratio = torch.tensor([0.05, math.inf])
    results = [load(path).denoiser.network(0.1 * y, ratio, y) for path in (model, tmp_path / "deeper" / BEST)]
    torch.testing.assert_close(*results, rtol=0, atol=1e-4)  # the new block changes nothing yet
    wider = TrainConfig.model_validate({"network": NETWORK | {"channels": [8, 16]}, **short})
    with pytest.raises(ValueError, match="does not fit"):
        list(train(wider, tmp_path / "wider", cache=tmp_path))
