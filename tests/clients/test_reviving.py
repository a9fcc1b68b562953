"""Which runs live, as their processes' locks say, and how a case whose run died gets another."""

from __future__ import annotations

import dataclasses
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Cancelling, Completed, Crashed, Failed, Pending, Running, Scheduled

from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.core.office import Office
from caseproof.procedure.views.board import board
from caseproof.store import locks
from tasks.runs.carrying import is_live
from tasks.runs.case_runs import give_runs, wake, wake_runs
from tasks.runs.our_prefect import read_run
from tasks.runs.reviving import revive
from tests.doctor.front import Front
from tests.support.case_runs import generation, opened, suspended
from tests.support.world import World


def live(office: Office, run: str) -> bool:
    return is_live(office, read_run(run))


def test_a_running_run_lives_as_long_as_a_process_holds_its_lock(office, clock, carried) -> None:
    _, run = carried(Running())
    assert live(office, run), "its process is about to take the lock"
    locks.hold(office.at_work(run))
    clock.move(hours=5)
    assert live(office, run), "a long step is no death"
    locks.let_go(office.at_work(run))
    assert not live(office, run), "whatever Prefect says"


@pytest.mark.parametrize("resumed", [False, True])
def test_a_run_that_has_just_begun_lives_although_it_does_not_hold_its_lock_yet(
    office, clock, carried, resumed: bool
) -> None:
    _, run = carried(Running())
    if resumed:  # its process of before held the lock, and ended when it suspended
        locks.hold(office.at_work(run))
        locks.let_go(office.at_work(run))
    assert live(office, run)
    clock.move(seconds=40)
    assert not live(office, run)


def test_a_pending_run_is_waited_for_unless_the_worker_that_took_it_is_gone(office, clock, carried) -> None:
    _, run = carried(Pending())
    clock.move(minutes=5)
    assert live(office, run)
    assert not is_live(office, read_run(run), claimed_after=clock())
    clock.move(minutes=11)
    assert not live(office, run)


@pytest.mark.parametrize(
    ("state", "revived"),
    [
        (Crashed(), True),
        (Failed(), True),
        (Completed(), True),  # somebody forced it: the case is open
        (suspended(), False),
        (Scheduled(), False),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_case_gets_another_run_where_its_run_ended_without_a_persons_will(office, carried, state, revived) -> None:
    ref, _ = carried(state)
    said = revive(office).said
    assert said == ([f"{ref}: its run died, and a new one goes on"] if revived else [])
    assert generation(office, ref) == (2 if revived else 1)
    assert revive(office).said == [], "the new one waits for a worker"


def test_a_run_that_ended_is_found_by_its_end_alone(office, carried) -> None:
    """Without the slow look around all cases: Prefect says when each run ended, however it was ended."""
    endings = {"completed": Completed, "crashed": Crashed, "failed": Failed}
    begun = {"scheduled": Scheduled, "suspended": suspended, "running": Running}
    cases = [carried(begin()) for begin in begun.values()]
    revive(office)
    with office.store.unit() as unit:
        unit.marks.set("runs-slice", "1000000", office.clock())  # the slow look is at its end
        unit.commit()
    with get_client(sync_client=True) as client:
        for (_, run), end in zip(cases, endings.values(), strict=True):
            client.set_flow_run_state(read_run(run).id, end(), force=True)
    assert revive(office).given == [ref for ref, _ in cases]


def test_a_run_that_is_being_cancelled_parks_the_case_too(office, carried) -> None:
    ref, _ = carried(Cancelling())
    revive(office)
    assert office.case(ref).events[-1].kind is Kind.PARKED


def test_a_cancel_in_the_ui_parks_the_case_for_the_policys_time(office, clock, carried) -> None:
    ref, run = carried(Cancelled())
    until = office.clock() + timedelta(hours=office.policy.keeper.parked_hours)
    assert len(revive(office).said) == 1
    assert revive(office).said == [], "said once"
    parked = office.case(ref).events[-1]
    assert (parked.kind, parked.data["flow_run"]) == (Kind.PARKED, run)
    assert abs(datetime.fromisoformat(parked.data["until"]) - until) < timedelta(seconds=5)
    line = board(office.ledger, office.policy.keeper).lines[0]
    assert (line.ref, line.who) == (ref, "the team")
    assert "cancelled in the Prefect UI" in line.what
    clock.move(hours=23)
    assert revive(office).given == []
    clock.move(hours=2)
    assert revive(office).given == [ref]
    assert generation(office, ref) == 2
    assert office.case(ref).events[-1].kind is Kind.PARKED, "parked once"


def test_a_parked_case_is_woken_at_once_by_a_person(office, carried) -> None:
    ref, _ = carried(Cancelled())
    revive(office)
    wake(office, ref)
    assert generation(office, ref) == 2
    assert revive(office).said == []
    assert "parked" not in board(office.ledger, office.policy.keeper).lines[0].what


def test_a_run_whose_process_died_is_called_crashed_and_its_lock_is_cleared_away(office, clock, carried) -> None:
    ref, run = carried(Running())
    locks.hold(office.at_work(run))
    clock.move(minutes=1)
    assert revive(office).said == []
    locks.let_go(office.at_work(run))
    assert len(revive(office).said) == 1
    assert read_run(run).state.is_crashed()
    assert not office.at_work(run).exists()
    assert generation(office, ref) == 2


def dies(office: Office, ref: str, message: str = "") -> None:
    with get_client(sync_client=True) as client, office.store.reading() as unit:
        run = unit.cases.run_of(ref)
        client.set_flow_run_state(run.flow_run, Crashed(message=message), force=True)


def test_a_case_whose_runs_always_die_rests_and_the_board_says_why(office, clock, carried) -> None:
    ref, _ = carried(Crashed())
    given = []
    for _ in range(4):
        given.append(revive(office).given == [ref])
        dies(office, ref, "There is no module named 'feed'.")
    assert given == [True, True, False, False], "the third death in a row ends it for an hour"
    line = board(office.ledger, office.policy.keeper).lines[0]
    assert (line.ref, line.needs_us) == (ref, True)
    assert "3 runs in a row died" in line.what
    assert "There is no module named 'feed'." in line.what
    clock.move(minutes=61)
    assert revive(office).given == [ref], "one try more"
    dies(office, ref)
    assert revive(office).given == []


def test_a_resting_case_that_moves_gets_a_run_before_its_time(office, carried) -> None:
    ref, _ = carried(Crashed())
    for _ in range(3):
        revive(office)
        dies(office, ref)
    assert revive(office).given == []
    office.record(ref, Kind.TEAM_TOLD, about="It rests.", number=1)
    assert revive(office).given == [], "what we say ourselves is no hope"
    office.record(ref, Kind.TROUBLE, step="stop the job", problem="It is down.", next_action="Wait.")
    assert revive(office).given == [ref], "it moved, so there is hope"
    dies(office, ref)
    assert revive(office).given == [ref], "and its deaths are counted anew"


def test_a_death_is_counted_once_however_long_its_case_waits_for_the_next_run(office, carried) -> None:
    ref, _ = carried(Crashed())
    crowded = crowd(office, 0)
    for _ in range(3):
        assert revive(crowded).given == []
    assert revive(office).given == [ref]
    dies(office, ref)
    assert revive(office).given == [ref], "the second death"


def crowd(office: Office, free: int) -> Office:
    """The office with so many places for runs as are taken, and ``free`` more."""
    under_way = FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING])
    with get_client(sync_client=True) as client:
        taken = client.count_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["job-failure-case"])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=under_way)),
        )
    return with_places(office, taken + free)


def with_places(office: Office, runs_at_once: int) -> Office:
    check = office.policy.check.model_copy(update={"runs_at_once": runs_at_once})
    return dataclasses.replace(office, policy=office.policy.model_copy(update={"check": check}))


def test_no_more_runs_are_made_than_may_be_under_way(office, clock) -> None:
    refs = [opened(office) for _ in range(5)]
    assert give_runs(crowd(office, 2), refs) == 2
    assert [generation(office, ref) for ref in refs] == [1, 1, 0, 0, 0]
    assert give_runs(crowd(office, 1), refs) == 3, "those that have one are not given a second"
    clock.move(minutes=2)
    assert revive(crowd(office, 1)).given == [refs[3]]
    assert revive(crowd(office, 9)).given == [refs[4]]
    assert [generation(office, ref) for ref in refs] == [1, 1, 1, 1, 1]


def test_a_server_that_answers_503_is_left_in_peace_and_the_runs_come_later(office, clock, prefect_server) -> None:
    refs = [opened(office) for _ in range(3)]
    with Front(prefect_server.api_url.removesuffix("/api")) as front, get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("job-failure-case/job-failure-case").id
        made = f"/api/deployments/{deployment}/create_flow_run"
        front.instead[made] = (503, {"detail": "database is locked"})
        with temporary_settings({PREFECT_API_URL: f"{front.url}/api"}):
            assert give_runs(office, refs) == 0
            assert front.asked[made] == 1, "nobody knocks again"
            front.well()
            clock.move(minutes=2)
            assert revive(office).given == refs


def test_runs_asleep_with_news_are_woken_as_many_as_may_be_under_way(office, carried) -> None:
    sleeping = dict(carried(suspended()) for _ in range(3))
    working, run = carried(Running())
    first = wake_runs(crowd(office, 2), {**sleeping, working: run})
    assert len(first.woken) == 2
    assert set(first.later) == {working, *sleeping} - set(first.woken), "one too many, and one that is at work yet"
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(read_run(run).id, suspended(), force=True)
    second = wake_runs(crowd(office, 9), {**sleeping, working: run})
    assert set(second.woken) == set(first.later), "it suspended just then, and is woken all the same"
    assert second.later == []


def test_two_that_look_after_the_runs_at_once_give_a_case_one(office, carried) -> None:
    ref, _ = carried(Crashed())
    with ThreadPoolExecutor(2) as two:
        both = [two.submit(copy_context().run, revive, office) for _ in range(2)]
    assert [one.result().given for one in both].count([ref]) == 1
    assert generation(office, ref) == 2


def test_a_case_that_was_opened_while_prefect_was_down_gets_its_first_run(office, clock) -> None:
    ref = opened(office)
    assert revive(office).said == [], "the command that opened it is about to do so"
    clock.move(minutes=2)
    assert revive(office).said == [f"{ref} has its first run now"]


def test_a_run_that_was_deleted_is_replaced(office, carried) -> None:
    ref, run = carried(suspended())
    with get_client(sync_client=True) as client:
        client.delete_flow_run(read_run(run).id)
    assert revive(office).given == [ref]
    assert generation(office, ref) == 2


def test_a_case_that_cannot_be_read_keeps_no_other_from_its_new_run(office, carried) -> None:
    broken, _ = carried(Crashed())
    other, _ = carried(Crashed())
    with sqlite3.connect(office.settings.home_folder / "caseproof.sqlite") as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET data = '{' WHERE case_id = (SELECT id FROM cases WHERE ref = ?)", (broken,))
    raw.close()
    assert revive(office).said == [f"{other}: its run died, and a new one goes on"]
    assert generation(office, broken) == 1


def test_a_closed_case_gets_another_run_until_its_retailer_knows_how_it_ended(office, clock, carried) -> None:
    world = World(office.settings.home_folder, clock=clock)
    ref, _ = carried(Crashed(), world.closed())
    assert ref in revive(office).given
    world.step("recover", ref)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(read_run(run_of(office, ref)).id, Crashed(), force=True)
    assert ref not in revive(office).given
    world.office.store.close()


def run_of(office: Office, ref: str) -> str:
    with office.store.reading() as unit:
        return unit.cases.of_refs([ref])[0].flow_run
