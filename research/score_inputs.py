"""Compares two inputs of the U-Net under the paper's objective: x_t itself, or its residual at unit variance.

    python research/score_inputs.py --data ../shared/data/train --out runs/score-inputs

Trains the recipe `score` twice for the same few steps, with the two values of `objective.inputs`, and stores the loss
and the PSNR of its estimates and samples on held-out crops in research/measured/score_inputs.jsonl.
"""

import argparse
from pathlib import Path

import torch

from driftrec.evaluate.machine import processor
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep
from driftrec.train.loop import train
from driftrec.train.recipe import read_recipe

ROOT = Path(__file__).parent
SCORES = {  # key of a training record: heading, unit, format
    "loss": ("mean loss", "", "{:.3f}"),
    "jpeg_10": ("JPEG, quality 10", "dB", "{:.2f} {unit}"),
    "denoised_10": ("estimate at ratio 0.05", "dB", "{:.2f} {unit}"),
    "natural_10": ("sample, 8 evaluations", "dB", "{:.2f} {unit}"),
}


def main() -> None:
    options = read_options()
    torch.set_num_threads(1)
    data = f"{options.steps} steps on {', '.join(path.name for path in options.data)}, held-out crops of the same"
    conditions = Conditions.now(f"1 thread of {processor()}", data=data, libraries=[f"PyTorch {torch.__version__}"])
    entries = []
    for inputs in ("state", "scaled"):
        overrides = {"data.folders": [str(path) for path in options.data], "objective.inputs": inputs}
        run = {"steps": options.steps, "precision": "32-true", "workers": 0, "validate_every": 1e6}
        config = read_recipe(ROOT / "recipes/score.yaml", overrides | run)
        *_, record = train(config, options.out / inputs)
        entries += [
            Measurement({"inputs": inputs}, heading, record[key], unit, form, conditions)
            for key, (heading, unit, form) in SCORES.items()
        ]
    print(keep(ROOT / "measured/score_inputs.jsonl", entries))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="clean pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder for the two runs")
    parser.add_argument("--steps", type=int, default=400, help="steps of each run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
