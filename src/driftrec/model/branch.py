"""A model's denoiser without its finisher.

The graph of a model with a finisher is one If.  ONNX Runtime takes most of its time to open both branches, so the one
that the condition does not ask for is left out where it is not used.
"""

from driftrec.model import wire

ELSE = b"else_branch"


def without_finisher(content: bytes) -> bytes | None:
    """Returns a model's first network alone: what its graph, an If on the input `finish`, computes where that is false.

    None if the graph is anything else.

    Raises:
        ValueError: the file is damaged.
    """
    parts = list(wire.spans(memoryview(content)))
    graphs = [list(wire.fields(part)) for number, _, part in parts if number == wire.GRAPH and part is not None]
    if len(graphs) != 1 or [number for number, _ in graphs[0] if number in (wire.NODE, wire.WEIGHT)] != [wire.NODE]:
        return None
    (choice,), inputs, outputs = (
        [part for number, part in graphs[0] if number == kind] for kind in (wire.NODE, wire.INPUT, wire.OUTPUT)
    )
    if (wire.only(choice, wire.OPERATOR), wire.only(choice, wire.NODE_INPUT)) != (b"If", b"finish"):
        return None
    attributes = [part for number, part in wire.fields(choice) if number == wire.ATTRIBUTE]
    denoiser = b"".join(wire.only(part, wire.SUBGRAPH) for part in attributes if wire.only(part, wire.NAME) == ELSE)
    inner = list(wire.spans(memoryview(denoiser)))
    results = [part for number, _, part in inner if number == wire.OUTPUT and part is not None]
    if len(results) != 1:
        return None
    before, after = wire.only(results[0], wire.NAME), wire.only(choice, wire.NODE_OUTPUT)
    renaming = (wire.NODE_INPUT, before), (wire.NODE_OUTPUT, after), (wire.OPERATOR, b"Identity")
    graph = [
        *(bytes(whole) for number, whole, _ in inner if number != wire.OUTPUT),
        wire.written(wire.NODE, b"".join(wire.written(*field) for field in renaming)),
        *(wire.written(wire.INPUT, value) for value in inputs if wire.only(value, wire.NAME) != b"finish"),
        *(wire.written(wire.OUTPUT, value) for value in outputs),
    ]
    others = [bytes(whole) for number, whole, _ in parts if number != wire.GRAPH]
    return b"".join([*others, wire.written(wire.GRAPH, b"".join(graph))])
