"""How a natural restoration is made of a faithful one: where sampling starts, in how many steps, and how it ends.

The faithful estimate E[x0 | y] is the first evaluation.  Sampling starts around it, (E7), not at the end of the
process: noise need only drown what the file lost.  How much that was shows in how far the faithful estimate moved away
from the file, d = √E[(x̂0 − y)²], and the noise-to-scale ratio to start from is

    s = min(d²/level, s(start)).                                                                   (E15)

A file that lost next to nothing starts below the grid's end, and keeps its faithful estimate.  At the end the sample
gets the low band of the faithful estimate (`driftrec.low_band`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from driftrec.grids import uniform_log_snr
from driftrec.low_band import with_low_band
from driftrec.process import OUVE, PaperProcess, process_from_card
from driftrec.samplers import multistep
from driftrec.types import Array, Denoise, Noise


@dataclass(frozen=True)
class Plan:
    """The settings of natural restorations; those of a model are on its card.

    Attributes:
        process: the process to sample.
        evaluations: of the network in all, the faithful one included; at least 1.
        start, end: latest and last time of the grid, 0 < end < start ≤ 1.
        eta: strength of the fresh noise, in [0, 1], see `driftrec.samplers.first_order`.
        level: of (E15), in image units; smaller values start earlier.

    Raises ValueError for values outside these ranges.
    """

    process: PaperProcess = field(default_factory=OUVE)
    evaluations: int = 6
    start: float = 0.4
    end: float = 0.02
    eta: float = 0.5
    level: float = 0.01

    def __post_init__(self) -> None:
        if self.evaluations < 1:
            raise ValueError(f"evaluations must be at least 1, got {self.evaluations}")
        if not 0 < self.end < self.start <= 1:
            raise ValueError(f"times must satisfy 0 < end < start ≤ 1, got start {self.start} and end {self.end}")
        if not (0 <= self.eta <= 1 and self.level > 0):
            raise ValueError(f"eta must lie in [0, 1] and level above 0, got {self.eta} and {self.level}")

    def times(self, change: float, evaluations: int | None = None) -> tuple[float, ...]:
        """The sampler's grid after a faithful estimate that moved by `change`, d of (E15), in image units.

        One time for each evaluation but the first; none where there is nothing to sample.
        """
        steps = (self.evaluations if evaluations is None else evaluations) - 1
        ratio = min(change**2 / self.level, self.process.ratio(self.start))
        if steps < 1 or ratio <= self.process.ratio(self.end):
            return ()
        return uniform_log_snr(self.process, steps, start=self.process.time_of_ratio(ratio), end=self.end)

    def sample(
        self,
        denoise: Denoise,
        y: Array,
        faithful: Array,
        change: float,
        *,
        noise: Noise,
        evaluations: int | None = None,
    ) -> Iterator[Array]:
        """Yields the faithful estimate and those of every step; the last one, after (E16), is the restoration.

        Arguments: `denoise`, `y`, `noise` as for `driftrec.samplers.multistep`; `faithful`, E[x0 | y] of y's shape;
        `change` and `evaluations` as for `times`.
        """
        yield faithful
        if times := self.times(change, evaluations):
            estimates = multistep(denoise, y, self.process, times, noise=noise, mean=faithful, eta=self.eta)
            for number, x0 in enumerate(estimates, start=1):
                yield with_low_band(x0, faithful) if number == len(times) else x0

    def card(self) -> dict[str, Any]:
        """The plan as values for JSON; `plan_from_card` is the way back."""
        return asdict(self) | {"process": self.process.card()}


def plan_from_card(card: Mapping[str, Any]) -> Plan:
    """The plan that `Plan.card` wrote down.  Raises ValueError for unknown or wrong settings."""
    try:
        return Plan(**{**card, "process": process_from_card(card["process"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a sampling plan: {error}") from error
