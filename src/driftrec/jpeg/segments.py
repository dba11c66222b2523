"""The tables and headers in the segments of a JPEG file.  Source: ITU-T T.81, Annex B."""

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.huffman import HuffmanTable
from driftrec.jpeg.scan import Frame, blocks_of
from driftrec.jpeg.tables import BLOCK, NATURAL

MAX_SAMPLES = 600_000_000
"""Maximum number of coefficients: twice that of the largest picture that is opened, in full colour."""


class SegmentError(ValueError):
    """A segment is damaged, or describes a kind of file that is not read."""


def quantisation_tables(payload: bytes) -> dict[int, NDArray[np.int_]]:
    """The tables of a DQT segment by their numbers, (8, 8), natural order."""
    tables = {}
    while payload:
        wide, number = payload[0] >> 4, payload[0] & 15
        count = 128 if wide else 64
        content = payload[1 : 1 + count]
        stored = np.frombuffer(content, ">u2" if wide else np.uint8) if len(content) == count else np.zeros(1)
        if not stored.all():
            raise SegmentError("a quantisation table is damaged")
        table = np.empty(64, np.int_)
        table[NATURAL] = stored
        tables[number] = table.reshape(BLOCK, BLOCK)
        payload = payload[1 + count :]
    return tables


def huffman_tables(payload: bytes) -> dict[int, HuffmanTable]:
    """The tables of a DHT segment by class and number (0x10 | number for AC)."""
    tables = {}
    while payload:
        counts = payload[1:17]
        symbols = payload[17 : 17 + sum(counts)]
        tables[payload[0]] = HuffmanTable.build(counts, symbols)
        payload = payload[17 + sum(counts) :]
    return tables


def frame_header(payload: bytes) -> tuple[tuple[int, int], list[Frame]]:
    """((height, width) in pixels, the components) of an SOF segment."""
    if payload[0] != 8:
        raise SegmentError(f"samples of {payload[0]} bits are not read")
    height, width = int.from_bytes(payload[1:3]), int.from_bytes(payload[3:5])
    described = [payload[6 + 3 * i : 9 + 3 * i] for i in range(payload[5])]
    samplings = [(part[1] & 15, part[1] >> 4) for part in described]
    if not (height and width) or len(samplings) not in (1, 3, 4) or min(map(min, samplings)) < 1:
        raise SegmentError("the size or the sampling of the picture is damaged")
    if len(samplings) == 1:  # factors of a single component mean nothing
        samplings = [(1, 1)]
    most = max(v for v, _ in samplings), max(h for _, h in samplings)
    if max(most) > 4 or height * width * len(samplings) > MAX_SAMPLES:
        raise SegmentError("the size or the sampling of the picture is damaged")
    mcu_rows, mcu_columns = -(-height // (BLOCK * most[0])), -(-width // (BLOCK * most[1]))
    parts = []
    for part, sampling in zip(described, samplings, strict=True):
        rows, columns = blocks_of(height, width, sampling, most)
        blocks = np.zeros((mcu_rows * sampling[0], mcu_columns * sampling[1], 64), np.int16)
        parts.append(Frame(part[0], sampling, part[2], rows, columns, blocks))
    return (height, width), parts
