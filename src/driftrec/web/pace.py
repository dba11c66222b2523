"""Predicts how long restorations take, from the cost of the model and from earlier restorations on this machine."""

import threading
import time
from collections.abc import Sequence

import numpy as np

from driftrec.model.card import Card
from driftrec.restoration.estimator import evaluations_for
from driftrec.restoration.options import Options
from driftrec.restoration.restorer import Restorer
from driftrec.web.queue import Job

SMALL = 58_416
"""Multiply–adds per pixel of one evaluation of the model `small`, the unit of work."""

FIXED = 0.5
"""Work per pixel for reading, examining and saving a picture."""

TRIAL = 128
"""Side of the picture that is restored when the server starts, in pixels."""


def work_of(options: Options, card: Card) -> float:
    """The work of a restoration per pixel.  A model whose card does not state its cost counts as `small`.

    Raises ValueError for what the model cannot do.
    """
    one = _stated(card, "multiply_adds_per_pixel") or SMALL
    rest = card.plan.evaluations - 1
    last = (_stated(card, "plan_multiply_adds_per_pixel") or one * (rest + 1)) - one * rest  # of the finisher, maybe
    evaluations = evaluations_for(options, card)
    views = evaluations if options.mode == "faithful" else min(int(card.faithful), evaluations)
    sampled = evaluations - views
    if options.mode == "sample":
        last = one
    samples = options.samples * (one * max(sampled - 1, 0) + last * min(sampled, 1))
    return FIXED + (views * one + samples) / SMALL


def _stated(card: Card, fact: str) -> float:
    """A cost from the card; 0 if it is missing or not a positive number."""
    value = card.facts.get(fact)
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0


class Pace:
    """The speed of this machine with one model.  Its methods may be called from several threads.

    Arguments: `restorer`, with the model; a small restoration gives the first estimate (`try_out`).
    """

    def __init__(self, restorer: Restorer) -> None:
        self._restorer, self.card = restorer, restorer.runner.card
        self._lock = threading.Lock()
        self._seconds: float | None = None  # per megapixel and unit of work

    def try_out(self) -> None:
        """Restores a small picture twice, since the first run of a network is slower, and learns from the second."""
        grain = np.random.default_rng(0).integers(0, 256, (TRIAL, TRIAL, 3), np.uint8)
        mode, seconds = "faithful" if self.card.faithful else "natural", 0.0
        for _ in range(2):
            start = time.perf_counter()
            self._restorer.restore_pixels(grain, mode=mode)
            seconds = time.perf_counter() - start
        self.learn(TRIAL * TRIAL, work_of(self._restorer.options.changed(mode=mode), self.card) - FIXED, seconds)

    def learn(self, pixels: int, work: float, seconds: float) -> None:
        """Takes a restoration into account, with its work per pixel; recent ones count most."""
        new = seconds / (pixels / 1e6 * work)
        with self._lock:
            self._seconds = new if self._seconds is None else (self._seconds + new) / 2

    def predict(self, pixels: int, options: Options) -> float | None:
        """Seconds for a restoration; None if the pace or the size (0) is not known yet."""
        with self._lock:
            pace = self._seconds
        return pace * pixels / 1e6 * work_of(options, self.card) if pace and pixels else None

    def left(self, job: Job, ahead: Sequence[Job]) -> float | None:
        """Seconds until a job ends, after those ahead of it; None if the size of one of them is not known yet."""
        parts = [self._left(one) for one in (*ahead, job)]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    def _left(self, job: Job) -> float | None:
        expected = self.predict(job.pixels, job.options)
        if expected is None or job.started is None:
            return expected
        elapsed = time.monotonic() - job.started
        if elapsed < 0.9 * expected or not job.done:
            return max(expected - elapsed, 0.0)
        return elapsed * (job.total - job.done) / job.done  # it takes longer than expected
