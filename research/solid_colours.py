"""Fits the weights of driftrec.restoration.solid, and measures what solid colours gain on held-out pictures.

    python research/solid_colours.py fit --rendered runs/rendered
    python research/solid_colours.py measure --rendered runs/rendered

Of the held-out pictures of each kind, every other one is for fitting, and the others are for measuring.  The weights
lower the mean square error of the pictures as they are before each round, relative to that of the estimate, in dB.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from driftrec.restoration import solid
from driftrec.restoration.chroma import with_chroma_from_luma

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import estimates

EVERY = 3
"""Every so many pixels are used for fitting."""

DECAY = 1e-4
"""Of the squared weights, whose inputs have a standard deviation of 1."""


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
    options = estimates.read_options(argparse.ArgumentParser(description=__doc__), "solid_colours", rounds=4)
    if options.command == "fit":
        fit(options)
    else:
        estimates.measure(
            options,
            with_chroma_from_luma,
            lambda pixels, cells: solid.with_solid_colours(with_chroma_from_luma(pixels, cells), cells),
            "without solid colours",
        )


def fit(options: argparse.Namespace) -> None:
    solid.SHARP = 1.0  # it is chosen for the weights, later
    cases = []
    for _, each in estimates.to_fit(options, ("4:2:0",)):
        each.estimate = with_chroma_from_luma(each.estimate, each.cells)
        if solids := solid.solid_colours(each.estimate, each.cells):
            cases.append((each, solids))
    rounds = []
    for number in range(options.rounds):
        rounds += [seen(each, solids) for each, solids in cases]
        colour, pixel, gain = best(rounds)
        solid.COLOUR_WEIGHTS, solid.PIXEL_WEIGHTS = colour, pixel
        print(f"{len(rounds)} estimates before round {number + 1}: {gain:.3f} dB", flush=True)
        print("COLOUR_WEIGHTS", np.round(colour, 2).tolist())
        print("PIXEL_WEIGHTS", np.round(pixel, 2).tolist(), flush=True)
        for each, solids in cases:
            each.estimate = each.cells.improve(solid.drawn(each.estimate, solids, each.cells))


def seen(each: estimates.Case, solids: list[solid.Solid]) -> Round:
    step = solid.file_step(each.cells)
    away, inputs, number = solid.seen(each.estimate, solids, step)
    error = 255 * each.estimate - each.clean
    near = number > 0
    arrays = [np.stack([one.inputs(step) for one in solids])]
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


if __name__ == "__main__":
    main()
