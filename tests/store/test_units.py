"""Units of work: what is rolled back, what waits for what, and what asks again."""

import os
import threading

import pytest
from sqlalchemy import Engine, event

from caseproof.domain.errors import NotAllowed
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import ConcurrentChange, Store, StoreDown, StoreError, UnknownCase


def test_without_a_commit_nothing_is_written(store, make):
    with store.uow() as uow:
        uow.cases.create(make.opened())
        uow.people.add_retailer("Retailer")
    with store.reading() as uow:
        assert (uow.cases.rows(), uow.people.retailers()) == ([], [])


def test_an_error_rolls_back_everything_since_the_last_commit(store, opened, make):
    with pytest.raises(RuntimeError), store.uow() as uow:  # noqa: PT012
        case = uow.cases.append(opened, make.event(opened, Kind.STOPPED))
        uow.commit()
        uow.cases.append(case, make.event(case, Kind.NOTICE_SENT))
        raise RuntimeError
    assert store.case(opened.ref) == case


def test_a_reader_sees_the_last_commit_and_does_not_wait_for_a_writer(store, opened, make):
    with store.uow() as uow:
        after = uow.cases.append(opened, make.event(opened, Kind.STOPPED))
        assert store.case(opened.ref) == opened
        uow.commit()
        assert store.case(opened.ref) == after


def test_a_unit_that_reads_sees_one_moment(store, opened, make):
    with store.reading() as uow:
        before = uow.cases.get(opened.ref)
        store.change(opened.ref, lambda case: [make.event(case, Kind.STOPPED)])
        assert uow.cases.get(opened.ref) == before
    assert store.case(opened.ref).version == 2


def test_a_unit_that_goes_on_after_a_commit_writes_alone_again(store, url, opened, make):
    other = Store(f"{url}?timeout=0.05")
    with store.uow() as uow:
        case = uow.cases.append(opened, make.event(opened, Kind.TROUBLE))
        uow.commit()
        case = other.change(case.ref, lambda now: [make.event(now, Kind.TROUBLE)])
        case = uow.cases.append(case, make.event(case, Kind.STOPPED))
        with pytest.raises(StoreDown, match="another process"):
            other.change(case.ref, lambda now: [make.event(now, Kind.TROUBLE)])
        uow.commit()
    assert store.case(opened.ref).version == 4
    other.close()


def test_a_unit_that_reads_cannot_commit(store):
    with store.reading() as uow, pytest.raises(StoreError, match="only reads"):
        uow.commit()


def test_a_second_writing_unit_in_a_thread_is_refused_instead_of_waiting_for_itself(store):
    with store.uow(), pytest.raises(StoreError, match="open in this thread"), store.uow():
        pass
    with store.uow() as uow:  # and the first one's end makes room
        uow.commit()


def test_change_asks_again_when_somebody_else_was_faster(store, url, opened, make):
    other, seen = Store(url), []

    def decide(case):
        seen.append(case.version)
        if len(seen) < 3:
            other.change(case.ref, lambda now: [make.event(now, Kind.TROUBLE)])
        return [make.event(case, Kind.STOPPED)]

    after = store.change(opened.ref, decide)
    other.close()
    assert seen == [1, 2, 3]
    assert [event.kind for event in after.events][1:] == [Kind.TROUBLE, Kind.TROUBLE, Kind.STOPPED]


def test_change_gets_its_turn_however_fast_others_are(store, url, opened, make):
    other, seen = Store(url), []

    def decide(case):
        seen.append(case.version)
        if len(seen) < 5:
            other.change(case.ref, lambda now: [make.event(now, Kind.TROUBLE)])
        return [make.event(case, Kind.STOPPED)]

    assert store.change(opened.ref, decide).version == 6
    other.close()
    assert seen == [1, 2, 3, 4, 5]


def test_change_without_events_writes_nothing(store, opened):
    assert store.change(opened.ref, lambda _: []) == opened
    assert store.case(opened.ref) == opened


def test_change_lets_a_refusal_through_and_writes_nothing(store, opened, make):
    with pytest.raises(NotAllowed):
        store.change(opened.ref, lambda case: [make.event(case, Kind.DECIDED)])
    with pytest.raises(UnknownCase):
        store.change("JF-000007", lambda _: [])
    assert store.case(opened.ref) == opened


def test_deciding_must_not_write(store, opened):
    def decide(_):
        with store.uow():
            return []

    with pytest.raises(StoreError, match="open in this thread"):
        store.change(opened.ref, decide)


def test_of_two_threads_that_append_to_one_version_one_wins(store, opened, make):
    meet, results = threading.Barrier(2, timeout=60), []

    def write():
        case = store.case(opened.ref)
        meet.wait()
        try:
            with store.uow() as uow:
                uow.cases.append(case, make.event(case, Kind.TROUBLE))
                uow.commit()
            results.append("written")
        except ConcurrentChange:
            results.append("refused")

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["refused", "written"]
    assert store.case(opened.ref).version == 2


def test_many_threads_changing_one_case_lose_nothing(store, opened, make):
    def write():
        for _ in range(5):
            store.change(opened.ref, lambda case: [make.event(case, Kind.TROUBLE)])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert store.case(opened.ref).version == 21


def test_a_fork_does_not_share_its_parents_connections(store, opened, make):
    """SQLite's locks of one connection protect nothing in two processes; PostgreSQL's answers would be mixed up."""
    store.case(opened.ref)  # the parent's connection is in the pool
    child = os.fork()
    if child == 0:
        own = []
        try:
            event.listen(Engine, "connect", lambda *_: own.append(1))
            store.change(opened.ref, lambda case: [make.event(case, Kind.TROUBLE)])
        finally:
            os._exit(0 if own else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert store.change(opened.ref, lambda case: [make.event(case, Kind.STOPPED)]).version == 3
