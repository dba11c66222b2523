"""Many pictures, one after the other: each ends in an outcome, and a bad one does not stop the rest."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from driftrec.restoration.jobs import Job
from driftrec.restoration.restorer import Restored

Status: TypeAlias = Literal["restored", "decoded", "left", "skipped", "failed"]
STATUS: dict[str, Status] = {"restore": "restored", "decode": "decoded", "leave": "left"}
"""The status that follows from a verdict on the picture."""


@dataclass(frozen=True)
class Outcome:
    """What became of one picture: a result, or the sentence that says why there is none."""

    job: Job
    status: Status
    restored: Restored | None = None
    error: str = ""

    def as_json(self) -> str:
        """One line of a report."""
        facts: dict[str, object] = {
            "input": str(self.job.source),
            "output": None if self.status == "failed" else str(self.job.target),
            "status": self.status,
        }
        if self.error:
            facts["error"] = self.error
        if self.restored:
            facts |= facts_of(self.restored)
        return json.dumps(facts, ensure_ascii=False)


def facts_of(restored: Restored) -> dict[str, object]:
    """What a report says of a restored picture, as JSON has it."""
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
    }


def run(jobs: Iterable[Job], work: Callable[[Job], Restored]) -> Iterator[Outcome]:
    """Yields the outcome of every job as soon as it is known; `work` restores and saves one picture.

    What `work` raises of ValueError, OSError and MemoryError becomes a failed outcome.
    """
    for job in jobs:
        if job.done:
            yield Outcome(job, "skipped")
            continue
        try:
            restored = work(job)
        except (ValueError, OSError) as error:
            yield Outcome(job, "failed", error=str(error))
        except MemoryError:
            yield Outcome(job, "failed", error=f"{job.source} needs more memory than there is: cut it into parts first")
        else:
            yield Outcome(job, STATUS[restored.verdict], restored)
