"""What natural restorations should take from the faithful estimate: whole held-out pictures, as the tool restores them.

    python research/colours.py small --data ../shared/data/train ../shared/data/train_more --keep colours

Crops as in training show too little of it: a shift of colour is one of a whole picture.
"""

import argparse
import io
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from PIL import Image

from driftrec.diffusion.plan import Colour
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.tables import keep, table_of
from driftrec.restoration.restorer import Restorer
from driftrec.train.data.crops import open_corpus
from driftrec.train.recipe import DataSection

SHARED = Path(__file__).parents[2] / "shared"
MEASURED = Path(__file__).parent / "measured"
COLUMNS = (
    ("PSNR", "dB", "{:.2f}"),
    ("LPIPS-Alex", "", "{:.4f}"),
    ("shift, gray levels", "gray levels", "{:.2f}"),
)
"""Measure, unit and format."""
SMALLEST = 400
"""Sides of the pictures in pixels, at least."""


def main() -> None:
    options = read_options()
    restorer = Restorer(options.model)
    card = restorer.runner.card
    lpips = Lpips("alex", options.weights / "lpips_alex_v0.1.safetensors")
    _, held_out = open_corpus(options.data).split(DataSection().held_out)
    large = [i for i, entry in enumerate(held_out.entries) if min(entry.height, entry.width) >= SMALLEST]
    chosen = np.random.default_rng(0).permutation(large)[: options.pictures]
    pictures = [np.ascontiguousarray(held_out[i]) for i in chosen]
    conditions = Conditions.now(
        models=[options.model], data=f"{len(pictures)} held-out pictures of the training corpus"
    )
    entries = []
    for quality in options.quality:
        files = [jpeg_file(picture, quality) for picture in pictures]
        for colour in get_args(Colour):
            restorer.runner.card = replace(card, plan=replace(card.plan, colour=colour))
            pairs = zip(pictures, files, strict=True)
            means = np.mean([scores(picture, restorer, file, lpips) for picture, file in pairs], axis=0)
            what = {"quality": quality, "colour": colour}
            entries += [
                Measurement(what, measure, float(mean), unit, form, conditions)
                for mean, (measure, unit, form) in zip(means, COLUMNS, strict=True)
            ]
            print(what, means, flush=True)
    print(table_of(entries).markdown())
    if options.keep:
        keep(MEASURED / f"{options.keep}.jsonl", entries)


def scores(clean: np.ndarray, restorer: Restorer, file: bytes, lpips: Lpips) -> tuple[float, float, float]:
    """PSNR, LPIPS, and how far the means of the channels are off, of a natural restoration of 8 bits."""
    restored = restorer.restore(file, mode="natural").picture.pixels
    restored = np.rint(255 * restored.clip(0, 1)).astype(np.uint8)
    a, b = (torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None] for image in (restored, clean))
    with torch.no_grad():
        distance = lpips(a, b).item()
    shift = np.abs((restored.astype(np.float32) - clean).mean(axis=(0, 1))).mean()
    return psnr(restored, clean), distance, shift


def jpeg_file(pixels: np.ndarray, quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the name of a model, or its file")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="the training corpus")
    parser.add_argument("--weights", type=Path, default=SHARED / "weights", help="folder of the weights of LPIPS")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--quality", type=int, nargs="+", default=[5, 10, 20, 40])
    parser.add_argument("--keep", metavar="NAME", help="store the measurements in research/measured/NAME.jsonl")
    return parser.parse_args()


if __name__ == "__main__":
    main()
