"""Which runs live, as their processes' locks say, and how a case whose run died gets another."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Completed, Crashed, Failed, Pending, Running, Scheduled, Suspended

from caseproof import locks
from caseproof.domain.events import Kind
from caseproof.procedure.office import Office
from sandbox.processes import PrefectServer
from tasks import common
from tasks.case_runs import is_live, read_run
from tasks.reviving import Reviver
from tests.support.fakes import Clock

_numbers = count()


@flow(name="job-failure-case")
def stand_in() -> None:
    """Stands for the case's flow: no worker runs it."""


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def office(tmp_path: Path, clock: Clock, monkeypatch, prefect_server: PrefectServer) -> Iterator[Office]:
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    common.office.cache_clear()
    with disable_run_logger(), temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        with get_client(sync_client=True) as client:
            client.create_deployment(client.create_flow(stand_in), name="job-failure-case")
        yield dataclasses.replace(common.office(), clock=clock)
    common.office().store.close()
    common.office.cache_clear()


@pytest.fixture
def carried(office: Office) -> Callable[..., tuple[str, str]]:
    """Makes a case whose run is in a state; the case and the run."""

    def make(state: State[Any]) -> tuple[str, str]:
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name("job-failure-case/job-failure-case")
            run = client.create_flow_run_from_deployment(deployment.id, state=Scheduled())
            client.set_flow_run_state(run.id, state, force=True)
        opened = office.event(
            Kind.OPENED, platform="p", job=f"j{next(_numbers)}", job_name="j", cause="feed", summary="It fails.",
            how="a test", scope="job",
        )  # fmt: skip
        with office.store.unit() as unit:
            ref = unit.cases.create(opened).ref
            unit.cases.attach_run(ref, str(run.id), 1)
            unit.commit()
        return ref, str(run.id)

    return make


def generation(office: Office, ref: str) -> int:
    with office.store.reading() as unit:
        known = unit.cases.run_of(ref)
    return known.generation if known else 0


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
        (Suspended(timeout_seconds=None, pause_key="question-1"), False),
        (Scheduled(), False),
        (Cancelled(), False),  # somebody cancelled it, and has a reason
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_case_gets_another_run_where_its_run_ended_without_a_persons_will(office, carried, state, revived) -> None:
    ref, _ = carried(state)
    said = Reviver(office)()
    assert said == ([f"{ref}: its run died, and a new one goes on"] if revived else [])
    assert generation(office, ref) == (2 if revived else 1)
    assert Reviver(office)() == [], "the new one waits for a worker"


def test_a_run_whose_process_died_is_called_crashed_and_its_lock_is_cleared_away(office, clock, carried) -> None:
    ref, run = carried(Running())
    locks.hold(office.at_work(run))
    clock.move(minutes=1)
    assert Reviver(office)() == []
    locks.let_go(office.at_work(run))
    assert len(Reviver(office)()) == 1
    assert read_run(run).state.is_crashed()
    assert not office.at_work(run).exists()
    assert generation(office, ref) == 2


def test_a_case_whose_runs_always_die_rests_until_it_moves_or_time_has_passed(office, clock, carried) -> None:
    ref, _ = carried(Crashed())
    revive = Reviver(office)

    def dies_and_is_revived() -> bool:
        done = bool(revive())
        with get_client(sync_client=True) as client, office.store.reading() as unit:
            client.set_flow_run_state(unit.cases.run_of(ref).flow_run, Crashed(), force=True)
        return done

    assert [dies_and_is_revived() for _ in range(5)] == [True, True, True, False, False]
    clock.move(minutes=31)
    assert [dies_and_is_revived() for _ in range(4)] == [True, True, True, False]
    office.record(ref, Kind.TROUBLE, step="stop the job", problem="It is down.", next_action="Wait.")
    assert dies_and_is_revived(), "it moved, so there is hope"


def test_a_case_that_was_opened_while_prefect_was_down_gets_its_first_run(office, clock) -> None:
    opened = office.event(
        Kind.OPENED,
        platform="p",
        job="first",
        job_name="j",
        cause="feed",
        summary="It fails.",
        how="a test",
        scope="job",
    )
    with office.store.unit() as unit:
        ref = unit.cases.create(opened).ref
        unit.commit()
    assert Reviver(office)() == [], "the command that opened it is about to do so"
    clock.move(minutes=2)
    assert Reviver(office)() == [f"{ref} has its first run now"]


def test_a_run_that_was_deleted_is_replaced(office, carried) -> None:
    ref, run = carried(Suspended(timeout_seconds=None, pause_key="question-1"))
    with get_client(sync_client=True) as client:
        client.delete_flow_run(read_run(run).id)
    assert len(Reviver(office)()) == 1
    assert generation(office, ref) == 2


def test_a_case_that_cannot_be_read_keeps_no_other_from_its_new_run(office, carried) -> None:
    broken, _ = carried(Crashed())
    other, _ = carried(Crashed())
    with sqlite3.connect(office.settings.home_folder / "caseproof.sqlite") as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET data = '{' WHERE case_id = (SELECT id FROM cases WHERE ref = ?)", (broken,))
    raw.close()
    assert Reviver(office)() == [f"{other}: its run died, and a new one goes on"]
    assert generation(office, broken) == 1
