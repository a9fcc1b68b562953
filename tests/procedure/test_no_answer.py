"""A retailer who does not answer: reminders, then the team, then the account stays paused. Never a silent stop (J6)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from caseproof.channels.outbound.mail import MailDown
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.keeper.no_answer import has_to_be_told, keep_paused
from caseproof.procedure.keeper.passes import KeeperPass
from caseproof.procedure.views.board import board
from tests.support.fakes import START, Killed
from tests.support.keeper import Keeper, mails, waits, writes
from tests.support.world import CONTACT, JOB, World

TEAM = "team@example.com"


def asked(world: World, **more: Any) -> str:
    """A case that waits for the retailer's word."""
    ref = world.open(**more)
    world.walk(ref, until="tell")
    return waits(world, ref)


def days(keeper: Keeper, count: int) -> list[str]:
    """What a pass a day did, as a word a day."""
    return [in_a_word(keeper(days=1)) for _ in range(count)]


def in_a_word(done: KeeperPass) -> str:
    """What a pass did: "remind", "tell", "pause", several of them, or "." for nothing."""
    return "remind" * bool(done.reminded) + "tell" * bool(done.team_told) + "pause" * bool(done.paused) or "."


def test_reminders_then_the_team_then_the_account_stays_paused_until_a_date(keeper, world, waiting) -> None:
    expected = ["."] * 14
    expected[1], expected[4], expected[6], expected[13] = "remind", "remind", "tell", "pause"
    assert days(keeper, 14) == expected
    case = world.case(waiting)
    kept = case.decision
    assert (case.state, kept.event.kind, kept.actor) == (State.PAUSED, Kind.KEPT_PAUSED, "caseproof")
    assert case.paused_until == (START + timedelta(days=28)).date()
    assert kept["reason"] == (
        "No answer from the retailer since 2026-11-20: reminded 2 times (2026-11-22, 2026-11-25), the team told on "
        "2026-11-27. The job stays stopped."
    )
    assert not world.platform.is_active(JOB)
    assert keeper(minutes=3).woken == [waiting], "so that its form says so"
    waits(world, waiting)
    assert (
        board(world.services.ledger, world.services.policy.keeper).lines[0].what
        == "the account is kept paused until 2026-12-18 (J6)"
    )
    assert days(keeper, 12) == ["."] * 12
    date_has_come = keeper(days=2)
    assert (date_has_come.woken, date_has_come.team_told) == ([waiting], 1)
    waits(world, waiting)
    assert "." * 14 not in "".join(days(keeper, 15)), "and the team again, as long as nobody decides"
    assert world.count(waiting, Kind.KEPT_PAUSED) == 1, "Caseproof itself does so once"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"remind_after_days": ()}, {7: "tell", 14: "pause"}),
        ({"keep_paused_after_days": 7}, {2: "remind", 5: "remind", 7: "tellpause"}),
        (
            {
                "remind_after_days": (300.0,),
                "answer_within_days": 365,
                "keep_paused_after_days": 400,
                "follow_up_days": 100,
            },
            {300: "remind", 365: "tell", 400: "pause"},
        ),
    ],
)
def test_it_happens_when_the_policy_says(make_world, times: dict[str, Any], expected: dict[int, str]) -> None:
    keeper = Keeper(make_world(keeper=times))
    ref = asked(keeper.world)
    last = max(expected)
    for day in range(1, last + 1):
        if day in expected or day - 1 in expected:  # nothing happens on the others: see above
            keeper.world.clock.now = START + timedelta(days=day, hours=1)
            assert in_a_word(keeper()) == expected.get(day, "."), day
    reason = keeper.world.case(ref).decision["reason"]
    assert ("not reminded" in reason) is (times.get("remind_after_days") == ())


def test_half_a_day_of_pause_is_a_day_because_today_would_be_over_at_once(make_world) -> None:
    keeper = Keeper(make_world(keeper={"follow_up_days": 0.5}))
    ref = asked(keeper.world)
    days(keeper, 14)
    assert keeper.world.case(ref).paused_until == date(2026, 12, 5)


# -- the team comes first ---------------------------------------------------------------------------------------------


def test_nothing_stays_paused_that_the_team_was_not_told_of_and_had_time_to_act_on(make_world) -> None:
    keeper = Keeper(make_world(mail={"team": TEAM}))
    world, ref = keeper.world, asked(keeper.world)
    days(keeper, 6)
    world.mail.faulty.fails("send", before=MailDown("It is down.", "Wait."), times=12)
    assert days(keeper, 12) == ["."] * 12
    assert board(world.services.ledger, world.services.policy.keeper).problems, (
        "the board says that the team cannot be told"
    )
    did = days(keeper, 8)
    assert did[0] == "tell"
    assert [day for day in did if "pause" in day] == did[7:], "seven days after they were told"
    assert "the team told on 2026-12-09" in world.case(ref).decision["reason"]


def test_a_crash_between_the_team_s_mail_and_its_record_tells_twice_and_pauses_once(make_world) -> None:
    keeper = Keeper(make_world(mail={"team": TEAM}, keeper={"keep_paused_after_days": 7}))
    world, ref = keeper.world, asked(keeper.world)
    days(keeper, 6)
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        keeper(days=1)
    assert world.case(ref).state is State.WAITING
    world.restart(minutes=3)
    done = keeper()
    assert (done.team_told, done.paused) == (1, [ref])
    assert len(mails(world, TEAM)) == 2
    assert "call them, or decide without their word" in mails(world, TEAM)[0].get_content()


def test_a_keeper_that_was_away_for_weeks_begins_where_it_left_off(keeper, waiting) -> None:
    back = keeper(days=30)
    assert (back.reminded, back.team_told, back.paused) == ([waiting], 1, [])
    did = days(keeper, 7)
    assert did[0].startswith("remind")
    assert [day for day in did if "pause" in day] == did[6:]


def test_a_question_that_was_asked_anew_changes_no_date(keeper, world, waiting) -> None:
    days(keeper, 8)
    waits(world, waiting)  # its run died, and the next one asked
    assert days(keeper, 6) == [*["."] * 5, "pause"]


def test_a_team_that_was_told_of_something_else_was_not_told_of_this(keeper, world, waiting) -> None:
    days(keeper, 6)
    waits(world, waiting, "decision")
    world.clock.move(days=2)
    keeper(), waits(world, waiting)
    assert world.count(waiting, Kind.TEAM_TOLD) == 1
    late = keeper(days=6)
    assert (late.team_told, late.paused) == (1, [])
    assert [bool(keeper(days=1).paused) for _ in range(7)] == [False] * 6 + [True]


def test_of_a_retailer_whom_no_reminder_reached_nobody_says_that_they_do_not_answer(keeper, world, waiting) -> None:
    with world.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", CONTACT)
        uow.commit()
    assert "pause" not in "".join(days(keeper, 30))
    first = board(world.services.ledger, world.services.policy.keeper).lines[0]
    assert (first.ref, first.needs_us) == (waiting, True)
    world.register("Shop A", CONTACT)
    assert "pause" in "".join(days(keeper, 3)), "they are reminded now, and the team knows for weeks"


# -- where nobody's answer is missing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["our_platform", "website_changed"])
def test_nothing_stays_paused_where_the_retailer_was_asked_nothing(keeper, world, cause: str) -> None:
    ref = asked(world, cause=cause)
    assert "pause" not in "".join(days(keeper, 30))
    assert not keep_paused(world.services.ledger, world.services.policy.keeper, ref)


def test_a_case_of_an_incident_is_decided_there(keeper, world, waiting) -> None:
    days(keeper, 8)
    world.services.ledger.record(waiting, Kind.INCIDENT_JOINED, incident="IN-000001")
    assert "pause" not in "".join(days(keeper, 20))
    assert not keep_paused(world.services.ledger, world.services.policy.keeper, waiting)


@pytest.mark.parametrize("how", ["word", "reply", "answer"])
def test_what_somebody_said_waits_for_a_person_and_is_never_paused_over(keeper, world, waiting, how: str) -> None:
    days(keeper, 13)
    if how == "word":
        world.confirm(waiting)
    elif how == "reply":
        writes(world, waiting, "We are on holiday. What is a token?")
    else:
        world.services.ledger.record(
            waiting, Kind.QUESTION_ANSWERED, number=1, form="retailers-word", answer={"what": "go on without it"}
        )
        waits(world, waiting)
    world.clock.move(days=10)
    assert not keep_paused(world.services.ledger, world.services.policy.keeper, waiting)
    if how != "answer":
        waits(world, waiting, "decision" if how == "word" else "retailers-word")
        assert "pause" not in "".join(days(keeper, 20))
    assert world.case(waiting).state is State.WAITING


def test_a_word_that_arrives_at_the_same_moment_wins(keeper, world, waiting) -> None:
    """It is written while the keeper decides: then the keeper decides again, on the case as it is by then."""
    days(keeper, 13)
    world.clock.move(days=1)
    looks = []

    def clock() -> datetime:
        if not looks:
            looks.append(threading.Thread(target=world.confirm, args=(waiting,)))
            looks[0].start()
            looks[0].join(60)
        return world.clock()

    here = world.process(clock=clock)
    assert not keep_paused(here.ledger, here.policy.keeper, waiting)
    case = world.case(waiting)
    assert looks
    assert (case.state, len(case.confirmations)) == (State.WAITING, 1)


def test_a_word_that_comes_after_the_pause_is_the_team_s_to_act_on_and_not_only_on_the_date(
    keeper, world, waiting
) -> None:
    days(keeper, 14)
    waits(world, waiting)
    world.confirm(waiting)
    assert keeper(minutes=3).woken == [waiting]
    waits(world, waiting, "decision")
    shown = board(world.services.ledger, world.services.policy.keeper).lines[0]
    assert (shown.who, shown.what) == ("the team", "decide about the account (J6)")
    assert [hour for hour in range(1, 25) if keeper(hours=1).team_told] == [8, 24]
    world.decide(waiting, Decision.AFTER_CHANGE)
    assert world.case(waiting).state is State.DECIDED


def test_a_pause_by_a_person_settles_what_the_retailer_had_written_until_then(keeper, world, waiting) -> None:
    writes(world, waiting, "We move house; ask us next week.")
    assert world.case(waiting).unanswered_since is None
    world.decide(waiting, Decision.KEEP_PAUSED, until=(START + timedelta(days=10)).date())
    waits(world, waiting)
    assert days(keeper, 9)[1:] == ["."] * 8, "it is left in peace until the date"
    writes(world, waiting, "We are back. Which token?")
    waits(world, waiting)
    assert board(world.services.ledger, world.services.policy.keeper).lines[0].who == "the team"
    assert not has_to_be_told(world.case(waiting))


# -- exactly once -----------------------------------------------------------------------------------------------------


def test_two_keepers_at_once_keep_it_paused_once(keeper, world, waiting) -> None:
    days(keeper, 13)
    world.clock.move(days=1)
    together = threading.Barrier(2)

    def one() -> bool:
        here = replace(world.process())
        together.wait(60)
        return keep_paused(here.ledger, here.policy.keeper, waiting)

    with ThreadPoolExecutor(2) as two:
        did = [future.result(60) for future in [two.submit(one), two.submit(one)]]
    assert sorted(did) == [False, True]
    assert world.count(waiting, Kind.KEPT_PAUSED) == 1
