"""Measures where the time of `driftrec restore` goes, in shares, and how much faster it is than another checkout.

    python benchmarks/shares.py                      # the shares of each stage: docs/measured/speed_shares.jsonl
    python benchmarks/shares.py --against FOLDER     # times as ratios to those of the checkout in FOLDER

Both run the whole program, compiled as by an installer, with one thread on synthetic photographs: JPEGs of 0.4, 3 and
24 megapixels, folders of small ones, and a PNG.  Times are the processor's, which other programs on the machine change
little.  Ratios come from runs in turns; the least time of each checkout counts.  Their record is
docs/measured/speed_ratios.jsonl.
"""

import argparse
import compileall
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from driftrec.evaluate.machine import processor
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep
from driftrec.model.find import DEFAULT_MODEL

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "docs/measured"
STAGES = Path(__file__).with_name("stages.py")

QUALITY = 30
"""Of most pictures: low enough for natural restorations."""

SEARCHED = 85
"""Quality of the others: high enough for a search for earlier compressions and resizing."""

MODES = ("decode", "faithful", "natural")


@dataclass(frozen=True)
class Input:
    """What the program restores: `count` pictures of height × width pixels, JPEGs of `quality`, or PNGs."""

    name: str
    height: int
    width: int
    count: int = 1
    rounds: int = 2
    quality: int | None = QUALITY

    def write(self, folder: Path) -> Path:
        """Writes the pictures; returns the file of a single one, or the folder."""
        ending, settings = ("png", {}) if self.quality is None else ("jpg", {"quality": self.quality})
        for number in range(self.count):
            picture = Image.fromarray(photograph(self.height, self.width, number))
            picture.save(folder / f"{number}.{ending}", **settings)
        return folder / f"0.{ending}" if self.count == 1 else folder


INPUTS = (
    Input("0.4 megapixels", 512, 832, rounds=3),
    Input("0.4 megapixels, quality 85", 512, 832, rounds=3, quality=SEARCHED),
    Input("0.4 megapixels, PNG", 512, 832, rounds=3, quality=None),
    Input("3 megapixels", 1440, 2080),
    Input("24 megapixels", 4000, 6000, rounds=1),
    Input("100 pictures of 0.05 megapixels", 192, 256, count=100),
    Input("100 pictures of 0.05 megapixels, quality 85", 192, 256, count=100, quality=SEARCHED),
)


@dataclass(frozen=True)
class Finished:
    """What one run took: seconds of the processor, and peak memory in 10^9 bytes."""

    seconds: float
    memory: float


def main() -> None:
    options = read_options()
    chosen = [one for one in INPUTS if options.only is None or options.only in one.name]
    chosen = [replace(one, rounds=options.rounds or one.rounds) for one in chosen]
    libraries = [f"ONNX Runtime {onnxruntime.__version__}"]
    conditions = Conditions.now(f"1 core of {processor()}", [DEFAULT_MODEL], "synthetic photographs", libraries)
    partial = options.only is not None or options.modes != MODES
    for checkout in {ROOT, options.against or ROOT}:
        compileall.compile_dir(checkout / "src", quiet=1)
    if options.against is None:
        entries = [entry for one in chosen for mode in options.modes for entry in shares(one, mode, conditions)]
        print(keep(MEASURED / "speed_shares.jsonl", entries, "Shares of the processor's time.", partial=partial))
        return
    entries = [
        entry for one in chosen for mode in options.modes for entry in ratios(one, mode, options.against, conditions)
    ]
    note = f"Before: the commit {commit(options.against)}.  One thread, runs in turns; the least of each counts."
    print(keep(MEASURED / "speed_ratios.jsonl", entries, note, partial=partial))


def shares(one: Input, mode: str, conditions: Conditions) -> list[Measurement]:
    """The share of every stage in the time of one run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "stages.json"
        words = [sys.executable, str(STAGES), str(report), *restoring(one, mode, Path(folder))]
        subprocess.run(words, env=environment(ROOT), check=True, stdout=subprocess.DEVNULL)
        seconds: dict[str, float] = json.loads(report.read_text(encoding="utf-8"))
    total = sum(seconds.values())
    what = {"input": one.name, "mode": mode}
    return [
        Measurement(what, "seconds", total, "s", "{:.2f}", conditions),
        *(
            Measurement(what, stage, 100 * value / total, "%", "{:.0f} {unit}", conditions)
            for stage, value in seconds.items()
        ),
    ]


def ratios(one: Input, mode: str, against: Path, conditions: Conditions) -> list[Measurement]:
    """Times and peak memory of this checkout, relative to those of another."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "driftrec", *restoring(one, mode, Path(folder))]
        runs: dict[Path, list[Finished]] = {against: [], ROOT: []}
        for _ in range(one.rounds):
            for checkout, finished in runs.items():
                finished.append(run(words, checkout))
    what = {"input": one.name, "mode": mode}
    entries = []
    for name, heading, unit in (("seconds", "processor's time", "s"), ("memory", "peak memory", "GB")):
        before, after = (min(getattr(finished, name) for finished in runs[checkout]) for checkout in (against, ROOT))
        entries += [
            Measurement(what, f"{heading} before", before, unit, "{:.2f} {unit}", conditions),
            Measurement(what, f"{heading} after", after, unit, "{:.2f} {unit}", conditions),
        ]
        if name == "seconds":
            entries.append(Measurement(what, "faster by", before / after, "", "× {:.2f}", conditions))
    return entries


def restoring(one: Input, mode: str, folder: Path) -> list[str]:
    """The program's words for the pictures of an input, which are written to a folder."""
    (folder / "pictures").mkdir()
    source = one.write(folder / "pictures")
    target = folder / ("restored.png" if one.count == 1 else "restored")
    return ["restore", str(source), "-o", str(target), "--mode", mode, "--threads", "1", "--overwrite", "--quiet"]


def run(words: list[str], checkout: Path) -> Finished:
    """Runs a program to its end with the package of a checkout."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _RUN, *words],
        env=environment(checkout),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    status, seconds, size = done.stdout.split()
    if int(status):
        raise SystemExit(f"{' '.join(words)} failed with the package of {checkout}")
    return Finished(float(seconds), int(size) * (1e-9 if sys.platform == "darwin" else 1.024e-6))


_RUN = """
import os, sys
nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=nowhere), 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


def environment(checkout: Path) -> dict[str, str]:
    """The environment of a run: the package of a checkout, and one thread for every library."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": str(checkout / "src")}


def commit(checkout: Path) -> str:
    """The commit of a checkout, abbreviated."""
    words = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise whose spectrum falls as that of photographs does, with some edges, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    shared, size = np.zeros((height, width, 3), np.float32), 4
    while size < 2 * max(height, width):
        rows, columns = -(-height * size // max(height, width)), -(-width * size // max(height, width))
        grain = rng.standard_normal((rows + 2, columns + 2)).astype(np.float32)
        image = Image.fromarray(grain).resize((width, height), Image.Resampling.BICUBIC)
        shared += np.asarray(image)[..., None] * (60 / size**0.5)
        size *= 2
    tint = rng.standard_normal((4, 5, 3)).astype(np.float32)
    for channel in range(3):
        image = Image.fromarray(tint[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
        shared[..., channel] += 25 * np.asarray(image)
    shared += np.where(shared.mean(axis=2, keepdims=True) > 10, 20, 0)
    return (128 + shared).clip(0, 255).astype(np.uint8)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="a checkout of the project to compare with")
    parser.add_argument("--rounds", type=int, help="runs of each checkout (default: by size)")
    parser.add_argument("--only", metavar="TEXT", help="inputs whose name holds this text")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    return parser.parse_args()


if __name__ == "__main__":
    main()
