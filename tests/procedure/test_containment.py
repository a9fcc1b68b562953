"""J2 to J4: the stop comes first, it is read back twice, and where it is not ours to make the case says so."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from caseproof.domain.closure import closure_blockers
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import PlatformDown, PlatformRefused, UnknownJob
from caseproof.procedure.closing.running import NotLive
from caseproof.procedure.containment.check_lock import check_lock
from caseproof.procedure.containment.stop import stop_key
from caseproof.procedure.core.lease import LEASE_SECONDS
from tests.support.world import JOB, World

REFUSED = PlatformRefused("The platform answered 403.", "Check the block's credentials.")
OTHER, THIRD = "offers/feed-b", "stock/feed-a"


def contained(world: World, **more: object) -> str:
    ref = world.open(**more)
    world.walk(ref, until="contain")
    return ref


def test_nothing_happens_before_the_stop(world: World) -> None:
    ref = world.open()
    assert world.platform.faulty.order[:1] == [("job", JOB)]
    world.walk(ref, until="contain")
    acts = [call for call, _ in world.platform.faulty.order if call in ("stop", "go_live", "start_run")]
    assert acts == ["stop"]
    assert world.kinds(ref) == [Kind.OPENED, Kind.STOPPED]
    assert (world.tickets(), world.mail.taken) == ([], [])


def test_while_the_platform_is_down_nothing_else_happens_and_then_it_goes_on(world: World) -> None:
    ref = world.open()
    world.platform.faulty.fails("job", before=PlatformDown("It hangs.", "Wait."), times=3)
    for _ in range(3):
        with pytest.raises(PlatformDown):
            world.walk(ref)
    assert world.happened(ref) == [Kind.OPENED]
    for early in ("ticket", "tell"):
        world.step(early, ref)
    assert (world.tickets(), world.mail.taken, world.happened(ref)) == ([], [], [Kind.OPENED])
    assert world.walk(ref).is_closed


def test_the_stop_is_read_back_and_kept_as_evidence(world: World) -> None:
    world.platform.held[JOB].waiting = 4
    ref = contained(world)
    fact = world.case(ref).contained
    assert fact["jobs"] == [{"name": JOB, "job": JOB, "was_active": True, "active": False, "waiting": 0, "running": 0}]
    assert b'"active": false' in world.vault.read(fact["evidence"])


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_the_scheduler_queues_right_after_the_pause_is_stopped_too(world: World, times: int) -> None:
    world.platform.add(JOB)
    world.platform.held[JOB].queues_after_stop = times
    ref = contained(world)
    assert world.case(ref).contained.event.kind is Kind.STOPPED
    assert world.platform.held[JOB].waiting == 0
    assert world.platform.faulty.done["stop", JOB] == 1 + times


def says_why_and_who(world: World, ref: str) -> tuple[str, str]:
    """J3: the case says both, goes on, and still needs everything else."""
    fact = world.case(ref).contained
    assert fact.event.kind is Kind.CANNOT_STOP
    world.walk(ref, until="tell")
    assert world.case(ref).state is State.WAITING
    assert fact["why"].encode()[:20] in world.mail.taken[0][0].replace(b"=\r\n", b"")
    assert "stopped" not in {blocker.code for blocker in closure_blockers(world.case(ref))}
    return fact["why"], fact["who_can"]


def test_a_job_that_only_somebody_else_can_stop_says_who(world: World) -> None:
    world.platform.add(JOB, stopped_by="the marketplace's support")
    ref = contained(world)
    assert says_why_and_who(world, ref)[1] == "the marketplace's support"
    assert world.platform.faulty.did("stop") == 0


@pytest.mark.parametrize("call", ["job", "standing", "stop"])
def test_a_platform_that_refuses_the_stop_is_said_with_who_can(world: World, call: str) -> None:
    ref = world.open()
    world.platform.faulty.fails(call, before=REFUSED)
    world.walk(ref, until="contain")
    why, who = says_why_and_who(world, ref)
    assert "403" in why
    assert who == "whoever administers the platform"


def test_a_refused_stop_leaves_no_intent_behind(world: World) -> None:
    ref = world.open()
    world.platform.faulty.fails("stop", before=REFUSED)
    world.walk(ref, until="contain")
    with world.services.store.uow() as uow:
        claim = uow.intents.claim(
            f"{ref}/1/stop/{JOB}", ref, "stop", owner="another", now=world.clock(), seconds=1, plan={}
        )
    assert claim.standing == "new"


@pytest.mark.parametrize("at", ["job", "standing", "stop"])
def test_a_job_that_vanished_needs_nobody_to_stop_it(world: World, at: str) -> None:
    ref = world.open()
    if at == "job":
        world.platform.vanish(JOB)
    else:
        world.platform.faulty.fails(at, before=UnknownJob("There is no job.", "Name another."))
    world.walk(ref, until="contain")
    why, who = says_why_and_who(world, ref)
    assert "no such job" in why
    assert who == "nobody needs to: nothing runs"


def test_a_job_that_vanishes_between_the_two_read_backs_stands_still(world: World) -> None:
    ref = world.open()
    world.platform.faulty.fails("standing", skip=2, before=UnknownJob("There is no job.", "Name another."))
    world.walk(ref, until="contain")
    assert world.case(ref).contained.event.kind is Kind.STOPPED


@pytest.mark.parametrize("how", ["restarts", "queues_after_stop"])
def test_a_job_that_does_not_stay_stopped_is_said(world: World, how: str) -> None:
    setattr(world.platform.held[JOB], how, 100)
    ref = contained(world)
    why, who = says_why_and_who(world, ref)
    assert "does not stay stopped" in why
    assert who == "whoever starts it again"


# -- wider stops --------------------------------------------------------------------------------------------------


@pytest.fixture
def shared(world: World) -> World:
    """A world with two more jobs on the same connection, and one elsewhere."""
    world.platform.add(OTHER)
    world.platform.add(THIRD, marketplace="South")
    world.platform.add("elsewhere/feed", connection="sftp-2", retailer="Shop B")
    return world


def test_the_scope_of_the_policy_stops_the_jobs_of_the_connection_and_no_other(shared: World) -> None:
    ref = contained(shared, cause="connection")
    assert [job["job"] for job in shared.case(ref).stopped_jobs] == [JOB, OTHER, THIRD]
    assert shared.platform.is_active("elsewhere/feed")


def test_the_scope_that_was_asked_for_wins_over_the_policy(shared: World) -> None:
    ref = contained(shared, cause="connection", scope=Scope.MARKETPLACE)
    assert [job["job"] for job in shared.case(ref).stopped_jobs] == [JOB, OTHER]


@pytest.mark.parametrize("error", [None, REFUSED])
def test_a_job_without_tags_is_stopped_alone_and_the_case_says_so(shared: World, error: Exception | None) -> None:
    if error is None:
        shared.platform.add(JOB, connection=None)
    else:
        shared.platform.faulty.fails("jobs_in", before=error)
    ref = contained(shared, cause="connection")
    fact = shared.case(ref).contained
    assert [job["job"] for job in fact["jobs"]] == [JOB]
    assert fact["narrowed"]
    assert shared.platform.is_active(OTHER)


def test_a_neighbour_that_refuses_the_stop_is_named_and_the_own_job_counts(shared: World) -> None:
    shared.platform.faulty.fails("stop", what=OTHER, before=REFUSED)
    ref = contained(shared, cause="connection")
    fact = shared.case(ref).contained
    assert [job["job"] for job in fact["jobs"]] == [JOB, THIRD]
    assert [(job["job"], job["why"]) for job in fact["not_stopped"]] == [(OTHER, REFUSED.problem)]
    assert shared.walk(ref).is_closed


@pytest.mark.parametrize("how", ["restarts", "queues_after_stop"])
def test_a_neighbour_that_does_not_stay_stopped_is_named_and_the_own_job_counts(shared: World, how: str) -> None:
    setattr(shared.platform.held[OTHER], how, 100)
    ref = contained(shared, cause="connection")
    fact = shared.case(ref).contained
    assert fact.event.kind is Kind.STOPPED
    assert [job["job"] for job in fact["not_stopped"]] == [OTHER]


def test_nothing_is_asked_about_a_neighbour_before_the_own_job_is_stopped(shared: World) -> None:
    """J2: a neighbour that the platform does not answer for delays what the case goes on to, not the stop."""
    shared.platform.faulty.fails("standing", what=OTHER, before=PlatformDown("It hangs.", "Wait."))
    ref = shared.open(cause="connection")
    with pytest.raises(PlatformDown, match="It hangs"):
        shared.walk(ref, until="contain")
    own, *others = [what for call, what in shared.platform.faulty.order if call == "stop"]
    assert (own, others) == (JOB, [THIRD])
    assert shared.happened(ref) == [Kind.OPENED]
    shared.restart()
    shared.walk(ref, until="contain")
    assert [job["job"] for job in shared.case(ref).stopped_jobs] == [JOB, OTHER, THIRD]
    assert [shared.platform.faulty.done["stop", job] for job in (JOB, OTHER, THIRD)] == [1, 1, 1]


def test_a_case_whose_own_job_cannot_be_stopped_leaves_no_intent_for_its_neighbours(shared: World) -> None:
    shared.platform.faulty.fails("stop", what=JOB, before=REFUSED)
    ref = contained(shared, cause="connection")
    assert shared.case(ref).contained.event.kind is Kind.CANNOT_STOP
    with shared.services.store.reading() as uow:
        assert [uow.intents.known(stop_key(shared.case(ref), job)) for job in (JOB, OTHER, THIRD)] == [None] * 3


def test_a_case_s_own_run_does_not_wait_for_the_lock_of_the_check(world: World) -> None:
    ref = world.open()
    held, over = threading.Event(), threading.Event()

    def check() -> None:
        with check_lock(world.services.settings, "jobs"):
            held.set()
            over.wait(120)

    thread = threading.Thread(target=check)
    thread.start()
    assert held.wait(60)
    world.walk(ref, until="contain")
    assert thread.is_alive(), "it holds the lock yet"
    over.set()
    thread.join(60)
    assert world.case(ref).contained.event.kind is Kind.STOPPED


def test_a_neighbour_that_another_run_is_stopping_is_waited_for_and_stopped_once(shared: World) -> None:
    ref = shared.open(cause="connection")
    key = stop_key(shared.case(ref), OTHER)
    with shared.services.store.uow() as uow:
        plan = {"was_active": True}
        uow.intents.claim(key, ref, "stop", owner="dead", now=shared.clock(), seconds=LEASE_SECONDS, plan=plan)
        uow.commit()
    shared.platform.stop(OTHER)  # and then it died
    before = shared.clock.now
    shared.walk(ref, until="contain")
    assert (shared.clock.now - before).total_seconds() >= LEASE_SECONDS
    assert {job["job"]: job["was_active"] for job in shared.case(ref).stopped_jobs}[OTHER] is True
    assert shared.platform.faulty.done["stop", OTHER] == 1


def test_neighbours_go_live_again_with_the_job_but_those_that_stood_still_before_do_not(shared: World) -> None:
    shared.platform.held[THIRD].active = False
    ref = contained(shared, cause="connection")
    assert shared.walk(ref).is_closed
    assert [shared.platform.is_active(job) for job in (JOB, OTHER, THIRD)] == [True, True, False]


def test_neighbours_go_live_again_although_the_own_job_could_not_be_kept_stopped(shared: World) -> None:
    shared.platform.held[JOB].restarts = 3
    ref = contained(shared, cause="connection")
    assert shared.case(ref).contained.event.kind is Kind.CANNOT_STOP
    assert not shared.platform.is_active(OTHER)
    assert shared.walk(ref).is_closed
    assert [shared.platform.is_active(job) for job in (JOB, OTHER, THIRD)] == [True, True, True]


def test_a_neighbour_that_vanished_does_not_keep_the_case_from_going_live(shared: World) -> None:
    ref = contained(shared, cause="connection")
    shared.platform.vanish(OTHER)
    assert shared.walk(ref).is_closed
    assert shared.platform.is_active(THIRD)


def test_a_job_that_another_open_case_holds_stays_stopped_and_goes_live_with_the_last_one(shared: World) -> None:
    wide, narrow = contained(shared, cause="connection"), contained(shared, job=OTHER)
    shared.walk(wide)
    assert [shared.platform.is_active(job) for job in (JOB, OTHER, THIRD)] == [True, False, True]
    assert shared.case(wide).live["left_stopped"] == [{"job": OTHER, "case": narrow}]
    shared.walk(narrow)
    assert shared.platform.is_active(OTHER)


def test_two_cases_of_one_connection_do_not_wait_for_each_other(shared: World) -> None:
    one, two = contained(shared, cause="connection"), contained(shared, job=OTHER, cause="connection")
    assert shared.walk(one).is_closed
    assert [shared.platform.is_active(job) for job in (JOB, OTHER, THIRD)] == [True, False, False]
    assert shared.walk(two).is_closed
    assert [shared.platform.is_active(job) for job in (JOB, OTHER, THIRD)] == [True, True, True]


def test_two_cases_that_go_live_before_either_is_closed_leave_nothing_stopped(shared: World) -> None:
    one, two = contained(shared, cause="connection"), contained(shared, job=OTHER, cause="connection")
    for ref in (one, two):
        shared.walk(ref, until="live")
    assert [shared.platform.is_active(job) for job in (JOB, OTHER, THIRD)] == [True, True, True]


# -- between the verification and the closing ------------------------------------------------------------------------


def test_a_schedule_that_somebody_stopped_again_blocks_the_closing_until_it_is_live(world: World) -> None:
    ref = world.open()
    world.walk(ref, before="look")
    world.platform.held[JOB].active = False
    with pytest.raises(NotLive, match="stopped again"):
        world.step("look", ref)
    assert not world.case(ref).is_closed
    world.platform.held[JOB].active = True
    assert world.walk(ref).is_closed


@pytest.mark.parametrize("before", ["live", "photo", "look"])
def test_a_job_that_vanishes_after_its_verification_leads_back_so_that_it_can_be_removed(
    world: World, before: str
) -> None:
    ref = world.open()
    world.walk(ref, before=before)
    world.platform.vanish(JOB)
    world.step("live" if before == "live" else "look", ref)
    case = world.case(ref)
    assert case.state is State.OPENED
    assert "only a removal" in case.last_failure["why"]


@pytest.mark.parametrize("error", [REFUSED, None])
def test_a_run_that_cannot_be_started_leads_back_to_the_decision(world: World, error: Exception | None) -> None:
    ref = world.open()
    world.walk(ref, before="start")
    if error:
        world.platform.faulty.fails("start_run", before=error)
    else:
        world.platform.vanish(JOB)
    world.step("start", ref)
    assert world.case(ref).state is State.WAITING
    assert "could not be started" in world.case(ref).last_failure["why"]


def test_a_platform_that_refuses_to_go_live_says_so_and_is_asked_again(world: World) -> None:
    ref = world.open()
    world.platform.faulty.fails("go_live", before=REFUSED)
    with pytest.raises(PlatformRefused, match="403"):
        world.walk(ref)
    assert world.walk(ref).is_closed


def test_a_job_cannot_have_two_open_cases(world: World) -> None:
    ref = world.open()
    assert world.open() == ref
    assert world.open(cause="feed", by="somebody else") == ref
    with world.services.store.reading() as uow:
        assert len(uow.cases.rows()) == 1


def test_a_closed_case_s_job_gets_a_new_case(make_world: Callable[..., World]) -> None:
    world = make_world(review={"required": False})
    assert world.closed() == "JF-000001"
    assert world.closed() == "JF-000002"
