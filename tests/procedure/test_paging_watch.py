"""The watch under `caseproof up`: whoever raised it, people are called, and again when an acknowledgement runs out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from caseproof.domain.case import Case
from caseproof.domain.emergency.raising import ShortCase
from caseproof.domain.emergency.vocabulary import Outcome
from caseproof.domain.events import Event
from caseproof.procedure.paging.answering import give_back
from caseproof.procedure.paging.engine import Pager, in_a_thread
from caseproof.procedure.paging.lines import Rung
from caseproof.procedure.paging.raising import GOING_ON, end_emergency, raise_emergency
from caseproof.procedure.paging.watch import PagingWatch, going_on
from caseproof.store import Store, StoreDown
from caseproof.up.processes import wait_until
from tests.support.paged import FIRST, SECOND, Emergency, raising, takes


class Watched(Emergency):
    """An emergency that a watch sees to; its engines end their own work within a look."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.said: list[str] = []
        self.beside: list[str] = []
        self.watch = PagingWatch(
            self.store, self.clock, self.pager, self.said.append, self._run_here, self.beside.append
        )
        self.runs = 0

    def _run_here(self, thread: threading.Thread) -> None:
        self.runs += 1
        thread.start()
        thread.join(60)


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Watched]:
    emergency = Watched(tmp_path)
    yield emergency
    emergency.store.close()


def test_whoever_raised_it_people_are_called_at_the_next_look(it: Watched) -> None:
    it.watch.look()
    assert it.runs == 0, "nothing goes on, and nothing is done"
    it.phones.script[FIRST] = ["1"]
    ref = it.raised()
    it.watch.look()
    assert it.phones.called == [FIRST]
    taken = it.paging(ref).taken
    assert taken is not None
    assert taken.by == FIRST


def test_while_somebody_has_it_nothing_runs_and_when_it_runs_out_calling_begins_again(it: Watched) -> None:
    it.phones.script[FIRST] = ["1", "1"]
    ref = it.raised()
    for _ in range(5):
        it.watch.look()
    settled = it.runs
    for _ in range(5):
        it.watch.look()
    assert it.runs == settled <= 3, "a quiet emergency costs a look at its version"
    it.clock.move(seconds=it.rules.silence.total_seconds() + 1)
    it.watch.look()
    assert it.phones.called == [FIRST, FIRST]
    assert it.kinds(ref)["calling_again"] == 1


def test_what_is_said_while_it_is_quiet_is_done_at_the_next_look(it: Watched) -> None:
    it.phones.script[FIRST] = ["1", "2"]
    it.phones.script[SECOND] = ["1"]
    ref = it.raised()
    for _ in range(3):
        it.watch.look()
    it.clock.move(seconds=60)
    give_back(it.store, it.clock, ref, FIRST, "no network here")
    it.watch.look()
    assert it.phones.called == [FIRST, FIRST, SECOND]


def test_once_it_is_over_it_is_looked_at_no_more_until_another_is_raised(it: Watched) -> None:
    it.phones.script[FIRST] = ["1", "1"]
    ref = it.raised()
    it.watch.look()
    end_emergency(it.store, it.clock, ref, FIRST, "It works.")
    for _ in range(3):
        it.watch.look()
    assert it.mail.news[-1] == "over"
    assert going_on(it.store) == []
    assert it.beside == [ref], "its site is looked at once"
    it.clock.move(seconds=100)
    assert it.raised(case=ref, new_case=None) == ref
    it.watch.look()
    assert it.phones.called == [FIRST, FIRST]
    assert it.beside == [ref, ref]


class LookedAtBetween:
    """The store of whoever raises one: the watch looks after it was noted, and before it is written."""

    def __init__(self, it: Watched) -> None:
        self._it = it
        self.note, self.case = it.store.note, it.store.case

    def change(self, ref: str, decide: Callable[[Case], Sequence[Event]]) -> Case:
        for _ in range(3):
            self._it.watch.look()
        return self._it.store.change(ref, decide)


def test_another_emergency_of_the_same_case_is_seen_whenever_the_watch_looks(it: Watched) -> None:
    it.phones.script[FIRST] = ["1", "1"]
    ref = it.raised()
    it.watch.look()
    end_emergency(it.store, it.clock, ref, FIRST, "It works.")
    for _ in range(3):
        it.watch.look()
    it.clock.move(seconds=100)
    again, store = raising(case=ref, new_case=None, since=None), LookedAtBetween(it)
    raise_emergency(store, it.clock, again, "operator", open_case=it.open_case)
    it.watch.look()
    assert it.phones.called == [FIRST, FIRST]
    end_emergency(it.store, it.clock, ref, FIRST, "It works.")
    it.clock.move(seconds=100)
    it.store.note(f"{GOING_ON}{ref}", "", it.clock())  # and one that never comes is waited for shortly
    for _ in range(3):
        it.watch.look()
    settled = it.runs
    for _ in range(3):
        it.watch.look()
    assert it.runs == settled, "nothing is done for it meanwhile"
    it.clock.move(seconds=timedelta(minutes=1).total_seconds() + 1)
    it.watch.look()
    assert going_on(it.store) == []


def test_one_that_was_to_be_raised_and_never_was_is_forgotten_after_a_minute(it: Watched) -> None:
    it.store.note(f"{GOING_ON}{it.open_case()}", "", it.clock())
    it.store.note(f"{GOING_ON}EP-000099", "", it.clock())  # no such case
    it.watch.look()
    assert len(going_on(it.store)) == 1, "it may be raised yet"
    it.clock.move(seconds=timedelta(minutes=1).total_seconds() + 1)
    it.watch.look()
    assert going_on(it.store) == []


def test_two_watches_call_nobody_twice(it: Watched) -> None:
    other = PagingWatch(it.store, it.clock, lambda: it.pager("two"), it.said.append, threading.Thread.start)
    it.phones.script[FIRST] = ["1"]
    it.raised()
    other.look()
    it.watch.look()
    assert it.phones.called == [FIRST]


def test_a_store_that_is_away_is_said_once_and_looked_for_again(it: Watched) -> None:
    away = Store("postgresql://nobody@127.0.0.1:1/none", patience=0)
    watch = PagingWatch(away, it.clock, it.pager, it.said.append)
    pauses = [watch.round() for _ in range(3)]
    assert max(pauses) <= 0.5, "nobody is called while it is not looked for"
    assert len(it.said) == 1


def test_an_engine_that_fails_is_made_again_at_the_next_look(it: Watched) -> None:
    failing = [StoreDown("It is away.", "Wait."), RuntimeError("no thread")]

    def pager() -> object:
        if failing:
            raise failing.pop()
        return it.pager()

    watch = PagingWatch(it.store, it.clock, pager, it.said.append, it._run_here)  # type: ignore[arg-type]
    it.phones.script[FIRST] = ["1"]
    ref = it.raised()
    for _ in range(3):
        watch.look()
    assert takes(it, ref, FIRST).yours
    assert it.phones.called == [FIRST]


def _one_that_is_over_and_one_that_is_not(it: Watched) -> tuple[str, str]:
    over, goes_on = it.raised(), it.raised(new_case=ShortCase("Shop B", "Nobody can order."))
    end_emergency(it.store, it.clock, over, FIRST, "It works.")
    it.clock.move(minutes=2)
    return over, goes_on


def _watch_of(it: Watched, *pagers: Pager) -> PagingWatch:
    left = list(pagers)
    return PagingWatch(it.store, it.clock, lambda: left.pop(0) if left else it.pager(), it.said.append, it._run_here)


def test_a_thread_that_breaks_off_after_one_of_its_emergencies_is_over_leaves_no_other_to_nobody(it: Watched) -> None:
    over, goes_on = _one_that_is_over_and_one_that_is_not(it)
    breaks, real = it.pager(), it.pager()

    def run_all(_refs: Sequence[str], *told: Any) -> None:
        real.run_all([over], *told)
        watch.look()
        raise RuntimeError("anything")

    breaks.run_all = run_all  # type: ignore[method-assign]
    watch = _watch_of(it, breaks)
    it.phones.script[FIRST] = ["1"]
    watch.look()
    assert it.phones.called == []
    watch.look()
    assert it.phones.called == [FIRST]
    assert it.paging(goes_on).taken is not None


def test_a_thread_that_ended_in_whatever_way_sees_to_nothing_and_the_next_look_begins_another(it: Watched) -> None:
    begun = list[threading.Thread]()

    def ends_at_once(thread: threading.Thread) -> None:
        begun.append(thread)
        thread.run = lambda: None  # type: ignore[method-assign]
        thread.start()
        thread.join(60)

    it.raised()
    watch = PagingWatch(it.store, it.clock, it.pager, it.said.append, ends_at_once)
    watch.look()
    watch.look()
    assert len(begun) == 2


def test_what_is_heard_of_an_emergency_as_its_engine_lets_it_go_neither_revives_it_nor_stops_the_others(
    it: Watched,
) -> None:
    over, goes_on = _one_that_is_over_and_one_that_is_not(it)
    pager, ended = it.pager(), list[str]()
    waits, run_all, looks_again = pager._waits, pager.run_all, [0.0]

    def hears_it_last(ref: str, how: Any) -> float | None:
        pager.heard(ref, 10**6)
        return looks_again.pop() if ref == goes_on and looks_again else waits(ref, how)

    def told(refs: Sequence[str], end: Callable[..., None], *seen: Any) -> None:
        run_all(refs, lambda ref, how: (ended.append(ref), end(ref, how), watch.look()), *seen)

    pager._waits, pager.run_all = hears_it_last, told  # type: ignore[method-assign, assignment]
    watch = _watch_of(it, pager)
    it.phones.script[FIRST] = ["1"]
    watch.look()
    assert ended == [over, goes_on]
    assert it.paging(goes_on).taken is not None


def test_where_a_site_cannot_be_looked_at_the_engine_goes_on_with_all_that_it_sees_to(
    it: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    def no_thread(_: str) -> None:
        raise RuntimeError("can't start new thread")

    it.phones.script[FIRST] = ["1"]
    ref = it.raised()
    PagingWatch(it.store, it.clock, it.pager, it.said.append, it._run_here, no_thread).look()
    assert it.paging(ref).taken is not None
    assert "by the next look" not in caplog.text


def test_an_engine_that_waits_is_told_by_the_next_look_what_another_process_wrote(it: Watched) -> None:
    """Real threads: it would look by itself after ten minutes only."""
    rung_out = threading.Event()
    it.phones.script[FIRST] = [lambda _: (rung_out.wait(120), Rung(Outcome.NO_ANSWER))[1]]
    ref = it.raised()
    real = {"start": in_a_thread, "wait": threading.Event.wait, "look": 600.0}
    watch = PagingWatch(it.store, it.clock, lambda: it.pager(**real), it.said.append)
    watch.look()
    wait_until("the first mail and call", lambda: it.phones.called and it.mail.news, 60, every=0.01)
    takes(it, ref, SECOND)
    wait_until("who has it to be told", lambda: watch.look() or "taken" in it.mail.news, 60, every=0.01)
    wait_until("the call that rings to be ended", lambda: it.phones.hung_up == [FIRST], 60, every=0.01)
    rung_out.set()
