"""Collects what is known about pictures before their restoration, and which treatment was best for them.

    python research/evidence.py collect --data ../shared/data/train --model small --out runs/evidence.jsonl
    python research/evidence.py choose runs/evidence.jsonl

Half of the held-out pictures (those of `benchmarks/chains.py` for choosing) go through random chains
(`driftrec.train.data.chains`) or one compression, or stay clean.  For each, `collect` stores the report's facts, how much
the free estimate changes, the share of its coefficients that lie in their cells, and the PSNR of the treatments: nothing,
decoding, the free estimate, and the estimate in whole cells and in their likely parts.  `choose` prints the thresholds
that lose least, and how often each treatment is then right.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import driftrec
from driftrec.evaluate.chains.formats import AsJpeg
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.jpeg import Cells, decode, examine
from driftrec.picture import Picture
from driftrec.restoration.estimator import Estimator
from driftrec.restoration.restorer import Restorer
from driftrec.train.data.chains import RandomChains
from driftrec.train.data.crops import Corpus, Crops, open_corpus

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
) -> None:
    corpus = choosing(open_corpus(data))
    restorer = driftrec.Restorer(model, mode="faithful", steps=1, threads=threads)
    crops = Crops(corpus, CHAINS, SIDE, seed=11)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w") as lines:
        for index in range(count):
            chain = CHAINS.draw(SIDE, np.random.default_rng((11, index)))
            example = crops.example(index)
            row = evidence(example.clean, example.corrupted, example.file, restorer)
            kinds = [type(step).__name__ for step in chain.steps]
            jpegs = [step.quality for step in chain.steps if isinstance(step, AsJpeg)]
            lines.write(json.dumps({"index": index, "kinds": kinds, "jpegs": jpegs, **row}) + "\n")
            lines.flush()


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
    if report.file is not None and report.unread is None:
        cells = Cells(report.file)
        facts |= {"inside": cells.contains(free, tolerance=0), "quality": report.file.quality[0]}
        outcome |= {"decode": decode(report.file), "cells": cells.project(free), "likely": cells.improve(free)}
    earlier = report.earlier
    facts |= {"earlier": earlier and [earlier.quality, earlier.shift], "enlarged": report.enlarged is not None}
    return facts | {name: psnr(eight_bits(pixels), clean) for name, pixels in outcome.items()}


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1] as they are saved."""
    return np.rint(255 * pixels.clip(0, 1)).astype(np.uint8)


def texture(pixels: np.ndarray) -> float:
    """Standard deviation of the finest detail, in levels."""
    luma = 255 * pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return float(np.std(luma[:-1, :-1] - luma[1:, :-1] - luma[:-1, 1:] + luma[1:, 1:]) / 2)


if __name__ == "__main__":
    app()
