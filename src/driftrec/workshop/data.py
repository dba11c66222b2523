"""Training data: a folder of clean pictures becomes batches of (clean, corrupted) crops.

Pictures are decoded once into one flat file of raw pixels, which every loader process maps into memory; a crop then
costs a copy and a JPEG, no decoding.  Crop i is a pure function of (seed, i), so a run resumes exactly where it
stopped and sees the same crops on any number of loader processes or devices.
"""

import csv
import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from driftrec.workshop.degrade import Degradation, Pixels

SUFFIXES = {".avif", ".bmp", ".jpg", ".jpeg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def default_cache() -> Path:
    """Where decoded pictures are kept: $DRIFTREC_CACHE, or .cache/driftrec in the home folder."""
    return Path(os.environ.get("DRIFTREC_CACHE", Path.home() / ".cache" / "driftrec"))


@dataclass(frozen=True)
class Entry:
    """One picture of a corpus: where its pixels start in the flat file, their size, and where it comes from.

    `group` names the original that it was cut from: pictures of one group must not be split between training and
    validation.  `licence` is "not stated" where no manifest states one.
    """

    offset: int
    height: int
    width: int
    group: str
    licence: str


@dataclass(frozen=True)
class Corpus:
    """Decoded pictures in one memory-mapped file."""

    pixels: NDArray[np.uint8]
    entries: tuple[Entry, ...]
    areas: NDArray[np.int64] = field(init=False, repr=False)
    """Pixels in pictures 0 … i, for drawing a picture by its area."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "areas", np.cumsum([e.height * e.width for e in self.entries]))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Pixels:
        """Picture `index` as uint8 (height, width, 3)."""
        entry = self.entries[index]
        size = entry.height * entry.width * 3
        return self.pixels[entry.offset : entry.offset + size].reshape(entry.height, entry.width, 3)

    def split(self, share: float) -> tuple["Corpus", "Corpus"]:
        """(training, validation) by groups; the same groups are held out whatever else is in the corpus."""
        held = {e for e in self.entries if _fraction(e.group) < share}
        return (
            Corpus(self.pixels, tuple(e for e in self.entries if e not in held)),
            Corpus(self.pixels, tuple(e for e in self.entries if e in held)),
        )

    def summary(self) -> dict[str, object]:
        """What a model card says of the data: pictures, megapixels, and how many pictures each licence has."""
        return {
            "pictures": len(self),
            "megapixels": round(int(self.areas[-1]) / 1e6) if len(self) else 0,
            "licences": dict(Counter(e.licence for e in self.entries).most_common()),
        }


def _fraction(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def open_corpus(folders: list[Path], cache: Path | None = None) -> Corpus:
    """Decodes the pictures of the folders into the cache, or finds them there.

    A `manifest.csv` in a folder, with columns file, source, path and licence, names the original of each picture and
    its licence; without one every picture is its own group.  Raises ValueError when a folder has no pictures.
    """
    files = [found for folder in folders for found in _find(folder)]
    stamp = "\n".join(f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns} {group}" for p, group, _ in files)
    target = (cache or default_cache()) / f"corpus-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}"
    if not target.with_suffix(".json").exists():
        _decode([path for path, _, _ in files], target)
    shapes = json.loads(target.with_suffix(".json").read_text())["shapes"]
    entries, offset = [], 0
    for (height, width), (_, group, licence) in zip(shapes, files, strict=True):
        entries.append(Entry(offset, height, width, group, licence))
        offset += height * width * 3
    return Corpus(np.memmap(target.with_suffix(".u8"), dtype=np.uint8, mode="r"), tuple(entries))


def _find(folder: Path) -> list[tuple[Path, str, str]]:
    """(file, group, licence) of every picture in a folder, in order of name."""
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f"{folder} has no pictures: give a folder with {', '.join(sorted(SUFFIXES))} files")
    rows = {}
    if (folder / "manifest.csv").exists():
        with (folder / "manifest.csv").open(newline="") as lines:
            rows = {row["file"]: row for row in csv.DictReader(lines)}
    return [
        (p, f"{rows[p.name]['source']}/{rows[p.name]['path']}", rows[p.name].get("licence") or "not stated")
        if p.name in rows
        else (p, str(p.relative_to(folder)), "not stated")
        for p in found
    ]


def _decode(files: list[Path], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.part")
    shapes = []
    with partial.open("wb") as out:
        for path in files:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            shapes.append(pixels.shape[:2])
            out.write(pixels.tobytes())
    partial.replace(target.with_suffix(".u8"))
    # The index comes last and at once: where it exists, the pixels are complete.
    partial.write_text(json.dumps({"shapes": shapes}))
    partial.replace(target.with_suffix(".json"))


@dataclass(frozen=True)
class Crops:
    """Random crops of a corpus and their corrupted versions; every one a pure function of (seed, index).

    Crops are drawn uniformly over the pixels of the corpus, turned and mirrored at random before the corruption (so
    the grid stays where a decoder would put it); a share `gray` of them loses its colour.
    """

    corpus: Corpus
    degradation: Degradation
    size: int
    seed: int = 0
    gray: float = 0.0

    def pair(self, index: int) -> tuple[Pixels, Pixels]:
        """(clean, corrupted), both uint8 (size, size, 3)."""
        rng = np.random.default_rng((self.seed, index))
        clean = self._clean(rng)
        return clean, self.degradation(clean, rng)

    def batch(self, indices: range) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """(clean, corrupted) of several crops, both uint8 (batch, 3, size, size)."""
        pairs = [self.pair(i) for i in indices]
        clean, corrupted = (np.stack(side).transpose(0, 3, 1, 2) for side in zip(*pairs, strict=True))
        return np.ascontiguousarray(clean), np.ascontiguousarray(corrupted)

    def _clean(self, rng: Generator) -> Pixels:
        ends = self.corpus.areas
        picture = self.corpus[int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))]
        height, width = picture.shape[:2]
        top = int(rng.integers(0, max(height - self.size, 0) + 1))
        left = int(rng.integers(0, max(width - self.size, 0) + 1))
        crop = picture[top : top + self.size, left : left + self.size]
        if crop.shape[:2] != (self.size, self.size):
            missing = [(0, self.size - n) for n in crop.shape[:2]]
            crop = np.pad(crop, (*missing, (0, 0)), mode="symmetric")
        turn = int(rng.integers(0, 8))
        crop = np.rot90(crop[:, ::-1] if turn >= 4 else crop, turn % 4)
        if rng.random() < self.gray:
            luma = np.asarray(Image.fromarray(np.ascontiguousarray(crop)).convert("L"))
            crop = np.repeat(luma[..., None], 3, axis=2)
        return np.ascontiguousarray(crop)
