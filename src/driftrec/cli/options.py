"""Command-line options that several commands share: those of a restoration, and file formats."""

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperOption

from driftrec.cli.console import stop

if TYPE_CHECKING:
    from driftrec.restoration.options import Options


class ModeOption(StrEnum):
    """Kinds of restoration: sharp, the safest estimate, one of all pictures that fit, or without the network."""

    natural = "natural"
    faithful = "faithful"
    sample = "sample"
    decode = "decode"


class ConsistencyOption(StrEnum):
    """Whether the result must be a picture that could have been compressed to the file."""

    auto = "auto"
    on = "on"
    off = "off"


class HistoryOption(StrEnum):
    """What happened to a picture before."""

    auto = "auto"
    single = "single"
    resaved = "resaved"
    resized = "resized"
    clean = "clean"


class FormatOption(StrEnum):
    """File formats of results."""

    png = "png"
    webp = "webp"
    tiff = "tiff"
    avif = "avif"
    jpeg = "jpeg"


def _models() -> list[str]:
    from driftrec.model.find import bundled_models

    return list(bundled_models())


def _samplers() -> list[str]:
    from driftrec.diffusion.samplers import NAMES

    return list(NAMES)


def devices() -> list[str]:
    """The names that --device takes here, without the devices that this installation cannot use."""
    import sys
    from importlib.util import find_spec

    from driftrec.model.providers import available

    checkpoints = ["mps"] if sys.platform == "darwin" and find_spec("torch") else []
    return ["auto", *available(), *checkpoints]


def _check_device(name: str | None) -> str | None:
    """The name of a device, whether or not it can be used here.  Raises a usage error for other names."""
    if name is None or name == "auto":
        return name
    from driftrec.model.providers import DEVICES

    if name not in (*DEVICES, "mps"):
        raise typer.BadParameter(f"there is no device '{name}': choose from {', '.join(devices())}")
    return name


class DeviceHelp(TyperCommand):
    """A command whose help names the devices that can be used here, which takes too long to find out otherwise."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 (typer has changed the types)
        for parameter in self.params:
            if isinstance(parameter, TyperOption) and parameter.name == "device":
                parameter.help = f"{parameter.help}  Here: {', '.join(devices())}."
        super().format_help(ctx, formatter)


QuietOption: TypeAlias = Annotated[
    bool, typer.Option("-q", "--quiet", help="Print problems only, and show no progress.")
]
VerboseOption: TypeAlias = Annotated[bool, typer.Option("-v", "--verbose", help="Print more about each picture.")]

ModelOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE|ID",
        show_default="small",
        autocompletion=_models,
        help="A name from 'driftrec models', an .onnx file, a checkpoint of 'train', or a model of a hub: "
        "hub:owner/model@COMMIT#SHA256.",
    ),
]

# An option that is not given is None and takes the default of `Options`, which the help text repeats.
PARAMETERS: dict[str, Any] = {
    "mode": Annotated[
        ModeOption | None,
        typer.Option(
            metavar="|".join(ModeOption),
            show_default="natural",
            help="natural: sharp, a plausible original.  faithful: softer, closest on average.  "
            "sample: one of all originals that fit, another with each seed; slow.  "
            "decode: no network; decodes a JPEG better than usual.",
        ),
    ],
    "steps": Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=1000,
            help="Network evaluations.  Default: the model's; sample: 20.  faithful: 1, 2, 4 or 8.",
        ),
    ],
    "seed": Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            show_default="0",
            help="The same seed gives the same picture.  Another seed changes natural restorations little.",
        ),
    ],
    "sampler": Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="multistep",
            autocompletion=_samplers,
            help="For sample: multistep, multistep-ode, ancestral, ddim, euler-maruyama (the paper's), "
            "reverse-diffusion, euler-heun, langevin, annealed-langevin or probability-flow.",
        ),
    ],
    "process": Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:KEY=N]",
            help="For sample: OUVE, CosVE, TSDVE, VP or Bridge, with parameters such as CosVE:gamma=2:sigma_max=0.5.  "
            "Default: the model's.",
        ),
    ],
    "start": Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            help="For sample: where sampling starts, above 0 to 1, the end of the process.  "
            "Default: early enough to hide what the file lost.",
        ),
    ],
    "samples": Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=1000, show_default="1", help="Average this many natural restorations or samples."
        ),
    ],
    "consistent": Annotated[
        ConsistencyOption | None,
        typer.Option(
            metavar="|".join(ConsistencyOption),
            show_default="auto",
            help="Allow only results that compress to this file.  auto: unless it was edited or compressed before.",
        ),
    ],
    "history": Annotated[
        HistoryOption | None,
        typer.Option(
            "--as",
            metavar="|".join(HistoryOption),
            show_default="auto",
            help="What happened to the picture: one compression, one before the last, one before it was resized, or "
            "none.  auto: found out.",
        ),
    ],
    "texture": Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0,
            max=1,
            help="For natural: how much texture is added.  0: none, as in faithful.  1: as much as clean pictures "
            "have.  Default: the model's.",
        ),
    ],
    "strength": Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0,
            max=1,
            show_default="1.0",
            help="0: the input.  1: the restoration.  Values in between blend them.",
        ),
    ],
    "force": Annotated[bool, typer.Option("--force", help="Also restore pictures that look clean or nearly lossless.")],
    "model": ModelOption,
    "device": Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="auto",
            callback=_check_device,
            autocompletion=devices,
            help="Where the network runs.  auto: the fastest device.",
        ),
    ],
    "threads": Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1024, help="CPU threads.  Default: all cores.")
    ],
    "tile": Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            show_default="1024",
            help="Tiles of a large picture cover at most PIXELS × PIXELS, a multiple of 16.  Smaller tiles need less "
            "memory.",
        ),
    ],
    "bits": Annotated[int | None, typer.Option(metavar="N", help="Bits per sample, 8 or 16.  Default: the input's.")],
    "strict": Annotated[
        bool, typer.Option("--strict", help="Refuse files that are cut short instead of restoring what they hold.")
    ],
    "strip": Annotated[bool, typer.Option("--strip", help="Omit EXIF, XMP and IPTC; colour profiles stay.")],
    "max_megapixels": Annotated[
        float | None, typer.Option(metavar="N", min=0.001, show_default="178", help="Refuse larger pictures.")
    ],
}

FLAGS = ("force", "strict", "strip")


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
