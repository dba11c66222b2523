"""Builds ONNX graphs by appending operations; values are known by their names."""

from collections.abc import Iterable
from itertools import count
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
"""The version of the file format that came with `OPSET`."""

Value: TypeAlias = str | float | np.ndarray
"""The name of a value, or a constant; numbers are stored in single precision."""


class Graph:
    """An ONNX graph that grows."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self._numbers = count()

    def __call__(self, operator: str, *inputs: Value, **attributes: Any) -> str:  # noqa: ANN401 (ONNX's own)
        """Appends an operation with one output, and returns the name of the output."""
        output = f"{operator.lower()}_{next(self._numbers)}"
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output

    def constant(self, value: float | np.ndarray) -> str:
        """Stores a constant, and returns its name."""
        array = value if isinstance(value, np.ndarray) else np.asarray(value, np.float32)
        name = f"constant_{next(self._numbers)}"
        self.weights[name] = numpy_helper.from_array(array, name)
        return name

    def call(self, inner: onnx.GraphProto, **inputs: str) -> str:
        """Appends the operations of a graph with one output, and returns the output's name.

        Its weights are stored once, however often it is called; two graphs must not have weights of the same names.

        Arguments: `inner`; for each of its inputs, the name of a value of this graph.
        """
        weights = {weight.name: weight for weight in inner.initializer}
        self.weights |= weights
        prefix = f"call_{next(self._numbers)}."

        def renamed(names: Iterable[str]) -> list[str]:
            return [name if name in weights or not name else inputs.get(name, prefix + name) for name in names]

        for node in inner.node:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            copied.name = ""
            copied.input[:], copied.output[:] = renamed(node.input), renamed(node.output)
            self.nodes.append(copied)
        return renamed([inner.output[0].name])[0]

    def model(self, output: str, metadata: dict[str, str]) -> onnx.ModelProto:
        """Returns the model that computes `output` from `input`, both single precision (batch, 3, height, width)."""
        shape = ["batch", 3, "height", "width"]
        nodes = [*self.nodes, helper.make_node("Identity", [output], ["output"])]
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("input", "output")]
        graph = helper.make_graph(nodes, "driftrec", ends[:1], ends[1:], list(self.weights.values()))
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="driftrec"
        )
        helper.set_model_props(model, metadata)
        return model


def shorten(graph: onnx.GraphProto) -> None:
    """Replaces the names of all values but input and output by numbers, in place."""
    ends = {value.name for value in (*graph.input, *graph.output)}
    numbers: dict[str, str] = {}

    def number(name: str) -> str:
        return name if name in ends or not name else numbers.setdefault(name, f"{len(numbers):x}")

    for node in graph.node:
        node.input[:], node.output[:] = map(number, node.input), map(number, node.output)
    for weight in graph.initializer:
        weight.name = number(weight.name)
