"""How a natural restoration is made of a faithful one: where sampling starts, how many evaluations it takes, and how it
ends.

The faithful estimate E[x0 | y] is the first evaluation.  Sampling starts around it, (E8), not at the end of the
process: noise need only drown what the file lost.  How much that was shows in how far the faithful estimate moved away
from the file, d = √E[(x̂0 − y)²], and the noise-to-scale ratio to start from is

    s = min(d²/level, s(start)).                                                                   (E20)

A file that lost next to nothing starts below the grid's end, and keeps its faithful estimate.  A grid of a single time
has it half-way in log-SNR, where the noise leaves something to find, and most of the faithful estimate to see.

At the end the sample gets the low band of the faithful estimate (`driftrec.diffusion.colour`).  A model may have a
finisher, which makes the last evaluation in place of the denoiser (`driftrec.train.finisher`) and has learnt the low
band too, all but the means.

Networks that were not trained at s = ∞, such as the paper's, have no faithful estimate.  For them sampling starts
around y and uses the whole grid, and the low band is that of y.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from driftrec.diffusion.colour import with_low_band, with_mean
from driftrec.diffusion.coordinates import anchor_image
from driftrec.diffusion.grids import uniform_log_snr
from driftrec.diffusion.process import OUVE, Process, process_from_card
from driftrec.diffusion.samplers import multistep
from driftrec.diffusion.types import Anchor, Array, Denoise, Noise

Colour: TypeAlias = Literal["low-band", "mean", "none"]
Around: TypeAlias = Literal["faithful", "file"]


@dataclass(frozen=True)
class Plan:
    """The settings of natural restorations; those of a model are on its card.

    Attributes:
        process: the process to sample.
        evaluations: of the network in all, the faithful one included; at least 1.
        start, end: latest and last time of the grid, 0 < end < start ≤ 1; a single time lies between.
        eta: strength of the fresh noise, in [0, 1], see `driftrec.diffusion.samplers.first_order`.
        level: of (E20), in image units; smaller values start earlier.
        around: where sampling starts: at the faithful estimate, or, without one, at the anchor with all the noise.
        anchor: what the network's residuals are measured from.
        colour: what samples take from the faithful estimate, or without one from the file, see
            `driftrec.diffusion.colour`.

    Raises ValueError for values outside these ranges.
    """

    process: Process = field(default_factory=OUVE)
    evaluations: int = 6
    start: float = 0.4
    end: float = 0.02
    eta: float = 0.5
    level: float = 0.01
    around: Around = "faithful"
    anchor: Anchor = "corrupted"
    colour: Colour = "low-band"

    def __post_init__(self) -> None:
        if self.evaluations < 1:
            raise ValueError(f"evaluations must be at least 1, got {self.evaluations}")
        if not 0 < self.end < self.start <= 1:
            raise ValueError(f"times must satisfy 0 < end < start ≤ 1, got start {self.start} and end {self.end}")
        if not (0 <= self.eta <= 1 and self.level > 0):
            raise ValueError(f"eta must lie in [0, 1] and level above 0, got {self.eta} and {self.level}")
        for name, value, known in (
            ("around", self.around, Around),
            ("anchor", self.anchor, Anchor),
            ("colour", self.colour, Colour),
        ):
            if value not in get_args(known):
                raise ValueError(f"{name} must be one of {', '.join(get_args(known))}, got {value!r}")

    def times(self, change: float, evaluations: int | None = None) -> tuple[float, ...]:
        """The sampler's grid after a faithful estimate that moved by `change`, d of (E20), in image units.

        One time for each evaluation but the first; none where there is nothing to sample.  Without a faithful estimate,
        one time for each evaluation, whatever the change.
        """
        count = self.evaluations if evaluations is None else evaluations
        if self.around == "file":
            return uniform_log_snr(self.process, count, start=self.start, end=self.end)
        ratio = min(change**2 / self.level, self.process.ratio(self.start))
        if count < 2 or ratio <= self.process.ratio(self.end):
            return ()
        grid = partial(uniform_log_snr, self.process, start=self.process.time_of_ratio(ratio), end=self.end)
        return grid(3)[1:2] if count == 2 else grid(count - 1)

    def sample(
        self,
        denoise: Denoise,
        y: Array,
        faithful: Array | None,
        change: float,
        *,
        noise: Noise,
        evaluations: int | None = None,
        finish: Denoise | None = None,
    ) -> Iterator[Array]:
        """Yields the faithful estimate and those of every step; the last one, after (E21), is the restoration.

        Arguments: `denoise`, `y`, `noise` as for `driftrec.diffusion.samplers.multistep`; `faithful`, E[x0 | y] of y's
        shape, or None for plans around the file; `change` and `evaluations` as for `times`; `finish` makes the last
        evaluation of the sampler, by default `denoise` does.
        """
        if faithful is not None:
            yield faithful
        if times := self.times(change, evaluations):
            start = anchor_image(y, self.anchor)

            def around(xt: Array, _: Array, t: float) -> Array:
                return (finish if finish and t == times[-1] else denoise)(xt, y, t)

            estimates = multistep(around, start, self.process, times, noise=noise, mean=faithful, eta=self.eta)
            for number, x0 in enumerate(estimates, start=1):
                yield self._coloured(x0, y if faithful is None else faithful) if number == len(times) else x0

    def _coloured(self, x0: Array, reference: Array) -> Array:
        correct = {"low-band": with_low_band, "mean": with_mean, "none": lambda x0, _: x0}[self.colour]
        return correct(x0, reference)

    def card(self) -> dict[str, Any]:
        """The plan as values for JSON; `plan_from_card` is the way back."""
        return asdict(self) | {"process": self.process.card()}


def plan_from_card(card: Mapping[str, Any]) -> Plan:
    """The plan that `Plan.card` wrote down.  Raises ValueError for unknown or wrong settings."""
    try:
        return Plan(**{**card, "process": process_from_card(card["process"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a sampling plan: {error}") from error
