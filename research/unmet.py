"""Does the method generalise to damage that it has not met?  The paper's last claim, on a network of small's size.

    driftrec train research/recipes/single.yaml --data CLEAN_FOLDER --out runs/single
    driftrec export runs/single/best.safetensors -o runs/single.onnx --name single --licence unknown
    python research/unmet.py --model runs/single.onnx         # resumes; needs .[graphics]

The network has met single JPEGs on their own grid only.  It estimates (at infinite ratio, as a regression) and samples,
without the program's searches and cells.  Measured are LIVE1 compressed once and twice, the second time on a grid
shifted by (4, 4), and JPEGs as found.  The table is shown in docs/science/paper.md.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from driftrec.evaluate import benchmark as bench
from driftrec.evaluate.corruptions import DoubleJpeg, Jpeg
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.measures import METRICS
from driftrec.evaluate.methods import parse_method
from driftrec.evaluate.tables import BASELINE, differences, keep, summarise

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "research/measured/unmet.jsonl"
SAMPLED = {"samples": "sample:steps=10", "natural": "natural:steps=6,texture=1"}
ONCE = Jpeg(10), Jpeg(30)
TWICE = tuple(DoubleJpeg(*qualities) for qualities in ((10, 30), (30, 10)))
PAIRED = ("psnr", "ssimulacra2", "niqe", "lpips_alex")
NOTE = """Regression is the network's estimate at infinite ratio.  Samples start at the ratio of (E27) and take 10
evaluations; natural starts at that of (E20), takes 6, and keeps the regression's low band.  Both are compared with the
regression on the same pictures: mean difference ± half of its 95 % bootstrap interval.""".replace("\n", " ")


def main() -> None:
    options = read_options()
    alone = f"model={options.model},consistent=off,history=single,force=true"
    texts = {BASELINE: "plain", "regression": f"faithful:{alone}"}
    texts |= {name: f"{text},{alone}" for name, text in SAMPLED.items()}
    methods = [parse_method(text) for text in texts.values()]
    names = dict(zip((method.label for method in methods), texts, strict=True))
    live1 = bench.pictures_in(options.shared / "data/test/live1", options.images)
    found = bench.pictures_in(options.shared / "data/test/real_jpegs")
    work = {
        "compressed once": [bench.BenchmarkTask(path, jpeg) for path in live1 for jpeg in ONCE],
        "compressed twice": [bench.BenchmarkTask(path, jpegs) for path in live1 for jpegs in TWICE],
        "as found": [bench.BenchmarkTask(path, None) for path in found],
    }
    data = f"{len(live1)} pictures of LIVE1, {len(found)} JPEGs as found"
    conditions = Conditions.now(models=[str(options.model)], data=data)
    entries: list[Measurement] = []
    for title, tasks in work.items():
        settings = bench.Settings(
            ("niqe",) if title == "as found" else PAIRED,
            options.out / "unmet" / title.replace(" ", "-"),
            options.shared / "weights",
            threads=options.threads,
        )
        records = [replace(r, method=names[r.method]) for r in bench.run(tasks, methods, settings)]
        for damage, group in groups(title, records):
            entries += table(damage, group, conditions)
        print(title, flush=True)
    print(keep(MEASURED, entries, NOTE))


def groups(title: str, records: Sequence[bench.Record]) -> Iterator[tuple[str, list[bench.Record]]]:
    """The rows of the table: every corruption of its own, and all that is summed up by one mean over each picture."""
    if title == "compressed twice":
        for corruption in dict.fromkeys(r.corruption for r in records):
            yield corruption, [r for r in records if r.corruption == corruption]
    yield title, means(title, records)


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
    absolute = [row for row in summarise(records) if row.method in (BASELINE, "regression")]
    relative = [row for row in differences(records, "regression", PAIRED) if row.method in SAMPLED]
    for row in (*absolute, *relative):
        if row.metric in PAIRED:
            mean, decimals = row.mean, METRICS[row.metric].decimals
            form = (
                f"{{:+.{decimals}f}} ± {(mean.high - mean.low) / 2:.{decimals}f}" if row.over else f"{{:.{decimals}f}}"
            )
            what = {"damage": damage, "restoration": row.method}
            heading = METRICS[row.metric].heading
            yield Measurement(what, heading, mean.value, "", form, conditions, mean.low, mean.high, mean.count)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", type=Path, default=ROOT / "runs/single.onnx")
    add("--shared", type=Path, default=ROOT.parent / "shared", help="folder of data and weights")
    add("--out", type=Path, default=ROOT / "runs", help="records")
    add("--images", type=int, help="only this many pictures of LIVE1, evenly spaced")
    add("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
