"""Time reminds the holder or the tier of a support case, hands it on where no gate is closed, else tells the lead."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes
from email.policy import default

import pytest

from caseproof.domain.payloads import TeamTold
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.payloads import DetailsWanted
from caseproof.domain.support.steps import Request
from caseproof.domain.support.vocabulary import Failing
from caseproof.procedure.core.handling import Handle, Wish, handle
from caseproof.procedure.escalation.opening import link_job
from caseproof.procedure.escalation.waiting import JOBS_EVERY, mind_the_time
from tests.support.keeper import Keeper
from tests.support.support_desk import LADDER, Desk
from tests.support.world import World

LIMITS = {"L1": {"nudge_hours": 1, "hand_on_hours": 4}, "L2": {"nudge_hours": 4, "hand_on_hours": 16}}
PEOPLE = [
    {"name": "front line", "tiers": ["L1"], "mail": "one@example.com"},
    {"name": "front line two", "tiers": ["L1"], "mail": "two@example.com"},
    {"name": "l1 lead", "tiers": ["L1"], "mail": "lead@example.com"},
    {"name": "second-line technician", "tiers": ["L2"]},
    {"name": "product technician", "tiers": ["PT"], "mail": "pt@example.com"},
]


@pytest.fixture
def desk(make_world: Callable[..., World]) -> Desk:
    ladder = LADDER | {"people": PEOPLE, "limits": LIMITS, "leads": {"L1": "l1 lead"}}
    mail = {"team": "team@example.com"}
    return Desk(make_world(ladder=ladder, mail=mail))


def time_passes(desk: Desk, ref: str, **by: float) -> str:
    desk.world.clock.move(**by)
    services = desk.services
    did, _ = mind_the_time(services.ledger, services.links, services.policy, lambda: desk.world.send, ref)
    return did


def told(desk: Desk, *, came: bool = False) -> list[tuple[str, ...]]:
    """Who was written to: that a case came to them, or the rest."""
    return [to for mail, _, to in desk.world.mail.taken if (", since 20" in words_of(mail)) is came]


def words_of(mail: bytes) -> str:
    return " ".join(message_from_bytes(mail, policy=default).get_content().split())


def test_time_hands_no_case_to_a_tier_in_which_nobody_is(make_world: Callable[..., World]) -> None:
    people = [one for one in PEOPLE if one["tiers"] != ["L2"]]
    ladder = LADDER | {"people": people, "limits": LIMITS, "leads": {"L1": "l1 lead"}}
    desk = Desk(make_world(ladder=ladder, mail={"team": "team@example.com"}))
    ref = desk.open()
    desk.ask(ref, Request.TRY)
    assert time_passes(desk, ref, hours=5) == "the lead of L1 was told that it waits"
    assert (desk.world.case(ref).state, told(desk)) == (State.WITH_L1, [("lead@example.com",)])
    assert b"E1: Somebody in L2: by the policy nobody is." in desk.world.mail.taken[0][0]


ALL_OF_L1 = ("one@example.com", "two@example.com", "lead@example.com")


def test_a_tier_is_told_at_once_that_a_case_came_to_it_and_once_each_time(desk: Desk) -> None:
    ref = desk.open(by="operator")
    assert time_passes(desk, ref, seconds=5) == "", "no form is asked anew for it: somebody may be filling it in"
    assert (told(desk, came=True), told(desk)) == ([ALL_OF_L1], [])
    mail = words_of(desk.world.mail.taken[0][0])
    assert "SC-000001" in mail
    assert "waits for L1, the front line, since 2026-" in mail
    assert desk.services.links.case_url(ref) in mail
    time_passes(desk, ref, seconds=5)
    desk.ask(ref, Request.TRY)
    time_passes(desk, ref, seconds=5)
    assert told(desk, came=True) == [ALL_OF_L1], "what it tries brings it to nobody else"
    desk.ask(ref, Request.HAND_TO_L2)
    time_passes(desk, ref, seconds=5)
    assert told(desk, came=True)[1:] == [("team@example.com",)], "nobody in L2 has an address"
    desk.ask(ref, Request.TRY, "L2")
    desk.ask(ref, Request.ASK_PT, "L2")
    time_passes(desk, ref, seconds=5)
    assert told(desk, came=True)[2:] == [("pt@example.com",)]
    assert len(desk.world.mail.taken) == 3
    assert {fact["number"] for fact in desk.world.case(ref).all_of(TeamTold)} == {0}


def test_who_brought_the_case_there_or_has_it_is_told_of_nothing_that_they_know(desk: Desk) -> None:
    ref = desk.open(by="front line")
    time_passes(desk, ref, seconds=5)
    assert told(desk, came=True) == [("two@example.com", "lead@example.com")]
    other = desk.open(by="front line", summary="Another")
    handle(desk.services.store, desk.world.clock, Wish(Handle.CLAIM, (other,)), "front line")
    time_passes(desk, other, seconds=5)
    assert len(told(desk, came=True)) == 1


def test_a_case_that_came_while_mail_was_down_is_told_later_and_a_crash_leaves_nobody_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = desk.open(by="operator")
    desk.world.mail.faulty.fails("send", before=OSError("down"))
    with pytest.raises(OSError, match="down"):
        time_passes(desk, ref, seconds=5)
    ledger = desk.services.ledger
    with monkeypatch.context() as dies:
        dies.setattr(type(ledger), "change", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            time_passes(desk, ref, minutes=5)
    time_passes(desk, ref, minutes=5)
    time_passes(desk, ref, minutes=5)
    assert told(desk, came=True) == [ALL_OF_L1] * 2, "twice at worst"
    assert len({message_from_bytes(mail)["Message-ID"] for mail, *_ in desk.world.mail.taken}) == 1


def test_a_form_that_is_sent_twice_counts_once_though_a_mail_left_in_between(desk: Desk) -> None:
    ref = desk.open(by="operator")
    for _ in range(2):
        desk.ask(ref, Request.WANT_DETAILS, "L2")
        time_passes(desk, ref, seconds=5)
    assert len(told(desk, came=True)) == 1
    assert len(desk.world.case(ref).all_of(DetailsWanted)) == 1


def test_a_case_that_is_late_already_is_told_by_its_reminder_alone_and_a_solved_one_by_none(desk: Desk) -> None:
    ref = desk.open(by="operator")
    assert "told that it waits" in time_passes(desk, ref, hours=2)
    time_passes(desk, ref, seconds=5)
    other = desk.open(by="operator", summary="Another")
    desk.ask(other, Request.STATE_SOLUTION)
    time_passes(desk, other, seconds=5)
    assert told(desk, came=True) == []


def test_the_tier_is_reminded_once_and_its_holder_alone_where_somebody_has_it(desk: Desk) -> None:
    ref = desk.open()
    assert time_passes(desk, ref, minutes=59) == ""
    assert told(desk) == []
    time_passes(desk, ref, minutes=2)
    time_passes(desk, ref, minutes=2)
    assert told(desk) == [("one@example.com", "two@example.com", "lead@example.com")]
    assert [fact["number"] for fact in desk.world.case(ref).all_of(TeamTold)] == [0, 1]
    other = desk.open(summary="Another")
    handle(desk.services.store, desk.world.clock, Wish(Handle.CLAIM, (other,)), "Front Line Two")
    time_passes(desk, other, hours=2)
    assert told(desk)[1:] == [("two@example.com",)]


def test_it_goes_on_by_itself_only_where_no_gate_is_closed_else_the_lead_is_told_what_is_missing(desk: Desk) -> None:
    ref = desk.open()
    assert "the lead of L1" in time_passes(desk, ref, hours=5)
    assert desk.world.case(ref).state is State.WITH_L1
    assert told(desk)[-1] == ("lead@example.com",)
    assert b"What L1 tried" in desk.world.mail.taken[-1][0]
    assert time_passes(desk, ref, hours=1) == "", "the lead is told once"
    desk.ask(ref, Request.TRY)
    assert "handed on to L2" in time_passes(desk, ref, hours=5)
    case = desk.world.case(ref)
    assert (case.state, case.events[-1].actor) == (State.WITH_L2, "caseproof")
    assert "told that it waits" in time_passes(desk, ref, hours=17)
    assert (desk.world.case(ref).state, told(desk)[-1]) == (State.WITH_L2, ("team@example.com",))


def test_a_mail_that_does_not_leave_is_tried_again(desk: Desk) -> None:
    ref = desk.open()
    desk.world.mail.faulty.fails("send", before=OSError("down"))
    with pytest.raises(OSError, match="down"):
        time_passes(desk, ref, hours=2)
    assert time_passes(desk, ref, minutes=1) != ""
    assert len(told(desk)) == 1


def test_who_is_to_take_the_last_steps_is_reminded_and_a_case_that_waits_for_a_job_reminds_nobody(desk: Desk) -> None:
    ref = desk.open(failing=str(Failing.YES))
    desk.ask(ref, Request.STATE_SOLUTION)
    assert "told that it waits" in time_passes(desk, ref, hours=2)
    other = desk.open(client="Shop A", summary="Another", failing=str(Failing.YES), sender="owner@shop-a.example.com")
    job = desk.world.open()
    link_job(desk.services.ledger, other, job, "operator")
    desk.ask(other, Request.STATE_SOLUTION)
    desk.tell(other)
    before = len(told(desk))
    assert (time_passes(desk, other, hours=99), len(told(desk))) == ("", before)
    desk.world.walk(job)
    assert job in time_passes(desk, other, seconds=JOBS_EVERY.total_seconds()), "its run reads the proof"
    assert desk.finish(other).is_closed


def test_the_keeper_minds_the_time_of_support_cases(desk: Desk) -> None:
    ref = desk.open()
    assert Keeper(desk.world)(hours=2).by_time == [ref]
    assert Kind.TEAM_TOLD in [event.kind for event in desk.world.case(ref).events]
