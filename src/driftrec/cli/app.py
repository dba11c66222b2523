"""The `driftrec` program and its subcommands.

Commands import slow packages only when they run: `--help` answers at once, and `restore` never needs PyTorch.
"""

import gc
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from driftrec import __version__
from driftrec.cli.archive import restore_archive
from driftrec.cli.console import output_guarded, say, tolerate_encodings
from driftrec.cli.evaluate import benchmark, evaluate
from driftrec.cli.inspect import inspect, models
from driftrec.cli.options import DeviceHelp
from driftrec.cli.restore import restore
from driftrec.cli.serve import serve
from driftrec.cli.train import dataset, export, import_official, train

COMMANDS: tuple[Callable[..., None], ...] = (
    restore,
    restore_archive,
    inspect,
    models,
    serve,
    evaluate,
    benchmark,
    train,
    export,
    import_official,
)


def _version(asked: bool) -> None:
    if asked:
        say(f"driftrec {__version__}")
        raise typer.Exit


def _common(
    version: Annotated[  # noqa: ARG001 (its callback has done the work)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    if not gc.isenabled():  # see `main`
        gc.freeze()
        gc.enable()


def program(*commands: Callable[..., None]) -> typer.Typer:
    """Returns the program with these commands only."""
    made = typer.Typer(
        name="driftrec",
        help="Restores over-compressed JPEGs.  Start with:  driftrec restore photo.jpg",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.callback()(_common)
    for command in commands:
        made.command(cls=DeviceHelp)(command)
    return made


app = program(*COMMANDS)
app.add_typer(dataset, name="dataset")


def main() -> None:
    """Entry point of the `driftrec` program.

    Only the command that is called is set up, as Typer takes long for all of them, and garbage is not searched for
    before its arguments are read: there is none.  NumPy's matrices are so small here that OpenBLAS, which reads the
    environment when NumPy is imported, would only wait for its own threads.
    """
    gc.disable()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    tolerate_encodings()
    called = [command for command in COMMANDS if command.__name__.replace("_", "-") in sys.argv[1:2]]
    with output_guarded():
        (program(*called) if called else app)()
