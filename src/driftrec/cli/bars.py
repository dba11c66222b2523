"""The progress bar of one picture on a terminal."""

import time

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from driftrec.cli.console import err
from driftrec.cli.progress import duration


def bar() -> Progress:
    """Returns a display of one task, whose field `end` is the time of `time.monotonic` when all work will be done."""
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=3, no_wrap=True)),
        BarColumn(bar_width=None, table_column=Column(ratio=2)),
        _TimeLeft(),
        console=err(),
        transient=True,
        expand=True,
    )


class _TimeLeft(ProgressColumn):
    """The time until a task's `end`."""

    max_refresh = 0.5

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        end = task.fields["end"]
        return Text("" if end is None else f"{duration(max(end - time.monotonic(), 0))} left")
