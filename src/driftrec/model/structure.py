"""What an ONNX file consists of, read before ONNX Runtime gets to see it.

A model from elsewhere must not be able to run for ever.  Without loops every node is computed once, so nodes that hold
graphs of their own are refused, except If, and so are functions, whose nested calls may multiply.  The file is read as
Protocol Buffers in wire format; the numbers of the fields are those of onnx.proto.

Of a model with a finisher, whose graph is one If, the network that the condition does not ask for can be left out:
ONNX Runtime takes most of its time to open both.
"""

from collections.abc import Iterator

_GRAPH, _FUNCTIONS = 7, 25  # of a model
_NODE, _WEIGHT, _INPUT, _OUTPUT = 1, 5, 11, 12  # of a graph
_NODE_INPUT, _NODE_OUTPUT, _OPERATOR, _ATTRIBUTE = 1, 2, 4, 5  # of a node
_SUBGRAPH, _SUBGRAPHS = 6, 11  # of an attribute
_NAME = 1  # of a value and of an attribute

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types

MOST_NESTED = 4
"""Maximum depth of graphs within graphs; driftrec's own models have branches of one If."""


def require_no_loops(content: bytes) -> None:
    """Checks that a model computes each of its nodes at most once.

    Raises:
        ValueError: it may compute some more often; the message is a clause that says why.
    """
    graphs = 0
    for number, part in _fields(memoryview(content)):
        if number == _FUNCTIONS:
            raise ValueError("it defines functions, which driftrec does not run")
        if number == _GRAPH:
            _check(part, 1)
            graphs += 1
    if not graphs:
        raise ValueError("it holds no graph")


def without_finisher(content: bytes) -> bytes | None:
    """Returns a model's first network alone: what its graph, an If on the input `finish`, computes where that is false.

    None if the graph is anything else.

    Raises:
        ValueError: the file is damaged.
    """
    parts = list(_spans(memoryview(content)))
    outer = [list(_fields(part)) for number, _, part in parts if number == _GRAPH and part is not None]
    if len(outer) != 1 or [number for number, _ in outer[0] if number in (_NODE, _WEIGHT)] != [_NODE]:
        return None
    (choice,), inputs, outputs = ([part for n, part in outer[0] if n == kind] for kind in (_NODE, _INPUT, _OUTPUT))
    if (_text(choice, _OPERATOR), _text(choice, _NODE_INPUT)) != (b"If", b"finish"):
        return None
    attributes = [part for number, part in _fields(choice) if number == _ATTRIBUTE]
    chosen = [part for part in attributes if _text(part, _NAME) == b"else_branch"]
    branches = [list(_spans(graph)) for part in chosen for number, graph in _fields(part) if number == _SUBGRAPH]
    found = [part for graph in branches for number, _, part in graph if number == _OUTPUT and part is not None]
    if len(branches) != 1 or len(found) != 1:
        return None
    renaming = _field(_NODE_INPUT, _text(found[0], _NAME)) + _field(_NODE_OUTPUT, _text(choice, _NODE_OUTPUT))
    graph = [
        *(bytes(whole) for number, whole, _ in branches[0] if number != _OUTPUT),
        _field(_NODE, renaming + _field(_OPERATOR, b"Identity")),
        *(_field(_INPUT, value) for value in inputs if _text(value, _NAME) != b"finish"),
        *(_field(_OUTPUT, value) for value in outputs),
    ]
    others = [bytes(whole) for number, whole, _ in parts if number != _GRAPH]
    return b"".join([*others, _field(_GRAPH, b"".join(graph))])


def _text(message: memoryview, field: int) -> bytes:
    """The content of a field that a message should have once."""
    return b"".join(bytes(part) for number, part in _fields(message) if number == field)


def _field(number: int, content: bytes | memoryview) -> bytes:
    """A field of a message that consists of bytes."""
    return _number(number << 3 | _BYTES) + _number(len(content)) + bytes(content)


def _number(value: int) -> bytes:
    """A number as a message holds it."""
    found = []
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _check(graph: memoryview, depth: int) -> None:
    if depth > MOST_NESTED:
        raise ValueError("its graphs are nested too deeply")
    for number, node in _fields(graph):
        if number != _NODE:
            continue
        parts = list(_fields(node))
        operator = b"".join(bytes(part) for field, part in parts if field == _OPERATOR).decode("utf-8", "replace")
        for inner in _subgraphs(part for field, part in parts if field == _ATTRIBUTE):
            if operator != "If":
                raise ValueError(f"it contains the operator {operator[:40]}, which may run for ever")
            _check(inner, depth + 1)


def _subgraphs(attributes: Iterator[memoryview]) -> Iterator[memoryview]:
    """Yields the graphs that attributes hold."""
    for attribute in attributes:
        for number, part in _fields(attribute):
            if number in (_SUBGRAPH, _SUBGRAPHS):
                yield part


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields number and content of the fields of a message that consist of bytes.  Raises ValueError for damage."""
    return ((number, content) for number, _, content in _spans(message) if content is not None)


def _spans(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview | None]]:
    """Yields number, whole and content of the fields of a message; the content is None if they are numbers.

    Raises ValueError for damage.
    """
    position = 0
    while position < len(message):
        start, content = position, None
        key, position = _varint(message, position)
        kind = key & 7
        if kind == _VARINT:
            _, position = _varint(message, position)
        elif kind in (_FIXED32, _FIXED64):
            position += 4 if kind == _FIXED32 else 8
        elif kind == _BYTES:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise ValueError("it is damaged or not an ONNX file")
            content = message[position : position + length]
            position += length
        else:
            raise ValueError("it is damaged or not an ONNX file")
        yield key >> 3, message[start:position], content


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Returns a number and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("it is damaged or not an ONNX file")
