"""Collects what is known about pictures before their restoration, and which treatment was best for them.

    python research/evidence.py collect --data ../shared/data/train --data runs/rendered-a --out runs/evidence.jsonl
    python research/evidence.py choose runs/evidence.jsonl

Half of the held-out pictures (those of `benchmarks/chains.py` for choosing) go through random chains
(`driftrec.train.data.chains`) or one compression, or stay clean; half of the last JPEGs are of high quality.  For each,
`collect` stores the report's facts, what the free estimate changes, the share of its coefficients that lie in their
cells, and the PSNR of the treatments: nothing, decoding, the free estimate, and the estimate in whole cells and in
their likely parts.  `choose` fits the constants of `driftrec.restoration.binding` and `driftrec.restoration.judgement`,
and prints what they gain.
"""

import io
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image
from scipy.optimize import minimize

import driftrec
from driftrec.evaluate.chains.formats import AsJpeg
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.jpeg import Cells, decode, examine
from driftrec.picture import Picture
from driftrec.restoration.binding import (
    COARSE,
    CONSTANT,
    LEAST_NONZERO,
    LEAST_OUTSIDE,
    LEAST_TEXTURE,
    LIKELY,
    NONZERO,
    OUTSIDE,
    QUALITY,
    SHARP,
    TEXTURE,
    texture,
)
from driftrec.restoration.decision import FULL_TRUST
from driftrec.restoration.estimator import Estimator
from driftrec.restoration.judgement import Change, change_between, trust_in
from driftrec.restoration.restorer import Restorer
from driftrec.train.data.chains import DrawnChain, RandomChains
from driftrec.train.data.crops import Corpus, Crops, open_corpus

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from hard_pictures import MAKERS, hard_picture

SIDE = 256


@dataclass(frozen=True)
class Chains(RandomChains):
    """Random chains of which a share `fine` of the last JPEGs has a quality above FULL_TRUST."""

    fine: float = 0.5

    def draw(self, side: int, rng: np.random.Generator) -> DrawnChain:
        drawn = super().draw(side, rng)
        if not drawn.steps or not isinstance(last := drawn.steps[-1], AsJpeg) or rng.random() >= self.fine:
            return drawn
        return replace(drawn, steps=(*drawn.steps[:-1], replace(last, quality=int(rng.integers(FULL_TRUST + 1, 101)))))


CHAINS = Chains(clean=0.2, single=0.3, realigned=0.0, lossless=0.5)

app = typer.Typer(add_completion=False)


@app.command()
def collect(
    data: Annotated[list[Path], typer.Option(help="folders of clean pictures")],
    out: Annotated[Path, typer.Option()],
    model: Annotated[str, typer.Option()] = "small",
    count: Annotated[int, typer.Option()] = 400,
    threads: Annotated[int, typer.Option()] = 1,
    seed: Annotated[int, typer.Option()] = 11,
) -> None:
    corpus = choosing(open_corpus(data))
    restorer = driftrec.Restorer(model, mode="faithful", steps=1, threads=threads)
    crops = Crops(corpus, CHAINS, SIDE, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w") as lines:
        for index in range(count):
            chain = CHAINS.draw(SIDE, np.random.default_rng((seed, index)))
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
    choose_certainty([row for row in found if "inside" in row and COARSE <= row["quality"] <= FULL_TRUST])
    choose_judgement([row for row in found if not traced(row)])


def traced(row: dict[str, Any]) -> bool:
    """Whether a picture needs no judgement: its file or its traces say enough."""
    known = row["quality"] <= FULL_TRUST if "inside" in row else row["copied"]
    return bool(known or row["earlier"] or row["resized"])


def choose_certainty(rows: list[dict[str, Any]]) -> None:
    files = [row for row in rows if row["earlier"] is None and np.isfinite([row["likely"], row["free"]]).all()]
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


INVISIBLE = 10**-4.5, 10**-5.7
"""Added to mean squares before logarithms are taken, without and with a file: what is nearer counts as equal."""

HARM = 8.0
"""Weight of clean pictures without a file, beside that of damaged ones."""

FOLDS = 5


def choose_judgement(rows: list[dict[str, Any]]) -> None:
    changes = [Change(row["change"], row["spread"]) for row in rows]
    doubts = np.array([1 - shipped_certainty(row) if "inside" in row else 1.0 for row in rows])
    inputs = np.array([((c.amount - 45) / 5, (c.spread + 20) / 5, 1.0) for c in changes])
    errors, amounts = np.array([row["errors"] for row in rows]), np.array([c.amount for c in changes])
    has_file = np.array(["inside" in row for row in rows])
    damaged = np.array([compressions(row) for row in rows]) > has_file
    groups = {
        "clean": ~has_file & ~damaged,
        "damaged": ~has_file & damaged,
        "saved once": has_file & ~damaged,
        "damaged, then saved": has_file & damaged,
    }
    importance = np.zeros(len(rows))
    for name, those in groups.items():
        importance[those] = (HARM if name == "clean" else 1) / those.sum()

    def outcome(damage: np.ndarray) -> np.ndarray:
        """The mean squares that are left, in dB."""
        left = after(errors, damage, has_file, amounts)
        return 10 * np.log10(left + np.where(has_file, INVISIBLE[1], INVISIBLE[0]))

    def best(those: np.ndarray) -> np.ndarray:
        def loss(weights: np.ndarray) -> float:
            return float((importance * outcome(logistic(inputs @ weights)))[those].sum() + 1e-3 * weights @ weights)

        return minimize(loss, np.zeros(3)).x

    # Fitted by itself; the cells of a file are a second witness, and both must agree on damage.
    amount, spread, constant = best(np.ones(len(rows), bool))
    constant += -9 * amount + 4 * spread
    print(f"{len(rows)} judged; amount {amount / 5:.3f}, spread {spread / 5:.3f}, constant {constant:.2f}")
    fold = np.arange(len(rows)) % FOLDS
    by_others = np.zeros(len(rows))
    for k in range(FOLDS):
        by_others[fold == k] = logistic(inputs @ best(fold != k))[fold == k]
    shipped = np.array([c.damage for c in changes])
    without = outcome(np.full(len(rows), np.nan))
    for name, those in groups.items():
        print(f"{name}, {those.sum()}: gain in dB, mean, 2 %, least")
        for how, damage in (("by the others", by_others), ("shipped", shipped), ("all damaged", np.ones(len(rows)))):
            gain = (without - outcome(doubts * damage))[those]
            print(f"    {how}: {gain.mean():+.3f} {np.percentile(gain, 2):+.2f} {gain.min():+.2f}")
        if name == "clean":
            kept = -10 * np.log10(after(errors, doubts * shipped, has_file, amounts)[those].clip(1e-9))
            print(f"    distance to the clean picture: 2 % {np.percentile(kept, 2):.1f} dB, least {kept.min():.1f} dB")
    once = groups["saved once"]
    for weight in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        left = after(errors, doubts * shipped, has_file, amounts, weight)[once]
        gain = without[once] - 10 * np.log10(left + INVISIBLE[1])
        print(f"likely parts by {weight}: {gain.mean():+.3f} {np.percentile(gain, 2):+.2f} {gain.min():+.2f}")


def logistic(odds: npt.ArrayLike) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(odds, -50, 50)))


def after(
    errors: np.ndarray, damage: np.ndarray, has_file: np.ndarray, amount: np.ndarray, weight: float = LIKELY
) -> np.ndarray:
    """Mean squared errors of the pictures as they would be restored; NaN for the damage: as they are.

    Arguments: `errors` (n, 3, 3), the mean products of the errors of a picture without the network, of its free
    estimate, and of that in the likely parts; the others (n); the weight of the latter.
    """
    trust = np.array([trust_in(a, d) for a, d in zip(amount, damage, strict=True)])
    free = np.where(has_file, damage, trust)
    likely = np.where(has_file, weight * (1 - damage), 0)
    free, likely = np.nan_to_num(free), np.nan_to_num(likely)
    weights = np.stack([1 - free - likely, free, likely], 1)
    return np.einsum("ni,nij,nj->n", weights, errors, weights)


LOSSY = ("AsJpeg", "AsWebp", "AsAvif", "AsPalette", "Patchwork")


def compressions(row: dict[str, Any]) -> int:
    """The number of lossy steps of a chain."""
    return sum(kind in LOSSY for kind in row["kinds"])


def features(row: dict[str, Any]) -> tuple[float, ...]:
    """The inputs of `driftrec.restoration.binding.certainty`."""
    outside, nonzero = 1 - row["inside"] + LEAST_OUTSIDE, row["nonzero"] + LEAST_NONZERO
    return np.log(outside), row["quality"], np.log(nonzero), np.log(row["texture"] + LEAST_TEXTURE), 1.0


def shipped_certainty(row: dict[str, Any]) -> float:
    """What `driftrec.restoration.binding.certainty` says of a file."""
    return float(logistic(SHARP * np.dot(features(row), (OUTSIDE, QUALITY, NONZERO, TEXTURE, CONSTANT))))


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
    change = change_between(corrupted, free)
    facts: dict[str, object] = {
        "change": change.amount,
        "spread": change.spread,
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
    treatments = [outcome.get("decode", outcome["input"]), free, outcome.get("likely", free)]
    errors = np.stack([(pixels - clean / np.float32(255)).ravel() for pixels in treatments]).astype(np.float64)
    facts["errors"] = (errors @ errors.T / errors.shape[1]).tolist()
    return facts | {name: psnr(eight_bits(pixels), clean) for name, pixels in outcome.items()}


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1] as they are saved."""
    return np.rint(255 * pixels.clip(0, 1)).astype(np.uint8)


if __name__ == "__main__":
    app()
