"""Reads JPEG files: size, tables, sampling, and the exact quantised coefficients.

    file = read_jpeg(data)                      # bytes → JpegFile
    file.components[0].coefficients             # int16, of luma

Supports baseline, extended and progressive Huffman files of 8 bits, with any number of scans and restart markers.
Source: ITU-T T.81; colour as libjpeg infers it from the JFIF and Adobe markers and the component ids.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.huffman import HuffmanTable, ScanError
from driftrec.jpeg.scan import Chosen, Frame, Scan
from driftrec.jpeg.segments import SegmentError, frame_header, huffman_tables, quantisation_tables
from driftrec.jpeg.tables import BLOCK, NATURAL, ijg_quality

Colour: TypeAlias = Literal["gray", "YCbCr", "RGB", "CMYK", "YCCK"]

START = b"\xff\xd8"
"""The marker that a file begins with."""

END = 0xD9
"""The code of the marker at the end of a file."""

MOST_ABSENT = 0.98
"""Files that lack a larger fraction of the picture are refused: often its size in the header is damaged."""

NO_END = "the file lacks its end, but nothing of the picture"

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
        missing: a clause that says what a file that is cut short lacks; empty if it is whole.
        absent: the MCUs of which the file holds nothing, bool (rows, columns); None if there are none.
    """

    height: int
    width: int
    colour: Colour
    components: tuple[Component, ...]
    progressive: bool
    restart_interval: int
    adobe_transform: int | None
    size: int
    missing: str = ""
    absent: NDArray[np.bool_] | None = field(default=None, repr=False)

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


def is_jpeg(data: bytes | None) -> bool:
    """Whether these are the bytes of a file that begins like a JPEG."""
    return data is not None and data[:2] == START


def read_jpeg(data: bytes) -> JpegFile:
    """Reads the header and coefficients of a file.

    Of a file that is cut short, it reads what is there, and `JpegFile.missing` says what is not.  Segments behind the
    picture's data may be damaged.  Raises JpegError if the file is not a JPEG, is damaged otherwise, holds almost
    nothing of the picture, or is of an unsupported kind (arithmetic coding, lossless, 12 bits, hierarchical).
    """
    try:
        return _Reader(data).read()
    except (ScanError, SegmentError) as error:
        raise JpegError(str(error)) from error
    except (IndexError, KeyError) as error:
        raise JpegError("the file is damaged or cut short") from error


# ----------------------------------------------------------------------------------------------------- markers

_SOF_NAMES = {0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical lossless"}
_SCAN_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")


class _Reader:
    """Reads the segments of one file and keeps the tables currently in force."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.quantisation: dict[int, NDArray[np.int_]] = {}
        self.huffman: dict[int, HuffmanTable] = {}
        self.frame: list[Frame] = []
        self.size = (0, 0)
        self.progressive = False
        self.restart_interval = 0
        self.jfif = False
        self.adobe: int | None = None
        self.colour: Colour = "gray"
        self.scans = 0
        self.cut = False

    def read(self) -> JpegFile:
        if not is_jpeg(self.data):
            raise JpegError("it is not a JPEG file")
        position, handlers = self._next_marker(2), self._handlers()
        while position is not None and self.data[position] != END and not self.cut and not self._complete():
            position = self._segment(position, handlers)
        # What is behind the picture's data does not matter: it may be damaged.
        return self._finish(ended=position is not None and self.data.find(bytes([0xFF, END]), position - 1) >= 0)

    def _segment(self, position: int, handlers: dict[int, Callable[[bytes], None]]) -> int | None:
        """Reads the segment whose marker is at `position`; returns the position of the next marker."""
        marker = self.data[position]
        position += 1
        length = int.from_bytes(self.data[position : position + 2])
        payload, position = self.data[position + 2 : position + length], position + max(length, 2)
        if position > len(self.data):
            if not self.scans:
                raise JpegError("the file is cut short")
            return None
        if marker == 0xDA:
            position = self._scan(payload, position)
        elif marker in handlers:
            handlers[marker](payload)
        elif 0xC3 <= marker <= 0xCF:
            raise JpegError(f"{_SOF_NAMES.get(marker, 'arithmetic')} coding is not read")
        return self._next_marker(position)

    def _complete(self) -> bool:
        """Whether the scans read so far bring every coefficient in full."""
        return self.scans > 0 and all(not part.precision.any() for part in self.frame)

    def _handlers(self) -> dict[int, Callable[[bytes], None]]:
        return {
            0xC0: self._start_of_frame,
            0xC1: self._start_of_frame,
            0xC2: self._start_of_progressive,
            0xC4: lambda payload: self.huffman.update(huffman_tables(payload)),
            0xDB: lambda payload: self.quantisation.update(quantisation_tables(payload)),
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

    def _start_of_progressive(self, payload: bytes) -> None:
        self._start_of_frame(payload)
        self.progressive = True

    def _start_of_frame(self, payload: bytes) -> None:
        if self.frame:
            raise SegmentError("the file holds several frames")
        self.size, self.frame = frame_header(payload)

    # ---------------------------------------------------------------------------------------------------- scans

    def _scan(self, header: bytes, position: int) -> int:
        """Reads one scan; returns the position from which to search the next marker."""
        found = _SCAN_END.search(self.data, position)
        end = found.start() if found else len(self.data)
        segments = [part.replace(b"\xff\x00", b"\xff") for part in _RESTART.split(self.data[position:end])]
        chosen: Chosen = []
        for i in range(header[0]):
            identifier, numbers = header[1 + 2 * i], header[2 + 2 * i]
            part = next((part for part in self.frame if part.identifier == identifier), None)
            if part is None:
                raise JpegError("a scan is of a component that the file does not have")
            if part.table is None:  # the table in force at a component's first scan is its table
                part.table = self.quantisation[part.table_number]
            chosen.append((part, numbers >> 4, 0x10 | numbers & 15))
        if not self.scans:  # later markers do not change the colours
            self.colour = self._colour()
        if self.scans == MAX_SCANS:
            raise JpegError("the file holds too many scans")
        start, last, approximation = header[1 + 2 * len(chosen) : 4 + 2 * len(chosen)]
        if not self.progressive:
            start, last, approximation = 0, 63, 0
        mixed = self.progressive and (last > 0 if start == 0 else len(chosen) > 1)
        if not chosen or start > last or last > 63 or mixed:
            raise JpegError("the header of a scan is damaged")
        scan = Scan(self.huffman, self.progressive, start, last, approximation >> 4, approximation & 15)
        self.cut = not scan.read(chosen, segments, self.restart_interval)
        self.scans += 1
        return end

    def _finish(self, *, ended: bool) -> JpegFile:
        if not self.scans:
            raise JpegError("the file holds no picture data")
        cut = self.cut or not (ended or self._complete())
        absent = ~_whole_mcus(self.frame[0].begun(), self.frame[0])
        if absent.mean() > MOST_ABSENT:
            raise JpegError("the file holds almost nothing of the picture")
        components = []
        for part in self.frame:
            table = self.quantisation.get(part.table_number) if cut and part.table is None else part.table
            if table is None:
                raise JpegError("a component has no data")
            coefficients = _in_natural_order(part.blocks, part)
            known = _in_natural_order(part.known(), part) if cut else None
            components.append(Component(part.identifier, part.sampling, table, coefficients, known))
        return JpegFile(
            *self.size,
            colour=self.colour,
            components=tuple(components),
            progressive=self.progressive,
            restart_interval=self.restart_interval,
            adobe_transform=self.adobe,
            size=len(self.data),
            missing=self._missing(absent)
            if cut
            else ""
            if ended
            else "the file lacks its end, but nothing of the picture",
            absent=absent if absent.any() else None,
        )

    def _missing(self, absent: NDArray[np.bool_]) -> str:
        """Says which part of the picture the file lacks, and whether it has the rest in full."""
        full = [_whole_mcus(np.asarray(part.known().all(axis=2)), part) for part in self.frame]
        rough = ~np.all(full, axis=0) & ~absent
        if not absent.any():
            return f"fine detail of {_share(rough)} is missing from the file"
        rest = ", and fine detail of the rest" if rough.any() else ""
        return f"{_share(absent)} is missing from the file{rest}"

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


def _most(components: Sequence[Component]) -> tuple[int, int]:
    """The largest (vertical, horizontal) sampling factors."""
    return max(c.sampling[0] for c in components), max(c.sampling[1] for c in components)


S = TypeVar("S", np.int16, np.bool_)


def _in_natural_order(blocks: NDArray[S], part: Frame) -> NDArray[S]:
    """Values in stored order, (rows, columns, 64), as a plane of the component's blocks, each in natural order."""
    plane = np.empty((part.rows, BLOCK, part.columns, BLOCK), blocks.dtype)
    for k, place in enumerate(NATURAL):
        plane[:, place // BLOCK, :, place % BLOCK] = blocks[: part.rows, : part.columns, k]
    return plane.reshape(BLOCK * part.rows, BLOCK * part.columns)


def _whole_mcus(blocks: NDArray[np.bool_], part: Frame) -> NDArray[np.bool_]:
    """Which MCUs consist of such blocks of the component only."""
    vertical, horizontal = part.sampling
    rows, columns = blocks.shape
    mcus = blocks.reshape(rows // vertical, vertical, columns // horizontal, horizontal)
    return np.asarray(mcus.all(axis=(1, 3)))


def _share(mcus: NDArray[np.bool_]) -> str:
    """The part of the picture that some of its last MCUs cover, in words."""
    percent = 100 * mcus.mean()
    if mcus.all():
        return "the whole picture"
    if percent < 1:
        return "the last part of the picture (less than 1 %)"
    return f"the lower {min(percent, 99):.0f} % of the picture"
