"""Measures the gains from the data in a JPEG file: cells, expected values, and the plan.

    python benchmarks/jpeg.py photos graphics live1 luma cells

With those of history.py and resized.py, these are all tables of docs/science/jpeg.md; they take some 15 minutes.
photos and graphics are held-out pictures of the training corpus (`Corpus.split`); live1 is used for reporting only.
The middles of the pictures are compressed with Pillow and restored as `driftrec restore` does.
"""

import argparse
import io

import numpy as np
from PIL import Image

import driftrec
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.tables import keep
from driftrec.jpeg import Cells, read_jpeg
from driftrec.jpeg import decode as expected_decode
from driftrec.restoration.options import Mode
from samples import (
    GAIN,
    MEASURED,
    Kept,
    Pixels,
    common_options,
    compress,
    decode,
    distance,
    eight_bits,
    held_out,
    live1,
    middle,
)

QUALITIES = (1, 5, 10, 30, 60, 80, 90, 94, 97, 100)
LIVE1_QUALITIES = (10, 40, 75, 90)
LUMA_QUALITIES = (5, 10, 20, 40, 75, 90, 96)

MODES: tuple[Mode, ...] = ("decode", "faithful", "natural")


def main() -> None:
    options = read_options()
    for what in options.what:
        if what == "luma":
            entries, note = luma({"held out": list(held_out(options, "photo")), "LIVE1": live1(options)})
        elif what == "cells":
            sets = {kind: list(held_out(options, kind))[: options.pictures] for kind in ("photo", "graphic")}
            entries, note = likely_parts(sets, options)
        elif what == "live1":
            entries, note = gains(live1(options)[: options.pictures], LIVE1_QUALITIES, options, "LIVE1")
        else:
            pictures = list(held_out(options, what.removesuffix("s")))
            label = f"{what} held out of the training corpus"
            entries, note = gains(pictures[: options.pictures], QUALITIES, options, label)
        print(keep(MEASURED / f"jpeg_{what}.jsonl", entries, note))


# --------------------------------------------------------------------------------------------------------- gains


def gains(pictures: list[Pixels], qualities: tuple[int, ...], options: argparse.Namespace, label: str) -> Kept:
    """Gains in PSNR over the plain JPEG, as means and for the worst picture, and the share of the file's coefficients
    that restorations keep."""
    restorer = driftrec.Restorer(options.model, threads=options.threads)
    data = f"{label}, the middle {options.side}×{options.side} pixels of {len(pictures)} pictures; Pillow, 4:2:0"
    conditions = Conditions.now(models=[options.model], data=data)
    entries: list[Measurement] = []
    for quality in qualities:
        plain, same = [], []
        alone: dict[Mode, list[float]] = {mode: [] for mode in MODES}
        won: dict[Mode, list[float]] = {mode: [] for mode in MODES}
        for picture in pictures:
            clean = middle(picture, options.side)
            file = compress(clean, quality)
            y = decode(file)
            plain.append(psnr(y, clean))
            for mode in MODES:
                restored = np.asarray(restorer.restore(file, mode=mode).picture.to_pil())
                won[mode].append(psnr(restored, clean) - plain[-1])
                if mode != "decode":
                    free = eight_bits(restorer.restore_pixels(y, mode=mode))
                    alone[mode].append(psnr(free, clean) - plain[-1])
            same.append(same_coefficients(file, restored))
        values = [("JPEG", np.mean(plain), "{:.2f}", "dB")]
        for mode in MODES:
            values += [(f"{mode}, network alone", np.mean(alone[mode]), GAIN, "dB")] if alone[mode] else []
            values += [(mode, np.mean(won[mode]), GAIN, "dB"), (f"{mode}, worst", min(won[mode]), GAIN, "dB")]
        values.append(("same coefficients", 100 * np.mean(same), "{:.2f} {unit}", "%"))
        entries += [
            Measurement({"quality": quality}, measure, float(value), unit, form, conditions)
            for measure, value, form, unit in values
        ]
        print(quality, won, flush=True)
    note = (
        "Gains in RGB PSNR over the JPEG as Pillow decodes it, in dB, with results rounded to 8 bits.  The column JPEG "
        "is the PSNR of the JPEG itself; worst is the picture that gained least.  For the last column, the natural "
        "restoration is compressed with the file's tables; the column shows the share of coefficients that are then "
        "the same."
    )
    return entries, note


def same_coefficients(file: bytes, restored: Pixels) -> float:
    """The share of a file's coefficients that are unchanged if its restoration is compressed with the same tables."""
    before = read_jpeg(file)
    with Image.open(io.BytesIO(file)) as image:
        after = read_jpeg(compress(restored, 0, list(image.quantization.values())))
    pairs = zip(before.components, after.components, strict=True)
    return float(np.mean(np.concatenate([(a.coefficients == b.coefficients).ravel() for a, b in pairs])))


# --------------------------------------------------------------------------------------------------------- cells


CELL_QUALITIES = (10, 30, 60, 80, 90, 95)
TWICE = ((10, 30), (10, 75), (30, 50), (50, 75), (75, 90), (92, 95))
PROJECTED = {"whole cells": Cells.project, "likely parts": Cells.improve}


def likely_parts(sets: dict[str, list[Pixels]], options: argparse.Namespace) -> Kept:
    """Gains over the network alone of projection onto whole cells and onto their likely parts."""
    metric = Lpips("alex", options.data.parent / "weights/lpips_alex_v0.1.safetensors")
    restorer = driftrec.Restorer(options.model, threads=options.threads)
    counts = " and ".join(f"{len(pictures)} {kind}s" for kind, pictures in sets.items())
    data = f"{counts} held out of the training corpus, the middle {options.side}×{options.side} pixels; Pillow, 4:2:0"
    conditions = Conditions.now(models=[options.model], data=data)
    entries: list[Measurement] = []
    for qualities in [(None, q) for q in CELL_QUALITIES] + list(TWICE):
        first, last = qualities
        name = f"{last}" if first is None else f"{first}, then {last}, same grid"
        for kind, pictures in sets.items():
            found: dict[str, list[float]] = {}
            for picture in pictures:
                clean = middle(picture, options.side)
                file = compress(clean if first is None else decode(compress(clean, first)), last)
                cells = Cells(read_jpeg(file), first)
                for mode in ("faithful", "natural") if first is None else ("faithful",):
                    free = restorer.restore_pixels(decode(file), mode=mode)
                    results = {where: project(cells, free) for where, project in PROJECTED.items()}
                    for where, result in results.items():
                        gain = psnr(eight_bits(result), clean) - psnr(eight_bits(free), clean)
                        found.setdefault(f"{mode}: {where}, dB", []).append(gain)
                        if mode == "natural":
                            change = distance(metric, result, clean) - distance(metric, free, clean)
                            found.setdefault(f"natural: {where}, LPIPS", []).append(change)
            entries += [
                Measurement(
                    {"quality": name, "pictures": f"{kind}s"},
                    measure,
                    float(np.mean(values)),
                    "" if "LPIPS" in measure else "dB",
                    "{:+.4f}" if "LPIPS" in measure else GAIN,
                    conditions,
                )
                for measure, values in found.items()
            ]
            print(name, kind, {measure: np.mean(values) for measure, values in found.items()}, flush=True)
    note = (
        "Differences to the network alone, means over pictures, of projecting its estimate onto the cells: RGB PSNR, "
        "and LPIPS (AlexNet; lower is better; natural was trained for it).  For files that were saved twice, "
        "the likely parts allow for both compressions."
    )
    return entries, note


# ---------------------------------------------------------------------------------------------------------- luma


def luma(sets: dict[str, list[Pixels]]) -> Kept:
    """The gain of expected values over Pillow's decoding of gray files."""
    counts = ", ".join(f"{len(pictures)} photos of {name}" for name, pictures in sets.items())
    data = f"gray files of whole photos: {counts.replace('of held out', 'held out of the corpus')}; Pillow"
    conditions, entries = Conditions.now(data=data), []
    for quality in LUMA_QUALITIES:
        for name, pictures in sets.items():
            plain, won = [], []
            for picture in pictures:
                clean = np.asarray(Image.fromarray(picture).convert("L"))
                file = compress(clean, quality)
                better = np.rint(255 * expected_decode(read_jpeg(file))[..., 0]).astype(np.uint8)
                plain.append(psnr(decode(file)[..., 0], clean))
                won.append(psnr(better, clean) - plain[-1])
            values = (("JPEG", np.mean(plain), "{:.2f}"), ("gain", np.mean(won), GAIN), ("worst", min(won), GAIN))
            entries += [
                Measurement({"quality": quality}, f"{name}, {measure}", float(value), "dB", form, conditions)
                for measure, value, form in values
            ]
    return entries, "PSNR of the JPEG and gains over it, in dB."


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[common_options()]
    )
    parser.add_argument("what", nargs="+", choices=["photos", "graphics", "live1", "luma", "cells"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
