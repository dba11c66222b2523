"""What a model file says about itself, and the errors of model files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from driftrec.diffusion.plan import Plan, plan_from_card


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
    plan.  `facts`: everything else (training data, licences, cost, …), for people.
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
    facts: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def parse(content: Mapping[str, Any], label: str) -> "Card":
        """Returns the card of the model `label`.

        Raises:
            ModelError: a required entry is missing or invalid.
        """
        values = dict(content)
        try:
            required = {key: values.pop(key) for key in ("name", "multiple", "ratio_min", "ratio_max")}
            plan = plan_from_card(values.pop("sampling"))
            stated = {key: values.pop(key) for key in ("faithful", "natural", "blind", "finisher") if key in values}
            return Card(**required, plan=plan, **stated, facts=values)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{label} has no valid driftrec card ({error}): export it again") from error
