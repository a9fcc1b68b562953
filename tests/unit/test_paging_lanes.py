"""The tries of a channel beside each other: few threads while they get on, and none waits long for those that hang."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from caseproof.procedure.paging import lanes
from caseproof.procedure.paging.lanes import Lane
from caseproof.up.processes import wait_until


@contextmanager
def no_thread_left(after: int = 0) -> Iterator[None]:
    """The system starts so many threads more, and then none."""
    left, real = [None] * after, threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        real(thread)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        yield


def test_jobs_that_get_on_share_a_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "STUCK_SECONDS", 60)  # else one that the machine lets wait is passed
    lane, threads, done = Lane("trial", at_once=4), set[str](), threading.Semaphore(0)

    def job() -> None:
        threads.add(threading.current_thread().name + str(threading.get_ident()))
        done.release()

    for _ in range(200):
        lane.start(job)
    for _ in range(200):
        assert done.acquire(timeout=60)
    assert len(threads) <= 4


def test_jobs_that_hang_keep_no_other_waiting() -> None:
    lane, hangs, begun = Lane("trial", at_once=2), threading.Event(), threading.Semaphore(0)

    def job() -> None:
        begun.release()
        hangs.wait(120)

    for _ in range(30):
        lane.start(job)
    for _ in range(30):
        assert begun.acquire(timeout=60), "one that hangs is passed"
    hangs.set()


def test_another_has_the_turn_of_a_job_that_waits() -> None:
    lane, rung_out, begun = Lane("trial", at_once=1), threading.Event(), threading.Semaphore(0)

    def rings() -> None:
        begun.release()
        lane.wait(rung_out, 120)

    for _ in range(20):
        lane.start(rings)
    for _ in range(20):
        assert begun.acquire(timeout=60)
    rung_out.set()


def test_a_job_that_breaks_takes_no_turn_of_another() -> None:
    lane, after = Lane("trial", at_once=1), threading.Event()

    def breaks() -> None:
        raise ValueError("broken")

    for _ in range(3):
        lane.start(breaks)
    lane.start(after.set)
    assert after.wait(60)


def test_what_is_made_of_many_comes_in_their_order_also_from_a_job_of_the_lane_itself() -> None:
    lane, made = Lane("trial", at_once=1), list[list[int]]()
    lane.start(lambda: made.append(lane.beside(lambda one: one * 2, range(20), 8)))
    assert lane.beside(lambda one: -one, range(20), 8) == [-one for one in range(20)]
    wait_until("the job to end", lambda: made, 60, every=0.01)
    assert made == [[one * 2 for one in range(20)]]
    assert lane.beside(lambda one: one, [], 8) == []
    with pytest.raises(ZeroDivisionError):
        lane.beside(lambda one: 1 // one, [1, 0, 2], 8)


@pytest.mark.parametrize("threads", [0, 2])
def test_what_is_made_of_many_is_made_by_those_that_are_there_where_no_thread_can_be_started(threads: int) -> None:
    lane = Lane("trial")
    with no_thread_left(threads):
        assert lane.beside(lambda one: one * 2, range(20), 8) == [one * 2 for one in range(20)]


def test_a_guard_that_could_not_be_started_is_started_by_the_next_job_that_waits() -> None:
    lane, hangs, done = Lane("trial", at_once=2), threading.Event(), threading.Semaphore(0)
    for _ in range(2):
        lane.start(lambda: hangs.wait(120) and None)
    with no_thread_left():
        lane.start(done.release)
    lane.start(done.release)
    for _ in range(2):
        assert done.acquire(timeout=60), "it waits behind those that hang, and is begun all the same"
    hangs.set()


def test_a_job_for_which_no_thread_can_be_started_is_run_by_one_that_is_there_or_refused() -> None:
    lane, goes_on, done = Lane("trial"), threading.Event(), threading.Event()
    with no_thread_left(), pytest.raises(RuntimeError):
        lane.start(done.set)
    lane.start(lambda: goes_on.wait(120) and None)
    with no_thread_left():
        lane.start(done.set)
        goes_on.set()
        assert done.wait(60)
