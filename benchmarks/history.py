"""Measures how the past of a picture is recognised (earlier compressions, copies, resizing), and what that gains.

    python benchmarks/history.py traces copies webp histories resized parts

With those of jpeg.py, these are all tables of docs/science/jpeg.md; they take some 20 minutes.  The pictures are held
out of the training corpus (`Corpus.split`), or drawn by hard_pictures.py.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

import driftrec
from driftrec.evaluate.chains.drawing import Screenshot
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.tables import keep
from driftrec.jpeg import Resizing, examine
from driftrec.picture import Picture
from hard_pictures import MAKERS, SIZE, hard_picture
from samples import GAIN, MEASURED, Kept, Pixels, common_options, compress, decode, eight_bits, held_out, middle, webp

View: TypeAlias = Callable[[Pixels], Pixels]

Value: TypeAlias = tuple[str, float, str, str]
"""What was measured, its value, unit and format."""

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
DOUBLE = ((10, 30), (10, 90), (30, 50), (30, 90), (50, 75), (75, 90), (50, 30))


def main() -> None:
    options = read_options()
    for what in options.what:
        entries, note = measured(what, options)
        print(keep(MEASURED / f"jpeg_{what}.jsonl", entries, note))


def measured(what: str, options: argparse.Namespace) -> Kept:
    if what == "histories":
        return histories(options.hard)
    restorer, photos = driftrec.Restorer(options.model, threads=options.threads), list(held_out(options, "photo"))
    few = photos[: options.pictures]
    if what == "traces":
        return traces(few, restorer, options.model)
    if what == "copies":
        graphics = list(held_out(options, "graphic"))[: options.pictures]
        return copies({"photo": few, "graphic": graphics}, restorer, options.model)
    if what == "webp":
        return half_blocks(few, restorer, options.model)
    return (parts if what == "parts" else resized)(photos, restorer, options)


FORMS = {
    **dict.fromkeys(("copy found", "part found", "part with a caption found", "looks halved"), ("%", "{:.0f} {unit}")),
    "quality": ("", "{:.0f}"),
}
"""Units and formats of all measures that are no gains in dB."""


def means(what: dict[str, str | int], rows: list[dict[str, float]], conditions: Conditions) -> list[Measurement]:
    """The mean of each measure over the pictures that have it."""
    return [
        Measurement(
            what,
            measure,
            float(np.nanmean([row[measure] for row in rows])),
            *FORMS.get(measure, ("dB", GAIN)),
            conditions,
        )
        for measure in rows[0]
    ]


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
        files = [webp(crop(decode(compress(p, q)), s), 90) for p, s in places]
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
            entries += means({"pictures": f"{kind}s", "quality": quality}, rows, conditions)
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


# ---------------------------------------------------------------------------------------------------------- webp

WEBP = (5, 10, 20, 30, 40, 60, 75, 90)


def half_blocks(pictures: list[Pixels], restorer: driftrec.Restorer, model: str) -> Kept:
    """WebP files restored as what they look like, a JPEG reduced to half its size, and in their own size."""
    data = f"{len(pictures)} photos held out of the training corpus, about 416×416 pixels each; Pillow"
    conditions = Conditions.now(models=[model], data=data)
    entries: list[Measurement] = []
    for quality in WEBP:
        rows = [webp_gains(picture, quality, restorer) for picture in pictures]
        entries += means({"WebP": quality}, rows, conditions)
        print(quality, flush=True)
    note = (
        "Looks halved: blocks of half the size of JPEG's were found.  Quality: that of such a JPEG, mean.  Gains: in "
        "RGB PSNR over the picture, in dB, of faithful restorations: like such a JPEG, in the present size, and as "
        "`restore` chooses."
    )
    return entries, note


def webp_gains(picture: Pixels, quality: int, restorer: driftrec.Restorer) -> dict[str, float]:
    """The traces of a WebP file, and what its restorations gain."""
    file = webp(picture, quality)
    shown = decode(file)
    found = examine(shown).resized  # pixels alone do not tell that they come from WebP
    ways = {
        "like a halved JPEG": restorer.restore(Picture(shown, lossy=True), mode="faithful", history="resized"),
        "in the present size": restorer.restore(file, mode="faithful", history="resaved"),
        "chosen": restorer.restore(file, mode="faithful"),
    }
    before = psnr(shown, picture)
    gained = {name: psnr(eight_bits(way.pixels), picture) - before for name, way in ways.items()}
    halved = found is not None and found.halved
    return {"looks halved": 100.0 * halved, "quality": found.trace.quality if halved else np.nan, **gained}


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[common_options()]
    )
    parser.add_argument("what", nargs="+", choices=["traces", "copies", "webp", "histories", "resized", "parts"])
    parser.add_argument("--hard", type=int, default=125, metavar="N", help="drawn pictures of each kind, for histories")
    return parser.parse_args()


if __name__ == "__main__":
    main()
