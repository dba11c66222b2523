"""One ONNX file says and computes what the checkpoint did."""

import json
import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto

from driftrec.diffusion.plan import Plan
from driftrec.diffusion.process import OUVE
from driftrec.model.card import ModelError
from driftrec.model.find import find_model
from driftrec.model.onnx import Network
from driftrec.train.export import export
from driftrec.train.model import load
from driftrec.train.nn.unet import UNet, UNetConfig
from support import random_checkpoint

NETWORK = UNetConfig(2, (8, 12), (1, 1), (1,))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights, such as a run leaves behind."""
    return random_checkpoint(tmp_path_factory.mktemp("run") / "best.safetensors", NETWORK)


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    assert export(trained, path, "tiny", "CC0-1.0") < 1e-2
    return path


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 8, 36), (5, 20, 12)])
@pytest.mark.parametrize("ratio", [0.01, 0.2, math.inf])
def test_the_file_computes_what_pytorch_does(
    exported: Path, shape: tuple[int, int, int], ratio: float, rng: np.random.Generator
) -> None:
    batch, height, width = shape
    y = rng.random((batch, 3, height, width), dtype=np.float32)
    residual = 0.1 * rng.standard_normal(y.shape, dtype=np.float32)
    model = load(exported).denoiser.network  # the weights as they are stored
    with torch.no_grad():
        expected = model(torch.from_numpy(residual), torch.full((batch,), ratio), torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(Network(exported)(residual, ratio, y), expected, atol=1e-4)
    assert np.abs(expected - y).max() > 5e-3


def test_large_weights_are_stored_in_8_bits_and_half_precision(exported: Path) -> None:
    weights = onnx.load(exported).graph.initializer
    large = [w for w in weights if np.prod(w.dims) >= 64 and w.data_type != TensorProto.INT64]
    assert {w.data_type for w in large} == {TensorProto.INT8, TensorProto.FLOAT16}


def test_the_file_names_no_folder_of_the_machine_that_wrote_it(exported: Path) -> None:
    assert b"/driftrec/" not in exported.read_bytes()  # as in the stack traces that PyTorch's exporter leaves


def test_the_card_says_what_the_run_was(exported: Path) -> None:
    card = Network(exported).card
    assert (card.name, card.multiple, card.plan) == ("tiny", 4, Plan())
    assert (
        0
        < card.ratio_min
        < card.plan.process.ratio(card.plan.end)
        < card.plan.process.ratio(card.plan.start)
        < card.ratio_max
    )
    assert card.facts["licence"] == "CC0-1.0"
    assert card.facts["training"]["licences"] == {"CC0": 3}
    assert card.facts["parameters"] == sum(p.numel() for p in load_model(exported))


def load_model(_: Path) -> list[torch.nn.Parameter]:

    return list(UNet(NETWORK).parameters())


def test_denoisers_follow_their_process(exported: Path, rng: np.random.Generator) -> None:
    # The same (r/k, s) reached through two processes gives the same estimate: the network belongs to none.
    network = Network(exported)
    y = rng.random((1, 3, 8, 8), dtype=np.float32)
    r0 = 0.1 * rng.standard_normal(y.shape, dtype=np.float32)
    results = []
    for process in (OUVE(), OUVE(gamma=3, sigma_max=0.5)):
        t = process.time_of_log_snr(2.0)
        results.append(network.denoiser(process)(y + np.float32(process.scale(t)) * r0, y, t))
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)
    np.testing.assert_array_equal(network.regression()(y, y, 1.0), network(r0, math.inf, y))


def test_what_is_no_model_is_named(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model 'nosuch'"):
        find_model("nosuch")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"bad\.onnx is not a model"):
        Network(tmp_path / "bad.onnx")
    plain = onnx.load(exported)
    onnx.helper.set_model_props(plain, {"driftrec": json.dumps({"name": "x"})})
    onnx.save(plain, tmp_path / "plain.onnx")
    with pytest.raises(ModelError, match="no valid driftrec card"):
        Network(tmp_path / "plain.onnx")


def test_an_export_that_differs_leaves_no_file(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftrec.train.export.TOLERANCE", 0.0)
    with pytest.raises(ValueError, match="was not written"):
        export(trained, tmp_path / "m.onnx", "tiny", "CC0-1.0")
    assert list(tmp_path.iterdir()) == []


def test_networks_that_8_bits_would_change_too_much_are_stored_in_half_precision(
    trained: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rough = export(trained, tmp_path / "rough.onnx", "tiny", "CC0-1.0")
    monkeypatch.setattr("driftrec.train.export.TOLERANCE", rough / 2)
    assert export(trained, tmp_path / "fine.onnx", "tiny", "CC0-1.0") <= rough / 2
    assert TensorProto.INT8 not in {weight.data_type for weight in onnx.load(tmp_path / "fine.onnx").graph.initializer}
    checkpoint, fine, coarse = (
        torch.cat([weight.flatten() for weight in load(path).denoiser.network.parameters()])
        for path in (trained, tmp_path / "fine.onnx", exported)
    )
    assert (fine - checkpoint).abs().max() < (coarse - checkpoint).abs().max() / 4


def test_sessions_widen_the_weights_once(exported: Path, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    ort.InferenceSession(str(exported), options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(tmp_path / "optimised.onnx").graph
    assert "Cast" not in {node.op_type for node in optimised.node}
    assert TensorProto.INT8 not in {weight.data_type for weight in optimised.initializer}


def test_model_files_name_no_folder_and_can_be_trained_further(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    folder = str(tmp_path / "secret")
    data = {"folders": [folder, folder], "weights": [2, 1], "drawn": {"share": 0.5, "fonts": [folder]}}
    network = UNetConfig(2, (8, 12), (1, 1), (1,))
    export(random_checkpoint(tmp_path / "best.safetensors", network, data=data), tmp_path / "a.onnx", "a", "CC0-1.0")
    proto = onnx.load(tmp_path / "a.onnx")
    assert "secret" not in proto.metadata_props[0].value
    config = load(tmp_path / "a.onnx").denoiser.config
    assert config.data.drawn is not None
    assert (config.data.folders, config.data.weights, config.data.drawn.share) == ((), (), 0.5)
