"""Any HTTP job service under the suite: the made-up one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar

import httpx
import pytest

from blocks.http_jobs import HttpJobs
from caseproof.platforms.abilities import PlatformAbilities
from caseproof.platforms.base import JobPlatform, Run, RunState
from sandbox.provider import Bad as Wrong
from tests.conformance.platforms.line import HttpLine
from tests.support.job_service import Service


class HttpJobsLine(HttpLine):
    """Any HTTP job service: the made-up one, by its declaration in docs/recipes. No worker takes its runs."""

    NAME = "HTTP job service"
    BLOCK = HttpJobs
    ABILITIES: ClassVar[PlatformAbilities] = HttpJobs.ABILITIES.lacking({})
    WORDS: ClassVar[Mapping[RunState, str]] = {
        RunState.WAITING: "queued",
        RunState.RUNNING: "running",
        RunState.SUCCEEDED: "done",
        RunState.FAILED: "broken",
    }

    def start(self, request: pytest.FixtureRequest) -> None:  # noqa: ARG002 - it shares nothing
        self.there = Service(now=datetime.now(UTC))
        self.platform = self.there.client()

    def end(self) -> None:
        self.platform.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        whose = {"shop": shop, "marketplace": marketplace, "connection": connection}
        return self.there.add(f"feed-{self.mark}/{name}", held=True, **whose).id

    def due(self, job_id: str) -> None:
        self.there.service.jobs[job_id].next_at = self.there.now
        self.there.service.advance()

    def ran(self, job_id: str, state: RunState) -> str:
        run_id = self.there.service.queue(job_id).id
        self._becomes(run_id, state)
        return run_id

    def ends(self, run: Run, state: RunState) -> None:
        self._becomes(run.id, state)

    def _becomes(self, run_id: str, state: RunState) -> None:
        run = self.there.service.runs[run_id]
        run.state = self.WORDS[state]
        if state is not RunState.WAITING:
            run.started, run.ended = self.there.now, self.there.now if state.is_over else None
        self.there.move(0.01)

    def vanishes(self, job_id: str) -> None:
        del self.there.service.jobs[job_id]

    def lies(self, about: str) -> None:
        assert about in ("stop", "go_live")
        self.there.service.bad = [Wrong("nothing", "PUT")]

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        return self.there.client(transport=transport, secret="hunter2")

    def endless(self) -> JobPlatform:
        self.ran(self.add("endless"), RunState.SUCCEEDED)
        self.there.service.bad = [Wrong("endless")]
        return self.platform
