"""What an ONNX file consists of, read before ONNX Runtime gets to see it.

A model from elsewhere must not be able to run for ever.  Without loops every node is computed once, so nodes that hold
graphs of their own are refused, except If, and so are functions, whose nested calls may multiply.  The file is read as
Protocol Buffers in wire format; the numbers of the fields are those of onnx.proto.
"""

from collections.abc import Iterator

_GRAPH, _FUNCTIONS = 7, 25  # of a model
_NODE = 1  # of a graph
_OPERATOR, _ATTRIBUTE = 4, 5  # of a node
_SUBGRAPH, _SUBGRAPHS = 6, 11  # of an attribute

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
    position = 0
    while position < len(message):
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
            yield key >> 3, message[position : position + length]
            position += length
        else:
            raise ValueError("it is damaged or not an ONNX file")


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
