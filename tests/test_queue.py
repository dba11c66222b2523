"""The queue: bounded, fair between clients, cancellable, forgetful."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from driftrec.restoration.options import Options
from driftrec.web.queue import Forgotten, Job, JobQueue, QueueError


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Strange(Exception):
    """An exception of a library, with a base class of its own."""


class Hands:
    """Work that takes as long as the test says, and remembers its order."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.go = threading.Semaphore(0)

    def __call__(self, job: Job) -> None:
        self.order.append(str(job.name))
        while not self.go.acquire(timeout=0.01):
            job.check(limit=1000)


@pytest.fixture
def hands() -> Hands:
    return Hands()


def job(client: str, name: str) -> Job:
    return Job(client, name, Options(), Path("nowhere"))


def test_clients_take_turns(hands: Hands) -> None:
    queue = JobQueue(hands)
    queue.submit(job("a", "a0"))
    wait_for(lambda: hands.order == ["a0"])
    jobs = [
        job(client, client + str(i)) for client, count in (("a", 3), ("b", 1), ("c", 2)) for i in range(1, count + 1)
    ]
    for one in jobs:
        queue.submit(one)
    places = {str(one.name): len(queue.ahead(one)) for one in jobs}
    hands.go.release(7)
    wait_for(lambda: len(hands.order) == 7 and all(one.state == "done" for one in jobs))
    assert hands.order[1:] == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert [places[name] for name in hands.order[1:]] == [1, 2, 3, 4, 5, 6]
    queue.close()


def test_browsers_of_one_client_take_turns_within_its_turns(hands: Hands) -> None:
    queue = JobQueue(hands)
    queue.submit(job("a", "first"))
    wait_for(lambda: hands.order == ["first"])
    jobs = [
        Job(client, f"{client}{browser}{i}", Options(), Path("nowhere"), browser)
        for client, browser, count in (("a", "x", 2), ("a", "y", 1), ("b", "", 3))
        for i in range(count)
    ]
    for one in jobs:
        queue.submit(one)
    expected = ["ax0", "b0", "ay0", "b1", "ax1", "b2"]
    assert [one.name for one in queue.ahead(next(one for one in jobs if one.name == "b2"))] == ["first", *expected[:-1]]
    hands.go.release(7)
    wait_for(lambda: all(one.state == "done" for one in jobs))
    assert hands.order[1:] == expected
    queue.close()


def test_uploads_in_progress_have_places(hands: Hands) -> None:
    queue = JobQueue(hands, waiting=3, share=2)
    with queue.place("a"), queue.place("a"):
        with pytest.raises(QueueError, match="2 of your pictures are waiting"), queue.place("a"):
            pass
        with queue.place("b"), pytest.raises(QueueError, match="too many pictures"), queue.place("c"):
            pass
    with queue.place("a"):  # the places are free again
        pass
    queue.close()


def test_the_queue_and_each_share_of_it_are_bounded(hands: Hands) -> None:
    queue = JobQueue(hands, waiting=3, share=2)
    queue.submit(job("a", "first"))
    wait_for(lambda: bool(hands.order))
    for _ in range(2):
        queue.submit(job("a", "x"))
    with pytest.raises(QueueError, match="2 of your pictures are waiting"):
        queue.submit(job("a", "x"))
    queue.submit(job("b", "y"))
    with pytest.raises(QueueError, match="too many pictures are waiting"):
        queue.submit(job("c", "z"))
    queue.close()


def test_cancelled_jobs_are_not_worked_on_and_their_files_go(hands: Hands) -> None:
    gone: list[Job] = []
    queue = JobQueue(hands, discard=gone.append)
    running, waiting, last = job("a", "running"), job("a", "waiting"), job("b", "last")
    for one in (running, waiting, last):
        queue.submit(one)
    wait_for(lambda: running.state == "running")
    queue.cancel(waiting)
    queue.cancel(running)
    wait_for(lambda: len(gone) == 2)
    hands.go.release(1)
    wait_for(lambda: last.state == "done")
    assert hands.order == ["running", "last"]
    assert (running.state, waiting.state) == ("cancelled", "cancelled")
    assert gone == [waiting, running]
    assert list(queue.jobs.values()) == [last]
    queue.close()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("bad is no picture"), "bad is no picture"),
        (OSError("disk full"), "bad: disk full"),
        (MemoryError(), "bad needs more memory than is available: cut it into parts, or use smaller tiles"),
        (Strange("Failed to allocate memory for requested buffer"), "bad needs more memory than is available: cut it"),
        (Strange("something\nwith lines"), "bad could not be restored (Strange: something)"),
    ],
)
def test_one_failure_leaves_the_worker_alive(error: Exception, sentence: str) -> None:
    def work(one: Job) -> None:
        if one.name == "bad":
            raise error

    queue = JobQueue(work)
    bad, good = job("a", "bad"), job("a", "good")
    queue.submit(bad)
    queue.submit(good)
    wait_for(lambda: good.state == "done")
    assert bad.state == "failed"
    assert bad.error.startswith(sentence)
    queue.close()


def test_work_that_takes_too_long_is_stopped() -> None:
    def work(one: Job) -> None:
        while True:
            one.check(limit=0.05)
            time.sleep(0.01)

    queue = JobQueue(work)
    slow = job("a", "slow")
    queue.submit(slow)
    wait_for(lambda: slow.state == "failed")
    assert "takes longer than 0 s" in slow.error
    queue.close()


def test_cancelled_jobs_keep_their_files_as_long_as_they_are_read(hands: Hands) -> None:
    gone: list[Job] = []
    queue = JobQueue(hands, discard=gone.append)
    done, running = job("a", "done"), job("a", "running")
    queue.submit(done)
    queue.submit(running)
    hands.go.release(1)
    wait_for(lambda: running.state == "running")
    with queue.reading([done, running]):
        with queue.reading([done]):
            queue.cancel(done)
        queue.cancel(running)
        wait_for(lambda: running.ended is not None)
        assert gone == []
        with queue.reading([done]):  # another file of an archive that is being sent
            pass
    assert gone == [done, running]
    with pytest.raises(Forgotten), queue.reading([done]):
        pass
    assert (done.readers, running.readers) == (0, 0)
    queue.close()


def test_old_results_are_forgotten(hands: Hands) -> None:
    gone: list[Job] = []
    queue = JobQueue(hands, kept=0.05, discard=gone.append)
    hands.go.release(2)
    first = job("a", "first")
    queue.submit(first)
    wait_for(lambda: first.state == "done")
    time.sleep(0.1)
    queue.submit(job("a", "second"))
    assert gone == [first]
    assert first.identifier not in queue.jobs
    queue.close()
