"""What networks may learn: every denoiser and loss against the formula it stands for, and that recipes build them."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import Tensor, nn

from driftrec.diffusion.oracle import GaussianPairs
from driftrec.diffusion.process import OUVE, TSDVE, VP, Bridge, CosVE, Process
from driftrec.model.card import ModelError
from driftrec.model.onnx import Network
from driftrec.restoration.restorer import Restorer
from driftrec.train import checkpoint
from driftrec.train.data.crops import open_corpus
from driftrec.train.denoiser import Direct, Loss, Residual, Score
from driftrec.train.export import export
from driftrec.train.loop import train
from driftrec.train.objective import draw_noise
from driftrec.train.recipe import NoiseSection, TrainConfig
from driftrec.train.runner import TorchRunner
from driftrec.train.validate import Validation
from support import jpeg_file, scene

PROCESSES = [OUVE(), TSDVE(2), CosVE(), VP(std_max=0.4), Bridge(0.3)]
NETWORK = {"patch": 2, "channels": [16, 24], "encoder": [1, 1], "decoder": [1]}


class Exact(nn.Module):
    """σ times the exact score of Gaussian pairs: what a perfectly trained network of the paper answers."""

    def __init__(self, pairs: GaussianPairs, anchor: float | None = None) -> None:
        super().__init__()
        self.pairs, self.anchor = pairs, anchor

    def forward(self, xt: Tensor, log_std: Tensor, y: Tensor) -> Tensor:
        out = torch.empty_like(xt)
        for n, sigma in enumerate(log_std.exp().tolist()):
            k, variance = self._moments(sigma)
            centre = y[n] if self.anchor is None else self.anchor
            out[n] = -sigma * (xt[n] - centre - k * self.pairs.mean) / variance
        return out

    def _moments(self, sigma: float) -> tuple[float, float]:
        process = self.pairs.process
        times = np.linspace(1e-4, 0.5, 200_001) if isinstance(process, Bridge) else np.linspace(1e-4, 1, 200_001)
        t = float(np.interp(sigma, process.std(times), times))
        return process.scale(t), self.pairs.marginal_variance(t)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_a_perfect_score_is_a_perfect_denoiser(process: Process, rng: np.random.Generator) -> None:
    pairs = GaussianPairs(process, mean=0.05, variance=0.01)
    model = Score(Exact(pairs), process)
    y, residual = (torch.from_numpy(rng.random((4, 3, 4, 4), dtype=np.float32)) for _ in range(2))
    times = [0.02, 0.1, 0.3, 0.45]
    ratio = torch.tensor([process.ratio(t) for t in times])
    got = model(residual * 0.2, ratio, y)
    for n, t in enumerate(times):
        xt = y[n] + process.scale(t) * residual[n] * 0.2
        np.testing.assert_allclose(got[n], pairs.denoise(xt.double(), y[n].double(), t), atol=2e-4)


class Listening(nn.Module):
    """Remembers its inputs and answers the first of them."""

    config = None

    def forward(self, x: Tensor, c_noise: Tensor, y: Tensor) -> Tensor:
        self.inputs = x, c_noise, y
        return x


@pytest.mark.parametrize("std", [None, 0.05])
def test_what_a_score_network_sees(std: float | None, rng: np.random.Generator) -> None:
    network, process, t = Listening(), OUVE(), 0.4
    y, r0, z = (torch.from_numpy(rng.standard_normal((2, 3, 8, 8), dtype=np.float32)) for _ in range(3))
    k, sigma, s = process.scale(t), process.std(t), process.ratio(t)
    estimate = Score(network, process, residual_std=std)(0.05 * r0 + s * z, torch.full((2,), s), y)
    state, c_noise, _ = network.inputs
    if std is None:
        expected, level = y + k * 0.05 * r0 + sigma * z, math.log(sigma)
    else:
        expected, level = (0.05 * r0 + s * z) / math.hypot(0.05, s), math.log(s) / 4
        assert state.std() == pytest.approx(1, abs=0.1)
    torch.testing.assert_close(state, expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(c_noise, torch.full((2,), level), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(estimate, y + 0.05 * r0 + s * z + s * state)  # (E25), with F of what it saw


@pytest.mark.parametrize(
    ("network", "inputs", "std"),
    [
        (NETWORK, None, 0.07),
        (NETWORK, "state", None),
        ({"kind": "ncsnpp", "features": 4, "multipliers": [1, 1], "attention": []}, None, None),
        ({"kind": "ncsnpp", "features": 4, "multipliers": [1, 1], "attention": []}, "scaled", 0.07),
    ],
)
def test_which_inputs_a_recipe_gives_to_a_score(network: dict, inputs: str | None, std: float | None) -> None:
    objective = {"predicts": "score", "weight": "score", "inputs": inputs}
    noise = {"regression": 0, "law": "time", "residual_std": 0.07}
    score = TrainConfig.model_validate({"network": network, "objective": objective, "noise": noise}).denoiser()
    assert isinstance(score, Score)
    assert score.residual_std == std


def test_a_score_may_be_anchored_in_gray(rng: np.random.Generator) -> None:
    process = VP()
    pairs = GaussianPairs(process, mean=0.05, variance=0.01)
    model = Score(Exact(pairs, 0.5), process, anchor="gray")
    y, residual = (torch.from_numpy(rng.random((1, 3, 4, 4), dtype=np.float32)) for _ in range(2))
    xt, gray = 0.5 + process.scale(0.4) * residual, torch.full_like(y, 0.5)
    expected = pairs.denoise(xt.double(), gray.double(), 0.4)
    np.testing.assert_allclose(model(residual, torch.tensor([process.ratio(0.4)]), y), expected, atol=2e-4)


@pytest.mark.parametrize("process", PROCESSES[:4], ids=str)
def test_the_score_weight_is_denoising_score_matching(process: Process, rng: np.random.Generator) -> None:
    # ½ E|σ s + z|² written out with the state, its score and its noise.
    t, (x0, y, z, raw) = 0.6, (torch.from_numpy(rng.random((2, 3, 5, 5))) for _ in range(4))
    k, sigma, ratio = process.scale(t), process.std(t), torch.full((2,), process.ratio(t)).double()
    xt = y + k * (x0 - y) + sigma * z
    score = raw / sigma
    estimate = y + (xt - y + sigma**2 * score) / k
    expected = (sigma * score + z).square().mean((1, 2, 3)) / 2
    torch.testing.assert_close(Loss("score")(x0, y, estimate, ratio), expected, rtol=1e-6, atol=1e-9)
    absolute = (sigma * score + z).abs().mean((1, 2, 3)) / math.sqrt(2) * sigma**1.5
    got = Loss("score", absolute=True, std_exponent=1.5)(x0, y, estimate, ratio, torch.full((2,), sigma).double())
    torch.testing.assert_close(got, absolute, rtol=1e-6, atol=1e-9)


def test_other_weights_by_hand() -> None:
    x0, y, estimate = torch.zeros(2, 1, 2, 2), torch.full((2, 1, 2, 2), 0.1), torch.full((2, 1, 2, 2), 0.2)
    ratio = torch.tensor([torch.inf, 0.1])
    torch.testing.assert_close(Loss("none")(x0, y, estimate, ratio), torch.tensor([0.04, 0.04]))
    torch.testing.assert_close(Loss("edm", residual_std=0.2)(x0, y, estimate, ratio), torch.tensor([1.0, 5.0]))
    torch.testing.assert_close(
        Loss("edm", residual_std=0.2, absolute=True)(x0, y, estimate, ratio)[0], torch.tensor(1.0)
    )


class Answers(nn.Module):
    """Answers y/2 whatever it is asked."""

    def forward(self, x: Tensor, c_noise: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002
        return y / 2


def test_direct_predictions_mean_what_they_say() -> None:
    y, r, ratio = torch.full((1, 3, 2, 2), 0.4), torch.zeros(1, 3, 2, 2), torch.tensor([torch.inf])
    for predicts, value in (("clean", 0.2), ("change", 0.6), ("mask", 0.08)):
        torch.testing.assert_close(Direct(Answers(), predicts, 0.05)(r, ratio, y), torch.full_like(y, value))


def test_the_blind_do_not_see_and_gray_anchors_do_not_move() -> None:
    r, ratio = torch.full((1, 3, 2, 2), 0.1), torch.tensor([0.1])
    images = torch.rand(2, 1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    blind = Residual(Answers(), 0.25, "gray", blind=True)
    torch.testing.assert_close(blind(r, ratio, images[0]), blind(r, ratio, images[1]))
    expected = 0.5 + 0.25**2 / (0.25**2 + 0.01) * 0.1 + 0.25 * 0.1 / math.hypot(0.25, 0.1) * images[0] / 2
    torch.testing.assert_close(Residual(Answers(), 0.25, "gray")(r, ratio, images[0]), expected)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_times_are_drawn_uniformly(process: Process) -> None:
    section = NoiseSection(regression=0, law="time", process=process.card(), earliest=0.05)
    ratio, std, z = draw_noise((4000, 1, 2, 2), section, seed=3)
    last = 1 - 1e-3 if isinstance(process, Bridge) else 1.0
    times = process.time_of_ratio(ratio.double().numpy().clip(process.ratio(0.05), process.ratio(last) * (1 - 1e-7)))
    assert stats.kstest((times - 0.05) / (last - 0.05), "uniform").pvalue > 0.01
    np.testing.assert_allclose(std, process.std(times), rtol=1e-3)
    assert z.std().item() == pytest.approx(1, abs=0.02)


# ------------------------------------------------------------------------------------------------ in whole runs

OBJECTIVES = {
    "score": {
        "objective": {"predicts": "score", "weight": "score"},
        "noise": {"regression": 0, "law": "time", "process": {"name": "CosVE"}},
    },
    "regression": {"objective": {"predicts": "change", "weight": "none"}, "noise": {"regression": 1}},
    "palette": {
        "objective": {"anchor": "gray", "weight": "edm"},
        "noise": {"regression": 0.25, "residual_std": 0.25, "log_mean": -1.5},
    },
    "prior": {
        "objective": {"anchor": "gray", "blind": True, "weight": "edm"},
        "noise": {"regression": 0, "residual_std": 0.25, "log_mean": -1.5},
    },
}


PROBES = {"score": 0.05, "prior": 0.2}
"""Ratios at which estimates are scored where there are none at infinity: those that the recipe trains most."""

Runs = dict[str, tuple[Path, dict, dict]]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """(checkpoint, last record, scores of its network before it was trained) of a tiny run of every objective."""
    folder, made = tmp_path_factory.mktemp("objectives"), {}
    (folder / "clean").mkdir()
    for i in range(8):
        Image.fromarray(scene(168, 168, seed=i)).save(folder / "clean" / f"{i}.png")
    base = {
        "data": {"folders": [str(folder / "clean")], "held_out": 0.3, "crop": 32},
        "network": NETWORK,
        "batch": 4,
        "steps": 60,
        "warm_up": 5,
        "ema": 0.9,
        "precision": "32-true",
        "workers": 0,
    }
    for name, objective in OBJECTIVES.items():
        config = TrainConfig.model_validate(base | objective)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("driftrec.train.validate.PROBE", PROBES.get(name, 0.05))
            *_, record = train(config, folder / name, cache=folder)
            made[name] = folder / name / "best.safetensors", record, untrained_scores(config, folder)
    return made


def untrained_scores(config: TrainConfig, cache: Path) -> dict[str, float]:
    """The scores of a new network on the pictures that the run validates on."""
    corpus = open_corpus(list(config.data.folders), cache)
    validation = Validation(config, corpus.split(config.data.held_out)[1])
    validation.has_natural = False  # not compared, and the slowest part
    torch.manual_seed(config.seed)
    return validation(config.denoiser(), torch.device("cpu"))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_trains(name: str, runs: Runs) -> None:
    _, record, before = runs[name]
    kind, other = ("denoised", "faithful") if name in PROBES else ("faithful", "denoised")
    gains = [record[f"{kind}_{quality}"] - before[f"{kind}_{quality}"] for quality in (5, 10, 20)]
    assert min(gains) > 0
    assert f"{other}_10" not in record
    assert ("natural_10" in record) == (name in ("score", "palette"))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_checkpoints_restore_as_far_as_they_can(name: str, runs: Runs) -> None:
    path, *_ = runs[name]
    if name == "prior":
        with pytest.raises(ModelError, match="is a prior that does not look at the picture"):
            Restorer(path)
        return
    restorer, pixels = Restorer(path, device="cpu"), scene(50, 70)
    if name != "score":
        assert restorer.restore_pixels(pixels, mode="faithful").shape == (50, 70, 3)
    else:
        with pytest.raises(ValueError, match="has no faithful estimate: take the mean of natural samples"):
            restorer.restore_pixels(pixels, mode="faithful")
    if name == "regression":
        with pytest.raises(ValueError, match="is a regression and cannot sample: ask for faithful"):
            restorer.restore_pixels(pixels)
    else:
        one, other = (restorer.restore_pixels(pixels, steps=4, seed=seed) for seed in (1, 2))
        assert one.shape == (50, 70, 3)
        assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_exports_to_the_same_numbers(name: str, runs: Runs, tmp_path: Path) -> None:
    path, *_ = runs[name]
    export(path, tmp_path / "m.onnx", "m", "CC0-1.0")
    exported, ours = Network(tmp_path / "m.onnx"), TorchRunner(path, device="cpu")
    assert exported.card.plan == ours.card.plan
    assert (exported.card.faithful, exported.card.natural) == (ours.card.faithful, ours.card.natural)
    rng = np.random.default_rng(0)
    y, residual = rng.random((2, 1, 3, 16, 24), dtype=np.float32)
    for ratio in (0.02, 0.3):
        np.testing.assert_allclose(exported(residual / 5, ratio, y), ours(residual / 5, ratio, y), atol=2e-3)


def test_samples_of_a_score_network_count_their_evaluations(runs: Runs) -> None:
    restorer, seen = Restorer(runs["score"][0], device="cpu"), []
    restored = restorer.restore(
        jpeg_file(scene(64, 64), quality=10),
        steps=5,
        samples=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert restored.evaluations == 10
    assert seen[-1] == (10, 10)
    assert restored.deviation is not None


def test_restorers_with_checkpoints_can_be_pickled(runs: Runs) -> None:
    restorer, pixels = Restorer(runs["score"][0], device="cpu", threads=1, steps=2), scene(32, 32)
    packed = pickle.dumps(restorer)
    assert len(packed) < 10_000  # the path of the checkpoint, not its weights
    np.testing.assert_array_equal(pickle.loads(packed).restore_pixels(pixels), restorer.restore_pixels(pixels))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"objective": {"predicts": "score"}},
            "a score has no value at s = ∞: set noise.law: time",
        ),
        ({"objective": {"weight": "score"}}, "the score weight is 0 at s = ∞"),
        (
            {"network": {"kind": "ncsnpp", "conditional": False}},
            "a network that is not conditional does not see the state",
        ),
        ({"noise": {"process": {"name": "DDPM"}}}, "there is no process 'DDPM'"),
    ],
)
def test_objectives_that_do_not_fit_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig.model_validate(settings)


def test_checkpoints_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no checkpoint .*none.safetensors"):
        Restorer(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"bad")
    with pytest.raises(ModelError, match="cannot be read as a checkpoint"):
        Restorer(tmp_path / "bad.safetensors")
    checkpoint.write(tmp_path / "x.safetensors", {"w": torch.zeros(1)}, {"config": {}})
    with pytest.raises(ModelError, match="checkpoints run in PyTorch, not on 'openvino'"):
        Restorer(tmp_path / "x.safetensors", device="openvino")
