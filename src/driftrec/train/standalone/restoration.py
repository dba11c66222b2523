"""The restoration of pictures as a graph: padding, network evaluations, sampling, noise.

It computes what `driftrec.restoration.estimator` computes for whole pictures.  Sampling is written in the network's own
coordinates (`driftrec.diffusion.coordinates`), ρ = r/k, where the step (E9) with the coefficients (E10) is

    ρ_u = e^{−(1+η²)h} ρ_t + (1 − e^{−(1+η²)h}) (x̂0 − anchor) + s_u √(1 − e^{−2η²h}) z.

It depends on the ratios s alone, which are even in log-SNR, so h is the same for all steps of a picture.  Every picture
of a batch has a grid of its own.
"""

import math
from itertools import pairwise

import numpy as np
import onnx

from driftrec.diffusion.colour import DISTANCES
from driftrec.diffusion.types import GRAY, REGRESSION_RATIO
from driftrec.jpeg.tables import MCU
from driftrec.model.card import Card
from driftrec.restoration.texture import FLAT, SIDE, TEXTURED
from driftrec.train.standalone.graph import Graph
from driftrec.train.standalone.noise import Keys, noise_in

_ROWS, _COLUMNS = 2, 3


class Restoration(Graph):
    """The graph of a restoration; `faithful` or `natural` appends the network's estimate, `finished` the rest.

    Arguments: the card and the networks of a model; the seed of its noise.
    """

    def __init__(self, card: Card, denoiser: onnx.GraphProto, finisher: onnx.GraphProto | None, seed: int) -> None:
        super().__init__()
        self._plan, self._networks, self._seed, self._draws = card.plan, (denoiser, finisher or denoiser), seed, 0
        self._size = self("Shape", "input", start=_ROWS)
        step = np.array([math.lcm(MCU, card.multiple)])
        missing = self("Mod", self("Neg", self._size), step)
        pads = self("Concat", np.zeros(6, np.int64), missing, axis=0)  # before all axes, then behind them
        self._y = self("Pad", "input", pads, mode="edge")
        padded = self("Add", self._size, missing)
        self._height, self._width = (self("Gather", padded, np.asarray(axis)) for axis in (0, 1))

    def finished(self, estimate: str) -> str:
        """Appends the removal of the padding and the limits 0 and 1, and returns the result's name."""
        inner = self("Slice", estimate, np.zeros(2, np.int64), self._size, np.array([_ROWS, _COLUMNS]))
        return self("Clip", inner, 0.0, 1.0)

    def faithful(self) -> str:
        """Appends E[x0 | y], and returns its name."""
        return self._evaluated(self._y, self.constant(np.array([REGRESSION_RATIO], np.float32)))

    def natural(self) -> str:
        """Appends a sample as in `driftrec.diffusion.plan`, and returns its name."""
        plan, process = self._plan, self._plan.process
        lowest, highest = (math.log(min(process.ratio(t), REGRESSION_RATIO)) for t in (plan.end, plan.start))
        if plan.around == "file":
            images = self("Shape", self._y, start=0, end=1)
            shape = self("Concat", images, np.ones(3, np.int64), axis=0)
            log_start = self("Expand", highest, shape)
            grid = self._grid(log_start, lowest, plan.evaluations) if plan.evaluations > 1 else [log_start]
            return self._sample(None, grid)
        faithful = self.faithful()
        if plan.evaluations == 1:
            return faithful
        change = self("Sub", faithful, self._y)
        loss = self("ReduceMean", self("Mul", change, change), axes=[1, _ROWS, _COLUMNS])
        ratio = self("Div", loss, plan.level)  # (E20)
        log_start = self("Min", self("Log", self("Max", ratio, math.exp(lowest))), highest)
        sample = self._sample(faithful, self._grid(log_start, lowest, plan.evaluations - 1))
        sample = self._weighed(sample, faithful)
        return self("Where", self("Greater", log_start, lowest), sample, faithful)

    def _grid(self, log_start: str, log_end: float, count: int) -> list[str]:
        """ln s for each evaluation, evenly spaced; a single one lies half-way."""
        shares = [0.5] if count == 1 else [number / (count - 1) for number in range(count)]
        span = self("Sub", log_end, log_start)
        return [self("Add", log_start, self("Mul", span, share)) for share in shares]

    def _sample(self, faithful: str | None, grid: list[str]) -> str:
        """The multistep sampler (E11), around the faithful estimate or, without one, around the anchor."""
        y, eta2 = self._y, self._plan.eta**2
        anchor: str | float = y if self._plan.anchor == "corrupted" else GRAY
        state = self("Mul", self("Exp", grid[0]), self._noise())
        if faithful is not None:
            state = self("Add", state, self("Sub", faithful, anchor))
        previous = None
        for log_ratio, following in pairwise(grid):
            x0 = self._evaluated(state, self._ratio(log_ratio))
            ahead = x0
            if previous is not None:
                ahead = self("Add", x0, self("Mul", self("Sub", x0, previous), 0.5))
            h = self("Sub", log_ratio, following)
            kept = self("Exp", self("Mul", h, -(1 + eta2)))
            pull = self("Mul", self("Sub", self("Sub", ahead, anchor), state), self("Sub", 1.0, kept))
            state = self("Add", state, pull)
            if eta2:
                fresh = self("Sqrt", self("Sub", 1.0, self("Exp", self("Mul", h, -2 * eta2))))
                state = self("Add", state, self("Mul", self("Mul", self("Exp", following), fresh), self._noise()))
            previous = x0
        x0 = self._evaluated(state, self._ratio(grid[-1]), last=True)
        return self._coloured(x0, y if faithful is None else faithful)

    def _evaluated(self, residual: str, ratio: str, *, last: bool = False) -> str:
        return self.call(self._networks[last], residual=residual, ratio=ratio, y=self._y)

    def _ratio(self, log_ratio: str) -> str:
        return self("Reshape", self("Exp", log_ratio), np.array([-1]))

    def _noise(self) -> str:
        self._draws += 1
        return noise_in(self, self._height, self._width, Keys.of(self._seed, self._draws - 1))

    def _coloured(self, x0: str, reference: str) -> str:
        """The colour correction of `driftrec.diffusion.colour`."""
        if self._plan.colour == "none":
            return x0
        change = self("Sub", reference, x0)
        if self._plan.colour == "mean":
            return self("Add", x0, self("ReduceMean", change, axes=[_ROWS, _COLUMNS]))
        for distance in DISTANCES:
            for axis in (_ROWS, _COLUMNS):
                change = self._smoothed(change, distance, axis)
        return self("Add", x0, change)

    def _weighed(self, sample: str, faithful: str) -> str:
        """The sample with the plan's share of texture and none in flat areas, as in `driftrec.restoration.texture`."""
        level = self("ReduceMean", faithful, axes=[_ROWS, _COLUMNS])
        levels = self("Mul", self("Sub", faithful, level), 255.0)
        mean = self._means(levels)
        variance = self("Sub", self._means(self("Mul", levels, levels)), self("Mul", mean, mean))
        deviation = self("Sqrt", self("Max", self("ReduceMax", variance, axes=[1]), 0.0))
        weight = self("Clip", self("Div", self("Sub", deviation, FLAT), TEXTURED - FLAT), 0.0, 1.0)
        weight = self("Mul", weight, self._plan.texture)
        return self("Add", faithful, self("Mul", weight, self("Sub", sample, faithful)))

    def _means(self, image: str) -> str:
        """Means over the windows around each pixel."""
        reach = SIDE // 2
        around = self("Pad", image, np.array([0, 0, reach, reach] * 2), mode="reflect")
        return self("AveragePool", around, kernel_shape=[SIDE, SIDE])

    def _smoothed(self, image: str, distance: int, axis: int) -> str:
        """[1 2 1]/4 at a distance along an axis: a quarter of each difference flows from one pixel to the other."""
        axes, most = np.array([axis]), np.array([np.iinfo(np.int64).max])
        ahead = self("Slice", image, np.array([distance]), most, axes)
        behind = self("Slice", image, np.array([0]), np.array([-distance]), axes)
        flow = self("Mul", self("Sub", ahead, behind), 0.25)
        before, after = np.zeros(8, np.int64), np.zeros(8, np.int64)
        before[axis] = after[4 + axis] = distance
        gained = self("Add", image, self("Pad", flow, after))
        return self("Sub", gained, self("Pad", flow, before))
