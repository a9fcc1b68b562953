"""An incident's run on a real Prefect server: it asks with its form, and what people answer reaches all cases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.config.clock import utc_now
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import BY_LOGIN, Decision
from caseproof.procedure.core.services import Services
from caseproof.procedure.keeper import incidents
from flows.incident import incident
from sandbox.processes import PrefectServer
from sandbox.world import World
from tasks import common
from tasks.runs.carrying import ensure_run
from tasks.runs.incident_runs import IncidentOwner, look_after_incidents

FIX = {"answered_by": "operator", "decision": str(Decision.AFTER_FIX), "reason": "The marketplace lifted its block."}
REF = "IN-000001"


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: PrefectServer) -> Iterator[Services]:
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    common.installed_services.cache_clear()
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        with get_client(sync_client=True) as client:
            client.create_deployment(client.create_flow(incident), name="incident")
        yield common.services()
    common.services().store.close()
    common.installed_services.cache_clear()


@pytest.fixture
def refs(services: Services) -> list[str]:
    """Five cases that wait, of five retailers, and their incident."""
    refs = []
    with services.store.uow() as uow:
        for number in range(5):
            steps = [
                services.ledger.event(
                    Kind.OPENED, platform="p", job=f"job-{number}", job_name=f"job-{number}", cause="expired_token",
                    retailer=f"Shop | {number}", marketplace="North", summary="401", how="a test", scope="job",
                ),
                services.ledger.event(Kind.STOPPED, scope="job", jobs=[], evidence="0" * 64),
                services.ledger.event(Kind.NOTICE_SENT, message_id="<m@example.com>", accepted=[], evidence="0" * 64),
            ]  # fmt: skip
            refs.append(uow.cases.append(uow.cases.create(steps[0]), *steps[1:]).ref)
        uow.commit()
    assert incidents.gather(services.ledger, services.policy.check.storm) == [REF]
    return refs


def carry(run: str) -> str:
    """What a worker does with the run: the state that it ends in, by name."""
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(UUID(run))
    with suppress(Pause):
        run_flow(incident, flow_run=flow_run, parameters={"incident": REF}, return_type="state")
    with get_client(sync_client=True) as client:
        return str(client.read_flow_run(UUID(run)).state_name)


def read(server: PrefectServer, path: str) -> dict[str, Any]:
    found: dict[str, Any] = World.call(server, "GET", path).json()
    return found


def answer(server: PrefectServer, run: str, given: dict[str, str]) -> str:
    """What the UI's form sends; what becomes of it."""
    return str(World.call(server, "POST", f"flow_runs/{run}/resume", json={"run_input": given}).json()["status"])


def table(server: PrefectServer) -> list[dict[str, str]]:
    shown: list[dict[str, str]] = json.loads(read(server, f"artifacts/{REF.lower()}-cases/latest")["data"])
    return shown


def test_an_incident_asks_again_what_it_cannot_take_and_after_a_pause_and_ends_with_the_fix(
    services: Services, refs: list[str], prefect_server: PrefectServer
) -> None:
    run = ensure_run(IncidentOwner(services, REF))
    assert ensure_run(IncidentOwner(services, REF)) == run, "a live one stays"
    assert carry(run) == "Suspended"
    waits = read(prefect_server, f"flow_runs/{run}")
    assert waits["name"] == "IN-000001 · North · expired token · 5 cases · waits for the decision for all"
    assert {"marketplace:North", "cause:expired_token", "status:waiting", "incident:IN-000001"} <= set(waits["tags"])
    assert [row["State"] for row in table(prefect_server)] == ["retailer told"] * 5
    assert table(prefect_server)[0]["Case"] == f"[{refs[0]}]({services.links.case_url(refs[0])})"

    assert answer(prefect_server, run, FIX | {"decision": str(Decision.REMOVE)}) == "REJECT"
    assert answer(prefect_server, run, FIX | {"decision": str(Decision.KEEP_PAUSED)}) == "ACCEPT"
    assert carry(run) == "Suspended"
    assert "answer refused" in read(prefect_server, f"flow_runs/{run}")["name"]
    assert "date" in incidents.refused(services.store, REF)
    assert {services.ledger.case(ref).state for ref in refs} == {State.WAITING}

    pause = {"decision": str(Decision.KEEP_PAUSED), "paused_until": "2099-01-31"}
    assert answer(prefect_server, run, FIX | pause) == "ACCEPT"
    assert carry(run) == "Suspended"
    assert {row["State"] for row in table(prefect_server)} == {"kept paused until 2099-01-31"}
    assert read(prefect_server, f"flow_runs/{run}")["name"].endswith("kept paused until 2099-01-31")

    assert answer(prefect_server, run, FIX) == "ACCEPT"
    assert carry(run) == "Completed"
    assert {services.ledger.case(ref).state for ref in refs} == {State.DECIDED}
    assert {services.ledger.case(ref).decision["incident"] for ref in refs} == {REF}  # type: ignore[index]
    assert read(prefect_server, f"flow_runs/{run}")["name"].endswith("· over")


def test_an_answer_to_a_run_that_died_is_read_by_the_next_one(
    services: Services, refs: list[str], prefect_server: PrefectServer
) -> None:
    run = ensure_run(IncidentOwner(services, REF))
    carry(run)
    assert answer(prefect_server, run, FIX) == "ACCEPT"
    World.call(prefect_server, "POST", f"flow_runs/{run}/set_state", json={"state": {"type": "CRASHED"}, "force": True})
    assert look_after_incidents(services) == [f"{REF} has a new run"]
    again = ensure_run(IncidentOwner(services, REF))
    assert again != run
    assert carry(again) == "Completed"
    assert {services.ledger.case(ref).state for ref in refs} == {State.DECIDED}


@pytest.mark.usefixtures("refs")
def test_a_run_whose_process_died_is_said_to_have_crashed_when_the_next_one_goes_on(
    services: Services, prefect_server: PrefectServer
) -> None:
    run = ensure_run(IncidentOwner(services, REF))
    running = {"state": {"type": "RUNNING"}, "force": True}
    World.call(prefect_server, "POST", f"flow_runs/{run}/set_state", json=running)
    assert ensure_run(IncidentOwner(services, REF)) == run, "its process is about to take its lock"
    later = replace(services, clock=lambda: utc_now() + timedelta(minutes=1))
    again = ensure_run(IncidentOwner(later, REF))
    assert again != run
    assert read(prefect_server, f"flow_runs/{run}")["state_name"] == "Crashed"


def test_the_keeper_keeps_the_table_current_and_wakes_the_run_of_an_incident_that_is_over(
    services: Services, refs: list[str], prefect_server: PrefectServer
) -> None:
    run = ensure_run(IncidentOwner(services, REF))
    carry(run)
    incidents.decide_all(services.ledger, services.policy, REF, Decision.AFTER_FIX, "operator", "By hand.")
    assert look_after_incidents(services) == [f"{REF} is over"]
    assert {row["State"] for row in table(prefect_server)} == {"decided"}
    assert read(prefect_server, f"flow_runs/{run}")["state_type"] == "SCHEDULED"
    assert carry(run) == "Completed"
    assert look_after_incidents(services) == []
    assert {services.ledger.case(ref).state for ref in refs} == {State.DECIDED}


def test_after_an_answer_on_its_page_the_keeper_has_the_run_ask_anew(
    services: Services, refs: list[str], prefect_server: PrefectServer
) -> None:
    run = ensure_run(IncidentOwner(services, REF))
    carry(run)
    until = (utc_now() + timedelta(days=9)).date()
    decide = (services.ledger, services.policy, REF, Decision.KEEP_PAUSED, "operator", "Holidays.", until)
    assert sorted(incidents.decide_all(*decide, question=1, known_by=BY_LOGIN)) == refs
    look_after_incidents(services)
    assert read(prefect_server, f"flow_runs/{run}")["state_type"] == "SCHEDULED"
    assert carry(run) == "Suspended"
    assert incidents.question(services.store, REF) is not None
    look_after_incidents(services)
    assert read(prefect_server, f"flow_runs/{run}")["state_name"] == "Suspended", "it waits, and is left waiting"


def test_a_second_run_of_one_incident_does_nothing(
    services: Services, refs: list[str], prefect_server: PrefectServer
) -> None:
    first = ensure_run(IncidentOwner(services, REF))
    carry(first)
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("incident/incident")
        second = client.create_flow_run_from_deployment(deployment.id, parameters={"incident": REF})
    assert carry(str(second.id)) == "Completed"
    assert read(prefect_server, f"flow_runs/{first}")["state_name"] == "Suspended"
    assert {services.ledger.case(ref).state for ref in refs} == {State.WAITING}
