"""The command line: `driftrec restore photo.jpg` and the rest.

Heavy rooms are imported inside the commands that need them, so that `--help` answers at once and `restore` never
needs PyTorch.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from driftrec import __version__
from driftrec.evaluation_commands import benchmark, evaluate

if TYPE_CHECKING:
    from driftrec.jobs import Job
    from driftrec.restorer import Restored

app = typer.Typer(
    name="driftrec",
    help="Restores over-compressed JPEGs.  Start with:  driftrec restore photo.jpg",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
DEVIATIONS = "-deviation.png", "-uncertainty.png"
PAGE = ".html"
"""Endings of what is written beside a restored picture when it is asked for."""

out = Console()
err = Console(stderr=True)


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
    """The names of `driftrec.device`, and auto."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    openvino = "openvino"
    directml = "directml"
    coreml = "coreml"


def _version(asked: bool) -> None:
    if asked:
        out.print(f"driftrec {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@app.command()
def restore(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Pictures, folders, or patterns like '*.jpg'.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|FOLDER",
            help="Where results go.  Default: photo-restored.png beside photo.jpg.",
        ),
    ] = None,
    mode: Annotated[
        ModeOption,
        typer.Option(
            help="natural: sharp, a plausible original.  faithful: softer, closest on average.  "
            "decode: no network, a JPEG decoded better than usual."
        ),
    ] = ModeOption.natural,
    steps: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Network evaluations.  Default: the model's; 1 for faithful, or 2, 4, 8."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same picture; another seed, another plausible one.")] = 0,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Average this many natural restorations.  Default: 1; 4 with --uncertainty."
        ),
    ] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Also show where the model is guessing: how far the samples differ.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also write a page that shows before and after under a slider.")
    ] = False,
    consistent: Annotated[
        ConsistencyOption,
        typer.Option(help="Keep to pictures that the file could have come from.  auto: unless it was saved twice."),
    ] = ConsistencyOption.auto,
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="0: the input.  1: the restoration.  Between them, a blend.")
    ] = 1.0,
    force: Annotated[bool, typer.Option("--force", help="Restore what looks clean or nearly lossless, too.")] = False,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE|ID", help="A model of 'driftrec models', an .onnx file, or owner/model of a hub."
        ),
    ] = "small",
    device: Annotated[
        DeviceOption, typer.Option(help="Where the network runs.  auto: the fastest that is installed.")
    ] = DeviceOption.auto,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads.  Default: all cores.")] = None,
    file_format: Annotated[
        FormatOption | None,
        typer.Option("--format", help="Kind of results.  Default: png, or what -o names.  avif and jpeg are lossy."),
    ] = None,
    bits: Annotated[int | None, typer.Option(help="Bits per sample, 8 or 16.  Default: the input's.")] = None,
    strip: Annotated[bool, typer.Option("--strip", help="Leave EXIF, XMP and IPTC out; colour profiles stay.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist already.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave results that exist; so a stopped run goes on.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One line of JSON for each picture: what became of it.")
    ] = None,
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="Larger pictures are refused.")] = 178,
) -> None:
    """Restore pictures.  Results are PNG files unless -o names another kind; inputs are never changed."""
    from driftrec.batch import run
    from driftrec.jobs import plan
    from driftrec.restorer import Restorer

    besides = [*(DEVIATIONS if uncertainty else ()), *([PAGE] if compare else ())]
    if samples is None:
        samples = 4 if uncertainty else 1
    suffix = f".{file_format.value if file_format else 'png'}"
    existing = "replace" if overwrite else "skip" if skip_existing else "refuse"
    try:
        if mode is ModeOption.faithful and steps not in (None, 1, 2, 4, 8):
            raise ValueError("--mode faithful takes --steps 1, 2, 4 or 8: so many views are averaged")
        if mode is ModeOption.decode and steps is not None:
            raise ValueError("--mode decode takes no steps: leave --steps out, or choose --mode natural")
        if mode is not ModeOption.natural and (samples > 1 or uncertainty):
            raise ValueError("only --mode natural draws samples: leave --samples and --uncertainty out")
        if uncertainty and samples < 2:
            raise ValueError("--uncertainty compares samples: take --samples 2 or more")
        if overwrite and skip_existing:
            raise ValueError("--overwrite and --skip-existing exclude each other: say one of them")
        if bits not in (None, 8, 16):
            raise ValueError(f"--bits is 8 or 16, not {bits}")
        jobs = plan(inputs, output, existing=existing, besides=besides, suffix=suffix)
        _check_formats(jobs, file_format, bits)
        restorer = Restorer(model, threads=threads, device=device.value)
        lines = report.open("w", encoding="utf-8") if report else None
    except (ValueError, OSError) as error:
        _stop(error)

    number = 0

    def work(job: "Job") -> "Restored":
        label = f"[{number}/{len(jobs)}] {job.source.name}" if len(jobs) > 1 else job.source.name
        job.target.parent.mkdir(parents=True, exist_ok=True)
        with _bar(label) as advance:
            restored = restorer.restore(
                job.source,
                mode=mode.value,
                steps=steps,
                seed=seed,
                samples=samples,
                consistent=consistent.value,
                strength=strength,
                force=force,
                max_pixels=round(max_megapixels * 1e6),
                progress=advance,
            )
            restored = restored.prepared(bits=bits, strip=strip)
            restored.save(job.target)
            if uncertainty:
                _save_deviation(job, restored)
            if compare:
                _save_page(job, restored)
        return restored

    counts: Counter[str] = Counter()
    try:
        for number, outcome in enumerate(run(jobs, work), start=1):  # noqa: B007 (`work` shows it)
            counts[outcome.status] += 1
            if lines:
                print(outcome.as_json(), file=lines, flush=True)
            if outcome.restored:
                line = f"{outcome.job.source} → {outcome.job.target}  {outcome.restored.summary()}"
                out.print(line, highlight=False, markup=False, soft_wrap=True)
            elif outcome.error:
                _complain(outcome.error)
    except KeyboardInterrupt:
        _complain(f"stopped after {counts.total()} of {len(jobs)} pictures: --skip-existing goes on from here")
        sys.exit(130)
    finally:
        if lines:
            lines.close()
    if counts["skipped"]:
        out.print(f"{counts['skipped']} of {len(jobs)} results were there already", highlight=False, markup=False)
    if counts["failed"]:
        _stop(f"{counts['failed']} of {len(jobs)} pictures could not be restored")


@app.command()
def inspect(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Pictures, folders, or patterns like '*.jpg'.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line, with the tables.")] = False,
) -> None:
    """Show what pictures are: size, quality, sampling, earlier compressions, and what 'restore' would do with them."""
    import json

    from rich.table import Table

    from driftrec.jobs import expand
    from driftrec.restorer import inspect as look

    table = Table("file", "size", "quality", "sampling", "bytes/pixel", "saved before", "restore would")
    failures = 0
    try:
        paths = [path for text in files for path, _ in expand(text)]
    except ValueError as error:
        _stop(error)
    for path in paths:
        try:
            report = look(path)
        except (ValueError, OSError, MemoryError) as error:
            failures += 1
            _complain(error)
            continue
        if as_json:
            out.print_json(json.dumps({"file": str(path)} | report.facts()), indent=None, highlight=False)
        else:
            table.add_row(str(path), *report.row())
    if table.rows:
        out.print(table)
    if failures:
        _stop(f"{failures} of {len(paths)} pictures could not be read")


@app.command()
def models() -> None:
    """List the models that come with driftrec."""
    from rich.table import Table

    from driftrec.runtime import Network, bundled_models

    table = Table("name", "megabytes", "parameters", "multiply–adds per pixel", "steps", "trained on", "licence")
    for name, path in bundled_models().items():
        card = Network(path).card
        facts = card.facts
        table.add_row(
            name,
            f"{path.stat().st_size / 1e6:.1f}",
            f"{facts['parameters'] / 1e6:.2f} M",
            f"{facts['multiply_adds_per_pixel'] / 1e3:.1f} k",
            str(card.plan.evaluations),
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
        list[Path] | None, typer.Option(metavar="FOLDER", help="Clean pictures; may be given several times.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0.01, help="Stop and save after this long.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, like batch=8 or data.crop=64."),
    ] = None,
) -> None:
    """Train a model on clean pictures, or go on with a run that was stopped."""
    with _workshop():
        from driftrec.workshop.config import parse_settings, read_recipe
        from driftrec.workshop.train import train as run

        overrides = parse_settings(settings or [])
        if data:
            overrides["data.folders"] = [str(folder) for folder in data]
        for record in run(read_recipe(recipe, overrides), out_folder, time_limit):
            out.print("  ".join(f"{key} {value}" for key, value in record.items()), highlight=False, soft_wrap=True)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="best.safetensors of a run.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .onnx file to write.")],
    name: Annotated[str, typer.Option(help="Name on the model's card.")],
    licence: Annotated[str, typer.Option(help="Licence of the weights, on the model's card.")],
) -> None:
    """Turn a checkpoint into the one ONNX file that 'restore --model' takes."""
    with _workshop():
        from driftrec.workshop.export import export as write

        difference = write(checkpoint, output, name, licence)
        out.print(f"{output}  {output.stat().st_size / 1e6:.1f} MB  differs from PyTorch by at most {difference:.1e}")


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

    try:
        from driftrec.web.api import Limits, application, run
    except ModuleNotFoundError as error:
        _stop(f"this command needs {error.name}: pip install 'driftrec[web]'")
    from driftrec.restorer import Restorer

    def ready(address: str) -> None:
        out.print(f"driftrec listens on {address}  (Ctrl-C ends it)", highlight=False, markup=False, soft_wrap=True)
        if browser:
            webbrowser.open(address)

    limits = Limits(round(max_megabytes * 1e6), round(max_megapixels * 1e6), time_limit, waiting=queue)
    try:
        restorer = Restorer(model, threads=threads, device=device.value)
        run(application(restorer, limits, tuple(allow_host or ())), host, port, ready)
    except (ValueError, OSError) as error:
        _stop(error)


app.command()(evaluate)
app.command()(benchmark)


def main() -> None:
    """Entry point of the `driftrec` program."""
    app()


def _check_formats(jobs: "Sequence[Job]", file_format: FormatOption | None, bits: int | None) -> None:
    """Refuses, before any work, names that contradict --format, and 16 bits where the format has 8."""
    extensions = {"tiff": (".tif", ".tiff"), "jpeg": (".jpg", ".jpeg")}
    for job in jobs:
        suffix = job.target.suffix.lower()
        if file_format and suffix not in extensions.get(file_format.value, (f".{file_format.value}",)):
            raise ValueError(f"{job.target} is not a name for {file_format.value}: leave --format out, or change it")
        if bits == 16 and suffix not in (".png", ".tif", ".tiff"):
            raise ValueError(f"{job.target} cannot hold 16 bits: use .png or .tif")


def _save_deviation(job: "Job", restored: "Restored") -> None:
    """The deviation of the samples as data and as a map; zero where nothing was sampled."""
    from numpy import float32, zeros

    from driftrec.picture import save_picture
    from driftrec.uncertainty import deviation_data, deviation_map

    deviation = restored.deviation
    if deviation is None:
        deviation = zeros(restored.picture.pixels.shape[:2], float32)
    for ending, show in zip(DEVIATIONS, (deviation_data, deviation_map), strict=True):
        save_picture(show(deviation, restored.picture), job.beside(ending))


def _save_page(job: "Job", restored: "Restored") -> None:
    """The picture before and after under a slider."""
    from driftrec.picture import open_picture
    from driftrec.web.compare import write_comparison

    title = f"{job.source.name}, before and after"
    write_comparison(open_picture(job.source), restored.picture, job.beside(PAGE), title, restored.summary())


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with time left, on a terminal only; gives the function that moves it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def _workshop() -> Iterator[None]:
    """Turns a missing PyTorch and wrong settings into one sentence."""
    try:
        yield
    except ModuleNotFoundError as error:
        _stop(f"this command needs {error.name}: pip install 'driftrec[train]'")
    except ValueError as error:
        _stop(error)


def _complain(problem: object) -> None:
    err.print(f"driftrec: {problem}", style="red", highlight=False, markup=False, soft_wrap=True)


def _stop(problem: object) -> NoReturn:
    _complain(problem)
    sys.exit(1)
