"""From a checkpoint to the one ONNX file that the tool runs.

The file holds the whole preconditioned denoiser (residual, ratio, y) -> x0 with dynamic batch, height and width; its
weights are stored in half precision and widened when a session is made; a JSON card in its metadata says how to use it
and where it comes from.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from driftrec.types import REGRESSION_RATIO
from driftrec.workshop.trained import card, load

TOLERANCE = 2e-3
"""Largest difference to PyTorch, in image units, that storing weights in half precision may cause."""


def export(path: Path, target: Path, name: str, licence: str) -> float:
    """Writes the ONNX file of a checkpoint and verifies it; returns the largest difference to PyTorch.

    `name` and `licence` (of the weights) go on the card; all else on it comes from the checkpoint.  Raises ValueError
    when the file computes something else than the checkpoint; then no file is left.
    """
    model, config, facts = load(path)
    content = card(config, facts, name, licence)
    multiple = content["multiple"]
    partial = target.with_suffix(".part")
    try:
        _write(model, multiple, partial, content)
        difference = _difference(model, partial, multiple)
        if difference > TOLERANCE:
            raise ValueError(f"{target} would differ from {path} by {difference:.1e}: it was not written")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _write(model: nn.Module, multiple: int, target: Path, content: dict[str, Any]) -> None:
    height, width = (multiple * torch.export.Dim(name, min=1, max=4096) for name in ("rows", "columns"))
    batch = torch.export.Dim("batch", min=1, max=256)
    image = {0: batch, 2: height, 3: width}
    with _quiet():
        program = torch.onnx.export(
            model,
            _example(2, 4 * multiple, 6 * multiple),
            dynamo=True,
            input_names=["residual", "ratio", "y"],
            output_names=["x0"],
            dynamic_shapes={"residual": image, "ratio": {0: batch}, "y": image},
            verbose=False,
        )
    if program is None:
        raise RuntimeError("PyTorch exported nothing")
    proto = _halve(program.model_proto)
    helper.set_model_props(proto, {"driftrec": json.dumps(content)})
    onnx.checker.check_model(proto)
    onnx.save(proto, target)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's remarks on itself: shared axis names, torchvision's absence, its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores every large weight as float16, with a Cast that ONNX Runtime folds away when it loads the file."""
    graph, casts = model.graph, []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < 64:
            continue
        name = weight.name
        half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), name + ".half")
        weight.CopyFrom(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _difference(model: nn.Module, path: Path, multiple: int) -> float:
    """Largest difference of the file to PyTorch over other sizes than the export saw, and at s = ∞."""
    session = ort.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch, rows, columns in ((1, 3, 5), (3, 2, 2)):
        example = _example(batch, rows * multiple, columns * multiple)
        with torch.no_grad():
            expected = model(*example).numpy()
        feed = dict(zip(("residual", "ratio", "y"), (t.numpy() for t in example), strict=True))
        (got,) = session.run(["x0"], feed)
        worst = max(worst, float(np.abs(np.asarray(got) - expected).max()))
    return worst


def _example(batch: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """(residual, ratio, y) as a restoration would have them; the first ratio stands for infinity."""
    generator = torch.Generator().manual_seed(0)
    ratio = torch.logspace(-2, 0, batch)
    ratio[0] = REGRESSION_RATIO
    residual = 0.05 * torch.randn(batch, 3, height, width, generator=generator)
    return residual, ratio, torch.rand(batch, 3, height, width, generator=generator)
