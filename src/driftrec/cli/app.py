"""The `driftrec` program and its subcommands.

Commands import slow packages only when they run: `--help` answers at once, and `restore` never needs PyTorch.
"""

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

app = typer.Typer(
    name="driftrec",
    help="Restores over-compressed JPEGs.  Start with:  driftrec restore photo.jpg",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        say(f"driftrec {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for command in (restore, restore_archive, inspect, models, serve, evaluate, benchmark, train, export, import_official):
    app.command(cls=DeviceHelp)(command)
app.add_typer(dataset, name="dataset")


def main() -> None:
    """Entry point of the `driftrec` program."""
    tolerate_encodings()
    with output_guarded():
        app()
