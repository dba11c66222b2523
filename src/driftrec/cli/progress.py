"""Progress on standard error, on terminals only: what is being done, and how long all of it will take.

Rich is imported only where something is shown.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from driftrec.cli.console import err, on_terminal
from driftrec.restoration.batch import count_pixels

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


def tracked(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    """Yields the items under a progress bar; `total` is None if their number is unknown."""
    if on_terminal():
        from rich.progress import track

        items = track(items, label, total, console=err(), transient=True)
    yield from items


def busy(label: str, *, shown: bool = True) -> AbstractContextManager[object]:
    """Shows what is being done, for work whose length is unknown."""
    return err().status(label) if shown and on_terminal() else nullcontext()


class PictureProgress:
    """Progress over several pictures, with the time left for all of them.

    Work is measured in pixels: what is left is taken to need as long per pixel as what has been done.

    Arguments: `sources`, the files of all pictures; `shown`, False to show nothing.  Between two pictures nothing is
    shown, so that lines can be printed.
    """

    def __init__(self, sources: Sequence[Path], *, shown: bool = True) -> None:
        self.shown = shown and on_terminal()
        found = tracked(sources, "reading sizes", len(sources)) if self.shown else ()
        self.pixels = {path: count_pixels(path) for path in found}
        self.total = sum(self.pixels.values())
        self.done, self.start = 0.0, time.monotonic()

    @contextmanager
    def picture(self, label: str, source: Path) -> Iterator["Steps"]:
        """Shows the progress of one picture until the block ends."""
        before, pixels = self.done, self.pixels.get(source, 0)
        if self.shown:
            from driftrec.cli.bars import bar

            with bar() as display:
                yield Steps(self, display, label, pixels)
        else:
            yield Steps(self, None, label, pixels)
        self.done = before + pixels

    def end(self) -> float | None:
        """When all pictures will be done, on the clock of `time.monotonic`; None as long as nothing has been done."""
        if not self.done:
            return None
        now = time.monotonic()
        return now + (now - self.start) * (self.total - self.done) / self.done


class Steps:
    """The steps of one picture: words for each, and the share of the network's work that is done."""

    def __init__(self, progress: PictureProgress, display: "Progress | None", label: str, pixels: int) -> None:
        self._progress, self._display, self._label, self._pixels = progress, display, label, pixels
        self._before, self._words = progress.done, ""
        if display:
            done, end = int(progress.done), progress.end()
            self._task = display.add_task(label, total=progress.total, completed=done, end=end)

    def says(self, words: str) -> None:
        """Says what is being done now."""
        if self._display and words != self._words:
            self._display.update(self._task, description=f"{words} {self._label}", refresh=True)
            self._words = words

    def advance(self, done: int, total: int) -> None:
        """Takes the progress of `Restorer.restore`: how many of the network's tiles are done."""
        self.says("restoring" if done < total else "finishing")
        self._progress.done = self._before + self._pixels * done / total
        if self._display:
            self._display.update(self._task, completed=self._progress.done, end=self._progress.end())


def duration(seconds: float) -> str:
    """A duration for people: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
