"""Measures the gains from the data in a JPEG file (cells, expected values, plan), and the detection of traces and
of resizing.

    python benchmarks/jpeg.py photos graphics live1 luma cells traces copies histories resized

These are all tables of docs/science/jpeg.md; they take some 30 minutes.  photos and graphics are held-out pictures of
the training corpus (`Corpus.split`); live1 is used for reporting only.  The middles of the pictures are compressed with
Pillow and restored as `driftrec restore` does.
"""

import argparse
import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import driftrec
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.tables import keep
from driftrec.jpeg import Cells, examine, read_jpeg
from driftrec.jpeg import decode as expected_decode
from driftrec.model.find import DEFAULT_MODEL
from driftrec.restoration.options import Mode
from driftrec.train.data.crops import open_corpus
from hard_pictures import MAKERS, SIZE, hard_picture

Pixels = NDArray[np.uint8]

SHARED = Path(__file__).parents[2] / "shared"
MEASURED = Path(__file__).parents[1] / "docs/measured"
HELD_OUT = 0.06
QUALITIES = (1, 5, 10, 30, 60, 80, 90, 94, 97, 100)
LIVE1_QUALITIES = (10, 40, 75, 90)
LUMA_QUALITIES = (5, 10, 20, 40, 75, 90, 96)
SINGLE = (10, 30, 50, 75, 90, 95, 98)
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
KERNELS = {
    "nearest neighbour": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}
DOUBLE = ((10, 30), (10, 90), (30, 50), (30, 90), (50, 75), (75, 90), (50, 30))


def main() -> None:
    options = read_options()
    for what in options.what:
        if what == "luma":
            entries, note = luma({"held out": list(held_out(options, "photo")), "LIVE1": live1(options)})
        elif what == "cells":
            sets = {kind: list(held_out(options, kind))[: options.pictures] for kind in ("photo", "graphic")}
            entries, note = likely_parts(sets, options)
        elif what == "traces":
            restorer = driftrec.Restorer(options.model, threads=options.threads)
            entries, note = traces(list(held_out(options, "photo"))[: options.pictures], restorer, options.model)
        elif what == "copies":
            sets = {kind: list(held_out(options, kind))[: options.pictures] for kind in ("photo", "graphic")}
            entries, note = copies(sets, driftrec.Restorer(options.model, threads=options.threads), options.model)
        elif what == "histories":
            entries, note = histories(options.hard)
        elif what == "resized":
            restorer = driftrec.Restorer(options.model, threads=options.threads)
            entries, note = resized(list(held_out(options, "photo")), restorer, options)
        else:
            if what == "live1":
                pictures = live1(options)
                entries, note = gains(pictures[: options.pictures], LIVE1_QUALITIES, options, "LIVE1")
            else:
                pictures = list(held_out(options, what.removesuffix("s")))
                label = f"{what} held out of the training corpus"
                entries, note = gains(pictures[: options.pictures], QUALITIES, options, label)
        print(keep(MEASURED / f"jpeg_{what}.jsonl", entries, note))


# ------------------------------------------------------------------------------------------------------ pictures


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


def webp(pixels: Pixels) -> bytes:
    """A WebP file of quality 90."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=90)
    return file.getvalue()


def decode(file: bytes) -> Pixels:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def eight_bits(pixels: NDArray[np.float32]) -> Pixels:
    """Pixels in [0, 1] as they are saved."""
    return np.rint(255 * pixels).astype(np.uint8)


# --------------------------------------------------------------------------------------------------------- gains


MODES: tuple[Mode, ...] = ("decode", "faithful", "natural")


Kept = tuple[list[Measurement], str]
"""Measurements, and the note below their table."""
GAIN = "{:+.2f}"


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


def distance(metric: Lpips, restored: NDArray[np.float32], clean: Pixels) -> float:
    """LPIPS between a restoration in [0, 1] and its clean picture."""
    images = (
        torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None] for x in (restored, clean / np.float32(255))
    )
    return float(metric(*images))


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


# -------------------------------------------------------------------------------------------------------- traces


def traces(pictures: list[Pixels], restorer: driftrec.Restorer, model: str) -> Kept:
    """How often earlier compressions are detected, rightly and wrongly, and the gain from detecting them."""
    rng = np.random.default_rng(0)
    data = f"{len(pictures)} photos held out of the training corpus, about 416×416 pixels each; Pillow, 4:2:0"
    conditions = Conditions.now(models=[model], data=data)
    entries: list[Measurement] = []

    def add(name: str, cases: list[Case], quality: int | None, shifts: list[tuple[int, int]]) -> None:
        found = [examine(case.pixels, case.file) for case in cases]
        hits = [report.earlier for report in found if report.earlier]
        values = [("detected", 100 * len(hits) / len(found), "{:.0f} {unit}", "%")]
        if hits and quality:
            right = [r.earlier.shift == s for r, s in zip(found, shifts, strict=True) if r.earlier]
            off = np.median([abs(hit.quality - quality) for hit in hits])
            values.append(("error of quality", off, "{:.0f}", "levels of quality"))
            values.append(("grid right", 100 * np.mean(right), "{:.0f} {unit}", "%"))
            if any(report.grid != (0, 0) for report in found):
                won = np.mean([case.gains(restorer) for case in cases], axis=0)
                columns = ("gain on the picture's own grid", "gain")
                values += [(column, gain, GAIN, "dB") for column, gain in zip(columns, won, strict=True)]
        entries.extend(
            Measurement({"picture": name}, measure, float(value), unit, form, conditions)
            for measure, value, form, unit in values
        )
        print(name, values, flush=True)

    def drawn() -> list[tuple[int, int]]:
        return [(int(a), int(b)) for a, b in rng.integers(1, 8, (len(pictures), 2))]

    add("clean, no JPEG", [Case(p, p) for p in pictures], None, [])
    for q in (10, 30, 60, 90, 95):
        shifts = drawn()
        places = list(zip(pictures, shifts, strict=True))
        files = [webp(crop(decode(compress(p, q)), s)) for p, s in places]
        cases = [Case(crop(p, s), decode(file), file) for (p, s), file in zip(places, files, strict=True)]
        add(f"JPEG of {q}, cropped, WebP of 90", cases, q, shifts)
    for q in SINGLE:
        files = [(p, compress(p, q)) for p in pictures]
        add(f"JPEG of {q}", [Case(p, decode(file), file) for p, file in files], None, [])
    for first, last in DOUBLE:
        firsts, shifts = [decode(compress(p, first)) for p in pictures], drawn()
        for name, places in (("same grid", [(0, 0)] * len(pictures)), ("another grid", shifts)):
            cases = []
            for picture, once, shift in zip(pictures, firsts, places, strict=True):
                file = compress(crop(once, shift), last)
                cases.append(Case(crop(picture, shift), decode(file), file))
            add(f"JPEG of {first}, saved again at {last}, {name}", cases, first, places)
    note = (
        "Detected: an earlier compression was reported.  Error of quality: median error of the estimated first "
        "quality, if detected.  Grid right: its offset was found exactly.  Gain: in RGB PSNR over the picture, in dB, "
        "of faithful restorations by the network alone, first of the unchanged picture, then with the detected grid "
        "aligned with the first pixel and the earlier compression recovered."
    )
    return entries, note


# -------------------------------------------------------------------------------------------------------- copies

COPIED = (10, 30, 60, 75, 90, 95)
PART = 3, 13
"""(row, column) of the first pixel of copied parts."""


def copies(sets: dict[str, list[Pixels]], restorer: driftrec.Restorer, model: str) -> Kept:
    """The gain of restoring JPEGs, lossless copies of them, copies of parts, and of parts with a caption."""
    data = "pictures held out of the training corpus, up to 416×416 pixels; Pillow, 4:2:0"
    conditions = Conditions.now(models=[model], data=data)
    entries: list[Measurement] = []
    for kind, pictures in sets.items():
        for quality in COPIED:
            rows = [copy_gains(picture, quality, restorer) for picture in pictures]
            for measure in rows[0]:
                value = float(np.mean([row[measure] for row in rows]))
                unit, form = ("%", "{:.0f} {unit}") if measure.endswith("found") else ("dB", GAIN)
                what = {"pictures": f"{kind}s", "quality": quality}
                entries.append(Measurement(what, measure, value, unit, form, conditions))
            print(kind, quality, flush=True)
    note = (
        "In RGB PSNR over the picture itself, in dB, of faithful restorations: of the JPEG, of its lossless copy, and "
        "of a copy of a part that starts at another place of the grid.  Caption: a white strip with text, drawn into "
        "that part; the rest of it counts.  Found: share of the copies that were recognised as such."
    )
    return entries, note


def copy_gains(picture: Pixels, quality: int, restorer: driftrec.Restorer) -> dict[str, float]:
    """What restoring a JPEG and its copies gains, in dB, and whether the copies are recognised, in %."""
    file = compress(picture, quality)
    shown, top, left = decode(file), *PART
    part, clean = shown[top:, left:], picture[top:, left:]
    written = Image.fromarray(part)
    draw = ImageDraw.Draw(written)
    draw.rectangle((0, 0, 160, 31), (255, 255, 255))
    draw.text((8, 8), "written afterwards", (200, 0, 30))
    below = np.s_[48:]
    gained = {"JPEG": psnr(eight_bits(restorer.restore(file, mode="faithful").pixels), picture) - psnr(shown, picture)}
    for name, pixels, truth, counted in (
        ("copy", shown, picture, np.s_[:]),
        ("part", part, clean, np.s_[:]),
        ("part with a caption", np.asarray(written), clean, below),
    ):
        restored = eight_bits(restorer.restore(pixels, mode="faithful").pixels)
        gained[name] = psnr(restored[counted], truth[counted]) - psnr(pixels[counted], truth[counted])
        gained[f"{name} found"] = 100.0 * examine(pixels).copied
    return gained


# ----------------------------------------------------------------------------------------------------- histories


def histories(count: int) -> Kept:
    """False histories of pictures that hold no evidence of one, and how many that were saved twice are found."""
    conditions = Conditions.now(data=f"{count} pictures of each kind, drawn, {SIZE[1]}×{SIZE[0]} pixels; Pillow")
    entries: list[Measurement] = []
    for kind in MAKERS:
        false, files, found = 0, 0, 0
        for seed in range(count):
            picture, rng = hard_picture(kind, seed), np.random.default_rng((1, seed))
            quality, subsampling = int(rng.integers(10, 99)), "4:2:0" if rng.random() < 0.7 else "4:4:4"
            false += examine(picture).earlier is not None
            once = compress(picture, quality, subsampling=subsampling)
            files += examine(decode(once), once).earlier is not None
            first = decode(compress(picture, int(rng.integers(5, 50))))
            twice = compress(first, int(rng.integers(70, 96)), subsampling=subsampling)
            found += examine(decode(twice), twice).earlier is not None
        values = {"never saved as JPEG": false, "saved once": files, "saved twice": found}
        print(kind, values, flush=True)
        entries += [
            Measurement({"pictures": kind}, measure, value, f"of {count}", "{:.0f} {unit}", conditions)
            for measure, value in values.items()
        ]
    note = (
        "How many pictures were reported to have an earlier compression.  Saved once: at a quality of 10 to 98, so "
        "that none should be reported.  Saved twice: first at 5 to 49, then at 70 to 95, on the same grid; a picture "
        "of one colour keeps no trace of the first."
    )
    return entries, note


# ------------------------------------------------------------------------------------------------------- resized


def resized(pictures: list[Pixels], restorer: driftrec.Restorer, options: argparse.Namespace) -> Kept:
    """How often resizing is recognised where there was any and where there was none, and what that brings."""
    few = [middle(picture, options.side) for picture in pictures[: options.pictures]]
    data = (
        f"photos held out of the training corpus: {len(pictures)} whole ones for the rows without an earlier JPEG, the "
        f"middle {options.side}×{options.side} pixels of {len(few)} for the others; Pillow, 4:2:0"
    )
    conditions = Conditions.now(models=[options.model], data=data)
    entries: list[Measurement] = []

    def add(name: str, values: list[tuple[str, float, str, str]]) -> None:
        entries.extend(
            Measurement({"picture": name}, measure, value, unit, form, conditions)
            for measure, value, form, unit in values
        )
        print(name, values, flush=True)

    for quality, factor, kernel, last in RESIZED:
        found, sizes, kernels, won, most = [], [], [], [], []
        for clean in few:
            file = compress(clean, quality)
            truth, pixels = rescaled(clean, factor, kernel), rescaled(decode(file), factor, kernel)
            again = None if last is None else compress(pixels, last)
            pixels = pixels if again is None else decode(again)
            seen = examine(pixels, again).resized
            found.append(seen is not None)
            sizes.append(seen is not None and seen.before == clean.shape[:2])
            kernels.append(seen is not None and seen.kernel == kernel)
            before = psnr(pixels, truth)
            best = np.asarray(restorer.restore(file, mode="faithful").picture.to_pil())
            most.append(psnr(rescaled(best, factor, kernel), truth) - before)
            result = restorer.restore(again or Image.fromarray(pixels), mode="faithful")
            won.append(psnr(np.asarray(result.picture.to_pil()), truth) - before)
        name = f"JPEG of {quality}, {described(factor)} ({kernel})" + (f", saved again at {last}" if last else "")
        rates = [("detected", found), ("size right", sizes), ("kernel right", kernels)]
        gain, best_gain = float(np.mean(won)), float(np.mean(most))
        add(
            name,
            [(measure, 100 * float(np.mean(rate)), "{:.0f} {unit}", "%") for measure, rate in rates]
            + [("gain", gain, GAIN, "dB"), ("gain before resizing", best_gain, GAIN, "dB")]
            + [("share", 100 * gain / best_gain, "{:.0f} {unit}", "%")],
        )
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
                [("detected", 100 * float(np.mean(found)), "{:.0f} {unit}", "%")],
            )
    note = (
        "Detected: resizing after a JPEG compression was reported.  Size and kernel right: the size before and the "
        "interpolation were recognised.  Gain: in RGB PSNR over the picture, in dB, of faithful restorations.  Gain "
        "before resizing: that of restoring the JPEG and resizing the result.  Share: the first gain divided by the "
        "second.  The reference is the resized clean picture.  Rows without a JPEG: factors from 1.1 to 2.6 and from "
        "0.4 to 0.95, with the kernels nearest neighbour, bilinear, bicubic and Lanczos."
    )
    return entries, note


def described(factor: float) -> str:
    """A participle for a factor."""
    return f"enlarged {factor} times" if factor > 1 else f"reduced to {100 * factor:.0f} %"


def rescaled(pixels: Pixels, factor: float, kernel: str) -> Pixels:
    """The picture resized with Pillow."""
    height, width = (round(side * factor) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), KERNELS[kernel]))


@dataclass(frozen=True)
class Case:
    """A test case: the clean picture, the decoded one, and the file, if any."""

    clean: Pixels
    pixels: Pixels
    file: bytes | None = None

    def gains(self, restorer: driftrec.Restorer) -> list[float]:
        """Gains in PSNR of faithful restorations on the picture's own grid and on the detected one."""
        before = psnr(self.pixels, self.clean)
        alone = restorer.restore_pixels(self.pixels, mode="faithful")
        source = Image.fromarray(self.pixels) if self.file is None else self.file
        moved = restorer.restore(source, mode="faithful", consistent="off", force=True).picture.pixels
        return [psnr(eight_bits(x), self.clean) - before for x in (alone, moved)]


def crop(pixels: Pixels, shift: tuple[int, int]) -> Pixels:
    """The picture cropped so that the first whole block of its old grid starts at `shift`."""
    return pixels[-shift[0] % 8 :, -shift[1] % 8 :]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subjects = ["photos", "graphics", "live1", "luma", "cells", "traces", "copies", "histories", "resized"]
    parser.add_argument("what", nargs="+", choices=subjects)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DRIFTREC_DATA", SHARED / "data")))
    parser.add_argument("--pictures", type=int, default=8, metavar="N", help="at most so many of each kind")
    parser.add_argument("--side", type=int, default=256, metavar="PIXELS")
    parser.add_argument("--hard", type=int, default=125, metavar="N", help="drawn pictures of each kind, for histories")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


if __name__ == "__main__":
    main()
