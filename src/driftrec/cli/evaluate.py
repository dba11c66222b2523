"""The commands `driftrec evaluate` and `driftrec benchmark`; the evaluation itself is opened inside them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from driftrec.cli.console import err, say, sentences, tracked

Weights = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Weights of metrics.  Default: the cache, then a download.")
]
MetricNames = Annotated[
    list[str] | None, typer.Option("--metric", metavar="NAME", help="What to measure; may be given several times.")
]


def evaluate(
    restored: Annotated[Path, typer.Argument(metavar="RESTORED", help="A picture, or a folder of pictures.")],
    clean: Annotated[
        Path | None, typer.Argument(metavar="CLEAN", help="The same pictures, clean; leave out where there are none.")
    ] = None,
    metric: MetricNames = None,
    weights: Weights = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="A .jsonl file with one line a picture.")
    ] = None,
) -> None:
    """Compare restored pictures with clean ones of the same names, in the field's metrics and conventions."""
    with sentences("evaluate"):
        from driftrec.evaluate.measures import STANDARD
        from driftrec.evaluate.pairs import NO_REFERENCE, measure_pairs, pairs_of, summary

        pairs = pairs_of(restored, clean)
        names = _metrics(metric, STANDARD if clean else NO_REFERENCE, weights)
        results = list(tracked(measure_pairs(pairs, names, weights), "measuring", len(pairs)))
        if output:
            output.write_text("".join(result.as_json() + "\n" for result in results), encoding="utf-8")
        say(summary(results))


def benchmark(
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="Clean pictures (protocol wild: JPEGs as found).")],
    protocol: Annotated[
        str | None, typer.Option(metavar="NAME", help="live1-color, classic5, double-jpeg, high-quality, wild, …")
    ] = None,
    quality: Annotated[
        str | None, typer.Option(metavar="Q,Q", help="JPEG qualities, such as 5,10,20; instead of the protocol's.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="plain, faithful, natural:steps=3, average:samples=8, jpeg2png, …; repeatable."
        ),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Option(metavar="'TOOL {input} {output}'", help="Another program to compare; repeatable."),
    ] = None,
    metric: MetricNames = None,
    weights: Weights = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Records, tables, plots, sheets.")] = Path("benchmark"),
    images: Annotated[int | None, typer.Option(min=1, help="Only so many pictures, evenly spread.")] = None,
    sheets: Annotated[int, typer.Option(min=0, help="Before/after sheets of so many pictures.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Pictures side by side.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="CPU threads of each.  Default: all cores.")
    ] = None,
) -> None:
    """Restore clean pictures that were compressed, by several methods, and measure all of them.

    A run that was stopped goes on where it was when the same command is given again.
    """
    with sentences("evaluate"):
        from driftrec.evaluate import benchmark as bench
        from driftrec.evaluate.methods import parse_method
        from driftrec.evaluate.protocols import find_protocol
        from driftrec.evaluate.report import write

        chosen = find_protocol(protocol, _qualities(quality))
        names = [*(method or chosen.methods), *(f"command:run={c}" for c in command or ())]
        methods = [parse_method(name) for name in names]
        if len({m.label for m in methods}) < len(methods):
            raise ValueError("two methods have the same name: leave one out")
        for one in methods:
            one.load(threads)  # what is missing is said before anything is measured
        settings = bench.Settings(
            tuple(_metrics(metric, chosen.metrics, weights)), out, weights, chosen.features, sheets, threads, workers
        )
        tasks = [
            bench.BenchmarkTask(path, corruption, chosen.gray)
            for path in bench.pictures_in(data, images)
            for corruption in chosen.corruptions or (None,)
        ]
        records = list(tracked(bench.run(tasks, methods, settings), "measuring", len(tasks) * len(methods)))
        target = write(records, chosen, settings, data.resolve().name)
        say(target.read_text(encoding="utf-8"))
        say(f"{target}  {len(records)} records")


def _metrics(asked: list[str] | None, standard: Iterable[str], weights: Path | None) -> list[str]:
    """Metrics that were asked for must be there; of the standard ones those that are not are only spoken of."""
    from driftrec.evaluate.measures import available

    names, missing = available(asked or standard, weights)
    if asked and missing:
        raise ValueError("; ".join(missing))
    for sentence in missing:
        err.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)
    if not names:
        raise ValueError("there is no metric left to compute")
    return names


def _qualities(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise ValueError(f"--quality takes numbers such as 5,10,20, not '{text}'") from error
