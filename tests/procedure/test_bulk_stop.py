"""J2 to J4 by the thousand: a bulk stop stops each job once, opens its case first, and shares the work with others."""

from __future__ import annotations

import json
import threading
import time

import pytest

from caseproof.config.policy_check import Pace
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.procedure.containment.check_lock import CheckRunning, check_lock
from caseproof.procedure.containment.containment import contain
from caseproof.procedure.containment.pacing import Pacer
from caseproof.procedure.containment.stop import stop_key
from caseproof.procedure.containment.stop_targets import StopResult
from tests.support.bulk_stops import again, bulk_stop, jobs, outcomes, rows, stops, targets
from tests.support.world import World

# -- the pass -------------------------------------------------------------------------------------------------------


def test_every_target_gets_one_case_and_one_stop_that_is_read_back_and_kept(world: World) -> None:
    some = jobs(world, 70)
    done = bulk_stop(world, targets(some))
    assert [(one.job, one.outcome, one.new, one.why) for one in done] == [(job.id, "stopped", True, "") for job in some]
    assert stops(world) == {job.id: 1 for job in some}
    assert len({one.ref for one in done}) == len(rows(world)) == 70
    for one in (done[0], done[-1]):
        case = world.case(one.ref)
        assert world.kinds(one.ref) == [Kind.OPENED, Kind.STOPPED]
        assert [(job["job"], job["was_active"], job["active"]) for job in case.stopped_jobs] == [(one.job, True, False)]
        assert json.loads(world.vault.read(case.contained["evidence"]))["case"] == one.ref
        with world.services.store.reading() as uow:
            assert [file.digest for file in uow.evidence.of(one.ref)] == [case.contained["evidence"]]
            assert uow.cases.damaged() == []


def test_a_case_of_a_bulk_stop_goes_its_way_to_the_proof(world: World) -> None:
    [one] = bulk_stop(world, targets(jobs(world, 1)))
    assert world.walk(one.ref).is_closed


def test_the_case_and_the_intent_are_there_before_the_stop(world: World) -> None:
    some = jobs(world, 10)
    seen: list[int] = []

    def at_the_stop(call: str) -> None:
        if call == "stop":
            with world.services.store.reading() as uow:
                held = uow.bulk.cases(row.ref for row in uow.cases.rows())
            seen.append(len(held))
            with world.services.store.uow() as uow:
                for case in held.values():
                    claim = uow.intents.claim(
                        stop_key(case, case.facts["job"]), case.ref, "stop", owner="x", now=world.clock(), seconds=1,
                        plan={},
                    )  # fmt: skip
                    assert claim.standing in ("busy", "done")

    world.platform.faulty.during = at_the_stop
    bulk_stop(world, targets(some))
    assert seen == [10] * 10


def test_nothing_to_stop_asks_the_platform_nothing(world: World) -> None:
    assert bulk_stop(world, []) == []
    assert world.platform.faulty.order == []


def test_a_job_that_somebody_stopped_since_the_look_is_left_alone(world: World) -> None:
    some = jobs(world, 3)
    world.platform.held[some[1].id].active = False
    done = bulk_stop(world, targets(some))
    assert outcomes(done) == ["stopped", "left alone", "stopped"]
    assert (done[1].ref, done[1].new) == ("", False)
    assert len(rows(world)) == 2
    assert some[1].id not in stops(world)


def test_the_same_targets_once_more_open_nothing_and_stop_nothing(world: World) -> None:
    wanted = targets(jobs(world, 8))
    first = bulk_stop(world, wanted)
    assert outcomes(bulk_stop(world, wanted)) == ["left alone"] * 8
    known = bulk_stop(world, again(world, wanted))
    assert [(one.ref, one.outcome, one.new) for one in known] == [(one.ref, "stopped", False) for one in first]
    assert set(stops(world).values()) == {1}
    assert len(rows(world)) == 8


def test_a_case_that_a_person_opened_meanwhile_is_gone_on_with(world: World) -> None:
    [job] = jobs(world, 1)
    ref = world.open(job.id)
    [one] = bulk_stop(world, targets([job]))
    assert (one.ref, one.outcome, one.new) == (ref, "stopped", False)


def test_who_looks_on_hears_of_each_and_cannot_end_the_pass(world: World) -> None:
    heard: list[str] = []

    def said(one: StopResult) -> None:
        assert threading.current_thread() is threading.main_thread()
        heard.append(one.job)
        raise OSError("the screen is gone")

    some = jobs(world, 60)
    with pytest.raises(OSError, match="the screen is gone"):
        bulk_stop(world, targets(some), said=said)
    assert sorted(heard) == [job.id for job in some]
    assert len(stops(world)) == 60


# -- notices are shared ---------------------------------------------------------------------------------------------


def test_cases_of_one_retailer_marketplace_and_cause_name_the_first_of_them(world: World) -> None:
    one_shop = jobs(world, 60)
    other = world.platform.add("other/feed", retailer="Shop B")
    elsewhere = world.platform.add("south/feed", marketplace="South")
    unknown = [world.platform.add(f"nobody/feed-{number}", retailer=None) for number in range(2)]
    done = bulk_stop(world, [*targets([*one_shop, other, elsewhere, *unknown]), *targets([], cause="feed")])
    shares = {one.job: world.case(one.ref).facts.get("shares_notice_with", "") for one in done}
    first = next(one for one in done if one.job in {job.id for job in one_shop} and not shares[one.job])
    assert [job.id for job in one_shop if shares[job.id] != first.ref] == [first.job]
    assert [shares[job.id] for job in (other, elsewhere, *unknown)] == ["", "", "", ""]
    assert len({world.case(one.ref).facts["check"] for one in done}) == 1


def test_two_causes_of_one_retailer_are_two_notices(world: World) -> None:
    one, two = jobs(world, 2)
    done = bulk_stop(world, [*targets([one]), *targets([two], cause="feed")])
    assert [world.case(each.ref).facts.get("shares_notice_with") for each in done] == [None, None]


# -- two writers ------------------------------------------------------------------------------------------------------


def test_what_a_case_s_own_run_is_stopping_is_left_to_it_and_not_stopped_twice(world: World) -> None:
    [job] = jobs(world, 1)
    ref = world.open(job.id)
    key = stop_key(world.case(ref), job.id)
    with world.services.store.uow() as uow:
        uow.intents.claim(key, ref, "stop", owner="a run", now=world.clock(), seconds=60, plan={"was_active": True})
        uow.commit()
    [one] = bulk_stop(world, again(world, targets([job])))
    assert (one.ref, one.outcome) == (ref, "not stopped yet")
    assert "own run" in one.why
    assert stops(world) == {}
    world.restart(minutes=2)  # that run died, and its time is up
    [one] = bulk_stop(world, again(world, targets([job])))
    assert one.outcome == "stopped"


def test_the_bulk_stop_and_the_cases_own_runs_at_once_stop_each_job_once(world: World) -> None:
    wanted = targets(jobs(world, 12))
    refs = [world.open(target.job.id) for target in wanted]
    run = world.process(sleep=lambda _: time.sleep(0.002))
    threads = [threading.Thread(target=contain, args=(run, world.platform, ref)) for ref in refs[::2]]
    for thread in threads:
        thread.start()
    bulk_stop(world, again(world, wanted))
    for thread in threads:
        thread.join(60)
    bulk_stop(world, again(world, wanted))
    assert all(world.kinds(ref) == [Kind.OPENED, Kind.STOPPED] for ref in refs)
    assert stops(world) == {target.job.id: 1 for target in wanted}


def test_two_bulk_stops_of_one_platform_at_once_one_works_and_one_says_so(world: World) -> None:
    some = jobs(world, 2)
    other: list[BaseException] = []

    def second() -> None:
        try:
            bulk_stop(world, targets(some))
        except CheckRunning as running:
            other.append(running)

    with check_lock(world.services.settings, "jobs"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(60)
        assert outcomes(bulk_stop(world, targets(some))) == ["stopped"] * 2
    assert "A check of jobs is at work already" in str(other[0])
    assert len(rows(world)) == 2


# -- reopening --------------------------------------------------------------------------------------------------------


def test_a_job_that_fails_again_reopens_the_same_case_and_is_stopped_first(world: World) -> None:
    ref = world.closed()
    job = world.platform.held["offers/feed-a"].job
    [one] = bulk_stop(world, targets([job], cause="feed", summary="Feed rejected", ref=ref, failed_run="run-9"))
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
    [one] = bulk_stop(world, targets([job], ref=closed))
    assert (one.ref, one.outcome, one.new) == (standing, "stopped", False)
    assert world.case(closed).is_closed


def test_a_reopened_case_shares_the_notice_of_this_pass_and_not_of_its_first(world: World) -> None:
    ref = world.closed()
    others = jobs(world, 2)
    job = world.platform.held["offers/feed-a"].job
    done = bulk_stop(world, [*targets(others), *targets([job], ref=ref)])
    shares = {one.ref: world.case(one.ref).facts.get("shares_notice_with", "") for one in done}
    assert sorted(shares.values()) == sorted(["", *[next(r for r, s in shares.items() if not s)] * 2])
    assert world.case(ref).last_opened["shares_notice_with"] == shares[ref]


# -- the pace ---------------------------------------------------------------------------------------------------------


def test_no_more_calls_are_under_way_at_once_than_the_policy_says(world: World) -> None:
    some = jobs(world, 40)
    lock, together, under_way, most = threading.Lock(), threading.Event(), 0, 0

    def during(_: str) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        if most >= 3:
            together.set()
        together.wait(60)  # the first ones for each other, however slowly they come
        time.sleep(0.002)
        with lock:
            under_way -= 1

    world.platform.faulty.during = during
    bulk_stop(world, targets(some), Pace(at_once=3, per_second=10_000))
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
