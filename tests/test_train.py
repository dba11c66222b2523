"""Training: a tiny real run learns, survives being killed, and refuses what it cannot do."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from driftrec.train import checkpoint
from driftrec.train.loop import BEST, LAST, LOG, SHEET, Run, rate_factor, train
from driftrec.train.model import card, load
from driftrec.train.muon import Muon, orthogonalise
from driftrec.train.objective import draw_noise
from driftrec.train.recipe import NoiseSection, TrainConfig, bundled_recipes, parse_settings, read_recipe
from support import scene


@pytest.fixture(scope="session")
def clean_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    for i in range(12):
        Image.fromarray(scene(168, 176, seed=i)).save(folder / f"{i}.png")
    return folder


def tiny(folder: Path, **settings: object) -> TrainConfig:
    base = {
        "data": {"folders": [str(folder)], "held_out": 0.05, "crop": 32},
        "network": {"patch": 2, "channels": [16, 24], "encoder": [1, 1], "decoder": [1]},
        "batch": 4,
        "warm_up": 5,
        "ema": 0.9,
        "precision": "32-true",
        "workers": 0,
    }
    return TrainConfig.model_validate(base | settings)


def test_a_tiny_run_learns_and_leaves_what_it_promises(clean_folder: Path, tmp_path: Path) -> None:
    config = tiny(clean_folder, steps=200, batch=8, learning_rate=4e-3)
    *_, record = train(config, tmp_path / "run", cache=tmp_path)
    assert record["step"] == 200
    for quality in (5, 10, 20):
        assert record[f"faithful_{quality}"] > record[f"jpeg_{quality}"] + 0.1
    assert record["natural_10"] != record["faithful_10"]
    lines = [json.loads(line) for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert lines[-1] == record
    with Image.open(tmp_path / "run" / SHEET) as sheet:
        assert sheet.width == 4 * 160 * 2
    _, facts = checkpoint.read(tmp_path / "run" / BEST)
    assert facts["data"]["licences"] == {"not stated": facts["data"]["pictures"]}
    assert facts["step"] == 200


KILLED = """
import os, signal, sys, torch
from pathlib import Path
from driftrec.train.recipe import TrainConfig
from driftrec.train.loop import train
torch.set_num_threads(1)
config = TrainConfig.model_validate_json(sys.argv[1])
for record in train(config, Path(sys.argv[2]), cache=Path(sys.argv[3])):
    if record["step"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums of several threads may differ in their last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_killed_run_goes_on_to_the_very_same_weights(clean_folder: Path, tmp_path: Path) -> None:
    # Every step saves and validates, so the kill comes between the saves of steps 2 and 3.
    config = tiny(clean_folder, steps=5, validate_every=1e-9, save_every=1e-9)
    list(train(config, tmp_path / "whole", cache=tmp_path))
    arguments = [config.model_dump_json(), str(tmp_path / "broken"), str(tmp_path)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert checkpoint.read(tmp_path / "broken" / LAST)[1]["step"] == 2
    list(train(config, tmp_path / "broken", cache=tmp_path))
    assert_same(tmp_path / "whole" / LAST, tmp_path / "broken" / LAST)


def test_adamw_resumes_exactly_too(clean_folder: Path, tmp_path: Path) -> None:
    # Its fused form walks memory, so the layout of the restored state matters as well as its values.
    config = tiny(clean_folder, steps=4, validate_every=1e-9, save_every=1e-9, optimizer="adamw")
    list(train(config, tmp_path / "whole", cache=tmp_path))
    next(stopped := train(config, tmp_path / "broken", cache=tmp_path))
    next(stopped)
    list(train(config, tmp_path / "broken", cache=tmp_path))
    assert_same(tmp_path / "whole" / LAST, tmp_path / "broken" / LAST)


def assert_same(one: Path, other: Path) -> None:
    a, b = load_file(one), load_file(other)
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def test_a_time_limit_ends_the_sitting_and_the_next_goes_on(clean_folder: Path, tmp_path: Path) -> None:
    config = tiny(clean_folder, minutes=60)
    *_, first = train(config, tmp_path / "run", time_limit=0.02, cache=tmp_path)
    *_, second = train(config, tmp_path / "run", time_limit=0.02, cache=tmp_path)
    assert 0 < first["step"] < second["step"]
    assert second["minutes"] > first["minutes"] >= 0.02


def test_the_run_needs_a_length_and_its_own_folder(clean_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the length of the run is not set"):
        next(train(tiny(clean_folder), tmp_path / "run", cache=tmp_path))
    list(train(tiny(clean_folder, steps=1), tmp_path / "run", cache=tmp_path))
    other = tiny(clean_folder, steps=2, network={"channels": [8, 8], "encoder": [1, 1], "decoder": [1]})
    with pytest.raises(ValueError, match="another network"):
        next(train(other, tmp_path / "run", cache=tmp_path))


def test_a_run_needs_pictures_to_train_and_to_validate_on(clean_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    Image.fromarray(scene(168, 176)).save(tmp_path / "one/0.png")
    for data, sentence in (
        ({}, "there are no training pictures: give --data FOLDER, or data.folders in the recipe"),
        (
            {"folders": [str(tmp_path / "one")]},
            "no picture is left for (training|validation) .1 in all.: add pictures",
        ),
        ({"folders": [str(clean_folder)], "held_out": 0.9999}, "no picture is left for training .12 in all."),
    ):
        with pytest.raises(ValueError, match=sentence):
            next(train(TrainConfig.model_validate({"data": data, "steps": 1}), tmp_path / "run", cache=tmp_path))


def test_validation_may_have_pictures_of_its_own(clean_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "valid").mkdir()
    Image.fromarray(scene(168, 176, seed=99)).save(tmp_path / "valid/0.png")
    config = tiny(clean_folder, steps=1)
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"validation": (tmp_path / "valid",)})},
    )
    run = Run(config, tmp_path / "run", None, tmp_path)
    assert run.facts["data"]["pictures"] == 12
    expected = torch.from_numpy(scene(168, 176, seed=99)[4:164, 8:168]).permute(2, 0, 1) / 255
    torch.testing.assert_close(run.validation.data.clean, expected[None])
    list(train(config, tmp_path / "run", cache=tmp_path))
    assert str(tmp_path) not in json.dumps(card(load(tmp_path / "run" / BEST), "x", "CC0-1.0"))


def test_settings_of_the_optimiser_reach_it(clean_folder: Path, tmp_path: Path) -> None:
    for optimizer in ("adamw", "muon"):
        config = tiny(clean_folder, steps=1, optimizer=optimizer, betas=[0.8, 0.95], weight_decay=0.02)
        (group,) = Run(config, tmp_path / optimizer, None, tmp_path).optimizer.param_groups
        assert (group["betas"], group["weight_decay"]) == ((0.8, 0.95), 0.02)


@pytest.mark.parametrize(("clip", "limited"), [(1e-6, True), (None, False)])
def test_gradients_are_clipped_only_where_the_recipe_says(
    clip: float | None, limited: bool, clean_folder: Path, tmp_path: Path
) -> None:
    run = Run(tiny(clean_folder, steps=1, clip=clip), tmp_path / "run", None, tmp_path)
    norms: list[float] = []

    def norm(*_: object) -> None:
        gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
        norms.append(float(torch.stack([g.norm() for g in gradients]).norm()))

    run.optimizer.optimizer.register_step_pre_hook(norm)
    run.step()
    assert (norms[0] < 2e-6) == limited


def test_the_best_weights_may_be_those_of_the_lowest_loss(clean_folder: Path, tmp_path: Path) -> None:
    regression = {"objective": {"predicts": "clean", "weight": "none"}, "noise": {"regression": 1}}
    run = Run(tiny(clean_folder, steps=1, best_by="loss", **regression), tmp_path / "run", None, tmp_path)
    data = run.validation.data
    scores = run.validation(lambda _r, _s, y: y, torch.device("cpu"))
    errors = {q: (data.corrupted[f"jpeg_{q}"] - data.clean).square().mean().item() for q in (5, 10, 20, 40, 80)}
    for quality, error in errors.items():
        assert scores[f"validation_loss_{quality}"] == pytest.approx(error, rel=1e-4)
    assert run.validation.decision(scores) == pytest.approx(-np.mean(list(errors.values())), rel=1e-4)


def test_a_validation_is_due_when_its_time_has_passed_since_the_end_of_the_last(
    clean_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("driftrec.train.loop.time", SimpleNamespace(monotonic=lambda: clock.seconds))
    step, validate = Run.step, Run._scores

    def slow_step(run: Run) -> None:
        clock.seconds += 60
        step(run)

    def slower_validation(run: Run) -> dict[str, float]:
        clock.seconds += 600
        return validate(run)

    monkeypatch.setattr(Run, "step", slow_step)
    monkeypatch.setattr(Run, "_scores", slower_validation)
    config = tiny(clean_folder, steps=9, validate_every=3, save_every=100)
    assert [record["step"] for record in train(config, tmp_path / "run", cache=tmp_path)] == [3, 6, 9]


def test_a_run_says_what_it_does(clean_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftrec.train.loop.NOTE_EVERY", 0.0)
    for expected in (
        [
            rf"reading the pictures of {clean_folder}",
            r"starting at step 0 in .* validation pictures, 0\.0",
            "1 steps in 0",
        ],
        [rf"reading the pictures of {clean_folder}", "resuming after step 2", "the run in .* is complete"],
    ):
        notes: list[str] = []
        list(train(tiny(clean_folder, steps=2), tmp_path / "run", cache=tmp_path, note=notes.append))
        for pattern, note in zip(expected, notes, strict=False):
            assert re.match(pattern, note), note
        assert len(notes) >= 3


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    config = TrainConfig(warm_up=10, anneal=0.5)
    factors = [rate_factor(config, step, step / 100) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10] == factors[50] == 1
    assert factors[75] == pytest.approx(0.5)
    assert factors[100] == 0


def test_noise_has_its_share_at_infinity_and_depends_on_the_seed_alone() -> None:
    shape, config = (4000, 1, 1, 1), NoiseSection(regression=0.25, log_mean=-2, log_std=0.5)
    ratio, _, z = draw_noise(shape, config, seed=1)
    assert ratio.isinf().sum() == 1000
    finite = ratio[ratio.isfinite()].log()
    assert finite.mean().item() == pytest.approx(-2, abs=0.05)
    assert finite.std().item() == pytest.approx(0.5, abs=0.03)
    again, other = draw_noise(shape, config, seed=1), draw_noise(shape, config, seed=2)
    assert torch.equal(again[2], z)
    assert not torch.equal(other[2], z)


def test_orthogonalise_keeps_directions_and_evens_out_their_sizes() -> None:
    matrices = torch.randn(3, 12, 40, generator=torch.Generator().manual_seed(0))
    for given in (matrices, matrices.mT):
        u, _, vh = torch.linalg.svd(given, full_matrices=False)
        found = orthogonalise(given)
        assert torch.linalg.svdvals(found).sub(1).abs().max() < 0.35
        torch.testing.assert_close(
            (found * (u @ vh)).sum() / (u @ vh).square().sum(), torch.tensor(1.0), atol=0.2, rtol=0
        )


def test_muon_minimises_matrices_and_vectors() -> None:
    generator = torch.Generator().manual_seed(0)
    target, offset = torch.randn(6, 5, 3, 3, generator=generator), torch.randn(6, generator=generator)
    weight, bias = torch.nn.Parameter(torch.zeros_like(target)), torch.nn.Parameter(torch.zeros(6))
    optimizer = Muon([weight, bias], lr=0.1)
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 200)
        ((weight - target).square().mean() + (bias - offset).square().mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert (weight - target).abs().max() < 0.05
    assert (bias - offset).abs().max() < 0.05


def test_recipes_ship_in_working_order() -> None:
    for recipe in [*bundled_recipes(), *(Path(__file__).parents[1] / "research/recipes").glob("*.yaml")]:
        assert read_recipe(recipe, {"steps": 5}).steps == 5


def test_wrong_recipes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    for text, message in [
        ("data: {crp: 64}", "unknown setting 'data.crp'; did you mean 'crop'"),
        ("batch: none", "batch: input should be a valid integer"),
        ("- 1", "is not a recipe"),
        ("a: [", "not a readable recipe"),
    ]:
        path.write_text(text)
        with pytest.raises(ValueError, match=message) as error:
            read_recipe(path)
        assert str(path) in str(error.value)
    with pytest.raises(ValueError, match="not a readable recipe"):
        read_recipe(tmp_path / "missing.yaml")


def test_settings_override_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("batch: 8\ndata: {crop: 64}")
    config = read_recipe(path, parse_settings(["data.crop=48", "minutes=2.5", "network.channels=[8, 8, 8]"]))
    assert (config.batch, config.data.crop, config.minutes, config.network.channels) == (8, 48, 2.5, (8, 8, 8))
    with pytest.raises(ValueError, match="KEY=VALUE"):
        parse_settings(["crop"])


def test_checkpoints_are_complete_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    checkpoint.write(path, {"w": torch.arange(3.0)}, {"step": 1})
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]
    tensors, facts = checkpoint.read(path)
    assert (tensors["w"].tolist(), facts) == ([0, 1, 2], {"step": 1})
    for content in (b"", np.random.default_rng(0).bytes(200)):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read"):
            checkpoint.read(tmp_path / "bad")


def test_the_papers_network_trains_by_its_recipe_and_resumes(clean_folder: Path, tmp_path: Path) -> None:
    network = {"kind": "ncsnpp", "features": 8, "multipliers": [1, 2], "blocks": 1, "attention": [1]}
    config = tiny(clean_folder, steps=30, network=network, learning_rate=2e-3)
    *_, record = train(config, tmp_path / "run", cache=tmp_path)
    assert record["step"] == 30
    assert record["faithful_10"] == pytest.approx(record["jpeg_10"], abs=1)
    tensors, facts = checkpoint.read(tmp_path / "run" / BEST)
    assert facts["config"]["network"]["kind"] == "ncsnpp"
    assert "network.middle.attention.query.weight" in tensors
    with pytest.raises(ValueError, match="another network"):
        next(iter(train(tiny(clean_folder, steps=40), tmp_path / "run", cache=tmp_path)))
