"""The commands `driftrec dataset` and `driftrec import-official`; the workshop is opened inside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from driftrec.console import say, sentences

dataset = typer.Typer(help="Build the paper's data sets: train, valid and test.", no_args_is_help=True)

OutFolder = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where train, valid and test are made.")]


@dataset.command()
def celebahq(
    pictures: Annotated[Path, typer.Option(metavar="FOLDER", help="The 30000 pictures of CelebA-HQ.")],
    out_folder: OutFolder,
) -> None:
    """CelebA-HQ of 256×256 pixels, split as in the paper; other sizes are shrunk."""
    with sentences("train"):
        from driftrec.workshop import splits

        _report(splits.celebahq(pictures, out_folder), out_folder)


@dataset.command()
def d2kf2k(
    div2k: Annotated[Path, typer.Option(metavar="FOLDER", help="Holds DIV2K_train_HR and DIV2K_valid_HR.")],
    flickr2k: Annotated[Path, typer.Option(metavar="FOLDER", help="Holds Flickr2K_HR, or its 2650 pictures.")],
    out_folder: OutFolder,
) -> None:
    """DIV2K and Flickr2K, split as in the paper, in one."""
    with sentences("train"):
        from driftrec.workshop import splits

        _report(splits.d2kf2k(div2k, flickr2k, out_folder), out_folder)


def import_official(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Of the paper's program; its .ckpt file.")],
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="What it was trained as: recipes/paper-….yaml.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .safetensors file to write.")],
) -> None:
    """Turn a checkpoint of the paper's program into one that 'restore --model' and 'export' take."""
    with sentences("train"):
        from driftrec.workshop.config import read_recipe
        from driftrec.workshop.official import import_official as convert

        steps = convert(checkpoint, read_recipe(recipe), output)
        say(f"{output}  {output.stat().st_size / 1e6:.1f} MB  {steps} steps of training")


def _report(counts: Mapping[str, int], folder: Path) -> None:
    say(f"{folder}  " + "  ".join(f"{part} {count}" for part, count in counts.items()))
