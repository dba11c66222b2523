"""Command-line options that several commands share: those of a restoration, and file formats."""

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftrec.cli.console import stop

if TYPE_CHECKING:
    from driftrec.restoration.options import Options


class ModeOption(StrEnum):
    """Kinds of restoration: as sharp as clean pictures, the safest estimate, or without the network."""

    natural = "natural"
    faithful = "faithful"
    decode = "decode"


class ConsistencyOption(StrEnum):
    """Whether the result must be a picture that could have been compressed to the file."""

    auto = "auto"
    on = "on"
    off = "off"


class FormatOption(StrEnum):
    """File formats of results."""

    png = "png"
    webp = "webp"
    tiff = "tiff"
    avif = "avif"
    jpeg = "jpeg"


class DeviceOption(StrEnum):
    """The device names of `driftrec.model.providers`, and auto."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    openvino = "openvino"
    directml = "directml"
    coreml = "coreml"
    mps = "mps"


# An option that is not given is None and takes the default of `Options`, which the help text repeats.
PARAMETERS: dict[str, Any] = {
    "mode": Annotated[
        ModeOption | None,
        typer.Option(
            show_default="natural",
            help="natural: sharp, a plausible original.  faithful: softer, closest on average.  "
            "decode: no network; decodes a JPEG better than usual.",
        ),
    ],
    "steps": Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Network evaluations.  Default: the model's.  faithful: 1, 2, 4 or 8."),
    ],
    "seed": Annotated[
        int | None,
        typer.Option(min=0, show_default="0", help="The same seed gives the same picture, another seed another one."),
    ],
    "samples": Annotated[
        int | None,
        typer.Option(min=1, max=1000, show_default="1", help="Average this many natural restorations."),
    ],
    "consistent": Annotated[
        ConsistencyOption | None,
        typer.Option(
            show_default="auto",
            help="Allow only results that compress to this file.  auto: unless it was compressed twice.",
        ),
    ],
    "strength": Annotated[
        float | None,
        typer.Option(
            min=0, max=1, show_default="1.0", help="0: the input.  1: the restoration.  Values in between blend them."
        ),
    ],
    "force": Annotated[bool, typer.Option("--force", help="Also restore pictures that look clean or nearly lossless.")],
    "model": Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|ID",
            show_default="small",
            help="A name from 'driftrec models', an .onnx file, a checkpoint of 'train', or owner/model on a hub.",
        ),
    ],
    "device": Annotated[
        DeviceOption | None,
        typer.Option(show_default="auto", help="Where the network runs.  auto: the fastest device installed."),
    ],
    "threads": Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.  Default: all cores.")],
    "tile": Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            show_default="640",
            help="Side of the tiles of a large picture, a multiple of 16.  Smaller tiles need less memory.",
        ),
    ],
    "bits": Annotated[int | None, typer.Option(help="Bits per sample, 8 or 16.  Default: the input's.")],
    "strip": Annotated[bool, typer.Option("--strip", help="Omit EXIF, XMP and IPTC; colour profiles stay.")],
    "max_megapixels": Annotated[
        float | None, typer.Option(min=0.001, show_default="178", help="Refuse larger pictures.")
    ],
}

FLAGS = ("force", "strip")


def takes_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replaces a command's argument `options`, an `Options`, by the named `PARAMETERS` (default: all of them).

    A value that `Options` rejects ends the program with the error's message.
    """
    chosen = {name: PARAMETERS[name] for name in names or PARAMETERS}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_options(**arguments: Any) -> None:  # noqa: ANN401
            given = {name: arguments.pop(name) for name in chosen}
            try:
                options = _options(given)
            except ValueError as error:
                stop(error)
            command(options=options, **arguments)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command).parameters.values():
            if parameter.name == "options":
                for name, kind in chosen.items():
                    default = False if name in FLAGS else None
                    parameters.append(
                        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
                    )
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        with_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
        with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_options

    return decorate


def _options(given: dict[str, Any]) -> "Options":
    """The `Options` given on the command line.  Raises ValueError as `Options` does."""
    from driftrec.restoration.options import Options
    from driftrec.restoration.tiling import Tiling

    values = {name: value for name, value in given.items() if value is not None}
    if "tile" in values:
        values["tiling"] = Tiling(values.pop("tile"))
    if "max_megapixels" in values:
        values["max_pixels"] = round(values.pop("max_megapixels") * 1e6)
    return Options(**values)
