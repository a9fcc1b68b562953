"""The check of a platform: what it stops is what it planned, judged by the platform's clock, and nothing twice."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision, Scope
from caseproof.platforms.base import PlatformDown, RunState, Schedule
from caseproof.procedure.containment.checking import (
    CheckPass,
    CheckPlan,
    CheckRunning,
    carry_out,
    check_lock,
    plan_check,
)
from caseproof.store import locks
from tasks.checking import _too_slow
from tests.support.world import CONTACT, JOB, World

ROOT = Path(__file__).parents[2]
DOWN = PlatformDown("It hangs.", "Wait.")


@pytest.fixture
def farm(make_world: Any) -> World:
    """A world of 30 jobs, of which the first 6 fail for an expired token and the next 2 twice for nobody knows what."""
    world: World = make_world(check={"pace": {"at_once": 5, "per_second": 10_000}})
    world.platform.vanish(JOB)
    for number in range(10):
        world.register(f"Shop {number}", CONTACT)
    for number in range(30):
        job = f"feeds/job-{number:02}"
        world.platform.add(job, retailer=f"Shop {number // 3}")
        for hours in range(10, 0, -1):
            runs(world, job, hours, fails=hours < (5 if number < 6 else 3) and number < 8)
    return world


def runs(world: World, job: str, hours_ago: float, *, fails: bool) -> None:
    state = RunState.FAILED if fails else RunState.SUCCEEDED
    message = ("401 Unauthorized: the token expired" if int(job[-2:]) < 6 else "something broke") if fails else ""
    at = world.clock.now + world.platform.skew - timedelta(hours=hours_ago)
    world.platform.add_run(job, state, at=at, message=message, lasted=timedelta(seconds=30))


def fails_now(world: World, job: str, times: int = 3) -> None:
    for number in range(times, 0, -1):
        runs(world, job, number / 100, fails=True)


def checked(world: World) -> tuple[CheckPlan, CheckPass]:
    with check_lock(world.services.settings, "jobs"):
        looked = plan_check(world.services.ledger, world.services.policy, "jobs", world.platform)
        return looked, carry_out(world.services.stopping, looked)


def acts(looked: CheckPlan) -> dict[str, str]:
    return {line.job: line.act for line in looked.plan}


FAILING = [f"feeds/job-{number:02}" for number in range(6)]


def test_what_fails_is_stopped_in_the_same_pass_and_nothing_else(farm: World) -> None:
    looked, done = checked(farm)
    assert [target.job.id for target in looked.targets] == FAILING
    assert [(one.job, one.outcome) for one in done.results] == [(job, "stopped") for job in FAILING]
    assert done.wrong == ""
    assert [job for job in farm.platform.held if not farm.platform.is_active(job)] == FAILING
    assert (looked.jobs, looked.runs, looked.unlisted) == (30, 300, 0)
    case = farm.case(done.results[0].ref)
    assert (case.facts["cause"], case.facts["summary"]) == ("expired_token", "401 Unauthorized: the token expired")
    assert farm.platform.runs[case.facts["failed_run"]].state is RunState.FAILED
    assert case.facts["how"] == "daily check"
    assert farm.walk(case.ref).is_closed


def test_a_message_that_an_expression_takes_too_long_for_asks_for_its_cause_and_names_the_signature(
    make_world: Any,
) -> None:
    slow = {"name": "slow", "cause": "feed", "frames": ["a*b*" * 5 + "x"]}
    behind = {"name": "behind", "cause": "sync", "says": ["abab"]}
    world: World = make_world(check={"signatures": [slow, behind]})
    for hours in (3, 2, 1):
        at = world.clock.now + world.platform.skew - timedelta(hours=hours)
        world.platform.add_run(JOB, RunState.FAILED, at=at, message="abab, " * 800, lasted=timedelta(seconds=30))
    looked, done = checked(world)
    assert world.case(done.results[0].ref).facts["cause"] == "unknown"
    (note,) = _too_slow(looked)
    assert note.startswith("check.signatures.slow: its expression 'a")
    assert "a person is asked" in note


def test_a_look_changes_nothing_and_plans_what_the_pass_then_does(farm: World) -> None:
    dry = plan_check(farm.services.ledger, farm.services.policy, "jobs", farm.platform)
    assert farm.platform.faulty.did("stop") == 0
    with farm.services.store.reading() as uow:
        assert uow.cases.rows() == []
    looked, done = checked(farm)
    assert [target.job.id for target in dry.targets] == [one.job for one in done.results if one.outcome == "stopped"]
    assert acts(dry) == acts(looked)


def test_a_second_check_opens_nothing_new_and_stops_nothing_again(farm: World) -> None:
    _, first = checked(farm)
    looked, second = checked(farm)
    assert (looked.targets, list(second.results)) == ((), [])
    assert farm.platform.faulty.did("stop") == len(FAILING)
    left = {line.job: line.why for line in looked.plan if line.job in FAILING}
    assert all(one.ref in left[one.job] for one in first.results)


def test_a_pass_that_was_cut_off_is_gone_on_with_by_the_next_check(farm: World) -> None:
    farm.platform.faulty.fails("stop", what=FAILING[2], after=DOWN)
    _, first = checked(farm)
    assert "1 job is not stopped yet, first feeds/job-02: It hangs." in first.wrong
    farm.restart()
    looked, second = checked(farm)
    assert {job: act for job, act in acts(looked).items() if act == "resume"} == {FAILING[2]: "resume"}
    assert [(one.job, one.outcome, one.new) for one in second.results] == [(FAILING[2], "stopped", False)]
    assert farm.platform.faulty.did("stop") == len(FAILING)


def test_a_job_that_somebody_stops_between_the_look_and_the_stop_is_left_alone(farm: World) -> None:
    looked = plan_check(farm.services.ledger, farm.services.policy, "jobs", farm.platform)
    farm.platform.held[FAILING[1]].active = False
    done = carry_out(farm.services.stopping, looked)
    assert Counter(one.outcome for one in done.results) == {"stopped": 5, "left alone": 1}


@pytest.mark.parametrize("hours", [-7, 0, 7])
def test_a_platform_whose_clock_is_hours_off_is_judged_by_its_own_clock(make_world: Any, hours: int) -> None:
    world: World = make_world()
    world.platform.skew = timedelta(hours=hours)
    world.platform.add("feeds/job-01")
    for ago in (80, 71.9, 71.8):  # the first of these is older than what is looked at
        runs(world, "feeds/job-01", ago, fails=ago != 71.8)
    looked = plan_check(world.services.ledger, world.services.policy, "jobs", world.platform)
    assert looked.runs == 2
    assert abs(looked.now - (world.clock.now + timedelta(hours=hours))) < timedelta(minutes=1)


def test_a_weekly_job_is_judged_by_runs_from_before_the_hours_of_all_and_stopped_after_the_days(
    make_world: Any,
) -> None:
    world: World = make_world()
    weekly = [Schedule(every=timedelta(days=7), anchor=world.clock.now - timedelta(days=3.1))]
    for number, last in ((11, False), (12, True)):
        job = f"feeds/job-{number}"
        world.platform.add(job, schedules=weekly, retailer=f"Shop {number}")
        runs(world, job, 24 * 10.1, fails=False)
        runs(world, job, 24 * 3.1, fails=last)
    looked, done = checked(world)
    assert [(one.job, one.outcome) for one in done.results] == [("feeds/job-12", "stopped")]
    assert looked.runs == 4
    why = next(line.why for line in looked.plan if line.job == "feeds/job-12")
    assert why.startswith("It failed once since ")


def test_a_job_that_fails_again_after_its_case_closed_reopens_that_case(farm: World) -> None:
    _, done = checked(farm)
    ref = done.results[0].ref
    assert farm.walk(ref).is_closed
    now = plan_check(farm.services.ledger, farm.services.policy, "jobs", farm.platform)
    assert acts(now)[FAILING[0]] == "leave", "the failures are older"
    farm.clock.move(hours=2)
    fails_now(farm, FAILING[0])
    looked, again = checked(farm)
    assert [(one.ref, one.job, one.outcome) for one in again.results] == [(ref, FAILING[0], "stopped")]
    assert farm.kinds(ref)[-2:] == [Kind.REOPENED, Kind.STOPPED]
    assert farm.case(ref).last_opened["why"] == next(line.why for line in looked.plan if line.job == FAILING[0])


def test_a_job_that_fails_long_after_its_case_closed_gets_a_new_case(farm: World) -> None:
    _, done = checked(farm)
    assert farm.walk(done.results[0].ref).is_closed
    farm.clock.move(days=8)
    fails_now(farm, FAILING[0])
    _, again = checked(farm)
    new = {one.job: one.ref for one in again.results}[FAILING[0]]
    assert new not in {one.ref for one in done.results}
    assert farm.case(done.results[0].ref).is_closed


def test_a_wide_stop_leaves_the_jobs_it_holds_to_their_case(make_world: Any) -> None:
    world: World = make_world(stop_scope={"expired_token": Scope.CONNECTION})
    neighbour = "feeds/job-05"
    world.platform.add("feeds/job-01")
    world.platform.add(neighbour)
    fails_now(world, "feeds/job-01", 9)
    _, first = checked(world)
    assert not world.platform.is_active(neighbour)
    looked, second = checked(world)
    assert list(second.results) == []
    assert first.results[0].ref in next(line.why for line in looked.plan if line.job == neighbour)


def test_the_plan_of_a_wide_stop_names_the_other_jobs_that_it_reaches(make_world: Any) -> None:
    world: World = make_world(stop_scope={"expired_token": Scope.CONNECTION})
    world.platform.vanish(JOB)
    for job in ("feeds/job-01", "feeds/job-05"):
        world.platform.add(job)
    world.platform.add("feeds/theirs", stopped_by="the marketplace")
    fails_now(world, "feeds/job-01", 9)
    looked, done = checked(world)
    line = next(line for line in looked.plan if line.act == "stop")
    assert line.why.endswith("The whole connection is stopped with it: feeds/job-05.")
    assert [job["job"] for job in world.case(done.results[0].ref).stopped_jobs] == ["feeds/job-01", "feeds/job-05"]
    assert world.platform.is_active("feeds/theirs")


def test_a_wide_stop_is_narrowed_where_a_neighbour_works(make_world: Any) -> None:
    world: World = make_world(stop_scope={"expired_token": Scope.CONNECTION}, review={"required": False})
    neighbour = "feeds/job-05"
    world.platform.add("feeds/job-01")
    world.platform.add(neighbour)
    fails_now(world, "feeds/job-01")
    runs(world, neighbour, 0.01, fails=False)
    _, done = checked(world)
    assert [job["job"] for job in world.case(done.results[0].ref).stopped_jobs] == ["feeds/job-01"]
    assert world.platform.is_active(neighbour)


def test_a_removed_integration_is_no_new_failure(farm: World) -> None:
    _, done = checked(farm)
    farm.decision = Decision.REMOVE
    assert farm.walk(done.results[0].ref).is_closed
    looked, again = checked(farm)
    assert list(again.results) == []
    assert acts(looked)[FAILING[0]] == "leave"


def test_a_platform_whose_jobs_or_runs_cannot_be_read_to_the_end_is_not_judged(farm: World) -> None:
    for call in ("survey", "survey page"):
        farm.platform.faulty.fails(call, before=DOWN)
        with pytest.raises(PlatformDown):
            plan_check(farm.services.ledger, farm.services.policy, "jobs", farm.platform)


# -- two checks at once -----------------------------------------------------------------------------------------------


def test_the_second_check_of_a_platform_says_who_works_since_when_and_does_nothing(farm: World) -> None:
    child = (
        "import sys; from pathlib import Path; from caseproof.store import locks\n"
        "assert locks.hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    lock = farm.services.settings.home_folder / "checks" / "jobs"
    with subprocess.Popen(
        [sys.executable, "-c", child, str(lock)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(CheckRunning, match=rf"process {other.pid}, since \d{{4}}-.* UTC"),
            check_lock(farm.services.settings, "jobs"),
        ):
            raise AssertionError("two checks at once")
        looked = plan_check(farm.services.ledger, farm.services.policy, "jobs", farm.platform)
        with pytest.raises(CheckRunning):
            carry_out(farm.services.stopping, looked)
        with check_lock(farm.services.settings, "other platform"):
            pass
        other.kill()
        other.communicate()
    assert farm.platform.faulty.did("stop") == 0
    assert len(checked(farm)[1].results) == len(FAILING), "a killed process holds nothing"


def test_a_home_that_takes_no_lock_is_told_with_what_to_do(farm: World) -> None:
    (farm.services.settings.home_folder / "checks").write_text("a file where the folder should be")
    with pytest.raises(CaseproofError, match="cannot be taken: ") as refusal:
        checked(farm)
    assert "as the user whose home that is" in refusal.value.next_action


def test_two_threads_of_one_process_are_two_checks(farm: World) -> None:
    refused = threading.Event()

    def second() -> None:
        try:
            with check_lock(farm.services.settings, "jobs"):
                return
        except CheckRunning:
            refused.set()

    with check_lock(farm.services.settings, "jobs"), check_lock(farm.services.settings, "jobs"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(60)
    assert refused.is_set()
    assert not locks.is_held(farm.services.settings.home_folder / "checks" / "jobs")
