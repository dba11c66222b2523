"""Finds the best half-width of the likely part of a quantisation cell, for every step.

    python research/cell_widths.py --data ../shared/data/train --pictures 40      # some fifteen minutes

Training pictures (`Corpus.split`) are compressed by Pillow and restored by the faithful network alone.  For the
estimate's distance u from the middle of the cell and the clean picture's v, both in steps, the half-width is the h with
the smallest mean of (clip(u, −h, h) − v)².  `driftrec.jpeg.cell` uses NARROW Q / (Q + SOFT).
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

import driftrec
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep
from driftrec.jpeg import read_jpeg
from driftrec.jpeg.blocks import box_mean, dct, to_components
from driftrec.jpeg.cell import NARROW, SOFT
from driftrec.jpeg.layout import inner
from driftrec.train.data.crops import open_corpus

QUALITIES = (5, 10, 20, 30, 45, 60, 75, 85, 90, 95, 98)
STEPS = (1.5, 2.5, 3.5, 5, 7, 10, 14, 20, 30, 50, 80, 256)
"""Upper ends of the classes of steps, in levels."""
WIDTHS = np.arange(0.02, 0.52, 0.02)
MEASURED = Path(__file__).parent / "measured/cell_widths.jsonl"


def main() -> None:
    options = read_options()
    restorer = driftrec.Restorer("small", mode="faithful", steps=1, threads=options.threads)
    corpus = open_corpus(options.data).split(0.06)[0]
    errors, counts = np.zeros((len(STEPS), len(WIDTHS))), np.zeros(len(STEPS))
    for number in np.linspace(0, len(corpus) - 1, options.pictures).astype(int):
        clean = corpus[int(number)][: options.side, : options.side]
        for quality in QUALITIES:
            step, u, v = distances(clean, quality, restorer)
            place = np.searchsorted(STEPS, step)
            for index, width in enumerate(WIDTHS):
                errors[:, index] += np.bincount(place, (u.clip(-width, width) - v) ** 2, minlength=len(STEPS))
            counts += np.bincount(place, minlength=len(STEPS))
    data = f"{options.pictures} training pictures, {options.side}×{options.side} pixels each; Pillow, 4:2:0"
    conditions = Conditions.now(models=["small"], data=data)
    lowest = (1, *STEPS[:-1])
    entries = []
    for low, high, row, count in zip(lowest, STEPS, errors, counts, strict=True):
        name, middle = f"{np.ceil(low):.0f} to {np.floor(high):.0f}", np.sqrt(low * high)
        values = {"best half-width": WIDTHS[row.argmin()], "used at the middle": NARROW * middle / (middle + SOFT)}
        entries += [Measurement({"step": name}, k, float(v), "steps", "{:.2f}", conditions) for k, v in values.items()]
        entries.append(Measurement({"step": name}, "coefficients", count / 1e6, "million", "{:.2f} {unit}", conditions))
    print(keep(MEASURED, entries))


def distances(clean: np.ndarray, quality: int, restorer: driftrec.Restorer) -> tuple[np.ndarray, ...]:
    """(steps, u, v) of all AC coefficients of whole blocks."""
    data = io.BytesIO()
    Image.fromarray(clean).save(data, "JPEG", quality=quality, subsampling="4:2:0")
    file = read_jpeg(data.getvalue())
    shown = np.asarray(Image.open(data).convert("RGB"))
    pair = restorer.restore_pixels(shown), clean / np.float32(255)
    found = []
    for band in inner(file):
        estimate, truth = (to_components(image[band.part], file.colour) for image in pair)
        for strip, planes in zip(band.strips, zip(estimate, truth, strict=True), strict=True):
            u, v = ((dct(box_mean(plane, *strip.factors)) / strip.steps - strip.coefficients) for plane in planes)
            ac = np.ones((8, 8), bool)
            ac[0, 0] = False
            chosen = np.tile(ac, (u.shape[0] // 8, u.shape[1] // 8))
            found.append((strip.steps[chosen], u[chosen], v[chosen]))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of clean pictures")
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--side", type=int, default=208, help="pixels")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
