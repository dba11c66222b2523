"""What an ONNX file consists of, read before ONNX Runtime gets to see it.

A model from elsewhere must not be able to run for ever.  Without loops every node is computed once, so nodes that hold
graphs of their own are refused, except If, and so are functions, whose nested calls may multiply.
"""

from collections.abc import Iterator

from driftrec.model import wire

MOST_NESTED = 4
"""Maximum depth of graphs within graphs; driftrec's own models have branches of one If."""


def require_no_loops(content: bytes) -> None:
    """Checks that a model computes each of its nodes at most once.

    Raises:
        ValueError: it may compute some more often; the message is a clause that says why.
    """
    graphs = 0
    for number, part in wire.fields(memoryview(content)):
        if number == wire.FUNCTIONS:
            raise ValueError("it defines functions, which driftrec does not run")
        if number == wire.GRAPH:
            _check(part, 1)
            graphs += 1
    if not graphs:
        raise ValueError("it holds no graph")


def _check(graph: memoryview, depth: int) -> None:
    if depth > MOST_NESTED:
        raise ValueError("its graphs are nested too deeply")
    for number, node in wire.fields(graph):
        if number != wire.NODE:
            continue
        parts = list(wire.fields(node))
        operator = wire.only(node, wire.OPERATOR).decode("utf-8", "replace")
        for inner in _subgraphs(part for field, part in parts if field == wire.ATTRIBUTE):
            if operator != "If":
                raise ValueError(f"it contains the operator {operator[:40]}, which may run for ever")
            _check(inner, depth + 1)


def _subgraphs(attributes: Iterator[memoryview]) -> Iterator[memoryview]:
    """Yields the graphs that attributes hold."""
    for attribute in attributes:
        for number, part in wire.fields(attribute):
            if number in (wire.SUBGRAPH, wire.SUBGRAPHS):
                yield part
