"""Runs begin when Prefect's events tell of them; what no event told of, the worker's own polling finds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.events import Event, RelatedResource, Resource
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.up.processes import wait_until
from sandbox.processes import PrefectServer
from tests.worker.test_worker import Warm
from warm_worker import push
from warm_worker.push import ToldOf

SELDOM = 600.0


class Seldom(Warm):
    """A pool of the process worker's type, served by a worker of ours that polls every ten minutes."""

    pool_type = "process"
    query_seconds = SELDOM


@pytest.fixture
def seldom(prefect_server: PrefectServer, tmp_path: Path) -> Iterator[Seldom]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        made = Seldom(prefect_server, tmp_path)
        made.deploy()
        made.start()
        wait_until("the fork server to be ready", lambda: "runs start at once" in made.said, 120)
        yield made
        made.stop()


def test_a_run_begins_and_goes_on_at_once_though_the_worker_polls_every_ten_minutes(seldom: Seldom) -> None:
    begun = time.monotonic()
    run = seldom.begin("suspend_flow_run(wait_for_input=Said, key='q', timeout=None)")
    seldom.becomes(run, "Suspended")
    with seldom.client as client:
        client._client.post(f"/flow_runs/{run}/resume", json={"run_input": {"word": "yes"}})
    assert seldom.ends(run) == "Completed"
    assert time.monotonic() - begun < SELDOM * 0.6, "no poll came by itself meanwhile"
    assert "mismatch" not in seldom.said, "it serves such a pool as its own"


def told(run: UUID, pool: str = "ours") -> Event:
    mine = [
        RelatedResource(
            {"prefect.resource.id": "w", "prefect.resource.name": pool, "prefect.resource.role": "work-pool"}
        )
    ]
    resource = Resource({"prefect.resource.id": f"prefect.flow-run.{run}"})
    return Event(event="prefect.flow-run.Scheduled", resource=resource, related=mine)


class Events:
    """Prefect's events as a subscriber gives them; each list is one connection, an error is one that fails."""

    def __init__(self, *connections: list[Event] | Exception) -> None:
        self._connections = list(connections)

    def __call__(self, *_: Any, **__: Any) -> Events:
        return self

    async def __aenter__(self) -> Events:
        now = self._connections.pop(0) if self._connections else ConnectionError("away")
        if isinstance(now, Exception):
            raise now
        self._now = now
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        if not self._now:
            raise StopAsyncIteration
        return self._now.pop(0)


async def played(monkeypatch: pytest.MonkeyPatch, events: Events, polls: list[list[FlowRun]], expected: int) -> int:
    """Hear these events, and answer its polls in turn; how many there were: the expected ones, and what comes soon."""
    monkeypatch.setattr(push, "get_events_subscriber", events)
    monkeypatch.setattr(push, "AGAIN_SECONDS", (0.01,))
    monkeypatch.setattr(push, "LOOKS_SECONDS", (0.0, 0.01, 0.01))
    count = 0

    async def poll() -> list[FlowRun]:
        nonlocal count
        count += 1
        return polls.pop(0) if polls else []

    runs = ToldOf("ours", logging.getLogger("told"))
    both = [asyncio.create_task(one) for one in (runs.listen(), runs.poll(poll))]
    ends = time.monotonic() + 60
    while count < expected and time.monotonic() < ends:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    for one in both:
        one.cancel()
    return count


def flow_run(run: UUID) -> FlowRun:
    return FlowRun(id=run, flow_id=uuid4())


@pytest.mark.parametrize(
    ("found_at", "polls"), [(0, 1), (1, 2), (None, 3)], ids=["at once", "after its commit", "another worker has it"]
)
def test_it_polls_until_the_run_is_found_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, found_at: int | None, polls: int
) -> None:
    run = uuid4()
    answers: list[list[FlowRun]] = [[], [], []]
    if found_at is not None:
        answers[found_at] = [flow_run(run)]
    assert asyncio.run(played(monkeypatch, Events([told(run)]), answers, polls)) == polls


def test_a_run_of_another_pool_is_no_reason_to_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(played(monkeypatch, Events([told(uuid4(), "theirs")]), [], 0)) == 0


def test_events_that_cannot_be_heard_are_said_once_and_so_is_that_they_are_heard_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = uuid4()
    caplog.set_level(logging.INFO)
    away = ConnectionError("away")
    assert asyncio.run(played(monkeypatch, Events(away, away, [told(run)]), [[flow_run(run)]], 1)) == 1
    said = [one.getMessage() for one in caplog.records if one.name == "told"]
    assert said[0].startswith(
        "Prefect's events are not heard (ConnectionError('away')): runs begin with the next poll."
    )
    assert said[1] == "Prefect's events are heard again."
    assert len(said) <= 3
