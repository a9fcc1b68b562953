"""What a case's run left behind on a real Prefect server when it died: its answers, and a state that never ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.input.run_input import keyset_from_paused_state
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Suspended

from caseproof.domain.forms import RetailersWord
from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.core.services import Services
from sandbox.processes import PrefectServer
from sandbox.world import World
from tasks import common
from tasks.forms.run_inputs import for_team
from tasks.runs.case_runs import wake
from tasks.trouble import read_answers

ANSWER = {"answered_by": "operator", "what": "decide without the retailer's word"}


@flow(name="dies")
def dies() -> None:
    """Stands for a case's flow: it is never run."""


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: PrefectServer) -> Iterator[Services]:
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    common.installed_services.cache_clear()
    with disable_run_logger(), temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        yield common.services()
    common.services().store.close()
    common.installed_services.cache_clear()


@pytest.fixture
def waiting(services: Services) -> tuple[str, str]:
    """A case, and its run that waits for an answer to question 1."""
    state = Suspended(timeout_seconds=None, pause_key="question-1")
    keys = keyset_from_paused_state(state)
    state.state_details.run_input_keyset = keys  # type: ignore[assignment]
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(dies), name="answers")
        run = client.create_flow_run_from_deployment(deployment, state=state)
    for_team(RetailersWord, services.policy.team, "What now?").save(keys, flow_run_id=run.id)
    opened = services.ledger.event(
        Kind.OPENED, platform="p", job=str(run.id), job_name="j", cause="feed", summary="It fails.", how="a test",
        scope="job",
    )  # fmt: skip
    with services.store.uow() as uow:
        ref = uow.cases.create(opened).ref
        uow.cases.attach_run(ref, str(run.id), 1)
        uow.commit()
    services.ledger.record(ref, Kind.QUESTION_ASKED, number=1, form=RetailersWord.slug, flow_run=str(run.id))
    return ref, str(run.id)


def answer_in_the_ui(server: PrefectServer, run: str) -> str:
    """What the UI's form sends; what becomes of it."""
    return str(World.call(server, "POST", f"flow_runs/{run}/resume", json={"run_input": ANSWER}).json()["status"])


def answers(services: Services, ref: str) -> list[Any]:
    return [event.data["answer"] for event in services.ledger.case(ref).events if event.kind is Kind.QUESTION_ANSWERED]


def test_an_answer_that_a_dead_run_took_is_read_by_the_next_run(
    services: Services, prefect_server: PrefectServer, waiting: tuple[str, str]
) -> None:
    ref, run = waiting
    assert answer_in_the_ui(prefect_server, run) == "ACCEPT"
    read_answers(ref)  # by a process that is not that run
    read_answers(ref)
    assert answers(services, ref) == [ANSWER], "read once, word for word"


def test_an_answer_that_was_given_survives_a_wake_up(
    services: Services, prefect_server: PrefectServer, waiting: tuple[str, str]
) -> None:
    ref, run = waiting
    assert answer_in_the_ui(prefect_server, run) == "ACCEPT"
    assert "about to start" in wake(services, ref)
    read_answers(ref)
    assert answers(services, ref) == [ANSWER]


def test_an_answer_to_a_run_that_was_just_woken_is_not_taken(
    services: Services, prefect_server: PrefectServer, waiting: tuple[str, str]
) -> None:
    """The run finds no answer, and asks again under the next number."""
    ref, run = waiting
    assert wake(services, ref) == "its run was woken"
    assert answer_in_the_ui(prefect_server, run) != "ACCEPT"
    read_answers(ref)
    assert answers(services, ref) == []
