"""The paper's data sets, built from the folders that their authors distribute: train/, valid/ and test/.

CelebA-HQ and Flickr2K are shuffled with a seed and cut at 80 % and 85 %.  DIV2K's published validation pictures are the
test set, as its own were never published, and 80 of its training pictures are the validation set.  D2KF2K is the union
of Flickr2K and DIV2K.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from driftrec.picture import PICTURE_SUFFIXES

Split: TypeAlias = Mapping[str, list[Path]]
"""The pictures of train, valid and test."""

CELEBAHQ, FLICKR2K, DIV2K, DIV2K_VALID = 30_000, 2_650, 800, 100
"""Number of pictures in each data set."""

SEED = 102_405
SHARES = 0.8, 0.05
"""Shares of train and valid; the rest is test."""

# fmt: off
DIV2K_HELD_OUT = (
    15, 19, 25, 32, 38, 51, 57, 77, 96, 108, 139, 149, 155, 158, 164, 206, 215, 216, 220, 222, 223, 232, 248, 267, 270,
    280, 283, 289, 292, 302, 305, 315, 323, 327, 331, 336, 339, 355, 364, 367, 380, 387, 393, 402, 409, 411, 429, 456,
    460, 478, 487, 488, 502, 509, 533, 538, 554, 566, 573, 607, 622, 643, 658, 669, 674, 680, 697, 702, 717, 726, 735,
    736, 738, 744, 762, 775, 782, 783, 787, 793,
)
# fmt: on
"""Numbers of the training pictures of DIV2K that the paper validates on."""


def celebahq(pictures: Path, out: Path, count: int = CELEBAHQ) -> dict[str, int]:
    """Builds the split of CelebA-HQ; pictures of other sizes become PNGs of 256×256.  Returns the number in each part.

    Raises ValueError unless `pictures` contains `count` pictures, because the shuffle would differ from the paper's.
    """
    return _build(shuffled(_pictures(pictures, count, "CelebA-HQ")), out, _place_256)


def d2kf2k(div2k: Path, flickr2k: Path, out: Path) -> dict[str, int]:
    """Builds D2KF2K from the folder of DIV2K_train_HR and DIV2K_valid_HR and the folder of Flickr2K's pictures.

    File names are prefixed with the name of the data set.  Returns the number of pictures in each
    part; raises ValueError when some are missing.
    """
    parts = {
        "DIV2K": div2k_split(div2k),
        "Flickr2K": shuffled(_pictures(_subfolder(flickr2k, "Flickr2K_HR"), FLICKR2K, "Flickr2K")),
    }
    counts = [_build(split, out, _place, f"{name}-") for name, split in parts.items()]
    return {part: sum(count[part] for count in counts) for part in counts[0]}


def shuffled(pictures: Iterable[Path]) -> Split:
    """The split of CelebA-HQ and Flickr2K: sorted, shuffled by NumPy's legacy generator, cut.

    The pictures lie in one folder.
    """
    paths = sorted(pictures, key=lambda path: path.name)
    order = np.random.RandomState(SEED).permutation(len(paths))
    train, valid = SHARES
    first, second = int(len(paths) * train), int(len(paths) * (train + valid))
    parts = zip(("train", "valid", "test"), np.split(order, (first, second)), strict=True)
    return {part: [paths[int(number)] for number in numbers] for part, numbers in parts}


def div2k_split(folder: Path) -> Split:
    """The split of DIV2K.  Raises ValueError if pictures are missing."""
    theirs = _pictures(folder / "DIV2K_train_HR", DIV2K, "DIV2K's training set")
    held_out = {f"{number:04}" for number in DIV2K_HELD_OUT}
    return {
        "train": [path for path in theirs if path.stem not in held_out],
        "valid": [path for path in theirs if path.stem in held_out],
        "test": _pictures(folder / "DIV2K_valid_HR", DIV2K_VALID, "DIV2K's validation set"),
    }


def _pictures(folder: Path, count: int, name: str) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}, which should hold {name}: check the name")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    if len(found) != count:
        raise ValueError(f"{folder} has {len(found)} pictures, {name} has {count}: the split needs all and no others")
    return found


def _subfolder(folder: Path, name: str) -> Path:
    """The subfolder of that name, which unpacked archives have, or `folder` itself if there is none."""
    return folder / name if (folder / name).is_dir() else folder


def _build(split: Split, out: Path, place: Callable[[Path, Path], None], prefix: str = "") -> dict[str, int]:
    for part, pictures in split.items():
        (out / part).mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            place(picture, out / part / f"{prefix}{picture.name}")
    return {part: len(pictures) for part, pictures in split.items()}


def _place(source: Path, target: Path) -> None:
    """A hard link, or a copy on another file system; what is there already stays."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _place_256(source: Path, target: Path) -> None:
    with Image.open(source) as image:
        if image.size == (256, 256):
            _place(source, target)
        elif not target.with_suffix(".png").exists():
            image.convert("RGB").resize((256, 256), Image.Resampling.LANCZOS).save(target.with_suffix(".png"))
