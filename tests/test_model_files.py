"""Model files are checked when they are opened: one sentence that names the file, and nothing that runs for ever."""

import json
import pickle
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.model import check
from driftrec.model.branch import network_alone
from driftrec.model.card import Card, ModelError
from driftrec.model.find import bundled_models, find_model
from driftrec.model.onnx import Network
from driftrec.model.open import open_model
from driftrec.model.structure import require_no_loops
from driftrec.restoration.restorer import Restorer
from support import jpeg_file, scene

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 (after the check that it is there)

CARD: dict[str, Any] = {
    "name": "tiny",
    "multiple": 8,
    "ratio_min": 0.01,
    "ratio_max": 0.5,
    "sampling": {"process": {"name": "OUVE"}, "evaluations": 2},
}
IMAGE = ["batch", 3, "height", "width"]
Values = dict[str, tuple[int, list[Any] | None]]
INPUTS: Values = {
    "residual": (TensorProto.FLOAT, IMAGE),
    "ratio": (TensorProto.FLOAT, ["batch"]),
    "y": (TensorProto.FLOAT, IMAGE),
}
OUTPUTS: Values = {"x0": (TensorProto.FLOAT, IMAGE)}


def written(
    path: Path,
    *,
    card: object = CARD,
    inputs: Values = INPUTS,
    outputs: Values = OUTPUTS,
    nodes: list[Any] | None = None,
    constants: dict[str, np.ndarray] | None = None,
    functions: list[Any] | None = None,
) -> Path:
    """Writes a model that returns y, or that of the given nodes."""
    values = [[helper.make_tensor_value_info(name, *kind) for name, kind in part.items()] for part in (inputs, outputs)]
    initial = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes or [helper.make_node("Identity", ["y"], ["x0"])], "g", *values, initial)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8, functions=functions or [])
    helper.set_model_props(model, {"driftrec": card if isinstance(card, str) else json.dumps(card)})
    onnx.save(model, path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Network(path, threads=1)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def test_a_sound_model_is_opened(tmp_path: Path) -> None:
    network = Network(written(tmp_path / "m.onnx"), threads=1)
    y = np.random.default_rng(0).random((2, 3, 16, 8)).astype(np.float32)
    np.testing.assert_array_equal(network(np.zeros_like(y), 0.1, y), y)
    silent = {**INPUTS, "residual": (TensorProto.FLOAT, None), "y": (TensorProto.FLOAT, None)}
    assert Network(written(tmp_path / "n.onnx", inputs=silent), threads=1).card.name == "tiny"


CARDS: dict[str, tuple[object, str]] = {
    "list": ([1, 2], "it is a list, not an object"),
    "number": (8, "it is a number, not an object"),
    "null": (None, "not an object"),
    "no JSON": ("{", "no valid driftrec card"),
    "empty": ("{}", "it lacks name, multiple, ratio_min, ratio_max, sampling"),
    "deep": ("[" * 100_000, "no valid driftrec card"),
    "infinite": (json.dumps(CARD).replace("0.5", "1e999"), "no range of finite ratios"),
    "not a number": (json.dumps(CARD).replace("0.5", "NaN"), "no range of finite ratios"),
    **{
        f"multiple {value!r}": ({**CARD, "multiple": value}, "multiple is")
        for value in (0, -8, "8", None, 8.0, True, [8], 10**9)
    },
    **{f"ratio {value!r}": ({**CARD, "ratio_min": value}, "ratio_min") for value in ("0", None, True, 1.0, -1)},
    **{f"flag {value!r}": ({**CARD, "faithful": value}, "faithful is") for value in (1, "no", None)},
    "name": ({**CARD, "name": ["tiny"]}, "name is"),
    "sampling text": ({**CARD, "sampling": "often"}, "no valid driftrec card"),
    "sampling null": ({**CARD, "sampling": None}, "no valid driftrec card"),
    "process list": ({**CARD, "sampling": {"process": [1]}}, "no valid driftrec card"),
    "process name": ({**CARD, "sampling": {"process": {"name": []}}}, "no valid driftrec card"),
    **{
        f"evaluations {value!r}": (
            {**CARD, "sampling": {"process": {"name": "OUVE"}, "evaluations": value}},
            "valid driftrec card",
        )
        for value in (0, "2", 2.5, None, True, 10**12)
    },
    "level": (json.dumps(CARD).replace('"evaluations": 2', '"level": 1e999'), "level is not finite"),
}


@pytest.mark.parametrize("name", CARDS)
def test_cards_are_checked(name: str, tmp_path: Path) -> None:
    card, problem = CARDS[name]
    assert problem in refused(written(tmp_path / "odd.onnx", card=card))


def test_shipped_cards_are_valid() -> None:
    for path in bundled_models().values():
        (card,) = [p.value for p in onnx.load(path).metadata_props if p.key == "driftrec"]
        parsed = Card.parse(card, "a label")
        assert {"parameters", "training", "licence"} <= parsed.facts.keys()
        require_no_loops(path.read_bytes())  # though its networks are branches of an If


INTERFACES: dict[str, tuple[dict[str, Any], str]] = {
    "missing input": ({"inputs": {k: v for k, v in INPUTS.items() if k != "ratio"}}, "its inputs are residual, y, not"),
    "further input": ({"inputs": {**INPUTS, "z": (TensorProto.FLOAT, [1])}}, "its inputs are residual, ratio, y, z"),
    "no finish": ({"card": {**CARD, "finisher": True}}, "not residual, ratio, y, finish"),
    "other output": (
        {"outputs": {"image": OUTPUTS["x0"]}, "nodes": [helper.make_node("Identity", ["y"], ["image"])]},
        "its outputs are image, not x0",
    ),
    "double": ({"inputs": {**INPUTS, "residual": (TensorProto.DOUBLE, IMAGE)}}, "not a tensor(float)"),
    "ratio of two axes": (
        {"inputs": {**INPUTS, "ratio": (TensorProto.FLOAT, ["batch", 1])}},
        "ratio has 2 axes, not 1",
    ),
    "fixed shape": ({"inputs": {**INPUTS, "y": (TensorProto.FLOAT, [1, 3, 64, 64])}}, "y has the fixed shape"),
    "fixed height": ({"inputs": {**INPUTS, "residual": (TensorProto.FLOAT, ["b", 3, 64, "w"])}}, "the fixed shape"),
    "one channel": ({"inputs": {**INPUTS, "y": (TensorProto.FLOAT, ["b", 1, "h", "w"])}}, "the fixed shape"),
    "other size": (
        {"nodes": [helper.make_node("Concat", ["y", "y"], ["x0"], axis=2)]},
        "for an input of shape (1, 3, 8, 16), it gives float32 of shape (1, 3, 16, 16)",
    ),
    "not finite": (
        {"nodes": [helper.make_node("Log", ["residual"], ["x0"])]},
        "what it computes is not finite",
    ),
    "no such channel": (
        {"nodes": [helper.make_node("Gather", ["y", "c"], ["x0"], axis=1)], "constants": {"c": np.array([0, 1, 7])}},
        "it cannot compute 8×16 pixels",
    ),
    "giant": (
        {
            "nodes": [
                helper.make_node("Expand", ["one", "s"], ["big"]),
                helper.make_node("ReduceSum", ["big"], ["r"], keepdims=0),
                helper.make_node("Add", ["y", "r"], ["x0"]),
            ],
            "constants": {"one": np.ones(1, np.float32), "s": np.array([4000, 400000, 10000])},
        },
        "it needs too much memory for 8×16 pixels",
    ),
}


@pytest.mark.parametrize("name", INTERFACES)
def test_inputs_outputs_and_an_evaluation_are_checked(name: str, tmp_path: Path) -> None:
    changes, problem = INTERFACES[name]
    assert problem in refused(written(tmp_path / "odd.onnx", **changes))


def loop() -> Any:
    body = helper.make_graph(
        [helper.make_node("Identity", ["condition"], ["again"]), helper.make_node("Identity", ["state"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    return helper.make_node("Loop", ["", "true", "y"], ["x0"], body=body)


def branch(node: Any) -> Any:
    graph = helper.make_graph([node], "branch", [], [helper.make_tensor_value_info("x0", TensorProto.FLOAT, None)])
    return helper.make_node("If", ["true"], ["x0"], then_branch=graph, else_branch=graph)


def nested(depth: int) -> Any:
    node = helper.make_node("Identity", ["y"], ["x0"])
    for _ in range(depth):
        node = branch(node)
    return node


def scan() -> Any:
    body = helper.make_graph(
        [helper.make_node("Identity", ["row"], ["out"])],
        "body",
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    return helper.make_node("Scan", ["y"], ["x0"], body=body, num_scan_inputs=1)


LOOPS: dict[str, tuple[Callable[[], Any], str]] = {
    "Loop": (loop, "it contains the operator Loop, which may run for ever"),
    "Loop in an If": (lambda: branch(loop()), "it contains the operator Loop"),
    "Scan": (scan, "it contains the operator Scan"),
    "deep": (lambda: nested(9), "its graphs are nested too deeply"),
}


@pytest.mark.parametrize("name", LOOPS)
def test_what_may_run_for_ever_is_refused_before_it_runs(name: str, tmp_path: Path) -> None:
    make, problem = LOOPS[name]
    path = written(tmp_path / "endless.onnx", nodes=[make()], constants={"true": np.array(True)})
    assert problem in refused(path)


def test_functions_are_refused(tmp_path: Path) -> None:
    twice = helper.make_function(
        "own", "F", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    node = helper.make_node("F", ["y"], ["x0"], domain="own")
    assert "it defines functions" in refused(written(tmp_path / "f.onnx", nodes=[node], functions=[twice]))


def test_branches_are_allowed(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", nodes=[nested(1)], constants={"true": np.array(True)})
    assert Network(path, threads=1).card.name == "tiny"


def test_an_evaluation_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "SECONDS", 0.2)
    monkeypatch.setattr("driftrec.model.onnx.require_no_loops", lambda _: None)
    path = written(tmp_path / "endless.onnx", nodes=[loop()], constants={"true": np.array(True)})
    start = time.monotonic()
    assert "it takes more than 0.2 s for 8×16 pixels" in refused(path)
    assert time.monotonic() - start < 10


# ----------------------------------------------------------------------------------------- finishers that are not used


def choosing(path: Path, **changes: Any) -> Path:
    """Writes a model that returns y with its finisher, otherwise the residual."""
    branches = {}
    for name, value in (("then_branch", "y"), ("else_branch", "residual")):
        output = helper.make_tensor_value_info(f"{name}.x0", TensorProto.FLOAT, None)
        node = helper.make_node("Identity", [value], [f"{name}.x0"])
        branches[name] = helper.make_graph([node], name, [], [output])
    settings: dict[str, Any] = {
        "card": CARD | {"finisher": True},
        "inputs": INPUTS | {"finish": (TensorProto.BOOL, [])},
        "nodes": [helper.make_node("If", ["finish"], ["x0"], **branches)],
    }
    return written(path, **(settings | changes))


@pytest.mark.parametrize(("finish", "result"), [(True, "y"), (False, "residual")])
def test_a_model_is_parted_into_its_networks(finish: bool, result: str, tmp_path: Path) -> None:
    content = choosing(tmp_path / "m.onnx").read_bytes()
    alone = onnx.load_from_string(network_alone(content, finish=finish))
    onnx.checker.check_model(alone, full_check=True)
    assert [value.name for value in alone.graph.input] == list(INPUTS)
    assert [value.name for value in alone.graph.output] == list(OUTPUTS)
    assert alone.graph.node[0].input == [result]
    assert alone.metadata_props == onnx.load_from_string(content).metadata_props
    others = [
        written(tmp_path / "plain.onnx"),
        choosing(tmp_path / "weights.onnx", constants={"weight": np.zeros(1, np.float32)}),
        choosing(tmp_path / "nodes.onnx", nodes=[loop()]),
    ]
    assert [network_alone(path.read_bytes(), finish=finish) for path in others] == [None] * 3
    for end in range(0, len(content), 7):
        with suppress(ValueError):
            network_alone(content[:end], finish=finish)


@pytest.mark.parametrize("constants", [{}, {"weight": np.zeros(1, np.float32)}])
def test_a_finisher_is_opened_when_it_is_first_used(constants: dict[str, np.ndarray], tmp_path: Path) -> None:
    network = Network(choosing(tmp_path / "m.onnx", constants=constants), threads=1, finish=False)
    residual, y = np.random.default_rng(0).random((2, 1, 3, 8, 8)).astype(np.float32)
    assert network.card.finisher
    assert (len(network._session.get_inputs()), network._finisher) == (4 if constants else 3, None)
    np.testing.assert_array_equal(network(residual, 0.1, y), residual)
    again = pickle.loads(pickle.dumps(network))
    assert again._finisher is None
    np.testing.assert_array_equal(network(residual, 0.1, y, finish=True), y)
    np.testing.assert_array_equal(network(residual, 0.1, y), residual)
    assert network._finisher is not None
    assert Network(tmp_path / "m.onnx", threads=1)._finisher is not None


def test_a_finisher_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    path = choosing(tmp_path / "m.onnx")
    network = Network(path, threads=1, finish=False)
    path.write_bytes(b"no model")
    y = np.zeros((1, 3, 8, 8), np.float32)
    with pytest.raises(ModelError, match=r"m\.onnx is not a model that driftrec can run"):
        network(y, 0.1, y, finish=True)


@pytest.mark.parametrize("name", bundled_models())
def test_the_networks_of_shipped_models_compute_the_same_together(name: str) -> None:
    alone = Network(name, threads=1)
    whole = onnxruntime.InferenceSession(find_model(name), providers=["CPUExecutionProvider"])
    residual, y = np.random.default_rng(0).random((2, 1, 3, 64, 96)).astype(np.float32)
    for ratio, finish in ((0.5, False), (30.0, False), (0.02, True)):
        feed = {"residual": residual - y, "ratio": np.array([ratio], np.float32), "y": y, "finish": np.array(finish)}
        (expected,) = whole.run(["x0"], feed)
        np.testing.assert_array_equal(alone(residual - y, ratio, y, finish=finish), expected)


def test_a_faithful_restorer_restores_naturally_on_request() -> None:
    data, natural = jpeg_file(scene(64, 80), quality=10), {"mode": "natural"}
    faithful = Restorer(threads=1, mode="faithful")
    assert faithful.runner._finisher is None
    expected = np.asarray(Restorer(threads=1, **natural).restore(data))
    np.testing.assert_array_equal(np.asarray(faithful.restore(data, **natural)), expected)


# ----------------------------------------------------------------------------------------------------------- damage


def test_damaged_and_cut_files_are_one_sentence(tmp_path: Path, rng: np.random.Generator) -> None:
    content = written(tmp_path / "m.onnx").read_bytes()
    for number in range(40):
        odd = bytearray(content[: rng.integers(len(content))] if number % 2 else content)
        for place in rng.integers(0, max(len(odd), 1), 3):
            if len(odd):
                odd[place] = rng.integers(256)
        path = tmp_path / "odd.onnx"
        path.write_bytes(odd)
        problem = ""
        try:
            Network(path, threads=1)
        except ModelError as error:
            problem = str(error)
        assert "\n" not in problem
        assert not problem or str(path) in problem


@pytest.mark.parametrize("facts", ["{}", "[]", "8", '{"config": 3}', '{"config": {}, "step": 1}'])
def test_checkpoints_without_facts_are_one_sentence(facts: str, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    torch = pytest.importorskip("torch")
    path = tmp_path / "c.safetensors"
    safetensors.save_file({"a": torch.zeros(2)}, path, metadata={"format": "driftrec-checkpoint-1", "facts": facts})
    with pytest.raises(ModelError) as caught:
        open_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_line_says_so_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg_file(scene(16, 16)))
    model = written(tmp_path / "odd.onnx", card=[1, 2])
    result = CliRunner().invoke(app, ["restore", str(tmp_path / "a.jpg"), "--model", str(model)])
    assert result.exit_code == 1
    assert (
        result.output
        == f"driftrec: {model} has no valid driftrec card (it is a list, not an object): export it again\n"
    )
