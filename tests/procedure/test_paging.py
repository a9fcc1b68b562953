"""An emergency reaches people on all channels at once, and calls until a human being has it (E8)."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from caseproof.domain.closure import closure_blockers
from caseproof.domain.emergency.due import Callee, due
from caseproof.domain.emergency.vocabulary import NewsKind, Outcome
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.evidence.vault import Vault
from caseproof.procedure.core.parts import EvidenceFiles
from caseproof.procedure.paging.engine import Stands, in_a_thread
from caseproof.procedure.paging.lines import Ring, Rung
from caseproof.procedure.paging.probing import SiteLooks, keep_probe, look_once
from caseproof.procedure.paging.raising import end_emergency
from caseproof.procedure.paging.words import tries
from caseproof.store import StoreDown, Together, UnknownCase
from caseproof.up.processes import wait_until
from tests.support.loopback import Loopback
from tests.support.paged import (
    FIRST,
    PEOPLE,
    REF,
    SECOND,
    START,
    THIRD,
    Emergency,
    Jobs,
    OneCase,
    outcomes,
    takes,
)

DOWN = CaseproofError("The provider is overloaded (429).", "Try again later.")


@pytest.fixture
def it(tmp_path: Path) -> Emergency:
    return Emergency(tmp_path)


# -- all channels at once -------------------------------------------------------------------------------------------


def test_mail_teams_and_the_first_call_are_written_down_together_and_begin_together(it: Emergency) -> None:
    ref, jobs = it.raised(), Jobs()
    it.pager(start=jobs).step(ref)
    assert len(jobs.waiting) == 3
    assert it.kinds(ref)["page_begun"] == 3
    assert len({one.begun for one in it.paging(ref).attempts}) == 1, "one moment, one transaction"
    jobs.finish()
    assert (it.mail.news, it.teams.news, it.phones.called) == (["raised"], ["raised"], [FIRST])


def test_many_emergencies_at_once_through_one_engine_are_each_reached_once(it: Emergency) -> None:
    """Real threads, and what they want to write is written together."""
    refs = [it.raised() for _ in range(20)]
    it.phones.script = {FIRST: ["1"] * len(refs)}
    pager = it.pager(store=Together(it.store), start=in_a_thread, wait=threading.Event.wait)
    with ThreadPoolExecutor(len(refs)) as pool:
        assert all(pool.map(pager.run, refs))
    assert it.phones.called == [FIRST] * len(refs)
    for news in (it.mail.news, it.teams.news):
        assert sorted(news) == ["raised"] * len(refs) + ["taken"] * len(refs)
    assert [it.paging(ref).taken.by for ref in refs] == [FIRST] * len(refs)


def test_one_thread_runs_many_emergencies_and_each_ends_by_itself(it: Emergency) -> None:
    """The first two are taken, the third is over, the fourth never was one."""
    it.phones.script[FIRST] = ["1", "1"]
    refs = [it.raised() for _ in range(3)]
    end_emergency(it.store, it.clock, refs[2], FIRST, "It works.")
    refs += [it.open_case(), "EP-000099"]
    ended: dict[str, Stands | Exception] = {}
    seen = list[str]()
    it.pager(store=Together(it.store)).run_all(
        refs, lambda ref, how: ended.update({ref: how}), lambda ref, _: seen.append(ref)
    )
    assert sorted(seen) == refs[:3]
    assert [it.paging(ref).taken.by for ref in refs[:2]] == [FIRST, FIRST]
    assert [type(ended[ref]) for ref in refs] == [Stands, Stands, Stands, NotAllowed, UnknownCase]
    assert ended[refs[0]].at > it.clock()
    assert ended[refs[2]].at is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_came_of_tries_is_written_down_although_the_engine_broke_off(it: Emergency, when: str) -> None:
    """It came before the engine broke off, untaken, or comes after that."""
    ref, jobs = it.raised(), Jobs()

    def elsewhere() -> None:
        beside = threading.Thread(target=jobs.finish)
        beside.start()
        beside.join(60)

    def breaks(*_: object) -> bool:
        if when == "before":
            elsewhere()
        raise MemoryError

    with pytest.raises(MemoryError):
        it.pager(start=jobs, wait=breaks).run(ref)
    elsewhere()
    assert it.kinds(ref)["page_ended"] == it.kinds(ref)["page_begun"] == 3


def test_what_came_of_tries_is_written_down_later_where_the_store_is_away_as_the_engine_breaks_off(
    it: Emergency,
) -> None:
    ref, jobs, later, away = it.raised(), Jobs(), list[threading.Event](), list[StoreDown]()
    real = it.store

    class Away(OneCase):
        def change(self, ref: str, decide: Any) -> Any:
            if away:
                raise away.pop()
            return real.change(ref, decide)

    def breaks(event: threading.Event, _seconds: float) -> bool:
        later.append(event)
        if len(later) == 1:
            beside = threading.Thread(target=jobs.finish)
            beside.start()
            beside.join(60)
            away.extend(StoreDown("It is away.", "Wait.") for _ in range(4))
            raise MemoryError
        return False

    with pytest.raises(MemoryError):
        it.pager(store=Away(), start=jobs, wait=breaks).run(ref)
    assert it.kinds(ref)["page_ended"] == 0
    jobs.finish()
    assert it.kinds(ref)["page_ended"] == 3


def test_a_channel_that_hangs_and_one_that_fails_delay_none(it: Emergency) -> None:
    """Real threads: mail hangs, Teams fails at once, and the call is made and answered all the same."""
    ref, hangs, answered = it.raised(), threading.Event(), threading.Event()
    it.mail.fails.append(lambda: (hangs.wait(120), None)[1])
    it.teams.fails.append(DOWN)

    def answers(_: Ring) -> Rung:
        answered.set()
        return Rung(Outcome.ANSWERED, digit="1")

    it.phones.script[FIRST] = [answers]
    pager = it.pager(start=in_a_thread, wait=threading.Event.wait)
    pager.step(ref)
    assert answered.wait(60)
    wait_until("somebody to have it", lambda: it.paging(ref).taken, 60, every=0.02)
    assert it.paging(ref).taken.by == FIRST
    assert it.mail.sent == []
    hangs.set()


def test_a_hanging_mail_is_given_up_and_sent_again_while_calls_go_on(it: Emergency) -> None:
    ref, jobs = it.raised(), Jobs()
    pager = it.pager(start=jobs)
    pager.step(ref)
    jobs.waiting.clear()  # all three hang for good
    it.clock.move(seconds=21)
    pager.step(ref)
    assert len(jobs.waiting) == 2, "mail and card are tried again; the call may still be talking"
    it.clock.move(seconds=40)
    pager.step(ref)
    jobs.finish()
    assert it.mail.news[:1] == it.teams.news[:1] == ["raised"]
    assert it.phones.called == [SECOND], "what nobody knows of is no acknowledgement: the next one is called"


def test_with_teams_and_mail_both_down_people_are_called_and_both_are_tried_until_they_work(it: Emergency) -> None:
    it.store = OneCase()  # type: ignore[assignment]
    it.mail.fails, it.teams.fails = [DOWN] * 3, [DOWN] * 4
    it.phones.script[SECOND] = [Outcome.NO_ANSWER, "1"]
    ref = it.raised(case=REF, new_case=None)
    it.pager().run(ref)
    assert it.paging(ref).taken.by == SECOND
    it.clock.move(minutes=5)
    it.pager().run(ref)
    assert it.mail.news[-1] == it.teams.news[-1] == "taken"
    assert len({message.key for message in it.mail.sent}) == len(it.mail.sent)


def test_an_error_that_is_not_ours_is_written_down_without_its_text(it: Emergency) -> None:
    it.mail.fails = [ValueError("password=hunter2")]
    ref = it.raised()
    it.pager().step(ref)
    assert "hunter2" not in str([event.as_json() for event in it.case(ref).events])
    assert "ValueError" in str([event.as_json() for event in it.case(ref).events])


# -- down the list --------------------------------------------------------------------------------------------------


def test_end_to_end_two_do_not_answer_a_machine_does_the_third_presses_one_and_calling_stops(it: Emergency) -> None:
    it.phones.script = {SECOND: [Outcome.MACHINE], THIRD: ["1"]}
    ref = it.raised()
    until = it.pager().run(ref)
    assert outcomes(it, ref) == [(FIRST, "no_answer"), (SECOND, "machine"), (THIRD, "answered")]
    assert (it.paging(ref).taken.by, it.paging(ref).taken.via) == (THIRD, "digit")
    assert it.mail.news == it.teams.news == ["raised", "taken"]
    assert f"{THIRD} has it" in it.mail.sent[-1].subject == it.teams.sent[-1].subject
    assert until == it.paging(ref).taken.at + it.rules.update
    called = len(it.phones.rang)
    it.clock.move(minutes=59)
    it.pager().run(ref)
    assert len(it.phones.rang) == called, "nobody is called while somebody has it"


@pytest.mark.parametrize(
    "outcome", [Outcome.ANSWERED, Outcome.MACHINE, Outcome.BUSY, Outcome.FAILED, Outcome.NO_ANSWER]
)
def test_no_outcome_of_a_call_is_an_acknowledgement(it: Emergency, outcome: Outcome) -> None:
    it.phones.script = {FIRST: [outcome], SECOND: ["1"]}
    ref = it.raised()
    it.pager().run(ref)
    assert it.phones.called == [FIRST, SECOND]
    assert it.paging(ref).taken.by == SECOND


@pytest.mark.parametrize("digit", ["0", "4", "9", "*", "#", "11", "1 or 2", "one", "\u0661"])
def test_a_digit_that_is_none_is_no_acknowledgement(it: Emergency, digit: str) -> None:
    it.phones.script = {FIRST: [digit], SECOND: ["1"]}
    ref = it.raised()
    it.pager().run(ref)
    assert it.paging(ref).taken.by == SECOND
    assert it.kinds(ref)["page_pressed"] == 2, "and it is written down"


def test_round_again_and_for_an_hour_as_long_as_nobody_acknowledges(it: Emergency) -> None:
    it.store = OneCase()  # type: ignore[assignment]
    ref = it.raised(case=REF, new_case=None)
    pager = it.pager()
    while it.clock.now < START + timedelta(hours=1):
        at = pager.step(ref)
        assert at is not None, "there is always a next call"
        it.clock.move(seconds=max((at - it.clock.now).total_seconds(), 0))
    called = it.phones.called
    assert called[:6] == [FIRST, SECOND, THIRD] * 2
    assert len(called) > 90
    assert "still_calling" in it.mail.news, "those who wait hear that it goes on"
    assert it.mail.news.count("still_calling") in (5, 6)
    it.phones.script[FIRST] = it.phones.script[SECOND] = it.phones.script[THIRD] = ["1"]
    pager.run(ref)
    assert it.paging(ref).taken


def test_a_provider_that_refuses_every_call_is_asked_round_by_round_and_not_without_a_pause(it: Emergency) -> None:
    it.phones.refuses = DOWN
    ref, pager = it.raised(), it.pager()
    pager.step(ref)
    assert outcomes(it, ref) == [(name, "failed") for name in (FIRST, SECOND, THIRD)]
    pager.step(ref)
    assert len(it.paging(ref).calls) == 3, "the pause between rounds holds"
    it.phones.refuses = None
    it.phones.script[FIRST] = ["1"]
    pager.run(ref)
    assert it.paging(ref).taken.by == FIRST


def test_a_call_whose_answer_was_lost_is_read_back_before_the_next_one(it: Emergency) -> None:
    it.phones.after, it.phones.script[FIRST] = DOWN, [Outcome.BUSY]
    ref = it.raised()
    jobs = Jobs()
    it.pager(start=jobs).step(ref)
    jobs.finish()
    assert outcomes(it, ref)[0] == (FIRST, "busy")


def test_nobody_without_a_number_is_called_and_an_empty_list_is_an_alarm_of_its_own(it: Emergency) -> None:
    it.people = [Callee(FIRST), PEOPLE[1]]
    ref, pager = it.raised(), it.pager()
    pager.step(ref)
    assert it.phones.called == [SECOND]
    it.people = []
    it.clock.move(minutes=1)
    pager.step(ref)
    pager.step(ref)
    assert it.kinds(ref)["nobody_to_call"] == 1
    it.people = PEOPLE
    it.clock.move(minutes=1)
    pager.step(ref)
    assert FIRST in it.phones.called, "calling goes on once there is somebody"


def test_a_list_that_cannot_be_read_any_more_is_the_one_of_before(it: Emergency) -> None:
    ref, pager = it.raised(), it.pager()
    pager.step(ref)
    pager.whom = lambda _now, _case: 1 / 0  # type: ignore[assignment, return-value]
    it.clock.move(minutes=1)
    pager.step(ref)
    assert len(it.phones.called) == 6


def test_somebody_who_stands_twice_on_the_list_is_called_once_a_round(it: Emergency) -> None:
    it.people = [*PEOPLE, *PEOPLE]
    ref = it.raised()
    it.pager().step(ref)
    assert it.phones.called == [FIRST, SECOND, THIRD]


def test_the_same_emergency_raised_by_two_is_one_and_a_refused_form_writes_no_case(it: Emergency) -> None:
    ref = it.raised()
    assert it.raised(case=ref, new_case=None) == ref
    assert it.kinds(ref)["emergency_raised"] == 1
    with pytest.raises(CaseproofError, match="Nobody was called yet"):
        it.raised(sightings=())
    with it.store.reading() as uow:
        assert len(uow.cases.rows()) == 1


def test_each_person_s_mail_link_is_their_own_and_no_event_holds_one(it: Emergency) -> None:
    ref = it.raised()
    it.pager(start=lambda job: job()).step(ref)
    links = it.mail.sent[0].links
    assert set(links) == {FIRST, SECOND, THIRD}
    assert len(set(links.values())) == 3
    assert it.teams.sent[0].links == {}, "a card is read by many: it leads to the case"
    assert "example.com/page/" not in str([event.as_json() for event in it.case(ref).events]) + it.mail.sent[0].text


def test_the_voice_and_the_mail_say_the_problem(it: Emergency) -> None:
    ref, heard = it.raised(), []
    it.phones.script[FIRST] = [lambda call: (heard.append(call.alert), Rung(Outcome.ANSWERED, digit="1"))[1]]
    it.pager().run(ref)
    assert "online ordering is down" in heard[0].problem
    assert "The checkout says 500 since 19:50." in it.mail.sent[0].text
    assert it.mail.sent[0].news == NewsKind.RAISED


def test_a_case_does_not_close_while_people_are_called_for_it(it: Emergency) -> None:
    ref = it.raised()
    (missing,) = closure_blockers(it.case(ref))
    assert (missing.code, missing.rule) == ("emergency_over", "E8")
    end_emergency(it.store, it.clock, ref, FIRST, "It works.")
    assert closure_blockers(it.case(ref)) == []
    assert closure_blockers(it.case(it.open_case())) == [], "a case without an emergency needs none of it"


def test_every_try_is_a_row_of_a_table(it: Emergency) -> None:
    it.phones.script[FIRST] = ["1"]
    ref = it.raised()
    it.pager().run(ref)
    rows = tries(it.paging(ref))
    assert [(row["channel"], row["who"], row["outcome"]) for row in rows] == [
        ("mail", "raised", "delivered"), ("teams", "raised", "delivered"), ("call", FIRST, "answered"),
        ("mail", "taken", "delivered"), ("teams", "taken", "delivered"),
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["a call rings", "a round is over", "mail failed", "somebody has it"])
def test_a_clock_that_is_set_back_keeps_nobody_from_being_called(it: Emergency, state: str) -> None:
    """In doubt somebody is called twice: what would hold for hours more, because the clock jumped, holds no more."""
    ref, jobs = it.raised(), Jobs()
    it.mail.fails = [DOWN] if state == "mail failed" else []
    it.pager(start=jobs if state == "a call rings" else lambda job: job()).step(ref)
    if state == "somebody has it":
        takes(it, ref, FIRST)
    called, mailed = len(it.phones.rang), len(it.mail.sent)
    it.clock.move(hours=-10)
    it.pager().step(ref)
    assert len(it.phones.rang) > called
    assert len(it.mail.sent) > mailed or state == "a round is over"


def test_a_try_that_cannot_be_started_keeps_no_other_from_it(it: Emergency) -> None:
    ref, started = it.raised(), []

    def start(job: object) -> None:
        started.append(job)
        if len(started) == 1:
            raise RuntimeError("can't start new thread")

    it.pager(start=start).step(ref)
    assert len(started) == 3


def test_a_call_is_told_what_it_is_known_by_so_that_it_is_found_and_not_made_twice(it: Emergency) -> None:
    ref, heard = it.raised(), []

    def answers(call: Ring) -> Rung:
        heard.append(call)
        return Rung(Outcome.BUSY, provider=f"CA{len(heard)}")

    it.phones.script = {FIRST: [answers], SECOND: [answers], THIRD: ["1"]}
    it.pager().run(ref)
    assert [call.known for call in heard] == [(), ("CA1",)]
    assert heard[0].begun == it.paging(ref).calls[0].begun
    assert len({call.key for call in heard}) == 2
    assert all(it.case(ref).mark in call.key for call in heard)


def test_what_a_probe_saw_is_evidence_of_the_case_and_changes_nothing_else(it: Emergency, tmp_path: Path) -> None:
    with Loopback({"/": (200, {}, b"a shop"), "/cart/": (500, {}, b"")}) as shop:
        ref = it.raised(site=shop.url)
        files = EvidenceFiles(Vault(tmp_path / "vault"), it.store, it.clock)
        before = due(it.paging(ref), PEOPLE, it.clock.now, it.rules)
        keep_probe(files, ref, own=[shop.url])
        assert due(it.paging(ref), PEOPLE, it.clock.now, it.rules).begin == before.begin
    looked = it.case(ref).events[-1]
    assert looked.data["found"] == "cart: error; checkout: error; WooCommerce REST: error"
    kept = json.loads(files.vault.read(looked.data["evidence"]))
    assert [look["status"] for look in kept["looks"]] == [200, 500, 404, 404]


def test_each_emergency_s_site_and_the_web_ecm_are_looked_at_once_by_whomever(it: Emergency, tmp_path: Path) -> None:
    with Loopback({"/": (200, {}, b"a shop"), "/ecm": (503, {}, b"")}) as shop:
        ref = it.raised(site=shop.url)
        files = EvidenceFiles(Vault(tmp_path / "vault"), it.store, it.clock)
        for _ in range(2):
            look_once(files, ref, [f"{shop.url}/ecm"])
        assert "web ECM 1: error" in it.case(ref).events[-1].data["found"]
        assert it.kinds(ref)["probe_looked"] == 1
        end_emergency(it.store, it.clock, ref, "operator", "It works.")
        it.raised(case=ref, new_case=None, site=shop.url)
        with it.store.uow() as uow:  # somebody began, and may be at it yet
            uow.cursors.set(f"site-look {ref}", "2", it.clock())
            uow.commit()
        look_once(files, ref)
        assert it.kinds(ref)["probe_looked"] == 1
        it.clock.move(seconds=61)  # they died
        look_once(files, ref)
        assert it.kinds(ref)["probe_looked"] == 2


def test_looks_wait_for_nobody_and_one_that_fails_keeps_no_other_from_it() -> None:
    looked = list[str]()

    def look(ref: str) -> None:
        looked.append(ref)
        raise BadInput("It is no address.", "Write one.") if ref == "first" else RuntimeError

    looks = SiteLooks(look, after_seconds=0)
    for ref in ("first", "second", "last"):
        looks(ref)
    wait_until("all three looks", lambda: len(looked) == 3, 60)
    assert sorted(looked) == ["first", "last", "second"]
