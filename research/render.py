"""Renders every table and page of the research from its records: `python research/render.py`, offline, in seconds."""

from pathlib import Path

import ablations
import abstract
import findings
import shape_tables
import trials
from driftrec.evaluate.tables import render
from experiments.catalogue import EXPERIMENTS
from experiments.report import page, read_records

ROOT = Path(__file__).parent


def main() -> None:
    for path in sorted((ROOT / "measured").glob("*.jsonl")):
        render(path)
    trials.render()
    ablations.render()
    findings.render()
    abstract.render()
    shape_tables.render()
    folder = ROOT / "notes/experiments"
    for name, experiment in EXPERIMENTS.items():
        rows, conditions = read_records(folder / f"{name}.jsonl")
        page(name, experiment, rows, folder, conditions, draw=False)


if __name__ == "__main__":
    main()
