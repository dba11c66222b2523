"""Measures what the share of texture in natural restorations costs and brings, by measures not trained for.

    python research/texture_share.py                     # needs .[graphics] and Debian's package butteraugli

Restores held-out photographs, as they are and with film grain, by natural restorations with several shares of texture.
SSIMULACRA 2 and Butteraugli played no part in training; LPIPS did.  *Fine detail* is the standard deviation of the
luma's finest band (pixels minus a Gaussian blur of one pixel) relative to the clean picture's.  The table is shown in
research/notes/model-notes.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

import driftrec
from driftrec.evaluate.chains.tone import Noise
from driftrec.evaluate.corruptions import Pixels
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.fidelity import luma, psnr
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.metrics.ssimulacra import ssimulacra2
from driftrec.evaluate.tables import keep
from driftrec.model.onnx import Network

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import samples

MEASURED = Path(__file__).parent / "measured/texture_share.jsonl"
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6)
GRAIN = Noise(8.0, grain=1.6, seed=0)


def main() -> None:
    options = read_options()
    lpips = Lpips("alex", options.data.parent / "weights/lpips_alex_v0.1.safetensors").eval()
    crops = [samples.middle(p, options.side) for p in islice(samples.held_out(options, "photo"), options.pictures)]
    data = f"{len(crops)} held-out photographs, the middle {options.side}×{options.side} pixels; Pillow, 4:2:0"
    conditions = Conditions.now(models=[options.model], data=data)
    restorers = dict(restorations(options.model))
    entries = []
    for kind, pictures in (("photographs", crops), ("with film grain", [GRAIN(crop) for crop in crops])):
        for quality in options.quality:
            files = [samples.compress(picture, quality) for picture in pictures]
            results = {"file": [samples.decode(file) for file in files]}
            for name, restorer in restorers.items():
                restored = [restorer.restore(file, history="single").pixels for file in files]
                results[name] = [samples.eight_bits(pixels) for pixels in restored]
            for name, restored in results.items():
                what = {"pictures": kind, "quality": str(quality), "restoration": name}
                for measure, (compute, form) in measures(lpips).items():
                    mean = float(np.mean([compute(x, c) for x, c in zip(restored, pictures, strict=True)]))
                    entries.append(Measurement(what, measure, mean, "", form, conditions))
            print(kind, quality, flush=True)
    print(keep(MEASURED, entries, "PSNR in dB.  Butteraugli and LPIPS: lower is better."))


def restorations(model: str) -> Iterator[tuple[str, driftrec.Restorer]]:
    """Restorers by what the table calls them."""
    yield "faithful", driftrec.Restorer(model, mode="faithful", threads=1)
    means = Network(model, threads=1)
    means.card = replace(means.card, plan=replace(means.card.plan, colour="mean", texture=1.0))
    yield "own low band", driftrec.Restorer(means, threads=1)
    for share in SHARES:
        yield f"texture {share:g}", driftrec.Restorer(model, texture=share, threads=1)


def measures(lpips: Lpips) -> dict:
    """Functions of a restored and a clean picture, and how to print their means."""
    return {
        "PSNR": (psnr, "{:.2f}"),
        "SSIMULACRA 2": (ssimulacra2, "{:.1f}"),
        "Butteraugli": (butteraugli, "{:.2f}"),
        "LPIPS": (lambda x, c: samples.distance(lpips, np.float32(x) / 255, c), "{:.4f}"),
        "fine detail": (lambda x, c: fine(x) / fine(c), "{:.2f}"),
    }


def butteraugli(restored: Pixels, clean: Pixels) -> float:
    """The distance that the program of that name prints."""
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/clean.png", f"{folder}/restored.png"]
        for file, pixels in zip(files, (clean, restored), strict=True):
            Image.fromarray(pixels).save(file)
        printed = subprocess.run(["butteraugli", *files], check=True, capture_output=True, text=True).stdout
    return float(printed.split()[0])


def fine(pixels: Pixels) -> float:
    """Standard deviation of the finest band of the luma."""
    values = luma(pixels)
    return float((values - gaussian_filter(values, 1)).std())


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="small")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DRIFTREC_DATA", samples.SHARED / "data")))
    parser.add_argument("--quality", type=int, nargs="+", default=[5, 10, 20, 30, 40, 60, 75, 90])
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--side", type=int, default=256, help="pixels")
    return parser.parse_args()


if __name__ == "__main__":
    main()
