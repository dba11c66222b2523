"""The commands `driftrec inspect` and `driftrec models`."""

from typing import Annotated

import typer

from driftrec.cli.console import complain, out, stop


def inspect(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Pictures, folders, or patterns like '*.jpg'.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line, with the tables.")] = False,
) -> None:
    """Show the size, quality, sampling and earlier compressions of pictures, and what 'restore' would do with them."""
    import json

    from rich.box import SIMPLE
    from rich.table import Table

    from driftrec.restoration.decision import inspect as look
    from driftrec.restoration.files import expand

    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("file", "size", "quality", "sampling", "bytes per pixel", "saved before", "restore would"):
        table.add_column(name, overflow="fold", no_wrap=name == "size", min_width=min(len(name), 8))
    failures = 0
    try:
        paths = [path for text in files for path, _ in expand(text)]
    except ValueError as error:
        stop(error)
    for path in paths:
        try:
            found = look(path)
        except (ValueError, OSError, MemoryError) as error:
            failures += 1
            complain(error)
            continue
        if as_json:
            out.print_json(json.dumps({"file": str(path)} | found.facts()), indent=None, highlight=False)
        else:
            table.add_row(str(path), *found.row())
    if table.rows:
        out.print(table)
    if failures:
        stop(f"{failures} of {len(paths)} pictures could not be read")


def models() -> None:
    """List the models that come with driftrec."""
    from rich.table import Table

    from driftrec.model.find import bundled_models
    from driftrec.model.onnx import Network

    table = Table("name", "megabytes", "parameters", "multiply–adds per pixel", "natural", "trained on", "licence")
    for name, path in bundled_models().items():
        card = Network(path).card
        facts = card.facts
        table.add_row(
            name,
            f"{path.stat().st_size / 1e6:.1f}",
            f"{facts['parameters'] / 1e6:.2f} M",
            f"{facts['multiply_adds_per_pixel'] / 1e3:.1f} k",
            f"{facts['plan_multiply_adds_per_pixel'] / 1e3:.1f} k in {card.plan.evaluations} steps",
            str(facts["training"]["pictures"]),
            str(facts["licence"]),
        )
    out.print(table)
