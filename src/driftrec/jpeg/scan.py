"""The scans of a JPEG file: which coefficients each of them brings, for how many blocks, and how precisely."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.huffman import Bits, HuffmanTable, ScanError, ac_first, ac_refine, dc_first, dc_refine, sequential


@dataclass
class Frame:
    """A component while its scans are read.

    Attributes:
        identifier, sampling, table_number: as in the file's header.
        rows, columns: number of its blocks, without those that only pad an MCU.
        blocks: coefficients in stored order, (rows, columns, 64), of whole MCUs.
        table: the quantisation table that was in force at its first scan.
        precision: for each coefficient, the bits that the scans read so far leave open; NONE before the first.
        partial: the scan that the file breaks off, and the blocks that it reached, bool (rows, columns) as in `blocks`.
    """

    identifier: int
    sampling: tuple[int, int]
    table_number: int
    rows: int
    columns: int
    blocks: NDArray[np.int16]
    table: NDArray[np.int_] | None = None
    precision: NDArray[np.int_] = field(default_factory=lambda: np.full(64, NONE))
    partial: "tuple[Scan, NDArray[np.bool_]] | None" = None

    def known(self) -> NDArray[np.bool_]:
        """Which coefficients are known in full: (rows, columns, 64), stored order, of whole MCUs."""
        known = np.broadcast_to(self.precision == 0, self.blocks.shape).copy()
        if self.partial is not None:
            scan, reached = self.partial
            if scan.low == 0:
                known[..., scan.start : scan.last + 1] |= reached[..., None]
        return known

    def begun(self) -> NDArray[np.bool_]:
        """Of which blocks at least a rough mean is known: (rows, columns), of whole MCUs."""
        if self.precision[0] == NONE and self.partial is not None and self.partial[0].start == 0:
            return self.partial[1]
        return np.full(self.blocks.shape[:2], self.precision[0] != NONE)


NONE = 99
"""The precision of a coefficient that no scan has brought yet."""

Chosen = list[tuple[Frame, int, int]]
"""The components of a scan, each with the numbers of its DC and AC tables."""


@dataclass(frozen=True)
class Scan:
    """The coefficients of a scan, start … last in stored order, and their precision (`high`, `low`)."""

    huffman: dict[int, HuffmanTable]
    progressive: bool
    start: int
    last: int
    high: int
    low: int

    def read(self, chosen: Chosen, segments: list[bytes], interval: int) -> bool:
        """Adds the scan's coefficients to those of the chosen components; returns whether it is whole.

        `segments` are the data between restart markers, `interval` MCUs each (0: all).  If they end too early, the
        blocks before are kept.  Raises ScanError, and keeps nothing, if they are damaged.
        """
        views = [(i, view) for i, (part, _, _) in enumerate(chosen) for view in _views(part, len(chosen) > 1)]
        owners = [i for i, _ in views]
        units = np.stack([view.reshape(-1, 64) for _, view in views], axis=1)
        step = interval or len(units)
        tables = [chosen[i][1:] for i in owners]
        reached = 0
        for segment, first in zip(segments, range(0, len(units), step), strict=False):
            if reached < first:
                raise ScanError("the picture data is damaged")
            reached = first + self._decode(Bits(segment), units[first : first + step], owners, tables)
        for i, (_, view) in enumerate(views):
            view[...] = units[:, i].reshape(view.shape)
        whole = reached == len(units)
        for part, _, _ in chosen:
            if whole:
                part.precision[self.start : self.last + 1] = self.low
            else:
                part.partial = self, _first_blocks(part, len(chosen) > 1, reached)
        return whole

    def _decode(self, bits: Bits, units: NDArray[np.int16], owners: list[int], tables: list[tuple[int, int]]) -> int:
        """Decodes one segment into its units (MCUs, blocks per MCU, 64); returns the number of units that it holds."""
        if not self.progressive:
            reached = sequential(bits, [(self.huffman[dc], self.huffman[ac]) for dc, ac in tables], units)
            _add_up(units[:reached], owners)
        elif self.start == 0 and self.high == 0:
            reached = dc_first(bits, [self.huffman[dc] for dc, _ in tables], units)
            _add_up(units[:reached], owners)
            units[:reached, :, 0] <<= self.low
        elif self.start == 0:
            reached = dc_refine(bits, units, self.low)
        else:
            decode = ac_refine if self.high else ac_first
            reached = decode(bits, self.huffman[tables[0][1]], units[:, 0], self.start, self.last, self.low)
        return reached


def _places(part: Frame, interleaved: bool) -> Iterator[tuple[slice, slice]]:
    """The rows and columns of the component's blocks in the order of a scan, for each position in the MCU.

    A scan of several components goes MCU by MCU; a scan of one goes block by block, without the blocks that
    only pad an MCU.
    """
    if not interleaved:
        yield slice(part.rows), slice(part.columns)
        return
    vertical, horizontal = part.sampling
    for v in range(vertical):
        for h in range(horizontal):
            yield slice(v, None, vertical), slice(h, None, horizontal)


def _views(part: Frame, interleaved: bool) -> list[NDArray[np.int16]]:
    """The component's blocks in the order of a scan, one array (rows, columns, 64) per position in the MCU."""
    return [part.blocks[place] for place in _places(part, interleaved)]


def _first_blocks(part: Frame, interleaved: bool, count: int) -> NDArray[np.bool_]:
    """Which blocks of the component the first `count` units of a scan hold, bool (rows, columns).

    Blocks that only pad an MCU count as held: a scan of one component does not have them.
    """
    reached = np.ones(part.blocks.shape[:2], bool)
    for place in _places(part, interleaved):
        shape = reached[place].shape
        reached[place] = (np.arange(shape[0] * shape[1]) < count).reshape(shape)
    return reached


def _add_up(units: NDArray[np.int16], owners: list[int]) -> None:
    """Turns DC differences into DC coefficients, component by component, in place."""
    for component in set(owners):
        own = [i for i, owner in enumerate(owners) if owner == component]
        units[:, own, 0] = np.cumsum(units[:, own, 0]).reshape(-1, len(own))


def blocks_of(height: int, width: int, sampling: tuple[int, int], most: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the blocks of a component, without those that only pad an MCU (T.81, A.1.1)."""
    sides = zip((height, width), sampling, most, strict=True)
    rows, columns = (ceil(ceil(length * own / largest) / 8) for length, own, largest in sides)
    return rows, columns
