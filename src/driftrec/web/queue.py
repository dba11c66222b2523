"""A bounded queue for the jobs of many clients, served fairly by one worker.

The worker takes one job of each client in turn, so a client with one picture does not wait for another's twenty.
"""

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from driftrec.errors import why_not_restored
from driftrec.restoration.options import Options

State: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]
OVER = frozenset({"done", "failed", "cancelled"})


class QueueError(RuntimeError):
    """A job was refused because the queue, or its client's share of it, is full."""


class Cancelled(Exception):
    """Raised inside a job's work after the job has been cancelled."""


class OutOfTime(ValueError):
    """Raised inside a job's work when it exceeds the time limit."""


@dataclass(eq=False)
class Job:
    """One picture to restore.  Input: `options` and the upload in `folder`.  Output: `facts` and files in `folder`.

    `name` is what messages call the picture.
    """

    client: str
    name: str
    options: Options
    folder: Path
    identifier: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = "waiting"
    error: str = ""
    done: int = 0
    total: int = 0
    previews: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    created: float = field(default_factory=time.monotonic)
    started: float | None = None
    ended: float | None = None

    def check(self, limit: float) -> None:
        """The work calls this regularly.  Raises Cancelled, or OutOfTime after `limit` seconds of work."""
        if self.state == "cancelled":
            raise Cancelled
        if self.started is not None and time.monotonic() - self.started > limit:
            raise OutOfTime(f"this takes longer than {limit:.0f} s: use fewer steps or samples, or a smaller picture")


class JobQueue:
    """Accepts jobs, runs them one after the other, and forgets each job some time after it ended.

    Arguments:
        work: runs a job; a ValueError, OSError or MemoryError that it raises becomes the job's error.
        waiting: most jobs of all clients that may wait; `share`, most of one client.
        kept: seconds after which an ended job is forgotten.
        discard: called once for every forgotten job, to delete its files.
    """

    def __init__(
        self,
        work: Callable[[Job], None],
        *,
        waiting: int = 64,
        share: int = 16,
        kept: float = 900,
        discard: Callable[[Job], None] = lambda _: None,
    ) -> None:
        self.work, self.waiting, self.share, self.kept, self.discard = work, waiting, share, kept, discard
        self.jobs: dict[str, Job] = {}
        self._queues: OrderedDict[str, deque[Job]] = OrderedDict()
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._serve, name="driftrec-queue", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Appends a job to its client's queue.  Raises QueueError if the queue or the client's share is full."""
        with self._changed:
            self._forget()
            own = self._queues.get(job.client, deque())
            if sum(map(len, self._queues.values())) >= self.waiting:
                raise QueueError("too many pictures are waiting: try again in a minute")
            if len(own) >= self.share:
                raise QueueError(f"{self.share} of your pictures are waiting already: let some of them finish")
            self._queues.setdefault(job.client, own).append(job)
            self.jobs[job.identifier] = job
            self._changed.notify_all()

    def position(self, job: Job) -> int:
        """Number of jobs ahead of this one; 0 if it is running or has ended."""
        with self._changed:
            rounds = [list(queue) for queue in self._queues.values()]
            order = [q[i] for i in range(max(map(len, rounds), default=0)) for q in rounds if i < len(q)]
            running = any(other.state == "running" for other in self.jobs.values())
            return order.index(job) + running if job in order else 0

    def cancel(self, job: Job) -> None:
        """Stops a job, waiting or running, and forgets it."""
        with self._changed:
            if job.client in self._queues and job in self._queues[job.client]:
                self._take_out(job)
            running = job.state == "running"
            if job.state not in OVER:
                job.state = "cancelled"
            self.jobs.pop(job.identifier, None)
        if not running:  # else the worker discards it
            self.discard(job)

    def close(self) -> None:
        """Cancels every job and stops the worker."""
        for job in list(self.jobs.values()):
            self.cancel(job)
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._thread.join(timeout=30)

    def _take_out(self, job: Job) -> None:
        self._queues[job.client].remove(job)
        if not self._queues[job.client]:
            del self._queues[job.client]

    def _next(self) -> Job | None:
        """The next job in turn, or None once the queue is closed."""
        with self._changed:
            while self._open and not self._queues:
                self._changed.wait(timeout=60)
                self._forget()
            if not self._open:
                return None
            client, queue = next(iter(self._queues.items()))
            job = queue.popleft()
            self._queues.move_to_end(client)
            if not queue:
                del self._queues[client]
            job.state, job.started = "running", time.monotonic()
            return job

    def _serve(self) -> None:
        while job := self._next():
            try:
                self.work(job)
                outcome, error = "done", ""
            except Cancelled:
                outcome, error = "cancelled", ""
            except Exception as problem:  # the thread must survive, whatever a library raises
                outcome, error = "failed", why_not_restored(problem, job.name)
            with self._changed:
                if job.state == "cancelled":
                    outcome = "cancelled"
                job.state, job.error, job.ended = outcome, error, time.monotonic()
            if outcome == "cancelled":
                self.discard(job)

    def _forget(self) -> None:
        """Drops jobs that ended more than `kept` seconds ago."""
        old = [j for j in self.jobs.values() if j.ended is not None and time.monotonic() - j.ended > self.kept]
        for job in old:
            del self.jobs[job.identifier]
            self.discard(job)
