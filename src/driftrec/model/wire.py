"""ONNX files as Protocol Buffers in wire format: reading and writing the fields of messages, without onnx."""

from collections.abc import Iterator

# The numbers of the fields are those of onnx.proto.
GRAPH, FUNCTIONS = 7, 25  # of a model
NODE, WEIGHT, INPUT, OUTPUT = 1, 5, 11, 12  # of a graph
NODE_INPUT, NODE_OUTPUT, OPERATOR, ATTRIBUTE = 1, 2, 4, 5  # of a node
SUBGRAPH, SUBGRAPHS = 6, 11  # of an attribute
NAME = 1  # of a value and of an attribute

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


def fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields number and content of the fields of a message that consist of bytes.

    Raises:
        ValueError: the message is damaged.
    """
    return ((number, content) for number, _, content in spans(message) if content is not None)


def spans(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview | None]]:
    """Yields number, whole and content of the fields of a message; the content is None if they are numbers.

    Raises:
        ValueError: the message is damaged.
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


def only(message: memoryview, field: int) -> bytes:
    """Returns the content of a field that a message should have once.

    Raises:
        ValueError: the message is damaged.
    """
    return b"".join(bytes(part) for number, part in fields(message) if number == field)


def written(number: int, content: bytes | memoryview) -> bytes:
    """Returns a field of a message, which consists of bytes."""
    return _number(number << 3 | _BYTES) + _number(len(content)) + bytes(content)


def _number(value: int) -> bytes:
    """A number as a message holds it."""
    found = []
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
