"""What a model file says about itself, and the errors of model files."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from driftrec.diffusion.plan import Plan, plan_from_card
from driftrec.text import printable

Corruption: TypeAlias = Literal["jpeg", "other"]
"""What a model was trained to undo: JPEG compression, or anything else, such as noise or pairs from disk."""

MOST_MULTIPLE = 1024
"""Largest multiple that a card may ask for."""

MOST_EVALUATIONS = 1000
"""Most evaluations that a card's plan may take."""


class ModelError(ValueError):
    """A model cannot be found or read; the message names it and says what to do."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """There is no model of that name, and no file."""


@dataclass(frozen=True)
class Card:
    """What a model file says about its network.

    `multiple`: sides of its input must be multiples of this many pixels.  `ratio_min`, `ratio_max`: the finite
    ratios s it was trained for.  `plan`: how to sample with it.  `faithful`: it was trained at s = ∞; `natural`: it was
    trained at finite ratios; `blind`: it does not look at y; `finisher`: it has a second network for the last step of a
    plan.  `corruption`: what it was trained to undo; cards that do not say so are those of JPEG models.  `facts`:
    everything else (training data, licences, cost, …), for people.
    """

    name: str
    multiple: int
    ratio_min: float
    ratio_max: float
    plan: Plan
    faithful: bool = True
    natural: bool = True
    blind: bool = False
    finisher: bool = False
    corruption: Corruption = "jpeg"
    facts: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def parse(content: str | Mapping[str, Any], label: str) -> "Card":
        """Returns the card of the model `label`, from JSON or from its values.

        Raises:
            ModelError: a required entry is missing, or an entry has another type or range than above.
        """
        try:
            values = json.loads(content) if isinstance(content, str) else content
            if not isinstance(values, Mapping):
                raise ValueError(f"it is a {_NAMES.get(type(values), 'single value')}, not an object")
            return Card._checked(dict(values))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ModelError(f"{label} has no valid driftrec card ({printable(error)}): export it again") from error

    @staticmethod
    def _checked(values: dict[str, Any]) -> "Card":
        """The card of these values.  Raises ValueError, or TypeError from the classes of its parts."""
        if missing := [key for key in (*_REQUIRED, "sampling") if key not in values]:
            raise ValueError(f"it lacks {', '.join(missing)}")
        required = {key: values.pop(key) for key in _REQUIRED}
        flags = {key: values.pop(key) for key in ("faithful", "natural", "blind", "finisher") if key in values}
        for key, value in required.items():
            if not isinstance(value, _REQUIRED[key]) or isinstance(value, bool):
                raise ValueError(f"{key} is {value!r}")
        for key, value in flags.items():
            if not isinstance(value, bool):
                raise ValueError(f"{key} is {value!r}, not true or false")
        corruption = values.pop("corruption", "jpeg")
        if corruption not in get_args(Corruption):
            raise ValueError(f"corruption is {corruption!r}, not one of {', '.join(get_args(Corruption))}")
        if not 1 <= required["multiple"] <= MOST_MULTIPLE:
            raise ValueError(f"multiple is {required['multiple']}, not between 1 and {MOST_MULTIPLE}")
        if not 0 <= required["ratio_min"] <= required["ratio_max"] < math.inf:
            raise ValueError("ratio_min and ratio_max are no range of finite ratios")
        plan = plan_from_card(values.pop("sampling"))
        if type(plan.evaluations) is not int or plan.evaluations > MOST_EVALUATIONS:
            raise ValueError(f"evaluations is {plan.evaluations!r}, not a number between 1 and {MOST_EVALUATIONS}")
        if not math.isfinite(plan.level):
            raise ValueError("level is not finite")
        return Card(**required, plan=plan, **flags, corruption=corruption, facts=values)


_REQUIRED: dict[str, Any] = {"name": str, "multiple": int, "ratio_min": int | float, "ratio_max": int | float}
_NAMES = {list: "list", str: "text", int: "number", float: "number"}
