"""How model files store weights: in 8 bits, with a scale for every few of them.

A weight is the product of an integer from −127 to 127 and the scale of its block.  Nodes of the graph widen it to
single precision, which ONNX Runtime does once, when it opens the file.  Small weights, and those that blocks do not
fit, are stored in half precision; so are all weights of networks that 8 bits would change too much.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

BLOCKS = 36, 32
"""Weights that share a scale: four input channels of a 3×3 convolution, and 32 of a 1×1 convolution."""

LEAST, LEAST_HALF = 512, 64
"""Fewest numbers of a weight that is stored in 8 bits, and in half precision."""

LEVELS = 127

SMALLEST = 2.0**-24
"""The smallest number of half precision, in which scales are stored."""

HALF, LEVEL, SCALE, SHAPE = ".half", ".levels", ".scales", ".shape"
WIDE, FACTOR, FLAT = ".wide", ".factors", ".flat"
"""What is added to the name of a weight for the parts that it is stored in, and for what is computed from them."""


def pack(graph: onnx.GraphProto, *, half: bool = False) -> None:
    """Stores the weights of a network compactly, in place; they must be in single precision.

    Arguments: `half`, whether none of them is to be stored in 8 bits.
    """
    weights = [onnx.TensorProto.FromString(weight.SerializeToString()) for weight in graph.initializer]
    nodes: list[onnx.NodeProto] = []
    del graph.initializer[:]
    for weight in weights:
        size = int(np.prod(weight.dims))
        block = next((count for count in BLOCKS if size % count == 0), None)
        if weight.data_type != TensorProto.FLOAT or size < LEAST_HALF:
            graph.initializer.append(weight)
        elif half or size < LEAST or block is None:
            narrow = numpy_helper.to_array(weight).astype(np.float16)
            graph.initializer.append(numpy_helper.from_array(narrow, weight.name + HALF))
            nodes.append(helper.make_node("Cast", [weight.name + HALF], [weight.name], to=TensorProto.FLOAT))
        else:
            graph.initializer.extend(_packed(weight, block))
            nodes.extend(_widening(weight.name))
    nodes.extend(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def unpack(graph: onnx.GraphProto) -> None:
    """The inverse of `pack`, up to rounding: stores the weights in single precision, in place."""
    values = dict(stored(graph))
    computed = {name + suffix for name in values for suffix in ("", WIDE, FACTOR, FLAT)}
    parts = {name + suffix for name in values for suffix in (HALF, LEVEL, SCALE, SHAPE)}
    nodes = [node for node in graph.node if node.output[0] not in computed]
    others = [weight for weight in graph.initializer if weight.name not in parts and weight.name not in values]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(others)
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in values.items())


def stored(graph: onnx.GraphProto) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yields names and values of the weights of a network, but not of its branches, in single precision."""
    parts = {weight.name: weight for weight in graph.initializer}
    for name, weight in parts.items():
        if name.endswith(LEVEL):
            own = name.removesuffix(LEVEL)
            levels, scales, shape = (numpy_helper.to_array(parts[own + suffix]) for suffix in (LEVEL, SCALE, SHAPE))
            yield own, (levels.astype(np.float32) * scales.astype(np.float32)).reshape(shape)
        elif weight.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16) and not name.endswith(SCALE):
            yield name.removesuffix(HALF), numpy_helper.to_array(weight).astype(np.float32)


def _packed(weight: onnx.TensorProto, block: int) -> list[onnx.TensorProto]:
    values = numpy_helper.to_array(weight)
    blocks = values.reshape(-1, block)
    scales = np.maximum(np.abs(blocks).max(axis=1, keepdims=True) / LEVELS, SMALLEST).astype(np.float16)
    levels = np.rint(blocks / scales.astype(np.float32)).clip(-LEVELS, LEVELS).astype(np.int8)
    parts = {LEVEL: levels, SCALE: scales, SHAPE: np.array(values.shape, np.int64)}
    return [numpy_helper.from_array(array, weight.name + suffix) for suffix, array in parts.items()]


def _widening(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", [name + LEVEL], [name + WIDE], to=TensorProto.FLOAT),
        helper.make_node("Cast", [name + SCALE], [name + FACTOR], to=TensorProto.FLOAT),
        helper.make_node("Mul", [name + WIDE, name + FACTOR], [name + FLAT]),
        helper.make_node("Reshape", [name + FLAT, name + SHAPE], [name]),
    ]
