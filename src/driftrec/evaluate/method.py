"""What a restoration method is to a benchmark: a name, a fingerprint, and a function from files to pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from driftrec.evaluate.chains.chain import Before
from driftrec.evaluate.metrics.fidelity import Pixels


@dataclass(frozen=True, eq=False)
class Case:
    """The input of a restorer: a file; `clean` is the picture to be recovered, None if unknown.

    `before` holds the first files of a chain, and what its edits make of their restorations.
    """

    picture: str
    corruption: str
    file: bytes
    clean: Pixels | None = None
    before: Before | None = None


@dataclass(frozen=True, eq=False)
class Restoration:
    """Restored pixels (uint8), seconds without reading and writing, and the number of network evaluations.

    `megabytes` is the peak memory of an external program; None for methods that run in this process.
    """

    pixels: Pixels
    seconds: float | None = None
    evaluations: int | None = None
    megabytes: float | None = None


Restore: TypeAlias = Callable[[Case], Restoration]


@dataclass(frozen=True)
class Method:
    """Abstract base of restorers: a name, a fingerprint, and a way to load them."""

    @property
    def label(self) -> str:
        """The name in tables."""
        raise NotImplementedError

    def fingerprint(self, case: Case) -> str:
        """A text that changes whenever the method could give another result for the case."""
        raise NotImplementedError

    def load(self, threads: int | None) -> Restore:
        """The restorer, on `threads` CPU threads.  Raises ValueError, saying what to install, if it cannot load."""
        raise NotImplementedError
