"""Experiments on networks that have learnt nothing: every one runs, is recorded, and gets its page."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from driftrec.diffusion.process import OUVE
from driftrec.model.runner import Runner
from driftrec.train import checkpoint
from driftrec.train.data.crops import open_corpus
from driftrec.train.dump import dump
from driftrec.train.recipe import read_recipe
from experiment import app
from experiments.catalogue import EXPERIMENTS, Experiment, Plot
from experiments.exact import exact
from experiments.lab import Lab, Measured, open_lab, sampled
from experiments.report import page, read_records, table, write_records
from support import scene

ROOT = Path(__file__).parents[1]
RECIPES = {path.stem: path for path in (ROOT / "research/recipes").glob("*.yaml")}
SMALL = {"network.channels": [8, 12, 16], "network.encoder": [1, 1, 1]}
TINY = {"network.features": 4, "network.multipliers": [1, 2]}


def difference(restored: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """In the place of LPIPS, whose weights are not part of the repository."""
    return (restored - clean).abs().mean((1, 2, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds pictures, and a run of every recipe of the experiments with a smaller network, untrained."""
    folder = tmp_path_factory.mktemp("experiments")
    (folder / "clean").mkdir()
    for number in range(8):
        Image.fromarray(scene(168, 176, seed=number)).save(folder / f"clean/{number}.png")
    for name, recipe in RECIPES.items():
        config = read_recipe(recipe, TINY if name.startswith("tiny-") else SMALL)
        (folder / "runs" / name).mkdir(parents=True)
        torch.manual_seed(0)
        data = {"pictures": 8, "megapixels": 0, "licences": {}}
        facts = {"config": dump(config), "data": data, "hardware": "none", "step": 0, "minutes": 0.0}
        checkpoint.write(folder / "runs" / name / "best.safetensors", dict(config.denoiser().named_parameters()), facts)
    return folder


@pytest.fixture(scope="module")
def lab(folder: Path) -> Lab:
    return Lab(open_corpus([folder / "clean"], folder / "cache"), folder / "runs", difference, 2, 32, threads=1)


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "exact"])
def test_every_experiment_runs_and_gets_its_page(name: str, lab: Lab, tmp_path: Path) -> None:
    asked: set[str] = set()

    class Asked(Lab):
        def _open(self, name: str) -> Runner:
            asked.add(name)
            return lab.runner(name)

    measured = list(EXPERIMENTS[name].run(Asked(lab.corpus, lab.runs, lab.lpips, lab.pictures, lab.size)))
    assert asked == set(EXPERIMENTS[name].runs)
    write_records(measured, ["a condition"], tmp_path / f"{name}.jsonl")
    rows, conditions = read_records(tmp_path / f"{name}.jsonl")
    assert rows == measured
    assert {row.picture for row in rows} == {0, 1}
    assert all(np.isfinite(list(row.metrics.values())).all() for row in rows)
    text = page(name, EXPERIMENTS[name], rows, tmp_path, conditions).read_text(encoding="utf-8")
    assert "Means over 2 pictures." in text
    assert "* a condition" in text
    for plot in EXPERIMENTS[name].plots:
        assert f"({name}-{plot.y}.png)" in text
        assert (tmp_path / f"{name}-{plot.y}.png").stat().st_size > 5000


def test_exact_samplers_lose_their_error_with_steps() -> None:
    rows = {(row.settings["sampler"], row.settings["N"]): row.metrics for row in exact((10, 30), side=100)}
    for sampler in ("ancestral", "reverse-diffusion", "langevin"):
        assert abs(rows[sampler, 30]["spread"]) < abs(rows[sampler, 10]["spread"])
    for (_, count), metrics in rows.items():
        assert count == "adaptive" or metrics["evaluations"] <= float(count)


def test_settings_go_down_or_across_a_table() -> None:
    rows = [
        Measured({"sampler": sampler, "N": count}, picture, {"psnr": 20.0 + count + picture})
        for sampler, count in (("a", 10), ("a", 5), ("b", 10))
        for picture in (0, 1)
    ]
    assert table(rows, ["psnr"]).splitlines() == [
        "| sampler | N | PSNR (dB) ↑ |",
        "| --- | --- | ---: |",
        "| a | 10 | 30.50 |",
        "| a | 5 | 25.50 |",
        "| b | 10 | 30.50 |",
    ]
    assert table(rows, ["psnr"], "N").splitlines() == [
        "| sampler | PSNR (dB) ↑, N = 5 | PSNR (dB) ↑, N = 10 |",
        "| --- | ---: | ---: |",
        "| a | 25.50 | 30.50 |",
        "| b | – | 30.50 |",
    ]


def test_a_plot_has_a_line_for_every_setting_that_is_not_drawn(tmp_path: Path) -> None:
    plots = (Plot("N", "psnr", "sampler", True), Plot("N", "bias", "sampler"))
    experiment = Experiment("Title", "Caption.", lambda _: iter(()), (), plots)
    rows = [Measured({"sampler": "a", "N": count, "start": 1}, 0, {"psnr": 1.0}) for count in (1, 10)]
    text = page("x", experiment, rows, tmp_path, []).read_text(encoding="utf-8")
    assert "x-psnr.png" in text
    assert "bias" not in text  # nothing to draw


def test_every_picture_has_its_own_noise_whatever_stands_beside_it(lab: Lab) -> None:
    y = np.random.default_rng(0).random((2, 3, 32, 32), dtype=np.float32)
    for sampler in ("multistep", "probability-flow"):
        both = sampled(lab.runner("driftrec"), y, OUVE(), 3, sampler=sampler, start=0.5)
        first = sampled(lab.runner("driftrec"), y[:1], OUVE(), 3, sampler=sampler, start=0.5)
        np.testing.assert_allclose(both[:1], first, atol=1e-4)


# ------------------------------------------------------------------------------------------------- the command


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output.replace("\n", " ")


@pytest.fixture
def measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric without weights, a cache of the test's own."""
    monkeypatch.setenv("DRIFTREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("experiments.lab.find", lambda *_: Path("weights"))
    monkeypatch.setattr("experiments.lab.Lpips", lambda *_: difference)


@pytest.mark.usefixtures("measuring")
def test_the_command_writes_records_pages_and_conditions(folder: Path, tmp_path: Path) -> None:
    options = ["--data", str(folder / "clean"), "--held-out", "0.4", "--threads", "1", "--pictures", "1"]
    code, output = run(
        "colour", "denoising", *options, "--runs", str(folder / "runs"), "--out", str(tmp_path / "deep/out")
    )
    assert code == 0, output
    text = (tmp_path / "deep/out/colour.md").read_text(encoding="utf-8")
    for line in (
        "* `driftrec`: 0.0",
        "* `score`: ",
        "held-out pictures of clean, 160 × 160",
        "`python research/experiment.py col",
    ):
        assert line in text
    assert "`denoise`" not in text
    assert "`denoise`: " in (tmp_path / "deep/out/denoising.md").read_text(encoding="utf-8")
    (tmp_path / "deep/out/colour.md").write_text("spoilt", encoding="utf-8")
    code, output = run("colour", "--redraw", "--out", str(tmp_path / "deep/out"))
    assert code == 0, output
    assert (tmp_path / "deep/out/colour.md").read_text(encoding="utf-8") == text


def test_the_command_lists_experiments_and_refuses_others() -> None:
    code, output = run("list")
    assert code == 0
    assert all(name in output for name in EXPERIMENTS)
    assert run("nothing") == (
        1,
        f"driftrec: there is no experiment 'nothing': choose from {', '.join(EXPERIMENTS)}, or all ",
    )


@pytest.mark.usefixtures("measuring")
def test_what_is_missing_is_named_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "none")]
    code, output = run("averaging", *out)
    assert code == 1
    assert "this experiment needs pictures: name the folders of the training with --data" in output
    data = ["--data", str(folder / "clean"), "--held-out", "0.4"]
    for name, recipe in (("averaging", "driftrec"), ("ncsnpp", "tiny-ouve"), ("denoising", "denoise")):
        code, output = run(name, *out, *data)
        assert code == 1
        assert f"best.safetensors is not there: driftrec train research/recipes/{recipe}.yaml --data" in output.replace(
            "  ", " "
        )
    assert not list((tmp_path / "out").glob("*.jsonl"))
    code, output = run("noise", *out, "--redraw")
    assert code == 1
    assert "noise.jsonl holds no records of an experiment: run it first" in output


def test_a_lab_looks_for_weights_when_it_measures(tmp_path: Path) -> None:
    lab = open_lab([], 0.1, tmp_path, tmp_path, 1, None)
    with pytest.raises(ValueError, match="lpips"):
        lab.lpips(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))
