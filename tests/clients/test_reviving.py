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
    DeploymentFilter,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Cancelling, Completed, Crashed, Failed, Pending, Running, Scheduled

from caseproof.domain.errors import BadInput
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.support.kinds import Kind as SupportKind
from caseproof.procedure.core.services import Services
from caseproof.procedure.views.board import board
from caseproof.store import locks
from tasks.runs.carrying import is_live
from tasks.runs.case_runs import KEPT_FOR_ANSWERS, give_runs, wake, wake_runs
from tasks.runs.our_prefect import read_run
from tasks.runs.reviving import revive
from tests.doctor.front import Front
from tests.support.case_runs import generation, opened, suspended
from tests.support.support_cases import SupportCase, written
from tests.support.world import World


def live(services: Services, run: str) -> bool:
    return is_live(services, read_run(run))


def test_a_running_run_lives_as_long_as_a_process_holds_its_lock(services, clock, carried) -> None:
    _, run = carried(Running())
    assert live(services, run), "its process is about to take the lock"
    locks.hold(services.at_work(run))
    clock.move(hours=5)
    assert live(services, run), "a long step is no death"
    locks.let_go(services.at_work(run))
    assert not live(services, run), "whatever Prefect says"


@pytest.mark.parametrize("resumed", [False, True])
def test_a_run_that_has_just_begun_lives_although_it_does_not_hold_its_lock_yet(
    services, clock, carried, resumed: bool
) -> None:
    _, run = carried(Running())
    if resumed:  # its process of before held the lock, and ended when it suspended
        locks.hold(services.at_work(run))
        locks.let_go(services.at_work(run))
    assert live(services, run)
    clock.move(seconds=40)
    assert not live(services, run)


def test_a_pending_run_is_waited_for_unless_the_worker_that_took_it_is_gone(services, clock, carried) -> None:
    _, run = carried(Pending())
    clock.move(minutes=5)
    assert live(services, run)
    assert not is_live(services, read_run(run), claimed_after=clock())
    clock.move(minutes=11)
    assert not live(services, run)


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
def test_a_case_gets_another_run_where_its_run_ended_without_a_persons_will(services, carried, state, revived) -> None:
    ref, _ = carried(state)
    said = revive(services).said
    assert said == ([f"{ref}: its run died, and a new one goes on"] if revived else [])
    assert generation(services, ref) == (2 if revived else 1)
    assert revive(services).said == [], "the new one waits for a worker"


def test_a_run_that_ended_is_found_by_its_end_alone(services, carried) -> None:
    """Without the slow look around all cases: Prefect says when each run ended, however it was ended."""
    endings = {"completed": Completed, "crashed": Crashed, "failed": Failed}
    begun = {"scheduled": Scheduled, "suspended": suspended, "running": Running}
    cases = [carried(begin()) for begin in begun.values()]
    revive(services)
    with services.store.uow() as uow:
        uow.cursors.set("runs-slice", "1000000", services.clock())  # the slow look is at its end
        uow.commit()
    with get_client(sync_client=True) as client:
        for (_, run), end in zip(cases, endings.values(), strict=True):
            client.set_flow_run_state(read_run(run).id, end(), force=True)
    assert revive(services).given == [ref for ref, _ in cases]


def test_a_run_that_is_being_cancelled_parks_the_case_too(services, carried) -> None:
    ref, _ = carried(Cancelling())
    revive(services)
    assert services.ledger.case(ref).events[-1].kind is Kind.PARKED


def test_a_cancel_in_the_ui_parks_the_case_for_the_policys_time(services, clock, carried) -> None:
    ref, run = carried(Cancelled())
    until = services.clock() + timedelta(hours=services.policy.keeper.parked_hours)
    assert len(revive(services).said) == 1
    assert revive(services).said == [], "said once"
    parked = services.ledger.case(ref).events[-1]
    assert (parked.kind, parked.data["flow_run"]) == (Kind.PARKED, run)
    assert abs(datetime.fromisoformat(parked.data["until"]) - until) < timedelta(seconds=5)
    line = board(services.ledger, services.policy.keeper).lines[0]
    assert (line.ref, line.who) == (ref, "the team")
    assert "cancelled in the Prefect UI" in line.what
    clock.move(hours=23)
    assert revive(services).given == []
    clock.move(hours=2)
    assert revive(services).given == [ref]
    assert generation(services, ref) == 2
    assert services.ledger.case(ref).events[-1].kind is Kind.PARKED, "parked once"


def test_a_parked_case_is_woken_at_once_by_a_person(services, carried) -> None:
    ref, _ = carried(Cancelled())
    revive(services)
    wake(services, ref)
    assert generation(services, ref) == 2
    assert revive(services).said == []
    assert "parked" not in board(services.ledger, services.policy.keeper).lines[0].what


def test_a_run_whose_process_died_is_called_crashed_and_its_lock_is_cleared_away(services, clock, carried) -> None:
    ref, run = carried(Running())
    locks.hold(services.at_work(run))
    clock.move(minutes=1)
    assert revive(services).said == []
    locks.let_go(services.at_work(run))
    assert len(revive(services).said) == 1
    assert read_run(run).state.is_crashed()
    assert not services.at_work(run).exists()
    assert generation(services, ref) == 2


def dies(services: Services, ref: str, message: str = "") -> None:
    with get_client(sync_client=True) as client, services.store.reading() as uow:
        run = uow.cases.run_of(ref)
        client.set_flow_run_state(run.flow_run, Crashed(message=message), force=True)


def test_a_case_whose_runs_always_die_rests_and_the_board_says_why(services, clock, carried) -> None:
    ref, _ = carried(Crashed())
    given = []
    for _ in range(4):
        given.append(revive(services).given == [ref])
        dies(services, ref, "There is no module named 'feed'. password: hunter22")
    assert given == [True, True, False, False], "the third death in a row ends it for an hour"
    line = board(services.ledger, services.policy.keeper).lines[0]
    assert (line.ref, line.needs_us) == (ref, True)
    assert "3 runs in a row died" in line.what
    assert "There is no module named 'feed'." in line.what
    assert "hunter22" not in line.what
    clock.move(minutes=61)
    assert revive(services).given == [ref], "one try more"
    dies(services, ref)
    assert revive(services).given == []


def test_a_resting_case_that_moves_gets_a_run_before_its_time(services, carried) -> None:
    ref, _ = carried(Crashed())
    for _ in range(3):
        revive(services)
        dies(services, ref)
    assert revive(services).given == []
    services.ledger.record(ref, Kind.TEAM_TOLD, about="It rests.", number=1)
    assert revive(services).given == [], "what we say ourselves is no hope"
    services.ledger.record(ref, Kind.TROUBLE, step="stop the job", problem="It is down.", next_action="Wait.")
    assert revive(services).given == [ref], "it moved, so there is hope"
    dies(services, ref)
    assert revive(services).given == [ref], "and its deaths are counted anew"


def test_a_death_is_counted_once_however_long_its_case_waits_for_the_next_run(services, carried) -> None:
    ref, _ = carried(Crashed())
    crowded = crowd(services, 0)
    for _ in range(3):
        assert revive(crowded).given == []
    assert revive(services).given == [ref]
    dies(services, ref)
    assert revive(services).given == [ref], "the second death"


def crowd(services: Services, free: int) -> Services:
    """The installation with so many places for runs as are taken, and ``free`` more."""
    under_way = FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING])
    with get_client(sync_client=True) as client:
        taken = client.count_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["job-failure-case"])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=under_way)),
        )
    return with_places(services, taken + free)


def with_places(services: Services, runs_at_once: int) -> Services:
    check = services.policy.check.model_copy(update={"runs_at_once": runs_at_once})
    return dataclasses.replace(services, policy=services.policy.model_copy(update={"check": check}))


def test_no_more_runs_are_made_than_may_be_under_way(services, clock) -> None:
    refs = [opened(services) for _ in range(5)]
    assert give_runs(crowd(services, 2), refs) == 2
    assert [generation(services, ref) for ref in refs] == [1, 1, 0, 0, 0]
    assert give_runs(crowd(services, 1), refs) == 3, "those that have one are not given a second"
    clock.move(minutes=2)
    assert revive(crowd(services, 1)).given == [refs[3]]
    assert revive(crowd(services, 9)).given == [refs[4]]
    assert [generation(services, ref) for ref in refs] == [1, 1, 1, 1, 1]


def test_a_server_that_answers_503_is_left_in_peace_and_the_runs_come_later(services, clock, prefect_server) -> None:
    refs = [opened(services) for _ in range(3)]
    with Front(prefect_server.api_url.removesuffix("/api")) as front, get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("job-failure-case/job-failure-case").id
        made = f"/api/deployments/{deployment}/create_flow_run"
        front.instead[made] = (503, {"detail": "database is locked"})
        with temporary_settings({PREFECT_API_URL: f"{front.url}/api"}):
            assert give_runs(services, refs) == 0
            assert front.asked[made] == 1, "nobody knocks again"
            front.well()
            clock.move(minutes=2)
            assert revive(services).given == refs


def test_runs_asleep_with_news_are_woken_as_many_as_may_be_under_way_and_four_more(services, carried) -> None:
    sleeping = dict(carried(suspended()) for _ in range(3))
    working, run = carried(Running())
    first = wake_runs(crowd(services, 2 - KEPT_FOR_ANSWERS), {**sleeping, working: run})
    assert len(first.woken) == 2
    assert set(first.later) == {working, *sleeping} - set(first.woken), "one too many, and one that is at work yet"
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(read_run(run).id, suspended(), force=True)
    second = wake_runs(crowd(services, 9), {**sleeping, working: run})
    assert set(second.woken) == set(first.later), "it suspended just then, and is woken all the same"
    assert second.later == []


def test_two_that_look_after_the_runs_at_once_give_a_case_one(services, carried) -> None:
    ref, _ = carried(Crashed())
    with ThreadPoolExecutor(2) as two:
        both = [two.submit(copy_context().run, revive, services) for _ in range(2)]
    assert [one.result().given for one in both].count([ref]) == 1
    assert generation(services, ref) == 2


def test_a_case_that_was_opened_while_prefect_was_down_gets_its_first_run(services, clock) -> None:
    ref = opened(services)
    assert revive(services).said == [], "the command that opened it is about to do so"
    clock.move(minutes=2)
    assert revive(services).said == [f"{ref} has its first run now"]


def test_a_run_that_was_deleted_is_replaced(services, carried) -> None:
    ref, run = carried(suspended())
    with get_client(sync_client=True) as client:
        client.delete_flow_run(read_run(run).id)
    assert revive(services).given == [ref]
    assert generation(services, ref) == 2


def test_a_case_that_cannot_be_read_keeps_no_other_from_its_new_run(services, carried) -> None:
    broken, _ = carried(Crashed())
    other, _ = carried(Crashed())
    with sqlite3.connect(services.settings.home_folder / "caseproof.sqlite") as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET data = '{' WHERE case_id = (SELECT id FROM cases WHERE ref = ?)", (broken,))
    raw.close()
    assert revive(services).said == [f"{other}: its run died, and a new one goes on"]
    assert generation(services, broken) == 1


def test_a_closed_case_gets_no_other_run_for_the_keeper_does_what_it_owes(services, clock, carried) -> None:
    world = World(services.settings.home_folder, clock=clock)
    ref, _ = carried(Crashed(), world.closed())
    with services.store.reading() as uow:
        assert uow.owed.of(ref)
    assert ref not in revive(services).given
    world.services.store.close()


def run_of(services: Services, ref: str) -> str:
    with services.store.reading() as uow:
        return uow.cases.of_refs([ref])[0].flow_run


def test_a_support_case_is_parked_like_any_other_and_where_its_flow_is_missing_job_failures_get_their_runs(
    services, clock, carried
) -> None:
    ref = written(services.store, SupportCase().opened())
    carried(Cancelled(), ref)
    assert len(revive(services).said) == 1
    assert services.ledger.case(ref).events[-1].kind is SupportKind.PARKED
    with get_client(sync_client=True) as client:
        for one in client.read_deployments(deployment_filter=DeploymentFilter(name={"any_": ["escalation"]})):
            client.delete_deployment(one.id)
    job, _ = carried(Crashed())
    clock.move(hours=25)
    assert revive(services).given == [job]
    with pytest.raises(BadInput, match="no deployment escalation/escalation"):
        give_runs(services, [ref])
