"""A support case on a real Prefect server: raised in its form, climbed in its forms, and given another run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.domain.support.choices import Beside, L1Does
from caseproof.domain.support.lifecycle import State
from caseproof.procedure.core.services import Services
from flows.escalation import escalation
from flows.say_in_a_case import say_in_a_case
from sandbox.processes import PrefectServer
from sandbox.world import World
from tasks import common
from tasks.runs.case_runs import give_runs
from tasks.runs.reviving import revive

RAISED = {
    "client": "Example Foods", "product": "WooCommerce", "summary": "The cart is empty", "failing": "no",
    "said": "Customers see an empty cart since this morning.", "opened_by": "operator",
}  # fmt: skip
STEP = {"step": "cleared the session table", "seen": "the cart is still empty"}


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: PrefectServer) -> Iterator[Services]:
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    common.installed_services.cache_clear()
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        yield common.services()
    common.services().store.close()
    common.installed_services.cache_clear()


def raise_in_prefect() -> str:
    """What "Run" of the deployment does in Prefect's UI: the run's id."""
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(escalation), name="escalation")
        return str(client.create_flow_run_from_deployment(deployment, parameters=RAISED).id)


def carry(run: str, **given: str) -> str:
    """What a worker does with the run: the state that it ends in, by name."""
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(UUID(run))
    with suppress(Pause):
        run_flow(escalation, flow_run=flow_run, parameters=given or flow_run.parameters, return_type="state")
    with get_client(sync_client=True) as client:
        return str(client.read_flow_run(UUID(run)).state_name)


def test_a_form_that_says_too_little_fails_with_what_is_missing_and_writes_no_case(services: Services) -> None:
    state: Any = escalation(summary="The cart is empty", opened_by="operator", return_state=True)
    assert (state.is_failed(), "Next: Fill in the client and their words" in state.message) == (True, True)
    unknown: Any = escalation(case="SC-000099", return_state=True)
    assert (unknown.is_failed(), "SC-000099" in unknown.message) == (True, True)
    with services.store.reading() as uow:
        assert uow.cases.rows() == []


def read(server: PrefectServer, path: str) -> dict[str, Any]:
    found: dict[str, Any] = World.call(server, "GET", path).json()
    return found


def answer(server: PrefectServer, run: str, given: dict[str, str]) -> str:
    """What the UI's form sends; what becomes of it."""
    return str(World.call(server, "POST", f"flow_runs/{run}/resume", json={"run_input": given}).json()["status"])


def test_it_is_raised_and_climbs_in_prefect_alone_and_another_run_goes_on(
    services: Services, prefect_server: PrefectServer
) -> None:
    run = raise_in_prefect()
    assert carry(run) == "Suspended"
    waits = read(prefect_server, f"flow_runs/{run}")
    assert waits["name"] == "SC-000001 · Example Foods · The cart is empty · waits for L1"
    assert {"client:Example Foods", "product:WooCommerce", "tier:L1"} <= set(waits["tags"])
    table = json.loads(read(prefect_server, "artifacts/caseproof-ladder/latest")["data"])
    assert [(row["Who must act"], row["Client"], row["Who has it"]) for row in table] == [
        ("L1, the front line", "Example Foods", "nobody")
    ]

    over = {"answered_by": "operator", "what": str(L1Does.HAND_OVER), "why": "the cart stays empty after all of it"}
    assert answer(prefect_server, run, {**over, "answered_by": "a stranger"}) == "REJECT"
    assert answer(prefect_server, run, over) == "ACCEPT"
    assert carry(run) == "Suspended"
    assert read(prefect_server, f"flow_runs/{run}")["name"].endswith("answer refused, waits for L1")
    asked = read(prefect_server, f"flow_runs/{run}/input/suspended-question-2-schema")["properties"]["what"]
    assert "E1: What L1 tried" in asked["description"]

    tried = {"answered_by": "operator", "what": str(L1Does.TRIED_NOTHING), **STEP}
    assert answer(prefect_server, run, tried) == "ACCEPT"
    assert carry(run) == "Suspended"
    assert answer(prefect_server, run, over) == "ACCEPT"
    assert carry(run) == "Suspended"
    assert services.ledger.case("SC-000001").state is State.WITH_L2

    wish = {"what": str(Beside.WANT_DETAILS), "words": "which plugin empties the session?"}
    said: Any = say_in_a_case(case="sc-000001", who="team lead", **wish, return_state=True)
    assert said.is_completed(), said.message
    beside = read(prefect_server, f"flow_runs/{said.state_details.flow_run_id}")
    assert beside["name"] == f"team lead in sc-000001: {wish['what']}"
    no: Any = say_in_a_case(case="sc-000001", who="a stranger", **wish, return_state=True)
    assert (no.is_failed(), "a stranger is in neither L2 nor PT" in no.message) == (True, True)

    World.call(prefect_server, "DELETE", f"flow_runs/{run}")  # somebody clears it away
    revive(services)
    with services.store.reading() as uow:
        known = uow.cases.run_of("SC-000001")
    assert known is not None
    assert (known.generation, known.flow_run == run) == (2, False)
    assert give_runs(services, ["SC-000001"]) == 1
    assert carry(known.flow_run) == "Suspended"
    assert read(prefect_server, f"flow_runs/{known.flow_run}")["name"].endswith("waits for L2")
    number = services.ledger.case("SC-000001").question_number
    schema = f"flow_runs/{known.flow_run}/input/suspended-question-{number}-schema"
    assert wish["words"] in read(prefect_server, schema)["properties"]["what"]["description"]
