"""The networks of a model file of driftrec, as graphs in the older operations that other programs know.

A network takes residual, ratio and y, and gives x0; see `driftrec.train.export`.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from driftrec.train.standalone.graph import OPSET
from driftrec.train.storage import HALF, unpack

_HALVED = ("Add", "Conv", "DepthToSpace", "Mul", "Relu", "Sigmoid")


def networks(model: onnx.ModelProto, *, half: bool) -> tuple[onnx.GraphProto, onnx.GraphProto | None]:
    """Returns the denoiser and, where there is one, the finisher.

    Arguments: the model, which is changed; whether its networks compute in half precision.  Only the operations
    between the first and the last convolution do so, as the preconditioning needs the range of single precision.
    """
    graph = model.graph
    if len(graph.node) != 1 or graph.node[0].op_type != "If":
        return _older(graph, half), None
    branches = {attribute.name: attribute.g for attribute in graph.node[0].attribute}
    for branch in branches.values():  # they read the inputs of the graph around them
        branch.input.extend(value for value in graph.input if value.name != "finish")
    return _older(branches["else_branch"], half), _older(branches["then_branch"], half)


def _older(graph: onnx.GraphProto, half: bool) -> onnx.GraphProto:
    older = onnx.GraphProto()
    older.CopyFrom(graph)
    unpack(older)
    _downgrade(older)
    if half:
        _narrow(older, _floats(older))
    return older


def _floats(graph: onnx.GraphProto) -> set[str]:
    """The names of the values of single precision that operations give."""
    alone = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    inferred = onnx.shape_inference.infer_shapes(alone).graph
    return {value.name for value in inferred.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT}


def _downgrade(graph: onnx.GraphProto) -> None:
    """Writes what PyTorch's exporter writes in opset 18 to 20 in opset 17."""
    constants = {weight.name: weight for weight in graph.initializer}
    for node in graph.node:
        if node.op_type == "Split":  # into equal parts, as many as there are outputs
            _drop(node, "num_outputs")
        elif node.op_type.startswith("Reduce") and node.op_type != "ReduceSum" and set(node.input[1:]) & set(constants):
            axes = numpy_helper.to_array(constants[node.input.pop()]).tolist()
            node.attribute.append(helper.make_attribute("axes", axes))
            _drop(node, "noop_with_empty_axes")


def _drop(node: onnx.NodeProto, name: str) -> None:
    for attribute in [a for a in node.attribute if a.name == name]:
        node.attribute.remove(attribute)


def _narrow(graph: onnx.GraphProto, floats: set[str]) -> None:
    """Lets the operations between the first and the last convolution compute in half precision.

    `floats`: the names of all values of single precision.  Such a value in half precision has the suffix HALF.
    """
    between = _between_convolutions(graph)
    weights = {weight.name: weight for weight in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    single, half = set(weights) | {"residual", "ratio", "y"}, set[str]()  # what there is so far

    def convert(name: str) -> None:
        """Makes the value available in the precision that it does not have yet."""
        if name in weights:
            values = numpy_helper.to_array(weights[name]).astype(np.float16)
            graph.initializer.append(numpy_helper.from_array(values, name + HALF))
        elif name in half:
            nodes.append(helper.make_node("Cast", [name + HALF], [name], to=TensorProto.FLOAT))
        else:
            nodes.append(helper.make_node("Cast", [name], [name + HALF], to=TensorProto.FLOAT16))

    for number, node in enumerate(graph.node):
        narrow = number in between and node.op_type in _HALVED and node.output[0] in floats
        there = half if narrow else single
        for name in set(node.input) - there - {""}:
            convert(name)
            there.add(name)
        there.update(node.output)
        if narrow:
            node.input[:] = [name and name + HALF for name in node.input]
            node.output[:] = [name + HALF for name in node.output]
        nodes.append(node)
    read = {name for node in nodes for name in node.input}
    used = [weight for weight in graph.initializer if weight.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(used)


def _between_convolutions(graph: onnx.GraphProto) -> set[int]:
    """The numbers of the nodes that depend on a convolution and that a convolution depends on; and the convolutions."""
    after: set[int] = set()
    reached: set[str] = set()
    for number, node in enumerate(graph.node):
        if node.op_type == "Conv" or reached.intersection(node.input):
            after.add(number)
            reached.update(node.output)
    before: set[int] = set()
    needed: set[str] = set()
    for number, node in reversed(list(enumerate(graph.node))):
        if node.op_type == "Conv" or needed.intersection(node.output):
            before.add(number)
            needed.update(node.input)
    return after & before
