"""Weights in 8 bits."""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from driftrec.train.storage import BLOCKS, HALF, LEVEL, pack, stored, unpack


def network(rng: np.random.Generator) -> onnx.GraphProto:
    """A convolution of 12 channels with a bias, one by a kernel of 1×1, and a product with a small weight."""
    weights = {
        "kernel": (16, 12, 3, 3),
        "bias": (16,),
        "point": (64, 16, 1, 1),
        "odd": (1, 1, 23, 29),
        "gain": (64, 1, 1),
    }
    return helper.make_graph(
        [
            helper.make_node("Conv", ["x", "kernel", "bias"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["a", "point"], ["b"]),
            helper.make_node("Mul", ["b", "gain"], ["c"]),
            helper.make_node("Add", ["c", "odd"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 12, 23, 29])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64, 23, 29])],
        [
            numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), name)
            for name, shape in weights.items()
        ],
    )


def computed(graph: onnx.GraphProto, x: np.ndarray) -> np.ndarray:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def test_packed_networks_are_small_and_compute_nearly_the_same(rng: np.random.Generator) -> None:
    graph, x = network(rng), rng.normal(size=(1, 12, 23, 29)).astype(np.float32)
    before, size = computed(graph, x), graph.ByteSize()
    weights = dict(stored(graph))
    pack(graph)
    assert graph.ByteSize() < 0.45 * size
    assert np.abs(computed(graph, x) - before).max() < 0.06 * before.std()
    for name, value in stored(graph):
        if name in ("kernel", "point"):
            step = np.abs(weights[name]).max() / 127
            assert np.abs(value - weights[name]).max() <= 0.51 * step
    names = {weight.name for weight in graph.initializer}
    assert {"kernel" + LEVEL, "point" + LEVEL, "odd" + HALF, "gain" + HALF, "bias"} <= names
    assert all(weights["kernel"].size % block == 0 for block in BLOCKS)


def test_unpacking_gives_the_same_network_without_what_widens_it(rng: np.random.Generator) -> None:
    graph, x = network(rng), rng.normal(size=(1, 12, 23, 29)).astype(np.float32)
    pack(graph)
    packed = computed(graph, x)
    unpack(graph)
    assert [node.op_type for node in graph.node] == ["Conv", "Conv", "Mul", "Add"]
    np.testing.assert_allclose(computed(graph, x), packed, atol=1e-5)


def test_weights_of_zeros_stay_zero() -> None:
    graph = network(np.random.default_rng(0))
    graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((16, 12, 3, 3), np.float32), "kernel"))
    pack(graph)
    assert not dict(stored(graph))["kernel"].any()
