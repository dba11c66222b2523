"""Runs that share a target: each has a folder of its own, claims pictures before it restores them, and cleans up.

    TARGET/.driftrec-parts/RUN/alive            written again every few seconds while the run lives
    TARGET/.driftrec-parts/RUN/claims/DIGEST    one for each result on which a worker of the run works
    TARGET/.driftrec-parts/RUN/…                files while they are being written

A claim is written first, and the other runs' claims are looked up afterwards.  Of two runs that claim a result at the
same time, at least one therefore sees the other's claim and gives way, in every file system and store in which a file
can be found as soon as it is written.  Runs change only their own folders, and delete those of dead runs.
"""

import contextlib
import hashlib
import logging
import os
import threading
import uuid
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import TracebackType
from typing import Self

from driftrec.archive.places import PARTS, Place

BEAT = 5.0
"""Seconds after which a living run writes its file `alive` again."""

LEASE = 30.0
"""Seconds without a sign of life after which a run counts as dead, so that others take over its claims."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claims:
    """The claims of a run, as its workers take them; can be pickled for other machines.

    Arguments: `target`, where the results go; `run`, the run's identifier.
    """

    target: Place
    run: str

    def take(self, result: str) -> bool:
        """Claims a result; returns False, and claims nothing, if another living run has claimed it."""
        self.target.put(self._claim(self.run, result), b"")
        for other in self.others():
            if self.target.has(self._claim(other, result)) and self.lives(other):
                self.release(result)
                return False
        return True

    def release(self, result: str) -> None:
        """Gives up a claim."""
        self.target.delete(self._claim(self.run, result))

    def others(self) -> list[str]:
        """The identifiers of the other runs whose folders are there."""
        with contextlib.suppress(FileNotFoundError):
            found = (PurePosixPath(name).name for name, folder in self.target.children(PARTS) if folder)
            return [name for name in found if name != self.run]
        return []

    def lives(self, other: str) -> bool:
        """Whether another run has given a sign of life lately."""
        silence = self._silence(f"{_folder(other)}/alive")
        return silence is not None and silence < LEASE

    def is_dead(self, other: str) -> bool:
        """Whether another run has given no sign of life for long; neither this nor `lives` if times are not known."""
        silence = self._silence(f"{_folder(other)}/alive")
        if silence is None:  # a folder that a worker made again after its run had ended
            silence = self._silence(_folder(other))
        return silence is not None and silence >= LEASE

    def _silence(self, name: str) -> float | None:
        """Seconds between the last writing of a file and of this run's own `alive`; None if either is not known.

        Both times are those of the place, so the clocks of machines do not matter.
        """
        now, then = (self.target.modified(n) for n in (f"{_folder(self.run)}/alive", name))
        return None if now is None or then is None else now - then

    @staticmethod
    def _claim(run: str, result: str) -> str:
        return f"{_folder(run)}/claims/{hashlib.sha256(os.fsencode(result)).hexdigest()[:32]}"


class Run:
    """One run on a target, as a context: it lives from `begin` to the end of the context.

    Attributes:
        target: the place of the results, with a folder for partial files that belongs to this run.
        claims: the run's claims.
    """

    def __init__(self, target: Place) -> None:
        identifier = uuid.uuid4().hex
        self.target = replace(target, parts=_folder(identifier))
        self.claims = Claims(self.target, identifier)
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="signs of life", daemon=True)

    def begin(self) -> None:
        """Gives the first sign of life, and deletes the folders of dead runs.

        Raises OSError if the target cannot be written.
        """
        self._sign()
        self._beats.start()
        self._sweep()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._beats.is_alive():
            self._beats.join()
            self._sweep()
        self.target.delete_folder(self.target.parts)
        self.target.delete_if_empty(PARTS)

    def _sign(self) -> None:
        self.target.put(f"{self.target.parts}/alive", b"")

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with contextlib.suppress(OSError):  # a store that fails for a moment; the next beat tries again
                self._sign()

    def _sweep(self) -> None:
        for other in filter(self.claims.is_dead, self.claims.others()):
            _log.info("%s: taking over from the dead run %s", self.target.label(""), other)
            self.target.delete_folder(_folder(other))


def _folder(run: str) -> str:
    return f"{PARTS}/{run}"
