"""Pictures that benchmarks are made from, how they are compressed, and the options that choose them."""

import argparse
import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from driftrec.evaluate.measurement import Measurement
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.model.find import DEFAULT_MODEL
from driftrec.train.data.crops import open_corpus

Pixels = NDArray[np.uint8]

Kept = tuple[list[Measurement], str]
"""Measurements, and the note below their table."""

SHARED = Path(__file__).parents[2] / "shared"
MEASURED = Path(__file__).parents[1] / "docs/measured"
HELD_OUT = 0.06
GAIN = "{:+.2f}"


def held_out(options: argparse.Namespace, kind: str) -> Iterator[Pixels]:
    """The held-out pictures of one kind in the corpus."""
    folder = options.data / "train"
    with (folder / "manifest.csv").open(newline="") as lines:
        kinds = {f"{row['source']}/{row['path']}": row["kind"] for row in csv.DictReader(lines)}
    corpus = open_corpus([folder]).split(HELD_OUT)[1]
    for i, entry in enumerate(corpus.entries):
        if kinds[entry.group] == kind:
            yield corpus[i]


def live1(options: argparse.Namespace) -> list[Pixels]:
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted((options.data / "test/live1").glob("*.png"))]


def middle(pixels: Pixels, side: int) -> Pixels:
    """The middle of a picture, at most `side` pixels high and wide."""
    top, left = (max((length - side) // 2, 0) for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def compress(pixels: Pixels, quality: int, tables: list[list[int]] | None = None, subsampling: str = "4:2:0") -> bytes:
    """Pillow's JPEG at a quality or with given tables."""
    file = io.BytesIO()
    how = {"quality": quality} if tables is None else {"qtables": tables}
    Image.fromarray(pixels).save(file, "JPEG", subsampling=subsampling, **how)
    return file.getvalue()


def webp(pixels: Pixels, quality: int) -> bytes:
    """Pillow's WebP file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=quality)
    return file.getvalue()


def decode(file: bytes) -> Pixels:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def eight_bits(pixels: NDArray[np.float32]) -> Pixels:
    """Pixels in [0, 1] as they are saved."""
    return np.rint(255 * pixels).astype(np.uint8)


def distance(metric: Lpips, restored: NDArray[np.float32], clean: Pixels) -> float:
    """LPIPS between a restoration in [0, 1] and its clean picture."""
    images = (
        torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None] for x in (restored, clean / np.float32(255))
    )
    return float(metric(*images))


def common_options() -> argparse.ArgumentParser:
    """The options of the programs that measure on such pictures, as a parent of their own."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DRIFTREC_DATA", SHARED / "data")))
    parser.add_argument("--pictures", type=int, default=8, metavar="N", help="at most so many of each kind")
    parser.add_argument("--side", type=int, default=256, metavar="PIXELS")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser
