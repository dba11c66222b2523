"""From a checkpoint to the one ONNX file that the tool runs.

The file contains the whole preconditioned denoiser (residual, ratio, y) -> x0 with dynamic batch, height and width.
Weights are stored in 8 bits (`driftrec.train.storage`) and widened when a session is made.  Networks that this would
change too much, such as those that return the score, which is multiplied by s, are stored in half precision.  A JSON
card in the metadata says how to use the model and where it comes from.  A model with a finisher contains both networks
as the branches of an If, which a fourth input, `finish`, selects.
"""

import json
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from driftrec.diffusion.types import REGRESSION_RATIO
from driftrec.picture import atomic_write
from driftrec.train.model import Model, card, load
from driftrec.train.storage import pack

TOLERANCE = 2e-2
"""Largest difference to PyTorch, in image units, that storing weights in fewer bits may cause."""


def export(path: Path, target: Path, name: str, licence: str) -> float:
    """Writes the ONNX file of a checkpoint and verifies it; returns the largest difference to PyTorch.

    `name` and `licence` (of the weights) go on the card; the rest of the card comes from the checkpoint.  Raises
    ValueError when the file and the checkpoint give different results, and then writes no file.
    """
    model = load(path)
    content = card(model, name, licence)
    multiple = content["multiple"]
    with atomic_write(target) as file:
        partial = Path(file.name)
        for half in (False, True):
            _write(model, multiple, partial, content, half=half)
            difference = _difference(model, partial, multiple)
            if difference <= TOLERANCE:
                return difference
        raise ValueError(f"{target} would differ from {path} by {difference:.1e}: it was not written")


def _write(model: Model, multiple: int, target: Path, content: dict[str, Any], *, half: bool) -> None:
    proto = _exported(model.denoiser.network, multiple, half=half)
    if model.finisher:
        proto = _either(proto, _exported(model.finisher.network, multiple, half=half))
    helper.set_model_props(proto, {"driftrec": json.dumps(content)})
    onnx.checker.check_model(proto)
    onnx.save(proto, target)


def _exported(network: nn.Module, multiple: int, *, half: bool) -> onnx.ModelProto:
    height, width = (multiple * torch.export.Dim(name, min=1, max=4096) for name in ("rows", "columns"))
    batch = torch.export.Dim("batch", min=1, max=256)
    image = {0: batch, 2: height, 3: width}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of shared axis names and missing torchvision
    with warnings.catch_warnings(action="ignore"):  # about deprecations in the exporter itself
        program = torch.onnx.export(
            network,
            _example(2, 4 * multiple, 6 * multiple),
            dynamo=True,
            input_names=["residual", "ratio", "y"],
            output_names=["x0"],
            dynamic_shapes={"residual": image, "ratio": {0: batch}, "y": image},
            verbose=False,
        )
    if program is None:
        raise RuntimeError("PyTorch exported nothing")
    proto = _bare(program.model_proto)
    pack(proto.graph, half=half)
    return proto


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Removes the exporter's notes, which name folders of this machine."""
    graph = model.graph
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


def _either(denoiser: onnx.ModelProto, finisher: onnx.ModelProto) -> onnx.ModelProto:
    """One model of two with the same inputs and output, each a branch of an If on the input `finish`."""
    whole = onnx.ModelProto()
    whole.CopyFrom(denoiser)
    branches = [_branch(proto.graph, name) for proto, name in ((finisher, "finisher"), (denoiser, "denoiser"))]
    (output,) = denoiser.graph.output
    choice = helper.make_node("If", ["finish"], [output.name], then_branch=branches[0], else_branch=branches[1])
    inputs = [*denoiser.graph.input, helper.make_tensor_value_info("finish", TensorProto.BOOL, [])]
    whole.graph.CopyFrom(helper.make_graph([choice], "driftrec", inputs, [output]))
    return whole


def _branch(graph: onnx.GraphProto, prefix: str) -> onnx.GraphProto:
    """The graph with prefixed names; the inputs are those of the graph around it."""
    around = {value.name for value in graph.input} | {""}

    def renamed(names: Iterable[str]) -> list[str]:
        return [name if name in around else f"{prefix}.{name}" for name in names]

    nodes = []
    for number, node in enumerate(graph.node):
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        copied.name = f"{prefix}.{number}"
        copied.input[:], copied.output[:] = renamed(node.input), renamed(node.output)
        nodes.append(copied)
    weights = [onnx.TensorProto.FromString(weight.SerializeToString()) for weight in graph.initializer]
    for weight in weights:
        (weight.name,) = renamed([weight.name])
    (output,) = graph.output
    value = helper.make_tensor_value_info(f"{prefix}.{output.name}", TensorProto.FLOAT, None)
    return helper.make_graph(nodes, prefix, [], [value], weights)


def _difference(model: Model, path: Path, multiple: int) -> float:
    """Largest difference between the file and PyTorch, at sizes that the export did not use and at s = ∞."""
    session = ort.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch, rows, columns in ((1, 3, 5), (3, 2, 2)):
        residual, ratios, y = _example(batch, rows * multiple, columns * multiple)
        for finish, trained in ((False, model.denoiser), (True, model.finisher)):
            if trained is None:
                continue
            # A finisher is evaluated at the end of plans only.
            ratio = torch.full_like(ratios, model.plan.process.ratio(model.plan.end)) if finish else ratios
            with torch.no_grad():
                expected = trained.network(residual, ratio, y).numpy()
            feed = {"residual": residual.numpy(), "ratio": ratio.numpy(), "y": y.numpy()}
            (got,) = session.run(["x0"], feed | ({"finish": np.asarray(finish)} if model.finisher else {}))
            worst = max(worst, float(np.abs(np.asarray(got) - expected).max()))
    return worst


def _example(batch: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """(residual, ratio, y) as a restoration would have them; the first ratio stands for infinity.

    y is smooth with a little noise, as pictures are: in white noise networks find nothing that they have learnt, and
    magnify rounding.
    """
    generator = torch.Generator().manual_seed(0)
    ratio = torch.logspace(-2, 0, batch)
    ratio[0] = REGRESSION_RATIO
    residual, fine = (0.05 * torch.randn(batch, 3, height, width, generator=generator) for _ in range(2))
    coarse = torch.rand(batch, 3, height // 8 + 2, width // 8 + 2, generator=generator)
    y = nn.functional.interpolate(coarse, (height, width), mode="bilinear") + fine
    return residual, ratio, y.clamp(0, 1)
