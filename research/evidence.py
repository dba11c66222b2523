"""Collects what is known about pictures before their restoration, and which treatment was best for them.

    python research/evidence.py collect --data ../shared/data/train --model small --out runs/evidence.jsonl
    python research/evidence.py choose runs/evidence.jsonl

Half of the held-out pictures (those of `benchmarks/chains.py` for choosing) go through random chains
(`driftrec.train.data.chains`) or one compression, or stay clean.  For each, `collect` stores the report's facts, how
much the free estimate changes, the share of its coefficients that lie in their cells, and the PSNR of the treatments:
nothing, decoding, the free estimate, and the estimate in whole cells and in their likely parts.  `choose` prints the
thresholds that lose least, and how often each treatment is then right.
"""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from scipy.optimize import minimize

import driftrec
from driftrec.evaluate.chains.formats import AsJpeg
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.jpeg import Cells, decode, examine
from driftrec.picture import Picture
from driftrec.restoration.binding import COARSE, LEAST_NONZERO, LEAST_OUTSIDE, LEAST_TEXTURE, SHARP, texture
from driftrec.restoration.estimator import Estimator
from driftrec.restoration.judgement import trust_in
from driftrec.restoration.restorer import Restorer
from driftrec.train.data.chains import RandomChains
from driftrec.train.data.crops import Corpus, Crops, open_corpus

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from hard_pictures import MAKERS, hard_picture

SIDE = 192
CHAINS = RandomChains(clean=0.15, single=0.4, realigned=0.05)

app = typer.Typer(add_completion=False)


@app.command()
def collect(
    data: Annotated[list[Path], typer.Option(help="folders of clean pictures")],
    out: Annotated[Path, typer.Option()],
    model: Annotated[str, typer.Option()] = "small",
    count: Annotated[int, typer.Option()] = 400,
    threads: Annotated[int, typer.Option()] = 1,
    files: Annotated[bool, typer.Option(help="only chains that end in a JPEG")] = False,
) -> None:
    corpus = choosing(open_corpus(data))
    restorer = driftrec.Restorer(model, mode="faithful", steps=1, threads=threads)
    chains = replace(CHAINS, clean=0, realigned=0, lossless=0) if files else CHAINS
    crops = Crops(corpus, chains, SIDE, seed=11)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w") as lines:
        for index in range(count):
            chain = chains.draw(SIDE, np.random.default_rng((11, index)))
            example = crops.example(index)
            row = evidence(example.clean, example.corrupted, example.file, restorer)
            kinds = [type(step).__name__ for step in chain.steps]
            jpegs = [step.quality for step in chain.steps if isinstance(step, AsJpeg)]
            lines.write(json.dumps({"index": index, "kinds": kinds, "jpegs": jpegs, **row}) + "\n")
            lines.flush()


@app.command()
def collect_drawn(
    out: Annotated[Path, typer.Option()],
    model: Annotated[str, typer.Option()] = "small",
    count: Annotated[int, typer.Option(help="of each kind of benchmarks/hard_pictures.py")] = 12,
    threads: Annotated[int, typer.Option()] = 1,
) -> None:
    restorer = driftrec.Restorer(model, mode="faithful", steps=1, threads=threads)
    with out.open("w") as lines:
        for kind in MAKERS:
            for seed in range(1000, 1000 + count):  # benchmarks/history.py reports on those from 0
                picture, rng = hard_picture(kind, seed), np.random.default_rng(seed)
                jpeg = AsJpeg(int(rng.integers(COARSE, 97)), "4:2:0" if rng.random() < 0.7 else "4:4:4")
                file = jpeg.encode(picture)
                with Image.open(io.BytesIO(file)) as image:
                    shown = np.asarray(image.convert("RGB"))
                row = evidence(picture, shown, file, restorer)
                lines.write(json.dumps({"index": seed, "kinds": ["AsJpeg"], "jpegs": [jpeg.quality], **row}) + "\n")


@app.command()
def choose(rows: Annotated[list[Path], typer.Argument(help="what `collect` wrote")]) -> None:
    found = [json.loads(line) for path in rows for line in path.read_text().splitlines()]
    files = [row for row in found if "inside" in row and row["earlier"] is None and row["quality"] >= COARSE]
    inputs = np.array([features(row) for row in files])
    gain = np.array([row["likely"] - row["free"] for row in files])
    once = np.array([compressions(row) == 1 for row in files])
    weights = fitted(inputs, gain)
    print(f"{len(files)} files; weights of outside, quality, nonzero, texture, constant: {np.round(weights, 3)}")
    odds = np.array([inputs[k] @ fitted(np.delete(inputs, k, 0), np.delete(gain, k)) for k in range(len(files))])
    ranks = (odds[once][:, None] > odds[~once]).mean()
    print(f"each by the others: once before edited in {ranks:.1%} of the pairs")
    for name, those in (("once", once), ("edited", ~once)):
        bound = gain[those] * (1 / (1 + np.exp(-SHARP * odds[those])))
        best = np.maximum(gain[those], 0)
        means = f"likely parts {gain[those].mean():+.3f} dB, by certainty {bound.mean():+.3f}"
        print(f"{name}: over free, {means}, best {best.mean():+.3f}")
    untraced = [row for row in found if not ("inside" in row or row["copied"] or row["earlier"] or row["resized"])]
    for name, those in (
        ("clean", [row for row in untraced if compressions(row) == 0]),
        ("damaged", [row for row in untraced if compressions(row) > 0]),
    ):
        if not those:
            continue
        change = np.array([row["change"] for row in those])
        print(f"no trace, {name}: {len(those)}, by their change {outcome(those)}")
        shares = np.percentile(change, (0, 2, 5, 10, 25, 50, 75, 90, 95, 98, 100)).round(1)
        print(f"change in dB at 0, 2, 5, 10, 25, 50, 75, 90, 95, 98, 100 %: {shares}")


def outcome(rows: list[dict[str, Any]]) -> str:
    """How far pictures without a trace are from the clean ones, if estimates are trusted by their change.

    With mean squares of the distances between input x, estimate f and clean picture c,
    ‖x + t (f − x) − c‖² = (1 − t) ‖x − c‖² + t ‖f − c‖² − t (1 − t) ‖f − x‖².
    """
    before, free, change = (np.array([10 ** (-row[key] / 10) for row in rows]) for key in ("input", "free", "change"))
    trust = np.array([trust_in(row["change"]) for row in rows])
    after = (1 - trust) * before + trust * free - trust * (1 - trust) * change
    found = [-10 * np.log10(squares.clip(1e-7)) for squares in (before, free, after)]
    return ", ".join(
        f"{name} {psnr.mean():.2f} dB (least {psnr.min():.2f})"
        for name, psnr in zip(("input", "free", "trusted"), found, strict=True)
    )


LOSSY = ("AsJpeg", "AsWebp", "AsAvif", "AsPalette", "Patchwork")


def compressions(row: dict[str, Any]) -> int:
    """The number of lossy steps of a chain."""
    return sum(kind in LOSSY for kind in row["kinds"])


def features(row: dict[str, Any]) -> tuple[float, ...]:
    """The inputs of `driftrec.restoration.binding.certainty`."""
    outside, nonzero = 1 - row["inside"] + LEAST_OUTSIDE, row["nonzero"] + LEAST_NONZERO
    return np.log(outside), row["quality"], np.log(nonzero), np.log(row["texture"] + LEAST_TEXTURE), 1.0


def fitted(inputs: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Weights of the logistic regression of whether the likely parts gain, each file by the size of its gain."""
    importance = np.minimum(np.abs(gain), 0.5)
    scale = np.array([1, 0.02, 1, 1, 1])

    def loss(weights: np.ndarray) -> float:
        odds = (inputs * scale) @ weights
        return float(importance @ np.logaddexp(0, np.where(gain > 0, -odds, odds)) + 1e-3 * weights @ weights)

    return scale * minimize(loss, np.zeros(5)).x


def choosing(corpus: Corpus) -> Corpus:
    """The held-out originals whose chains are for choosing (`benchmarks/chains.py`)."""
    held_out = corpus.split(0.06)[1]
    groups = set(sorted({entry.group for entry in held_out.entries})[1::2])
    return Corpus(held_out.pixels, tuple(entry for entry in held_out.entries if entry.group in groups))


def evidence(clean: np.ndarray, corrupted: np.ndarray, file: bytes | None, restorer: Restorer) -> dict[str, object]:
    """Facts and outcomes of one picture."""
    picture = Picture(corrupted, file=file)
    report = examine(corrupted, file)
    estimator = Estimator(restorer.runner, restorer.options.tiling, restorer.options)
    free = Restorer._estimate(picture, report, 1.0, estimator)[0].pixels
    outcome = {"input": corrupted / np.float32(255), "free": free}
    facts: dict[str, object] = {
        "change": psnr(eight_bits(free), corrupted),
        "texture": texture(free),
        "file": file is not None,
    }
    if report.file is not None and report.unread is None and report.offset is None:
        cells = Cells(report.file)
        held = np.concatenate([part.coefficients.ravel() for part in report.file.components])
        facts |= {"inside": cells.contains(free, tolerance=0), "quality": report.file.quality[0]}
        facts |= {"nonzero": float(np.count_nonzero(held)) / held.size, "sampling": report.file.subsampling}
        outcome |= {"decode": decode(report.file), "cells": cells.project(free), "likely": cells.improve(free)}
    earlier = report.earlier
    facts |= {"earlier": earlier and [earlier.quality, earlier.shift], "resized": report.resized is not None}
    facts |= {"copied": report.copied}
    return facts | {name: psnr(eight_bits(pixels), clean) for name, pixels in outcome.items()}


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1] as they are saved."""
    return np.rint(255 * pixels.clip(0, 1)).astype(np.uint8)


if __name__ == "__main__":
    app()
