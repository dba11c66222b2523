"""Measures how far restorations of several seeds spread, and whether that tells how far they are off.

    python benchmarks/spread.py --data ../shared/data/train --methods natural sample
    python benchmarks/spread.py --data ../shared/data/train --quality 10 --methods 'natural, 6 steps' \\
        'sample, Euler–Maruyama, 20 steps'                              # all of docs/science/samples.md, half an hour

Held-out pictures of the training corpus (`Corpus.split`) are compressed with Pillow and restored as `driftrec restore`
does, with several seeds.  If restorations were samples of p(x0 | y), then their variance would equal the squared error
of the mean of many, the clean value would have every rank among them equally often, and intervals made from their
deviation would hold it as often as they promise.  `driftrec.restoration.uncertainty` takes its factors from here: those
that make the 68 % intervals right on the even half of the pictures.  The calibrated intervals are those of the other.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

import driftrec
from driftrec.evaluate.corruptions import encode
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep
from driftrec.model.find import DEFAULT_MODEL
from driftrec.train.data.crops import open_corpus
from driftrec.train.recipe import DataSection
from driftrec.train.validate import centre_pairs

MEASURED = Path(__file__).parents[1] / "docs/measured"
METHODS: dict[str, dict[str, Any]] = {
    "natural": {"mode": "natural"},
    "natural, 6 steps": {"mode": "natural", "steps": 6},
    "sample": {"mode": "sample"},
    "sample, Euler–Maruyama, 20 steps": {"mode": "sample", "sampler": "euler-maruyama"},
}
LEVELS = (0.68, 0.95)
"""Shares that intervals promise."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Restorations:
    """What a method makes of one picture: `draws` (seeds, height, width, 3), their `mean`, and the `deviation` (height,
    width) that the tool states, beside the `clean` picture and the faithful restoration; all in [0, 1]."""

    clean: Floats
    faithful: Floats
    draws: Floats
    mean: Floats
    deviation: Floats

    @property
    def variance(self) -> float:
        return float(self.draws.var(axis=0, ddof=1).mean())

    @property
    def error(self) -> float:
        """The squared error of the mean of infinitely many restorations."""
        return float(np.square(self.mean - self.clean).mean()) - self.variance / len(self.draws)

    def scores(self) -> Floats:
        """The error of the mean relative to the deviation, for every value; infinite where nothing deviates."""
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.abs(self.mean - self.clean) / self.deviation[..., None]
        return np.nan_to_num(scores, nan=0.0, posinf=np.inf).astype(np.float32)

    def ranks(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """The rank of every clean value among the draws, 0 to their number; equal values are ranked at random."""
        below, equal = (self.draws < self.clean).sum(axis=0), (self.draws == self.clean).sum(axis=0)
        return below + rng.integers(0, equal + 1)


def main() -> None:
    options = read_options()
    restorer = driftrec.Restorer(options.model, threads=options.threads)
    _, held_out = open_corpus([options.data]).split(DataSection().held_out)
    pictures = [clean for clean, _ in centre_pairs(held_out, options.crops, options.side)]
    data = (
        f"the middle {options.side}×{options.side} pixels of {len(pictures)} held-out pictures of the training corpus; "
        f"Pillow, 4:2:0; {options.seeds} seeds"
    )
    conditions = Conditions.now(models=[options.model], data=data)
    for quality in options.quality:
        for name in options.methods:
            made = list(restorations(pictures, quality, METHODS[name], restorer, options.seeds))
            what = {"method": name, "quality": quality}
            keep(MEASURED / "spread.jsonl", spread(what, made, conditions), SPREAD, partial=True)
            print(keep(MEASURED / "spread_ranks.jsonl", ranks(what, made, conditions), RANKS, partial=True), flush=True)


def restorations(
    pictures: list[NDArray[np.uint8]], quality: int, asked: dict[str, Any], restorer: driftrec.Restorer, seeds: int
) -> Iterator[Restorations]:
    for pixels in pictures:
        file = encode(pixels, quality, "4:2:0")
        draws = np.stack([restorer.restore(file, seed=seed, **asked).pixels for seed in range(seeds)])
        if asked["mode"] == "sample":  # the tool's mean and deviation are those of the samples
            mean, deviation = draws.mean(axis=0), np.sqrt(draws.var(axis=0, ddof=1).mean(axis=2))
        else:
            together = restorer.restore(file, samples=seeds, **asked)
            assert together.deviation is not None
            mean, deviation = together.pixels, together.deviation
        faithful = restorer.restore(file, mode="faithful").pixels
        yield Restorations(np.divide(pixels, 255, dtype=np.float32), faithful, draws, mean, deviation)


def spread(what: dict[str, str | int], made: list[Restorations], conditions: Conditions) -> list[Measurement]:
    """The row of a method and a quality in the first table."""
    variance, error = (float(np.mean([getattr(one, key) for one in made])) for key in ("variance", "error"))
    faithful = float(np.mean([np.square(one.faithful - one.clean).mean() for one in made]))
    chosen, reported = (np.concatenate([one.scores().ravel() for one in made[half::2]]) for half in (0, 1))
    factor = factor_of(chosen)
    values = [
        ("variance / error of the mean", 100 * variance / error, "{:.0f} {unit}", "%"),
        ("variance / faithful error", 100 * variance / faithful, "{:.0f} {unit}", "%"),
        *((f"{level:.0%} interval holds", 100 * covered(reported, level), "{:.0f} {unit}", "%") for level in LEVELS),
        ("factor", factor, "{:.2f}", ""),
        *(
            (f"{level:.0%} interval holds, calibrated", 100 * covered(reported / factor, level), "{:.0f} {unit}", "%")
            for level in LEVELS
        ),
    ]
    return [Measurement(what, measure, value, unit, form, conditions) for measure, value, form, unit in values]


def factor_of(scores: Floats) -> float:
    """The factor by which deviations have to be multiplied so that 68 % intervals hold 68 % of the clean values."""
    return float(np.quantile(scores, LEVELS[0])) / reach(LEVELS[0])


def covered(scores: Floats, level: float) -> float:
    """The share of the clean values within intervals that promise `level` of them."""
    return float(np.mean(scores <= reach(level)))


def reach(level: float) -> float:
    """Half the width of the central interval of a normal distribution with this probability, in standard deviations."""
    return NormalDist().inv_cdf((1 + level) / 2)


def ranks(what: dict[str, str | int], made: list[Restorations], conditions: Conditions) -> list[Measurement]:
    """The row of a method and a quality in the table of ranks."""
    rng, seeds = np.random.default_rng(0), len(made[0].draws)
    counts = np.bincount(np.concatenate([one.ranks(rng).ravel() for one in made]), minlength=seeds + 1)
    shares = 100 * counts / counts.sum()
    return [
        Measurement(what, f"rank {rank}", float(share), "%", "{:.0f} {unit}", conditions)
        for rank, share in enumerate(shares)
    ]


SPREAD = (
    "Variance between seeds, relative to the squared error of the mean of infinitely many restorations and to that of "
    "the faithful restoration; for samples of p(x0 | y) the first is 100 %.  Intervals are the mean ± 0.99 and 1.96 "
    "times the deviation; the factor multiplies the deviation.  It is found on one half of the pictures; all intervals "
    "are those of the other half."
)
RANKS = (
    "How often the clean value has each rank among the restorations, from below all of them to above.  For samples of "
    "p(x0 | y) all are equally frequent."
)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="the training corpus")
    add("--model", default=DEFAULT_MODEL)
    add("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    add("--quality", type=int, nargs="+", default=[10, 20, 40])
    add("--crops", type=int, default=24)
    add("--side", type=int, default=112, help="pixels")
    add("--seeds", type=int, default=8)
    add("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
