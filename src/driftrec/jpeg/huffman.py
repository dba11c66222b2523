"""Decodes entropy-coded segments of JPEG files to coefficients: sequential and progressive Huffman scans.

Each code word starts where the previous one ends, so the search for their positions cannot be vectorised.  A scan is
therefore read in two passes: a *walk* in plain Python that only adds up lengths, and a vectorised pass that reads the
values at the positions found.  Source: ITU-T T.81, Annexes C, F and G.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

EOB_STEP = 64
"""Increment of the coefficient index at an end of block: past the last coefficient of any block."""

_INVALID = 1 << 12  # an increment that no valid code has


class ScanError(ValueError):
    """The entropy-coded data is damaged.  Data that ends too early is no error: its decoder says how far it came."""


@dataclass(frozen=True, eq=False)
class HuffmanTable:
    """A Huffman table as lookup arrays indexed by the next 16 bits, (65536,) each, and as lists for the walks.

    `symbols` holds the symbol; `lengths` holds the bits of its code word, or 0 if there is no code word.
    """

    symbols: NDArray[np.int32] = field(repr=False)
    lengths: NDArray[np.int32] = field(repr=False)

    @staticmethod
    @lru_cache(maxsize=16)  # most files have the same few tables
    def build(counts: bytes, symbols: bytes) -> "HuffmanTable":
        """Builds a table from the number of code words of each length 1 … 16 and the symbols in code word order
        (T.81, Annex C).  Raises ScanError if counts and symbols do not form a code."""
        if len(counts) != 16:
            raise ScanError("a Huffman table is cut short")
        lengths = np.repeat(np.arange(1, 17), list(counts))
        spans = 1 << (16 - lengths)
        if len(lengths) != len(symbols) or spans.sum() > 1 << 16:
            raise ScanError("a Huffman table has more code words than fit")
        rest = (1 << 16) - int(spans.sum())
        pad = np.zeros(rest, np.int32)
        return HuffmanTable(
            np.concatenate([np.repeat(np.frombuffer(symbols, np.uint8).astype(np.int32), spans), pad]),
            np.concatenate([np.repeat(lengths, spans), pad]).astype(np.int32),
        )

    @cached_property
    def entries(self) -> tuple[list[int], list[int]]:
        """`symbols` and `lengths` as lists."""
        return self.symbols.tolist(), self.lengths.tolist()

    @cached_property
    def dc_advances(self) -> list[int]:
        """For each entry, the bits of the code word and value of a DC difference."""
        return np.where(self.lengths > 0, self.lengths + (self.symbols & 15), _INVALID).tolist()

    @cached_property
    def ac_moves(self) -> list[int]:
        """For each entry, the bits of the code word and value of an AC symbol, plus 32 × the increment of the
        coefficient index."""
        run, size = self.symbols >> 4, self.symbols & 15
        step = np.where((size > 0) | (run == 15), run + 1, EOB_STEP)
        step = np.where(self.lengths > 0, step, _INVALID)
        return (np.minimum(self.lengths + size, 31) | step << 5).tolist()


class Bits:
    """The bits of one segment, with stuffing removed; reads past the end first give zeros, then IndexError."""

    def __init__(self, data: bytes) -> None:
        self.end = 8 * len(data)
        padded = np.frombuffer(data + bytes(64), np.uint8).astype(np.uint32)
        self._words = padded[:-3] << 24 | padded[1:-2] << 16 | padded[2:-1] << 8 | padded[3:]
        self.words = array("I", self._words.tobytes())
        """The 32 bits that start at each byte."""

    def windows(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The 16 bits that start at each bit position."""
        return (self._words[positions >> 3] >> (16 - (positions & 7)).astype(np.uint32) & 0xFFFF).astype(np.int64)

    def values(self, positions: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The signed values of the given sizes, in bits, at the given positions (T.81, F.2.2.1)."""
        raw = self.windows(positions) >> (16 - sizes)
        return np.where((raw << 1) >> sizes > 0, raw, raw - (1 << sizes) + 1)

    def within(self, positions: list[int]) -> NDArray[np.int64]:
        """The positions as an array; those past the end become the first bit past it."""
        return np.minimum(np.array(positions, np.int64), self.end + 1)

    def whole(self, positions: NDArray[np.int64], ends: NDArray[np.int64], wrong: NDArray[np.bool_]) -> int:
        """How many of the symbols that start and end at the given positions come before the data ends.

        Raises ScanError if one of them is `wrong`, unless the end of the data made it so.
        """
        bad = wrong | (ends > self.end)
        if not bad.any():
            return len(positions)
        first = int(bad.argmax())
        if max(positions[first] + 16, ends[first]) <= self.end:
            raise ScanError("the picture data is damaged")
        return first


def sequential(bits: Bits, pattern: Sequence[tuple[HuffmanTable, HuffmanTable]], out: NDArray[np.int16]) -> int:
    """Decodes all blocks of a sequential segment, with the DC and AC tables of the pattern in turn.

    Fills `out` (count, len(pattern), 64), which must hold zeros, in stored order; DC values are differences.  Returns
    how many of the `count` the data holds; the others stay zero.  Raises ScanError for damaged data.
    """
    moves = [(dc.dc_advances, ac.ac_moves) for dc, ac in pattern]
    position, chunk = 0, 1 + 16384 // len(pattern)
    for first in range(0, len(out), chunk):
        part = out[first : first + chunk]
        position, reached = _sequential_chunk(bits, pattern, moves, part, position)
        if reached < len(part):
            return first + reached
    return len(out)


def _sequential_chunk(
    bits: Bits,
    pattern: Sequence[tuple[HuffmanTable, HuffmanTable]],
    moves: list[tuple[list[int], list[int]]],
    out: NDArray[np.int16],
    position: int,
) -> tuple[int, int]:
    """Fills `out`, reading from `position`; returns the position after the last bit read, and how much it filled."""
    words, found, firsts = bits.words, [], []
    append = found.append
    try:
        for _ in range(len(out)):
            for dc, ac in moves:
                firsts.append(len(found))
                append(position)
                position += dc[words[position >> 3] >> (16 - (position & 7)) & 0xFFFF]
                k = 1
                while k < 64:
                    append(position)
                    move = ac[words[position >> 3] >> (16 - (position & 7)) & 0xFFFF]
                    position += move & 31
                    k += move >> 5
    except IndexError:  # past the end: below, the first symbol there says so
        pass

    positions, first = bits.within(found), np.array(firsts, np.int64)
    windows = bits.windows(positions)
    block = np.zeros(len(positions), np.int64)
    block[first[1:]] = 1
    np.cumsum(block, out=block)
    is_dc = np.zeros(len(positions), bool)
    is_dc[first] = True
    symbols, lengths = np.empty_like(windows), np.empty_like(windows)
    kind = 2 * (block % len(pattern)) + ~is_dc
    for number, table in enumerate(table for pair in pattern for table in pair):
        chosen = kind == number
        symbols[chosen], lengths[chosen] = table.symbols[windows[chosen]], table.lengths[windows[chosen]]
    sizes = symbols & 15
    step = np.where((sizes > 0) | (symbols >> 4 == 15), (symbols >> 4) + 1, EOB_STEP)
    step[is_dc] = 1
    after = np.cumsum(step)
    index = after - (after - step)[first][block] - 1
    coded = sizes > 0
    symbols_read = bits.whole(positions, positions + lengths + sizes, (lengths == 0) | (coded & (index > 63)))
    reached = len(out) if symbols_read == len(positions) else int(block[symbols_read]) // len(pattern)
    coded &= block < reached * len(pattern)
    values = bits.values((positions + lengths)[coded], sizes[coded])
    out.reshape(-1, 64)[block[coded], index[coded]] = values
    return position, reached


# -------------------------------------------------------------------------------------------------- progressive


def dc_first(bits: Bits, pattern: Sequence[HuffmanTable], out: NDArray[np.int16]) -> int:
    """First DC scan: fills `out` (count, len(pattern), 64) with differences, not yet shifted to their bit position.

    Returns, as all functions below, how many of the `count` the data holds; the others stay as they are.
    """
    words, found, position = bits.words, [], 0
    moves = [table.dc_advances for table in pattern]
    try:
        for _ in range(len(out)):
            for dc in moves:
                found.append(position)
                position += dc[words[position >> 3] >> (16 - (position & 7)) & 0xFFFF]
    except IndexError:  # past the end: below, the first symbol there says so
        pass
    positions = bits.within(found)
    windows = bits.windows(positions)
    symbols, lengths = np.empty_like(windows), np.empty_like(windows)
    for column, table in enumerate(pattern):
        own = slice(column, None, len(pattern))
        symbols[own], lengths[own] = table.symbols[windows[own]], table.lengths[windows[own]]
    sizes = symbols & 15
    reached = bits.whole(positions, positions + lengths + sizes, lengths == 0) // len(pattern)
    kept = slice(reached * len(pattern))
    values = np.where(sizes[kept] > 0, bits.values((positions + lengths)[kept], sizes[kept]), 0)
    out[:reached, :, 0] = values.reshape(reached, len(pattern))
    return reached


def dc_refine(bits: Bits, out: NDArray[np.int16], shift: int) -> int:
    """Refinement of DC: adds the bit of value 2^shift to `out` (count, blocks per MCU, 64)."""
    reached = min(len(out), bits.end // out.shape[1])
    count = reached * out.shape[1]
    raised = bits.windows(np.arange(count)) >> 15 << shift
    out[:reached, :, 0] += raised.astype(np.int16).reshape(reached, out.shape[1])
    return reached


def ac_first(bits: Bits, table: HuffmanTable, blocks: NDArray[np.int16], start: int, end: int, shift: int) -> int:
    """First scan of coefficients start … end: fills `blocks` (count, 64), stored order, in place."""
    (symbols, lengths), words, limit = table.entries, bits.words, bits.end
    rows, columns, positions, sizes = [], [], [], []
    position, row, reached, count = 0, 0, 0, len(blocks)
    try:
        while row < count:
            k = start
            while k <= end:
                window = words[position >> 3] >> (16 - (position & 7)) & 0xFFFF
                symbol, length = symbols[window], lengths[window]
                if not length:
                    _require_end(position, limit)
                position += length
                run, size = symbol >> 4, symbol & 15
                if size:
                    k += run
                    rows.append(row)
                    columns.append(k)
                    positions.append(position)
                    sizes.append(size)
                    position += size
                    k += 1
                elif run == 15:
                    k += 16
                else:
                    if run:
                        extra = words[position >> 3] >> (16 - (position & 7)) & 0xFFFF
                        row += (1 << run) - 1 + (extra >> (16 - run))
                        position += run
                    break
            row += 1
            if position > limit:
                break
            reached = row
    except IndexError:  # past the end
        pass
    kept = slice(bisect_left(rows, reached))
    if reached > count or max(columns[kept], default=0) > end:
        raise ScanError("the picture data is damaged")
    if rows[kept]:
        values = bits.values(np.array(positions[kept], np.int64), np.array(sizes[kept], np.int64))
        blocks[rows[kept], columns[kept]] = values << shift
    return reached


def ac_refine(bits: Bits, table: HuffmanTable, blocks: NDArray[np.int16], start: int, end: int, shift: int) -> int:
    """Refinement of coefficients start … end by one bit: changes `blocks` (count, 64), stored order, in place.

    Known coefficients get a correction bit each as the run passes over them (T.81, G.1.2.3).
    """
    (symbols, lengths), words, limit = table.entries, bits.words, bits.end
    known = blocks[:, start : end + 1] != 0
    known_columns = np.nonzero(known)[1].tolist()
    known_until = np.cumsum(known.sum(axis=1)).tolist()
    corrections = np.zeros(len(known_columns), np.int64)  # bit position of each known coefficient's correction
    rows, columns, signs = [], [], []
    position, waiting, done, reached = 0, 0, 0, 0
    width = end - start + 1
    try:
        for row in range(len(blocks)):
            last = known_until[row]
            k = 0
            while not waiting and k < width:
                window = words[position >> 3] >> (16 - (position & 7)) & 0xFFFF
                symbol, length = symbols[window], lengths[window]
                if not length:
                    _require_end(position, limit)
                position += length
                run, size = symbol >> 4, symbol & 15
                sign = 0
                if size:
                    sign = position
                    position += 1
                elif run < 15:
                    waiting = 1 << run
                    if run:
                        extra = words[position >> 3] >> (16 - (position & 7)) & 0xFFFF
                        waiting += extra >> (16 - run)
                        position += run
                    break
                # Pass over `run` zeros and every known coefficient between them, up to the next zero.
                target = k + run
                while done < last and known_columns[done] <= target:
                    corrections[done] = position
                    position += 1
                    done += 1
                    target += 1
                if size:
                    if target >= width:
                        _require_end(position, limit)
                    rows.append(row)
                    columns.append(target)
                    signs.append(sign)
                k = target + 1
            if done < last:
                corrections[done:last] = np.arange(position, position + last - done)
                position += last - done
                done = last
            if waiting:
                waiting -= 1
            if position > limit:
                break
            reached = row + 1
    except IndexError:  # past the end
        pass
    known[reached:] = False
    band = blocks[:, start : end + 1]
    if corrected := known_until[reached - 1] if reached else 0:
        raised = (bits.windows(corrections[:corrected]) >> 15) << shift
        band[known] += (np.sign(band[known]) * raised).astype(np.int16)
    kept = slice(bisect_left(rows, reached))
    if rows[kept]:
        positive = bits.windows(np.array(signs[kept], np.int64)) >> 15
        band[rows[kept], columns[kept]] = np.where(positive > 0, 1 << shift, -(1 << shift))
    return reached


def _require_end(position: int, limit: int) -> None:
    """Raises IndexError if an invalid symbol can come from the end of the data nearby, otherwise ScanError."""
    if position + 16 > limit:
        raise IndexError
    raise ScanError("the picture data is damaged")
