"""Who has an emergency: the first who says so, for a while, and nobody by mistake (E8)."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from caseproof.domain.emergency.vocabulary import Press, Via
from caseproof.domain.errors import CaseproofError, NotAllowed
from caseproof.procedure.paging.answering import Answer, acknowledge, call_whole_team, give_back
from caseproof.procedure.paging.raising import end_emergency
from caseproof.procedure.paging.updating import give_update
from tests.support.paged import (
    FIRST,
    REF,
    SECOND,
    START,
    THIRD,
    Emergency,
    Jobs,
    OneCase,
    outcomes,
    pressed,
    takes,
)

DOWN = CaseproofError("The provider is overloaded (429).", "Try again later.")


@pytest.fixture
def it(tmp_path: Path) -> Emergency:
    return Emergency(tmp_path)


# -- who has it -----------------------------------------------------------------------------------------------------


def test_of_two_who_acknowledge_at_once_the_first_wins_and_the_other_is_told_who(it: Emergency) -> None:
    ref, together = it.raised(), threading.Barrier(2)
    told = []

    def both(name: str) -> None:
        together.wait()
        told.append((name, takes(it, ref, name)))

    threads = [threading.Thread(target=both, args=(name,)) for name in (FIRST, SECOND)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({said.by for _, said in told}) == 1
    assert sorted(said.yours for _, said in told) == [False, True]
    assert (it.kinds(ref)["emergency_taken"], it.kinds(ref)["taken_by_another"]) == (1, 1)


def test_said_twice_out_of_order_or_by_two_ways_it_is_written_once(it: Emergency) -> None:
    ref = it.raised()
    it.pager(start=Jobs()).step(ref)
    for _ in range(2):
        assert pressed(it, ref, 3, "1") is Press.HAVE_IT
        assert takes(it, ref, FIRST.upper()).yours
        assert not takes(it, ref, SECOND).yours
    kinds = it.kinds(ref)
    assert (kinds["page_pressed"], kinds["emergency_taken"], kinds["taken_by_another"]) == (1, 1, 1)


def test_a_digit_that_comes_after_its_call_was_given_up_still_counts(it: Emergency) -> None:
    ref = it.raised()
    pager = it.pager(start=Jobs())
    pager.step(ref)
    it.clock.move(minutes=2)
    pager.step(ref)
    assert outcomes(it, ref)[0] == (FIRST, "unknown")
    pressed(it, ref, 3, "1")
    assert it.paging(ref).taken.by == FIRST


def test_who_cannot_is_followed_by_the_next_one_at_once(it: Emergency) -> None:
    ref, jobs = it.raised(), Jobs()
    pager = it.pager(start=jobs)
    pager.step(ref)
    pressed(it, ref, 3, "2")
    pager.step(ref)
    assert outcomes(it, ref) == [(FIRST, "declined"), (SECOND, None)]
    assert it.paging(ref).taken is None


@pytest.mark.parametrize("how", ["digit", "form", "policy"])
def test_the_whole_team_is_called_at_once_where_somebody_escalates_or_the_policy_says_so(
    it: Emergency, how: str
) -> None:
    ref, jobs = it.raised(all_team=how == "policy"), Jobs()
    pager = it.pager(start=jobs)
    pager.step(ref)
    if how == "digit":
        pressed(it, ref, 3, "3")
    elif how == "form":
        call_whole_team(it.store, it.clock, ref, "operator", "it is very bad")
    pager.step(ref)
    assert [name for name, _ in outcomes(it, ref)] == [FIRST, SECOND, THIRD]
    assert len(it.paging(ref).ringing) == (2 if how == "digit" else 3)


def test_whoever_was_called_in_vain_is_called_at_once_too_where_somebody_escalates(it: Emergency) -> None:
    ref = it.raised()
    pager = it.pager(start=Jobs())
    for _ in range(2):
        pager.step(ref)
        it.clock.move(minutes=2)
    pager.step(ref)
    last = it.paging(ref).calls[-1]
    assert last.person == THIRD
    pressed(it, ref, last.number, "3")
    pager.step(ref)
    assert [one.person for one in it.paging(ref).ringing] == [FIRST, SECOND]


def test_calls_that_ring_are_ended_when_somebody_has_it_but_for_their_own(it: Emergency) -> None:
    ref, jobs = it.raised(all_team=True), Jobs()
    pager = it.pager(start=jobs)
    pager.step(ref)
    jobs.waiting.clear()
    pressed(it, ref, 3, "1")
    pager.step(ref)
    jobs.finish()
    pager.step(ref)
    jobs.finish()
    assert sorted(it.phones.hung_up) == [SECOND, THIRD]
    assert dict(outcomes(it, ref)) == {FIRST: None, SECOND: "hung_up", THIRD: "hung_up"}


@pytest.mark.parametrize("via", sorted(set(Via) - {Via.DIGIT}))
def test_who_takes_it_without_the_telephone_is_not_rung_on(it: Emergency, via: Via) -> None:
    ref, jobs = it.raised(), Jobs()
    pager = it.pager(start=jobs)
    pager.step(ref)
    jobs.waiting.clear()
    acknowledge(it.store, it.clock, it.rules, ref, Answer(1, FIRST, via))
    pager.step(ref)
    jobs.finish()
    assert it.phones.hung_up == [FIRST]
    assert outcomes(it, ref) == [(FIRST, "hung_up")]


def test_silence_ends_with_the_policy_s_time_and_calling_begins_again_from_the_top(it: Emergency) -> None:
    it.phones.script[SECOND] = ["1"]
    ref = it.raised()
    it.pager().run(ref)
    it.phones.rang.clear()
    it.clock.move(minutes=61)
    it.pager().step(ref)
    assert it.phones.called[:2] == [FIRST, SECOND]
    assert it.kinds(ref)["calling_again"] == 1
    assert it.mail.news == it.teams.news == ["raised", "taken", "calling_again"]


def test_silence_ends_with_the_holder_s_shift_if_that_is_sooner(it: Emergency) -> None:
    it.shifts(first=START + timedelta(minutes=10))
    it.phones.script[FIRST] = ["1"]
    ref = it.raised()
    assert it.pager().run(ref) == START + timedelta(minutes=10)


def test_who_takes_it_after_their_shift_has_it_for_the_policy_s_time(it: Emergency) -> None:
    it.shifts(first=START - timedelta(minutes=1))
    it.phones.script[FIRST] = ["1"]
    ref = it.raised()
    it.pager().run(ref)
    assert it.paging(ref).taken.until - it.paging(ref).taken.at == it.rules.silence


def test_who_has_it_may_give_it_back_and_nobody_else_may(it: Emergency) -> None:
    ref = it.raised()
    takes(it, ref, FIRST)
    with pytest.raises(NotAllowed, match="does not have"):
        give_back(it.store, it.clock, ref, SECOND, "")
    assert give_back(it.store, it.clock, ref, FIRST, "").taken is None
    it.pager(start=Jobs()).step(ref)
    assert len(it.paging(ref).ringing) == 1


def test_after_silence_another_may_take_it_before_anybody_looked(it: Emergency) -> None:
    ref = it.raised()
    takes(it, ref, FIRST)
    it.clock.move(minutes=61)
    assert takes(it, ref, SECOND).yours
    assert [str(event.kind) for event in it.case(ref).events][-2:] == ["calling_again", "emergency_taken"]


def test_an_answer_to_a_form_that_is_heard_twice_takes_nothing_that_was_given_back(it: Emergency) -> None:
    ref = it.raised()
    for _ in range(2):
        assert takes(it, ref, FIRST, key="a1").yours, "heard again at once, it is as it was"
    give_back(it.store, it.clock, ref, FIRST, "no network here")
    with pytest.raises(NotAllowed, match="calling has begun again"):
        takes(it, ref, FIRST, key="a1")
    assert it.paging(ref).taken is None
    assert takes(it, ref, FIRST, key="a2").yours, "another answer of theirs counts"
    assert it.kinds(ref)["emergency_taken"] == 2


def test_an_answer_of_an_earlier_calling_takes_nothing_also_where_it_changed_nothing_then(it: Emergency) -> None:
    ref = it.raised()
    asked = {"key": "a1", "began_seq": it.paging(ref).began_seq}
    takes(it, ref, FIRST)
    assert takes(it, ref, FIRST, **asked).yours
    assert not takes(it, ref, SECOND, key="b2", began_seq=asked["began_seq"]).yours
    it.clock.move(minutes=61)
    for name, more in ((FIRST, asked), (SECOND, {"key": "b2"})):
        with pytest.raises(NotAllowed, match="calling has begun again"):
            takes(it, ref, name, **more)
    give = {"key": "c3", "began_seq": it.paging(ref).began_seq}
    it.pager(start=Jobs()).step(ref)
    with pytest.raises(NotAllowed, match="calling has begun again"):
        takes(it, ref, FIRST, **give)
    assert it.kinds(ref)["emergency_taken"] == 1


def test_an_update_that_is_heard_twice_is_told_once_whatever_came_between(it: Emergency) -> None:
    ref = it.raised()
    mine = (FIRST, "It restarts.", "a1")
    for who, words, key in (mine, (SECOND, "It is restored.", ""), mine):
        give_update(it.store, it.clock, ref, who, words, emergency=1, answer=key)
    assert it.kinds(ref)["update_given"] == 2
    assert it.paging(ref).update.by == SECOND


# -- what it is not ------------------------------------------------------------------------------------------------


def test_what_is_over_calls_nobody_and_is_told_once(it: Emergency) -> None:
    ref = it.raised()
    it.phones.script[FIRST] = ["1"]
    it.pager().run(ref)
    with pytest.raises(NotAllowed, match="not said why"):
        end_emergency(it.store, it.clock, ref, FIRST, " ")
    for _ in range(2):
        end_emergency(it.store, it.clock, ref, FIRST, "The database was restarted.")
    called = len(it.phones.rang)
    assert it.pager().run(ref) is None
    it.clock.move(hours=3)
    assert it.pager().run(ref) is None
    assert len(it.phones.rang) == called
    assert it.mail.news.count("over") == it.teams.news.count("over") == it.kinds(ref)["emergency_over"] == 1
    with pytest.raises(NotAllowed, match=r"is over: The database"):
        takes(it, ref, SECOND)


def test_a_channel_that_stays_down_does_not_keep_a_finished_emergency_alive(it: Emergency) -> None:
    it.store = OneCase()  # type: ignore[assignment]
    it.mail.fails = [DOWN] * 100
    ref = it.raised(case=REF, new_case=None)
    end_emergency(it.store, it.clock, ref, FIRST, "It was a false alarm.")
    assert it.pager().run(ref) is None
    assert len(it.mail.fails) == 95


def test_what_was_kept_of_an_earlier_emergency_acknowledges_nothing(it: Emergency) -> None:
    ref = it.raised()
    it.pager(start=Jobs()).step(ref)
    end_emergency(it.store, it.clock, ref, FIRST, "It works.")
    assert it.raised(case=ref, new_case=None) == ref
    it.pager(start=Jobs()).step(ref)
    for old in (lambda: takes(it, ref, FIRST, number=1), lambda: pressed(it, ref, 3, "1", number=1)):
        with pytest.raises(NotAllowed, match="an earlier emergency"):
            old()
    assert it.paging(ref).taken is None
    assert takes(it, ref, FIRST, number=2).yours


def test_what_is_meant_for_an_earlier_emergency_says_nothing_of_the_one_that_goes_on(it: Emergency) -> None:
    """It is asked where it is written, so that none can be raised in between."""
    ref = it.raised()
    end_emergency(it.store, it.clock, ref, FIRST, "It works.", emergency=1)
    it.raised(case=ref, new_case=None)
    takes(it, ref, FIRST, 2)
    before = it.kinds(ref)
    for say in (give_back, call_whole_team, end_emergency, give_update):
        with pytest.raises(NotAllowed, match="earlier emergency"):
            say(it.store, it.clock, ref, FIRST, "The server was restarted.", emergency=1)
    assert it.kinds(ref) == before
    end_emergency(it.store, it.clock, ref, FIRST, "It works.", emergency=2)
    assert it.paging(ref).over


def test_a_call_back_of_a_call_that_never_was_changes_nothing(it: Emergency) -> None:
    ref = it.raised()
    it.pager(start=Jobs()).step(ref)
    for attempt in (1, 99):  # a mail, and nothing
        with pytest.raises(NotAllowed, match="has no call"):
            pressed(it, ref, attempt, "1")
    assert it.paging(ref).taken is None


def test_who_pressed_a_digit_was_reached_then_by_telephone(it: Emergency) -> None:
    """Which the doctor reads: a number that no emergency and no test page ever reached is named."""
    it.phones.script = {FIRST: ["2"], SECOND: ["1"]}
    it.pager().run(it.raised())
    with it.store.reading() as uow:
        reached = uow.history.last_pressed()
    assert set(reached) == {FIRST, SECOND}
    assert all(START <= at <= it.clock.now for at in reached.values())
