"""How the program speaks: results to standard output, problems as one sentence to standard error."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from rich.console import Console

T = TypeVar("T")

out = Console()
err = Console(stderr=True)


def say(text: str) -> None:
    """A line of output as it is, however wide the terminal."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def complain(problem: object) -> None:
    """A problem, in one sentence."""
    err.print(f"driftrec: {problem}", style="red", highlight=False, markup=False, soft_wrap=True)


def stop(problem: object) -> NoReturn:
    """A problem that ends the program with status 1."""
    complain(problem)
    sys.exit(1)


@contextmanager
def sentences(extra: str) -> Iterator[None]:
    """Turns wrong input (ValueError, OSError) and packages of an `extra` that are missing into one sentence."""
    problem: object = None
    try:
        yield
    except ModuleNotFoundError as error:
        problem = f"this command needs {error.name}: pip install 'driftrec[{extra}]'"
    except (ValueError, OSError) as error:
        problem = error
    if problem is not None:
        stop(problem)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, on a terminal only.  Gives the function (done, total) that advances it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def tracked(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    """The items, under a progress bar on a terminal; `total` is None where their number is not known."""
    from rich.progress import track

    yield from track(items, label, total, console=err, transient=True, disable=not err.is_terminal)
