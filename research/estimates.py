"""Estimates of held-out pictures by the network alone, to fit and to measure what corrects them."""

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import driftrec
import mixture
import samples
from demosaiced import demosaiced
from driftrec.evaluate.corruptions import Pixels
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.tables import keep
from driftrec.jpeg import Cells, read_jpeg

FITTED = 8, 15, 30, 50, 75, 90
SHOWN = 10, 20, 40, 75, 90
MEASURED = Path(__file__).parent / "measured"
SIDE = 256
MOST = 60.0
"""PSNR in dB above which nothing can be seen."""

Correction = Callable[[np.ndarray, Cells], np.ndarray]


@dataclass
class Case:
    """A compressed picture and an estimate of it."""

    clean: np.ndarray  # levels
    estimate: np.ndarray  # [0, 1]
    cells: Cells


def case(restorer: driftrec.Restorer, crop: Pixels, quality: int, subsampling: str) -> Case:
    """The network's estimate of a compressed picture."""
    crop = samples.middle(crop, SIDE)
    file = samples.compress(crop, quality, subsampling=subsampling)
    return Case(np.float32(crop), restorer.restore_pixels(samples.decode(file)), Cells(read_jpeg(file)))


def to_fit(options: argparse.Namespace, subsamplings: tuple[str, ...]) -> Iterator[tuple[str, Case]]:
    """(kind, case) of every other held-out picture; picture and quality choose one of the subsamplings."""
    restorer = driftrec.Restorer(options.model, mode="faithful", threads=1)
    for kind, crops in mixture.pictures(options).items():
        for number, crop in enumerate(crops[::2]):
            for at, quality in enumerate(FITTED):
                yield kind, case(restorer, crop, quality, subsamplings[(number + at) % len(subsamplings)])


def kinds(options: argparse.Namespace) -> dict[str, list[Pixels]]:
    """Clean pictures by kind, and photographs as a camera would store them."""
    found = mixture.pictures(options)
    return {**found, "photographs, demosaiced": [demosaiced(crop) for crop in found["photographs"]]}


def conditions(options: argparse.Namespace) -> Conditions:
    """What the measurements were made with."""
    return Conditions.now(
        models=[options.model], data=f"held-out pictures, the middle {SIDE}×{SIDE} pixels; Pillow, 4:2:0"
    )


def measure(options: argparse.Namespace, before: Correction, after: Correction, without: str) -> None:
    """Stores what a correction gains on the other held-out pictures.

    Arguments: the correction maps what `before` makes of the network's estimates to that of `after`; `without`, the
    title of the column of PSNR before it.
    """
    measured = conditions(options)
    restorer = driftrec.Restorer(options.model, mode="faithful", threads=1)
    entries = []
    for kind, crops in kinds(options).items():
        for quality in SHOWN:
            old, gains = [], []
            for crop in crops[1::2]:
                each = case(restorer, crop, quality, "4:2:0")
                clean = np.uint8(each.clean)
                old.append(fidelity(before(each.estimate, each.cells), clean))
                gains.append(fidelity(after(each.estimate, each.cells), clean) - old[-1])
            what = {"pictures": f"{kind} ({len(gains)})", "quality": str(quality)}
            print(what, f"{np.mean(old):.2f} {np.mean(gains):+.3f} {min(gains):+.2f} {max(gains):+.2f}", flush=True)
            for name, value in (("mean", np.mean(gains)), ("least", min(gains)), ("most", max(gains))):
                entries.append(Measurement(what, f"gain, {name}", float(value), "dB", samples.GAIN, measured))
            entries.append(Measurement(what, without, float(np.mean(old)), "dB", "{:.2f}", measured))
    keep(MEASURED / f"{options.name}.jsonl", entries, "PSNR in dB.")


def fidelity(pixels: np.ndarray, clean: Pixels) -> float:
    """PSNR in dB; what lies above MOST cannot be seen, and does not count."""
    return min(psnr(samples.eight_bits(pixels), clean), MOST)


def read_options(
    parser: argparse.ArgumentParser, name: str, rounds: int, commands: tuple[str, ...] = ("fit", "measure")
) -> argparse.Namespace:
    """The command line of a script that fits and measures a correction."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=commands)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DRIFTREC_DATA", samples.SHARED / "data")))
    parser.add_argument("--rendered", type=Path, nargs="+", required=True, help="folders that rendered.py has filled")
    parser.add_argument("--model", default="small")
    parser.add_argument("--pictures", type=int, default=48, help="of each kind, at most")
    parser.add_argument("--rounds", type=int, default=rounds, help="after which the weights are fitted")
    parser.add_argument("--name", default=name, help="of the stored table")
    return parser.parse_args()
