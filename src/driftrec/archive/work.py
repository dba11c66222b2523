"""The worker restores, encodes and writes pictures; every picture has one outcome, whatever happens to it."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from driftrec.archive.places import Place
from driftrec.archive.sources import ArchivedPicture
from driftrec.errors import why_not_restored
from driftrec.picture import encode_picture, fitted, open_picture
from driftrec.restoration.batch import STATUS, facts_of
from driftrec.restoration.options import Options
from driftrec.restoration.restorer import Restored, Restorer

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


class ArchiveWorker:
    """Keeps a model loaded and restores the pictures that it is given.

    Arguments: `source` of the pictures; `target` of the results; `options` of every restoration; `suffix` of the
    results; `attempts`, shared by all workers.
    """

    def __init__(self, source: Place, target: Place, options: Options, suffix: str, attempts: Attempts) -> None:
        self.source, self.target, self.suffix, self.attempts = source, target, suffix, attempts
        self.restorer = Restorer(options=options)

    def restore(self, items: Iterable[ArchivedPicture]) -> Iterator[dict[str, Any]]:
        """Yields the outcome of each item: a line of the report, see `driftrec.restoration.batch`, and `pixels`."""
        for item in items:
            facts = {"input": self.source.label(item.name), "output": None}
            try:
                facts |= self._outcome(item)
            except Exception as error:  # one bad picture of a million must not stop the rest
                facts |= {"status": "failed", "error": why_not_restored(error, str(facts["input"]))}
            yield {"pixels": 0} | facts

    def _outcome(self, item: ArchivedPicture) -> dict[str, Any]:
        if item.problem:
            raise ValueError(item.problem)
        result = item.target + self.suffix
        output = {"output": self.target.label(result)}
        if self.target.has(result):
            return output | {"status": "skipped"}
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
        return output | {"status": STATUS[restored.verdict], "pixels": height * width} | facts_of(restored)

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
