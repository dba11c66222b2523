"""Tables from the logs of training runs: what each trial had gained over the JPEGs, or how close it came to clean
pictures, and when.

    python research/trials.py                                                 # all tables of the notes, and their plot
    python research/trials.py run/log.jsonl                                   # a table of other logs, printed
    python research/trials.py research/logs/trials/finish-*.jsonl --finisher  # LPIPS of finishers
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from driftrec.evaluate.plots import drawing
from driftrec.evaluate.tables import Table

ROOT = Path(__file__).parent
QUALITIES = (5, 10, 20, 40, 80, 95)
GAINS = ("10", "40", "80", "95", "10_30")
TABLES = {
    "trials": ("trials/[am]*.jsonl", False),
    "run_more": ("runs/small-more.jsonl", False),
    "run_again": ("runs/small-again.jsonl", False),
    "run_base": ("runs/base.jsonl", False),
    "run_mixture": ("runs/small-mixture.jsonl", False),
    "run_mixture_base": ("runs/base-mixture.jsonl", False),
    "run_clean": ("runs/small-clean.jsonl", False),
    "run_high": ("runs/small-[hl]*.jsonl", False),
    "run_high_base": ("runs/base-high.jsonl", False),
    "run_restart": ("runs/base-restart.jsonl", False),
    "finisher_mixture": ("runs/small-finish-mixture.jsonl", True),
    "finisher_high": ("runs/small-finish-high.jsonl", True),
    "finisher_trials": ("trials/finish-*.jsonl", True),
    "finisher_run": ("runs/small-finish.jsonl", True),
    "finisher_more": ("runs/small-finish-more.jsonl", True),
    "finisher_deep": ("runs/small-finish-deep.jsonl", True),
    "finisher_low": ("runs/small-finish-low.jsonl", True),
    "finisher_on": ("runs/small-finish-on.jsonl", True),
    "finisher_large": ("runs/small-finish-large.jsonl", True),
    "finisher_mixture_base": ("runs/base-finish-mixture.jsonl", True),
    "finisher_base": ("runs/base-finish.jsonl", True),
    "finisher_state": ("trials/state-*.jsonl", True),
}
"""The tables of the notes: logs below research/logs, and whether they are of finishers."""
PLOTTED = ("runs/small-more.jsonl", "runs/small-again.jsonl")

Record = dict[str, float]
Column = Callable[[Record], str]


def main() -> None:
    options = read_options()
    if options.logs:
        print(table(options.logs, options.finisher, options.every).markdown())
    else:
        render()
        plot([ROOT / "logs" / name for name in PLOTTED], ROOT / "notes/validation.png")


def render() -> None:
    """Writes the tables of the notes."""
    for name, (pattern, finisher) in TABLES.items():
        page = table(sorted((ROOT / "logs").glob(pattern)), finisher).markdown()
        (ROOT / f"measured/{name}.md").write_text(f"{page}\n", encoding="utf-8")


def table(paths: Sequence[Path], finisher: bool, every: int = 1) -> Table:
    """What the logs have of the columns of finishers or of other runs; every n-th record, counted from the last."""
    logs = read(paths)
    columns = there(logs, distances() if finisher else gains())
    rows = [
        (name, (f"{record['step']}", f"{record['minutes']:.1f}", *(cell(record) for cell in columns.values())))
        for name, log in logs.items()
        for i, record in enumerate(log)
        if (len(log) - 1 - i) % every == 0
    ]
    return Table("", ("step", "minutes", *columns), tuple(rows), "trial")


def read(paths: Sequence[Path]) -> dict[str, list[Record]]:
    """The records of logs by their names."""
    return {path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in paths}


def there(logs: dict[str, list[Record]], columns: dict[str, Column]) -> dict[str, Column]:
    """The columns that have a value in some record."""
    return {head: cell for head, cell in columns.items() if any(cell(r) != "–" for log in logs.values() for r in log)}


def plot(paths: Sequence[Path], target: Path) -> None:
    """Gains over minutes of training, one run after the other."""
    logs = read(paths)
    with drawing(target) as axes:
        for color, (head, cell) in enumerate(there(logs, gains()).items()):
            before = 0.0
            for log in logs.values():
                shown = [(before + r["minutes"], float(cell(r))) for r in log if cell(r) != "–"]
                axes.plot(*zip(*shown, strict=True), ".-", color=f"C{color}", label=None if before else head)
                before += log[-1]["minutes"]
        axes.set(xlabel=f"minutes of training: {', then '.join(logs)}", ylabel="dB over the JPEG, held-out crops")
        axes.legend(frameon=False, fontsize="small", ncols=2)


def gains() -> dict[str, Column]:
    """{heading: record -> cell}: PSNR of faithful restorations over that of the JPEGs, in dB; natural at quality 10."""
    columns = {f"gain at {q.replace('_', ' → ')}": lambda r, q=q: _gain(r, f"faithful_{q}", q) for q in GAINS}
    return columns | {"natural at 10": lambda r: _gain(r, "natural_10", "10")}


def distances() -> dict[str, Column]:
    """{heading: record -> cell}: both LPIPS of natural restorations, and their PSNR in dB."""
    kinds = {
        "LPIPS-Alex": ("lpips_alex", "{:.3f}"),
        "-Squeeze": ("lpips_squeeze", "{:.3f}"),
        "PSNR": ("natural", "{:.2f}"),
    }
    return {
        f"{head} at {q}": lambda r, key=f"{key}_{q}", form=form: form.format(r[key]) if key in r else "–"
        for head, (key, form) in kinds.items()
        for q in QUALITIES[:4]
    }


def _gain(record: Record, key: str, quality: str) -> str:
    return f"{record[key] - record[f'jpeg_{quality}']:+.2f}" if key in record else "–"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path, nargs="*", help="log.jsonl files of runs; without them, those of the notes")
    parser.add_argument("--finisher", action="store_true", help="the runs are of finishers: show LPIPS")
    parser.add_argument("--every", type=int, default=1, help="only every n-th record, counted from the last")
    return parser.parse_args()


if __name__ == "__main__":
    main()
