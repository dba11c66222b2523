"""Tables from the logs of training runs: what each trial had gained over the JPEGs, or how close it came to clean
pictures, and when.

python research/trials.py docs/trials/[am]*.jsonl --markdown docs/trials.md
python research/trials.py docs/runs/small-more.jsonl --markdown docs/run_more.md
python research/trials.py docs/runs/small-again.jsonl --markdown docs/run_again.md
python research/trials.py docs/runs/base.jsonl --markdown docs/run_base.md
python research/trials.py docs/runs/small-more.jsonl docs/runs/small-again.jsonl --plot docs/validation.png
python research/trials.py docs/trials/finish-*.jsonl --finisher --markdown docs/finisher_trials.md
python research/trials.py docs/runs/small-finish.jsonl --finisher --markdown docs/finisher_run.md
python research/trials.py docs/runs/small-finish-more.jsonl --finisher --markdown docs/finisher_more.md
python research/trials.py docs/runs/small-finish-deep.jsonl --finisher --markdown docs/finisher_deep.md
python research/trials.py docs/runs/small-finish-low.jsonl --finisher --markdown docs/finisher_low.md
python research/trials.py docs/runs/small-finish-on.jsonl --finisher --markdown docs/finisher_on.md
python research/trials.py docs/runs/small-finish-large.jsonl --finisher --markdown docs/finisher_large.md
python research/trials.py docs/runs/base-finish.jsonl --finisher --markdown docs/finisher_base.md
python research/trials.py docs/trials/state-*.jsonl --finisher --markdown docs/finisher_state.md
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from driftrec.evaluate.plots import drawing

QUALITIES = (5, 10, 20, 40, 80, 95)
GAINS = ("10", "40", "80", "95", "10_30")

Record = dict[str, float]
Column = Callable[[Record], str]


def main() -> None:
    options = read_options()
    logs = {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in options.logs}
    columns = distances() if options.finisher else gains()
    there = {head: cell for head, cell in columns.items() if any(cell(r) != "–" for log in logs.values() for r in log)}
    heads = ["trial", "step", "minutes", *there]
    lines = [f"| {' | '.join(heads)} |", f"| --- {'| --: ' * (len(heads) - 1)}|"]
    for name, log in logs.items():
        for record in [record for i, record in enumerate(log) if (len(log) - 1 - i) % options.every == 0]:
            cells = [name, f"{record['step']}", f"{record['minutes']:.1f}", *(cell(record) for cell in there.values())]
            lines.append(f"| {' | '.join(cells)} |")
    page = "\n".join(lines) + "\n"
    print(page)
    if options.markdown:
        options.markdown.write_text(page, encoding="utf-8")
    if options.plot:
        plot(logs, there, options.plot)


def plot(logs: dict[str, list[Record]], columns: dict[str, Column], path: Path) -> None:
    """The columns over minutes of training, one run after the other."""
    with drawing(path) as axes:
        for color, (head, cell) in enumerate(columns.items()):
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
    parser.add_argument("logs", type=Path, nargs="+", help="log.jsonl files of runs, named after their trial")
    parser.add_argument("--finisher", action="store_true", help="the runs are of finishers: show LPIPS")
    parser.add_argument("--every", type=int, default=1, help="only every n-th record, counted from the last")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the columns over the minutes of all runs there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
