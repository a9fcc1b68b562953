"""What a case's run left behind on a real Prefect server when it died: its answers, and a state that never ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.input.run_input import keyset_from_paused_state
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Suspended

from caseproof.domain.events import Kind
from caseproof.procedure.office import Office
from sandbox.processes import PrefectServer
from sandbox.world import World
from tasks import common
from tasks.asking import read_answers
from tasks.forms import RetailersWord, for_team


@flow(name="dies")
def dies() -> None:
    """Stands for a case's flow: it is never run."""


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: PrefectServer) -> Iterator[Office]:
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    common.office.cache_clear()
    with disable_run_logger(), temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        yield common.office()
    common.office().store.close()
    common.office.cache_clear()


def test_an_answer_that_a_dead_run_took_is_read_by_the_next_run(office: Office, prefect_server: PrefectServer) -> None:
    state = Suspended(timeout_seconds=None, pause_key="question-1")
    keys = keyset_from_paused_state(state)
    state.state_details.run_input_keyset = keys  # type: ignore[assignment]
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(dies), name="answers")
        run = client.create_flow_run_from_deployment(deployment, state=state)
    for_team(RetailersWord, office.policy.team, "What now?").save(keys, flow_run_id=run.id)
    opened = office.event(
        Kind.OPENED, platform="p", job="j", job_name="j", cause="feed", summary="It fails.", how="a test", scope="job"
    )
    with office.store.unit() as unit:
        ref = unit.cases.create(opened).ref
        unit.commit()
    office.record(ref, Kind.QUESTION_ASKED, number=1, form=RetailersWord.slug, flow_run=str(run.id))
    answer = {"answered_by": "operator", "what": "decide without the retailer's word"}
    taken = World.call(prefect_server, "POST", f"flow_runs/{run.id}/resume", json={"run_input": answer}).json()
    assert taken["status"] == "ACCEPT"

    read_answers(ref)  # by a process that is not that run
    read_answers(ref)
    answers = [event.data for event in office.case(ref).events if event.kind is Kind.QUESTION_ANSWERED]
    assert [data["answer"] for data in answers] == [answer], "read once, word for word"
