"""What the warm worker does where a call to Prefect fails: its base class would end, or leave a run as it is."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.workers.base import BaseWorker

from caseproof.up.processes import free_port
from warm_worker import worker
from warm_worker.worker import WarmWorker

RUN = FlowRun(id=uuid4(), flow_id=uuid4(), deployment_id=uuid4(), name="quiet-run")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where Prefect is meant to be; nobody listens there."""
    monkeypatch.setattr(worker, "CANCEL_SECONDS", 0.1)
    one = free_port()
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{one}/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield one


async def a_worker() -> WarmWorker:
    made = WarmWorker(work_pool_name="fast")
    made._logger = logging.getLogger("away")
    made._client = await get_client().__aenter__()
    made._has_successfully_synced = made.is_setup = True
    return made


@pytest.mark.usefixtures("port")
def test_a_poll_that_fails_ends_no_worker_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        made = await a_worker()
        for _ in range(3):
            assert await made.get_and_submit_flow_runs() == []
        await made.sync_with_backend()

    asyncio.run(test())
    assert [one.message for one in caplog.records if one.name == "away"] == [
        "Prefect does not answer. Runs that are at work go on, others wait until it does."
    ]


@pytest.mark.usefixtures("port")
def test_a_run_whose_first_call_fails_is_left_to_the_next_poll(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        made = await a_worker()
        made._submitting_flow_run_ids.add(RUN.id)
        await made._submit_run(RUN)
        assert RUN.id not in made._submitting_flow_run_ids

    asyncio.run(test())
    assert "Flow run 'quiet-run' is not started yet, Prefect does not answer" in caplog.text


def test_that_a_run_crashed_is_told_when_prefect_answers(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    async def propose(_self: object, *given: Any) -> None:
        told.append(given)

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: Any) -> None: ...

    monkeypatch.setattr(BaseWorker, "_propose_crashed_state", propose)

    async def test() -> None:
        made = await a_worker()
        telling = asyncio.create_task(made._propose_crashed_state(RUN, "it died"))
        await asyncio.sleep(0.5)
        assert told == []
        with HTTPServer(("127.0.0.1", port), Healthy) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            await asyncio.wait_for(telling, 60)
            await asyncio.to_thread(server.shutdown)

    asyncio.run(test())
    assert told == [(RUN, "it died")]


def test_the_flow_of_a_deployment_that_is_left_out_is_not_imported_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    class Prefect:
        async def read_deployments(self, **_: object) -> list[SimpleNamespace]:
            plain = {"path": None, "pull_steps": None}
            return [SimpleNamespace(name=name, entrypoint=f"flows.{name}", **plain) for name in ("cases", "weekly")]

    async def test() -> list[tuple[str, str]]:
        made = WarmWorker(work_pool_name="fast")
        made._client = Prefect()  # type: ignore[assignment]
        return await made._flows_of_the_pool()

    assert asyncio.run(test()) == [("flows.cases", ""), ("flows.weekly", "")]
    monkeypatch.setenv("WARM_WORKER_LEAVES_OUT", "weekly another")
    assert asyncio.run(test()) == [("flows.cases", "")]
