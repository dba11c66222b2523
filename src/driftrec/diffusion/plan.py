"""Turns a faithful restoration into a natural one: where sampling starts, how many evaluations it takes, how it ends.

The first evaluation gives the faithful estimate E[x0 | y].  Sampling starts around it, (E8), not at the end of the
process, because the noise only has to cover what the file lost.  The distance of the faithful estimate from the file,
d = √E[(x̂0 − y)²], measures that loss.  Sampling starts at the noise-to-scale ratio

    s = min(d²/level, s(start)).                                                                   (E20)

For a file that lost almost nothing, this start lies below the grid's end, and the faithful estimate is the result.  A
grid of a single time puts it half-way between start and end in log-SNR.  There the noise hides enough to leave detail
to sample, but most of the faithful estimate remains visible.

At the end the sample takes the low band of the faithful estimate (`driftrec.diffusion.colour`).  A model may have a
finisher (`driftrec.train.finisher`), which replaces the denoiser in the last evaluation.

Networks that were not trained at s = ∞, such as the paper's, have no faithful estimate.  For them sampling starts
around y, uses the whole grid and takes the low band of y.
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
    """The settings for natural restorations; a model's card holds its own.

    Attributes:
        process: the process to sample.
        evaluations: total number of network evaluations, including the faithful one; at least 1.
        start, end: latest possible first time and last time of the grid, 0 < end < start ≤ 1; a single time lies
            between them.
        eta: strength of the fresh noise, in [0, 1]; see `driftrec.diffusion.samplers.first_order`.
        level: the level in (E20), in image units; smaller values start at larger noise.
        around: where sampling starts: around the faithful estimate or, without one, around the anchor with full noise.
        anchor: the image that the network's residuals are measured from.
        colour: what samples take from the faithful estimate, or from the file if there is none; see
            `driftrec.diffusion.colour`.
        texture: weight, in [0, 1], of what a natural restoration adds to the faithful estimate; see
            `driftrec.restoration.texture`.

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
    texture: float = 1.0

    def __post_init__(self) -> None:
        if self.evaluations < 1:
            raise ValueError(f"evaluations must be at least 1, got {self.evaluations}")
        if not 0 < self.end < self.start <= 1:
            raise ValueError(f"times must satisfy 0 < end < start ≤ 1, got start {self.start} and end {self.end}")
        if not (0 <= self.eta <= 1 and self.level > 0):
            raise ValueError(f"eta must lie in [0, 1] and level above 0, got {self.eta} and {self.level}")
        if not 0 <= self.texture <= 1:
            raise ValueError(f"texture must lie in [0, 1], got {self.texture}")
        for name, value, known in (
            ("around", self.around, Around),
            ("anchor", self.anchor, Anchor),
            ("colour", self.colour, Colour),
        ):
            if value not in get_args(known):
                raise ValueError(f"{name} must be one of {', '.join(get_args(known))}, got {value!r}")

    def times(self, change: float, evaluations: int | None = None) -> tuple[float, ...]:
        """The sampler's grid when the faithful estimate differs from the file by `change`, d of (E20), in image units.

        It has one time for each evaluation except the first, and is empty if there is nothing to sample.  Without a
        faithful estimate it has one time for each evaluation, and `change` is ignored.
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
        """Yields the faithful estimate and the estimate of every step; the last one, after (E21), is the restoration.

        Arguments: `denoise`, `y`, `noise` as for `driftrec.diffusion.samplers.multistep`; `faithful`, E[x0 | y] with
        y's shape, or None for plans that start around the file; `change` and `evaluations` as for `times`; `finish`,
        the denoiser of the sampler's last evaluation, `denoise` by default.
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
        """The plan as values for JSON; `plan_from_card` is the inverse."""
        return asdict(self) | {"process": self.process.card()}


def plan_from_card(card: Mapping[str, Any]) -> Plan:
    """Builds the plan from its card; the inverse of `Plan.card`.  Raises ValueError for unknown or wrong settings."""
    try:
        return Plan(**{**card, "process": process_from_card(card["process"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a sampling plan: {error}") from error
