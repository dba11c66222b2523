"""Fits the weights of driftrec.restoration.solid, and measures what solid colours gain on held-out pictures.

    python research/solid_colours.py fit --rendered runs/rendered
    python research/solid_colours.py measure --rendered runs/rendered

Of the held-out pictures of each kind, every other one is for fitting, and the others are for measuring.  The weights
lower the mean square error of the pictures as they are before each round, relative to that of the estimate, in dB.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import driftrec
from driftrec.evaluate.corruptions import Pixels
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.tables import keep
from driftrec.jpeg import Cells, read_jpeg
from driftrec.restoration import solid

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import mixture
import samples

QUALITIES = 8, 15, 30, 50, 75, 90
SHOWN = 10, 20, 40, 75, 90
MEASURED = Path(__file__).parent / "measured"
SIDE = 256
MOST = 60.0
"""PSNR in dB above which nothing can be seen."""

EVERY = 3
"""Every so many pixels are used for fitting."""

DECAY = 1e-4
"""Of the squared weights, whose inputs have a standard deviation of 1."""


@dataclass
class Case:
    """An estimate, and what the weights see of it."""

    clean: np.ndarray  # levels
    estimate: np.ndarray  # [0, 1]
    cells: Cells
    solids: list[solid.Solid]


@dataclass
class Round:
    """What the weights see before a round, of the pixels near solid colours."""

    colours: torch.Tensor  # (colour, input)
    pixels: torch.Tensor  # (pixel, input)
    number: torch.Tensor  # of the colour
    away: torch.Tensor  # (pixel, channel), levels
    error: torch.Tensor  # (pixel, channel), levels
    whole: float  # sum of all squared errors, of all pixels


def main() -> None:
    options = read_options()
    if options.command == "fit":
        fit(options)
    else:
        measure(options)


def fit(options: argparse.Namespace) -> None:
    solid.SHARP = 1.0  # it is chosen for the weights, later
    restorer = driftrec.Restorer(options.model, mode="faithful", threads=1)
    cases = [
        case(restorer, crop, quality)
        for crops in mixture.pictures(options).values()
        for crop in crops[::2]
        for quality in QUALITIES
    ]
    cases = [each for each in cases if each.solids]
    estimates = [each.estimate for each in cases]
    rounds = []
    for number in range(options.rounds):
        rounds += [seen(each, estimate) for each, estimate in zip(cases, estimates, strict=True)]
        colour, pixel, gain = best(rounds)
        solid.COLOUR_WEIGHTS, solid.PIXEL_WEIGHTS = colour, pixel
        print(f"{len(rounds)} estimates before round {number + 1}: {gain:.3f} dB", flush=True)
        print("COLOUR_WEIGHTS", np.round(colour, 2).tolist())
        print("PIXEL_WEIGHTS", np.round(pixel, 2).tolist(), flush=True)
        estimates = [
            each.cells.improve(solid.drawn(estimate, each.solids, each.cells))
            for each, estimate in zip(cases, estimates, strict=True)
        ]


def case(restorer: driftrec.Restorer, crop: Pixels, quality: int) -> Case:
    """The estimate of a compressed picture as it is without solid colours."""
    crop = samples.middle(crop, SIDE)
    file = samples.compress(crop, quality)
    estimate = np.float32(without(restorer, file))
    cells = Cells(read_jpeg(file))
    return Case(np.float32(crop), estimate, cells, solid.solid_colours(estimate, cells))


def without(restorer: driftrec.Restorer, file: bytes) -> np.ndarray:
    """The restoration without solid colours."""
    kept, solid.LEAST_SHARE = solid.LEAST_SHARE, 2.0
    try:
        return restorer.restore(file, history="single").pixels
    finally:
        solid.LEAST_SHARE = kept


def seen(each: Case, estimate: np.ndarray) -> Round:
    step = solid.file_step(each.cells)
    away, inputs, number = solid.seen(estimate, each.solids, step)
    error = 255 * estimate - each.clean
    near = number > 0
    arrays = [np.stack([one.inputs(step) for one in each.solids])]
    arrays += [array[near][::EVERY] for array in (np.stack(inputs, 2), number - 1, away.transpose(1, 2, 0), error)]
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    colours, pixels, colour, *differences = tensors
    return Round(colours.float(), pixels, colour.long(), *differences, float(np.square(error).sum()))


def best(rounds: list[Round]) -> tuple[np.ndarray, np.ndarray, float]:
    """(colour weights, pixel weights, mean gain in dB)."""
    pixels = torch.cat([each.pixels for each in rounds])
    colours = torch.cat([each.colours for each in rounds])
    scales = [array.std(0).clip(min=1e-3) for array in (colours, pixels)]
    middles = [array.mean(0) for array in (colours, pixels)]
    for scale, middle in zip(scales, middles, strict=True):
        scale[-1], middle[-1] = 1, 0  # the constant
    weights = [torch.zeros_like(scale, requires_grad=True) for scale in scales]
    optimizer = torch.optim.LBFGS(weights, max_iter=150, line_search_fn="strong_wolfe")

    def odds(inputs: torch.Tensor, which: int) -> torch.Tensor:
        return ((inputs - middles[which]) / scales[which]) @ weights[which]

    def loss() -> torch.Tensor:
        left = []
        for each in rounds:
            share = (torch.sigmoid(odds(each.colours, 0))[each.number] * torch.sigmoid(odds(each.pixels, 1)))[:, None]
            change = EVERY * ((each.error - share * each.away).square() - each.error.square()).sum()
            left.append(10 * torch.log10((1 + change / each.whole).clamp(min=0.05)))
        return torch.stack(left).mean() + DECAY * sum(w[:-1].square().sum() for w in weights)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    found = []
    for weight, scale, middle in zip(weights, scales, middles, strict=True):
        plain = (weight.detach() / scale).double()
        plain[-1] -= plain[:-1] @ middle[:-1].double()
        found.append(plain.numpy())
    return found[0], found[1], -float(loss().detach())


def measure(options: argparse.Namespace) -> None:
    conditions = Conditions.now(
        models=[options.model], data=f"held-out pictures, the middle {SIDE}×{SIDE} pixels; Pillow, 4:2:0"
    )
    restorer = driftrec.Restorer(options.model, mode="faithful", threads=1)
    entries = []
    for kind, crops in mixture.pictures(options).items():
        for quality in SHOWN:
            before, gains = [], []
            for crop in crops[1::2]:
                each = case(restorer, crop, quality)
                clean = np.uint8(each.clean)
                after = solid.with_solid_colours(each.estimate, each.cells)
                before.append(fidelity(each.estimate, clean))
                gains.append(fidelity(after, clean) - before[-1])
            what = {"pictures": f"{kind} ({len(gains)})", "quality": str(quality)}
            print(what, f"{np.mean(before):.2f} {np.mean(gains):+.3f} {min(gains):+.2f} {max(gains):+.2f}", flush=True)
            for name, value in (("mean", np.mean(gains)), ("least", min(gains)), ("most", max(gains))):
                entries.append(Measurement(what, f"gain, {name}", float(value), "dB", samples.GAIN, conditions))
            entries.append(
                Measurement(what, "without solid colours", float(np.mean(before)), "dB", "{:.2f}", conditions)
            )
    keep(MEASURED / f"{options.name}.jsonl", entries, "PSNR in dB.")


def fidelity(pixels: np.ndarray, clean: Pixels) -> float:
    """PSNR in dB; what lies above MOST cannot be seen, and does not count."""
    return min(psnr(samples.eight_bits(pixels), clean), MOST)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("fit", "measure"))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DRIFTREC_DATA", samples.SHARED / "data")))
    parser.add_argument("--rendered", type=Path, nargs="+", required=True, help="folders that rendered.py has filled")
    parser.add_argument("--model", default="small")
    parser.add_argument("--pictures", type=int, default=48, help="of each kind, at most")
    parser.add_argument("--rounds", type=int, default=4, help="after which the weights are fitted")
    parser.add_argument("--name", default="solid_colours", help="of the stored table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
