"""The command `driftrec restore-archive`; it imports Ray only when it runs."""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from driftrec.cli.console import complain, report_lines, say, sentences, stop
from driftrec.cli.options import PARAMETERS, FormatOption, QuietOption, takes_options

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
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=1024,
            help="CPU threads per worker.  Default: 1; all cores if a small archive needs no workers.",
        ),
    ] = None,
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
        from driftrec.archive.here import Here, is_small
        from driftrec.archive.places import place
        from driftrec.archive.runs import Run
        from driftrec.archive.sources import is_archived, pieces
        from driftrec.cli.progress import tracked
        from driftrec.model.find import find_model, lasting_name

        suffix, model = f".{file_format.value}", str(options.model)
        if options.bits == 16 and file_format not in (FormatOption.png, FormatOption.tiff):
            raise ValueError(f"{file_format.value} cannot hold 16 bits: use png or tiff")
        find_model(model)
        options = options.changed(threads=threads, model=lasting_name(model))
        origin, results = place(source), place(target)
        if (origin.filesystem, origin.root) == (results.filesystem, results.root):
            raise ValueError("SOURCE and TARGET are the same: choose another target")
        if report and is_archived(report.name):
            raise ValueError(f"the report {report} has the name of a picture or a shard: choose another name")
        parts = pieces(origin, leave=results.root if origin.filesystem == results.filesystem else None)
        counts = [part.count for part in parts]
        total = None if None in counts else sum(count or 0 for count in counts)
        here = not (address or workers or gpus) and is_small(origin, parts, options)
        run = Run(results)
        with report_lines(report) as write:
            summary = Summary(write, run.target)
            try:
                with run, nullcontext() if here else _cluster(address), _orderly_end():
                    run.begin()  # an unwritable target is reported before any work is done
                    if here:
                        work = Here(origin, run.claims, parts, options, suffix)
                    else:
                        from driftrec.archive.pipeline import OnRay, Workers

                        one = options.changed(threads=threads or 1)
                        work = OnRay(origin, run.claims, parts, one, suffix, Workers(workers, threads or 1, gpus))
                    try:
                        summary.take(work if quiet else tracked(work, "restoring", total))
                    except KeyboardInterrupt:
                        summary.take(work.unreported())
                        raise
                    finally:
                        summary.close()
            except KeyboardInterrupt as end:
                complain(f"stopped after {summary.counts.total()} pictures: run the same command again to resume")
                sys.exit(128 + (end.number if isinstance(end, Ended) else signal.SIGINT))
    if not quiet:
        say(str(summary))
    if summary.errors:
        table = results.label(ERRORS)
        stop(f"{len(summary.errors)} of {summary.counts.total()} pictures could not be restored: see {table}")


class Ended(KeyboardInterrupt):
    """The program was told to end by the signal of this number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Raises Ended when the program is told to end, so that files are closed, as they are after Ctrl-C."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise Ended(number)

    kept = {}
    for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            kept[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler or signal.SIG_DFL)


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Joins the cluster at an address, or starts one that only this machine can reach."""
    if address is None:
        # Ray reads this when it is imported.  Despite its name it holds for Linux, too: 0 means the loopback interface.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from driftrec.archive.pipeline import cluster

    with ExitStack() as stack:
        try:
            stack.enter_context(cluster(address))
        except SystemExit as end:  # raised by Ray's own handler while it starts
            raise Ended(signal.SIGTERM) from end
        yield


class Summary:
    """Counts outcomes.  Writes all of them to the report, and the failures to a table beside the results."""

    def __init__(self, write: Callable[[str], None], results: "Place") -> None:
        self.write, self.results = write, results
        self.counts, self.errors = Counter[str](), list[str]()
        self.pixels, self.start = 0, time.perf_counter()
        self.old_table = results.modified(ERRORS)

    def take(self, outcomes: Iterable[dict[str, Any]]) -> None:
        """Counts and reports every outcome."""
        for outcome in outcomes:
            self.pixels += outcome.pop("pixels")
            self.counts[outcome["status"]] += 1
            self.write(json.dumps(outcome, ensure_ascii=False))
            if outcome["status"] == "failed":
                facts = {"file": outcome["input"], "sentence": outcome["error"]}
                self.errors.append(json.dumps(facts, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Writes the table of errors, or deletes that of an earlier run.  The lines of a simultaneous run stay."""
        lines = self.errors
        if self.results.modified(ERRORS) not in (None, self.old_table):
            lines = [*self.results.read(ERRORS).decode().splitlines(keepends=True), *lines]
        if lines:
            self.results.write(ERRORS, "".join(dict.fromkeys(lines)).encode())
        else:
            self.results.delete(ERRORS)

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
