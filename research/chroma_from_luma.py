"""Fits the weights of driftrec.restoration.chroma, and measures what they gain on held-out pictures.

    python research/chroma_from_luma.py fit --rendered runs/rendered
    python research/chroma_from_luma.py measure --rendered runs/rendered
    python research/chroma_from_luma.py natural --rendered runs/rendered

Of the held-out pictures of each kind, every other one is for fitting, and the others are for measuring.  The weights
lower the mean square error of the chroma of the pictures as they are before each round, relative to that of the
estimate, in dB.  `measure` is for faithful restorations; `natural` is for natural ones, which are sampled around an
estimate with predicted chroma.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

import driftrec
from driftrec.evaluate.measurement import Measurement
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.metrics.ssimulacra import ssimulacra2
from driftrec.evaluate.tables import keep
from driftrec.jpeg.blocks import box_mean, replicate, to_components
from driftrec.restoration import chroma
from driftrec.restoration.estimator import Estimator
from driftrec.restoration.solid import with_solid_colours

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import estimates
import samples

EVERY = 61
"""One pixel of so many is used for fitting."""

LEAST = 0.05
"""Added to mean square errors before they are compared, squared levels."""

DECAY = 1e-3
"""Of the squared weights, whose inputs have a standard deviation of 1."""

KINDS = {"photographs": 1, "graphics of the corpus": 3, "rendered": 1}
"""Weights of pictures: there are few of the second kind."""

SUBSAMPLINGS = "4:2:0", "4:4:4", "4:2:0"


@dataclass
class Component:
    """What the weights see of some pixels of a chroma component before a round."""

    weight: int
    inputs: torch.Tensor  # (pixel, window, input)
    changes: torch.Tensor  # (pixel, window), levels
    error: torch.Tensor  # (pixel), levels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    options = estimates.read_options(parser, "chroma_from_luma", rounds=2, commands=("fit", "measure", "natural"))
    if options.command == "fit":
        fit(options)
    elif options.command == "natural":
        natural(options)
    else:
        estimates.measure(
            options,
            lambda pixels, cells: with_solid_colours(cells.improve(pixels), cells),
            lambda pixels, cells: with_solid_colours(chroma.with_chroma_from_luma(pixels, cells), cells),
            "without prediction",
        )


def natural(options: argparse.Namespace) -> None:
    """Stores what prediction changes in natural restorations."""
    lpips = Lpips("alex", options.data.parent / "weights/lpips_alex_v0.1.safetensors").eval()
    judges = {
        "PSNR": ("dB", "{:.2f}", estimates.fidelity),
        "LPIPS": ("", "{:.4f}", lambda x, clean: samples.distance(lpips, x, clean)),
        "SSIMULACRA 2": ("", "{:.1f}", lambda x, clean: ssimulacra2(samples.eight_bits(x), clean)),
    }
    restorer = driftrec.Restorer(options.model, mode="natural", threads=1)
    conditions = estimates.conditions(options)
    entries = []
    for kind, crops in estimates.kinds(options).items():
        clean = [samples.middle(crop, estimates.SIDE) for crop in crops[1::2]]
        for quality in estimates.SHOWN:
            files = [samples.compress(crop, quality) for crop in clean]
            restored = {"with": [restorer.restore(file, history="single").pixels for file in files]}
            with patch.object(Estimator, "knowing", lambda estimator, _: estimator):
                restored["without"] = [restorer.restore(file, history="single").pixels for file in files]
            what = {"pictures": f"{kind} ({len(clean)})", "quality": str(quality)}
            for judge, (unit, form, judged) in judges.items():
                for name in ("without", "with"):
                    value = float(np.mean([judged(x, crop) for x, crop in zip(restored[name], clean, strict=True)]))
                    entries.append(Measurement(what, f"{judge}, {name}", value, unit, form, conditions))
                    print(what, judge, name, form.format(value), flush=True)
    note = "PSNR in dB.  LPIPS: AlexNet, lower is better; natural was trained for it.  SSIMULACRA 2: higher is better."
    keep(estimates.MEASURED / "chroma_of_natural.jsonl", entries, note)


def fit(options: argparse.Namespace) -> None:
    found = estimates.to_fit(options, SUBSAMPLINGS)
    cases = [(kind, each) for kind, each in found if each.cells.file.colour == "YCbCr"]
    rng = np.random.default_rng(0)
    components = []
    for number in range(options.rounds):
        for kind, each in cases:
            components += seen(KINDS[kind], each, rng)
        chroma.WEIGHTS, gain = best(components)
        print(f"{len(components)} components before round {number + 1}: {gain:.3f} dB", flush=True)
        print("WEIGHTS", np.round(chroma.WEIGHTS, 2).tolist(), flush=True)
        for _, each in cases:
            each.estimate = chroma.with_chroma_from_luma(each.estimate, each.cells, rounds=1)


def seen(weight: int, each: estimates.Case, rng: np.random.Generator) -> list[Component]:
    y, *components = to_components(each.estimate, "YCbCr")
    _, *clean = to_components(each.clean / 255, "YCbCr")
    chosen = rng.permutation(y.size)[: y.size // EVERY]

    def full(plane: np.ndarray) -> np.ndarray:
        return replicate(plane, 2, 2).ravel()[chosen]

    known = chroma.known_of_file(each.cells.file)
    assert known is not None
    found = []
    halved = [box_mean(plane, 2, 2) for plane in (y, *components)]
    for component, truth, lines in zip(components, clean, chroma.lines(halved[0], halved[1:]), strict=True):
        alike = [np.full(chosen.size, value, np.float32) for value in (*known.inputs, 1)]
        inputs = [np.stack([full(line.left), full(line.change), *alike], 1) for line in lines]
        now = component.ravel()[chosen]
        changes = [full(line.slope) * y.ravel()[chosen] + full(line.intercept) - now for line in lines]
        arrays = np.stack(inputs, 1), np.stack(changes, 1), truth.ravel()[chosen] - now
        found.append(Component(weight, *(torch.from_numpy(array) for array in arrays)))
    return found


def best(components: list[Component]) -> tuple[np.ndarray, float]:
    """(weights, mean gain in dB)."""
    inputs = torch.cat([each.inputs.flatten(0, 1) for each in components])
    scale, middle = inputs.std(0), inputs.mean(0)
    scale[-1], middle[-1] = 1, 0  # the constant
    weights = torch.zeros(len(chroma.SIDES), len(scale))
    weights[:, -1] = -3  # at first, chroma hardly changes
    weights.requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=80, line_search_fn="strong_wolfe")
    total = sum(each.weight for each in components)

    def gains() -> torch.Tensor:
        found = []
        for each in components:
            odds = (((each.inputs - middle) / scale) * weights).sum(2)
            shares = torch.softmax(torch.cat([torch.zeros(len(odds), 1), odds], 1), 1)[:, 1:]
            left = (each.error - (shares * each.changes).sum(1)).square().mean()
            found.append(each.weight * 10 * torch.log10((each.error.square().mean() + LEAST) / (left + LEAST)))
        return torch.stack(found).sum() / total

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = DECAY * weights[:, :-1].square().sum() - gains()
        loss.backward()
        return loss

    optimizer.step(closure)
    plain = (weights.detach() / scale).double()
    plain[:, -1] -= plain[:, :-1] @ middle[:-1].double()
    return plain.numpy().astype(np.float32), float(gains().detach())


if __name__ == "__main__":
    main()
