"""One of the two networks of a model: its denoiser, or its finisher.

The graph of a model with a finisher is one If.  ONNX Runtime takes most of its time to open both branches, so each of
them is opened by itself, when it is needed.
"""

from driftrec.model import wire

BRANCHES = {True: b"then_branch", False: b"else_branch"}


def network_alone(content: bytes, *, finish: bool) -> bytes | None:
    """Returns one network of a model alone: what its graph, an If on the input `finish`, computes for that value.

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
    name = BRANCHES[finish]
    network = b"".join(wire.only(part, wire.SUBGRAPH) for part in attributes if wire.only(part, wire.NAME) == name)
    inner = list(wire.spans(memoryview(network)))
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
