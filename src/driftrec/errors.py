"""Errors as sentences."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
