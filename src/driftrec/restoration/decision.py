"""Decides what to do with a picture from what is known about it."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

from driftrec.jpeg import Report, examine
from driftrec.model.card import Corruption
from driftrec.picture import Picture, Source, open_picture
from driftrec.restoration.damage import missing_part
from driftrec.restoration.options import History

Verdict: TypeAlias = Literal["restore", "decode", "leave"]

FULL_TRUST, NEARLY_LOSSLESS = 92, 98
"""JPEG qualities.  Up to the first, the network's estimate is used in full.  Above, it is weighed by what it changes:
the less a file has lost, the less there is to gain and the more to spoil.  From the second on, there is nothing to gain
that could be seen, unless the picture was damaged before."""

HISTORIES = {"single": "compressed once", "resaved": "compressed before", "resized": "resized after a compression"}
"""What people read about a history that they gave."""


@dataclass(frozen=True)
class Decision:
    """What to do with a picture.

    Attributes:
        verdict: "restore" it with the network, only "decode" the file well, or "leave" it as it is.
        judged: whether the network's estimate is to be weighed by what it changes (`driftrec.restoration.judgement`),
            which may find damage in pictures of the other two verdicts, too.
        consistent: whether the result should lie in the file's quantisation cells.
        why: the reason, as a clause for people to read.
    """

    verdict: Verdict
    judged: bool
    consistent: bool
    why: str


@dataclass(frozen=True, eq=False)
class Inspection:
    """A picture's report, the decision that follows from it, what else the picture's file holds, and what it lacks."""

    report: Report
    decision: Decision
    left_out: tuple[str, ...]
    missing: str = ""

    def row(self) -> tuple[str, ...]:
        """Returns the report's table row, with the decision as the last cell."""
        missing = f"; {self.missing}" if self.missing else ""
        return (*self.report.row(), f"{self.decision.verdict}: {self.decision.why}{missing}")

    def facts(self) -> dict[str, Any]:
        """Returns all facts as JSON values."""
        holds = {"left_out": list(self.left_out), "missing": self.missing}
        return self.report.facts() | asdict(self.decision) | holds


def inspect(source: Source | Picture, corruption: Corruption = "jpeg", history: History = "auto") -> Inspection:
    """Examines a picture and decides what `restore` would do with it.

    Arguments:
        source: a path, file, bytes, array, Pillow image, or an opened `Picture`.
        corruption: what the model undoes that `restore` would use: the `corruption` of its card.
        history: the option `history` that `restore` would be given.

    Returns:
        What is known about the picture, and the decision that follows from it.

    Raises:
        PictureError: the source is not a picture; see `driftrec.open_picture`.
        TypeError: the source is none of the above.
    """
    picture = source if isinstance(source, Picture) else open_picture(source, partial=True)
    report = with_history(examine(picture.pixels, picture.file), history)
    return Inspection(report, decide(report, corruption, history), picture.left_out, missing_part(picture, report))


def with_history(report: Report, history: History) -> Report:
    """Returns the report without the traces that contradict a given history."""
    if history == "auto":
        return report
    if history == "clean" and report.copied:
        report = replace(report, file=None, offset=None, unread="its file is no JPEG")
    return replace(
        report,
        earlier=report.earlier if history == "resaved" else None,
        resized=report.resized if history == "resized" else None,
    )


def decide(report: Report, corruption: Corruption = "jpeg", history: History = "auto") -> Decision:
    """Returns the decision that follows from a report, for a model that undoes this corruption.

    Only for models of JPEGs do traces, qualities and cells say what to do; other models restore every picture.  With a
    given history, the report should be one `with_history`.
    """
    if corruption != "jpeg":
        return Decision("restore", False, False, "the model was trained for another corruption than JPEG")
    if history == "clean":
        return Decision("leave", False, False, "it is to be treated as clean")
    if history != "auto":
        whole = history == "single" and report.unread is None
        return Decision("restore", False, whole, f"it is to be treated as {HISTORIES[history]}")
    file, earlier, unread = report.file, report.earlier, report.unread
    if (resizing := report.resized) is not None:
        return _by_quality(resizing.trace.quality, str(resizing), consistent=False)
    if file is None:
        if earlier is not None:
            return _by_quality(earlier.quality, f"it was once a JPEG of quality {earlier.quality}", consistent=False)
        if report.is_jpeg:
            return Decision("restore", False, False, f"it is a JPEG whose coefficients are not known: {unread}")
        if report.searched:
            return Decision("leave", True, False, "it shows no trace of JPEG compression")
        return Decision("restore", False, False, "it is too small to tell whether it was ever a JPEG")
    quality, _ = file.quality
    what = f"it is a {_copy(report)}JPEG of quality {quality}"
    if earlier is not None:
        why = f"{what}, recompressed from quality {earlier.quality}"
        return _by_quality(min(quality, earlier.quality), why, consistent=False)
    if unread is not None:
        return _by_quality(quality, f"{what}, and {unread}", consistent=False)
    return _by_quality(quality, what, consistent=True)


def _copy(report: Report) -> str:
    if report.offset is None:
        return ""
    return f"lossless copy of {'a part of ' if any(report.offset) else ''}a "


def _by_quality(quality: int, why: str, *, consistent: bool) -> Decision:
    """The decision for a picture whose coarsest compression had this quality."""
    judged = quality > FULL_TRUST
    if quality < NEARLY_LOSSLESS:
        return Decision("restore", judged, consistent, why)
    return Decision("decode" if consistent else "leave", judged, consistent, f"{why}, which is nearly lossless")
