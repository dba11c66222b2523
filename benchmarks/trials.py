"""Tables from the logs of training runs: what each trial had gained over the JPEGs, or how close it came to clean
pictures, and when.

python benchmarks/trials.py docs/trials/[am]*.jsonl --markdown docs/trials.md
python benchmarks/trials.py docs/runs/small-more.jsonl --markdown docs/run_more.md
python benchmarks/trials.py docs/trials/finish-*.jsonl --finisher --markdown docs/finisher_trials.md
python benchmarks/trials.py docs/runs/small-finish.jsonl --finisher --markdown docs/finisher_run.md
python benchmarks/trials.py docs/runs/small-finish-more.jsonl --finisher --markdown docs/finisher_more.md
"""

import argparse
import json
from pathlib import Path

QUALITIES = (5, 10, 20, 40, 80, 95)
GAINS = ("10", "40", "80", "95", "10_30")

Record = dict[str, float]


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


def gains() -> dict:
    """{heading: record -> cell}: PSNR of faithful restorations over that of the JPEGs, in dB; natural at quality 10."""
    columns = {f"gain at {q.replace('_', ' → ')}": lambda r, q=q: _gain(r, f"faithful_{q}", q) for q in GAINS}
    return columns | {"natural at 10": lambda r: _gain(r, "natural_10", "10")}


def distances() -> dict:
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
    return parser.parse_args()


if __name__ == "__main__":
    main()
