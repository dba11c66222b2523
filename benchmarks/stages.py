"""Runs the program `driftrec` and writes how many seconds of the processor each of its stages took.

`benchmarks/shares.py` runs this with the file of the report and the program's words as arguments.  A stage counts
without the stages that it calls, and every thread counts.
"""

import gc
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

STAGES = {
    "opening the model": ("model.onnx:Network.__init__",),
    "network": ("model.onnx:Network.__call__",),
    "opening pictures": ("picture.opening:open_picture",),
    "reading coefficients": ("jpeg.file:read_jpeg",),
    "searching for earlier compressions": (
        "jpeg.report:_traces",
        "jpeg.report:_enlarged",
        "jpeg.report:_resized",
    ),
    "projecting on cells": (
        "jpeg.cell:Cells.project",
        "jpeg.cell:Cells.improve",
        "jpeg.cell:Cells.contains",
        "restoration.binding:certainty",
    ),
    "decoding": ("jpeg.dequantise:decode",),
    "sampling and tiles": ("restoration.estimator:Estimator.estimate",),
    "saving": ("picture.saving:save_picture",),
}
"""The functions of each stage, as module:name below `driftrec`; those that a checkout lacks are passed over."""

START, REST = "starting", "rest"


class Clock:
    """Adds up the seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock, self._local = threading.Lock(), threading.local()

    def timed(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose calls are counted."""

        @wraps(work)
        def counted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (any function)
            inner = self._local.__dict__.setdefault("inner", [])
            inner.append(0.0)
            began = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                taken = time.thread_time() - began
                own = taken - inner.pop()
                if inner:
                    inner[-1] += taken
                with self._lock:
                    self.seconds[stage] += own

        return counted


def main() -> None:
    report, words = Path(sys.argv[1]), sys.argv[2:]
    gc.disable()  # as the program does while it starts
    from driftrec.cli.app import main as program

    for module in ("restoration.restorer", "restoration.files", "restoration.batch", "cli.progress"):
        import_module(f"driftrec.{module}")
    clock = Clock()
    clock.seconds[START] = time.process_time()
    for stage, places in STAGES.items():
        clock.seconds[stage] = 0.0
        for place in places:
            watch(clock, stage, place)
    sys.argv = ["driftrec", *words]
    try:
        program()
    except SystemExit as end:
        if end.code:
            raise
    clock.seconds[REST] = time.process_time() - sum(clock.seconds.values())
    report.write_text(json.dumps(clock.seconds), encoding="utf-8")


def watch(clock: Clock, stage: str, place: str) -> None:
    """Counts the calls of one function, wherever it has been imported."""
    name, _, path = place.partition(":")
    owner: Any = import_module(f"driftrec.{name}")
    *outer, last = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    work = getattr(owner, last, None)
    if work is None:
        return
    counted = clock.timed(stage, work)
    setattr(owner, last, counted)
    for module in [module for key, module in sys.modules.items() if key.startswith("driftrec")]:
        if getattr(module, last, None) is work:
            setattr(module, last, counted)


if __name__ == "__main__":
    main()
