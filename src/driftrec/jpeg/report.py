"""The analysis of a picture before restoration: facts about its file, and traces of earlier compressions."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.blocks import luma
from driftrec.jpeg.copied import completed, copied_jpeg
from driftrec.jpeg.detect import SHIFTED_SCORE, Trace, shifted_trace, windows
from driftrec.jpeg.file import JpegError, JpegFile, is_jpeg, read_jpeg
from driftrec.jpeg.layout import require_known
from driftrec.jpeg.requantised import EVIDENCE, requantised
from driftrec.jpeg.resizing import Resizing, find_resizing

HISTORY_FROM = 20
"""Lowest quality at which a JPEG is searched for earlier compressions.  In coarser files, cells contain the clean
picture even after two compressions (except for about 1 % of coefficients), and false alarms are likelier."""

CLOSE, CLOSE_SCORE = 8, 0.25
"""An earlier compression on another grid leaves next to no trace unless its quality was at least `CLOSE` lower than the
file's.  In patterns that repeat themselves, though, the file's own steps can show on another grid.  So a trace of a
higher quality needs this score."""

LIKELY, POSSIBLE = 0.5, 0.05
"""Probabilities from which on an earlier compression is reported, and from which on a picture in a lossless format is
compared with what that compression would have left."""

NOT_SEARCHED = 0.0, None

WEBP_FROM = 8
"""WebP transforms blocks of 4 pixels, which look like those of a JPEG that was reduced to half its size.  WebP files
are restored like that if its quality would be as high; coarser ones change more than such blocks."""

RESIZED_FROM = 50
"""Lowest quality at which a JPEG is searched for resizing after an earlier compression."""


@dataclass(frozen=True, eq=False)
class Report:
    """Facts and estimates about one picture.

    Attributes:
        width, height: in pixels, in the file's own orientation.
        size: of the file in bytes, None if there is no file.
        is_jpeg: there is a file, and it begins like a JPEG.
        file: the contents of the JPEG, None if it is not a JPEG or cannot be read; of a lossless copy of a JPEG or of a
            part of one, the contents that give its pixels.
        unread: why `file` is None or its coefficients cannot be compared with pixels; None if they can.
        earlier: the trace of a compression before the file's own (of any compression, if it is not a JPEG); None if
            none was found or the picture is too small.
        probability: of an earlier compression, in [0, 1].
        searched: the picture was searched for earlier compressions, and is large enough for a result.
        resized: how the picture was resized after a compression that was coarser than the file's own; None if that
            was not found.  `earlier` is None if it is known.
        offset: (rows, columns) of `file` that are above and to the left of the picture if it is a lossless copy;
            None if it is none.
    """

    width: int
    height: int
    size: int | None
    is_jpeg: bool
    file: JpegFile | None
    unread: str | None
    earlier: Trace | None
    probability: float
    searched: bool
    resized: Resizing | None = None
    offset: tuple[int, int] | None = None

    @property
    def bytes_per_pixel(self) -> float | None:
        """Bytes of the file per pixel; None if there is no file."""
        return None if self.size is None else self.size / (self.width * self.height)

    @property
    def reworked(self) -> bool:
        """The picture was compressed before, so its file says little about the clean picture."""
        return self.earlier is not None or self.resized is not None

    @property
    def coarser(self) -> Trace | None:
        """The earlier compression, if it was coarser than the file's own."""
        if self.earlier is None or (self.file is not None and self.earlier.quality >= self.file.quality[0]):
            return None
        return self.earlier

    @property
    def grid(self) -> tuple[int, int]:
        """(row, column), 0 … 7 each, where the first whole block of the coarsest known compression starts."""
        return (0, 0) if self.coarser is None else self.coarser.shift

    @property
    def copied(self) -> bool:
        """The picture is a lossless copy of `file`, or of a part of it."""
        return self.offset is not None

    @property
    def edited(self) -> NDArray[np.bool_] | None:
        """The MCUs of which a lossless copy does not tell all coefficients, bool (rows, columns); None if it has none.

        They were changed or cropped.
        """
        if self.file is None or not self.copied or (known := self.file.components[0].known) is None:
            return None
        height, width = self.file.mcu
        return ~known[::height, ::width]

    def row(self) -> tuple[str, ...]:
        """Size, quality, sampling, bytes per pixel and earlier compression, as text for a table."""
        quality, sampling = "no JPEG", "–"
        if self.file is not None:
            number, exact = self.file.quality
            quality = f"{'copy of ' if self.copied else ''}{number if exact else f'about {number}'}"
            sampling = self.file.subsampling + (", progressive" if self.file.progressive else "")
        per_pixel = self.bytes_per_pixel
        before = f"no ({self.probability:.0%})"
        if self.earlier is not None:
            row, column = self.earlier.shift
            grid = "same grid" if (row, column) == (0, 0) else f"grid moved by {column}, {row}"
            before = f"quality {self.earlier.quality}, {grid} ({self.probability:.0%})"
        elif self.resized is not None:
            before = f"quality {self.resized.trace.quality}, {self.resized.how}"
        return (
            f"{self.width}×{self.height}",
            quality,
            sampling,
            "–" if per_pixel is None else f"{per_pixel:.2f}",
            before,
        )

    def facts(self) -> dict[str, Any]:
        """All facts as JSON values."""
        facts: dict[str, Any] = {"width": self.width, "height": self.height, "bytes": self.size}
        facts["bytes_per_pixel"] = self.bytes_per_pixel
        facts["copied"] = self.copied
        if self.file is None:
            facts["jpeg"] = None
            facts["jpeg_unread"] = self.unread
        else:
            quality, exact = self.file.quality
            facts["jpeg"] = {
                "quality": quality,
                "quality_is_exact": exact,
                "colour": self.file.colour,
                "subsampling": self.file.subsampling,
                "progressive": self.file.progressive,
                "restart_interval": self.file.restart_interval,
                "adobe_transform": self.file.adobe_transform,
                "component_ids": [c.identifier for c in self.file.components],
                "tables": [c.table.tolist() for c in self.file.components],
            }
        earlier = self.earlier
        facts["earlier_compression"] = {
            "probability": round(self.probability, 4),
            "quality": earlier and earlier.quality,
            "grid_offset": earlier and list(earlier.shift),
        }
        facts["resized"] = None if self.resized is None else self.resized.facts()
        return facts


def examine(pixels: NDArray[np.generic], data: bytes | None = None, *, history: bool = True) -> Report:
    """Analyses a picture.

    Arguments:
        pixels: RGB (height, width, 3), uint8 or uint16, or float32 in [0, 1], as decoded, in the file's orientation.
        data: the bytes of the file they come from, if available.
        history: search for earlier compressions, which takes about half a second; JPEGs of a quality below
            HISTORY_FROM are not searched.

    No content of `data` is an error: if it cannot be read as JPEG, the report says why and uses the pixels only.
    """
    file, unread = _read(data)
    if file is not None and pixels.shape[:2] != (file.height, file.width):
        file, unread = None, "its pixels are of another size"
    probability, trace = _traced(pixels, file) if history else NOT_SEARCHED
    earlier = trace if probability >= LIKELY else None
    resized = _resized(pixels, file, earlier, webp=_is_webp(data)) if history else None
    offset = None
    if file is None and not is_jpeg(data) and resized is None and trace is not None and probability >= POSSIBLE:
        gray = bool((pixels == pixels[..., :1]).all())
        if copy := copied_jpeg(pixels, trace.quality, trace.shift, gray=gray):
            file, offset, unread = copy.file, copy.offset, None
            probability, trace = _traced(completed(pixels, offset), file)
            earlier = trace if probability >= LIKELY else None
    height, width = pixels.shape[:2]
    return Report(
        width,
        height,
        None if data is None else len(data),
        is_jpeg(data),
        file,
        unread,
        earlier if resized is None else None,  # the grid of resized blocks may look like an ordinary one
        probability,
        trace is not None,
        resized,
        offset,
    )


def _is_webp(data: bytes | None) -> bool:
    """Whether these are the bytes of a file that begins like a WebP file."""
    return data is not None and data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _traced(pixels: NDArray[np.generic], file: JpegFile | None) -> tuple[float, Trace | None]:
    """The probability of an earlier compression and its trace, which is None if it could not be searched for."""
    if file is not None and file.quality[0] < HISTORY_FROM:
        return NOT_SEARCHED
    return max(_traces(pixels, file), key=lambda found: found[0], default=NOT_SEARCHED)


def _resized(
    pixels: NDArray[np.generic], file: JpegFile | None, earlier: Trace | None, *, webp: bool
) -> Resizing | None:
    """How the picture was resized after a compression that was coarser than the file's own, if it was.

    The grid of blocks that were enlarged by a whole number may look like an ordinary one, but with a lower score.
    `webp`: the file is a WebP file, whose own blocks look like halved ones.
    """
    quality = 100 if file is None else file.quality[0]
    if quality < RESIZED_FROM or (earlier is not None and earlier.shift != (0, 0)):
        return None
    found = find_resizing(pixels, own_grid=file is not None)
    if found is None or found.trace.quality >= quality:
        return None
    if webp and found.halved and found.trace.quality < WEBP_FROM:
        return None
    return found if earlier is None or found.factor > 1 else None


def _read(data: bytes | None) -> tuple[JpegFile | None, str | None]:
    """Returns (the JPEG, or None; the reason why it cannot be used, or None)."""
    if data is None:
        return None, "the file is not at hand"
    file = None
    try:
        file = read_jpeg(data)
        require_known(file)
    except JpegError as error:
        return file, str(error)
    return file, None


def _traces(pixels: NDArray[np.generic], file: JpegFile | None) -> list[tuple[float, Trace]]:
    """(probability, trace) of each kind of earlier compression that could be searched for."""
    found = []
    if parts := windows(pixels.shape[0], pixels.shape[1]):
        shifted = shifted_trace(np.stack([luma(pixels[part]) for part in parts]), own_grid=file is not None)
        close = file is not None and shifted.quality > file.quality[0] - CLOSE
        found.append((_probability(shifted.score, CLOSE_SCORE if close else SHIFTED_SCORE), shifted))
    if file is not None:
        evidence, quality = requantised(file)
        found.append((_probability(evidence, EVIDENCE), Trace((0, 0), quality, evidence)))
    return found


def _probability(score: float, threshold: float) -> float:
    """½ at the threshold; the odds change by a factor of e for each eighth of the threshold."""
    return 1 / (1 + math.exp(min(8 * (1 - score / threshold), 50)))
