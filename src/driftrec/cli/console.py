"""How the program speaks: results to standard output, problems as one sentence to standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

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
