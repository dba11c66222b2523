"""Training data: batches of (clean, corrupted) crops from folders of clean pictures.

Pictures are decoded once, into one flat file of raw pixels that every loader process maps into memory.  Making a crop
then reads only the pixels that it shows.  If several processes open the same corpus at the same time, one decodes it
and the others wait.  Crop i is a pure function of (seed, i), so a resumed run continues with the crops that it would
have seen, on any number of loader processes and devices.
"""

import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from driftrec.evaluate.corruptions import Pixels
from driftrec.evaluate.weights import cache_folder
from driftrec.picture import atomic_write, open_picture
from driftrec.train.data.chains import Example, RandomChains
from driftrec.train.data.degrade import Degradation
from driftrec.train.data.graphics.mixture import Drawn
from driftrec.train.data.sources import Item, items

DECODING = "2"
"""Part of the names of cached files; to be changed whenever pictures are decoded differently."""


def training_pixels(image: Image.Image, name: str) -> Pixels:
    """uint8 RGB pixels (height, width, 3) of an opened image, 16 bits rounded to 8, without alpha and in file order.

    Raises PictureError, naming the picture `name`, if it cannot be opened.
    """
    picture = replace(open_picture(image, max_pixels=sys.maxsize, name=name), alpha=None, orientation=1, gray=False)
    return np.ascontiguousarray(picture.with_bits(8).samples())


@dataclass(frozen=True)
class Entry:
    """One picture of a corpus: where its pixels start in the flat file, their size, and where it comes from.

    `group` names the original that it was cut from; all pictures of a group are used for training, or all for
    validation.  `licence` is "not stated" if no manifest states one.  Crops are drawn from the picture in proportion to
    its area times `density`.
    """

    offset: int
    height: int
    width: int
    group: str
    licence: str
    density: float = 1.0


@dataclass(frozen=True)
class Corpus:
    """Decoded pictures in one memory-mapped file."""

    pixels: NDArray[np.uint8]
    entries: tuple[Entry, ...]
    corrupted: NDArray[np.uint8] | None = None
    """Corrupted versions in the same layout as `pixels`, if the corpus has pairs."""
    ends: NDArray[np.float64] = field(init=False, repr=False)
    """Total weights of pictures 0 to i, for drawing pictures with a probability proportional to area and density."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", np.cumsum([e.height * e.width * e.density for e in self.entries]))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Pixels:
        """Picture `index` as uint8 (height, width, 3)."""
        return self._picture(self.pixels, index)

    def pair(self, index: int) -> tuple[Pixels, Pixels | None]:
        """(clean, corrupted) picture `index`; the latter is None if the corpus has no pairs."""
        return self[index], None if self.corrupted is None else self._picture(self.corrupted, index)

    def _picture(self, pixels: NDArray[np.uint8], index: int) -> Pixels:
        entry = self.entries[index]
        size = entry.height * entry.width * 3
        return pixels[entry.offset : entry.offset + size].reshape(entry.height, entry.width, 3)

    def split(self, share: float) -> tuple["Corpus", "Corpus"]:
        """(training, validation) pictures.  Whether a group is held out depends on its name and `share` only."""
        held = {e for e in self.entries if _fraction(e.group) < share}
        return (
            Corpus(self.pixels, tuple(e for e in self.entries if e not in held), self.corrupted),
            Corpus(self.pixels, tuple(e for e in self.entries if e in held), self.corrupted),
        )

    def summary(self) -> dict[str, object]:
        """The model card's entry for the data: numbers of pictures and megapixels, and of pictures by licence."""
        return {
            "pictures": len(self),
            "megapixels": round(sum(e.height * e.width for e in self.entries) / 1e6),
            "licences": dict(Counter(e.licence for e in self.entries).most_common()),
        }


def _fraction(name: str) -> float:
    """A number in [0, 1) computed from the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def open_corpus(
    sources: list[Path], cache: Path | None = None, corrupted: Sequence[Path] = (), weights: Sequence[float] = ()
) -> Corpus:
    """The corpus of the pictures of the sources, which are decoded unless the cache already contains them.

    `corrupted` lists one source of corrupted versions for each of `sources`.  `weights` gives the relative numbers of
    crops from each of `sources`; without it, they are proportional to the area.  Raises ValueError when a source has no
    pictures, a picture cannot be decoded, or the pictures of a pair are incomplete or differ in size.
    """
    lists = [items(source) for source in sources]
    found = [item for those in lists for item in those]
    pixels, shapes = _decoded(found, cache)
    entries, offset = [], 0
    for (height, width), item in zip(shapes, found, strict=True):
        entries.append(Entry(offset, height, width, item.group, item.licence))
        offset += height * width * 3
    if weights:
        entries = _weighted(entries, [len(those) for those in lists], weights)
    if not corrupted:
        return Corpus(pixels, tuple(entries))
    partners = [item for pair in zip(sources, corrupted, strict=True) for item in _partners(*pair)]
    theirs, their_shapes = _decoded(partners, cache)
    for item, (height, width), (h, w) in zip(found, shapes, their_shapes, strict=True):
        if (height, width) != (h, w):
            raise ValueError(f"{item.name} is {width}×{height} pixels clean and {w}×{h} corrupted: pairs need one size")
    return Corpus(pixels, tuple(entries), theirs)


def _weighted(entries: list[Entry], counts: list[int], weights: Sequence[float]) -> list[Entry]:
    """The entries of sources with `counts` pictures each, with densities that give the sources these weights."""
    weighted, rest = [], iter(entries)
    for count, weight in zip(counts, weights, strict=True):
        own = [next(rest) for _ in range(count)]
        area = sum(e.height * e.width for e in own)
        weighted += [replace(e, density=weight / area) for e in own]
    return weighted


def _partners(clean: Path, corrupted: Path) -> list[Item]:
    """The corrupted pictures in the order of the clean ones, matched by their names without the extension."""
    theirs = {Path(item.name).with_suffix(""): item for item in items(corrupted)}
    names = [Path(item.name).with_suffix("") for item in items(clean)]
    if alone := [name for name in names if name not in theirs]:
        raise ValueError(f"{corrupted} has no picture '{alone[0]}', which {clean} has: give complete pairs")
    return [theirs[name] for name in names]


def _decoded(found: list[Item], cache: Path | None) -> tuple[NDArray[np.uint8], list[tuple[int, int]]]:
    """(pixels of all pictures in one flat memory map, list of their heights and widths)."""
    stamp = "\n".join([DECODING, *(f"{item.stamp} {item.group}" for item in found)])
    target = (cache or cache_folder()) / f"corpus-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}"
    index = target.with_suffix(".json")
    if not index.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            if not index.exists():  # otherwise, another process has just decoded them
                _decode(found, target)
    shapes = json.loads(index.read_text())["shapes"]
    return np.memmap(target.with_suffix(".u8"), dtype=np.uint8, mode="r"), [(h, w) for h, w in shapes]


def _decode(found: list[Item], target: Path) -> None:
    shapes = []
    with atomic_write(target.with_suffix(".u8")) as out:
        for item in found:
            try:
                with item.open() as image:
                    pixels = training_pixels(image, item.name)
            except OSError as error:
                raise ValueError(f"{item.name} cannot be decoded: {error}") from error
            shapes.append(pixels.shape[:2])
            out.write(pixels.tobytes())
    # The index is written last, so its existence means that the pixels are complete.
    with atomic_write(target.with_suffix(".json")) as out:
        out.write(json.dumps({"shapes": shapes}).encode())


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order of `count` pictures in an epoch."""
    return np.random.default_rng((seed, epoch, count)).permutation(count)


def resized_square(rng: Generator, height: int, width: int, shares: tuple[float, float]) -> tuple[int, int, int]:
    """(top, left, side) of the square that torchvision's RandomResizedCrop with ratio 1 takes from a picture.

    The share of the area is drawn again if the square does not fit, up to ten times; after that, the largest square in
    the middle is taken.
    """
    for _ in range(10):
        side = round(math.sqrt(height * width * rng.uniform(*shares)))
        if 0 < side <= min(height, width):
            return int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1)), side
    side = min(height, width)
    return round((height - side) / 2), round((width - side) / 2), side


@dataclass(frozen=True)
class Crops:
    """Random crops of a corpus and their corrupted versions, each a pure function of (seed, index).

    Attributes:
        corpus: the pictures.
        degradation: makes the corrupted versions, unless the corpus has pairs.  Random chains change the clean crop,
            too, and cut what they need for a pair of `size`.
        size: side of the crops, in pixels.
        seed: seed of all random choices.
        gray: share of crops that are converted to gray.
        resize: None, or a range of shares of the picture's area.  Squares with an area in this range are then resized
            to `size`, as by torchvision's RandomResizedCrop with ratio 1.
        post_crop: None, or the side of a square that is cut out after the corruption, so that a JPEG's grid may start
            at any pixel.
        symmetries: whether crops are turned and mirrored at random, before the corruption, so that JPEG grids start at
            the first pixel.
        order: "area" draws pictures with replacement and a probability proportional to their area; "epochs" takes each
            picture once in every epoch, in random order.
        drawn: None, or how a share of the crops is drawn instead of cut out of pictures; these are not turned, as text
            and interfaces stand upright.
    """

    corpus: Corpus
    degradation: Degradation | RandomChains
    size: int
    seed: int = 0
    gray: float = 0.0
    resize: tuple[float, float] | None = None
    post_crop: int | None = None
    symmetries: bool = True
    order: Literal["area", "epochs"] = "area"
    drawn: Drawn | None = None

    def pair(self, index: int) -> tuple[Pixels, Pixels]:
        """(clean, corrupted), both uint8 (size, size, 3), or of size `post_crop`."""
        rng = np.random.default_rng((self.seed, index))
        if isinstance(self.degradation, RandomChains):
            example = self._chained(self.degradation, rng, index)
            return example.clean, example.corrupted
        clean, corrupted = self._source(rng, index, self.size)
        if corrupted is None:
            corrupted = self.degradation(clean, rng)
        if self.post_crop is not None:
            top, left = (int(v) for v in rng.integers(0, self.size - self.post_crop + 1, 2))
            part = slice(top, top + self.post_crop), slice(left, left + self.post_crop)
            clean, corrupted = clean[part], corrupted[part]
        return clean, corrupted

    def example(self, index: int) -> Example:
        """`pair` with the JPEG file that the corrupted crop shows, where random chains leave one.

        Raises ValueError where the degradation is not `RandomChains`.
        """
        if not isinstance(self.degradation, RandomChains):
            raise ValueError("only random chains keep files: set data.chains in the recipe")
        return self._chained(self.degradation, np.random.default_rng((self.seed, index)), index)

    def batch(self, indices: range) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """(clean, corrupted) of several crops, both uint8 (batch, 3, size, size)."""
        pairs = [self.pair(i) for i in indices]
        clean, corrupted = (np.stack(side).transpose(0, 3, 1, 2) for side in zip(*pairs, strict=True))
        return np.ascontiguousarray(clean), np.ascontiguousarray(corrupted)

    def _chained(self, chains: RandomChains, rng: Generator, number: int) -> Example:
        chain = chains.draw(self.size, rng)
        return chain(self._source(rng, number, chain.source)[0])

    def _source(self, rng: Generator, number: int, size: int) -> tuple[Pixels, Pixels | None]:
        """A clean picture of a size, drawn or cut out of the corpus, and its corrupted version if there is one."""
        if self.drawn is None or rng.random() >= self.drawn.share:
            return self._cut(rng, number, size)
        picture = self.drawn.picture(size, rng, lambda: self._cut(rng, number, size)[0])  # crops as its photographs
        return (_in_gray(picture) if rng.random() < self.gray else picture), None

    def _cut(self, rng: Generator, number: int, size: int) -> tuple[Pixels, Pixels | None]:
        """(crop of a clean picture, the same crop of its corrupted version or None), not corrupted here."""
        clean, corrupted = self.corpus.pair(self._picture(rng, number))
        height, width = clean.shape[:2]
        if self.resize is None:
            side = size
            top, left = (int(rng.integers(0, max(n - side, 0) + 1)) for n in (height, width))
        else:
            top, left, side = resized_square(rng, height, width, self.resize)
        turn = int(rng.integers(0, 8)) if self.symmetries else 0
        gray = rng.random() < self.gray

        def cut(picture: Pixels) -> Pixels:
            return self._finished(picture[top : top + side, left : left + side], size, side, turn, gray)

        return cut(clean), None if corrupted is None else cut(corrupted)

    def _picture(self, rng: Generator, number: int) -> int:
        """The picture of crop `number`."""
        if self.order == "epochs":
            epoch, position = divmod(number, len(self.corpus))
            return int(_permutation(self.seed, epoch, len(self.corpus))[position])
        ends = self.corpus.ends
        return int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))

    def _finished(self, crop: Pixels, size: int, side: int, turn: int, gray: bool) -> Pixels:
        """The crop, mirrored beyond the border of the picture to `side` pixels, resized to `size`, turned."""
        if crop.shape[:2] != (side, side):
            missing = [(0, side - n) for n in crop.shape[:2]]
            crop = np.pad(crop, (*missing, (0, 0)), mode="symmetric")
        if side != size:
            image = Image.fromarray(np.ascontiguousarray(crop))
            crop = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
        crop = np.rot90(crop[:, ::-1] if turn >= 4 else crop, turn % 4)
        return _in_gray(crop) if gray else np.ascontiguousarray(crop)


def _in_gray(crop: Pixels) -> Pixels:
    luma = np.asarray(Image.fromarray(np.ascontiguousarray(crop)).convert("L"))
    return np.repeat(luma[..., None], 3, axis=2)
