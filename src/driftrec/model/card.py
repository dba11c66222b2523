"""The card of a model: the properties stored in its file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftrec.diffusion.plan import Plan, plan_from_card


class ModelError(ValueError):
    """A model cannot be found or read; the message names it and says what to do."""


@dataclass(frozen=True)
class Card:
    """The properties of a model that its file states.

    `multiple`: sides of its input must be multiples of this many pixels.  `ratio_min`, `ratio_max`: the finite
    ratios s it was trained for.  `plan`: how to sample with it.  `faithful`: it supports s = ∞; `natural`: it
    supports finite ratios; `blind`: it ignores y; `finisher`: it has one for the last step of a plan.  `facts`: all
    else, for information only (training data, licences, cost, …).
    """

    name: str
    multiple: int
    ratio_min: float
    ratio_max: float
    plan: Plan
    faithful: bool
    natural: bool
    blind: bool
    finisher: bool
    facts: dict[str, Any]

    @staticmethod
    def parse(content: Mapping[str, Any], label: str) -> "Card":
        """Reads the card of the model `label`.  Raises ModelError if a required entry is missing or invalid."""
        values = dict(content)
        try:
            return Card(
                name=values.pop("name"),
                multiple=values.pop("multiple"),
                ratio_min=values.pop("ratio_min"),
                ratio_max=values.pop("ratio_max"),
                plan=plan_from_card(values.pop("sampling")),
                faithful=values.pop("faithful", True),
                natural=values.pop("natural", True),
                blind=values.pop("blind", False),
                finisher=values.pop("finisher", False),
                facts=values,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{label} has no valid driftrec card ({error}): export it again") from error
