"""The pipeline on Ray Data: pieces → chunks of pictures → workers → outcomes, streamed.

Every row is a chunk of a few pictures, and every row is a block.  One call of a worker handles one row; while it waits,
a row stays in memory; and if the worker dies, the pictures of its row that were not yet written are restored again.
"""

import json
import logging
import os
import pickle
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from driftrec.archive.places import Place
from driftrec.archive.runs import Claims
from driftrec.archive.sources import Piece, chunks, read
from driftrec.archive.work import ArchiveWorker, CountedAttempts
from driftrec.errors import first_line
from driftrec.restoration.options import Options

_MOST_IN_A_CHUNK = 16
_CHUNKS_OF_A_WORKER = 4
_GUESS = 256  # pictures assumed in a tar, which must be read to be counted
_BLOCKS = 4096
_STORE = 500_000_000
"""Bytes of Ray's object store on a machine that works alone; a few chunks for each worker wait there."""
_PATIENCE = 10
"""Seconds to wait for the outcomes of unfinished chunks when a run is stopped."""


@dataclass(frozen=True)
class Workers:
    """The number of workers (`count`, default: as many as fit), and the CPU `threads` and `gpus` of each."""

    count: int | None = None
    threads: int = 1
    gpus: float = 0.0


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Joins the cluster at an address, or starts one on this machine alone; leaves or stops it afterwards.

    Raises ConnectionError if no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address:
        _require_listener(address)
    alone: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _STORE} if address is None else {}
    try:
        with _without_native_output():
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **alone)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise ConnectionError(f"no cluster can be reached at {address} ({first_line(error)})") from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Raises ConnectionError if nothing listens at the address; Ray itself would retry for minutes."""
    host, separator, port = address.rpartition(":")
    if separator and port.isdecimal() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise ConnectionError(f"no cluster can be reached at {address} ({first_line(error)})") from error


@contextmanager
def _without_native_output() -> Iterator[None]:
    """Suppresses what Ray's native code prints when it starts, which bypasses Python's logging."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (not a path but a device)
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


class OnRay:
    """Restores the pictures of an archive on a `cluster`.

    Iterating yields the outcome of every picture, see `ArchiveWorker.restore`, in the order in which they finish.

    Raises ValueError if not even one worker fits on the cluster and, while iterating, if the workers fail.
    """

    def __init__(
        self, source: Place, claims: Claims, pieces: Sequence[Piece], options: Options, suffix: str, workers: Workers
    ) -> None:
        self._count, self._ledger, self._yielded = _fitting(workers), _ledger(), set[str]()
        self._rows = self._pipeline(source, claims, pieces, options, suffix, workers)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            for row in self._rows.iter_rows():
                for outcome in json.loads(row["outcomes"]):
                    self._yielded.add(outcome["input"])
                    yield outcome
                self._ledger.drop.remote(list(self._yielded))
                self._yielded.clear()
        except RayError as error:
            raise ValueError(f"the workers failed ({_last_line(error)})") from error

    def unreported(self) -> list[dict[str, Any]]:
        """The outcomes that iterating has not yielded though the work is done: those of unfinished chunks."""
        try:
            rest = ray.get(self._ledger.rest.remote(), timeout=_PATIENCE)
        except RayError:  # includes running out of patience
            return []
        return [outcome for outcome in rest if outcome["input"] not in self._yielded]

    def _pipeline(
        self, source: Place, claims: Claims, pieces: Sequence[Piece], options: Options, suffix: str, workers: Workers
    ) -> Dataset:
        known = sum(_GUESS if piece.count is None else piece.count for piece in pieces)
        size = min(max(known // (self._count * _CHUNKS_OF_A_WORKER), 1), _MOST_IN_A_CHUNK)
        _quiet()
        rows = [{"piece": pickle.dumps(piece)} for piece in pieces]
        blocks = min(len(rows), _BLOCKS)
        return (
            ray.data.from_items(rows, override_num_blocks=blocks)
            .flat_map(_reader(source, size), num_cpus=0, concurrency=min(self._count, blocks))
            .flat_map(
                _RayWorker,
                fn_constructor_args=(source, claims, options, suffix, self._ledger),
                compute=ActorPoolStrategy(min_size=1, max_size=self._count, initial_size=self._count),
                num_cpus=workers.threads,
                num_gpus=workers.gpus,
            )
        )


def _fitting(asked: Workers) -> int:
    """The number of workers to start.  Raises ValueError if not even one fits."""
    there = ray.cluster_resources()
    cpus, gpus = there.get("CPU", 0), there.get("GPU", 0)
    fit = int(cpus // asked.threads) if not asked.gpus else int(min(cpus // asked.threads, gpus // asked.gpus))
    if fit == 0:
        needs = f"{asked.threads} CPUs" + (f" and {asked.gpus:g} GPUs" if asked.gpus else "")
        raise ValueError(f"there are {cpus:g} CPUs and {gpus:g} GPUs, but a worker needs {needs}: ask for fewer")
    return min(asked.count or fit, fit)


def _reader(source: Place, size: int) -> Any:  # noqa: ANN401 (Ray's types know lists of rows, not iterators)
    """Reads pieces in chunks.  Loose pictures are only listed here; the worker reads them."""

    def read_piece(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for chunk in chunks(read(source, pickle.loads(row["piece"])), size):
            yield {"items": pickle.dumps(chunk)}

    return read_piece


class _RayWorker:
    """Adapts an `ArchiveWorker` to Ray's calls."""

    def __init__(self, source: Place, claims: Claims, options: Options, suffix: str, ledger: Any) -> None:  # noqa: ANN401
        self.worker = ArchiveWorker(source, claims, options, suffix, _Attempts(ledger))
        self.ledger = ledger

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        outcomes = []
        for outcome in self.worker.restore(pickle.loads(row["items"])):
            outcomes.append(outcome)
            if outcome["status"] != "skipped":
                ray.get(self.ledger.add.remote(outcome))
        return [{"outcomes": json.dumps(outcomes, ensure_ascii=False)}]  # one row, as Ray adds a cost to each


class _Ledger(CountedAttempts):
    """Remembers begun work and outcomes that the driver has not received; runs beside it, and so outlives workers."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, dict[str, Any]] = {}

    def add(self, outcome: dict[str, Any]) -> None:
        self.outcomes[outcome["input"]] = outcome

    def drop(self, inputs: Sequence[str]) -> None:
        for name in inputs:
            self.outcomes.pop(name, None)

    def rest(self) -> list[dict[str, Any]]:
        return list(self.outcomes.values())


class _Attempts:
    """A worker's access to the begun work in the ledger."""

    def __init__(self, ledger: Any) -> None:  # noqa: ANN401 (an actor's handle has no type of its own)
        self.ledger = ledger

    def begin(self, name: str) -> int:
        return ray.get(self.ledger.begin.remote(name))

    def end(self, name: str) -> None:
        self.ledger.end.remote(name)


def _ledger() -> Any:  # noqa: ANN401
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(_Ledger).options(num_cpus=0, scheduling_strategy=here).remote()


def _quiet() -> None:
    context = DataContext.get_current()
    context.target_max_block_size = 1  # every row becomes a block
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _last_line(error: Exception) -> str:
    return next(iter(reversed(str(error).strip().splitlines())), type(error).__name__)
