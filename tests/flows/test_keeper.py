"""One pass of the keeper after the other, with a moved clock: nothing is forgotten, and nothing is done twice."""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from caseproof import locks
from caseproof.channels.mail import MailDown, MailRefused
from caseproof.domain.decisions import Decision
from caseproof.domain.events import Kind
from caseproof.domain.lifecycle import State
from caseproof.platforms.base import PlatformDown, RunState
from caseproof.policy_check import Maintenance
from caseproof.procedure import incidents, opening
from caseproof.procedure.board import board
from caseproof.procedure.check_lock import check_lock
from caseproof.procedure.keeper import Hands, Pass, Ran, keep
from caseproof.procedure.ticket import TicketNotOpen
from caseproof.store import CaseRow
from tests.support.fakes import START, FakePlatform
from tests.support.world import CONTACT, DECIDER, JOB, World


@dataclass
class Keeper:
    """The keeper of a world: Prefect is a list of what it was asked for."""

    world: World
    woken: list[str] = field(default_factory=list)
    looked_after: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __call__(self, **days: float) -> Pass:
        """Let time pass, then one pass."""
        self.world.clock.move(**days)
        done = keep(self.world.office, self.hands(), patience=0)
        assert done is not None
        return done

    def hands(self) -> Hands:
        def runs(also: Sequence[CaseRow], wake: Mapping[str, str]) -> Ran:
            self.looked_after += [row.ref for row in also]
            self.woken += wake
            return Ran(woken=list(wake))

        here = self.world
        return Hands(
            lambda _: here.platform,
            lambda case: here.runner(case.ref),
            lambda: here.send,
            runs,
            list,
            self.said.append,
            lambda run: f"https://prefect.example.com/runs/{run}",
        )


@pytest.fixture
def keeper(world: World) -> Keeper:
    return Keeper(world)


def waits(world: World, ref: str, form: str = "retailers-word") -> str:
    """The case's run asks, and suspends."""
    world.office.record(
        ref, Kind.QUESTION_ASKED, number=world.case(ref).question_number + 1, form=form, flow_run=f"run-of-{ref}"
    )
    with world.office.store.unit() as unit:
        if unit.cases.run_of(ref) is None:
            unit.cases.attach_run(ref, f"run-of-{ref}", 1)
        unit.commit()
    return ref


@pytest.fixture
def waiting(world: World) -> str:
    """A case that waits for the retailer's word."""
    ref = world.open()
    world.walk(ref, until="tell")
    return waits(world, ref)


def mails(world: World, to: str = CONTACT) -> list[EmailMessage]:
    return [message_from_bytes(raw, policy=policy.default) for raw, _, there in world.mail.taken if to in there]  # type: ignore[misc]


def row(world: World, ref: str) -> CaseRow:
    with world.office.store.reading() as unit:
        return unit.cases.of_refs([ref])[0]


# -- reminders --------------------------------------------------------------------------------------------------------


def test_a_retailer_is_reminded_when_the_policy_says_and_then_the_team_is_told(keeper, world, waiting) -> None:
    done = [keeper(days=1) for _ in range(8)]
    assert [one.reminded for one in done] == [[], [waiting], [], [], [waiting], [], [], []]
    assert [one.team_told for one in done] == [0, 0, 0, 0, 0, 1, 0, 0], "once the last reminder was of no use"
    notice, first, second = mails(world)
    assert first["In-Reply-To"] == first["References"] == notice["Message-ID"]
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Subject"] == f"Re: {notice['Subject']}"
    text = first.get_body(("plain",)).get_content()
    assert waiting in text
    assert "What to do".upper() in text, "the notice itself stands below"
    told = [event for event in world.case(waiting).events if event.kind is Kind.REMINDER_SENT]
    assert [(e.data["number"], e.data["message_id"]) for e in told] == [
        (1, first["Message-ID"]),
        (2, second["Message-ID"]),
    ]
    assert world.vault.read(told[0].data["evidence"]) == world.mail.taken[1][0]
    assert world.case(waiting).state is State.WAITING
    assert not world.case(waiting).has_news, "nobody is woken for it"
    later = [keeper(days=7).team_told for _ in range(4)]
    assert later == [0, 1, 0, 1], "and again every fourteen days"


def test_nobody_is_reminded_who_answered(keeper, world, waiting) -> None:
    world.confirm(waiting)
    done = keeper(days=2)
    assert (done.reminded, done.woken) == ([], [waiting]), "the run is woken instead"
    assert len(mails(world)) == 1


def test_a_retailer_who_is_not_at_fault_is_not_reminded_but_the_team_told(keeper, world) -> None:
    ref = world.open(cause="our_platform")
    world.walk(ref, until="tell")
    waits(world, ref)
    assert [keeper(days=1).team_told for _ in range(3)] == [1, 1, 1]
    assert len(mails(world)) == 1


def test_cases_of_one_notice_share_its_reminders(keeper, world) -> None:
    refs: list[str] = []
    for job in (JOB, "orders/feed-b"):
        world.platform.add(job)
        with world.office.store.unit() as unit:
            refs.append(unit.cases.create(world.office.event(
                Kind.OPENED, platform="jobs", job=job, job_name=job, retailer="Shop A", marketplace="North",
                cause="expired_token", summary="401", how="daily check", scope="job", check="pass-1",
                **({"shares_notice_with": refs[0]} if refs else {}),
            )).ref)  # fmt: skip
            unit.commit()
    for ref in refs:
        world.step("contain", ref)
    for ref in refs:
        world.walk(ref, until="tell")
        waits(world, ref)
    assert len(mails(world)) == 1
    assert sorted(keeper(days=2).reminded) == refs
    assert keeper(days=1).reminded == []
    _, reminder = mails(world)
    assert all(ref in reminder.get_body(("plain",)).get_content() for ref in refs)
    assert {world.case(ref).since_notice(Kind.REMINDER_SENT)[0].data["message_id"] for ref in refs} == {
        reminder["Message-ID"]
    }


def test_a_reminder_that_was_sent_before_a_crash_is_sent_again_as_the_same_mail(keeper, world, waiting) -> None:
    world.mail.faulty.fails("send", after=MailDown("The line was cut.", maybe_sent=True))
    assert waiting in keeper(days=2).problems.said
    world.restart(minutes=11)
    assert keeper().reminded == [waiting]
    _, first, second = world.mail.taken
    assert first == second, "byte for byte"
    assert world.count(waiting, Kind.REMINDER_SENT) == 1


def test_a_mail_server_that_is_down_is_asked_once_a_pass_and_again_in_the_next(keeper, world, waiting) -> None:
    world.mail.faulty.fails("send", before=MailDown("It is down.", "Wait."))
    done = keeper(days=2)
    assert "It is down." in done.problems.said[waiting]
    assert board(world.office).lines[0].needs_us
    assert keeper(minutes=11).reminded == [waiting]
    assert not board(world.office).lines[0].needs_us


# -- the team ---------------------------------------------------------------------------------------------------------


def test_the_team_is_told_of_a_question_that_waits_as_often_as_the_policy_says(keeper, world, waiting) -> None:
    world.confirm(waiting)
    waits(world, waiting, "decision")
    told = [(hour, keeper(hours=1).team_told) for hour in range(1, 75)]
    assert [hour for hour, count in told if count] == [8, 24, 72]
    assert [keeper(days=7).team_told for _ in range(4)] == [0, 1, 0, 1]
    about = world.case(waiting).since_question(Kind.TEAM_TOLD)
    assert [event.data["number"] for event in about] == [1, 2, 3, 4, 5]
    assert "decision" in about[0].data["about"]
    assert world.mail.faulty.did("send") == 1, "there is no address: the board has it"


def test_one_mail_tells_the_team_about_many_cases(make_world) -> None:
    world = make_world(mail={"team": "team@example.com"})
    refs = []
    for job in ("a/a", "b/b", "c/c"):
        world.platform.add(job)
        ref = world.open(job)
        world.walk(ref, until="tell")
        world.confirm(ref)
        refs.append(waits(world, ref, "decision"))
    assert Keeper(world)(hours=9).team_told == 3
    (mail,) = mails(world, "team@example.com")
    assert "3 cases" in mail["Subject"]
    assert all(world.office.case_url(ref) in mail.get_content() for ref in refs)


def test_where_the_team_s_mail_is_refused_it_is_told_later(make_world) -> None:
    world = make_world(mail={"team": "team@example.com"})
    ref = world.open()
    world.walk(ref, until="tell")
    world.confirm(ref)
    waits(world, ref, "decision")
    world.mail.faulty.fails("send", before=MailRefused("No such mailbox.", "Correct it."))
    keeper = Keeper(world)
    assert "No such mailbox." in keeper(hours=9).problems.said["telling the team"]
    assert world.count(ref, Kind.TEAM_TOLD) == 0
    assert keeper(minutes=2).team_told == 1


def test_the_team_is_told_of_an_incident_s_question_as_of_a_case_s(make_world) -> None:
    world = make_world(mail={"team": "team@example.com"}, check={"storm": {"cases": 3, "minutes": 60}})
    refs = []
    for job in ("a/a", "b/b", "c/c"):
        world.platform.add(job)
        refs.append(world.open(job))
    assert incidents.gather(world.office) == ["IN-000001"]
    for ref in refs:
        world.walk(ref, until="tell")
        waits(world, ref, "decision")
    with world.office.store.unit() as unit:
        unit.incidents.attach_run("IN-000001", "run-of-all", 1)
        unit.commit()
    number = incidents.ask(world.office, "IN-000001", "run-of-all")
    (shown,) = board(world.office).incidents
    assert (shown.ref, shown.cases, shown.who(world.clock()), shown.run) == ("IN-000001", 3, "the team", "run-of-all")
    keeper = Keeper(world)
    told = [(hour, keeper(hours=1).team_told) for hour in range(1, 75)]
    assert [(hour, count) for hour, count in told if count] == [(8, 4), (24, 4), (72, 4)]
    mail = mails(world, "team@example.com")[0].get_content()
    assert "https://prefect.example.com/runs/run-of-all" in mail
    assert "IN-000001 (3 open cases: expired token on North)" in mail
    until = (world.clock() + timedelta(days=10)).date()
    incidents.decide_all(world.office, "IN-000001", Decision.KEEP_PAUSED, DECIDER, "They move.", until, question=number)
    incidents.ask(world.office, "IN-000001", "run-of-all")
    (shown,) = board(world.office).incidents
    assert (shown.who(world.clock()), shown.waits_for(world.clock())) == ("nobody", f"kept paused until {until} (J6)")
    keeper(days=9)
    assert not any("IN-000001 (" in mail.get_content() for mail in mails(world, "team@example.com")[3:])
    keeper(days=1, hours=9)
    assert "decide again for all of them" in mails(world, "team@example.com")[-1].get_content()


# -- waking -----------------------------------------------------------------------------------------------------------


def test_a_run_is_woken_by_news_until_it_asks_anew(keeper, world, waiting) -> None:
    assert keeper(minutes=3).woken == []
    world.confirm(waiting)
    assert [keeper(minutes=3).woken for _ in range(2)] == [[waiting], [waiting]], "it may have been about to suspend"
    waits(world, waiting, "decision")
    assert keeper(minutes=3).woken == []


def test_a_paused_account_is_decided_anew_on_its_date(keeper, world, waiting) -> None:
    until = (START + timedelta(days=10)).date()
    world.decide(waiting, Decision.KEEP_PAUSED, until=until)
    waits(world, waiting, "decision")
    done = [keeper(days=1) for _ in range(9)]
    assert not any(one.woken or one.team_told or one.reminded for one in done), "it is left in peace until then"
    day = keeper(days=1)
    assert (day.woken, day.team_told) == ([waiting], 1)
    waits(world, waiting, "decision")
    assert [keeper(days=7).team_told for _ in range(4)] == [0, 1, 0, 1]


def test_a_case_that_waits_for_a_long_run_is_woken_when_the_run_is_over(keeper, world, waiting) -> None:
    world.platform.outcome = "never"
    world.decide(waiting)
    world.step("start", waiting)
    run = world.case(waiting).run["run"]
    world.office.record(
        waiting, Kind.TROUBLE, step="verify the run", problem=f"The run {run} is still going.", next_action="Resume."
    )
    waits(world, waiting, "try-again")
    assert [keeper(minutes=m).woken for m in (1, 2, 5)] == [[], [], []]
    assert board(world.office).lines[0].who == "nobody"
    read = world.platform.faulty.did("run")
    keeper(seconds=1)
    assert world.platform.faulty.did("run") == read, "the longer it takes, the seldomer it is read"
    world.platform.runs[run] = dataclasses.replace(
        world.platform.runs[run], state=RunState.SUCCEEDED, ended_at=world.clock()
    )
    assert keeper(minutes=5).woken == [waiting]


def test_a_case_without_a_question_is_looked_after_by_its_flow_run(keeper, world) -> None:
    ref = world.open()
    keeper()
    assert keeper.looked_after == [ref]
    keeper(minutes=1)
    assert keeper.looked_after == [ref], "its run is at work"
    keeper(minutes=11)
    assert keeper.looked_after == [ref, ref]


# -- a stop that did not hold -----------------------------------------------------------------------------------------


def test_a_job_that_somebody_set_active_again_is_stopped_again(keeper, world, waiting) -> None:
    keeper(minutes=3)
    world.platform.held[JOB].active = True
    done = keeper(minutes=3)
    assert (done.stopped_again, done.team_told) == ([waiting], 1)
    assert not world.platform.is_active(JOB)
    event = next(e for e in world.case(waiting).events if e.kind is Kind.STOP_DID_NOT_HOLD)
    assert (event.data["jobs"][0]["active"], event.data["jobs"][0]["waiting"]) == (False, 0), "read back"
    assert b'"waiting": 0' in world.vault.read(event.data["evidence"])
    assert not world.case(waiting).has_news
    assert keeper(minutes=3).stopped_again == []


def test_what_somebody_sets_active_again_and_again_is_stopped_each_time_and_told_once_an_hour(
    keeper, world, waiting
) -> None:
    done = []
    for _ in range(25):
        world.platform.held[JOB].active = True
        done.append(keeper(minutes=3))
        assert not world.platform.is_active(JOB)
    assert sum(bool(one.stopped_again) for one in done) == 2
    assert world.count(waiting, Kind.STOP_DID_NOT_HOLD) == 2


def test_a_job_that_was_stopped_along_and_is_active_again_is_stopped_again(keeper, world) -> None:
    world.platform.add("stock/feed-c")
    ref = world.open(cause="connection")  # which stops all jobs of the connection
    world.walk(ref, until="tell")
    waits(world, ref, "decision")
    assert not world.platform.is_active("stock/feed-c")
    world.platform.held["stock/feed-c"].active = True
    assert keeper(minutes=3).stopped_again == [ref]
    assert not world.platform.is_active("stock/feed-c")


def test_a_job_that_ran_although_stopped_is_stopped_again_once(keeper, world, waiting) -> None:
    keeper(minutes=3)
    world.clock.move(minutes=1)
    world.platform.add_run(JOB, RunState.FAILED)
    assert keeper(minutes=1).stopped_again == [waiting]
    assert keeper(minutes=1).stopped_again == [], "that run is known"


def test_a_run_from_before_the_stop_and_one_of_ours_are_no_reason(keeper, world) -> None:
    world.platform.skew = timedelta(hours=3)  # and the platform's clock is no reason either
    ref = world.open()
    world.platform.add_run(JOB, RunState.RUNNING, at=world.clock() + world.platform.skew, lasted=None)
    world.clock.move(seconds=1)
    world.walk(ref, until="tell")
    waits(world, ref)
    assert keeper().stopped_again == []
    world.platform.outcome = "failed"
    world.decide(ref)
    world.step("start", ref)
    assert keeper().stopped_again == [], "our own run goes on"
    world.walk(ref, until="verify")
    waits(world, ref)
    assert world.case(ref).state is State.WAITING
    assert keeper(minutes=1).stopped_again == []


def test_a_job_that_is_not_ours_to_stop_may_run(keeper, world) -> None:
    world.platform.add("theirs/job", stopped_by="the agency")
    ref = world.open("theirs/job")
    world.walk(ref, until="tell")
    waits(world, ref)
    assert keeper(minutes=3).stopped_again == []
    assert world.platform.is_active("theirs/job")


def test_a_platform_that_is_down_leaves_the_rest_of_the_pass_alone(keeper, world, waiting) -> None:
    world.platform.faulty.fails("survey", before=PlatformDown("It hangs.", "Wait."), times=2)
    done = keeper(days=2)
    assert "It hangs." in done.problems.said["the platform jobs"]
    assert done.reminded == [waiting]


def test_a_platform_that_hangs_holds_up_neither_another_nor_the_rest_of_the_pass(keeper, world, waiting) -> None:
    other = FakePlatform(world.clock)
    other.add("theirs/job")
    asked = opening.Request(platform="hung", job="theirs/job", by=DECIDER, how="a test", cause="feed")
    opening.open_case(world.office, other, world.desk, asked)
    keeper()
    world.platform.held[JOB].active = True
    goes_on, began = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        began.set()
        goes_on.wait(60)

    other.faulty.during = hang
    world.clock.move(days=2)
    platforms = {"jobs": world.platform, "hung": other}
    hands = dataclasses.replace(keeper.hands(), platform=platforms.__getitem__)
    try:
        done = keep(world.office, hands, patience=0, hung=1.5)
    finally:
        goes_on.set()
    assert done is not None
    assert began.is_set()
    assert (done.stopped_again, done.reminded) == ([waiting], [waiting])
    assert "has not answered yet" in done.problems.said["the platform hung"]
    for thread in threading.enumerate():
        if thread.name.startswith("watch "):
            thread.join(60)
    assert keep(world.office, hands, patience=0, hung=60).problems.said == {}


def test_a_platform_that_goes_down_meanwhile_is_asked_once_and_looked_at_anew(keeper, world, waiting) -> None:
    world.platform.add("other/job")
    second = world.open("other/job")
    world.walk(second, until="tell")
    waits(world, second)
    keeper(minutes=3)
    world.clock.move(minutes=1)
    for job in (JOB, "other/job"):
        world.platform.add_run(job, RunState.FAILED)
    world.platform.faulty.fails("standing", before=PlatformDown("It hangs.", "Wait."))
    world.platform.faulty.done.clear()
    done = keeper(minutes=1)
    assert done.stopped_again == []
    assert "It hangs." in done.problems.said["the platform jobs"]
    assert world.platform.faulty.did("standing") == 0
    world.clock.move(hours=1)  # longer than what is read twice
    assert keeper().stopped_again == [waiting, second]


# -- fixed stays fixed ------------------------------------------------------------------------------------------------


@pytest.fixture
def closed(world: World) -> str:
    return world.closed()


def test_a_job_that_fails_again_after_closing_reopens_the_same_case_and_is_stopped_first(keeper, world, closed) -> None:
    opened_at = world.case(closed).opened.at
    assert keeper(hours=1).reopened == []
    world.platform.add_run(JOB, RunState.FAILED, message="401 Unauthorized: the token has expired")
    done = keeper(minutes=3)
    assert (done.reopened, done.team_told) == ([closed], 1)
    assert not world.platform.is_active(JOB)
    case = world.case(closed)
    assert (case.state, case.opening) == (State.CONTAINED, 2)
    assert case.opened.at == opened_at, "its clock runs on"
    assert closed in keeper.looked_after, "it gets a run"
    assert world.tickets()[0].status == "closed"
    world.walk(closed, until="tell")
    assert world.tickets()[0].status == "open"
    assert world.count(closed, Kind.TICKET_REOPENED) == 1
    assert "again" in mails(world)[-1]["Subject"].lower()
    assert world.walk(closed).is_closed, "with a proof of its own"
    assert world.count(closed, Kind.PROOF_MADE) == 2
    assert world.tickets()[0].status == "closed"


def test_a_desk_that_keeps_the_ticket_closed_holds_the_case_until_it_is_open(keeper, world, closed) -> None:
    world.clock.move(hours=1)
    world.platform.add_run(JOB, RunState.FAILED, message="401 Unauthorized: the token has expired")
    assert keeper(minutes=3).reopened == [closed]
    world.desk.faulty.fails("set_status", lie=True)
    with pytest.raises(TicketNotOpen):
        world.step("ticket", closed)
    assert world.count(closed, Kind.TICKET_REOPENED) == 0
    for _ in range(2):
        world.step("ticket", closed)
    assert world.count(closed, Kind.TICKET_REOPENED) == 1
    assert world.tickets()[0].status == "open"


def test_a_failure_that_may_pass_by_itself_reopens_nothing_until_its_patience_is_over(keeper, world, closed) -> None:
    for _ in range(2):
        world.clock.move(minutes=30)
        world.platform.add_run(JOB, RunState.FAILED, message="The other side did not answer in time.")
        assert keeper(minutes=3).reopened == []
    world.clock.move(minutes=30)
    world.platform.add_run(JOB, RunState.FAILED, message="The other side did not answer in time.")
    assert keeper(minutes=3).reopened == [closed]


def test_what_failed_before_the_closing_or_succeeds_since_reopens_nothing(keeper, world, closed) -> None:
    closed_at = world.case(closed).closed.at
    world.platform.add_run(
        JOB, RunState.FAILED, message="401 Unauthorized: the token has expired", at=closed_at - timedelta(minutes=20)
    )
    world.clock.move(hours=1)
    world.platform.add_run(JOB, RunState.SUCCEEDED)
    assert keeper().reopened == []


TOKEN = "401 Unauthorized: the token has expired"


def test_what_somebody_stopped_meanwhile_is_not_reopened_as_the_check_would_not(keeper, world, closed) -> None:
    world.clock.move(hours=1)
    world.platform.add_run(JOB, RunState.FAILED, message=TOKEN)
    world.platform.held[JOB].active = False
    assert keeper(minutes=3).reopened == []
    world.platform.held[JOB].active = True
    assert keeper(minutes=3).reopened == [closed]


def test_in_a_maintenance_window_nothing_is_reopened(keeper, world, closed) -> None:
    window = Maintenance(why="the bazaar moves", begins=world.clock(), ends=world.clock() + timedelta(hours=2))
    check = world.policy.check.model_copy(update={"maintenance": (window,)})
    world.office = dataclasses.replace(world.office, policy=world.policy.model_copy(update={"check": check}))
    world.clock.move(hours=1)
    world.platform.add_run(JOB, RunState.FAILED, message=TOKEN)
    assert keeper(minutes=3).reopened == []
    assert keeper(hours=2).reopened == [], "what failed in the window is no reason afterwards"
    world.platform.add_run(JOB, RunState.FAILED, message=TOKEN)
    assert keeper(minutes=3).reopened == [closed]


def test_while_a_daily_check_is_at_work_the_reopening_is_left_to_it(keeper, world, closed) -> None:
    world.clock.move(hours=1)
    world.platform.add_run(JOB, RunState.FAILED, message=TOKEN)
    with check_lock(world.office, "jobs"):
        done = keeper(minutes=3)
    assert (done.reopened, done.problems.said) == ([], {})
    assert keeper(minutes=3).reopened == [closed]


@pytest.mark.parametrize(("neighbour", "hit"), [(RunState.SUCCEEDED, False), (RunState.FAILED, True)])
def test_a_wide_stop_that_is_made_again_spares_a_neighbour_that_works(keeper, world, neighbour, hit) -> None:
    world.platform.add("stock/feed-c")
    ref = world.open(cause="connection")  # its stop reaches all jobs of the connection, also when it is reopened
    assert world.walk(ref).is_closed
    world.clock.move(hours=1)
    world.platform.add_run(JOB, RunState.FAILED, message=TOKEN)
    world.platform.add_run("stock/feed-c", neighbour, message=TOKEN)
    assert keeper(minutes=3).reopened == [ref]
    assert not world.platform.is_active(JOB)
    assert world.platform.is_active("stock/feed-c") is not hit


def test_a_platform_whose_clock_is_hours_behind_is_read_by_its_own_time(keeper, world, closed) -> None:
    world.platform.skew = -timedelta(hours=100)
    world.clock.move(hours=1)
    world.platform.add_run(JOB, RunState.FAILED, message=TOKEN, at=world.clock() + world.platform.skew)
    assert keeper(minutes=3).reopened == [closed]


def test_after_the_policy_s_days_a_closed_case_is_left_to_the_daily_check(keeper, world, closed) -> None:
    assert world.case(closed).is_closed
    world.clock.move(days=8)
    world.platform.add_run(JOB, RunState.FAILED, message="401 Unauthorized: the token has expired")
    assert keeper(minutes=3).reopened == []


# -- what is looked at when -------------------------------------------------------------------------------------------


def test_a_case_is_looked_at_when_something_is_due_and_not_before(keeper, world, waiting) -> None:
    assert keeper().looked_at == 1
    assert [keeper(hours=6).looked_at for _ in range(4)] == [0, 0, 0, 1], "once a day at least"
    assert row(world, waiting).due_at is not None


def test_a_policy_that_changed_is_in_force_with_the_next_pass(keeper, world, waiting) -> None:
    keeper()
    keeper(minutes=3)
    hasty = world.policy.model_copy(
        update={"keeper": world.policy.keeper.model_copy(update={"remind_after_days": (0.1, 3.0)})}
    )
    world.office = dataclasses.replace(world.office, policy=hasty)
    assert keeper(minutes=1).reminded == []
    assert keeper(hours=3).reminded == [waiting]


def test_a_clock_that_was_years_ahead_for_a_while_leaves_no_case_behind(keeper, world, waiting) -> None:
    keeper()
    world.clock.move(days=1000)
    keeper()
    world.clock.move(days=-1000)
    keeper()
    reminded = world.count(waiting, Kind.REMINDER_SENT)
    keeper(days=6)
    keeper(days=1)
    assert reminded == 1, "the wrong clock reminded once"
    assert world.count(waiting, Kind.REMINDER_SENT) == 2


def test_a_case_that_cannot_be_read_is_told_on_the_board_and_holds_up_no_other(keeper, world, waiting) -> None:
    world.platform.add("other/job")
    broken = world.open("other/job")
    world.walk(broken, until="tell")
    waits(world, broken)
    keeper()
    with sqlite3.connect(world.office.settings.home_folder / "caseproof.sqlite") as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET data = '{' WHERE case_id = (SELECT id FROM cases WHERE ref = ?)", (broken,))
    raw.close()
    done = keeper(days=2, hours=1)
    assert done.reminded == [waiting]
    assert broken in done.problems.said
    first = board(world.office).lines[0]
    assert (first.ref, first.needs_us) == (broken, True)


def test_one_pass_at_a_time(keeper, world) -> None:
    lock = world.office.settings.home_folder / "keeper" / "pass"
    locks.hold(lock)
    assert keep(world.office, keeper.hands(), patience=0) is None
    locks.let_go(lock)
    assert keep(world.office, keeper.hands(), patience=0) is not None


def test_prefect_that_is_down_leaves_the_rest_of_the_pass_alone(keeper, world, waiting) -> None:
    def down(*_: object) -> Ran:
        raise ConnectionError("refused")

    world.clock.move(days=2)
    done = keep(world.office, dataclasses.replace(keeper.hands(), runs=down), patience=0)
    assert done is not None
    assert done.reminded == [waiting]
    assert "flow runs" in done.problems.said


def test_a_pass_goes_on_giving_runs_while_workers_take_them(world, waiting) -> None:
    world.confirm(waiting)
    asked = iter(
        [
            Ran(waiting=2, later=[waiting]),
            Ran(given=["JF-000009"], waiting=1, woken=[waiting]),
            Ran(given=["JF-000010"]),
        ]
    )
    keeper = Keeper(world)
    hands = dataclasses.replace(keeper.hands(), runs=lambda *_: next(asked))
    done = keep(world.office, hands, patience=600)
    assert done is not None
    assert (done.given_runs, done.woken, done.waiting_for_runs) == (["JF-000009", "JF-000010"], [waiting], 0)
    assert done.in_words()["given a run"] == "2: JF-000009, JF-000010"
