"""Errors as sentences."""

import re

from driftrec.text import printable

_OUT_OF_MEMORY = re.compile(
    r"failed to allocate memory|bad[_ ]alloc|out of memory|cannot allocate memory", re.IGNORECASE
)
"""What libraries say when memory runs out; most of them have exceptions of their own for it."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, whichever library noticed."""
    return isinstance(error, MemoryError) or bool(_OUT_OF_MEMORY.search(str(error)))


def why_not_restored(error: Exception, name: str) -> str:
    """One sentence for any error that ended the work on a picture; it names the picture."""
    name = printable(name)
    if is_out_of_memory(error):
        return f"{name} needs more memory than is available: cut it into parts, or use smaller tiles"
    text = first_line(error)
    if name in text:
        return text
    if isinstance(error, ValueError | OSError):
        return f"{name}: {text}"
    return f"{name} could not be restored ({type(error).__name__}: {text})"
