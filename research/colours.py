"""What natural restorations should take from the faithful estimate: whole held-out pictures, as the tool restores them.

    python research/colours.py small --data ../shared/data/train ../shared/data/train_more --markdown docs/colours.md

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
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.restoration.restorer import Restorer
from driftrec.train.data.crops import open_corpus
from driftrec.train.recipe import DataSection

SHARED = Path(__file__).parents[2] / "shared"
SMALLEST = 400
"""Sides of the pictures in pixels, at least."""


def main() -> None:
    options = read_options()
    restorer = Restorer(options.model)
    card = restorer.network.card
    lpips = Lpips("alex", options.weights / "lpips_alex_v0.1.safetensors")
    _, held_out = open_corpus(options.data).split(DataSection().held_out)
    large = [i for i, entry in enumerate(held_out.entries) if min(entry.height, entry.width) >= SMALLEST]
    chosen = np.random.default_rng(0).permutation(large)[: options.pictures]
    pictures = [np.ascontiguousarray(held_out[i]) for i in chosen]
    lines = ["| quality | colour | PSNR | LPIPS-Alex | shift, gray levels |", "| --: | --- | --: | --: | --: |"]
    print(*lines, sep="\n")
    for quality in options.quality:
        files = [jpeg_file(picture, quality) for picture in pictures]
        for colour in get_args(Colour):
            restorer.network.card = replace(card, plan=replace(card.plan, colour=colour))
            pairs = zip(pictures, files, strict=True)
            psnr, distance, shift = np.mean([scores(picture, restorer, file, lpips) for picture, file in pairs], axis=0)
            lines.append(f"| {quality} | {colour} | {psnr:.2f} | {distance:.4f} | {shift:.2f} |")
            print(lines[-1], flush=True)
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


def scores(clean: np.ndarray, restorer: Restorer, file: bytes, lpips: Lpips) -> tuple[float, float, float]:
    """PSNR, LPIPS, and how far the means of the channels are off, of a natural restoration of 8 bits."""
    restored = restorer.restore(file, mode="natural").picture.pixels
    restored = np.round(255 * restored.clip(0, 1)).astype(np.float32)
    error = restored - clean
    a, b = (torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None] for image in (restored, clean))
    with torch.no_grad():
        distance = lpips(a, b).item()
    return 10 * np.log10(255**2 / np.square(error).mean()), distance, np.abs(error.mean(axis=(0, 1))).mean()


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
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
