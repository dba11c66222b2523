"""What the markers of an uploaded JPEG say, read before anything is decoded."""

import mmap
import re
from dataclasses import dataclass
from pathlib import Path

_SCAN_END = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_MARKER = re.compile(rb"\xff+([^\x00\xff])")


@dataclass(frozen=True)
class Header:
    """Size of a JPEG in pixels, and its number of scans."""

    width: int
    height: int
    scans: int

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.width * self.height


def read_header(path: Path) -> Header | None:
    """The header of a JPEG file; None for files of other formats and for those without a size.

    The markers are followed to the end of the picture, so that only its own scans are counted, and not those of
    thumbnails in its metadata.
    """
    if path.stat().st_size < 4:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:2] != b"\xff\xd8":
            return None
        width, height, scans, position, search = 0, 0, 0, 2, _MARKER
        while found := search.search(data, position):
            marker, position, search = found[1][0], found.end(), _MARKER
            if marker == 0xD9:
                break
            if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # no length follows
                continue
            segment = data[position : position + 7]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and not width:
                height, width = int.from_bytes(segment[3:5]), int.from_bytes(segment[5:7])
            if marker == 0xDA:
                scans, search = scans + 1, _SCAN_END
            position += max(int.from_bytes(segment[:2]), 2)
    return Header(width, height, scans) if width and height else None
