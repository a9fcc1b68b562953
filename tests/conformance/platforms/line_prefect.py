"""Prefect under the suite: a real server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import httpx
import pytest

from blocks.platforms import PrefectJobs
from caseproof.platforms.base import JobPlatform, Run, RunState
from caseproof.platforms.prefect import PrefectJobsClient
from sandbox.farm import FarmServer
from sandbox.farm_http import Asked
from tests.conformance.lines import Liar
from tests.conformance.platforms.line import HttpLine
from tests.support.prefect_world import PrefectWorld


class PrefectLine(HttpLine):
    """Prefect: a real server, shared with other tests. No worker: states are set as one would."""

    NAME = "Prefect"
    BLOCK = PrefectJobs
    ABILITIES = PrefectJobs.ABILITIES
    NEEDS = ("prefect_server",)
    LIES: ClassVar[Mapping[str, str]] = {"stop": "pause_deployment", "go_live": "resume_deployment"}
    STATES: ClassVar[Mapping[RunState, tuple[str, ...]]] = {
        RunState.WAITING: (),
        RunState.RUNNING: ("RUNNING",),
        RunState.SUCCEEDED: ("RUNNING", "COMPLETED"),
        RunState.FAILED: ("RUNNING", "FAILED"),
        RunState.CANCELLED: ("RUNNING", "CANCELLED"),
    }

    def start(self, request: pytest.FixtureRequest) -> None:
        server = request.getfixturevalue("prefect_server")
        self.world = PrefectWorld(self.enter(server.client(), request), f"feed-{self.mark}")
        self.liar = Liar()
        self.platform = PrefectJobsClient(server.api_url, server.ui_url, transport=self.liar)

    def end(self) -> None:
        self.platform.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        tags = (f"retailer:{shop}-{self.mark}", f"marketplace:{marketplace}", f"connection:{connection}")
        return self.world.deploy(name, tags, schedules=(True,))

    def due(self, job_id: str) -> None:
        if not self.world.deployment(job_id)["paused"]:  # the scheduler's own question; its loop is not waited for
            self.world.plan(job_id)

    def ran(self, job_id: str, state: RunState) -> str:
        return self.world.start(job_id, *((word, None) for word in self.STATES[state]))

    def ends(self, run: Run, state: RunState) -> None:
        for word in self.STATES[state]:
            self.world.set(run.id, word)

    def vanishes(self, job_id: str) -> None:
        self.world.delete(job_id)

    def lies(self, about: str) -> None:
        self.liar.about = self.LIES[about]

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        ui = self.ADDRESS.removesuffix("/api")
        return PrefectJobsClient(self.ADDRESS, ui, auth="admin:hunter2", transport=transport, sleep=lambda _: None)

    def endless(self) -> JobPlatform:
        ran = {"start": (datetime.now(UTC) - timedelta(hours=1)).isoformat(), "state": "COMPLETED"}
        farm = FarmServer([{"id": "feed/a", "runs": [ran]}], timedelta())
        farm.answer(Asked("POST", "/farm/behaviour", {}, [{"kind": "endless", "path": "flow_runs/filter"}]))
        return self.over(httpx.MockTransport(lambda request: _of_farm(farm, request)))


def _of_farm(farm: FarmServer, request: httpx.Request) -> httpx.Response:
    body = httpx.Response(200, content=request.content).json() if request.content else {}
    reply = farm.answer(Asked(request.method, request.url.path, dict(request.url.params), body))
    return httpx.Response(reply.status, json=reply.body, headers=reply.headers)
