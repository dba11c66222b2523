"""The command `driftrec restore`: options, and what is printed of every picture."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftrec.cli.console import complain, err, say, stop
from driftrec.cli.options import ConsistencyOption, DeviceOption, FormatOption, ModeOption

if TYPE_CHECKING:
    from driftrec.restoration.jobs import Job
    from driftrec.restoration.restorer import Restored

DEVIATIONS = "-deviation.png", "-uncertainty.png"
PAGE = ".html"
"""Endings of what is written beside a restored picture when it is asked for."""


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
            metavar="NAME|FILE|ID",
            help="One of 'driftrec models', an .onnx file, a checkpoint of 'train', or owner/model of a hub.",
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
    from driftrec.restoration.batch import run
    from driftrec.restoration.jobs import plan
    from driftrec.restoration.restorer import Restorer

    besides = [*(DEVIATIONS if uncertainty else ()), *([PAGE] if compare else ())]
    if samples is None:
        samples = 4 if uncertainty else 1
    suffix = f".{file_format.value if file_format else 'png'}"
    existing = "replace" if overwrite else "skip" if skip_existing else "refuse"
    try:
        check_steps(mode, steps)
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
        stop(error)

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
                say(line)
            elif outcome.error:
                complain(outcome.error)
    except KeyboardInterrupt:
        complain(f"stopped after {counts.total()} of {len(jobs)} pictures: --skip-existing goes on from here")
        sys.exit(130)
    finally:
        if lines:
            lines.close()
    if counts["skipped"]:
        say(f"{counts['skipped']} of {len(jobs)} results were there already")
    if counts["failed"]:
        stop(f"{counts['failed']} of {len(jobs)} pictures could not be restored")


def check_steps(mode: ModeOption, steps: int | None) -> None:
    """Refuses, before any work, steps that a mode cannot take."""
    if mode is ModeOption.faithful and steps not in (None, 1, 2, 4, 8):
        raise ValueError("--mode faithful takes --steps 1, 2, 4 or 8: so many views are averaged")
    if mode is ModeOption.decode and steps is not None:
        raise ValueError("--mode decode takes no steps: leave --steps out, or choose --mode natural")


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
    from driftrec.restoration.uncertainty import deviation_data, deviation_map

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
