"""Sources of training pictures: folders, WebDataset shards, and data sets of Hugging Face's `datasets`.

    pictures/                      a folder and its subfolders: pictures, and tar files of pictures
    shard-0001.tar                 a tar file of pictures, as WebDataset and img2dataset write them
    hf:imagefolder-or-name         the images of a data set; hf:NAME:SPLIT:COLUMN, by default train and image

A `manifest.csv` in a folder, with columns file, source, path and licence, names the original of each picture and its
licence.  Without a manifest, every picture is its own original.
"""

import csv
import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from driftrec.extras import how_to_install
from driftrec.picture import PICTURE_SUFFIXES


@dataclass(frozen=True)
class Item:
    """A picture that has not been decoded yet.

    `name` is its path within the source; `stamp` changes when the picture changes; `group` names its original;
    `licence` is "not stated" if no manifest states one.
    """

    name: str
    stamp: str
    group: str
    licence: str
    open: Callable[[], Image.Image]


def items(source: Path) -> list[Item]:
    """The pictures of a source, in order of name.  Raises ValueError when it has none or cannot be read."""
    text = str(source)
    if text.startswith("hf:"):
        found = list(_of_dataset(text))
    elif source.suffix == ".tar":
        found = list(_of_tar(source))
    else:
        found = list(_of_folder(source))
    if not found:
        raise ValueError(
            f"{source} has no pictures: give a folder with {', '.join(sorted(PICTURE_SUFFIXES))} or .tar files"
        )
    return found


def _of_folder(folder: Path) -> Iterator[Item]:
    rows = {}
    if (folder / "manifest.csv").exists():
        with (folder / "manifest.csv").open(newline="") as lines:
            rows = {row["file"]: row for row in csv.DictReader(lines)}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES):
        name, stat, row = str(path.relative_to(folder)), path.stat(), rows.get(path.name)
        group = f"{row['source']}/{row['path']}" if row else name
        licence = (row["licence"] if row else "") or "not stated"
        yield Item(name, f"{path.name} {stat.st_size} {stat.st_mtime_ns}", group, licence, _opener(path))
    for shard in sorted(folder.rglob("*.tar")):
        place = shard.relative_to(folder).with_suffix("")
        for item in _of_tar(shard):
            yield replace(item, name=(place / item.name).as_posix())


def _opener(path: Path) -> Callable[[], Image.Image]:
    return lambda: Image.open(path)


def _of_tar(path: Path) -> Iterator[Item]:
    try:
        stat = path.stat()
        with tarfile.open(path, "r:") as shard:  # not compressed, so that single pictures can be read
            members = [m for m in shard.getmembers() if m.isfile() and Path(m.name).suffix.lower() in PICTURE_SUFFIXES]
    except (OSError, tarfile.TarError) as error:
        raise ValueError(f"{path} cannot be read as a tar file: {error}") from error
    for member in sorted(members, key=lambda m: m.name):
        stamp = f"{path.name}/{member.name} {stat.st_size} {stat.st_mtime_ns}"
        yield Item(member.name, stamp, f"{path.name}/{member.name}", "not stated", _member(path, member))


def _member(path: Path, member: tarfile.TarInfo) -> Callable[[], Image.Image]:
    def read() -> Image.Image:
        with path.open("rb") as file:
            file.seek(member.offset_data)
            return Image.open(io.BytesIO(file.read(member.size)))

    return read


def _of_dataset(text: str) -> Iterator[Item]:
    parts = text.removeprefix("hf:").split(":")
    name, split, column = (parts + ["train", "image"][len(parts) - 1 :])[:3]
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise ValueError(f"{text} needs Hugging Face's datasets: {how_to_install('datasets')}") from error
    try:
        table = datasets.load_dataset(name, split=split)
        images = table.cast_column(column, datasets.Image())[column]
    except Exception as error:  # of many classes, as it reads data sets of many kinds
        raise ValueError(f"{text} cannot be loaded: {error}") from error
    fingerprint = table._fingerprint
    for number in range(len(table)):
        stamp = f"{text} {fingerprint} {number}"
        yield Item(str(number), stamp, f"{text}/{number}", "not stated", _row(images, number))


def _row(images: list[Image.Image], number: int) -> Callable[[], Image.Image]:
    return lambda: images[number]
