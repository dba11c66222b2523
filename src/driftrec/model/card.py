"""What a model file says about itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftrec.diffusion.plan import Plan, plan_from_card


class ModelError(ValueError):
    """A model cannot be found or read; the message says which, and what to do."""


@dataclass(frozen=True)
class Card:
    """What a model file says of itself.

    `multiple`: sides of its input must be multiples of this many pixels.  `ratio_min`, `ratio_max`: the finite
    ratios s it was trained for.  `plan`: how to sample with it.  `faithful`: it knows s = ∞; `natural`: it knows finite
    ratios; `blind`: it does not look at y; `finisher`: it has one for the last step of a plan.  `facts`: everything
    else (training data, licences, cost, …), for people.
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
        """The card that a model carries; ModelError if it lacks what the tool needs."""
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
