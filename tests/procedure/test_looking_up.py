"""What a flow run looks up in Prefect's blocks: once, until a step fails; and what opening a case looks up."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.states import Failed

from caseproof.desks.base import Desk
from caseproof.domain.case import Case
from caseproof.domain.job_failure.kinds import Kind
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.containment import opening
from caseproof.procedure.core.parts import Ledger
from tasks import common
from tests.support.world import JOB, World


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The flow run of this process: ``id`` is settable."""
    running = SimpleNamespace(id="run-1")
    monkeypatch.setattr(common, "this_run", running)
    monkeypatch.setattr(common, "_found", {})
    return running


@pytest.fixture
def looked_up(run: SimpleNamespace) -> tuple[Callable[[str], str], list[str]]:
    """A look-up, and what it looked up."""
    assert run.id
    seen: list[str] = []

    @common._once_a_run
    def look_up(name: str) -> str:
        seen.append(name)
        return f"{name}, look {len(seen)}"

    return look_up, seen


def test_a_flow_run_looks_a_block_up_once_and_the_next_run_again(
    run: SimpleNamespace, looked_up: tuple[Callable[[str], str], list[str]]
) -> None:
    look_up, seen = looked_up
    assert [look_up("jobs"), look_up("jobs"), look_up("others")] == ["jobs, look 1", "jobs, look 1", "others, look 2"]
    run.id = "run-2"
    assert look_up("jobs") == "jobs, look 3"
    assert seen == ["jobs", "others", "jobs"]


def test_outside_of_a_flow_run_a_block_is_looked_up_each_time(
    run: SimpleNamespace, looked_up: tuple[Callable[[str], str], list[str]]
) -> None:
    look_up, seen = looked_up
    run.id = None
    look_up("jobs")
    look_up("jobs")
    assert seen == ["jobs", "jobs"]


def test_after_a_step_that_failed_the_next_try_sees_a_block_that_somebody_put_right(
    looked_up: tuple[Callable[[str], str], list[str]],
) -> None:
    look_up, seen = looked_up
    down: Any = Failed(data=PlatformDown("It is down.", "Start it."))
    look_up("jobs")

    assert common.patient()["retry_condition_fn"](None, None, down)

    look_up("jobs")
    assert seen == ["jobs", "jobs"]


def test_a_desk_that_is_not_there_does_not_stand_before_the_stop_j2(world: World) -> None:
    def no_desk() -> Desk:
        raise AssertionError("No ticket is named, so nobody asks for a desk.")

    asked = opening.Request("jobs", JOB, "operator", "daily check", cause="expired_token")
    case, new = opening.open_case(world.services.ledger, world.services.policy, world.platform, no_desk, asked)

    assert new
    assert world.kinds(case.ref) == [Kind.OPENED]


def test_a_resumed_run_reads_its_case_once_for_a_step_that_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = world.open()
    world.walk(ref, before="close")
    read: list[str] = []
    case_of = Ledger.case

    def counted(ledger: Ledger, which: str) -> Case:
        read.append(which)
        return case_of(ledger, which)

    monkeypatch.setattr(Ledger, "case", counted)
    world.walk(ref, before="close")

    passed_by = len(world.walker.processes[-1])
    assert passed_by > 8
    assert len(read) <= 2.6 * passed_by, f"{len(read)} reads of a case with {passed_by} steps done"
