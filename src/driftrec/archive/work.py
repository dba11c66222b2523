"""The worker: bytes in, restored, encoded and written; one outcome for every picture, whatever happens to it."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from driftrec.archive.places import Place, first_line
from driftrec.archive.sources import Item
from driftrec.batch import STATUS, facts_of
from driftrec.picture import MAX_PIXELS, encode_picture
from driftrec.restorer import Mode, Restorer
from driftrec.runtime import DEFAULT_MODEL

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


class Worker:
    """Keeps a model loaded and restores what it is given.

    Arguments: `source`, `target`, where pictures come from and results go; `treatment`; `begin`, called with the name of a
    picture before work on it, says how often that has been begun by now.
    """

    def __init__(self, source: Place, target: Place, treatment: Treatment, begin: Callable[[str], int]) -> None:
        self.source, self.target, self.treatment, self.begin = source, target, treatment, begin
        self.restorer = Restorer(treatment.model, threads=treatment.threads, device=treatment.device)

    def restore(self, items: Iterable[Item]) -> Iterator[dict[str, Any]]:
        """Yields what became of each: a line of the report (see `driftrec.batch`) and `pixels`, how many were restored."""
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
        if self.begin(label) > MOST_ATTEMPTS:
            raise ValueError(f"{label} ended {MOST_ATTEMPTS} workers: it may need more memory than they have")
        do = self.treatment
        restored = self.restorer.restore(
            _Named(self._bytes(item), label),
            mode=do.mode,
            steps=do.steps,
            seed=do.seed,
            max_pixels=do.max_pixels,
        ).prepared(strip=do.strip)
        self.target.write(result, encode_picture(restored.picture, result))
        height, width = restored.picture.pixels.shape[:2]
        return output | {"status": STATUS[restored.verdict], "pixels": height * width} | facts_of(restored)

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


def _sentence(error: Exception | MemoryError, label: str) -> str:
    """The problem in one sentence that names the picture."""
    if isinstance(error, MemoryError):
        return f"{label} needs more memory than there is: cut it into parts first"
    text = first_line(error)
    return text if label in text else f"{label} could not be restored ({text})"
