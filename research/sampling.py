"""Which steps sample best: PSNR and LPIPS of natural restorations of held-out crops, over grids, η, starts and colours.

    python research/sampling.py small --data ../shared/data/train ../shared/data/train_more

The tables of research/notes/model-notes.md, all with that data, --crops 24 and --keep NAME:

    sampling         --sampler-only --quality 5 10 40 80 --evaluations 2 4 6 8 --start 0.4 --end 0.02
                     --eta 0 0.5 1
    sampling_start   --sampler-only --quality 5 10 40 --evaluations 4 --start 0.25 0.4 0.6 --end 0.01 0.02 0.04
                     --eta 0.5
    finisher_colour  --quality 5 10 20 40 --evaluations 2 --start 0.4 --end 0.02 --eta 0.5
                     --colour low-band mean none, for the small.onnx of commit 699664c
    finisher_before  likewise with --colour none, for the small.onnx of commit b05993f

Held-out pictures of the training corpus decide, never the benchmarks' pictures.
"""

import argparse
import math
from itertools import product
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from driftrec.diffusion.plan import Colour, Plan
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.metrics.lpips import Lpips
from driftrec.evaluate.tables import keep, table_of
from driftrec.train.data.crops import open_corpus
from driftrec.train.denoiser import faithful_estimate
from driftrec.train.model import load
from driftrec.train.validate import SIDE, natural_sample, psnr, validation_set

SHARED = Path(__file__).parents[2] / "shared"
LABELS = ("quality", "evaluations", "start", "end", "η", "colour")


def main() -> None:
    options = read_options()
    model = load(options.model)
    network = model.denoiser.network
    finisher = None if options.sampler_only or model.finisher is None else model.finisher.network
    _, held_out = open_corpus(options.data, options.cache).split(model.denoiser.config.data.held_out)
    crops = validation_set(held_out, options.crops, SIDE)
    lpips = Lpips("alex", options.weights / "lpips_alex_v0.1.safetensors")
    data = f"{options.crops} crops of held-out pictures of the training corpus"
    conditions, entries = Conditions.now(models=[options.model], data=data), []
    for quality in options.quality:
        y = crops.corrupted[f"jpeg_{quality}"].contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            mean = faithful_estimate(network, y)
        entries += measured((quality, "JPEG", "", "", "", ""), y, crops.clean, lpips, conditions)
        entries += measured((quality, 1, "", "", "", ""), mean, crops.clean, lpips, conditions)
        for settings in product(options.evaluations, options.start, options.end, options.eta, options.colour):
            evaluations, start, end, eta, colour = settings
            plan = Plan(evaluations=evaluations, start=start, end=end, eta=eta, level=options.level, colour=colour)
            with torch.no_grad():
                sample = natural_sample(network, y, mean, plan, finisher=finisher)
            entries += measured((quality, *settings), sample, crops.clean, lpips, conditions)
    print(table_of(entries).markdown())
    if options.keep:
        keep(Path(__file__).parent / f"measured/{options.keep}.jsonl", entries)


def measured(
    settings: tuple[str | int | float, ...], image: Tensor, clean: Tensor, lpips: Lpips, conditions: Conditions
) -> list[Measurement]:
    """PSNR and LPIPS of one row of the table."""
    image = (image.clamp(0, 1) * 255).round() / 255
    distance = math.fsum(lpips(a, b).sum().item() for a, b in zip(image.split(8), clean.split(8), strict=True))
    what = dict(zip(LABELS, settings, strict=True))
    print(what, flush=True)
    return [
        Measurement(what, "PSNR", psnr(image, clean).mean().item(), "dB", "{:.2f}", conditions),
        Measurement(what, "LPIPS-Alex", distance / len(clean), "", "{:.4f}", conditions),
    ]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", help="a checkpoint, an exported file, or the name of a model that ships")
    add("--data", type=Path, nargs="+", required=True, help="the folders of the training")
    add("--cache", type=Path, help="where decoded pictures are kept")
    add("--weights", type=Path, default=SHARED / "weights")
    add("--sampler-only", action="store_true", help="without the finisher, if the model has one")
    add("--crops", type=int, default=48)
    add("--quality", type=int, nargs="+", default=[10])
    add("--evaluations", type=int, nargs="+", default=[4, 6, 8])
    add("--level", type=float, default=Plan().level, help="of the start; a tiny one keeps the start as given")
    add("--start", type=float, nargs="+", default=[0.4, 0.5, 0.6])
    add("--end", type=float, nargs="+", default=[0.04, 0.08])
    add("--eta", type=float, nargs="+", default=[0.0, 1.0])
    add("--colour", nargs="+", choices=get_args(Colour), default=["low-band"], help="what samples take from the mean")
    add("--keep", metavar="NAME", help="store the measurements in research/measured/NAME.jsonl")
    return parser.parse_args()


if __name__ == "__main__":
    main()
