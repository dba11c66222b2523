"""Tables from the logs of training runs: what each trial had gained over the JPEGs, and when.

python benchmarks/trials.py docs/trials/*.jsonl --markdown docs/trials.md
python benchmarks/trials.py docs/runs/small.jsonl --every 3 --markdown docs/run.md
"""

import argparse
import json
from pathlib import Path

QUALITIES = (10, 40, 80, 95)


def main() -> None:
    options = read_options()
    logs = {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in options.logs}
    qualities = [q for q in QUALITIES if any(f"faithful_{q}" in record for log in logs.values() for record in log)]
    heads = ["trial", "step", "minutes", *(f"gain at {q}" for q in qualities), "natural at 10"]
    lines = [f"| {' | '.join(heads)} |", f"| --- {'| --: ' * (len(heads) - 1)}|"]
    for name, log in logs.items():
        kept = [record for i, record in enumerate(log) if (len(log) - 1 - i) % options.every == 0]
        lines += [f"| {' | '.join(row(name, record, qualities))} |" for record in kept]
    page = "\n".join(lines) + "\n"
    print(page)
    if options.markdown:
        options.markdown.write_text(page, encoding="utf-8")


def row(name: str, record: dict[str, float], qualities: list[int]) -> list[str]:
    """PSNR of faithful restorations over that of the JPEGs, in dB; the natural one's at quality 10 likewise."""
    gains = [gain(record, f"faithful_{q}", q) for q in qualities]
    return [name, f"{record['step']}", f"{record['minutes']:.1f}", *gains, gain(record, "natural_10", 10)]


def gain(record: dict[str, float], key: str, quality: int) -> str:
    return f"{record[key] - record[f'jpeg_{quality}']:+.2f}" if key in record else "–"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path, nargs="+", help="log.jsonl files of runs, named after their trial")
    parser.add_argument("--every", type=int, default=1, help="only every n-th record, counted from the last")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
