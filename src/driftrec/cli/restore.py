"""The command `driftrec restore`: its options, and the lines that it prints for every picture."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftrec.cli.console import OutputError, complain, entry, note, report_lines, say, stop
from driftrec.cli.options import FormatOption, QuietOption, VerboseOption, takes_options
from driftrec.cli.streams import open_source, print_picture
from driftrec.text import printable

if TYPE_CHECKING:
    from driftrec.cli.progress import PictureProgress, Steps
    from driftrec.picture import Picture
    from driftrec.restoration.files import FileJob
    from driftrec.restoration.options import Options
    from driftrec.restoration.restored import Restored
    from driftrec.restoration.restorer import Restorer

DEVIATIONS = "-deviation.png", "-uncertainty.png"
PAGE = ".html"
"""Endings of the files that --uncertainty and --compare write beside a restored picture."""


@takes_options()
def restore(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Pictures, folders, patterns like '*.jpg', or - for standard input."),
    ],
    options: "Options",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|FOLDER|-",
            help="Where results go; - is standard output.  Default: photo-restored.png beside photo.jpg, "
            "folder-restored/ beside folder/.",
        ),
    ] = None,
    file_format: Annotated[
        FormatOption | None,
        typer.Option(
            "--format",
            metavar="|".join(FormatOption),
            help="Format of the results.  Default: as -o says, or png.  avif and jpeg are lossy.",
        ),
    ] = None,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty",
            help="Also write maps of how far the result may be off, estimated from how far 8 restorations (or "
            "--samples) differ.",
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
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Restore pictures.  Results are PNG files unless -o or --format says otherwise; inputs are never changed."""
    from driftrec.cli.progress import PictureProgress, busy
    from driftrec.restoration.files import STREAM, file_jobs
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
        _check_formats(jobs, file_format, options.bits, suffix)
        if jobs[0].target == STREAM and (sys.stdout is None or sys.stdout.isatty()):
            raise ValueError("standard output leads to no file or pipe: redirect it, or name a file with -o")
        with busy("loading the model", shown=not quiet):
            restorer = Restorer(options=options)
        progress = PictureProgress([job.source for job in jobs if not job.done], shown=not quiet)
        tell = _no_words if quiet else note if jobs[0].target == STREAM else say
        with report_lines(report) as write:
            work = partial(_restore_one, restorer, suffix, uncertainty, compare)
            counts = _restore_all(jobs, work, progress, write, tell, verbose=verbose, ahead=options.threads != 1)
    except (ValueError, OSError) as error:
        stop(error)
    if counts["skipped"]:
        tell(f"{counts['skipped']} of {len(jobs)} results already existed")
    if counts["failed"]:
        if len(jobs) > 1:
            complain(f"{counts['failed']} of {len(jobs)} pictures could not be restored")
        sys.exit(1)


def _no_words(_: str) -> None:
    """Says nothing: about results with --quiet, and about pictures ahead of their turn."""


def _restore_all(
    jobs: "Sequence[FileJob]",
    work: "Callable[[Steps | None, FileJob], Restored]",
    progress: "PictureProgress",
    write: Callable[[str], None],
    tell: Callable[[str], None],
    *,
    verbose: bool,
    ahead: bool,
) -> Counter[str]:
    """Runs the jobs and returns how many pictures have each status.

    Arguments: `write` takes the lines of the report, `tell` those for people; `ahead`, whether small pictures may be
    worked on ahead of their turn.
    """
    from driftrec.restoration.batch import Lookahead
    from driftrec.restoration.files import STREAM

    counts: Counter[str] = Counter()
    try:
        with Lookahead(jobs, partial(work, None), at_once=2 if ahead else 1) as outcomes:
            for number, job in enumerate(jobs):
                place = f"{number + 1}/{len(jobs)} " if len(jobs) > 1 else ""
                with progress.picture(place + printable(Path(job.name).name), job.source) as steps:
                    outcome = outcomes.outcome(number, partial(work, steps))
                counts[outcome.status] += 1
                write(outcome.as_json())
                if outcome.restored:
                    heading = job.name if job.target == STREAM else f"{job.name} → {job.target}"
                    tell(entry(heading, outcome.restored.summary(details=verbose)))
                elif outcome.error:
                    complain(outcome.error)
    except KeyboardInterrupt:
        complain(f"stopped after {counts.total()} of {len(jobs)} pictures: add --skip-existing to resume")
        sys.exit(130)
    except OutputError as error:
        stop(f"{error}; stopped after {counts.total()} of {len(jobs)} pictures: add --skip-existing to resume")
    return counts


def _with_samples(options: "Options", context: typer.Context) -> "Options":
    """The options with samples=8 unless a number was given.  Raises ValueError if fewer than two would be drawn."""
    from driftrec.restoration.options import RANDOM

    if options.mode not in RANDOM:
        raise ValueError(f"{options.mode} has no samples: omit --uncertainty, or choose --mode natural or sample")
    if context.params["samples"] is None:
        return options.changed(samples=8)
    if options.samples < 2:
        raise ValueError("--uncertainty compares samples: give --samples 2 or more")
    return options


def _restore_one(
    restorer: "Restorer", suffix: str, uncertainty: bool, compare: bool, steps: "Steps | None", job: "FileJob"
) -> "Restored":
    """Restores the picture of one job and saves all its results; `steps` is told what it is doing."""
    from driftrec.restoration.files import STREAM

    says = steps.says if steps else _no_words
    says("reading")
    options = restorer.options
    before = open_source(job.source, max_pixels=options.max_pixels, partial=not options.strict)
    says("examining")
    restored = restorer.restore(before, progress=steps.advance if steps else None)
    says("saving")
    if job.target == STREAM:
        return replace(restored, picture=print_picture(restored.picture, suffix))
    job.target.parent.mkdir(parents=True, exist_ok=True)
    restored = restored.save(job.target)
    if uncertainty:
        _save_deviation(job, restored)
    if compare:
        _save_page(job, before, restored)
    return restored


def _check_formats(jobs: "Sequence[FileJob]", file_format: FormatOption | None, bits: int | None, default: str) -> None:
    """Raises ValueError, before any work, for names that contradict --format and for 16 bits in an 8-bit format."""
    extensions = {"tiff": (".tif", ".tiff"), "jpeg": (".jpg", ".jpeg")}
    for job in jobs:
        suffix = job.target.suffix.lower() or default
        if file_format and suffix not in extensions.get(file_format.value, (f".{file_format.value}",)):
            raise ValueError(f"{job.target} is not a {file_format.value} file name: omit --format, or change it")
        if bits == 16 and suffix not in (".png", ".tif", ".tiff"):
            raise ValueError(f"{suffix[1:]} cannot hold 16 bits: use png or tiff")


def _save_deviation(job: "FileJob", restored: "Restored") -> None:
    """Saves the uncertainty of the result as data and as a map; it is zero if nothing was sampled."""
    from numpy import float32, zeros

    from driftrec.picture import save_picture
    from driftrec.restoration.uncertainty import deviation_data, deviation_map

    deviation = restored.uncertainty
    if deviation is None:
        deviation = zeros(restored.picture.pixels.shape[:2], float32)
    for ending, show in zip(DEVIATIONS, (deviation_data, deviation_map), strict=True):
        save_picture(show(deviation, restored.picture), job.beside(ending))


def _save_page(job: "FileJob", before: "Picture", restored: "Restored") -> None:
    """Saves the page with a before/after slider."""
    from driftrec.web.compare import write_comparison

    title = f"{printable(job.source.name)}, before and after"
    write_comparison(before, restored.picture, job.beside(PAGE), title, restored.summary())
