"""Measures how often `driftrec restore` finds out what happened to a picture before.

    python benchmarks/decisions.py

The pictures are those of `benchmarks/chains.py` for reports, which no threshold was chosen by.  Each goes through
random histories of every kind.  The table in docs/measured/decisions.jsonl counts what the result's note says; the one
in decisions_curves.jsonl has the area under the curve of true over false decisions (ROC) for the two quantities that
thresholds are applied to, and the rates at these thresholds.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

import chains
import driftrec
import results
from driftrec.evaluate.chains.chain import Step, walked
from driftrec.evaluate.chains.formats import AsJpeg, png, shown
from driftrec.evaluate.chains.geometry import Crop, Resize, Rotate
from driftrec.evaluate.chains.tone import Blur, Sharpen, Tone
from driftrec.evaluate.corruptions import Pixels
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep
from driftrec.jpeg import Cells, examine, read_jpeg
from driftrec.restoration.binding import certainty
from driftrec.restoration.estimator import Estimator
from driftrec.restoration.judgement import change_by
from driftrec.restoration.options import Options

FOUND = ("left as it is, or nearly", "saved once", "damaged before", "resized before")
"""What a note may say about a picture."""


def first(rng: Generator) -> AsJpeg:
    return AsJpeg(int(rng.integers(5, 41)))


def last(rng: Generator, least: int = 60) -> AsJpeg:
    return AsJpeg(int(rng.integers(least, 96)))


def resize(rng: Generator) -> Resize:
    factor = rng.uniform(0.4, 0.95) if rng.random() < 0.5 else rng.uniform(1.1, 2.5)
    return Resize(float(factor), ("bilinear", "bicubic", "lanczos")[int(rng.integers(3))])


def edit(rng: Generator) -> Step:
    edits = (Sharpen(1.0, 1.0), Blur(0.7), Tone(0.04, 1.15), Rotate(float(rng.uniform(1, 10))))
    return edits[int(rng.integers(len(edits)))]


HISTORIES: dict[str, Callable[[Generator], tuple[Step, ...]]] = {
    "clean": lambda _: (),
    "clean, resized": lambda rng: (resize(rng),),
    "JPEG": lambda rng: (AsJpeg(int(rng.integers(20, 91))),),
    "JPEG, cropped, saved again": lambda rng: (
        first(rng),
        Crop(int(rng.integers(1, 8)), int(rng.integers(1, 8))),
        last(rng, 50),
    ),
    "JPEG, resized": lambda rng: (first(rng), resize(rng)),
    "JPEG, resized, saved again": lambda rng: (first(rng), resize(rng), last(rng)),
    "JPEG, edited": lambda rng: (first(rng), edit(rng)),
    "JPEG, edited, saved again": lambda rng: (first(rng), edit(rng), last(rng, 75)),
}


def main() -> None:
    options = read_options()
    folder = chains.write_pictures(options)["chains"]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))]
    restorer = driftrec.Restorer(options.model, mode="faithful", threads=options.threads)
    data = (
        f"{len(pictures)} held-out training pictures, {options.side}×{options.side}, {options.each} random histories "
        "of each kind for each; Pillow, 4:2:0"
    )
    conditions = Conditions.now(models=[options.model], data=data)
    counted, certain, damage = [], {}, {}
    for kind, draw in HISTORIES.items():
        said: Counter[str] = Counter()
        for number, picture in enumerate(pictures):
            for repeat in range(options.each):
                pixels, file = walked(picture, draw(np.random.default_rng((number, repeat))))
                said[heard(restorer.restore(png(pixels) if file is None else file).note)] += 1
                if file is None:
                    damage.setdefault(kind, []).append(damage_of(pixels, restorer))
                else:
                    certain.setdefault(kind, []).append(certainty_of(file, restorer))
        total = said.total()
        counted += [
            Measurement({"picture": kind}, found, 100 * said[found] / total, "%", "{:.0f} {unit}", conditions)
            for found in FOUND
        ]
        print(kind, dict(said), flush=True)
    note = "Shares of the pictures of each kind of which the note of `restore` says this."
    print(keep(results.MEASURED / "decisions.jsonl", counted, note))
    curves = [
        *curve("cells bind, certainty", certain["JPEG"], certain["JPEG, edited, saved again"], 0.5, conditions),
        *curve("damage, probability", damage["JPEG, edited"], damage["clean"], 0.5, conditions),
    ]
    note = (
        "Area: probability that a picture with the property ranks before one without it.  True and false: shares of "
        "the pictures with and without it beyond the threshold.  Cells bind: JPEGs that were saved once against those "
        "that were edited and saved again.  Damage: edited JPEGs against clean pictures, both without losses later."
    )
    print(keep(results.MEASURED / "decisions_curves.jsonl", curves, note))


def heard(note: str) -> str:
    """What a note says about a picture's past, one of `FOUND`."""
    if "was enlarged" in note or "was reduced" in note:
        return "resized before"
    if any(words in note for words in ("recompressed", "once a JPEG", "before it was saved", "finds damage")):
        return "damaged before"
    return "saved once" if "it is a JPEG" in note else "left as it is, or nearly"


def damage_of(pixels: Pixels, restorer: driftrec.Restorer) -> float:
    """The probability that a picture is damaged, as the network judges."""
    judge = Estimator(restorer.runner, restorer.options.tiling, Options(mode="faithful"))
    return change_by(pixels, lambda window: judge.estimate(window).pixels).damage


def certainty_of(file: bytes, restorer: driftrec.Restorer) -> float:
    """How certain it is that the cells of a file hold the clean picture; 0 if a trace says that they do not."""
    pixels = shown(file)
    if examine(pixels, file).reworked:
        return 0.0
    return certainty(restorer.restore_pixels(pixels), Cells(read_jpeg(file)))


def curve(
    name: str, having: list[float], lacking: list[float], threshold: float, conditions: Conditions
) -> list[Measurement]:
    """The area under the curve of values with and without a property, and the rates beyond a threshold."""
    a, b = np.array(having), np.array(lacking)
    area = float((a[:, None] > b).mean() + (a[:, None] == b).mean() / 2)
    values = {"area": (area, "", "{:.3f}")} | {
        rate: (100 * float((x >= threshold).mean()), "%", "{:.0f} {unit}") for rate, x in (("true", a), ("false", b))
    }
    return [
        Measurement({"decision": name}, measure, value, unit, form, conditions, count=len(a) + len(b))
        for measure, (value, unit, form) in values.items()
    ]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", default="small")
    add("--shared", type=Path, default=results.ROOT.parent / "shared", help="folder of data/train")
    add("--out", type=Path, default=results.ROOT / "runs/chains", help="pictures")
    add("--pictures", type=int, default=16)
    add("--each", type=int, default=2, help="histories of each kind for each picture")
    add("--side", type=int, default=256, help="side of the crops in pixels")
    add("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
