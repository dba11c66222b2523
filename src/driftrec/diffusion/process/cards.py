"""Looks up processes by the names that recipes and model cards use."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from driftrec.diffusion.process.base import Process
from driftrec.diffusion.process.paper import OUVE, TSDVE, CosVE
from driftrec.diffusion.process.rivals import VP, Bridge

_BY_NAME = {kind.__name__: kind for kind in (OUVE, TSDVE, CosVE, VP, Bridge)}


def process_from_card(card: Mapping[str, Any]) -> Process:
    """Builds the process from its card, such as {"name": "OUVE", "gamma": 1.0, …}; the inverse of `Process.card`.

    Missing parameters take their defaults.  Raises ValueError for an unknown name or parameter, and for a value of the
    wrong type or out of range.
    """
    values = dict(card)
    name = values.pop("name", None)
    if name not in _BY_NAME:
        raise ValueError(f"there is no process {name!r}; known are {', '.join(_BY_NAME)}")
    known = {field.name: field.default for field in fields(_BY_NAME[name])}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{name} has no parameter {key!r}; known are {', '.join(known)}")
        if isinstance(known[key], float) and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"{key} must be a number, got {value!r}")
    return cast(Any, _BY_NAME[name])(**values)


def process_from_text(text: str) -> Process:
    """Builds the process from text, NAME or NAME:PARAMETER=VALUE:…, such as "CosVE:gamma=2:sigma_max=0.5".

    Raises ValueError as `process_from_card` does, and for text of another form.
    """
    name, *parameters = text.split(":")
    card: dict[str, Any] = {"name": name}
    for parameter in parameters:
        key, equals, value = parameter.partition("=")
        if not equals:
            raise ValueError(f"'{parameter[:40]}' is no parameter of a process: write NAME:PARAMETER=VALUE")
        card[key] = _number(value)
    return process_from_card(card)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
