"""Several files as one ZIP archive that is made while it is sent."""

from collections.abc import Iterator, Sequence
from io import RawIOBase
from pathlib import Path, PurePath
from zipfile import ZIP_STORED, ZipFile, ZipInfo

PART = 1 << 18
"""Bytes that are read from a file at a time."""


class _Buffer(RawIOBase):
    """A stream that cannot seek and keeps what was written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


class ZipStream:
    """An archive whose bytes are those that `add` yields for every file, and then those of `end`.

    Files are stored without compression: pictures are compressed already.
    """

    def __init__(self) -> None:
        self._buffer = _Buffer()
        self._archive = ZipFile(self._buffer, "w", ZIP_STORED)

    def add(self, path: Path, name: str) -> Iterator[bytes]:
        """Yields the bytes of a further file, called `name` in the archive, in parts of about PART bytes."""
        entry = ZipInfo.from_file(path, name)
        with path.open("rb") as source, self._archive.open(entry, "w") as target:
            while part := source.read(PART):
                target.write(part)
                yield self._buffer.take()

    def end(self) -> bytes:
        """The last bytes of the archive, its directory."""
        self._archive.close()
        return self._buffer.take()


def distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number before the suffix where one was used before: photo.png, photo (2).png."""
    taken: set[str] = set()
    result = []
    for name in names:
        path, number, new = PurePath(name), 1, name
        while new.casefold() in taken:
            number += 1
            new = f"{path.stem} ({number}){path.suffix}"
        taken.add(new.casefold())
        result.append(new)
    return result
