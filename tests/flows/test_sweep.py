"""J2 to J4 by the thousand: a sweep stops each job once, opens its case first, and loses nothing to an error."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from caseproof.domain.events import Kind
from caseproof.domain.lifecycle import State
from caseproof.evidence.vault import VaultFull
from caseproof.platforms.base import Job, PlatformDown, PlatformRefused, Scope, UnknownJob
from caseproof.policy_check import Pace
from caseproof.procedure.check_lock import CheckRunning, check_lock
from caseproof.procedure.containment import contain, stop_key
from caseproof.procedure.pacing import Pacer
from caseproof.procedure.sweeping import Swept, Target, sweep
from tests.support.fakes import Killed
from tests.support.world import JOB, World

DOWN = PlatformDown("It hangs.", "Wait.")
REFUSED = PlatformRefused("The platform answered 403.", "Check the block's credentials.")
FAST = Pace(at_once=5, per_second=10_000)


def jobs(world: World, count: int, **facts: Any) -> list[Job]:
    return [world.platform.add(f"feeds/job-{number:03}", **facts) for number in range(count)]


def targets(some: Sequence[Job], **more: Any) -> list[Target]:
    return [Target(job, **({"cause": "expired_token", "summary": "401 Unauthorized"} | more)) for job in some]


def swept(world: World, wanted: Sequence[Target], pace: Pace = FAST, **more: Any) -> list[Swept]:
    return sweep(world.office, "jobs", world.platform, wanted, pace, **more)


def again(world: World, wanted: Sequence[Target]) -> list[Target]:
    """What the next check wants of the same jobs: to go on with the cases that are open."""
    with world.office.store.reading() as unit:
        cases = {target.job.id: unit.cases.open_for("jobs", target.job.id) for target in wanted}
    refs = {job: case.ref for job, case in cases.items() if case}
    return [Target(one.job, one.cause, one.summary, ref=refs.get(one.job.id, "")) for one in wanted]


def outcomes(done: Sequence[Swept]) -> list[str]:
    return [one.outcome for one in done]


def stops(world: World) -> dict[str, int]:
    return {job: count for (call, job), count in world.platform.faulty.done.items() if call == "stop"}


def rows(world: World) -> list[Any]:
    with world.office.store.reading() as unit:
        return unit.cases.rows()


# -- the pass -------------------------------------------------------------------------------------------------------


def test_every_target_gets_one_case_and_one_stop_that_is_read_back_and_kept(world: World) -> None:
    some = jobs(world, 70)
    done = swept(world, targets(some))
    assert [(one.job, one.outcome, one.new, one.why) for one in done] == [(job.id, "stopped", True, "") for job in some]
    assert stops(world) == {job.id: 1 for job in some}
    assert len({one.ref for one in done}) == len(rows(world)) == 70
    for one in (done[0], done[-1]):
        case = world.case(one.ref)
        assert world.kinds(one.ref) == [Kind.OPENED, Kind.STOPPED]
        assert [(job["job"], job["was_active"], job["active"]) for job in case.stopped_jobs] == [(one.job, True, False)]
        assert json.loads(world.vault.read(case.contained["evidence"]))["case"] == one.ref
        with world.office.store.reading() as unit:
            assert [file.digest for file in unit.evidence.of(one.ref)] == [case.contained["evidence"]]
            assert unit.cases.damaged() == []


def test_a_swept_case_goes_its_way_to_the_proof(world: World) -> None:
    [one] = swept(world, targets(jobs(world, 1)))
    assert world.walk(one.ref).is_closed


def test_the_case_and_the_intent_are_there_before_the_stop(world: World) -> None:
    some = jobs(world, 10)
    seen: list[int] = []

    def at_the_stop(call: str) -> None:
        if call == "stop":
            with world.office.store.reading() as unit:
                held = unit.bulk.cases(row.ref for row in unit.cases.rows())
            seen.append(len(held))
            with world.office.store.unit() as unit:
                for case in held.values():
                    claim = unit.intents.claim(
                        stop_key(case, case.facts["job"]), case.ref, "stop", owner="x", now=world.clock(), seconds=1,
                        plan={},
                    )  # fmt: skip
                    assert claim.standing in ("busy", "done")

    world.platform.faulty.during = at_the_stop
    swept(world, targets(some))
    assert seen == [10] * 10


def test_a_job_s_own_error_text_holds_no_secret_in_the_case(world: World) -> None:
    [one] = swept(world, targets(jobs(world, 1), summary="GET /feed?token=abc123secret answered 401"))
    assert "abc123secret" not in str(world.case(one.ref).events)


def test_nothing_to_stop_asks_the_platform_nothing(world: World) -> None:
    assert swept(world, []) == []
    assert world.platform.faulty.order == []


def test_a_job_that_somebody_stopped_since_the_look_is_left_alone(world: World) -> None:
    some = jobs(world, 3)
    world.platform.held[some[1].id].active = False
    done = swept(world, targets(some))
    assert outcomes(done) == ["stopped", "left alone", "stopped"]
    assert (done[1].ref, done[1].new) == ("", False)
    assert len(rows(world)) == 2
    assert some[1].id not in stops(world)


def test_the_same_targets_once_more_open_nothing_and_stop_nothing(world: World) -> None:
    wanted = targets(jobs(world, 8))
    first = swept(world, wanted)
    assert outcomes(swept(world, wanted)) == ["left alone"] * 8
    known = swept(world, again(world, wanted))
    assert [(one.ref, one.outcome, one.new) for one in known] == [(one.ref, "stopped", False) for one in first]
    assert set(stops(world).values()) == {1}
    assert len(rows(world)) == 8


def test_a_case_that_a_person_opened_meanwhile_is_gone_on_with(world: World) -> None:
    [job] = jobs(world, 1)
    ref = world.open(job.id)
    [one] = swept(world, targets([job]))
    assert (one.ref, one.outcome, one.new) == (ref, "stopped", False)


def test_who_looks_on_hears_of_each_and_cannot_end_the_pass(world: World) -> None:
    heard: list[str] = []

    def said(one: Swept) -> None:
        assert threading.current_thread() is threading.main_thread()
        heard.append(one.job)
        raise OSError("the screen is gone")

    some = jobs(world, 60)
    with pytest.raises(OSError, match="the screen is gone"):
        swept(world, targets(some), said=said)
    assert sorted(heard) == [job.id for job in some]
    assert len(stops(world)) == 60


# -- notices are shared ---------------------------------------------------------------------------------------------


def test_cases_of_one_retailer_marketplace_and_cause_name_the_first_of_them(world: World) -> None:
    one_shop = jobs(world, 60)
    other = world.platform.add("other/feed", retailer="Shop B")
    elsewhere = world.platform.add("south/feed", marketplace="South")
    unknown = [world.platform.add(f"nobody/feed-{number}", retailer=None) for number in range(2)]
    done = swept(world, [*targets([*one_shop, other, elsewhere, *unknown]), *targets([], cause="feed")])
    shares = {one.job: world.case(one.ref).facts.get("shares_notice_with", "") for one in done}
    first = next(one for one in done if one.job in {job.id for job in one_shop} and not shares[one.job])
    assert [job.id for job in one_shop if shares[job.id] != first.ref] == [first.job]
    assert [shares[job.id] for job in (other, elsewhere, *unknown)] == ["", "", "", ""]
    assert len({world.case(one.ref).facts["check"] for one in done}) == 1


def test_two_causes_of_one_retailer_are_two_notices(world: World) -> None:
    one, two = jobs(world, 2)
    done = swept(world, [*targets([one]), *targets([two], cause="feed")])
    assert [world.case(each.ref).facts.get("shares_notice_with") for each in done] == [None, None]


# -- what goes wrong on the platform ----------------------------------------------------------------------------------


def test_half_of_the_jobs_refused_are_said_and_the_others_stopped(world: World) -> None:
    some = jobs(world, 20)
    for job in some[::2]:
        world.platform.faulty.fails("stop", what=job.id, before=REFUSED)
    done = swept(world, targets(some))
    assert outcomes(done) == ["cannot stop", "stopped"] * 10
    fact = world.case(done[0].ref).contained
    assert (fact.event.kind, fact["why"]) == (Kind.CANNOT_STOP, REFUSED.problem)
    assert "whoever administers the platform" in done[0].why
    with world.office.store.unit() as unit:  # what was refused leaves no intent behind
        key = stop_key(world.case(done[0].ref), some[0].id)
        claim = unit.intents.claim(key, done[0].ref, "stop", owner="x", now=world.clock(), seconds=1, plan={})
    assert claim.standing == "new"


def test_a_job_that_only_somebody_else_can_stop_is_not_even_asked_for(world: World) -> None:
    [job] = jobs(world, 1, stopped_by="the marketplace's support")
    [one] = swept(world, targets([job]))
    assert (one.outcome, world.case(one.ref).contained["who_can"]) == ("cannot stop", "the marketplace's support")
    assert world.platform.faulty.order == []


@pytest.mark.parametrize("at", ["standing", "stop"])
def test_a_job_that_vanished_needs_nobody_to_stop_it(world: World, at: str) -> None:
    some = jobs(world, 3)
    if at == "standing":
        world.platform.vanish(some[1].id)
    else:
        world.platform.faulty.fails("stop", what=some[1].id, before=UnknownJob("There is no job.", "Name another."))
    done = swept(world, targets(some))
    assert outcomes(done) == ["stopped", "cannot stop", "stopped"]
    assert world.case(done[1].ref).contained["who_can"] == "nobody needs to: nothing runs"


@pytest.mark.parametrize("how", ["restarts", "queues_after_stop"])
def test_a_stop_that_does_not_hold_is_said_and_one_that_holds_in_the_end_counts(world: World, how: str) -> None:
    some = jobs(world, 3)
    setattr(world.platform.held[some[0].id], how, 1000)
    setattr(world.platform.held[some[1].id], how, 1)
    done = swept(world, targets(some))
    assert outcomes(done) == ["cannot stop", "stopped", "stopped"]
    assert "does not stay stopped" in done[0].why
    assert stops(world)[some[1].id] == 2
    assert not world.platform.is_active(some[1].id)


def test_a_platform_that_accepts_the_stop_and_does_not_do_it_leaves_the_case_uncontained(world: World) -> None:
    wanted = targets(jobs(world, 3))
    world.platform.faulty.fails("stop", what="job-001", lie=True)
    done = swept(world, wanted)
    assert outcomes(done) == ["stopped", "not stopped yet", "stopped"]
    assert "does not show as stopped" in done[1].why
    assert world.case(done[1].ref).state is State.OPENED
    assert outcomes(swept(world, again(world, wanted))) == ["stopped"] * 3
    assert set(stops(world).values()) == {1}


def test_a_stop_whose_answer_is_lost_is_read_back_and_not_repeated(world: World) -> None:
    wanted = targets(jobs(world, 3))
    world.platform.faulty.fails("stop", what="job-001", after=DOWN)
    done = swept(world, wanted)
    assert outcomes(done) == ["stopped", "not stopped yet", "stopped"]
    assert done[1].new
    later = swept(world, again(world, wanted))
    assert [(one.ref, one.outcome) for one in later] == [(one.ref, "stopped") for one in done]
    assert set(stops(world).values()) == {1}
    assert world.case(done[1].ref).stopped_jobs[0]["was_active"] is True


@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_job_that_the_platform_does_not_answer_for_has_its_case_and_is_stopped_later(world: World, skip: int) -> None:
    wanted = targets(jobs(world, 3))
    world.platform.faulty.fails("standing", what="job-001", before=DOWN, skip=skip)
    done = swept(world, wanted)
    assert outcomes(done) == ["stopped", "not stopped yet", "stopped"]
    assert "It hangs." in done[1].why
    assert world.kinds(done[1].ref) == [Kind.OPENED]
    assert outcomes(swept(world, again(world, wanted))) == ["stopped"] * 3
    assert stops(world)["feeds/job-001"] == 1


def test_its_own_run_goes_on_with_a_case_that_the_sweep_could_not_stop(world: World) -> None:
    world.platform.faulty.fails("standing", before=DOWN)
    [one] = swept(world, targets(jobs(world, 1)), Pace(at_once=2, per_second=10_000))
    assert one.outcome == "not stopped yet"
    assert world.walk(one.ref).is_closed


def test_an_error_that_nobody_expects_is_one_job_s_own(world: World) -> None:
    some = jobs(world, 3)
    world.platform.faulty.fails("stop", what="job-001", before=RuntimeError("surprise"))
    done = swept(world, targets(some))
    assert outcomes(done) == ["stopped", "not stopped yet", "stopped"]
    assert "RuntimeError: surprise" in done[1].why


def test_a_platform_that_is_down_gets_no_cases_and_the_pass_ends_early(world: World) -> None:
    some = jobs(world, 120)
    world.platform.faulty.fails("standing", before=DOWN, times=10_000)
    done = swept(world, targets(some))
    assert set(outcomes(done)) == {"not stopped yet"}
    assert "5 times in a row" in done[0].why
    assert rows(world) == []
    tried = 10_000 - world.platform.faulty.faults[0].times
    assert 5 <= tried <= 5 + FAST.at_once


def test_a_platform_that_goes_down_in_the_middle_keeps_what_has_a_case_and_opens_no_more(world: World) -> None:
    wanted = targets(jobs(world, 250))
    world.platform.faulty.fails("stop", before=DOWN, skip=10, times=10_000)
    done = swept(world, wanted)
    open_cases = {row.ref for row in rows(world)}
    assert {one.ref for one in done if one.ref} == open_cases
    assert 10 < len(open_cases) < 250
    world.platform.faulty.faults.clear()
    assert outcomes(swept(world, again(world, wanted))) == ["stopped"] * 250
    assert set(stops(world).values()) == {1}
    assert len(rows(world)) == 250


# -- what goes wrong on our side --------------------------------------------------------------------------------------


def test_a_job_that_the_store_cannot_take_holds_up_no_other(world: World) -> None:
    some = jobs(world, 5)
    bad = world.platform.add("feeds/job-bad", name="a\0b")
    done = swept(world, targets([*some, bad]))
    assert outcomes(done) == ["stopped"] * 5 + ["not stopped yet"]
    assert "NUL" in done[-1].why


def test_a_full_vault_leaves_the_case_open_and_the_stop_is_not_repeated(world: World) -> None:
    wanted = targets(jobs(world, 3))
    world.vault.faulty.fails("put", before=VaultFull("There is no room.", "Free space."), times=3)
    assert outcomes(swept(world, wanted)) == ["not stopped yet"] * 3
    assert outcomes(swept(world, again(world, wanted))) == ["stopped"] * 3
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
        swept(world, wanted)
    world.restart()  # and no time passes: nobody waits for what a dead check holds
    done = swept(world, again(world, wanted))
    assert outcomes(done) == ["stopped"] * 6
    assert stops(world) == {target.job.id: 1 for target in wanted}
    assert len(rows(world)) == 6
    assert all(world.count(one.ref, Kind.STOPPED) == 1 for one in done)


# -- two writers ------------------------------------------------------------------------------------------------------


def test_what_a_case_s_own_run_is_stopping_is_left_to_it_and_not_stopped_twice(world: World) -> None:
    [job] = jobs(world, 1)
    ref = world.open(job.id)
    key = stop_key(world.case(ref), job.id)
    with world.office.store.unit() as unit:
        unit.intents.claim(key, ref, "stop", owner="a run", now=world.clock(), seconds=60, plan={"was_active": True})
        unit.commit()
    [one] = swept(world, again(world, targets([job])))
    assert (one.ref, one.outcome) == (ref, "not stopped yet")
    assert "own run" in one.why
    assert stops(world) == {}
    world.restart(minutes=2)  # that run died, and its time is up
    [one] = swept(world, again(world, targets([job])))
    assert one.outcome == "stopped"


def test_the_sweep_and_the_cases_own_runs_at_once_stop_each_job_once(world: World) -> None:
    wanted = targets(jobs(world, 12))
    refs = [world.open(target.job.id) for target in wanted]
    run = world.process(sleep=lambda _: time.sleep(0.002))
    threads = [threading.Thread(target=contain, args=(run, world.platform, ref)) for ref in refs[::2]]
    for thread in threads:
        thread.start()
    swept(world, again(world, wanted))
    for thread in threads:
        thread.join(30)
    swept(world, again(world, wanted))
    assert all(world.kinds(ref) == [Kind.OPENED, Kind.STOPPED] for ref in refs)
    assert stops(world) == {target.job.id: 1 for target in wanted}


def test_two_sweeps_of_one_platform_at_once_one_works_and_one_says_so(world: World) -> None:
    some = jobs(world, 2)
    other: list[BaseException] = []

    def second() -> None:
        try:
            swept(world, targets(some))
        except CheckRunning as running:
            other.append(running)

    with check_lock(world.office, "jobs"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(30)
        assert outcomes(swept(world, targets(some))) == ["stopped"] * 2
    assert "A check of jobs is at work already" in str(other[0])
    assert len(rows(world)) == 2


# -- wide stops -------------------------------------------------------------------------------------------------------


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
    done = swept(wide, targets(some, cause="connection"))
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
    first, second = (each.ref for each in swept(wide, targets([one, two], cause="connection")))
    assert wide.walk(first).is_closed
    assert [wide.platform.is_active(job.id) for job in (one, two, neighbour)] == [True, False, False]
    assert wide.walk(second).is_closed
    assert [wide.platform.is_active(job.id) for job in (one, two, neighbour)] == [True, True, True]


def test_jobs_that_this_pass_stopped_along_still_get_their_own_cases(wide: World) -> None:
    some = jobs(wide, 110)  # more than are under way at once, so that many stand still when it is their turn
    done = swept(wide, [*targets(some[:1], cause="connection"), *targets(some[1:])], Pace(at_once=1, per_second=10_000))
    assert outcomes(done) == ["stopped"] * 110
    assert all(wide.case(one.ref).stopped_jobs[0]["was_active"] for one in done)


def test_a_job_that_an_earlier_case_stopped_along_still_gets_its_own_case(wide: World) -> None:
    one, two = jobs(wide, 2)
    swept(wide, targets([one], cause="connection"))
    [later] = swept(wide, targets([two]))
    assert later.outcome == "stopped"
    assert wide.case(later.ref).stopped_jobs[0]["was_active"] is True
    assert stops(wide) == {one.id: 1, two.id: 1}


def test_where_its_own_job_cannot_be_stopped_a_case_stops_no_other(wide: World) -> None:
    [own] = jobs(wide, 1)
    wide.platform.add("feeds/neighbour")
    wide.platform.faulty.fails("stop", what=own.id, before=REFUSED)
    [one] = swept(wide, targets([own], cause="connection"))
    assert (one.outcome, stops(wide)) == ("cannot stop", {})


def test_a_neighbour_that_refuses_is_named_and_the_own_job_counts(wide: World) -> None:
    [own] = jobs(wide, 1)
    wide.platform.add("feeds/neighbour")
    wide.platform.faulty.fails("stop", what="neighbour", before=REFUSED)
    [one] = swept(wide, targets([own], cause="connection"))
    assert (one.outcome, one.why) == ("stopped", "Not stopped with it: feeds/neighbour.")
    assert wide.case(one.ref).contained["not_stopped"] == [{"job": "feeds/neighbour", "why": REFUSED.problem}]


def test_a_neighbour_that_is_not_ours_to_stop_is_left_alone_and_named(wide: World) -> None:
    [own] = jobs(wide, 1)
    theirs = wide.platform.add("feeds/theirs", stopped_by="the marketplace")
    [one] = swept(wide, targets([own], cause="connection"))
    assert (one.outcome, one.why) == ("stopped", "Not ours to stop, so left alone: feeds/theirs (the marketplace).")
    assert wide.platform.is_active(theirs.id)
    assert stops(wide) == {own.id: 1}


def test_a_neighbour_that_the_platform_does_not_answer_for_keeps_the_case_uncontained(wide: World) -> None:
    wanted = targets(jobs(wide, 1), cause="connection")
    wide.platform.add("feeds/neighbour")
    wide.platform.faulty.fails("stop", what="neighbour", after=DOWN)
    assert outcomes(swept(wide, wanted)) == ["not stopped yet"]
    assert outcomes(swept(wide, again(wide, wanted))) == ["stopped"]
    assert set(stops(wide).values()) == {1}


def test_a_job_that_does_not_say_its_connection_is_stopped_alone_and_the_case_says_so(wide: World) -> None:
    [own] = jobs(wide, 1, connection=None)
    [one] = swept(wide, targets([own], cause="connection"))
    assert one.outcome == "stopped"
    assert "does not say its connection" in one.why


# -- reopening --------------------------------------------------------------------------------------------------------


def test_a_job_that_fails_again_reopens_the_same_case_and_is_stopped_first(world: World) -> None:
    ref = world.closed()
    job = world.platform.held["offers/feed-a"].job
    [one] = swept(world, targets([job], cause="feed", summary="Feed rejected", ref=ref, failed_run="run-9"))
    assert (one.ref, one.outcome, one.new) == (ref, "stopped", True)
    case = world.case(ref)
    assert world.kinds(ref)[-2:] == [Kind.REOPENED, Kind.STOPPED]
    assert (case.opening, case.state, case.facts["cause"], case.facts["failed_run"]) == (
        2, State.CONTAINED, "feed", "run-9",
    )  # fmt: skip
    assert case.last_opened["why"] == "The job failed again after the case was closed."
    assert not world.platform.is_active(job.id)
    assert world.walk(ref).is_closed
    assert len(rows(world)) == 1


def test_a_closed_case_is_not_reopened_beside_an_open_one_of_its_job(world: World) -> None:
    closed = world.closed()
    standing = world.open()
    job = world.platform.held["offers/feed-a"].job
    [one] = swept(world, targets([job], ref=closed))
    assert (one.ref, one.outcome, one.new) == (standing, "stopped", False)
    assert world.case(closed).is_closed


def test_a_reopened_case_shares_the_notice_of_this_pass_and_not_of_its_first(world: World) -> None:
    ref = world.closed()
    others = jobs(world, 2)
    job = world.platform.held["offers/feed-a"].job
    done = swept(world, [*targets(others), *targets([job], ref=ref)])
    shares = {one.ref: world.case(one.ref).facts.get("shares_notice_with", "") for one in done}
    assert sorted(shares.values()) == sorted(["", *[next(r for r, s in shares.items() if not s)] * 2])
    assert world.case(ref).last_opened["shares_notice_with"] == shares[ref]


# -- the pace ---------------------------------------------------------------------------------------------------------


def test_no_more_calls_are_under_way_at_once_than_the_policy_says(world: World) -> None:
    some = jobs(world, 40)
    lock, under_way, most = threading.Lock(), 0, 0

    def during(_: str) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.002)
        with lock:
            under_way -= 1

    world.platform.faulty.during = during
    swept(world, targets(some), Pace(at_once=3, per_second=10_000))
    assert most == 3


def test_calls_begin_no_faster_than_the_policy_says() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pacer = Pacer(4, clock=lambda: now[0], sleep=sleep)
    begun = []
    for _ in range(9):
        pacer.wait()
        begun.append(now[0])
    assert begun == [number / 4 for number in range(9)]
    now[0] += 100
    pacer.wait()
    pacer.wait()
    assert slept[-1] == pytest.approx(0.25), "an idle time is not saved up"
