"""The commands that train, export and import models and build data sets; they import PyTorch only when they run."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from driftrec.cli.console import note, require_apart, say, sentences
from driftrec.text import printable

dataset = typer.Typer(
    help="Build the paper's data sets.  They are split into train, valid and test.", no_args_is_help=True
)

OutFolder = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for train, valid and test.")]


def train(
    recipe: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled recipe such as small, or a YAML file.")],
    out_folder: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder of the run; an existing one is resumed.")
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Folder of clean pictures or tar files; repeatable."),
    ] = None,
    corrupted: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Their corrupted versions, with the same names and sizes: one for each --data.  "
            "Default: JPEGs, made while training.",
        ),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0.01, help="Stop and save after this long.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the LPIPS weights that training a finisher needs.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as data.crop=64; repeatable."),
    ] = None,
) -> None:
    """Train a model on clean pictures, or resume a stopped run."""
    with sentences("train"):
        from driftrec.train.loop import train as run
        from driftrec.train.recipe import parse_settings, read_recipe

        overrides = parse_settings(settings or [])
        if data:
            overrides["data.folders"] = [str(folder) for folder in data]
        if corrupted:
            overrides["data.corrupted"] = [str(folder) for folder in corrupted]
        if weights:
            overrides["finish.weights_folder"] = str(weights)
        for record in run(read_recipe(recipe, overrides), out_folder, time_limit, note=note):
            say("  ".join(f"{key} {value}" for key, value in record.items()))


class Standalone(StrEnum):
    """What a file for other programs computes."""

    faithful = "faithful"
    natural = "natural"


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="The best.safetensors of a run; with --standalone also the name of a model or an .onnx file.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .onnx file to write.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name for the model card.")] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="LICENCE", help="Licence of the weights, for the model card.")
    ] = None,
    standalone: Annotated[
        Standalone | None,
        typer.Option(
            metavar="MODE",
            help="Write a file for other programs, from a picture to its restoration: faithful or natural.",
        ),
    ] = None,
    bits: Annotated[
        int,
        typer.Option(
            metavar="8|16|32",
            help="With --standalone: bits of a weight.  With 16, the network computes in half precision; files with 8 "
            "bits are the smallest, and need ONNX Runtime.",
        ),
    ] = 32,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="With --standalone natural: seed of the noise.  Default: 0.")
    ] = None,
) -> None:
    """Convert a checkpoint to an ONNX file.  'restore --model' takes it.

    With --standalone, convert any model to one ONNX file that restores pictures in other programs.
    """
    with sentences("train"):
        from driftrec.cli.progress import busy

        require_apart(output, [Path(model)])
        if standalone is not None:
            from driftrec.train.standalone.export import export_standalone

            if seed is not None and standalone is not Standalone.natural:
                raise ValueError("a faithful restoration has no noise: omit --seed")
            with busy("exporting"):
                psnr = export_standalone(
                    model, output, standalone.value, bits=bits, seed=seed or 0, name=name, licence=licence
                )
            return say(f"{_written(output)}  agrees with 'restore' to {psnr:.1f} dB")
        if bits != 32 or seed is not None:
            option = "--seed" if bits == 32 else "--bits"
            raise ValueError(f"{option} is for files for other programs: add --standalone")
        if name is None or licence is None:
            raise ValueError("the model card needs a name and a licence: give --name and --licence")
        from driftrec.train.export import export as write

        with busy("exporting"):
            difference = write(Path(model), output, name, licence)
        return say(f"{_written(output)}  differs from PyTorch by at most {difference:.1e}")


def _written(file: Path) -> str:
    return f"{printable(file)}  {file.stat().st_size / 1e6:.1f} MB"


@dataset.command()
def celebahq(
    pictures: Annotated[Path, typer.Option(metavar="FOLDER", help="The 30000 pictures of CelebA-HQ.")],
    out_folder: OutFolder,
) -> None:
    """Build CelebA-HQ at 256×256 pixels, split as in the paper; pictures of other sizes are resized."""
    with sentences("train"):
        from driftrec.train import splits

        _report(splits.celebahq(pictures, out_folder), out_folder)


@dataset.command()
def d2kf2k(
    div2k: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder with DIV2K_train_HR and DIV2K_valid_HR.")],
    flickr2k: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder with Flickr2K_HR, or its 2650 pictures.")],
    out_folder: OutFolder,
) -> None:
    """Build one data set of DIV2K and Flickr2K, split as in the paper."""
    with sentences("train"):
        from driftrec.train import splits

        _report(splits.d2kf2k(div2k, flickr2k, out_folder), out_folder)


def import_official(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A .ckpt file of the paper's program.")],
    recipe: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="The recipe it was trained with, such as paper-ouve-d2kf2k.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .safetensors file to write.")],
) -> None:
    """Convert a checkpoint of the paper's program.  'restore --model' and 'export' take the result."""
    with sentences("train"):
        from driftrec.train.official import import_official as convert
        from driftrec.train.recipe import read_recipe

        require_apart(output, [checkpoint])
        steps = convert(checkpoint, read_recipe(recipe), output)
        say(f"{printable(output)}  {output.stat().st_size / 1e6:.1f} MB  {steps} steps of training")


def _report(counts: Mapping[str, int], folder: Path) -> None:
    say(f"{printable(folder)}  " + "  ".join(f"{part} {count}" for part, count in counts.items()))
