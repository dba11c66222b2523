"""The command `driftrec restore-archive`; it imports Ray only when it runs."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftrec.cli.console import complain, report_lines, say, sentences, stop
from driftrec.cli.options import PARAMETERS, FormatOption, QuietOption, takes_options
from driftrec.text import json_line

if TYPE_CHECKING:
    from driftrec.archive.places import Place
    from driftrec.restoration.options import Options

ERRORS = "errors.jsonl"


@takes_options(*(name for name in PARAMETERS if name != "threads"))
def restore_archive(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Folder, s3://… or gs://… of pictures, tar shards or Parquet files.")
    ],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Folder or address for the results.")],
    options: "Options",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT|auto", help="Ray cluster to use.  Default: only this machine."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--actors", metavar="N", min=1, help="Workers; each loads its own model.  Default: as many as fit."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(metavar="N", min=1, max=1024, help="CPU threads per worker.")] = 1,
    gpus: Annotated[
        float, typer.Option(metavar="N", min=0, help="GPUs per worker; 0.5 lets two workers share one.")
    ] = 0,
    file_format: Annotated[
        FormatOption,
        typer.Option(
            "--format", metavar="|".join(FormatOption), help="Format of the results.  avif and jpeg are lossy."
        ),
    ] = FormatOption.png,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one line of JSON per picture, with its outcome.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Restore whole archives on this machine or a Ray cluster.  Run the same command again to resume a stopped run.

    If --model is a file, it must exist under the same path on every machine.
    """
    with sentences("ray"):
        from driftrec.archive.pipeline import Workers, cluster, run
        from driftrec.archive.places import place
        from driftrec.archive.sources import is_archived, pieces
        from driftrec.cli.progress import tracked
        from driftrec.model.find import find_model

        suffix, model = f".{file_format.value}", str(options.model)
        if options.bits == 16 and file_format not in (FormatOption.png, FormatOption.tiff):
            raise ValueError(f"{file_format.value} cannot hold 16 bits: use png or tiff")
        found = find_model(model)
        options = options.changed(threads=threads, model=str(found.resolve()) if Path(model).is_file() else model)
        origin, results = place(source), place(target)
        if (origin.filesystem, origin.root) == (results.filesystem, results.root):
            raise ValueError("SOURCE and TARGET are the same: choose another target")
        if report and is_archived(report.name):
            raise ValueError(f"the report {report} has the name of a picture or a shard: choose another name")
        parts = pieces(origin, leave=results.root if origin.filesystem == results.filesystem else None)
        counts = [part.count for part in parts]
        total = None if None in counts else sum(count or 0 for count in counts)
        with report_lines(report) as write, cluster(address):
            results.write(ERRORS, b"")  # an unwritable target is reported before any work is done
            summary = Summary(write)
            try:
                outcomes = run(origin, results, parts, options, suffix, Workers(workers, threads, gpus))
                summary.take(outcomes if quiet else tracked(outcomes, "restoring", total))
            except KeyboardInterrupt:
                complain(f"stopped after {summary.counts.total()} pictures: run the same command again to resume")
                sys.exit(130)
            finally:
                summary.close(results)
    if not quiet:
        say(str(summary))
    if summary.errors:
        table = results.label(ERRORS)
        stop(f"{len(summary.errors)} of {summary.counts.total()} pictures could not be restored: see {table}")


class Summary:
    """Counts outcomes.  Writes all of them to the report, and the failures to a table beside the results."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write, self.counts, self.errors = write, Counter[str](), list[str]()
        self.pixels, self.start = 0, time.perf_counter()

    def take(self, outcomes: Iterable[dict[str, Any]]) -> None:
        """Counts and reports every outcome."""
        for outcome in outcomes:
            self.pixels += outcome.pop("pixels")
            self.counts[outcome["status"]] += 1
            self.write(json_line(outcome))
            if outcome["status"] == "failed":
                facts = {"file": outcome["input"], "sentence": outcome["error"]}
                self.errors.append(json_line(facts) + "\n")

    def close(self, results: "Place") -> None:
        """Writes the table of errors, or deletes an old one if there are no errors; deletes partial files."""
        if self.errors:
            results.write(ERRORS, "".join(self.errors).encode())
        else:
            results.delete(ERRORS)
        results.sweep()

    def __str__(self) -> str:
        """One line with counts and throughput."""
        seconds = time.perf_counter() - self.start
        restored = self.counts.total() - self.counts["skipped"] - self.counts["failed"]
        kinds = ", ".join(f"{self.counts[kind]} {word}" for kind, word in _KINDS.items() if self.counts[kind])
        return (
            f"{restored} restored{f' (including {kinds})' if kinds else ''}, {self.counts['skipped']} skipped, "
            f"{self.counts['failed']} failed in {seconds:.1f} s: "
            f"{restored / seconds:.2f} files/s, {self.pixels / 1e6 / seconds:.3f} Mpx/s"
        )


_KINDS = {"decoded": "only decoded", "left": "left unchanged"}
