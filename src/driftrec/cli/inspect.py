"""The commands `driftrec inspect` and `driftrec models`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from driftrec.cli.console import complain, entry, say, stop
from driftrec.cli.options import ModelOption, VerboseOption
from driftrec.cli.streams import open_source
from driftrec.text import json_line, printable

if TYPE_CHECKING:
    from driftrec.model.card import Card
    from driftrec.restoration.decision import Inspection


def inspect(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Pictures, folders, patterns like '*.jpg', or - for standard input."),
    ],
    model: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line, with the tables.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the quality of pictures, and earlier compressions.  Also says what 'restore' would do with them."""
    from driftrec.cli.progress import PictureProgress
    from driftrec.model.open import open_model
    from driftrec.restoration.decision import inspect as look
    from driftrec.restoration.files import expand

    try:
        paths = [path for text in files for path, _ in expand(text)]
        corruption = open_model(model, finish=False).card.corruption if model else "jpeg"
    except ValueError as error:
        stop(error)
    progress, failures = PictureProgress(paths), 0
    for path in paths:
        try:
            with progress.picture(printable(path.name), path) as steps:
                steps.says("reading")
                picture = open_source(path, partial=True)
                steps.says("examining")
                found = look(picture, corruption)
        except (ValueError, OSError, MemoryError) as error:
            failures += 1
            complain(error)
            continue
        say(
            json_line({"file": str(path)} | found.facts(), ascii_only=True)
            if as_json
            else entry(picture.name, *_clauses(found, verbose))
        )
    if failures:
        if len(paths) > 1:
            complain(f"{failures} of {len(paths)} pictures could not be read")
        sys.exit(1)


def _clauses(found: "Inspection", verbose: bool) -> list[str]:
    """What people read about a picture: its size and what would be done with it, and on request all facts."""
    size, *facts, _ = found.row()
    work = {"restore": "restored", "decode": "decoded", "leave": "left as it is"}[found.decision.verdict]
    missing = f"; {found.missing}" if found.missing else ""
    clauses = [f"{size}, would be {work}: {found.decision.why}{missing}"]
    if verbose:
        names = ("quality", "sampling", "bytes per pixel", "saved before")
        clauses.append(", ".join(f"{name}: {fact}" for name, fact in zip(names, facts, strict=True)))
    return clauses


def models() -> None:
    """List the models that come with driftrec.  Says which to choose, and how much slower each one is."""
    from driftrec.model.find import DEFAULT_MODEL, bundled_models
    from driftrec.model.onnx import Network

    paths = bundled_models()
    cards = {name: Network(path, finish=False).card for name, path in paths.items()}
    usual = cards[DEFAULT_MODEL]
    for name, card in sorted(cards.items(), key=lambda item: item[1] is not usual):
        facts = card.facts
        say(
            entry(
                f"{name} (the default)" if card is usual else name,
                "choose it first, and for many pictures" if card is usual else _compared(card, usual),
                f"{paths[name].stat().st_size / 1e6:.0f} MB, {facts['parameters'] / 1e6:.1f} million parameters, "
                f"trained on {facts['training']['pictures']} pictures, licence {facts['licence']}",
            )
        )


def _compared(card: "Card", usual: "Card") -> str:
    """How a model compares with the default one; the time is taken to be proportional to the multiply–adds."""
    natural, faithful = (
        card.facts[key] / usual.facts[key] for key in ("plan_multiply_adds_per_pixel", "multiply_adds_per_pixel")
    )
    gain = "closer to the original" if faithful > 1 else "less close to the original"
    return (
        f"{gain}: natural restorations take about {natural:.1f} times as long as with {usual.name}, "
        f"faithful ones {faithful:.1f} times"
    )
