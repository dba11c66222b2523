"""The worker: bytes in, restored, encoded and written; one outcome for every picture, whatever happens to it."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

from driftrec.archive.places import Place, first_line
from driftrec.archive.sources import Item
from driftrec.model.find import DEFAULT_MODEL
from driftrec.picture import MAX_PIXELS, encode_picture
from driftrec.restoration.batch import STATUS, facts_of
from driftrec.restoration.restorer import Mode, Restored, Restorer

MOST_ATTEMPTS = 3
"""A picture that was begun so often and never finished has killed its workers, and is begun no more."""


@dataclass(frozen=True)
class Treatment:
    """What is done to every picture: the options of `Restorer` and of saving."""

    mode: Mode = "natural"
    steps: int | None = None
    seed: int = 0
    strip: bool = False
    suffix: str = ".png"
    max_pixels: int = MAX_PIXELS
    model: str = DEFAULT_MODEL
    device: str = "auto"
    threads: int = 1


class Attempts(Protocol):
    """Knows, beyond the death of workers, what they have begun and not ended."""

    def begin(self, name: str) -> int:
        """Says how often work on a picture has been begun, this time included, since it was last ended."""
        ...

    def end(self, name: str) -> None:
        """Work on a picture has ended, well or not."""
        ...


class Worker:
    """Keeps a model loaded and restores what it is given.

    Arguments: `source`, `target`, where pictures come from and results go; `treatment`; `attempts` of all workers.
    """

    def __init__(self, source: Place, target: Place, treatment: Treatment, attempts: Attempts) -> None:
        self.source, self.target, self.treatment, self.attempts = source, target, treatment, attempts
        self.restorer = Restorer(treatment.model, threads=treatment.threads, device=treatment.device)

    def restore(self, items: Iterable[Item]) -> Iterator[dict[str, Any]]:
        """Yields what became of each: a line of the report, see `driftrec.restoration.batch`, and `pixels`."""
        for item in items:
            facts = {"input": self.source.label(item.name), "output": None}
            try:
                facts |= self._outcome(item)
            except Exception as error:  # one bad picture of a million must not stop the rest
                facts |= {"status": "failed", "error": _sentence(error, str(facts["input"]))}
            yield {"pixels": 0} | facts

    def _outcome(self, item: Item) -> dict[str, Any]:
        if item.problem:
            raise ValueError(item.problem)
        result = item.target + self.treatment.suffix
        output = {"output": self.target.label(result)}
        if self.target.has(result):
            return output | {"status": "skipped"}
        label = self.source.label(item.name)
        if self.attempts.begin(label) > MOST_ATTEMPTS:
            raise ValueError(f"{label} ended {MOST_ATTEMPTS} workers: it may need more memory than they have")
        try:
            restored = self._restored(item, label)
            self.target.write(result, encode_picture(restored.picture, result))
        finally:
            self.attempts.end(label)
        height, width = restored.picture.pixels.shape[:2]
        return output | {"status": STATUS[restored.verdict], "pixels": height * width} | facts_of(restored)

    def _restored(self, item: Item, label: str) -> Restored:
        do = self.treatment
        restored = self.restorer.restore(
            _Named(self._bytes(item), label), mode=do.mode, steps=do.steps, seed=do.seed, max_pixels=do.max_pixels
        )
        return restored.prepared(strip=do.strip)

    def _bytes(self, item: Item) -> bytes:
        if item.data is not None:
            return item.data
        try:
            return self.source.read(item.name)
        except OSError:  # stores answer with an error now and then
            time.sleep(1)
            return self.source.read(item.name)


class _Named(BytesIO):
    """The bytes of a file under its name, which errors then call it by."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def _sentence(error: Exception, label: str) -> str:
    """The problem in one sentence that names the picture."""
    if isinstance(error, MemoryError):
        return f"{label} needs more memory than there is: cut it into parts first"
    text = first_line(error)
    return text if label in text else f"{label} could not be restored ({text})"
