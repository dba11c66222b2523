"""Terminal output: results go to standard output, problems to standard error, one sentence each."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn, TypeVar

from rich.console import Console

from driftrec.extras import how_to_add

T = TypeVar("T")

out = Console()
err = Console(stderr=True)


_ASCII = str.maketrans({"→": "->", "×": "x", "–": "-", "…": "..."})


def tolerate_encodings() -> None:
    """Lets the program print any text to any terminal or file: what its encoding lacks becomes "?"."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    """Prints a line to standard output, never wrapped or styled."""
    text = text if out.encoding.lower().startswith("utf") else text.translate(_ASCII)
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def complain(problem: object) -> None:
    """Prints a problem, one sentence, to standard error."""
    err.print(f"driftrec: {problem}", style="red", highlight=False, markup=False, soft_wrap=True)


def stop(problem: object) -> NoReturn:
    """Prints a problem and ends the program with status 1."""
    complain(problem)
    sys.exit(1)


def require_apart(output: Path, inputs: Iterable[Path]) -> None:
    """Raises ValueError if a command would write its output over one of its inputs."""
    if output.resolve() in {path.resolve() for path in inputs}:
        raise ValueError(f"{output} is also an input: choose another output")


@contextmanager
def sentences(extra: str) -> Iterator[None]:
    """Stops the program with one sentence on invalid input (ValueError, OSError) or a missing package of `extra`."""
    problem: object = None
    try:
        yield
    except ModuleNotFoundError as error:
        problem = f"this command needs {error.name}: {how_to_add(extra)}"
    except (ValueError, OSError) as error:
        problem = error
    if problem is not None:
        stop(problem)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a progress bar with the time left, on terminals only.  Yields a function (done, total) that advances it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def tracked(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    """Yields the items under a progress bar, shown on terminals only; `total` is None if their number is unknown."""
    from rich.progress import track

    yield from track(items, label, total, console=err, transient=True, disable=not err.is_terminal)
