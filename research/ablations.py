"""What each setting of a recipe is worth: short trainings that differ in one thing, with equal data and time.

    python research/ablations.py --data ../shared/data/train ../shared/data/train_more --minutes 4 --parallel 2

Each has a thread of its own and the schedule of a whole run.  Logs go to research/logs/ablations/NAME.jsonl, and the
last line of each, against the last trial above it that changes nothing, to research/measured/ablations.md.  Trials
whose log is there are not run again.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import numpy as np

from driftrec.evaluate.measurement import Conditions
from driftrec.evaluate.tables import Table

ROOT = Path(__file__).parent
LOGS = ROOT / "logs/ablations"
MINUTES = 4.0

SHORT = {"data.crop": 96, "batch": 16, "warm_up": 20, "ema": 0.97}
"""What a training of minutes needs otherwise than the recipe, in all trials."""

TRIALS = {
    "recipe": {},
    "recipe, another seed": {"seed": 1},
    "a quarter at infinite ratio": {"noise.regression": 0.25},
    "three quarters at infinite ratio": {"noise.regression": 0.75},
    "absolute error": {"objective.norm": "absolute"},
    "EDM's loss": {"objective.weight": "edm"},
    "recipe, second run": {},
    "crops of 64": {"data.crop": 64, "batch": 36},
    "equally likely qualities": {"data.power": 1.0},
    "blocks at eighth resolution": {"network.encoder": [1, 1, 5], "network.decoder": [1, 0]},
    "blocks at half resolution": {"network.encoder": [2, 1, 1], "network.decoder": [1, 1]},
    "wider, fewer blocks": {
        "network.channels": [64, 112, 128],
        "network.encoder": [1, 1, 1],
        "network.decoder": [0, 1],
    },
    "additional level at sixteenth resolution": {
        "network.channels": [48, 96, 128, 128],
        "network.encoder": [1, 1, 2, 2],
        "network.decoder": [1, 1, 0],
    },
    "batches of 8": {"batch": 8},
    "AdamW": {"optimizer": "adamw"},
    "no double compression": {"data.double": 0.0, "data.double_first": 0.0},
    "recipe, on another machine": {},
    "average over 10 steps": {"ema": 0.9},
    "average over 100 steps": {"ema": 0.99},
    "constant rate, average over 100 steps": {"anneal": 1e-9, "ema": 0.99},
    "schedule-free": {"anneal": 1e-9, "ema": 0.9},
    "schedule-free, twice the rate": {"anneal": 1e-9, "ema": 0.9, "learning_rate": 4e-3},
}


def main() -> None:
    options = read_options()
    LOGS.mkdir(exist_ok=True)
    with ThreadPoolExecutor(options.parallel) as pool:
        list(pool.map(lambda name: run(name, options), TRIALS))
    render(options.minutes)


def render(minutes: float = MINUTES) -> None:
    """Writes the table of the logs."""
    (ROOT / "measured/ablations.md").write_text(table(minutes), encoding="utf-8")


def run(name: str, options: argparse.Namespace) -> None:
    """One trial, unless its log is there."""
    if log_of(name).exists():
        return
    settings = SHORT | TRIALS[name] | {"minutes": options.minutes, "validate_every": 1000}
    with tempfile.TemporaryDirectory() as folder:
        program = [str(ROOT / "schedule_free.py")] if "schedule-free" in name else ["-m", "driftrec"]
        command = [sys.executable, *program, "train", str(options.recipe), "--out", folder]
        command += [word for data in options.data for word in ("--data", str(data))]
        command += [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
        now = Conditions.now()
        measured_by = {"processor": now.machine, "code": now.code, "date": now.date}
        records = map(json.loads, (Path(folder) / "log.jsonl").read_text().splitlines())
        log_of(name).write_text("".join(json.dumps(record | measured_by) + "\n" for record in records))


def log_of(name: str) -> Path:
    return LOGS / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.jsonl"


def table(minutes: float) -> str:
    """Gains of faithful restorations over their JPEGs on held-out crops, in dB: as they are where nothing is changed,
    of the other trials less those of the last such one above."""
    last = {name: json.loads(log_of(name).read_text().splitlines()[-1]) for name in TRIALS}
    corruptions = [key.removeprefix("jpeg_") for key in next(iter(last.values())) if key.startswith("jpeg_")]
    gains = {
        name: np.array([log[f"faithful_{c}"] - log[f"jpeg_{c}"] for c in corruptions]) for name, log in last.items()
    }

    rows, base = [], np.zeros(len(corruptions))
    for name, settings in TRIALS.items():
        values = gains[name] - base if settings else gains[name]
        base = base if settings else gains[name]
        rows.append((name, (str(last[name]["step"]), *(f"{value:+.2f}" for value in values))))
    columns = "steps", *(c.replace("_", " → ") for c in corruptions)
    title = f"Gain over the JPEG after {minutes:g} minutes, in dB; with changed settings, relative to the recipe above"
    machines = groupby(TRIALS, lambda name: last[name]["processor"])
    where = "; ".join(f"{machine} from “{next(names)}” down" for machine, names in machines)
    return f"{Table(title, columns, tuple(rows)).markdown()}\n\nEach run had one thread.  Processors: {where}.\n"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("small"))
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of clean pictures")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of each trial")
    parser.add_argument("--parallel", type=int, default=2, help="trials side by side")
    return parser.parse_args()


if __name__ == "__main__":
    main()
