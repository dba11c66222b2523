"""The paper's claims, tested with the paper's own objective: samples against the regression of the same network.

    driftrec train research/recipes/long-score.yaml --data CLEAN_FOLDER --out runs/score --set compile=true
    driftrec train research/recipes/long-regression.yaml --data CLEAN_FOLDER --out runs/regression --set compile=true
    driftrec export runs/score/best.safetensors -o runs/long-score.onnx --name score --licence unknown
    driftrec export runs/regression/best.safetensors -o runs/long-regression.onnx --name regression --licence unknown
    python benchmarks/found_pictures.py --out runs/found
    python research/claims.py                         # resumes; needs .[graphics]

Both networks have met single JPEGs on their own grid only, and restore without the program's searches and cells.
Measured are LIVE1's pictures compressed once; twice, the second time on a grid shifted by (4, 4); put through chains;
and JPEGs as found.  The table is shown in docs/science/paper.md.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from driftrec.evaluate import benchmark as bench
from driftrec.evaluate.chains.listed import REPORTED
from driftrec.evaluate.corruptions import Corruption, DoubleJpeg, Jpeg
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.measures import METRICS
from driftrec.evaluate.methods import parse_method
from driftrec.evaluate.tables import BASELINE, differences, keep, summarise
from driftrec.train.model import load

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "research/measured/claims.jsonl"
REGRESSION = "regression"
FEW, MANY = "10 evaluations", "100 evaluations"
SAMPLED = {FEW: "steps=10", MANY: "sampler=euler-maruyama,steps=100"}
ALONE = "consistent=off,history=single,force=true"
PAIRED = ("psnr", "ssimulacra2", "niqe", "spectrum", "lpips_alex")
SIDE = 288
"""Of the centre crops of LIVE1, in pixels: nine blocks of NIQE."""


@dataclass(frozen=True)
class Damage:
    """Pictures, what happens to them, and what is measured of which samples.

    `apart`: whether each corruption has rows of its own; `together`: whether there are rows of the means over all.
    """

    title: str
    pictures: Sequence[Path]
    corruptions: Sequence[Corruption | None]
    metrics: tuple[str, ...] = PAIRED
    samples: tuple[str, ...] = (FEW,)
    apart: bool = False
    together: bool = True

    @property
    def tasks(self) -> list[bench.BenchmarkTask]:
        return [bench.BenchmarkTask(path, corruption) for path in self.pictures for corruption in self.corruptions]


def main() -> None:
    options = read_options()
    test = options.shared / "data/test"
    live1 = bench.pictures_in(test / "live1", options.images)
    crops = cropped(live1, options.out / "claims/crops")
    found = bench.pictures_in(options.found, options.images)
    twice = tuple(DoubleJpeg(first, second) for first, second in product((10, 30, 50), repeat=2))
    work = (
        Damage(
            "compressed once", crops, [Jpeg(q) for q in (5, 10, 20)], samples=(FEW, MANY), apart=True, together=False
        ),
        Damage("compressed twice", crops, twice, apart=True),
        Damage("chains", crops[::3], REPORTED, ("psnr", "ssimulacra2", "lpips_alex")),
        Damage("as found", found, [None], ("niqe",)),
    )
    data = f"LIVE1, {len(live1)} crops of {SIDE}×{SIDE}, chains of {len(crops[::3])}; {len(found)} JPEGs as found"
    models = [str(options.score), str(options.regression)]
    conditions = Conditions.now(models=models, data=data)
    entries = []
    for damage in work:
        for title, records in groups(damage, measured(damage, options)):
            entries += table(title, records, conditions)
        print(damage.title, flush=True)
    note = (
        "10 evaluations: samples by the multistep sampler; 100: by Euler–Maruyama, the paper's; both from the end of "
        "the process.  They are compared with the regression on the same pictures: mean difference ± half of its 95 % "
        f"bootstrap interval.  Training: {trained(options.score)}; of the regression: {trained(options.regression)}."
    )
    print(keep(MEASURED, entries, note))


def cropped(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Files of the middle parts of pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    crops = []
    for path in paths:
        with Image.open(path) as picture:
            left, top = ((side - SIDE) // 2 for side in picture.size)
            crops.append(folder / f"{path.stem}.png")
            picture.crop((left, top, left + SIDE, top + SIDE)).save(crops[-1])
    return crops


def measured(damage: Damage, options: argparse.Namespace) -> list[bench.Record]:
    """The records of a kind of damage; methods have the names of the table."""
    texts = methods(options, damage.samples)
    parsed = [parse_method(text) for text in texts.values()]
    names = dict(zip((method.label for method in parsed), texts, strict=True))
    folder, weights = options.out / "claims" / damage.title.replace(" ", "-"), options.shared / "weights"
    settings = bench.Settings(damage.metrics, folder, weights, threads=1, workers=options.workers)
    return [replace(record, method=names[record.method]) for record in bench.run(damage.tasks, parsed, settings)]


def methods(options: argparse.Namespace, samples: Sequence[str]) -> dict[str, str]:
    """What is compared, by name, as `parse_method` reads it; samples start at the end of the process."""
    regression = {REGRESSION: f"faithful:{ALONE},model={options.regression}"}
    sampled = {name: f"sample:{SAMPLED[name]},start=1.0,{ALONE},model={options.score}" for name in samples}
    return {BASELINE: "plain", **regression, **sampled}


def groups(damage: Damage, records: Sequence[bench.Record]) -> Iterator[tuple[str, list[bench.Record]]]:
    """(name, records) of the rows: of every corruption of its own, and of one mean over each picture."""
    if damage.apart:
        for corruption in dict.fromkeys(r.corruption for r in records):
            yield corruption, [r for r in records if r.corruption == corruption]
    if damage.together:
        yield damage.title, means(damage.title, records)


def means(corruption: str, records: Sequence[bench.Record]) -> list[bench.Record]:
    """The means of every picture and method over all corruptions, as records of one."""
    kinds: dict[tuple[str, str], list[bench.Record]] = {}
    for record in records:
        kinds.setdefault((record.picture, record.method), []).append(record)
    return [
        replace(
            some[0],
            corruption=corruption,
            metrics={n: float(np.mean([r.metrics[n] for r in some])) for n in some[0].metrics},
        )
        for some in kinds.values()
    ]


def table(damage: str, records: Sequence[bench.Record], conditions: Conditions) -> Iterator[Measurement]:
    """The values of one kind of damage: file and regression as they are, the others relative to the regression."""
    absolute = [row for row in summarise(records) if row.method in (BASELINE, REGRESSION)]
    relative = [row for row in differences(records, REGRESSION, PAIRED) if row.method in SAMPLED]
    for row in (*absolute, *relative):
        if row.metric in PAIRED:
            mean, decimals = row.mean, METRICS[row.metric].decimals
            form = (
                f"{{:+.{decimals}f}} ± {(mean.high - mean.low) / 2:.{decimals}f}" if row.over else f"{{:.{decimals}f}}"
            )
            what = {"damage": damage, "restoration": row.method}
            heading = METRICS[row.metric].heading
            yield Measurement(what, heading, mean.value, "", form, conditions, mean.low, mean.high, mean.count)


def trained(model: Path) -> str:
    """Crops and minutes of a network's training."""
    network = load(model).denoiser
    spent = network.spent()
    return f"{spent['steps'] * network.config.batch / 1e3:.0f} thousand crops in {spent['minutes']} minutes"


def add_networks(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name the two networks."""
    score, regression = (ROOT / f"runs/long-{name}.onnx" for name in ("score", "regression"))
    parser.add_argument("--score", type=Path, default=score, help="network of the paper's objective")
    parser.add_argument("--regression", type=Path, default=regression, help="network of the L2 regression")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add_networks(parser)
    add("--found", type=Path, default=ROOT / "runs/found", help="folder that found_pictures.py has filled")
    add("--shared", type=Path, default=ROOT.parent / "shared", help="folder of data and weights")
    add("--out", type=Path, default=ROOT / "runs", help="records")
    add("--images", type=int, help="only this many pictures of each set, evenly spaced")
    add("--workers", type=int, default=2, help="pictures at a time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
