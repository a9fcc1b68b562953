"""A bulk stop while things go wrong, on the platform or on our side: one job's error is its own."""

from __future__ import annotations

import pytest

from caseproof.config.policy_check import Pace
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.evidence.vault import VaultFull
from caseproof.platforms.base import UnknownJob
from caseproof.procedure.containment.stop import stop_key
from tests.support.bulk_stops import DOWN, FAST, REFUSED, again, bulk_stop, jobs, outcomes, rows, stops, targets
from tests.support.fakes import Killed
from tests.support.world import World

# -- what goes wrong on the platform ----------------------------------------------------------------------------------


def test_half_of_the_jobs_refused_are_said_and_the_others_stopped(world: World) -> None:
    some = jobs(world, 20)
    for job in some[::2]:
        world.platform.faulty.fails("stop", what=job.id, before=REFUSED)
    done = bulk_stop(world, targets(some))
    assert outcomes(done) == ["cannot stop", "stopped"] * 10
    fact = world.case(done[0].ref).contained
    assert (fact.event.kind, fact["why"]) == (Kind.CANNOT_STOP, REFUSED.problem)
    assert "whoever administers the platform" in done[0].why
    with world.services.store.uow() as uow:  # what was refused leaves no intent behind
        key = stop_key(world.case(done[0].ref), some[0].id)
        claim = uow.intents.claim(key, done[0].ref, "stop", owner="x", now=world.clock(), seconds=1, plan={})
    assert claim.standing == "new"


def test_a_job_that_only_somebody_else_can_stop_is_not_even_asked_for(world: World) -> None:
    [job] = jobs(world, 1, stopped_by="the marketplace's support")
    [one] = bulk_stop(world, targets([job]))
    assert (one.outcome, world.case(one.ref).contained["who_can"]) == ("cannot stop", "the marketplace's support")
    assert world.platform.faulty.order == []


@pytest.mark.parametrize("at", ["standing", "stop"])
def test_a_job_that_vanished_needs_nobody_to_stop_it(world: World, at: str) -> None:
    some = jobs(world, 3)
    if at == "standing":
        world.platform.vanish(some[1].id)
    else:
        world.platform.faulty.fails("stop", what=some[1].id, before=UnknownJob("There is no job.", "Name another."))
    done = bulk_stop(world, targets(some))
    assert outcomes(done) == ["stopped", "cannot stop", "stopped"]
    assert world.case(done[1].ref).contained["who_can"] == "nobody needs to: nothing runs"


@pytest.mark.parametrize("how", ["restarts", "queues_after_stop"])
def test_a_stop_that_does_not_hold_is_said_and_one_that_holds_in_the_end_counts(world: World, how: str) -> None:
    some = jobs(world, 3)
    setattr(world.platform.held[some[0].id], how, 1000)
    setattr(world.platform.held[some[1].id], how, 1)
    done = bulk_stop(world, targets(some))
    assert outcomes(done) == ["cannot stop", "stopped", "stopped"]
    assert "does not stay stopped" in done[0].why
    assert stops(world)[some[1].id] == 2
    assert not world.platform.is_active(some[1].id)


def test_a_platform_that_accepts_the_stop_and_does_not_do_it_leaves_the_case_uncontained(world: World) -> None:
    wanted = targets(jobs(world, 3))
    world.platform.faulty.fails("stop", what="job-001", lie=True)
    done = bulk_stop(world, wanted)
    assert outcomes(done) == ["stopped", "not stopped yet", "stopped"]
    assert "does not show as stopped" in done[1].why
    assert world.case(done[1].ref).state is State.OPENED
    assert outcomes(bulk_stop(world, again(world, wanted))) == ["stopped"] * 3
    assert set(stops(world).values()) == {1}


def test_a_stop_whose_answer_is_lost_is_read_back_and_not_repeated(world: World) -> None:
    wanted = targets(jobs(world, 3))
    world.platform.faulty.fails("stop", what="job-001", after=DOWN)
    done = bulk_stop(world, wanted)
    assert outcomes(done) == ["stopped", "not stopped yet", "stopped"]
    assert done[1].new
    later = bulk_stop(world, again(world, wanted))
    assert [(one.ref, one.outcome) for one in later] == [(one.ref, "stopped") for one in done]
    assert set(stops(world).values()) == {1}
    assert world.case(done[1].ref).stopped_jobs[0]["was_active"] is True


@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_job_that_the_platform_does_not_answer_for_has_its_case_and_is_stopped_later(world: World, skip: int) -> None:
    wanted = targets(jobs(world, 3))
    world.platform.faulty.fails("standing", what="job-001", before=DOWN, skip=skip)
    done = bulk_stop(world, wanted)
    assert outcomes(done) == ["stopped", "not stopped yet", "stopped"]
    assert "It hangs." in done[1].why
    assert world.kinds(done[1].ref) == [Kind.OPENED]
    assert outcomes(bulk_stop(world, again(world, wanted))) == ["stopped"] * 3
    assert stops(world)["feeds/job-001"] == 1


def test_its_own_run_goes_on_with_a_case_that_the_bulk_stop_could_not_stop(world: World) -> None:
    world.platform.faulty.fails("standing", before=DOWN)
    [one] = bulk_stop(world, targets(jobs(world, 1)), Pace(at_once=2, per_second=10_000))
    assert one.outcome == "not stopped yet"
    assert world.walk(one.ref).is_closed


def test_an_error_that_nobody_expects_is_one_job_s_own(world: World) -> None:
    some = jobs(world, 3)
    world.platform.faulty.fails("stop", what="job-001", before=RuntimeError("surprise"))
    done = bulk_stop(world, targets(some))
    assert outcomes(done) == ["stopped", "not stopped yet", "stopped"]
    assert "RuntimeError: surprise" in done[1].why


def test_a_platform_that_is_down_gets_no_cases_and_the_pass_ends_early(world: World) -> None:
    some = jobs(world, 120)
    world.platform.faulty.fails("standing", before=DOWN, times=10_000)
    done = bulk_stop(world, targets(some))
    assert set(outcomes(done)) == {"not stopped yet"}
    assert "5 times in a row" in done[0].why
    assert rows(world) == []
    tried = 10_000 - world.platform.faulty.faults[0].times
    assert 5 <= tried <= 5 + FAST.at_once


def test_a_platform_that_goes_down_in_the_middle_keeps_what_has_a_case_and_opens_no_more(world: World) -> None:
    wanted = targets(jobs(world, 250))
    world.platform.faulty.fails("stop", before=DOWN, skip=10, times=10_000)
    done = bulk_stop(world, wanted)
    open_cases = {row.ref for row in rows(world)}
    assert {one.ref for one in done if one.ref} == open_cases
    assert 10 < len(open_cases) < 250
    world.platform.faulty.faults.clear()
    assert outcomes(bulk_stop(world, again(world, wanted))) == ["stopped"] * 250
    assert set(stops(world).values()) == {1}
    assert len(rows(world)) == 250


# -- what goes wrong on our side --------------------------------------------------------------------------------------


def test_a_job_that_the_store_cannot_take_holds_up_no_other(world: World) -> None:
    some = jobs(world, 5)
    bad = world.platform.add("feeds/job-bad", name="a\0b")
    done = bulk_stop(world, targets([*some, bad]))
    assert outcomes(done) == ["stopped"] * 5 + ["not stopped yet"]
    assert "NUL" in done[-1].why


def test_a_full_vault_leaves_the_case_open_and_the_stop_is_not_repeated(world: World) -> None:
    wanted = targets(jobs(world, 3))
    world.vault.faulty.fails("put", before=VaultFull("There is no room.", "Free space."), times=3)
    assert outcomes(bulk_stop(world, wanted)) == ["not stopped yet"] * 3
    assert outcomes(bulk_stop(world, again(world, wanted))) == ["stopped"] * 3
    assert set(stops(world).values()) == {1}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["standing", "stop", "put"])
@pytest.mark.parametrize("skip", [0, 5])
def test_a_pass_that_dies_anywhere_is_finished_by_the_next_one_at_once(
    world: World, call: str, when: str, skip: int
) -> None:
    wanted = targets(jobs(world, 6))
    faulty = world.vault.faulty if call == "put" else world.platform.faulty
    faulty.fails(call, skip=skip, **{when: Killed()})
    with pytest.raises(Killed):
        bulk_stop(world, wanted)
    world.restart()  # and no time passes: nobody waits for what a dead check holds
    done = bulk_stop(world, again(world, wanted))
    assert outcomes(done) == ["stopped"] * 6
    assert stops(world) == {target.job.id: 1 for target in wanted}
    assert len(rows(world)) == 6
    assert all(world.count(one.ref, Kind.STOPPED) == 1 for one in done)
