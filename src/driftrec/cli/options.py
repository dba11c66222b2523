"""What several commands take: the options of a restoration, once for all of them, and kinds of files."""

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
    """What kind of restoration: as sharp as clean pictures are, the safest guess, or no network at all."""

    natural = "natural"
    faithful = "faithful"
    decode = "decode"


class ConsistencyOption(StrEnum):
    """Whether the result must be a picture that the file could have come from."""

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
    """The names of `driftrec.model.providers`, and auto."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    openvino = "openvino"
    directml = "directml"
    coreml = "coreml"
    mps = "mps"


# What is not given stays None, and becomes the default of `Options`; help texts name that default.
PARAMETERS: dict[str, Any] = {
    "mode": Annotated[
        ModeOption | None,
        typer.Option(
            show_default="natural",
            help="natural: sharp, a plausible original.  faithful: softer, closest on average.  "
            "decode: no network, a JPEG decoded better than usual.",
        ),
    ],
    "steps": Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Network evaluations.  Default: the model's; 1 for faithful, or 2, 4, 8."),
    ],
    "seed": Annotated[
        int | None,
        typer.Option(min=0, show_default="0", help="Same seed, same picture; another seed, another plausible one."),
    ],
    "samples": Annotated[
        int | None,
        typer.Option(min=1, max=1000, show_default="1", help="Average this many natural restorations."),
    ],
    "consistent": Annotated[
        ConsistencyOption | None,
        typer.Option(
            show_default="auto",
            help="Keep to pictures that the file could have come from.  auto: unless it was saved twice.",
        ),
    ],
    "strength": Annotated[
        float | None,
        typer.Option(
            min=0, max=1, show_default="1.0", help="0: the input.  1: the restoration.  Values between blend them."
        ),
    ],
    "force": Annotated[bool, typer.Option("--force", help="Restore what looks clean or nearly lossless, too.")],
    "model": Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|ID",
            show_default="small",
            help="One of 'driftrec models', an .onnx file, a checkpoint of 'train', or owner/model of a hub.",
        ),
    ],
    "device": Annotated[
        DeviceOption | None,
        typer.Option(show_default="auto", help="Where the network runs.  auto: the fastest that is installed."),
    ],
    "threads": Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.  Default: all cores.")],
    "tile": Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            show_default="640",
            help="Side of the tiles of large pictures, a multiple of 16.  Smaller tiles take less memory.",
        ),
    ],
    "bits": Annotated[int | None, typer.Option(help="Bits per sample, 8 or 16.  Default: the input's.")],
    "strip": Annotated[bool, typer.Option("--strip", help="Leave EXIF, XMP and IPTC out; colour profiles stay.")],
    "max_megapixels": Annotated[
        float | None, typer.Option(min=0.001, show_default="178", help="Larger pictures are refused.")
    ],
}

FLAGS = ("force", "strip")


def takes_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command these of `PARAMETERS` (default: all) in place of its argument `options`, an `Options`.

    What `Options` refuses ends the program with its sentence.
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
    """The options that were given on the command line; ValueError as `Options` raises it."""
    from driftrec.restoration.options import Options
    from driftrec.restoration.tiling import Tiling

    values = {name: value for name, value in given.items() if value is not None}
    if "tile" in values:
        values["tiling"] = Tiling(values.pop("tile"))
    if "max_megapixels" in values:
        values["max_pixels"] = round(values.pop("max_megapixels") * 1e6)
    return Options(**values)
