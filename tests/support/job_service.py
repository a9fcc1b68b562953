"""A made-up job service beside a test: its client over a transport without a network, and a clock that is moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from caseproof.platforms.http_jobs import HttpJobsClient
from caseproof.platforms.http_jobs_access import Access
from caseproof.platforms.http_jobs_declared import read_service
from sandbox.job_service import TOKEN, JobService, SimulatedJob, over
from sandbox.world import ROOT

RECIPES = ROOT / "docs" / "recipes"
DECLARATION = (RECIPES / "in-house-service.yaml").read_text(encoding="utf-8")
BASE = "https://jobs.example.com/api"


@dataclass
class Service:
    """The service, its clock, and clients of it by the usual declaration or one that a test changed."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 30, 8, tzinfo=UTC))
    waits: list[float] = field(default_factory=list)
    service: JobService = field(init=False)

    def __post_init__(self) -> None:
        self.service = JobService(clock=lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.move(seconds)

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def add(self, name: str = "orders/garden", **more: Any) -> SimulatedJob:
        given = {"shop": "garden", "marketplace": "bazaar", "connection": "sftp", "every_seconds": 3600.0} | more
        return self.service.add(SimulatedJob(name, **given))

    def client(
        self,
        change: Callable[[str], str] = lambda text: text,
        transport: httpx.BaseTransport | None = None,
        **access: Any,
    ) -> HttpJobsClient:
        given = {"site": "https://jobs.example.com/ui", "secret": TOKEN} | access
        return HttpJobsClient(
            read_service(change(DECLARATION)),
            Access(BASE, **given),
            transport=transport or over(self.service),
            sleep=self.sleep,
        )

    def asked(self, method: str) -> list[str]:
        """The paths that were called with this method."""
        return [one.path for one in self.service.asked if one.method == method]


def replaced(old: str, new: str) -> Callable[[str], str]:
    """A declaration in which this stands instead of that."""

    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)

    return change
