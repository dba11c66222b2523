"""A bounded queue for the jobs of many clients, served fairly by one worker.

A client is an address, which it cannot choose; several people may share one, and are told apart by their browsers'
cookies.  The worker takes one job of each client in turn, and among a client's jobs one of each browser, so a person
with one picture does not wait for another's twenty, and inventing cookies gains nothing.
"""

import secrets
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from driftrec.errors import why_not_restored
from driftrec.restoration.options import Options

State: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]
OVER = frozenset({"done", "failed", "cancelled"})

T = TypeVar("T")


class QueueError(RuntimeError):
    """A job was refused because the queue, or its client's share of it, is full."""


class Forgotten(LookupError):
    """A job does not exist, or not any more: it was cancelled, or ended long ago."""


class Cancelled(Exception):
    """Raised inside a job's work after the job has been cancelled."""


class OutOfTime(ValueError):
    """Raised inside a job's work when it exceeds the time limit."""


@dataclass(eq=False)
class Job:
    """One picture to restore.  Input: `options` and the upload in `folder`.  Output: `facts` and files in `folder`.

    `client` and `browser` are whom it is for, `name` is what messages call the picture, `pixels` its size or 0 if that
    is not known yet, `phase` what the worker is doing, and `readers` the downloads of its files that are going on.
    """

    client: str
    name: str
    options: Options
    folder: Path
    browser: str = ""
    identifier: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    pixels: int = 0
    state: State = "waiting"
    phase: str = ""
    error: str = ""
    done: int = 0
    total: int = 0
    previews: int = 0
    readers: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    started: float | None = None
    ended: float | None = None

    def check(self, limit: float) -> None:
        """The work calls this regularly.  Raises Cancelled, or OutOfTime after `limit` seconds of work."""
        if self.state == "cancelled":
            raise Cancelled
        if self.started is not None and time.monotonic() - self.started > limit:
            raise OutOfTime(
                f"{self.name} takes longer than {limit:.0f} s, the limit of this server: use fewer steps or samples, "
                "or a smaller picture"
            )


class JobQueue:
    """Accepts jobs, runs them one after the other, and forgets each job some time after it ended.

    Arguments:
        work: runs a job.  Any exception becomes the job's error.
        waiting: most jobs of all clients that may wait; `share`, most of one client.
        kept: seconds after which an ended job is forgotten.
        discard: called once for every forgotten job, to delete its files.
        explain: turns an exception of `work` into the job's error, a sentence.
    """

    def __init__(
        self,
        work: Callable[[Job], None],
        *,
        waiting: int = 64,
        share: int = 16,
        kept: float = 900,
        discard: Callable[[Job], None] = lambda _: None,
        explain: Callable[[Exception, Job], str] = lambda error, job: why_not_restored(error, job.name),
    ) -> None:
        self.work, self.waiting, self.share, self.kept = work, waiting, share, kept
        self.discard, self.explain = discard, explain
        self.jobs: dict[str, Job] = {}
        self._queues: OrderedDict[str, OrderedDict[str, deque[Job]]] = OrderedDict()  # by client, then by browser
        self._uploads: Counter[str] = Counter()
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._serve, name="driftrec-queue", daemon=True)
        self._thread.start()

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Keeps a place in the queue while a client uploads a picture.  Raises QueueError as `submit` does."""
        with self._changed:
            self._require_place(client)
            self._uploads[client] += 1
        try:
            yield
        finally:
            with self._changed:
                self._uploads[client] -= 1

    def submit(self, job: Job) -> None:
        """Appends a job to its client's queue.  Raises QueueError if the queue or the client's share is full."""
        self.forget()
        with self._changed:
            self._require_place(job.client)
            browsers = self._queues.setdefault(job.client, OrderedDict())
            browsers.setdefault(job.browser, deque()).append(job)
            self.jobs[job.identifier] = job
            self._changed.notify_all()

    def find(self, identifier: str) -> Job | None:
        """The job of this identifier; None if there is none, or if it ended too long ago."""
        job = self.jobs.get(identifier)
        return None if job is None or self._is_old(job) else job

    def ahead(self, job: Job) -> list[Job]:
        """The jobs ahead of this one, in the order in which they will be done; none if it is running or has ended."""
        with self._changed:
            order = _in_turn([_in_turn(list(browsers.values())) for browsers in self._queues.values()])
            if job not in order:
                return []
            running = [] if self._running is None else [self._running]
            return [*running, *order[: order.index(job)]]

    def expires(self, job: Job) -> float | None:
        """Seconds until an ended job is forgotten; None before it has ended."""
        return None if job.ended is None else max(self.kept - (time.monotonic() - job.ended), 0.0)

    @contextmanager
    def reading(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Keeps the files of jobs as long as they are being read, even if the jobs expire or are cancelled meanwhile.

        Raises Forgotten if one of them has been forgotten, and nobody else reads it.
        """
        with self._changed:
            if not all(job.readers or job.identifier in self.jobs for job in jobs):
                raise Forgotten
            for job in jobs:
                job.readers += 1
        try:
            yield
        finally:
            with self._changed:
                for job in jobs:
                    job.readers -= 1
                unused = [job for job in jobs if self._is_unused(job)]
            for job in unused:
                self.discard(job)

    def cancel(self, job: Job) -> None:
        """Stops a job, waiting or running, and forgets it."""
        with self._changed:
            if job in self._queues.get(job.client, {}).get(job.browser, ()):
                self._take_out(job)
            if job.state not in OVER:
                job.state = "cancelled"
            known = self.jobs.pop(job.identifier, None) is not None
            unused = known and self._is_unused(job)  # else the worker or a reader discards it
        if unused:
            self.discard(job)

    def forget(self) -> None:
        """Drops the jobs that ended more than `kept` seconds ago."""
        with self._changed:
            old = [job for job in self.jobs.values() if self._is_old(job) and not job.readers]
            for job in old:
                del self.jobs[job.identifier]
        for job in old:
            self.discard(job)

    def close(self) -> None:
        """Cancels every job and stops the worker."""
        for job in list(self.jobs.values()):
            self.cancel(job)
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._thread.join(timeout=30)

    def _require_place(self, client: str) -> None:
        own = sum(map(len, self._queues.get(client, {}).values())) + self._uploads[client]
        everybodys = sum(len(jobs) for browsers in self._queues.values() for jobs in browsers.values())
        if everybodys + self._uploads.total() >= self.waiting:
            raise QueueError("too many pictures are waiting: try again in a minute")
        if own >= self.share:
            raise QueueError(f"{self.share} of your pictures are waiting already: let some of them finish")

    def _is_unused(self, job: Job) -> bool:
        """Whether a job has been forgotten, and neither the worker nor a reader needs its files."""
        return job.identifier not in self.jobs and job is not self._running and not job.readers

    def _is_old(self, job: Job) -> bool:
        return job.ended is not None and time.monotonic() - job.ended > self.kept

    def _take_out(self, job: Job) -> None:
        """Removes a job, and the queues that are empty without it."""
        browsers = self._queues[job.client]
        browsers[job.browser].remove(job)
        if not browsers[job.browser]:
            del browsers[job.browser]
        if not browsers:
            del self._queues[job.client]

    def _next(self) -> Job | None:
        """The next job in turn, or None once the queue is closed."""
        with self._changed:
            while self._open and not self._queues:
                self._changed.wait()
            if not self._open:
                return None
            client, browsers = next(iter(self._queues.items()))
            browser, jobs = next(iter(browsers.items()))
            browsers.move_to_end(browser)
            self._queues.move_to_end(client)
            job = jobs[0]
            self._take_out(job)
            job.state, job.started = "running", time.monotonic()
            self._running = job
            return job

    def _serve(self) -> None:
        while job := self._next():
            try:
                self.work(job)
                outcome, error = "done", ""
            except Cancelled:
                outcome, error = "cancelled", ""
            except Exception as problem:  # the thread must survive, whatever a library raises
                outcome, error = "failed", self.explain(problem, job)
            with self._changed:
                if job.state == "cancelled":
                    outcome = "cancelled"
                job.state, job.error, job.ended, self._running = outcome, error, time.monotonic(), None
                unused = self._is_unused(job)
            if unused:
                self.discard(job)


def _in_turn(queues: Sequence[Sequence[T]]) -> list[T]:
    """The first elements of all queues, then the second ones, and so on."""
    most = max(map(len, queues), default=0)
    return [queue[i] for i in range(most) for queue in queues if i < len(queue)]
