"""The command `driftrec restore`: its options, and the line that it prints for every picture."""

import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftrec.cli.console import complain, progress_bar, say, stop
from driftrec.cli.options import FormatOption, takes_options

if TYPE_CHECKING:
    from driftrec.picture import Picture
    from driftrec.restoration.files import FileJob
    from driftrec.restoration.options import Options
    from driftrec.restoration.restorer import Restored, Restorer

DEVIATIONS = "-deviation.png", "-uncertainty.png"
PAGE = ".html"
"""Endings of the files that --uncertainty and --compare write beside a restored picture."""


@takes_options()
def restore(
    context: typer.Context,
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Pictures, folders, or patterns like '*.jpg'.")
    ],
    options: "Options",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|FOLDER",
            help="Where results go.  Default: photo-restored.png beside photo.jpg.",
        ),
    ] = None,
    file_format: Annotated[
        FormatOption | None,
        typer.Option("--format", help="Format of the results.  Default: as -o says, or png.  avif and jpeg are lossy."),
    ] = None,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty", help="Also write maps of the uncertainty: how far 4 samples (or --samples) differ."
        ),
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also write an HTML page with a before/after slider.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Keep existing results; resumes a stopped run.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one line of JSON per picture, with its outcome.")
    ] = None,
) -> None:
    """Restore pictures.  Results are PNG files unless -o or --format says otherwise; inputs are never changed."""
    from driftrec.restoration.batch import attempt
    from driftrec.restoration.files import file_jobs
    from driftrec.restoration.restorer import Restorer

    besides = [*(DEVIATIONS if uncertainty else ()), *([PAGE] if compare else ())]
    suffix = f".{file_format.value if file_format else 'png'}"
    existing = "replace" if overwrite else "skip" if skip_existing else "refuse"
    try:
        if uncertainty:
            options = _with_samples(options, context)
        if overwrite and skip_existing:
            raise ValueError("--overwrite and --skip-existing exclude each other: give only one of them")
        jobs = file_jobs(
            inputs, output, existing=existing, besides=besides, suffix=suffix, others=[report] if report else []
        )
        _check_formats(jobs, file_format, options.bits)
        restorer = Restorer(options=options)
        lines = report.open("w", encoding="utf-8") if report else None
    except (ValueError, OSError) as error:
        stop(error)

    counts: Counter[str] = Counter()
    try:
        for number, job in enumerate(jobs, start=1):
            label = f"[{number}/{len(jobs)}] {job.source.name}" if len(jobs) > 1 else job.source.name
            outcome = attempt(job, partial(_restore_one, restorer, label, uncertainty, compare))
            counts[outcome.status] += 1
            if lines:
                print(outcome.as_json(), file=lines, flush=True)
            if outcome.restored:
                say(f"{job.source} → {job.target}  {outcome.restored.summary()}")
            elif outcome.error:
                complain(outcome.error)
    except KeyboardInterrupt:
        complain(f"stopped after {counts.total()} of {len(jobs)} pictures: add --skip-existing to resume")
        sys.exit(130)
    finally:
        if lines:
            lines.close()
    if counts["skipped"]:
        say(f"{counts['skipped']} of {len(jobs)} results already existed")
    if counts["failed"]:
        stop(f"{counts['failed']} of {len(jobs)} pictures could not be restored")


def _with_samples(options: "Options", context: typer.Context) -> "Options":
    """The options with samples=4 unless a number was given.  Raises ValueError if fewer than two would be drawn."""
    if options.mode != "natural":
        raise ValueError("only natural restorations are sampled: omit --uncertainty, or choose --mode natural")
    if context.params["samples"] is None:
        return options.changed(samples=4)
    if options.samples < 2:
        raise ValueError("--uncertainty compares samples: give --samples 2 or more")
    return options


def _restore_one(restorer: "Restorer", label: str, uncertainty: bool, compare: bool, job: "FileJob") -> "Restored":
    """Restores the picture of one job and saves all its results, while a progress bar shows."""
    from driftrec.picture import open_picture

    job.target.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar(label) as advance:
        before = open_picture(job.source, max_pixels=restorer.options.max_pixels)
        restored = restorer.restore(before, progress=advance)
        restored.save(job.target)
        if uncertainty:
            _save_deviation(job, restored)
        if compare:
            _save_page(job, before, restored)
    return restored


def _check_formats(jobs: "Sequence[FileJob]", file_format: FormatOption | None, bits: int | None) -> None:
    """Raises ValueError, before any work, for names that contradict --format and for 16 bits in an 8-bit format."""
    extensions = {"tiff": (".tif", ".tiff"), "jpeg": (".jpg", ".jpeg")}
    for job in jobs:
        suffix = job.target.suffix.lower()
        if file_format and suffix not in extensions.get(file_format.value, (f".{file_format.value}",)):
            raise ValueError(f"{job.target} is not a {file_format.value} file name: omit --format, or change it")
        if bits == 16 and suffix not in (".png", ".tif", ".tiff"):
            raise ValueError(f"{job.target} cannot hold 16 bits: use .png or .tif")


def _save_deviation(job: "FileJob", restored: "Restored") -> None:
    """Saves the deviation of the samples as data and as a map; it is zero if nothing was sampled."""
    from numpy import float32, zeros

    from driftrec.picture import save_picture
    from driftrec.restoration.uncertainty import deviation_data, deviation_map

    deviation = restored.deviation
    if deviation is None:
        deviation = zeros(restored.picture.pixels.shape[:2], float32)
    for ending, show in zip(DEVIATIONS, (deviation_data, deviation_map), strict=True):
        save_picture(show(deviation, restored.picture), job.beside(ending))


def _save_page(job: "FileJob", before: "Picture", restored: "Restored") -> None:
    """Saves the page with a before/after slider."""
    from driftrec.web.compare import write_comparison

    title = f"{job.source.name}, before and after"
    write_comparison(before, restored.picture, job.beside(PAGE), title, restored.summary())
