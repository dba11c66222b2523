"""Devices that networks run on, and the ONNX Runtime provider of each.

The wheel `onnxruntime` supports the CPU, and Core ML on a Mac.  The wheels `onnxruntime-gpu`, `onnxruntime-directml`
and `onnxruntime-openvino` support the other devices; each replaces `onnxruntime` and has the same import name.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import onnxruntime as ort

Provider: TypeAlias = tuple[str, dict[str, Any]]
"""Name and options of an execution provider, as ONNX Runtime takes them."""


@dataclass(frozen=True)
class Device:
    """One kind of device: ONNX Runtime's provider for it, and the wheel that has that provider."""

    provider: str
    wheel: str

    def options(self, threads: int | None) -> dict[str, Any]:
        """Returns options of the provider; `threads` CPU threads, or as many as there are cores."""
        if self.provider == "CoreMLExecutionProvider":
            return {"EnableOnSubgraphs": "1"}  # models with a finisher are the two branches of an If
        if self.provider != "OpenVINOExecutionProvider":
            return {}
        # Convolutions in bfloat16 if the processor supports it; elsewhere OpenVINO falls back to float32.
        config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "bf16"}
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        return {"device_type": "CPU", "load_config": json.dumps({"CPU": config})}


DEVICES = {
    "cpu": Device("CPUExecutionProvider", "onnxruntime"),
    "cuda": Device("CUDAExecutionProvider", "onnxruntime-gpu"),
    "openvino": Device("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "directml": Device("DmlExecutionProvider", "onnxruntime-directml"),
    "coreml": Device("CoreMLExecutionProvider", "onnxruntime"),
}

PREFERRED = ("cuda", "openvino", "cpu")
"""The devices that "auto" tries, in this order; all others must be named."""


def available() -> tuple[str, ...]:
    """Returns the names of the devices that the installed ONNX Runtime can use."""
    providers = ort.get_available_providers()
    return tuple(name for name, device in DEVICES.items() if device.provider in providers)


def providers(name: str = "auto", threads: int | None = None, offered: Iterable[str] | None = None) -> list[Provider]:
    """Returns the providers of ONNX Runtime for a device, followed by the CPU for unsupported operations.

    Arguments: `name`, one of `DEVICES` or "auto"; `threads`, CPU threads; `offered`, names of devices to choose from
    (default: `available()`).

    Raises:
        ValueError: the device is unknown or not available.
    """
    offered = set(available() if offered is None else offered) | {"cpu"}
    if name == "auto":
        name = next(candidate for candidate in PREFERRED if candidate in offered)
    if name not in DEVICES:
        raise ValueError(f"there is no device '{name}': choose auto, {', '.join(DEVICES)}")
    if name not in offered:
        wheel = DEVICES[name].wheel
        raise ValueError(
            f"the installed ONNX Runtime cannot use '{name}': replace the package onnxruntime by {wheel}, "
            f"or choose {', '.join(sorted(offered))}"
        )
    return [(DEVICES[n].provider, DEVICES[n].options(threads)) for n in dict.fromkeys((name, "cpu"))]
