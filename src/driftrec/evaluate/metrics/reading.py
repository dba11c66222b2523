"""Legibility: how much of the text in a picture a recogniser still reads, with PP-OCR as packaged by RapidOCR.

The truth is what it reads in the clean picture.  Lines are found there, and read in the restored picture at the same
places.
"""

import hashlib
from typing import Any

import numpy as np

from driftrec.evaluate.corruptions import Pixels
from driftrec.extras import how_to_add

MARGIN = 3
"""Pixels around a line of text that are shown to the recogniser."""


class Reader:
    """A text recogniser with the lines of the last clean pictures.  Raises ValueError if RapidOCR is not installed."""

    def __init__(self) -> None:
        try:
            from rapidocr_onnxruntime import RapidOCR
        except ModuleNotFoundError as error:
            raise ValueError(f"reading text needs RapidOCR: {how_to_add('graphics')}") from error
        self._engine: Any = RapidOCR()
        self._lines: dict[str, list[tuple[tuple[slice, slice], str]]] = {}

    def error(self, restored: Pixels, clean: Pixels) -> float | None:
        """Character errors per hundred characters; None if there is no text in the clean picture."""
        key = hashlib.sha256(clean.tobytes()).hexdigest()
        if key not in self._lines:
            self._lines[key] = self._find(clean)
        lines = self._lines[key]
        wrong = sum(edit_distance(text, self._read(restored[box])) for box, text in lines)
        return 100 * wrong / sum(len(text) for _, text in lines) if lines else None

    def _find(self, clean: Pixels) -> list[tuple[tuple[slice, slice], str]]:
        """The places of lines of text, and what they say."""
        found, _ = self._engine(_bgr(clean))
        lines = []
        for corners, *_ in found or ():
            (left, top), (right, bottom) = np.min(corners, axis=0), np.max(corners, axis=0)
            rows = slice(max(int(top) - MARGIN, 0), int(bottom) + MARGIN)
            box = rows, slice(max(int(left) - MARGIN, 0), int(right) + MARGIN)
            if text := self._read(clean[box]):
                lines.append((box, text))
        return lines

    def _read(self, line: Pixels) -> str:
        found, _ = self._engine(_bgr(line), use_det=False, use_cls=False, use_rec=True)
        return "".join(text for text, _ in found or ())


def edit_distance(a: str, b: str) -> int:
    """The fewest insertions, deletions and replacements of characters that turn `a` into `b` (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def _bgr(pixels: Pixels) -> Pixels:
    """Channels in the order that OpenCV uses."""
    rgb = np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], 3))
    return np.ascontiguousarray(rgb[..., ::-1])
