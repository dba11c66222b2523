"""Reads JPEG files: size, tables, sampling, and the exact quantised coefficients.

    file = read_jpeg(data)                      # bytes → JpegFile
    file.components[0].coefficients             # int16, of luma

Supports baseline, extended and progressive Huffman files of 8 bits, with any number of scans and restart markers.
Source: ITU-T T.81; colour as libjpeg infers it from the JFIF and Adobe markers and the component ids.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.huffman import Bits, HuffmanTable, ScanError, ac_first, ac_refine, dc_first, dc_refine, sequential
from driftrec.jpeg.tables import BLOCK, NATURAL, ijg_quality

Colour: TypeAlias = Literal["gray", "YCbCr", "RGB", "CMYK", "YCCK"]

MAX_SAMPLES = 600_000_000
"""Maximum number of coefficients: twice that of the largest picture that is opened, in full colour."""

MAX_SCANS = 100
"""Maximum number of scans; encoders write about ten."""


class JpegError(ValueError):
    """The coefficients of a file cannot be read; the message says why."""


@dataclass(frozen=True, eq=False)
class Component:
    """One colour component of a file.

    Attributes:
        identifier: the component's id in the file.
        sampling: (vertical, horizontal) sampling factors.
        table: quantisation table, (8, 8), natural order.
        coefficients: quantised coefficients, int16, (8 · block rows, 8 · block columns): (u, v) of block (i, j)
            lies at [8i + u, 8j + v].
        known: which of them the file gives in full, same shape; None: all.
    """

    identifier: int
    sampling: tuple[int, int]
    table: NDArray[np.int_] = field(repr=False)
    coefficients: NDArray[np.int16] = field(repr=False)
    known: NDArray[np.bool_] | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class JpegFile:
    """The contents of a JPEG file.

    Attributes:
        height, width: in pixels, in the file's own orientation.
        colour: the colour space of the components.
        components: in the file's order; for "YCbCr" luma first.
        progressive: coefficients come in several scans of growing precision.
        restart_interval: MCUs between restart markers, 0 if there are none.
        adobe_transform: the colour transform of the Adobe marker, None if there is none.
        size: of the file, in bytes.
    """

    height: int
    width: int
    colour: Colour
    components: tuple[Component, ...]
    progressive: bool
    restart_interval: int
    adobe_transform: int | None
    size: int

    @property
    def mcu(self) -> tuple[int, int]:
        """(height, width) of the smallest unit of whole blocks of every component, in pixels."""
        vertical, horizontal = _most(self.components)
        return BLOCK * vertical, BLOCK * horizontal

    @property
    def subsampling(self) -> str:
        """The usual name, such as "4:2:0" or "gray"; the bare factors if there is none."""
        if len(self.components) == 1:
            return "gray"
        vertical, horizontal = _most(self.components)
        factors = [(vertical / c.sampling[0], horizontal / c.sampling[1]) for c in self.components]
        if factors[0] == (1, 1) and len(set(factors[1:3])) == 1 and factors[1] in _NAMES:
            return _NAMES[factors[1]]
        return ",".join(f"{c.sampling[1]}x{c.sampling[0]}" for c in self.components)

    @property
    def quality(self) -> tuple[int, bool]:
        """(libjpeg quality with the nearest luma table, whether the tables are equal)."""
        return ijg_quality(self.components[0].table)


_NAMES: dict[tuple[float, float], str] = {
    (1, 1): "4:4:4",
    (1, 2): "4:2:2",
    (2, 2): "4:2:0",
    (2, 1): "4:4:0",
    (1, 4): "4:1:1",
    (2, 4): "4:1:0",
}  # by pixels per chroma sample


def read_jpeg(data: bytes) -> JpegFile:
    """Reads the header and coefficients of a file.

    Raises JpegError if the file is not a JPEG, is damaged or truncated, or is of an unsupported kind (arithmetic
    coding, lossless, 12 bits, hierarchical).
    """
    try:
        return _Reader(data).read()
    except ScanError as error:
        raise JpegError(str(error)) from error
    except (IndexError, KeyError) as error:
        raise JpegError("the file is damaged or cut short") from error


# ----------------------------------------------------------------------------------------------------- markers

_SOF_NAMES = {0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical lossless"}
_SCAN_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")


@dataclass
class _Frame:
    """A component while its scans are read; `blocks` covers whole MCUs, (rows, columns, 64), stored order."""

    identifier: int
    sampling: tuple[int, int]
    table_number: int
    rows: int
    columns: int
    blocks: NDArray[np.int16]
    table: NDArray[np.int_] | None = None


class _Reader:
    """Reads the segments of one file and keeps the tables currently in force."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.quantisation: dict[int, NDArray[np.int_]] = {}
        self.huffman: dict[int, HuffmanTable] = {}
        self.frame: list[_Frame] = []
        self.size = (0, 0)
        self.progressive = False
        self.restart_interval = 0
        self.jfif = False
        self.adobe: int | None = None
        self.scans = 0

    def read(self) -> JpegFile:
        if self.data[:2] != b"\xff\xd8":
            raise JpegError("it is not a JPEG file")
        position, handlers = 2, self._handlers()
        while True:
            position = self._next_marker(position)
            if position is None:
                break
            marker = self.data[position]
            position += 1
            if marker == 0xD9:
                break
            length = int.from_bytes(self.data[position : position + 2])
            payload, position = self.data[position + 2 : position + length], position + max(length, 2)
            if len(payload) != max(length - 2, 0):
                raise JpegError("the file is cut short")
            if marker == 0xDA:
                position = self._scan(payload, position)
            elif marker in handlers:
                handlers[marker](payload)
            elif 0xC3 <= marker <= 0xCF:
                raise JpegError(f"{_SOF_NAMES.get(marker, 'arithmetic')} coding is not read")
        return self._finish()

    def _handlers(self) -> dict[int, Callable[[bytes], None]]:
        return {
            0xC0: self._start_of_frame,
            0xC1: self._start_of_frame,
            0xC2: self._start_of_progressive,
            0xC4: self._huffman_tables,
            0xDB: self._quantisation_tables,
            0xDD: self._define_restart,
            0xE0: self._app0,
            0xEE: self._app14,
        }

    def _next_marker(self, position: int) -> int | None:
        """Position of the next marker's code, skipping garbage and fill bytes; None at the end of the file."""
        while True:
            position = self.data.find(b"\xff", position)
            if position < 0 or position + 1 >= len(self.data):
                return None
            position += 1
            if self.data[position] not in (0x00, 0xFF) and not 0xD0 <= self.data[position] <= 0xD8:
                return position

    def _app0(self, payload: bytes) -> None:
        self.jfif = self.jfif or payload[:5] == b"JFIF\0"

    def _app14(self, payload: bytes) -> None:
        if payload[:5] == b"Adobe" and len(payload) >= 12:
            self.adobe = payload[11]

    def _define_restart(self, payload: bytes) -> None:
        self.restart_interval = int.from_bytes(payload[:2])

    def _quantisation_tables(self, payload: bytes) -> None:
        while payload:
            wide, number = payload[0] >> 4, payload[0] & 15
            count = 128 if wide else 64
            stored = np.frombuffer(payload[1 : 1 + count], ">u2" if wide else np.uint8)
            if len(stored) != 64 or not stored.all():
                raise JpegError("a quantisation table is damaged")
            table = np.empty(64, np.int_)
            table[NATURAL] = stored
            self.quantisation[number] = table.reshape(BLOCK, BLOCK)
            payload = payload[1 + count :]

    def _huffman_tables(self, payload: bytes) -> None:
        while payload:
            counts = payload[1:17]
            symbols = payload[17 : 17 + sum(counts)]
            self.huffman[payload[0]] = HuffmanTable.build(list(counts), list(symbols))
            payload = payload[17 + sum(counts) :]

    def _start_of_progressive(self, payload: bytes) -> None:
        self.progressive = True
        self._start_of_frame(payload)

    def _start_of_frame(self, payload: bytes) -> None:
        if self.frame:
            raise JpegError("the file holds several frames")
        if payload[0] != 8:
            raise JpegError(f"samples of {payload[0]} bits are not read")
        height, width = int.from_bytes(payload[1:3]), int.from_bytes(payload[3:5])
        described = [payload[6 + 3 * i : 9 + 3 * i] for i in range(payload[5])]
        samplings = [(part[1] & 15, part[1] >> 4) for part in described]
        if not (height and width) or len(samplings) not in (1, 3, 4) or min(map(min, samplings)) < 1:
            raise JpegError("the size or the sampling of the picture is damaged")
        if len(samplings) == 1:  # factors of a single component mean nothing
            samplings = [(1, 1)]
        most = max(v for v, _ in samplings), max(h for _, h in samplings)
        if max(most) > 4 or height * width * len(samplings) > MAX_SAMPLES:
            raise JpegError("the size or the sampling of the picture is damaged")
        self.size = height, width
        mcu_rows, mcu_columns = ceil(height / (BLOCK * most[0])), ceil(width / (BLOCK * most[1]))
        for part, (vertical, horizontal) in zip(described, samplings, strict=True):
            self.frame.append(
                _Frame(
                    identifier=part[0],
                    sampling=(vertical, horizontal),
                    table_number=part[2],
                    rows=ceil(ceil(height * vertical / most[0]) / BLOCK),
                    columns=ceil(ceil(width * horizontal / most[1]) / BLOCK),
                    blocks=np.zeros((mcu_rows * vertical, mcu_columns * horizontal, 64), np.int16),
                )
            )

    # ---------------------------------------------------------------------------------------------------- scans

    def _scan(self, header: bytes, position: int) -> int:
        """Reads one scan; returns the position from which to search the next marker."""
        found = _SCAN_END.search(self.data, position)
        end = found.start() if found else len(self.data)
        segments = [part.replace(b"\xff\x00", b"\xff") for part in _RESTART.split(self.data[position:end])]
        chosen = []
        for i in range(header[0]):
            identifier, numbers = header[1 + 2 * i], header[2 + 2 * i]
            part = next((part for part in self.frame if part.identifier == identifier), None)
            if part is None:
                raise JpegError("a scan is of a component that the file does not have")
            if part.table is None:  # the table in force at a component's first scan is its table
                part.table = self.quantisation[part.table_number]
            chosen.append((part, numbers >> 4, 0x10 | numbers & 15))
        self.scans += 1
        if self.scans > MAX_SCANS:
            raise JpegError("the file holds too many scans")
        start, last, approximation = header[1 + 2 * len(chosen) : 4 + 2 * len(chosen)]
        if not self.progressive:
            start, last, approximation = 0, 63, 0
        if not chosen or start > last or last > 63 or (self.progressive and start > 0 and len(chosen) > 1):
            raise JpegError("the header of a scan is damaged")
        scan = _Scan(self.huffman, self.progressive, start, last, approximation >> 4, approximation & 15)
        scan.read(chosen, segments, self.restart_interval)
        return end

    def _finish(self) -> JpegFile:
        if not self.scans:
            raise JpegError("the file holds no picture data")
        components = []
        for part in self.frame:
            if part.table is None:
                raise JpegError("a component has no data")
            blocks = np.empty((part.rows, BLOCK, part.columns, BLOCK), np.int16)
            stored = part.blocks[: part.rows, : part.columns]
            for k, place in enumerate(NATURAL):
                blocks[:, place // BLOCK, :, place % BLOCK] = stored[..., k]
            plane = blocks.reshape(BLOCK * part.rows, BLOCK * part.columns)
            components.append(Component(part.identifier, part.sampling, part.table, plane))
        return JpegFile(
            *self.size,
            colour=self._colour(),
            components=tuple(components),
            progressive=self.progressive,
            restart_interval=self.restart_interval,
            adobe_transform=self.adobe,
            size=len(self.data),
        )

    def _colour(self) -> Colour:
        if len(self.frame) == 1:
            return "gray"
        if len(self.frame) == 4:
            return "YCCK" if self.adobe == 2 else "CMYK"
        if self.jfif:
            return "YCbCr"
        if self.adobe is not None:
            return "RGB" if self.adobe == 0 else "YCbCr"
        return "RGB" if bytes(part.identifier for part in self.frame) == b"RGB" else "YCbCr"


@dataclass(frozen=True)
class _Scan:
    """The coefficients of a scan, start … last in stored order, and their precision (`high`, `low`)."""

    huffman: dict[int, HuffmanTable]
    progressive: bool
    start: int
    last: int
    high: int
    low: int

    def read(self, chosen: list[tuple[_Frame, int, int]], segments: list[bytes], interval: int) -> None:
        """Adds the scan's coefficients to those of the chosen components (each with its DC and AC table's number);
        `segments` are the data between restart markers, `interval` MCUs each (0: all)."""
        views = [(i, view) for i, (part, _, _) in enumerate(chosen) for view in _views(part, len(chosen) > 1)]
        owners = [i for i, _ in views]
        units = np.stack([view.reshape(-1, 64) for _, view in views], axis=1)
        step = interval or len(units)
        if len(segments) < ceil(len(units) / step):
            raise ScanError("the picture data is cut short")
        tables = [chosen[i][1:] for i in owners]
        for segment, first in zip(segments, range(0, len(units), step), strict=False):
            self._decode(Bits(segment), units[first : first + step], owners, tables)
        for i, (_, view) in enumerate(views):
            view[...] = units[:, i].reshape(view.shape)

    def _decode(self, bits: Bits, units: NDArray[np.int16], owners: list[int], tables: list[tuple[int, int]]) -> None:
        """Decodes one segment into its units (MCUs, blocks per MCU, 64)."""
        if not self.progressive:
            sequential(bits, [(self.huffman[dc], self.huffman[ac]) for dc, ac in tables], units)
            _add_up(units, owners)
        elif self.start == 0 and self.high == 0:
            dc_first(bits, [self.huffman[dc] for dc, _ in tables], units)
            _add_up(units, owners)
            units[..., 0] <<= self.low
        elif self.start == 0:
            dc_refine(bits, units, self.low)
        else:
            decode = ac_refine if self.high else ac_first
            decode(bits, self.huffman[tables[0][1]], units[:, 0], self.start, self.last, self.low)


def _views(part: _Frame, interleaved: bool) -> list[NDArray[np.int16]]:
    """The component's blocks in the order of a scan, one array (rows, columns, 64) per position in the MCU.

    A scan of several components goes MCU by MCU; a scan of one goes block by block, without the blocks that
    only pad an MCU.
    """
    if not interleaved:
        return [part.blocks[: part.rows, : part.columns]]
    vertical, horizontal = part.sampling
    return [part.blocks[v::vertical, h::horizontal] for v in range(vertical) for h in range(horizontal)]


def _add_up(units: NDArray[np.int16], owners: list[int]) -> None:
    """Turns DC differences into DC coefficients, component by component, in place."""
    for component in set(owners):
        own = [i for i, owner in enumerate(owners) if owner == component]
        units[:, own, 0] = np.cumsum(units[:, own, 0]).reshape(-1, len(own))


def _most(components: Sequence[Component]) -> tuple[int, int]:
    """The largest (vertical, horizontal) sampling factors."""
    return max(c.sampling[0] for c in components), max(c.sampling[1] for c in components)
