"""The tables of notes/shape-and-inputs.md from the logs of its trials, written by `render.py`.

Gains are those of faithful estimates over the JPEG, in dB; `chroma`, of Cb and Cr together; `bare`, of pixels alone.
"""

import json
from pathlib import Path
from typing import Any

from driftrec.evaluate.tables import Table

ROOT = Path(__file__).parent
LOGS = ROOT / "logs/shape-and-inputs"
CORRUPTIONS = ("10", "20", "40", "80", "10_30")
KINDS = {"": "as files", "bare_": "bare", "chroma_": "chroma"}

GROUPS = {
    "shapes": ("base", "base-seed", "quarter", "quarter-seed", "even", "patch4"),
    "inputs": ("quarter", "expected", "ycc", "own", "tables", "grid", "both", "kept", "rgb-both"),
    "blocks": ("quarter", "gated", "gated-attention"),
}

BUDGETS = (100, 200, 300)
"""Processor seconds at which trials are compared."""

Record = dict[str, Any]


def render() -> None:
    """Writes measured/shape_NAME.md for every table that has rows."""
    tables = {"layouts": layouts(), "convolutions": convolutions(), "rehearsal": course("rehearsal")}
    tables |= {name: gains(names) for name, names in GROUPS.items()}
    tables["costs"] = costs(list(dict.fromkeys(name for names in GROUPS.values() for name in names)))
    for name, table in tables.items():
        if table.rows:
            (ROOT / f"measured/shape_{name}.md").write_text(f"{table.markdown()}\n", encoding="utf-8")


def records(name: str) -> list[Record]:
    """The log of a trial, empty where it was not run."""
    path = LOGS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def layouts() -> Table:
    """Speed and share of the peak of every layout."""
    rows = [
        (
            f"{r['layout']}{', without update' if not r.get('update', True) else ''}",
            f"{r['multiply_adds'] / 1000:.0f}",
            f"{r['crop']} × {r['batch']}",
            f"{r['crops_per_second']:.1f}",
            f"{r['tera_operations']:.2f}",
            f"{r['share']:.2f}",
        )
        for r in records("shapes")
    ]
    heads = "layout", "thousand multiply–adds per pixel", "crop × batch", "crops per second", "Tera-op/s", "of the peak"
    return table_of(heads, rows)


def convolutions() -> Table:
    """Tera-operations per second of single convolutions."""
    parts = "forward", "to_inputs", "to_weights", "all", "matrix"
    rows = [(f"{r['channels']}, {r['size']}²", *(f"{r[part]:.2f}" for part in parts)) for r in records("convolutions")]
    heads = "channels, size", "forward", "to inputs", "to weights", "all three", "2048² matrix product"
    return table_of(heads, rows)


def gains(names: tuple[str, ...]) -> Table:
    """Every scoring of the trials: gains over the JPEG as files, of pixels alone, and of chroma where it was scored."""
    rows = []
    for kind, label in KINDS.items():
        for seconds in BUDGETS:
            for name in names:
                found = [r for r in records(name) if round(r["processor_seconds"], -2) == seconds]
                if found and f"{kind}{CORRUPTIONS[0]}" in found[-1]:
                    rows.append((label, f"{seconds}", name, *gain(found[-1], kind)))
    return table_of(("", "seconds", "trial", *(c.replace("_", " → ") for c in CORRUPTIONS)), rows)


def gain(record: Record, kind: str) -> list[str]:
    plain = kind.removeprefix("bare_")
    return [f"{record[f'{kind}{c}'] - record[f'{plain}jpeg_{c}']:+.2f}" for c in CORRUPTIONS]


def costs(names: list[str]) -> Table:
    """What every trial took."""
    last = {name: found[-1] for name in names if (found := records(name))}
    rows = [
        (
            name,
            f"{r['multiply_adds'] / 1000:.0f}",
            f"{r['parameters'] / 1e6:.1f}",
            f"{r['step']}",
            f"{r['processor_seconds']:.0f}",
            f"{r['crops_per_processor_second']:.1f}",
            f"{1000 * r['peta_operations']:.0f}",
            f"{1000 * r['peta_operations'] / r['processor_seconds']:.2f}",
        )
        for name, r in last.items()
    ]
    heads = "trial", "thousand multiply–adds", "million parameters", "steps", "processor seconds"
    return table_of((*heads, "crops per second", "Tera-op", "Tera-op/s"), rows)


def course(name: str) -> Table:
    """A run's gains over its arithmetic."""
    rows = [
        (
            f"{r['step']}",
            f"{r['peta_operations']:.3f}",
            *(f"{r[c] - r[f'jpeg_{c}']:+.2f}" for c in CORRUPTIONS),
            *(f"{r[f'chroma_{c}'] - r[f'chroma_jpeg_{c}']:+.2f}" for c in ("10", "40")),
            *(f"{r[f'bare_{c}'] - r[f'jpeg_{c}']:+.2f}" for c in ("10", "40")),
        )
        for r in records(name)
    ]
    gains_of = [c.replace("_", " → ") for c in CORRUPTIONS]
    return table_of(("step", "Peta-op", *gains_of, "chroma 10", "chroma 40", "bare 10", "bare 40"), rows)


def table_of(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    """A table whose first column names the rows."""
    return Table("", heads[1:], tuple((name, cells) for name, *rest in rows for cells in [tuple(rest)]), heads[0])
