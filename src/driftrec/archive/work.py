"""The worker restores, encodes and writes pictures; every picture has one outcome, whatever happens to it."""

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from driftrec.archive.places import Place
from driftrec.archive.runs import Claims
from driftrec.archive.sources import ArchivedPicture
from driftrec.errors import why_not_restored
from driftrec.picture import encode_picture, fitted, open_picture
from driftrec.restoration.batch import STATUS, facts_of
from driftrec.restoration.options import Options
from driftrec.restoration.restored import Restored
from driftrec.restoration.restorer import Restorer

_PAUSE = (0.5, 1.5)
"""Seconds between two looks at a claim of another run, at random, so that two runs do not keep meeting."""

MOST_ATTEMPTS = 3
"""A picture on which work began this often and never ended has killed its workers; it is not tried again."""


class Attempts(Protocol):
    """Remembers which work has begun and not ended, even if the workers died."""

    def begin(self, name: str) -> int:
        """Returns how often work on a picture has begun, this time included, since it last ended."""
        ...

    def end(self, name: str) -> None:
        """Records that work on a picture has ended, successfully or not."""
        ...


class CountedAttempts:
    """Remembers begun work in this process."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()

    def begin(self, name: str) -> int:
        """Returns how often work on a picture has begun, this time included, since it last ended."""
        self.begun[name] += 1
        return self.begun[name]

    def end(self, name: str) -> None:
        """Records that work on a picture has ended, successfully or not."""
        del self.begun[name]


class ArchiveWorker:
    """Keeps a model loaded and restores the pictures that it is given.

    Arguments: `source` of the pictures; `claims` of the run, with the target of its results; `options` of every
    restoration; `suffix` of the results; `attempts`, shared by all workers of the run.
    """

    def __init__(self, source: Place, claims: Claims, options: Options, suffix: str, attempts: Attempts) -> None:
        self.source, self.target, self.claims = source, claims.target, claims
        self.suffix, self.attempts = suffix, attempts
        self.restorer = Restorer(options=options)

    def restore(self, items: Iterable[ArchivedPicture]) -> Iterator[dict[str, Any]]:
        """Yields the outcome of each item: a line of the report, see `driftrec.restoration.batch`, and `pixels`.

        Pictures on which another run works come last, when that run has finished them or has died.
        """
        claimed_elsewhere = []
        for item in items:
            if (outcome := self._outcome(item)) is None:
                claimed_elsewhere.append(item)
            else:
                yield outcome
        for item in claimed_elsewhere:
            while (outcome := self._outcome(item)) is None:
                time.sleep(random.uniform(*_PAUSE))
            yield outcome

    def _outcome(self, item: ArchivedPicture) -> dict[str, Any] | None:
        """The outcome of an item, or None while another run works on it."""
        facts = {"input": self.source.label(item.name), "output": None, "pixels": 0}
        try:
            if item.problem:
                raise ValueError(item.problem)
            result = item.target + self.suffix
            done = {"output": self.target.label(result), "status": "skipped"}
            if self.target.has(result):
                return facts | done
            try:
                if not self.claims.take(result):
                    return None
                if self.target.has(result):  # another run has just finished it
                    return facts | done
                return facts | done | self._write(item, result)
            finally:
                self.claims.release(result)
        except Exception as error:  # one bad picture of a million must not stop the rest
            return facts | {"status": "failed", "error": why_not_restored(error, str(facts["input"]))}

    def _write(self, item: ArchivedPicture, result: str) -> dict[str, Any]:
        """Restores an item, writes its result, and returns facts about it."""
        label = self.source.label(item.name)
        if self.attempts.begin(label) > MOST_ATTEMPTS:
            raise ValueError(f"{label} killed {MOST_ATTEMPTS} workers: it may need more memory than they have")
        try:
            restored = self._restored(item, label)
            restored = replace(restored, picture=fitted(restored.picture, result))
            self.target.write(result, encode_picture(restored.picture, result))
        finally:
            self.attempts.end(label)
        height, width = restored.picture.pixels.shape[:2]
        return {"status": STATUS[restored.verdict], "pixels": height * width} | facts_of(restored)

    def _restored(self, item: ArchivedPicture, label: str) -> Restored:
        options = self.restorer.options
        return self.restorer.restore(
            open_picture(self._bytes(item), max_pixels=options.max_pixels, name=label, partial=not options.strict)
        )

    def _bytes(self, item: ArchivedPicture) -> bytes:
        if item.data is not None:
            return item.data
        try:
            return self.source.read(item.name)
        except OSError:  # object stores sometimes fail and then recover
            time.sleep(1)
            return self.source.read(item.name)
