"""The commands that train, export and import models, and build data sets; PyTorch is imported inside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from driftrec.cli.console import say, sentences

dataset = typer.Typer(help="Build the paper's data sets: train, valid and test.", no_args_is_help=True)

OutFolder = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where train, valid and test are made.")]


def train(
    recipe: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled recipe such as small, or a YAML file.")],
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
        from driftrec.train.loop import train as run
        from driftrec.train.recipe import parse_settings, read_recipe

        overrides = parse_settings(settings or [])
        if data:
            overrides["data.folders"] = [str(folder) for folder in data]
        if weights:
            overrides["finish.weights_folder"] = str(weights)
        for record in run(read_recipe(recipe, overrides), out_folder, time_limit):
            say("  ".join(f"{key} {value}" for key, value in record.items()))


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="best.safetensors of a run.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .onnx file to write.")],
    name: Annotated[str, typer.Option(help="Name on the model's card.")],
    licence: Annotated[str, typer.Option(help="Licence of the weights, on the model's card.")],
) -> None:
    """Turn a checkpoint into the one ONNX file that 'restore --model' takes."""
    with sentences("train"):
        from driftrec.train.export import export as write

        difference = write(checkpoint, output, name, licence)
        say(f"{output}  {output.stat().st_size / 1e6:.1f} MB  differs from PyTorch by at most {difference:.1e}")


@dataset.command()
def celebahq(
    pictures: Annotated[Path, typer.Option(metavar="FOLDER", help="The 30000 pictures of CelebA-HQ.")],
    out_folder: OutFolder,
) -> None:
    """CelebA-HQ of 256×256 pixels, split as in the paper; other sizes are shrunk."""
    with sentences("train"):
        from driftrec.train import splits

        _report(splits.celebahq(pictures, out_folder), out_folder)


@dataset.command()
def d2kf2k(
    div2k: Annotated[Path, typer.Option(metavar="FOLDER", help="Holds DIV2K_train_HR and DIV2K_valid_HR.")],
    flickr2k: Annotated[Path, typer.Option(metavar="FOLDER", help="Holds Flickr2K_HR, or its 2650 pictures.")],
    out_folder: OutFolder,
) -> None:
    """DIV2K and Flickr2K, split as in the paper, in one."""
    with sentences("train"):
        from driftrec.train import splits

        _report(splits.d2kf2k(div2k, flickr2k, out_folder), out_folder)


def import_official(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Of the paper's program; its .ckpt file.")],
    recipe: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="The recipe that it was trained with, such as paper-ouve-d2kf2k.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .safetensors file to write.")],
) -> None:
    """Turn a checkpoint of the paper's program into one that 'restore --model' and 'export' take."""
    with sentences("train"):
        from driftrec.train.official import import_official as convert
        from driftrec.train.recipe import read_recipe

        steps = convert(checkpoint, read_recipe(recipe), output)
        say(f"{output}  {output.stat().st_size / 1e6:.1f} MB  {steps} steps of training")


def _report(counts: Mapping[str, int], folder: Path) -> None:
    say(f"{folder}  " + "  ".join(f"{part} {count}" for part, count in counts.items()))
