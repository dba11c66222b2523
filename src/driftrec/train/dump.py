"""Recipes inside checkpoints and model files, with a version number, so that later versions of driftrec can read them.

A change that gives older dumps another meaning (a renamed key, a new default) adds one function to `MIGRATIONS`.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pydantic import ValidationError

from driftrec.train.recipe import TrainConfig, sentence

Values: TypeAlias = dict[str, Any]


def _plain_inputs(values: Values) -> Values:
    """From version 2 to 3: every network that predicts a score saw x_t; since then, `objective.inputs` says it."""
    objective = values.get("objective") or {}
    if objective.get("predicts") == "score" and (values.get("network") or {}).get("kind", "unet") == "unet":
        return {**values, "objective": {**objective, "inputs": "state"}}
    return values


MIGRATIONS: tuple[Callable[[Values], Values], ...] = (dict, _plain_inputs)
"""The first function converts version 1 to version 2, and so on.  Version 1 only lacks the version number."""


def version() -> int:
    """The version that is written today."""
    return 1 + len(MIGRATIONS)


def dump(config: TrainConfig) -> Values:
    """The recipe as values for JSON."""
    return {"version": version(), **config.model_dump(mode="json")}


def from_dump(content: Mapping[str, Any], source: str) -> TrainConfig:
    """The recipe that `dump` wrote, today or in an earlier version.

    Raises ValueError, naming the file `source`, for a dump of a later version or with settings that are not valid.
    """
    values = dict(content)
    number = values.pop("version", 1)
    if number > version():
        raise ValueError(
            f"{source} was written by a later driftrec (recipe version {number}, this one reads up to {version()}): "
            "update driftrec"
        )
    for migrate in MIGRATIONS[number - 1 :]:
        values = migrate(values)
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{source} holds a recipe that cannot be used: {sentence(error)}") from error
