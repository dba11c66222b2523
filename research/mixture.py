"""Compares models on held-out pictures of three kinds: photographs, the corpus' graphics, and rendered pictures.

    python research/mixture.py before=small-before.onnx after=small.onnx averaged=small --rendered runs/rendered

Prints and stores the PSNR of faithful restorations and the LPIPS of natural ones, as `driftrec restore --as single`
makes them, and the PSNR between clean pictures and the network's faithful estimates of them.  The tables are shown in
research/notes/model-notes.md.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import driftrec
from driftrec.evaluate.corruptions import Pixels
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.tables import keep
from driftrec.train.data.crops import open_corpus

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import samples

QUALITIES = (10, 20, 40, 75)
MEASURED = Path(__file__).parent / "measured"
NOTES = {
    "faithful": "Faithful: PSNR in dB.",
    "natural": "Natural: LPIPS (AlexNet; lower is better; natural was trained for it).",
    "clean": "Clean: PSNR between clean pictures and the estimates of the network, which no file guides.",
}


def main() -> None:
    options = read_options()
    metric = Lpips("alex", options.data.parent / "weights/lpips_alex_v0.1.safetensors").eval()
    sets = {kind: [samples.middle(p, options.side) for p in found] for kind, found in pictures(options).items()}
    judges = {
        "faithful": ("dB", "dB", "{:.2f}", lambda x, clean: psnr(samples.eight_bits(x), clean)),
        "natural": ("LPIPS", "", "{:.4f}", lambda x, clean: samples.distance(metric, x, clean)),
    }
    size = f"{options.side}×{options.side}"
    data = f"{options.pictures} held-out pictures of each kind, the middle {size} pixels; Pillow, 4:2:0"
    entries = []
    for label, model in (text.split("=", 1) for text in options.models):
        conditions = Conditions.now(models=[model], data=data)
        restorers = {mode: driftrec.Restorer(model, mode=mode, threads=1) for mode in options.modes}
        alone = driftrec.Restorer(model, mode="faithful", threads=1)
        for kind, crops in sets.items():
            for quality in QUALITIES:
                files = [samples.compress(crop, quality) for crop in crops]
                what = {"pictures": kind, "model": label}
                for mode, restorer in restorers.items():
                    made = [restorer.restore(file, history="single").pixels for file in files]
                    measure, unit, form, judge = judges[mode]
                    value = np.mean([judge(x, c) for x, c in zip(made, crops, strict=True)])
                    entries.append(Measurement(what, f"{quality}, {measure}", float(value), unit, form, conditions))
            kept = [psnr(samples.eight_bits(alone.restore_pixels(crop)), crop) for crop in crops]
            what = {"pictures": kind, "model": label}
            for name, value in (("clean, mean dB", float(np.mean(kept))), ("clean, least dB", min(kept))):
                entries.append(Measurement(what, name, value, "dB", "{:.1f}", conditions))
            print(label, kind, flush=True)
    note = "  ".join([*(NOTES[mode] for mode in options.modes), NOTES["clean"]])
    print(keep(MEASURED / f"{options.name}.jsonl", entries, note))


def pictures(options: argparse.Namespace) -> dict[str, list[Pixels]]:
    """Clean pictures by kind."""

    def some(found: Iterator[Pixels]) -> list[Pixels]:
        return [picture for _, picture in zip(range(options.pictures), found, strict=False)]

    rendered = open_corpus(options.rendered).split(samples.HELD_OUT)[1]
    spread = np.linspace(0, len(rendered) - 1, options.pictures).astype(int)
    return {
        "photographs": some(samples.held_out(options, "photo")),
        "graphics of the corpus": some(samples.held_out(options, "graphic")),
        "rendered": [rendered[int(number)] for number in spread],
    }


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="LABEL=MODEL")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DRIFTREC_DATA", samples.SHARED / "data")))
    parser.add_argument("--rendered", type=Path, nargs="+", required=True, help="folders that rendered.py has filled")
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument("--modes", nargs="+", choices=("faithful", "natural"), default=["faithful", "natural"])
    parser.add_argument("--name", default="mixture", help="of the stored table")
    parser.add_argument("--side", type=int, default=224, help="pixels")
    return parser.parse_args()


if __name__ == "__main__":
    main()
