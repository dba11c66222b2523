"""Measures how the past of a picture is recognised (earlier compressions, copies, WebP), and what that gains.

    python benchmarks/history.py traces copies webp histories

With those of jpeg.py and resized.py, these are the tables of docs/science/jpeg.md; they take some 10 minutes.  The
pictures are held out of the training corpus (`Corpus.split`), or drawn by hard_pictures.py.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

import driftrec
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.tables import keep
from driftrec.jpeg import examine
from driftrec.picture import Picture
from hard_pictures import MAKERS, SIZE, hard_picture
from samples import GAIN, MEASURED, Kept, Pixels, common_options, compress, decode, eight_bits, held_out, webp

SINGLE = (10, 30, 50, 75, 90, 95, 98)
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
    return half_blocks(few, restorer, options.model)


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
    parser.add_argument("what", nargs="+", choices=["traces", "copies", "webp", "histories"])
    parser.add_argument("--hard", type=int, default=125, metavar="N", help="drawn pictures of each kind, for histories")
    return parser.parse_args()


if __name__ == "__main__":
    main()
