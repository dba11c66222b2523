"""The command line: `driftrec restore photo.jpg` and the rest.

Heavy rooms are imported inside the commands that need them, so that `--help` answers at once and `restore` never
needs PyTorch.
"""

from pathlib import Path
from typing import Annotated

import typer

from driftrec import __version__
from driftrec.archive_command import restore_archive
from driftrec.console import complain, out, say, sentences, stop
from driftrec.evaluation_commands import benchmark, evaluate
from driftrec.experiment_command import experiment
from driftrec.restore_command import DeviceOption, restore
from driftrec.workshop_commands import dataset, import_official

app = typer.Typer(
    name="driftrec",
    help="Restores over-compressed JPEGs.  Start with:  driftrec restore photo.jpg",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        say(f"driftrec {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


app.command()(restore)
app.command()(restore_archive)


@app.command()
def inspect(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Pictures, folders, or patterns like '*.jpg'.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line, with the tables.")] = False,
) -> None:
    """Show what pictures are: size, quality, sampling, earlier compressions, and what 'restore' would do with them."""
    import json

    from rich.box import SIMPLE
    from rich.table import Table

    from driftrec.jobs import expand
    from driftrec.restorer import inspect as look

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
            report = look(path)
        except (ValueError, OSError, MemoryError) as error:
            failures += 1
            complain(error)
            continue
        if as_json:
            out.print_json(json.dumps({"file": str(path)} | report.facts()), indent=None, highlight=False)
        else:
            table.add_row(str(path), *report.row())
    if table.rows:
        out.print(table)
    if failures:
        stop(f"{failures} of {len(paths)} pictures could not be read")


@app.command()
def models() -> None:
    """List the models that come with driftrec."""
    from rich.table import Table

    from driftrec.runtime import Network, bundled_models

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


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML file such as recipes/small.yaml.")],
    out_folder: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where the run lives; the same folder goes on with it.")
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Clean pictures, or tar files of them; may be given several times."),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0.01, help="Stop and save after this long.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Weights of LPIPS, which finishers are trained with.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, like batch=8 or data.crop=64."),
    ] = None,
) -> None:
    """Train a model on clean pictures, or go on with a run that was stopped."""
    with sentences("train"):
        from driftrec.workshop.config import parse_settings, read_recipe
        from driftrec.workshop.train import train as run

        overrides = parse_settings(settings or [])
        if data:
            overrides["data.folders"] = [str(folder) for folder in data]
        if weights:
            overrides["finish.weights_folder"] = str(weights)
        for record in run(read_recipe(recipe, overrides), out_folder, time_limit):
            say("  ".join(f"{key} {value}" for key, value in record.items()))


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="best.safetensors of a run.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .onnx file to write.")],
    name: Annotated[str, typer.Option(help="Name on the model's card.")],
    licence: Annotated[str, typer.Option(help="Licence of the weights, on the model's card.")],
) -> None:
    """Turn a checkpoint into the one ONNX file that 'restore --model' takes."""
    with sentences("train"):
        from driftrec.workshop.export import export as write

        difference = write(checkpoint, output, name, licence)
        say(f"{output}  {output.stat().st_size / 1e6:.1f} MB  differs from PyTorch by at most {difference:.1e}")


app.command()(import_official)
app.add_typer(dataset, name="dataset")


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on.  Others than this machine can only ask elsewhere.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8000,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    model: Annotated[str, typer.Option(metavar="NAME|FILE|ID", help="As for 'restore'.")] = "small",
    device: Annotated[DeviceOption, typer.Option(help="As for 'restore'.")] = DeviceOption.auto,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.  Default: all cores.")] = None,
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="Larger pictures are refused.")] = 50,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Larger files are refused.")] = 64,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="Longest work on one picture.")] = 600,
    queue: Annotated[int, typer.Option(min=1, help="Most pictures that wait.")] = 64,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name besides localhost under which it may be asked.")
    ] = None,
) -> None:
    """Open a page on which pictures are dropped and restored, step by step."""
    import webbrowser

    from driftrec.restorer import Restorer

    def ready(address: str) -> None:
        say(f"driftrec listens on {address}  (Ctrl-C ends it)")
        if browser:
            webbrowser.open(address)

    with sentences("web"):
        from driftrec.web.api import Limits, application, run

        limits = Limits(round(max_megabytes * 1e6), round(max_megapixels * 1e6), time_limit, waiting=queue)
        restorer = Restorer(model, threads=threads, device=device.value)
        run(application(restorer, limits, tuple(allow_host or ())), host, port, ready)


app.command()(evaluate)
app.command()(benchmark)
app.command()(experiment)


def main() -> None:
    """Entry point of the `driftrec` program."""
    app()
