"""A worker that is killed in the middle of calling: the next run goes on, and calls nobody twice within the ring."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from caseproof.domain.case import Case
from caseproof.domain.emergency.vocabulary import Outcome
from caseproof.domain.events import Event
from caseproof.procedure.paging.engine import in_a_thread
from caseproof.store import StoreDown
from tests.support.dying import DyingStore
from tests.support.fakes import Killed
from tests.support.paged import FIRST, SECOND, THIRD, Emergency, Jobs


def nobody_is_called_twice_within_the_ring(it: Emergency) -> None:
    last: dict[str, datetime] = {}
    for at, name in it.phones.rang:
        assert name not in last or at - last[name] >= it.rules.ring, f"{name} rang twice within the ring"
        last[name] = at


def reaches_the_third(it: Emergency) -> None:
    """Killed as often as it was, the emergency ends with the one who answers, told on every channel."""
    (ref,) = [row.ref for row in rows(it)]
    it.pager("next").run(ref)
    assert it.paging(ref).taken.by == THIRD
    assert it.mail.news[-1] == it.teams.news[-1] == "taken"
    assert it.kinds(ref)["emergency_taken"] == 1
    nobody_is_called_twice_within_the_ring(it)


def rows(it: Emergency):
    with it.store.reading() as uow:
        return uow.cases.rows()


@pytest.fixture
def scripted(tmp_path: Path) -> Emergency:
    it = Emergency(tmp_path)
    it.phones.script = {SECOND: [Outcome.MACHINE], THIRD: ["1", "1", "1"]}
    return it


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_worker_may_be_killed_at_any_of_its_writes(tmp_path: Path, after: bool) -> None:
    at, died = 0, True
    while died:
        at += 1
        folder = tmp_path / f"{at}"
        folder.mkdir()
        it = Emergency(folder)
        it.phones.script = {SECOND: [Outcome.MACHINE], THIRD: ["1", "1", "1"]}
        ref = it.raised()
        died = False
        try:
            it.pager(store=DyingStore(it.store, at, after)).run(ref)
        except Killed:
            died = True
        if died:
            reaches_the_third(it)
        it.store.close()
    assert at > 12, "it was killed at each of its writes once"


@pytest.mark.parametrize("who", [FIRST, SECOND, THIRD])
def test_a_worker_that_is_killed_in_a_call_is_followed_by_the_next_person(scripted: Emergency, who: str) -> None:
    it = scripted
    it.phones.script[who] = [Killed(), *it.phones.script.get(who, [])]
    ref = it.raised()
    with pytest.raises(Killed):
        it.pager().run(ref)
    known = len(it.phones.rang)
    it.pager("next").run(ref)
    names = [FIRST, SECOND, THIRD]
    assert it.phones.called[known] == names[(names.index(who) + 1) % 3]
    assert it.paging(ref).taken.by == THIRD
    nobody_is_called_twice_within_the_ring(it)


def test_a_worker_killed_twice_reaches_somebody_all_the_same(scripted: Emergency) -> None:
    it = scripted
    it.phones.script = {FIRST: [Killed()], SECOND: [Killed()], THIRD: ["1"]}
    ref = it.raised()
    for _ in range(2):
        with pytest.raises(Killed):
            it.pager().run(ref)
    it.pager().run(ref)
    assert it.phones.called == [FIRST, SECOND, THIRD]
    assert it.paging(ref).taken.by == THIRD
    assert it.mail.news == it.teams.news == ["raised", "taken"]


@pytest.mark.parametrize("channel", ["mail", "teams"])
def test_a_worker_that_is_killed_at_a_message_sends_it_once_more_at_most(scripted: Emergency, channel: str) -> None:
    it = scripted
    post = getattr(it, channel)
    post.fails = [Killed()]
    ref = it.raised()
    with pytest.raises(Killed):
        it.pager().run(ref)
    reaches_the_third(it)
    assert Counter(post.news)["raised"] <= 1
    assert it.paging(ref).taken


def test_two_engines_at_once_make_each_try_once(scripted: Emergency) -> None:
    it = scripted
    ref, jobs = it.raised(), Jobs()
    engines = [it.pager(name, start=jobs) for name in ("one", "two")]
    for _ in range(40):
        for engine in engines:
            engine.step(ref)
        jobs.finish()
        it.clock.move(seconds=1)
        if it.paging(ref).taken:
            break
    for engine in engines:
        engine.step(ref)
    jobs.finish()
    assert it.phones.called == [FIRST, SECOND, THIRD]
    assert it.mail.news == it.teams.news == ["raised", "taken"]
    numbers = [event.data["attempt"] for event in it.case(ref).events if event.kind == "page_begun"]
    assert numbers == sorted(set(numbers))


def test_two_engines_in_two_threads_at_the_same_moment_call_one_person(scripted: Emergency) -> None:
    it, together = scripted, threading.Barrier(2)
    ref, jobs = it.raised(), Jobs()

    def step(name: str) -> None:
        engine = it.pager(name, start=jobs)
        together.wait()
        engine.step(ref)

    threads = [threading.Thread(target=step, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert it.kinds(ref)["page_begun"] == len(jobs.waiting) == 3


def test_a_store_that_is_away_for_a_while_ends_nothing_and_loses_no_digit(scripted: Emergency) -> None:
    it = scripted
    ref, away = it.raised(), iter(range(6))

    class Away(DyingStore):
        def change(self, *given):
            if next(away, None) in (1, 2, 4):
                raise StoreDown("The store is away.", "Wait.")
            return self.real.change(*given)

    it.pager(store=Away(it.store)).run(ref)
    assert it.paging(ref).taken.by == THIRD
    assert it.clock.now - it.paging(ref).raised.at < timedelta(minutes=5)


def test_what_came_of_tries_while_the_store_was_away_is_written_down_when_it_is_back(scripted: Emergency) -> None:
    """Real threads: the mail, the card and the call end while nothing can be written."""
    it = scripted
    it.phones.script = {FIRST: ["1"]}
    ref, real, away = it.raised(), it.store.change, iter([False, True, True])

    class AwayForAWhile:
        case, note = it.store.case, it.store.note

        def change(self, ref: str, decide: Callable[[Case], Sequence[Event]]) -> Case:
            if next(away, False):
                raise StoreDown("It is away.", "Wait.")
            return real(ref, decide)

    it.pager(store=AwayForAWhile(), start=in_a_thread, wait=threading.Event.wait).run(ref)
    raised = [one for one in it.paging(ref).attempts if one.news == "raised"]
    assert [one.outcome for one in raised] == [Outcome.DELIVERED, Outcome.DELIVERED]
    assert it.paging(ref).taken.by == FIRST
    assert it.mail.news == it.teams.news == ["raised", "taken"]
