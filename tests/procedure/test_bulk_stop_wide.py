"""J4: a bulk stop where a connection fails: the stop reaches the neighbours, and each failing job has its own case."""

from __future__ import annotations

from typing import Any

import pytest

from caseproof.config.policy_check import Pace
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.containment.containment import contain
from caseproof.procedure.containment.stop import stop_key
from tests.support.bulk_stops import DOWN, REFUSED, again, bulk_stop, jobs, outcomes, stops, targets
from tests.support.world import JOB, World


@pytest.fixture
def wide(make_world: Any) -> World:
    """A world whose policy stops the whole connection where a connection fails."""
    world: World = make_world(stop_scope={"connection": Scope.CONNECTION})
    world.platform.vanish(JOB)
    return world


def test_a_wide_stop_reaches_its_neighbours_and_each_failing_one_has_its_own_case(wide: World) -> None:
    some = jobs(wide, 5)
    neighbour, still = wide.platform.add("feeds/neighbour"), wide.platform.add("feeds/still")
    wide.platform.held[still.id].active = False
    elsewhere = wide.platform.add("feeds/elsewhere", connection="sftp-9")
    done = bulk_stop(wide, targets(some, cause="connection"))
    assert outcomes(done) == ["stopped"] * 5
    assert stops(wide) == {job.id: 1 for job in (*some, neighbour)}
    held = wide.case(done[2].ref).stopped_jobs
    assert held[0]["job"] == some[2].id
    assert {job["job"]: job["was_active"] for job in held} == {
        **{job.id: True for job in (*some, neighbour)}, still.id: False,
    }  # fmt: skip
    assert wide.platform.is_active(elsewhere.id)


def test_a_neighbour_that_two_cases_hold_goes_live_with_the_last_of_them(wide: World) -> None:
    one, two = jobs(wide, 2)
    neighbour = wide.platform.add("feeds/neighbour")
    first, second = (each.ref for each in bulk_stop(wide, targets([one, two], cause="connection")))
    assert wide.walk(first).is_closed
    assert [wide.platform.is_active(job.id) for job in (one, two, neighbour)] == [True, False, False]
    assert wide.walk(second).is_closed
    assert [wide.platform.is_active(job.id) for job in (one, two, neighbour)] == [True, True, True]


def test_jobs_that_this_pass_stopped_along_still_get_their_own_cases(wide: World) -> None:
    some = jobs(wide, 110)  # more than are under way at once, so that many stand still when it is their turn
    done = bulk_stop(
        wide, [*targets(some[:1], cause="connection"), *targets(some[1:])], Pace(at_once=1, per_second=10_000)
    )
    assert outcomes(done) == ["stopped"] * 110
    assert all(wide.case(one.ref).stopped_jobs[0]["was_active"] for one in done)


def test_a_job_that_an_earlier_case_stopped_along_still_gets_its_own_case(wide: World) -> None:
    one, two = jobs(wide, 2)
    bulk_stop(wide, targets([one], cause="connection"))
    [later] = bulk_stop(wide, targets([two]))
    assert later.outcome == "stopped"
    assert wide.case(later.ref).stopped_jobs[0]["was_active"] is True
    assert stops(wide) == {one.id: 1, two.id: 1}


def test_where_its_own_job_cannot_be_stopped_a_case_stops_no_other(wide: World) -> None:
    [own] = jobs(wide, 1)
    wide.platform.add("feeds/neighbour")
    wide.platform.faulty.fails("stop", what=own.id, before=REFUSED)
    [one] = bulk_stop(wide, targets([own], cause="connection"))
    assert (one.outcome, stops(wide)) == ("cannot stop", {})


def test_a_neighbour_that_refuses_is_named_and_the_own_job_counts(wide: World) -> None:
    [own] = jobs(wide, 1)
    wide.platform.add("feeds/neighbour")
    wide.platform.faulty.fails("stop", what="neighbour", before=REFUSED)
    [one] = bulk_stop(wide, targets([own], cause="connection"))
    assert (one.outcome, one.why) == ("stopped", "Not stopped with it: feeds/neighbour.")
    assert wide.case(one.ref).contained["not_stopped"] == [{"job": "feeds/neighbour", "why": REFUSED.problem}]


def test_a_neighbour_that_is_not_ours_to_stop_is_left_alone_and_named(wide: World) -> None:
    [own] = jobs(wide, 1)
    theirs = wide.platform.add("feeds/theirs", stopped_by="the marketplace")
    [one] = bulk_stop(wide, targets([own], cause="connection"))
    assert (one.outcome, one.why) == ("stopped", "Not ours to stop, so left alone: feeds/theirs (the marketplace).")
    assert wide.platform.is_active(theirs.id)
    assert stops(wide) == {own.id: 1}


def test_a_neighbour_that_the_platform_does_not_answer_for_keeps_the_case_uncontained(wide: World) -> None:
    wanted = targets(jobs(wide, 1), cause="connection")
    wide.platform.add("feeds/neighbour")
    wide.platform.faulty.fails("stop", what="neighbour", after=DOWN)
    assert outcomes(bulk_stop(wide, wanted)) == ["not stopped yet"]
    assert outcomes(bulk_stop(wide, again(wide, wanted))) == ["stopped"]
    assert set(stops(wide).values()) == {1}


def test_a_job_that_does_not_say_its_connection_is_stopped_alone_and_the_case_says_so(wide: World) -> None:
    [own] = jobs(wide, 1, connection=None)
    [one] = bulk_stop(wide, targets([own], cause="connection"))
    assert one.outcome == "stopped"
    assert "does not say its connection" in one.why


def test_a_neighbour_that_could_not_be_read_while_another_is_busy_is_tried_again_and_asks_nobody(world: World) -> None:
    for neighbour in ("offers/b", "offers/c"):
        world.platform.add(neighbour)
    ref = world.open(scope=Scope.MARKETPLACE)
    with world.services.store.uow() as uow:
        uow.intents.claim(
            stop_key(world.case(ref), "offers/b"), ref, "stop",
            owner="another run", now=world.clock(), seconds=5, plan={"was_active": True},
        )  # fmt: skip
        uow.commit()
    world.platform.faulty.fails("standing", what="offers/c", before=DOWN)
    with pytest.raises(PlatformDown):  # a step tries that again by itself
        contain(world.services.stopping, world.platform, ref)
    assert contain(world.services.stopping, world.platform, ref).state is State.CONTAINED
