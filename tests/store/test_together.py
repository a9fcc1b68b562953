"""Changes from many threads that are written together: as if each were written by itself, and none for another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from caseproof.domain.errors import NotAllowed
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import Store, StoreDown, StoreError, Together, UnknownCase, change_each
from caseproof.up.processes import wait_until


@pytest.fixture
def refs(store, make):
    with store.uow() as uow:
        made = [uow.cases.create(make.opened(job=f"job-{number}")) for number in range(4)]
        uow.commit()
    return [case.ref for case in made]


@contextmanager
def all_at_once(store, made, ref):
    """What is asked for in here waits until all of it is there: then it is written together."""
    ready, begun = threading.Event(), threading.Event()

    def holds(_case):
        begun.set()
        assert ready.wait(60)
        return []

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(store.change, ref, holds)
        assert begun.wait(60)
        asked = []
        yield lambda ref, decide: asked.append(pool.submit(store.change, ref, decide))
        wait_until("all to wait", lambda: len(store._waiting) == len(asked), 60, every=0.005)
        ready.set()
        first.result()
        made += [one.exception() or one.result() for one in asked]


def noted(make, kind=Kind.STOPPED, **more):
    return lambda case: [make.event(case, kind, **more)]


def test_what_many_threads_want_is_written_in_one_transaction_as_if_each_wrote_it(store, make, refs):
    together, made = Together(store), []
    with all_at_once(together, made, refs[0]) as ask:
        for ref in refs:
            ask(ref, noted(make))
    assert [case.ref for case in made] == refs
    assert [store.case(ref) for ref in refs] == made
    assert {case.contained is not None for case in made} == {True}


def test_of_two_changes_of_one_case_the_second_sees_what_the_first_wrote(store, make, refs):
    together, made, seen = Together(store), [], []

    def second(case):
        seen.append(case.contained is not None)
        return [] if case.contained is not None else noted(make)(case)

    with all_at_once(together, made, refs[0]) as ask:
        ask(refs[1], second)
        ask(refs[1], second)
    assert seen == [False, True]
    assert [event.kind for event in store.case(refs[1]).events] == [Kind.OPENED, Kind.STOPPED]


def test_one_that_is_refused_or_breaks_stops_no_other(store, make, refs):
    together, made = Together(store), []

    def breaks(_case):
        raise LookupError("broken")

    with all_at_once(together, made, refs[0]) as ask:
        ask(refs[1], breaks)
        ask(refs[2], noted(make, Kind.CLOSED, proof="d" * 64))
        ask("JF-999999", noted(make))
        ask(refs[3], noted(make))
    assert isinstance(made[1], NotAllowed)
    assert isinstance(made[0], LookupError)
    assert isinstance(made[2], UnknownCase)
    assert made[3].contained is not None
    assert [len(store.case(ref).events) for ref in refs] == [1, 1, 1, 2]


def test_what_another_process_wrote_meanwhile_is_not_overlooked(store, make, refs):
    together = Together(store)
    together.change(refs[0], noted(make))
    with store.uow() as uow:
        case = uow.cases.get(refs[0])
        uow.cases.append(case, make.event(case, Kind.NOTICE_SENT))
        uow.commit()
    asked = []
    together.change(refs[0], lambda case: asked.append(case) or [])
    assert asked == [store.case(refs[0])]


def test_a_store_that_is_away_is_told_to_each_and_its_return_too(tmp_path, make):
    store = Store(f"sqlite:///{tmp_path / 'one.sqlite'}")
    store.migrate()
    with store.uow() as uow:
        ref = uow.cases.create(make.opened()).ref
        uow.commit()
    together, away = Together(store), [True]
    real = store.uow

    def uow():
        if away[0]:
            raise StoreDown("The store does not answer.", "Start it.")
        return real()

    store.uow = uow
    with pytest.raises(StoreDown):
        together.change(ref, noted(make))
    away[0] = False
    assert together.change(ref, noted(make)).contained is not None


def test_a_change_that_would_write_in_another_is_refused_and_the_next_one_is_not(store, make, refs):
    together = Together(store)
    with pytest.raises(StoreError, match="open in this thread"):
        together.change(refs[0], lambda _case: store.change(refs[1], noted(make)).events[:0])
    assert together.change(refs[0], noted(make)).contained is not None


def test_one_thread_changes_many_cases_in_few_transactions_and_each_hears_what_came_of_it(store, make, refs):
    together = Together(store)
    wanted = [(refs[0].lower(), noted(make)), (refs[1], noted(make, Kind.CLOSED, proof="d" * 64))]
    done, refused, unknown, same = together.change_all([*wanted, ("JF-999999", noted(make)), (refs[2], lambda _: [])])
    assert done == store.case(refs[0])
    assert isinstance(refused, NotAllowed)
    assert isinstance(unknown, UnknownCase)
    assert same == store.case(refs[2])
    assert [len(store.case(ref).events) for ref in refs] == [2, 1, 1, 1]
    assert [type(one) for one in change_each(store, wanted)] == [NotAllowed, NotAllowed]
    assert change_each(together, []) == []


def test_more_than_fit_into_one_transaction_and_others_meanwhile_are_all_written(store, make, refs, monkeypatch):
    monkeypatch.setattr("caseproof.store.together.MOST", 1)
    together = Together(store)
    with ThreadPoolExecutor(4) as pool:
        every = [pool.submit(together.change_all, [(ref, noted(make)) for ref in refs]) for _ in range(4)]
        found = [one.result() for one in every]
    for place, ref in enumerate(refs):  # a case is stopped once: three of the four are refused
        assert sum(isinstance(one[place], NotAllowed) for one in found) == 3
        assert len(store.case(ref).events) == 2
