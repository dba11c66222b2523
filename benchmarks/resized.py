"""Measures how resized JPEGs and parts of them are recognised, and what restoring them in the size before gains.

    python benchmarks/resized.py resized parts

The tables are on docs/science/jpeg.md; they take some 10 minutes.  The pictures are held out of the training corpus
(`Corpus.split`).
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from PIL import Image

import driftrec
from driftrec.evaluate.chains.drawing import Screenshot
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.tables import keep
from driftrec.jpeg import Resizing, examine
from samples import GAIN, MEASURED, Kept, Pixels, common_options, compress, decode, held_out, middle

View: TypeAlias = Callable[[Pixels], Pixels]

Value: TypeAlias = tuple[str, float, str, str]
"""What was measured, its value, unit and format."""

RESIZED = (
    (10, 1.6, "bicubic", None),
    (15, 1.5, "bilinear", None),
    (10, 1.7, "nearest neighbour", None),
    (30, 1.25, "Lanczos", None),
    (60, 1.6, "bicubic", None),
    (10, 2, "bicubic", 90),
    (20, 1.37, "Lanczos", 85),
    (10, 1.25, "bicubic", 75),
    (20, 0.75, "bicubic", None),
    (15, 0.5, "Lanczos", None),
    (20, 0.6, "area", None),
    (20, 0.9, "Lanczos", 75),
    (20, 0.75, "bicubic", 80),
    (20, 0.6, "area", 85),
)
"""(quality, factor, kernel, quality of a second JPEG)."""
PARTS = (
    (15, 1.33, "bilinear", None),
    (10, 1.6, "bicubic", None),
    (30, 1.8, "Lanczos", None),
    (20, 1.5, "bicubic", 90),
    (15, 2.2, "bilinear", 80),
    (20, 0.75, "bicubic", None),
    (20, 0.6, "area", None),
    (20, 0.75, "bicubic", 90),
)
"""The same for pictures of which a part is shown, and pictures that are shown in a window."""
VIEWS: dict[str, View] = {"a part": lambda pixels: pixels[21:-10, 14:-17], "in a window": Screenshot()}
PART_SIDE, NEARLY_RIGHT = 384, 0.004
"""Maximum side of the pictures that are resized for this, in pixels; the error of a right factor."""
KERNELS = {
    "nearest neighbour": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}


def main() -> None:
    options = read_options()
    restorer, photos = driftrec.Restorer(options.model, threads=options.threads), list(held_out(options, "photo"))
    for what in options.what:
        entries, note = (parts if what == "parts" else resized)(photos, restorer, options)
        print(keep(MEASURED / f"jpeg_{what}.jsonl", entries, note))


def resized(pictures: list[Pixels], restorer: driftrec.Restorer, options: argparse.Namespace) -> Kept:
    """How often resizing is recognised where there was any and where there was none, and what that brings."""
    few = [middle(picture, options.side) for picture in pictures[: options.pictures]]
    data = (
        f"photos held out of the training corpus: {len(pictures)} whole ones for the rows without an earlier JPEG, the "
        f"middle {options.side}×{options.side} pixels of {len(few)} for the others; Pillow, 4:2:0"
    )
    conditions = Conditions.now(models=[options.model], data=data)
    entries: list[Measurement] = []

    def add(name: str, values: list[Value]) -> None:
        entries.extend(Measurement({"picture": name}, *value, conditions) for value in values)
        print(name, values, flush=True)

    for quality, factor, kernel, last in RESIZED:
        found, gains = walked_back(few, restorer, quality, partial(rescaled, factor=factor, kernel=kernel), last)
        sizes = [seen is not None and seen.before == clean.shape[:2] for seen, clean in zip(found, few, strict=True)]
        kernels = [seen is not None and seen.kernel == kernel for seen in found]
        rates = {"detected": [seen is not None for seen in found], "size right": sizes, "kernel right": kernels}
        add(f"JPEG of {quality}, {described(factor)} ({kernel}){resaved(last)}", as_rates(rates) + gains)
    rng = np.random.default_rng(0)
    for name, last in (("no JPEG", None), ("no JPEG, saved at 90", 90)):
        for factors, words in ((None, ""), ((1.1, 2.6), ", enlarged"), ((0.4, 0.95), ", reduced")):
            found = []
            for i, picture in enumerate(pictures):
                kernel = list(KERNELS)[i % 4]
                pixels = picture if factors is None else rescaled(picture, rng.uniform(*factors), kernel)
                again = None if last is None else compress(pixels, last)
                report = examine(pixels if again is None else decode(again), again)
                found.append(report.resized is not None)
            add(
                name.replace("no JPEG", f"no JPEG{words}"),
                as_rates({"detected": found}),
            )
    note = (
        "Detected: resizing after a JPEG compression was reported.  Size and kernel right: the size before and the "
        "interpolation were recognised.  Gain: in RGB PSNR over the picture, in dB, of faithful restorations.  Gain "
        "before resizing: that of restoring the JPEG and resizing the result.  Share: the first gain divided by the "
        "second.  The reference is the resized clean picture.  Rows without a JPEG: factors from 1.1 to 2.6 and from "
        "0.4 to 0.95, with the kernels nearest neighbour, bilinear, bicubic and Lanczos."
    )
    return entries, note


def parts(pictures: list[Pixels], restorer: driftrec.Restorer, options: argparse.Namespace) -> Kept:
    """The same for parts of resized pictures, and for resized pictures in a window."""
    few = [middle(picture, PART_SIDE) for picture in pictures[: options.pictures]]
    data = (
        f"photos held out of the training corpus, up to {PART_SIDE}×{PART_SIDE} pixels: {len(few)} for the rows with a "
        f"JPEG, {len(pictures)} for the others; Pillow, 4:2:0"
    )
    conditions = Conditions.now(models=[options.model], data=data)
    entries: list[Measurement] = []
    for view, shown in VIEWS.items():
        for quality, factor, kernel, last in PARTS:

            def change(pixels: Pixels, factor: float = factor, kernel: str = kernel, shown: View = shown) -> Pixels:
                return shown(rescaled(pixels, factor, kernel))

            found, gains = walked_back(few, restorer, quality, change, last)
            right = [seen is not None and abs(seen.factor / factor - 1) < NEARLY_RIGHT for seen in found]
            rates = as_rates({"detected": [seen is not None for seen in found], "factor right": right})
            name = f"JPEG of {quality}, {described(factor)} ({kernel}), {view}{resaved(last)}"
            entries += [Measurement({"picture": name}, *value, conditions) for value in [*rates, *gains]]
            print(name, rates, gains, flush=True)
    rng = np.random.default_rng(1)
    for last in (None, 90):
        found = []
        for i, picture in enumerate(pictures):
            factor = rng.uniform(1.1, 2.6) if i % 2 else rng.uniform(0.4, 0.95)
            pixels = VIEWS["a part"](rescaled(middle(picture, PART_SIDE), factor, list(KERNELS)[i % 4]))
            again = None if last is None else compress(pixels, last)
            found.append(examine(pixels if again is None else decode(again), again).resized is not None)
        name = f"no JPEG, resized, a part{resaved(last)}"
        entries += [Measurement({"picture": name}, *value, conditions) for value in as_rates({"detected": found})]
    note = (
        "As above.  Factor right: the factor was found with an error of less than 0.4 %.  A part: 31 pixels of either "
        "side are cut off, so that blocks start anywhere.  In a window: with a bar above it and text around it, whose "
        "pixels count, too.  Factors and kernels of the rows without a JPEG: as above."
    )
    return entries, note


def walked_back(
    pictures: list[Pixels], restorer: driftrec.Restorer, quality: int, change: View, last: int | None
) -> tuple[list[Resizing | None], list[Value]]:
    """What is found in JPEGs that were changed, and perhaps saved again, and what restoring them gains."""
    found, won, most = [], [], []
    for clean in pictures:
        file = compress(clean, quality)
        truth, pixels = change(clean), change(decode(file))
        again = None if last is None else compress(pixels, last)
        pixels = pixels if again is None else decode(again)
        found.append(examine(pixels, again).resized)
        before = psnr(pixels, truth)
        best = np.asarray(restorer.restore(file, mode="faithful").picture.to_pil())
        most.append(psnr(change(best), truth) - before)
        result = restorer.restore(again or Image.fromarray(pixels), mode="faithful")
        won.append(psnr(np.asarray(result.picture.to_pil()), truth) - before)
    gain, best_gain = float(np.mean(won)), float(np.mean(most))
    gains = [("gain", gain, "dB", GAIN), ("gain before resizing", best_gain, "dB", GAIN)]
    return found, [*gains, ("share", 100 * gain / best_gain, "%", "{:.0f} {unit}")]


def as_rates(rates: dict[str, list[bool]]) -> list[Value]:
    return [(measure, 100 * float(np.mean(rate)), "%", "{:.0f} {unit}") for measure, rate in rates.items()]


def resaved(last: int | None) -> str:
    return "" if last is None else f", saved again at {last}"


def described(factor: float) -> str:
    """A participle for a factor."""
    return f"enlarged {factor} times" if factor > 1 else f"reduced to {100 * factor:.0f} %"


def rescaled(pixels: Pixels, factor: float, kernel: str) -> Pixels:
    """The picture resized with Pillow."""
    height, width = (round(side * factor) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), KERNELS[kernel]))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[common_options()]
    )
    parser.add_argument("what", nargs="+", choices=["resized", "parts"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
