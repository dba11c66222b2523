"""How much of a restorer's ceiling it reaches on chains, where later steps hide what the first compression did.

    share = (restored − input) / (ceiling − input)         for means over pictures of a metric

`input` is the last file as it is, `restored` the method's result on it, and `ceiling` its result on the first file, put
through the chain's later edits (`driftrec.evaluate.chains.chain`).  A method that leaves pictures alone has share 0,
one that later steps do not disturb has share 1.  Metrics that are better when lower give the same formula.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from driftrec.evaluate.benchmark import Record
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.measures import METRICS
from driftrec.evaluate.methods import ceiling_label
from driftrec.evaluate.statistics import Mean, ratio_of
from driftrec.evaluate.tables import BASELINE, unit_of

SHARED = ("psnr", "lpips_alex")
"""The metrics that shares are reported for."""


@dataclass(frozen=True)
class Share:
    """What a method reaches on one chain: means of a metric over pictures, and the share of the ceiling's gain.

    `share` is None where the ceiling itself gains nothing.
    """

    chain: str
    method: str
    metric: str
    input: float
    restored: float
    ceiling: float
    share: Mean | None

    def measurements(self, conditions: Conditions) -> list[Measurement]:
        """The row of a table: input, restored, ceiling, share."""
        metric = METRICS[self.metric]
        what, form, unit = {"chain": self.chain}, f"{{:.{metric.decimals}f}}", unit_of(metric.label)
        cells = {"input": self.input, "restored": self.restored, "ceiling": self.ceiling}
        row = [Measurement(what, name, value, unit, form, conditions) for name, value in cells.items()]
        if self.share is None:
            return row
        s = self.share
        return [*row, Measurement(what, "share", s.value, "", "{:.2f}", conditions, s.low, s.high, s.count)]


def shares(records: Sequence[Record], metrics: Sequence[str] = SHARED) -> dict[tuple[str, str], list[Share]]:
    """The shares of every method and metric, by (method, metric), for the chains whose ceiling was measured too."""
    values = {(r.method, r.corruption, r.picture): r for r in records}
    methods = dict.fromkeys(r.method for r in records)
    chains = dict.fromkeys(r.corruption for r in records)
    found: dict[tuple[str, str], list[Share]] = {}
    for method in (m for m in methods if ceiling_label(m) in methods):
        for metric in metrics:
            for chain in chains:
                names = (BASELINE, method, ceiling_label(method))
                pictures = [r.picture for r in records if (r.method, r.corruption) == (method, chain)]
                rows = [[values.get((name, chain, picture)) for name in names] for picture in pictures]
                numbers = [[r.value(metric) for r in row if r is not None] for row in rows]
                complete = np.array([row for row in numbers if len(row) == len(names) and None not in row], float)
                if complete.size:
                    found.setdefault((method, metric), []).append(_share(chain, method, metric, complete))
    return found


def mean_share(found: Sequence[Share], conditions: Conditions) -> list[Measurement]:
    """The last rows of a table of shares: their mean over the chains, and the least of them."""
    values = [one.share.value for one in found if one.share is not None]
    if not values:
        return []
    rows = {"mean of the chains": float(np.mean(values)), "least": min(values)}
    return [Measurement({"chain": name}, "share", value, "", "{:.2f}", conditions) for name, value in rows.items()]


def _share(chain: str, method: str, metric: str, numbers: np.ndarray) -> Share:
    """The share of one chain from (pictures, 3) numbers: input, restored, ceiling."""
    sign = 1 if METRICS[metric].better == "higher" else -1
    start, restored, ceiling = numbers.T
    possible = sign * (ceiling - start)
    share = ratio_of((sign * (restored - start)).tolist(), possible.tolist()) if possible.mean() > 0 else None
    return Share(chain, method, metric, float(start.mean()), float(restored.mean()), float(ceiling.mean()), share)
