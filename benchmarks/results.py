"""Measures the shipped model by every protocol that can be run here, and writes docs/results.md from the records.

    python benchmarks/results.py                        # an hour on two cores; goes on where it was stopped
    python benchmarks/results.py live1-color wild       # these sections only; the others stay as they were

Each protocol is one call of `driftrec benchmark`, printed above its tables.  What is kept: docs/results/PROTOCOL.md and
.csv, docs/results.md made of them, and docs/quality.md, the README's table.
"""

import argparse
import shutil
from pathlib import Path

from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.evaluate.benchmark import Settings, read_records
from driftrec.evaluate.protocols import PROTOCOLS
from driftrec.evaluate.published import published
from driftrec.evaluate.report import CONVENTIONS, caption, section
from driftrec.evaluate.tables import metric_tables, sources

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs/results"
DATA = {
    "live1-color": "live1",
    "classic5": "classic5",
    "double-jpeg": "live1",
    "double-jpeg-color": "live1",
    "high-quality": "live1",
    "wild": "real_jpegs",
}
HEAD = """\
# Results

Made by `benchmarks/results.py` with the shipped model; the records behind the tables are written by the command above
each section, and their means are in [results/](results/) as CSV.  How fast it is on an idle machine: the
[README](../README.md).

"""
NOT_HERE = """\
## What could not be run here

No weights of other networks could be had where this was measured, and no ImageNet.  With them at hand:

```sh
driftrec benchmark --protocol live1-color --data live1/ --method plain --method fbcnn:weights=fbcnn_color.pth
driftrec benchmark --protocol live1-color --data live1/ --method natural --command 'mytool {input} {output}'
driftrec benchmark --protocol imagenet-fid --data imagenet-val-10k/ --method plain --method natural
```
"""


def main() -> None:
    options = read_options()
    RESULTS.mkdir(exist_ok=True)
    for name in options.protocols:
        measure(name, options)
    pages = [RESULTS / f"{name}.md" for name in DATA]
    there = "\n".join(page.read_text(encoding="utf-8") for page in pages if page.is_file())
    page = f"{HEAD}{there}\n## Conventions\n\n{CONVENTIONS}\n\n{NOT_HERE}"
    (ROOT / "docs/results.md").write_text(page, encoding="utf-8")


def measure(name: str, options: argparse.Namespace) -> None:
    """Runs a protocol, and writes its page and its CSV."""
    protocol, out = PROTOCOLS[name], options.out / name
    call = f"driftrec benchmark --protocol {name} --data {DATA[name]}"
    print(call, flush=True)
    arguments = ["--protocol", name, "--data", options.shared / "data/test" / DATA[name], "--out", out]
    arguments += ["--weights", options.shared / "weights", "--workers", options.workers, "--threads", options.threads]
    result = CliRunner().invoke(app, ["benchmark", *map(str, arguments)])
    if result.exit_code:
        raise SystemExit(result.output)
    records = read_records(out / "records.jsonl")
    settings = Settings((), out, threads=options.threads, workers=options.workers)
    text = section(records, protocol, settings, DATA[name])
    if (plot := out / "plots/perception-distortion.png").is_file():
        shutil.copyfile(plot, RESULTS / f"{name}.png")
        text = f"![LPIPS over PSNR]({RESULTS.name}/{name}.png)\n\n{text}"
    (RESULTS / f"{name}.md").write_text(f"## {protocol.title}\n\n```sh\n{call}\n```\n\n{text}\n", encoding="utf-8")
    (RESULTS / f"{name}.csv").write_bytes((out / "tables.csv").read_bytes())
    if name == "live1-color":
        rows = published(protocol.published)
        shown = "\n\n".join(table.markdown() for table in metric_tables(records, rows, ("psnr", "lpips_alex")))
        note = f"{caption(records, settings, 'LIVE1')}\n\n† published, not measured here:\n\n{sources(rows)}"
        (ROOT / "docs/quality.md").write_text(f"{shown}\n\n{note}\n", encoding="utf-8")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("protocols", nargs="*", default=list(DATA), metavar="PROTOCOL")
    add("--shared", type=Path, default=ROOT.parent / "shared", help="folder of data/test and weights")
    add("--out", type=Path, default=ROOT / "runs/benchmark", help="records, plots, sheets")
    add("--workers", type=int, default=1, help="pictures at a time; more make seconds meaningless")
    add("--threads", type=int, default=2)
    options = parser.parse_args()
    if unknown := set(options.protocols) - set(DATA):
        parser.error(f"no protocol {', '.join(unknown)} here: choose from {', '.join(DATA)}")
    return options


if __name__ == "__main__":
    main()
