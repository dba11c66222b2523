"""Samples of p(x0 | y): every original that fits, as often as it is likely, by any process and sampler.

Natural restorations (`driftrec.diffusion.plan`) start at little noise, keep the low band of the faithful estimate and
end with a finisher, so they vary little.  A sample starts where the noise hides all that the file has lost, at ratio

    s = min(RATIO, s_max, s(1))                                                                    (E27)

where s_max is the highest ratio that the network was trained for, and nothing is taken from the faithful estimate
afterwards.  Sampling starts around the faithful estimate if there is one, which matters little at this ratio, and
around y otherwise.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from driftrec.diffusion.coordinates import anchor_image
from driftrec.diffusion.plan import Plan
from driftrec.diffusion.process import Process
from driftrec.diffusion.samplers import NAMES, sample
from driftrec.diffusion.types import Anchor, Array, Denoise, Noise

RATIO = 0.3
"""Noise-to-scale ratio at which sampling starts, several times the error of faithful estimates of texture."""

EVALUATIONS = 20
"""Network evaluations of a sample.  With `multistep`, more hardly change the spread of samples."""

SAMPLER = "multistep"


@dataclass(frozen=True)
class PosteriorSampling:
    """How samples are drawn.

    Attributes:
        process: the process to sample.
        start, end: first and last time, 0 < end < start ≤ 1.
        sampler: a name from `driftrec.diffusion.samplers.NAMES`.
        evaluations: maximum of network evaluations of one sample, without the faithful estimate; at least 1.  The
            sampler "probability-flow" takes as many as its tolerances require.
        anchor: the image that the network's residuals are measured from.

    Raises ValueError for values outside these ranges.
    """

    process: Process
    start: float
    end: float
    sampler: str = SAMPLER
    evaluations: int = EVALUATIONS
    anchor: Anchor = "corrupted"

    def __post_init__(self) -> None:
        if self.sampler not in NAMES:
            raise ValueError(f"there is no sampler '{self.sampler}': choose from {', '.join(NAMES)}")
        if self.evaluations < 1:
            raise ValueError(f"evaluations must be at least 1, got {self.evaluations}")
        if not 0 < self.end < self.start <= 1:
            raise ValueError(
                f"start must be above {self.end:.3g}, where sampling ends, and at most 1, not {self.start}"
            )

    def sample(self, denoise: Denoise, y: Array, mean: Array | None, *, noise: Noise) -> Iterator[Array]:
        """Yields the estimates of every step; the last one is the sample.

        Arguments: `denoise`, `y`, `noise` as for `driftrec.diffusion.samplers.first_order`; `mean`, the image to start
        around, with y's shape, or None for the anchor.
        """

        def around(xt: Array, _: Array, t: float) -> Array:
            return denoise(xt, y, t)

        return sample(
            self.sampler,
            around,
            anchor_image(y, self.anchor),
            self.process,
            self.evaluations,
            start=self.start,
            end=self.end,
            noise=noise,
            mean=mean,
        )


def posterior_sampling(
    plan: Plan,
    ratio_max: float,
    *,
    process: Process | None = None,
    sampler: str = SAMPLER,
    evaluations: int | None = None,
    start: float | None = None,
) -> PosteriorSampling:
    """Returns how to sample with a network, whose card has this plan and this highest ratio.

    Arguments: `process`, default the plan's; `sampler`; `evaluations`; `start`, a time.  By default, networks with a
    faithful estimate start at (E27) and take `EVALUATIONS`; the others take both from their plan.  Sampling ends at the
    plan's last ratio, whatever the process.

    Raises ValueError for an unknown sampler and for values out of range.
    """
    chosen = process or plan.process
    whole = plan.around == "file"
    if start is None and whole:
        start = plan.start if chosen == plan.process else 1.0
    if start is None:
        start = chosen.time_of_ratio(min(RATIO, ratio_max, chosen.ratio(1.0)))
    end = plan.end if chosen == plan.process else chosen.time_of_ratio(plan.process.ratio(plan.end))
    count = evaluations or (plan.evaluations if whole else EVALUATIONS)
    return PosteriorSampling(chosen, start, end, sampler, count, plan.anchor)
