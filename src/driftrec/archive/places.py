"""Folders on disk and prefixes in object stores, with files that are written completely or not at all."""

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import fsspec
from pyarrow import ArrowInvalid, fs

from driftrec.errors import first_line
from driftrec.picture import atomic_write

PARTS = ".driftrec-parts"
"""The folder inside the target in which every run has a folder for its claims and for files while they are written."""

_ARROWS_OWN = frozenset({"file", "s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss"})
_OBJECT_STORES = re.compile(r"s3|gcs|gs|abfs|az|adl|oci|oss|cos|swift|r2|b2")
"""File systems, by Arrow's or fsspec's name, in which a file appears only when it is complete."""


@dataclass(frozen=True)
class Place:
    """A folder (or one file) in a file system; can be pickled for other machines.

    Arguments: `filesystem`, Arrow's interface to it; `root`, the path in it; `text`, the name that users gave; `parts`,
    the folder below the place that holds files while they are being written.
    """

    filesystem: fs.FileSystem
    root: str
    text: str
    parts: str = PARTS

    def path(self, name: str) -> str:
        """The path of a name below the place, or of the place itself for ''."""
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

    def label(self, name: str) -> str:
        """The text that shows a name below the place to users; credentials and options of an address are removed."""
        text = re.sub(r"//[^/@]*@", "//", self.text.partition("?")[0]) if "://" in self.text else self.text
        return f"{text.rstrip('/')}/{name}" if name else text

    def _native(self, name: str) -> str | bytes:
        """The path of a name as Arrow takes it: in bytes on this machine, where names need not be UTF-8."""
        local = isinstance(self.filesystem, fs.LocalFileSystem)
        return os.fsencode(self.path(name)) if local else self.path(name)

    def kind(self, name: str = "") -> fs.FileType:
        """Whether the name is a file, a folder, nothing, or something else, such as a pipe."""
        return self.filesystem.get_file_info(self._native(name)).type

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return self.kind(name) == fs.FileType.File

    def children(self, name: str) -> list[tuple[str, bool]]:
        """The sorted pairs (name below the place, whether it is a folder) in a folder, without hidden ones.

        Pipes, sockets and devices are left out, as reading them may wait for ever.
        """
        prefix = f"{name}/" if name else ""
        if isinstance(self.filesystem, fs.LocalFileSystem):  # Arrow cannot list names that are not UTF-8
            names = os.listdir(self.path(name))  # noqa: PTH208 (names, not paths)
            found = [(base, self.kind(prefix + base)) for base in names]
        else:
            listed = self.filesystem.get_file_info(fs.FileSelector(self.path(name), recursive=False))
            found = [(info.base_name, info.type) for info in listed]
        return sorted(
            (prefix + base, kind == fs.FileType.Directory)
            for base, kind in found
            if not base.startswith(".") and kind in (fs.FileType.File, fs.FileType.Directory)
        )

    def walk(self, name: str = "", *, leave: str | None = None) -> Iterator[tuple[list[str], list[str]]]:
        """Yields (names of the files, names of the folders) in every folder except that with the path `leave`."""
        children = self.children(name)
        folders = [child for child, folder in children if folder and self.path(child) != leave]
        yield [child for child, folder in children if not folder], folders
        for folder in folders:
            yield from self.walk(folder, leave=leave)

    def stream(self, name: str) -> BinaryIO:
        """Opens a file for reading from beginning to end."""
        return cast(BinaryIO, self.filesystem.open_input_stream(self._native(name), buffer_size=1 << 20))

    def file(self, name: str) -> BinaryIO:
        """Opens a file for reading in any order."""
        return cast(BinaryIO, self.filesystem.open_input_file(self._native(name)))

    def read(self, name: str) -> bytes:
        """All bytes of a file."""
        with self.filesystem.open_input_stream(self._native(name)) as stream:
            return stream.read()

    def write(self, name: str, data: bytes) -> None:
        """Writes a file that is never visible in part, even with concurrent writers that are killed at any time."""
        path = self.path(name)
        if _is_object_store(self.filesystem):
            self._put(path, data)
            return
        part = self.path(f"{self.parts}/{uuid.uuid4().hex}")
        for file in (part, path):
            self._make_folder_of(file)
        if isinstance(self.filesystem, fs.LocalFileSystem):
            with atomic_write(Path(path), Path(part)) as stream:
                stream.write(data)
        else:
            self._put(part, data)
            self.filesystem.move(part, path)

    def put(self, name: str, data: bytes) -> None:
        """Writes a file in place; readers may see it while it is incomplete."""
        if not _is_object_store(self.filesystem):
            self._make_folder_of(self.path(name))
        self._put(self._native(name), data)

    def modified(self, name: str) -> float | None:
        """When a file or folder was last written, in seconds of the place's own clock; None if that is not known."""
        time = self.filesystem.get_file_info(self._native(name)).mtime
        return None if time is None else time.timestamp()

    def _make_folder_of(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        if isinstance(self.filesystem, fs.LocalFileSystem):
            Path(folder).mkdir(parents=True, exist_ok=True)
        else:
            self.filesystem.create_dir(folder, recursive=True)

    def _put(self, path: str | bytes, data: bytes) -> None:
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(data)

    def delete(self, name: str) -> None:
        """Deletes a file, if there is one."""
        if self.has(name):
            self.filesystem.delete_file(self._native(name))

    def delete_folder(self, name: str) -> None:
        """Deletes a folder with all that it holds, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            if self.kind(name) == fs.FileType.Directory:
                self.filesystem.delete_dir(self._native(name))

    def delete_if_empty(self, name: str) -> None:
        """Deletes a folder, if there is one and it is empty."""
        if isinstance(self.filesystem, fs.LocalFileSystem):
            with contextlib.suppress(OSError):
                Path(self.path(name)).rmdir()
        elif self.kind(name) == fs.FileType.Directory and not self.children(name):
            self.delete_folder(name)


def place(text: str) -> Place:
    """The place for a path or an address (s3://bucket/folder, gs://…, anything that Arrow or fsspec supports).

    Raises ValueError for addresses that neither supports.
    """
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Place(fs.LocalFileSystem(), Path(text).resolve().as_posix(), text)
    try:
        if scheme in _ARROWS_OWN:
            own, root = fs.FileSystem.from_uri(text)
            return Place(own, root, text)
        filesystem, root = fsspec.core.url_to_fs(text)
    except ArrowInvalid as error:
        raise ValueError(f"{text} cannot be understood ({first_line(error)}): check the address") from error
    except (ValueError, ImportError) as error:  # unknown, or known and not installed
        raise ValueError(f"{text} cannot be reached ({first_line(error)}): check the part before '://'") from error
    return Place(fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root, text)


def _is_object_store(filesystem: fs.FileSystem) -> bool:
    names = filesystem.type_name.removeprefix("py::fsspec+").split(",")
    return any(_OBJECT_STORES.fullmatch(re.sub(r"[^a-z0-9]", "", name)) for name in names)
