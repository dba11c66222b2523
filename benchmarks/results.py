"""Measures the bundled models with every protocol whose data is available.

    python benchmarks/results.py                        # an hour on two cores; resumes after an interruption
    python benchmarks/results.py live1-color wild       # these protocols only; keeps the other results
    python benchmarks/results.py live1-color --only plain faithful natural --quality 10   # keeps all other values
    python benchmarks/publish.py                        # the tables, and the pages that show them

Each protocol is one call of `driftrec benchmark`, printed above its tables.  Means, differences and costs are stored in
docs/measured/results_PROTOCOL.jsonl; the tables (.md), CSV files and pages are rendered from them.
"""

import argparse
import shutil
from pathlib import Path

from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.evaluate.benchmark import Record, Settings, pictures_in, read_records
from driftrec.evaluate.measurement import Conditions, Measurements
from driftrec.evaluate.methods import Driftrec, parse_method
from driftrec.evaluate.protocols import PROTOCOLS, find_protocol
from driftrec.evaluate.published import published
from driftrec.evaluate.report import all_rows, caption, conditions, section
from driftrec.evaluate.tables import Row, as_csv

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "docs/measured"
DATA = {
    "live1-color": "live1",
    "classic5": "classic5",
    "double-jpeg": "live1",
    "double-jpeg-color": "live1",
    "high-quality": "live1",
    "wild": "found",
    "sampling": "live1",
    "screens": "graphics/screens",
    "pages": "graphics/pages",
    "drawings": "graphics/drawings",
}
"""Protocols and the folders of their pictures."""

MADE = ("wild", "screens", "pages", "drawings")
"""Protocols whose pictures benchmarks/found_pictures.py and graphics_pictures.py make."""

SUBSETS = {"sampling": 15}
"""How many pictures, evenly spaced, where hundreds of evaluations of all would take hours."""

COSTS = ("seconds_per_megapixel", "megabytes", "evaluations")


def main() -> None:
    options = read_options()
    for name in options.protocols:
        measure(name, options)
        render(name)


def measure(name: str, options: argparse.Namespace) -> None:
    """Runs a protocol and stores its results."""
    folder = options.made if name in MADE else options.shared / "data/test"
    data = folder / DATA[name]
    records, settings, measured = run(name, data, data.name, options)
    target = MEASURED / f"results_{name}.jsonl"
    rows = all_rows(records, find_protocol(name), settings)
    fresh = Measurements([row.measurement(measured) for row in rows])
    if options.only or options.quality:
        stored = Measurements.read(target)
        quality = [entry for entry in fresh.entries if entry.measure not in COSTS]  # costs compare methods of one run
        stored.updated(Measurements(quality, stored.note)).write(target)
        return
    fresh.write(target)
    if (plot := options.out / name / "plots/perception-distortion.png").is_file():
        shutil.copyfile(plot, MEASURED / f"results_{name}.png")


def run(name: str, data: Path, title: str, options: argparse.Namespace) -> tuple[list[Record], Settings, Conditions]:
    """Runs a protocol on the pictures of a folder, which its conditions call `title`."""
    out = options.out / name
    images, only, qualities = (vars(options).get(key) for key in ("images", "only", "quality"))
    images = images or SUBSETS.get(name)
    print(call(name, data.name), flush=True)
    arguments = ["--protocol", name, "--data", data, "--out", out, "--weights", options.shared / "weights"]
    arguments += ["--workers", options.workers, "--threads", options.threads]
    arguments += ["--images", images] if images else []
    arguments += [part for method in only or () for part in ("--method", method)]
    arguments += ["--quality", ",".join(map(str, qualities))] if qualities else []
    result = CliRunner().invoke(app, ["benchmark", *map(str, arguments)])
    if result.exit_code:
        raise SystemExit(result.output)
    measured = {path.stem for path in pictures_in(data, images)}
    protocol = find_protocol(name, tuple(qualities or ()))
    methods = [parse_method(method) for method in only or protocol.methods]
    asked = {method.label for method in methods}, {corruption.name for corruption in protocol.corruptions}
    latest = {(r.picture, r.corruption, r.method): r for r in read_records(out / "records.jsonl")}  # by today's code
    records = [
        record
        for record in latest.values()
        if record.picture in measured
        and (not only or record.method in asked[0])
        and (not qualities or record.corruption in asked[1])
    ]
    kept = protocol.features if (out / "features").is_dir() else None
    settings = Settings((), out, features=kept, threads=options.threads, workers=options.workers)
    models = dict.fromkeys(
        str(m.options.model) for m in methods if isinstance(m, Driftrec) and m.options.mode != "decode"
    )
    return records, settings, conditions(records, settings, title, models)


def call(name: str, data: str) -> str:
    """The command that measures a protocol."""
    subset = f" --images {SUBSETS[name]}" if name in SUBSETS else ""
    return f"driftrec benchmark --protocol {name} --data {data}{subset}"


def render(name: str) -> None:
    """Writes the section and the CSV file of a protocol from the stored results."""
    protocol, stored = PROTOCOLS[name], Measurements.read(MEASURED / f"results_{name}.jsonl")
    rows, others = [Row.of(entry) for entry in stored.entries], published(protocol.published)
    text = section(rows, protocol, captions(stored))
    if (MEASURED / f"results_{name}.png").is_file():
        text = f"![LPIPS over PSNR](../measured/results_{name}.png)\n\n{text}"
    page = f"## {protocol.title}\n\n```sh\n{call(name, Path(DATA[name]).name)}\n```\n\n{text}\n"
    (MEASURED / f"results_{name}.md").write_text(page, encoding="utf-8")
    (MEASURED / f"results_{name}.csv").write_text(as_csv(rows, others), encoding="utf-8")


def captions(stored: Measurements) -> str:
    """The conditions of all values; where they differ, with the rows that they hold for."""
    groups: dict[str, dict[str, dict[str, None]]] = {}
    for entry in stored.entries:
        methods = groups.setdefault(caption(entry.conditions), {})
        methods.setdefault(str(entry.what["method"]), {})[str(entry.what["corruption"])] = None
    if len(groups) == 1:
        return next(iter(groups))
    everywhere = [method for methods in groups.values() for method in methods]
    lines = []
    for note, methods in groups.items():
        rows = [m if everywhere.count(m) == 1 else f"{m} ({', '.join(filter(None, q))})" for m, q in methods.items()]
        lines.append(f"{', '.join(rows)}: {note}")
    return "\n\n".join(lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("protocols", nargs="*", default=list(DATA), metavar="PROTOCOL")
    add("--shared", type=Path, default=ROOT.parent / "shared", help="folder of data/test and weights")
    add("--made", type=Path, default=ROOT / "runs", help="folder of the pictures that other scripts have made")
    add("--out", type=Path, default=ROOT / "runs/benchmark", help="records, plots, sheets")
    add("--images", type=int, help="only this many pictures of each set, evenly spaced")
    add("--only", nargs="+", metavar="METHOD", help="only these methods, as `driftrec benchmark` takes them")
    add("--quality", nargs="+", type=int, metavar="Q", help="only these qualities")
    add("--workers", type=int, default=1, help="pictures at a time; more make seconds meaningless")
    add("--threads", type=int, default=2)
    options = parser.parse_args()
    if unknown := set(options.protocols) - set(DATA):
        parser.error(f"no protocol {', '.join(unknown)} here: choose from {', '.join(DATA)}")
    return options


if __name__ == "__main__":
    main()
