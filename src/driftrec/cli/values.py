"""Converts the plain values of a command line as Typer does, but without pydantic.

From version 0.29 on, Typer imports pydantic for the first value that it converts, which takes as long as decoding a
small photograph.  Values that are not plain, invalid ones among them, are left to Typer, which words the errors.
"""

import os
import re
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

from typer.core import TyperCommand, TyperGroup

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


class Unusual(Exception):
    """A value is not plain."""


def convert(value: Any, kind: Any, least: float | None, most: float | None) -> Any:  # noqa: ANN401 (what a type takes)
    """Returns the value of a parameter.

    Arguments: `value`, text, several texts for a list; `kind`, the type; `least` and `most`, limits of a number.

    Raises:
        Unusual: Typer must convert the value, or refuse it.
    """
    if get_origin(kind) is list:
        if isinstance(value, str):
            raise Unusual
        (kind,) = get_args(kind)
        return [convert(one, kind, least, most) for one in value]
    if not isinstance(value, str) or not isinstance(kind, type):
        raise Unusual
    if kind is str:
        return value
    if kind is Path and (os.access(value, os.R_OK) or not os.path.lexists(value)):
        return Path(value)
    if issubclass(kind, Enum) and value in [choice.value for choice in kind]:
        return kind(value)
    if kind in (int, float) and _NUMBER.fullmatch(value) and (kind is float or "." not in value):
        number = kind(value)
        if (least is None or least <= number) and (most is None or number <= most):
            return number
    raise Unusual


class _Conversion:
    """Converts the values of one parameter; those that are not plain, as Typer would."""

    def __init__(self, parameter: Any) -> None:  # noqa: ANN401 (not Typer's public part)
        described = parameter.type_descriptor
        limits = described.parameter_info
        self._kind, self._least, self._most = described.annotation, limits.min, limits.max
        self._many = parameter.nargs == -1 or getattr(parameter, "multiple", False)
        self._of_typer = parameter.get_runtime_param

    def coerce(self, value: Any, **context: Any) -> Any:  # noqa: ANN401 (as above)
        if value is None:
            return () if self._many else None
        try:
            return convert(value, self._kind, self._least, self._most)
        except Unusual:
            return self._of_typer().coerce(value, **context)


def _plainly(parameters: list[Any]) -> list[Any]:
    """Parameters of Typer, with these conversions from now on."""
    for parameter in parameters:
        if "get_runtime_param" not in vars(parameter):
            with suppress(AttributeError):  # other versions of Typer convert values in their own way
                conversion = _Conversion(parameter)
                vars(parameter)["get_runtime_param"] = lambda conversion=conversion: conversion
    return parameters


class PlainCommand(TyperCommand):
    """A command that converts plain values without pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 (typer has changed the types)
        """Returns the command's parameters."""
        return _plainly(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """A group of commands that converts plain values without pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 (as above)
        """Returns the group's own parameters."""
        return _plainly(super().get_params(ctx))
