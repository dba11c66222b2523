"""The commands `driftrec evaluate` and `driftrec benchmark`; they import the evaluation only when they run."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftrec.cli.console import note, report_lines, require_apart, say, sentences
from driftrec.text import printable

if TYPE_CHECKING:
    from driftrec.evaluate.features import Network

Weights = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder of metric weights.  Default: the cache, or a download.")
]
MetricNames = Annotated[
    list[str] | None, typer.Option("--metric", metavar="NAME", help="Metric to compute; repeatable.")
]


def evaluate(
    restored: Annotated[Path, typer.Argument(metavar="RESTORED", help="A picture or a folder of pictures.")],
    clean: Annotated[
        Path | None, typer.Argument(metavar="CLEAN", help="The same pictures, clean.  Omit it if there are none.")
    ] = None,
    metric: MetricNames = None,
    weights: Weights = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write one line of JSON per picture to FILE.")
    ] = None,
) -> None:
    """Measure restored pictures.  Compares them with clean ones of the same names, by the metrics and
    conventions of the field.
    """
    with sentences("evaluate"):
        from driftrec.cli.progress import tracked
        from driftrec.evaluate.measures import STANDARD
        from driftrec.evaluate.pairs import NO_REFERENCE, measure_pairs, pairs_of, summary

        pairs = pairs_of(restored, clean)
        if output:
            require_apart(output, (path for pair in pairs for path in (pair.restored, pair.clean) if path))
        names = _metrics(metric, STANDARD if clean else NO_REFERENCE, weights)
        results = []
        with report_lines(output) as write:
            for result in tracked(measure_pairs(pairs, names, weights), "measuring", len(pairs)):
                write(result.as_json())
                results.append(result)
        say(summary(results))


def benchmark(
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="Clean pictures (protocol wild: JPEGs as found).")],
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="live1-color, classic5, double-jpeg, high-quality, chains, …"),
    ] = None,
    quality: Annotated[
        str | None, typer.Option(metavar="Q,Q", help="JPEG qualities, such as 5,10,20.  Default: the protocol's.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="plain, faithful, natural:steps=3, sample:start=1, average:samples=8, jpeg2png, …; repeatable.",
        ),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Option(metavar="'TOOL {input} {output}'", help="External program to compare; repeatable."),
    ] = None,
    metric: MetricNames = None,
    weights: Weights = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the results.")] = Path("benchmark"),
    images: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Use only this many pictures, evenly spaced.")
    ] = None,
    sheets: Annotated[
        int, typer.Option(metavar="N", min=0, help="Make before/after sheets of this many pictures.")
    ] = 0,
    workers: Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Worker processes.")] = 1,
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1024, help="CPU threads per worker.  Default: all cores.")
    ] = None,
) -> None:
    """Compare methods of restoration.  Compresses clean pictures, restores them by each method, and measures them.

    Run the same command again to resume a stopped run.
    """
    with sentences("evaluate"):
        from driftrec.cli.progress import busy, tracked
        from driftrec.evaluate import benchmark as bench
        from driftrec.evaluate.methods import parse_method
        from driftrec.evaluate.protocols import find_protocol
        from driftrec.evaluate.report import write

        chosen = find_protocol(protocol, _qualities(quality))
        paths = bench.pictures_in(data, images)
        names = [*(method or chosen.methods), *(f"command:run={c}" for c in command or ())]
        methods = [parse_method(name) for name in names]
        if len({m.label for m in methods}) < len(methods):
            raise ValueError("two methods have the same name: leave one out")
        with busy("loading the methods"):
            for one in methods:
                one.load(threads)  # reports what is missing before anything is measured
        metrics, features = tuple(_metrics(metric, chosen.metrics, weights)), _features(chosen.features, weights)
        settings = bench.Settings(metrics, out, weights, features, sheets, threads, workers)
        tasks = [
            bench.BenchmarkTask(path, corruption, chosen.gray)
            for path in paths
            for corruption in chosen.corruptions or (None,)
        ]
        records = list(tracked(bench.run(tasks, methods, settings), "measuring", len(tasks) * len(methods)))
        target = write(records, chosen, settings, data.resolve().name)
        say(target.read_text(encoding="utf-8"))
        say(f"{printable(target)}  {len(records)} records")


def _metrics(asked: list[str] | None, standard: Iterable[str], weights: Path | None) -> list[str]:
    """The metrics to compute: those asked for, all of which must be available, or the available standard ones."""
    from driftrec.cli.progress import busy
    from driftrec.evaluate.measures import available

    with busy("loading the metrics"):
        names, missing = available(asked or standard, weights)
    if asked and missing:
        raise ValueError("; ".join(missing))
    for sentence in missing:
        note(sentence)
    if not names:
        raise ValueError("no metric is available: provide what the lines above name")
    return names


def _features(network: "Network | None", weights: Path | None) -> "Network | None":
    """The network for KID, if it is available; Inception must be, as a protocol that names it is there for FID."""
    from driftrec.evaluate.features import load

    try:
        if network is not None:
            load(network, weights)
    except ValueError as error:
        if network == "inception":
            raise
        note(f"KID is left out: {error}")
        return None
    return network


def _qualities(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise ValueError(f"--quality takes numbers such as 5,10,20, not '{text}'") from error
