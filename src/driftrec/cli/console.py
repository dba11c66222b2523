"""Terminal output: results go to standard output, everything else to standard error; a problem is one sentence."""

import errno
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, TypeVar

from driftrec.extras import how_to_add
from driftrec.text import printable

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

_ASCII = str.maketrans({"→": "->", "×": "x", "–": "-", "…": "..."})


@cache
def err() -> "Console":
    """Returns the console of standard error."""
    from rich.console import Console  # here, as it is slow to import

    return Console(stderr=True)


def on_terminal() -> bool:
    """Whether standard error is a terminal; Rich, whose import is slow, is asked only where it may say so."""
    asked = sys.stderr is not None and sys.stderr.isatty()
    return (asked or not {"FORCE_COLOR", "TTY_COMPATIBLE"}.isdisjoint(os.environ)) and err().is_terminal


def tolerate_encodings() -> None:
    """Lets the program print any text to any terminal or file: what its encoding lacks becomes "?"."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


class OutputError(ValueError):
    """A file that a command should write cannot be written."""


@contextmanager
def output_guarded() -> Iterator[None]:
    """Ends the program without a traceback if standard output cannot be written, silently if its reader has gone."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:  # as it is where the caller has closed it
                sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or sys.stdout is None:  # it is not about a stream
            stop(error)
        with suppress(OSError, ValueError):  # what is still buffered would fail again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not _is_closed_pipe(error):
            complain(f"standard output cannot be written ({error.strerror or error})")
        sys.exit(1)


def _is_closed_pipe(error: OSError) -> bool:
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def say(text: str) -> None:
    """Prints lines to standard output, without escape sequences."""
    with output_guarded():
        _print(text, sys.stdout)


def note(text: str) -> None:
    """Prints text to standard error: what is neither a result nor a problem."""
    with suppress(OSError):
        _print(text, sys.stderr)


def _print(text: str, stream: TextIO | None) -> None:
    if stream is not None:
        encoding = stream.encoding or "utf-8"
        text = "\n".join(map(printable, text.split("\n")))
        print(text if encoding.lower().startswith("utf") else text.translate(_ASCII), file=stream, flush=True)


def entry(heading: str, *clauses: str) -> str:
    """Lines for people: a heading, such as a path, and indented clauses, which are wrapped on terminals only."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    wrap = textwrap.TextWrapper(
        shutil.get_terminal_size().columns if terminal else sys.maxsize,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join((printable(heading), *(wrap.fill(printable(clause)) for clause in clauses)))


def complain(problem: object) -> None:
    """Prints a problem, one sentence, to standard error."""
    with suppress(OSError):  # there is nobody to tell
        err().print(f"driftrec: {printable(problem)}", style="red", highlight=False, markup=False, soft_wrap=True)


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
def report_lines(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Yields a function that writes a line to a file, such as a report, at once, or does nothing if there is none.

    File names that are not UTF-8 become escapes, which JSON reads.  Raises OutputError if the file cannot be written.
    """
    if path is None:
        yield lambda _: None
        return
    try:
        file = path.open("wb", buffering=0)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another file") from error

    def write(line: str) -> None:
        left = memoryview((line + "\n").encode("utf-8", "backslashreplace"))
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            raise OutputError(f"{path} cannot be written ({error.strerror})") from error

    with file:
        yield write
