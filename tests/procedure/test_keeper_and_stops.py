"""The keeper and the platforms: what is stopped stays stopped, what is fixed stays fixed (J2, J10)."""

from __future__ import annotations

import dataclasses
import threading
from datetime import timedelta

import pytest

from caseproof.config.policy_check import Maintenance
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.platforms.base import PlatformDown, RunState
from caseproof.procedure.closing.ticket import TicketNotOpen
from caseproof.procedure.containment import opening
from caseproof.procedure.containment.check_lock import check_lock
from caseproof.procedure.keeper.keeper import keep
from caseproof.procedure.keeper.raising import want_case
from tests.support.fakes import FakePlatform
from tests.support.keeper import mails, waits
from tests.support.world import DECIDER, JOB, World


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
    opening.open_case(world.services.ledger, world.services.policy, other, lambda: world.desk, asked)
    keeper()
    world.platform.held[JOB].active = True
    goes_on, began = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        began.set()
        goes_on.wait(120)

    other.faulty.during = hang
    world.clock.move(days=2)
    platforms = {"jobs": world.platform, "hung": other}
    ports = dataclasses.replace(keeper.ports(), platform=platforms.__getitem__)
    try:
        done = keep(world.services, ports, patience=0, hung=4)
    finally:
        goes_on.set()
    assert done is not None
    assert began.is_set()
    assert (done.stopped_again, done.reminded) == ([waiting], [waiting])
    assert "has not answered yet" in done.problems.said["the platform hung"]
    for thread in threading.enumerate():
        if thread.name.startswith("watch "):
            thread.join(60)
    assert keep(world.services, ports, patience=0, hung=60).problems.said == {}


def test_j2_a_case_that_somebody_wants_on_a_platform_that_hangs_lets_no_other_job_run_on(
    keeper, world, waiting
) -> None:
    asked = opening.Request(platform="hung", job="theirs/job", by=DECIDER, how="a test", cause="feed")
    want_case(world.services.ledger, world.services.policy.team, asked)
    world.clock.move(minutes=1)
    world.platform.held[JOB].active = True
    stopped, in_time = threading.Event(), []
    world.platform.faulty.during = lambda call: stopped.set() if call == "stop" else None

    def platform(name: str):
        if name == "hung":
            in_time.append(stopped.wait(60))
            raise PlatformDown("It hangs.", "Wait.")
        return world.platform

    done = keep(world.services, dataclasses.replace(keeper.ports(), platform=platform), patience=0, hung=120)
    assert (done.stopped_again, in_time) == ([waiting], [True])


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
    assert closed in keeper.looked_after + keeper.woken, "it gets a run"
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
    world.services = dataclasses.replace(world.services, policy=world.policy.model_copy(update={"check": check}))
    world.clock.move(hours=1)
    world.platform.add_run(JOB, RunState.FAILED, message=TOKEN)
    assert keeper(minutes=3).reopened == []
    assert keeper(hours=2).reopened == [], "what failed in the window is no reason afterwards"
    world.platform.add_run(JOB, RunState.FAILED, message=TOKEN)
    assert keeper(minutes=3).reopened == [closed]


def test_while_a_daily_check_is_at_work_the_reopening_is_left_to_it(keeper, world, closed) -> None:
    world.clock.move(hours=1)
    world.platform.add_run(JOB, RunState.FAILED, message=TOKEN)
    with check_lock(world.services.settings, "jobs"):
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
