"""The contents of an archive: loose pictures, tar shards and Parquet files, cut into pieces that are read separately.

The result of `trip/a.jpg` is `trip/a.png`.  A shard becomes a folder: `0007.jpg` in `train/000.tar` becomes
`train/000/0007.png`, and row 7 of `train/000.parquet` becomes `train/000/00000007.png`.

Reading is deterministic: the same piece gives the same items in the same order, whatever has been restored already,
because Ray reads a piece again after it loses a machine that held items of it.
"""

import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal, Self, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileType

from driftrec.archive.places import Place
from driftrec.errors import first_line
from driftrec.picture import PICTURE_SUFFIXES

Kind: TypeAlias = Literal["files", "tar", "parquet"]

_SHARDS: tuple[tuple[str, Kind], ...] = (
    (".parquet", "parquet"),
    (".tar", "tar"),
    (".tar.gz", "tar"),
    (".tgz", "tar"),
    (".tar.bz2", "tar"),
    (".tar.xz", "tar"),
)
_FILES_OF_A_PIECE = 256
_BYTES_OF_A_CHUNK = 16_000_000
_COLUMNS = ("image", "bytes", "data", "content", "picture", "jpg", "jpeg", "png")


@dataclass(frozen=True)
class ArchivedPicture:
    """One picture to restore: its `name`, the `target` of its result, and its bytes unless they are still to be read.

    `target` has no extension yet; `problem` says why the picture cannot be restored.
    """

    name: str
    target: str
    data: bytes | None = None
    problem: str = ""


@dataclass(frozen=True)
class Piece:
    """A part of an archive that one task reads: some loose files, a whole tar, or one row group of a Parquet file.

    `count` is the number of its pictures, if that is known beforehand; `first` is the number of the first row of the
    row group `group`.
    """

    kind: Kind
    names: tuple[str, ...]
    count: int | None
    group: int = 0
    first: int = 0


def pieces(source: Place, *, leave: str | None = None) -> list[Piece]:
    """The pieces of one file, or of a folder with its subfolders, except hidden ones and that with the path `leave`.

    Raises ValueError if there is nothing to restore, OSError if the place cannot be read.
    """
    kind = source.kind()
    if kind == FileType.NotFound:
        raise ValueError(f"{source.label('')} does not exist: check the name")
    if kind == FileType.Unknown:
        raise ValueError(f"{source.label('')} is a pipe, a socket or a device: give a file or a folder")
    folders = [([""], [])] if kind == FileType.File else source.walk(leave=leave)
    result = [piece for names, subfolders in folders for piece in _of_folder(source, names, subfolders)]
    if not result:
        kinds = ", ".join(sorted(PICTURE_SUFFIXES) + [suffix for suffix, _ in _SHARDS])
        raise ValueError(f"{source.label('')} holds no pictures: give a folder with {kinds} files")
    return result


def _of_folder(source: Place, names: Sequence[str], subfolders: Sequence[str]) -> Iterator[Piece]:
    taken = {folder: folder for folder in subfolders}
    loose: list[str] = []
    for name in names:
        path = source.path(name)
        base, kind = _shard(name)
        if kind is not None and name and taken.setdefault(base, name) != name:
            raise ValueError(f"the results of {taken[base]} and {name} would share a folder: rename one of them")
        if PurePosixPath(path).suffix.lower() in PICTURE_SUFFIXES:
            loose.append(name)
        elif _shard(path)[1] == "tar":
            yield Piece("tar", (name,), None)
        elif _shard(path)[1] == "parquet":
            yield from _row_groups(source, name)
    for part in _parts(sorted(loose, key=_stem)):
        yield Piece("files", part, len(part))


def _parts(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Splits names into parts; those that differ only in their extension stay together, so that `read` sees both."""
    start = 0
    for end in range(1, len(names) + 1):
        full = end - start >= _FILES_OF_A_PIECE and _stem(names[end - 1]) != _stem(names[min(end, len(names) - 1)])
        if full or end == len(names):
            yield tuple(names[start:end])
            start = end


def is_archived(name: str) -> bool:
    """Whether a file of this name would be read as a picture or a shard."""
    return PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES or _shard(name)[1] is not None


def _shard(path: str) -> tuple[str, Kind | None]:
    """Returns (path without its shard extension, kind of shard), or (path, None) if it is no shard."""
    for suffix, kind in _SHARDS:
        if path.lower().endswith(suffix):
            return path[: -len(suffix)], kind
    return path, None


def _row_groups(source: Place, name: str) -> list[Piece]:
    """One piece for each row group; an unreadable file is one piece, and reading that reports the problem."""
    try:
        with source.file(name) as file:
            metadata = pq.ParquetFile(file).metadata
            counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    except (pa.ArrowException, OSError):
        return [Piece("parquet", (name,), 1)]
    return [Piece("parquet", (name,), count, group, sum(counts[:group])) for group, count in enumerate(counts)]


def read(source: Place, piece: Piece) -> Iterator[ArchivedPicture]:
    """Yields the pictures of a piece; a picture that cannot be read becomes an item with a problem."""
    if piece.kind == "files":
        yield from _unique(ArchivedPicture(name, _stem(name or source.root.rpartition("/")[2])) for name in piece.names)
        return
    (name,) = piece.names
    base = _shard(name)[0]
    try:
        for item in _unique(_members(source, name) if piece.kind == "tar" else _rows(source, name, piece)):
            inside, target = (f"{name}/{item.name}", f"{base}/{item.target}") if name else (item.name, item.target)
            yield replace(item, name=inside, target=target)
    except Exception as error:  # stores and formats raise errors of any class; one shard must not stop the rest
        problem = f"{source.label(name)} is damaged or cannot be read ({first_line(error)}): use an intact copy"
        yield ArchivedPicture(name, base, problem=problem)


def _stem(name: str) -> str:
    """A picture's name without its extension."""
    return str(PurePosixPath(name).with_suffix("")) if name else ""


def _unique(items: Iterable[ArchivedPicture]) -> Iterator[ArchivedPicture]:
    """Yields the items; one that has the same target as an earlier one gets a problem instead of its bytes."""
    taken: dict[str, str] = {}
    for item in items:
        other = taken.setdefault(item.target, item.name)
        if other == item.name or item.problem:
            yield item
        else:
            problem = f"{other} and {item.name} would both become {item.target}: rename one of them"
            yield replace(item, data=None, problem=problem)


_DAMAGE = (tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError)  # pyright: ignore[reportAttributeAccessIssue]


class _Member(tarfile.TarInfo):
    """A tar member that raises ValueError for damage, which the standard library takes for the end of the file."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except _DAMAGE as error:
            raise ValueError(str(error)) from error


def _members(source: Place, name: str) -> Iterator[ArchivedPicture]:
    """Yields the pictures of a tar; other members (captions, labels) are skipped."""
    with source.stream(name) as stream, tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Member) as tar:
        for member in tar:
            parts = [part for part in re.split(r"[/\\]+", member.name) if part not in ("", ".")]
            if not member.isfile() or not parts or parts[-1].startswith("."):
                continue
            inside = PurePosixPath(*parts)
            if inside.suffix.lower() not in PICTURE_SUFFIXES:
                continue
            target = str(inside.with_suffix(""))
            if ".." in parts:
                yield ArchivedPicture(member.name, target, problem=f"{member.name} points outside its shard: rename it")
                continue
            file = tar.extractfile(member)
            assert file is not None
            yield ArchivedPicture(str(inside), target, file.read())


def _rows(source: Place, name: str, piece: Piece) -> Iterator[ArchivedPicture]:
    """Yields the pictures of a row group, named by their row numbers."""
    with source.file(name) as file:
        parquet = pq.ParquetFile(file)
        column = _column(parquet.schema_arrow)
        number = piece.first
        for batch in parquet.iter_batches(batch_size=16, row_groups=[piece.group], columns=[column]):
            for value in batch.column(0):
                data = value.as_py()
                data = data.get("bytes") if isinstance(data, dict) else data
                row = f"{number:08}"
                yield ArchivedPicture(row, row, data, "" if data else f"row {number} holds no bytes of a picture")
                number += 1


def _column(schema: pa.Schema) -> str:
    """The column with the bytes of pictures: binary, or a struct with a field `bytes` as in data sets on hubs."""

    def holds_bytes(kind: pa.DataType) -> bool:
        if pa.types.is_struct(kind):
            return any(field.name == "bytes" and holds_bytes(field.type) for field in kind)
        return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

    found = [field.name for field in schema if holds_bytes(field.type)]
    named = [name for name in _COLUMNS if name in found]
    if not named and len(found) != 1:
        raise ValueError(f"no column clearly holds pictures: name it {_COLUMNS[0]} or {_COLUMNS[1]}")
    return (named or found)[0]


def chunks(items: Iterable[ArchivedPicture], most: int) -> Iterator[list[ArchivedPicture]]:
    """Groups the items into lists of `most`, or of fewer if they are large."""
    chunk, size = [], 0
    for item in items:
        chunk.append(item)
        size += len(item.data or b"")
        if len(chunk) >= most or size >= _BYTES_OF_A_CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
