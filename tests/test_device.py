import json

import onnxruntime as ort
import pytest

from driftrec.model import providers as devices
from driftrec.model.find import bundled_models
from driftrec.model.onnx import Network

# What one evaluation needs on any machine is the CPU; other devices are tested down to what ONNX Runtime is handed.


def test_auto_takes_the_fastest_that_is_there() -> None:
    assert [name for name, _ in devices.providers(offered=["cpu"])] == ["CPUExecutionProvider"]
    assert [name for name, _ in devices.providers(offered=["cpu", "openvino"])] == [
        "OpenVINOExecutionProvider",
        "CPUExecutionProvider",
    ]
    assert devices.providers(offered=["openvino", "cuda"])[0][0] == "CUDAExecutionProvider"
    assert devices.providers(offered=["coreml"])[0][0] == "CPUExecutionProvider"  # only by name


def test_openvino_is_told_the_precision_and_the_threads() -> None:
    (_, options), _ = devices.providers("openvino", 3, offered=["openvino"])
    assert options["device_type"] == "CPU"
    assert json.loads(options["load_config"]) == {
        "CPU": {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 3}
    }


def test_core_ml_is_let_into_the_branches_of_models_with_a_finisher() -> None:
    (_, options), (_, cpu) = devices.providers("coreml", offered=["coreml"])
    assert options == {"EnableOnSubgraphs": "1"}
    assert cpu == {}


def test_a_device_that_is_not_there_is_refused_with_what_to_install() -> None:
    with pytest.raises(ValueError, match="cannot use 'cuda': replace the package onnxruntime by onnxruntime-gpu, or"):
        devices.providers("cuda", offered=["cpu"])
    with pytest.raises(ValueError, match="there is no device 'tpu': choose auto, cpu, cuda"):
        devices.providers("tpu")


def test_every_name_is_one_that_onnxruntime_knows() -> None:
    assert {d.provider for d in devices.DEVICES.values()} <= set(ort.get_all_providers())
    assert "cpu" in devices.available()


def test_a_network_runs_on_the_device_that_was_asked_for() -> None:
    model = bundled_models()["small"]
    assert Network(model, device="cpu")._session.get_providers() == ["CPUExecutionProvider"]
    missing = next(name for name in devices.DEVICES if name not in devices.available())
    with pytest.raises(ValueError, match=f"cannot use '{missing}'"):
        Network(model, device=missing)
