"""Restores one picture of many and records the outcome, so a bad picture does not stop the rest."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Self, TypeAlias

from PIL import Image

from driftrec.errors import why_not_restored
from driftrec.picture.quiet import quiet
from driftrec.restoration.files import FileJob
from driftrec.restoration.restored import Restored
from driftrec.text import json_line

Status: TypeAlias = Literal["restored", "decoded", "left", "skipped", "failed"]
SMALL = 1_000_000
"""Pictures of at most so many pixels are restored ahead of their turn."""

STATUS: dict[str, Status] = {"restore": "restored", "decode": "decoded", "leave": "left"}
"""The status of a picture for each verdict on it."""


@dataclass(frozen=True)
class Outcome:
    """What became of one picture: a result, or a sentence that says why there is none."""

    job: FileJob
    status: Status
    restored: Restored | None = None
    error: str = ""

    def as_json(self) -> str:
        """Returns one line of a report."""
        facts: dict[str, object] = {
            "input": str(self.job.source),
            "output": None if self.status == "failed" else str(self.job.target),
            "status": self.status,
        }
        if self.error:
            facts["error"] = self.error
        if self.restored:
            facts |= facts_of(self.restored)
        return json_line(facts)


def facts_of(restored: Restored) -> dict[str, object]:
    """Returns the facts about a restored picture that go into a report, as JSON values."""
    height, width = restored.picture.pixels.shape[:2]
    return {
        "width": width,
        "height": height,
        "mode": restored.mode,
        "evaluations": restored.evaluations,
        "seconds": round(restored.seconds, 3),
        "consistent": restored.consistent,
        "note": restored.note,
        "left_out": list(restored.picture.left_out),
        "missing": restored.missing,
    }


def count_pixels(source: Path | BinaryIO) -> int:
    """Returns the number of pixels that the header of a picture's file states, at least 1; 1 if it cannot be read."""
    with quiet(), suppress(Exception):  # of many classes, for damaged files
        if not isinstance(source, Path) or source.is_file():
            with Image.open(source) as image:
                return max(image.width * image.height, 1)
    return 1


def attempt(job: FileJob, work: Callable[[FileJob], Restored]) -> Outcome:
    """Returns the outcome of one job; `work` restores and saves the picture.

    Whatever exception `work` raises becomes a failed outcome, so that the next picture can be restored.
    """
    if job.done:
        return Outcome(job, "skipped")
    try:
        restored = work(job)
    except Exception as error:  # libraries raise exceptions of every class
        return Outcome(job, "failed", error=why_not_restored(error, job.name))
    return Outcome(job, STATUS[restored.verdict], restored)


class Lookahead:
    """Gives the outcomes of jobs in their order, and works on small pictures ahead of their turn.

    All work but the network's keeps a single processor busy, so two small pictures at a time are restored sooner.

    Arguments: the jobs; `work`, which restores and saves the picture of one, and may run in several threads;
    `at_once`, the number of small pictures that are worked on at a time.  At the end of the `with` block, what has been
    begun is finished, and nothing else is begun.
    """

    def __init__(self, jobs: Sequence[FileJob], work: Callable[[FileJob], Restored], at_once: int = 2) -> None:
        self._jobs, self._work, self._at_once = jobs, work, at_once
        self._begun: dict[int, Future[Outcome]] = {}
        self._pool = ThreadPoolExecutor(at_once)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def outcome(self, number: int, alone: Callable[[FileJob], Restored]) -> Outcome:
        """Returns the outcome of a job; each is asked for once, in their order.

        `alone` does what `work` does, in the calling thread, for pictures that are not worked on ahead of their turn.
        """
        window = range(number, min(number + self._at_once, len(self._jobs)))
        small = [other for other in window if other in self._begun or self._small(self._jobs[other])]
        if len(small) > 1 and small[0] == number:
            for other in small:
                if other not in self._begun:
                    self._begun[other] = self._pool.submit(attempt, self._jobs[other], self._work)
        if number in self._begun:
            return self._begun.pop(number).result()
        return attempt(self._jobs[number], alone)

    @staticmethod
    def _small(job: FileJob) -> bool:
        return not job.done and count_pixels(job.source) <= SMALL
