"""Prints the shares behind `driftrec.restoration.binding`: of faithful estimates' coefficients that lie in their cells.

    python research/binding.py --data ../shared/data/train --pictures 8      # some four minutes

Training pictures (`Corpus.split`) are saved once, or compressed at quality 20, edited, and saved then.  Per quality of
the last file: the lowest and the mean share of single compressions, and the mean and the highest of each edit.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import driftrec
from driftrec.jpeg import Cells, read_jpeg
from driftrec.restoration.binding import INSIDE, QUALITIES
from driftrec.train.data.crops import open_corpus

EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(2, 120, 2)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(0.8)),
    "reduced": lambda image: image.resize((image.width * 3 // 4, image.height * 3 // 4)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of clean pictures")
    parser.add_argument("--pictures", type=int, default=8)
    options = parser.parse_args()
    restorer = driftrec.Restorer("small", mode="faithful", steps=1)
    corpus = open_corpus(options.data).split(0.06)[0]
    numbers = np.linspace(0, len(corpus) - 1, options.pictures).astype(int)
    crops = [Image.fromarray(corpus[int(number)][:192, :192]) for number in numbers]
    for quality, threshold in zip(QUALITIES, INSIDE, strict=True):
        single = [share(saved(crop, quality), restorer) for crop in crops]
        line = f"quality {quality}, threshold {threshold}: once {min(single):.3f} {np.mean(single):.3f}"
        for name, edit in EDITS.items():
            found = [share(saved(edit(Image.open(io.BytesIO(saved(c, 20)))), quality), restorer) for c in crops]
            line += f", {name} {np.mean(found):.3f} {max(found):.3f}"
        print(line, flush=True)


def saved(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def share(data: bytes, restorer: driftrec.Restorer) -> float:
    """The share of the free estimate's coefficients that lie in their cells."""
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return Cells(read_jpeg(data)).contains(restorer.restore_pixels(shown), tolerance=0)


if __name__ == "__main__":
    main()
