"""Restores small archives in this process, which takes less time than starting Ray would."""

import io
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from driftrec.archive.places import Place
from driftrec.archive.runs import Claims
from driftrec.archive.sources import ArchivedPicture, Piece, read
from driftrec.archive.work import ArchiveWorker, CountedAttempts
from driftrec.diffusion.posterior import EVALUATIONS
from driftrec.restoration.batch import count_pixels
from driftrec.restoration.options import Options

MOST_WORK = 25e6
"""Pixels times network evaluations up to which an archive is small: about a minute on two cores."""

MOST_PICTURES = 100
"""Pictures up to which an archive can be small; the size of each is looked up."""

_USUAL = {"natural": 2, "sample": EVALUATIONS + 1}
"""Evaluations of restorations by the shipped models; 1 for the other modes."""


def is_small(source: Place, pieces: Sequence[Piece], options: Options) -> bool:
    """Whether the pictures are so few and so small that one process restores them sooner than Ray starts."""
    each = (options.steps or _USUAL.get(options.mode, 1)) * options.samples
    work = 0
    for number, item in enumerate(chain.from_iterable(read(source, piece) for piece in pieces), start=1):
        work += _pixels(source, item) * each
        if number > MOST_PICTURES or work > MOST_WORK:
            return False
    return True


def _pixels(source: Place, item: ArchivedPicture) -> int:
    """The number of pixels that the header of a picture states, at least 1; 1 if it cannot be read."""
    try:
        file = source.file(item.name) if item.data is None else io.BytesIO(item.data)
    except OSError:  # the worker will say what is wrong
        return 1
    with file:
        return count_pixels(file)


class Here:
    """Restores the pictures of an archive in this process, with all its cores unless the options say otherwise.

    Iterating yields their outcomes, see `ArchiveWorker.restore`.
    """

    def __init__(self, source: Place, claims: Claims, pieces: Sequence[Piece], options: Options, suffix: str) -> None:
        self.source, self.pieces = source, pieces
        self.worker = ArchiveWorker(source, claims, options, suffix, CountedAttempts())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.worker.restore(chain.from_iterable(read(self.source, piece) for piece in self.pieces))

    def unreported(self) -> list[dict[str, Any]]:
        """The outcomes that iterating has not yielded though the work is done: none."""
        return []
