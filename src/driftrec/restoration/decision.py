"""What should be done with a picture, given what is known of it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from driftrec.jpeg import Report, examine
from driftrec.picture import Picture, Source, open_picture

Verdict: TypeAlias = Literal["restore", "decode", "leave"]

FULL_TRUST, NO_TRUST = 92, 98
"""JPEG qualities: up to the first, the network's estimate is taken whole; from the second, not at all.  Between them it
is blended with the decoded file: the less a file lost, the less there is to gain and the more to spoil."""


@dataclass(frozen=True)
class Decision:
    """What restoring a picture should do.

    Attributes:
        verdict: "restore" it with the network, only "decode" the file well, or "leave" it as it is.
        trust: weight of the network's estimate, in [0, 1]; the rest is the decoded file.
        consistent: the result should lie in the file's quantisation cells.
        why: one clause for people.
    """

    verdict: Verdict
    trust: float
    consistent: bool
    why: str


@dataclass(frozen=True, eq=False)
class Inspection:
    """A picture's report, the decision that follows from it, and what the picture's file holds beside it."""

    report: Report
    decision: Decision
    left_out: tuple[str, ...]

    def row(self) -> tuple[str, ...]:
        """The report's row for a table, and the decision."""
        return (*self.report.row(), f"{self.decision.verdict}: {self.decision.why}")

    def facts(self) -> dict[str, Any]:
        """Everything as values for JSON."""
        return self.report.facts() | asdict(self.decision) | {"left_out": list(self.left_out)}


def inspect(source: Source | Picture) -> Inspection:
    """What a picture is, what has happened to it, and what `restore` would do.  Raises PictureError as it does."""
    picture = source if isinstance(source, Picture) else open_picture(source)
    report = examine(picture.pixels, picture.file)
    return Inspection(report, decide(report), picture.left_out)


def decide(report: Report) -> Decision:
    """The decision that a report leads to."""
    file, earlier, unread = report.file, report.earlier, report.unread
    if file is None:
        if earlier is not None:
            return _by_quality(earlier.quality, f"it was once a JPEG of quality {earlier.quality}", consistent=False)
        if report.is_jpeg:
            return Decision("restore", 1.0, False, f"it is a JPEG whose coefficients are not known: {unread}")
        if report.searched:
            return Decision("leave", 0.0, False, "it shows no trace of JPEG compression")
        return Decision("restore", 1.0, False, "it is too small to tell whether it was ever a JPEG")
    quality, _ = file.quality
    if earlier is not None:
        why = f"it is a JPEG of quality {quality} that had been one of quality {earlier.quality} before"
        return _by_quality(min(quality, earlier.quality), why, consistent=False)
    if unread is not None:
        return _by_quality(quality, f"it is a JPEG of quality {quality}, and {unread}", consistent=False)
    return _by_quality(quality, f"it is a JPEG of quality {quality}", consistent=True)


def _by_quality(quality: int, why: str, *, consistent: bool) -> Decision:
    """The decision for a picture whose coarsest compression had this quality."""
    trust = min(max((NO_TRUST - quality) / (NO_TRUST - FULL_TRUST), 0.0), 1.0)
    if trust > 0:
        return Decision("restore", trust, consistent, why)
    return Decision("decode" if consistent else "leave", 0.0, consistent, f"{why}, which is nearly lossless")
