"""What a small world may have around it in place of Prefect's deployments and the embedded desk, made up as well.

``SimulatedJobs`` is the job service with the jobs of ``sandbox.jobs``; ``SimulatedDesk`` is the Zoho Desk. Each runs in
a process of its own, for as long as the world does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from caseproof.up.processes import wait_until
from sandbox.job_service import OPEN, TOKEN, SimulatedJob
from sandbox.marketplace import STOCK
from sandbox.zoho import CLIENT, CONTACT, DEPARTMENT, ORGANISATION, REFRESH, SECRET
from sandbox.zoho_pages import PAGES

PLATFORMS, DESKS = ("prefect", "http"), ("embedded", "zoho")
"""What a world's jobs can run on, and where its tickets can be."""
DECLARATION = Path(__file__).resolve().parent.parent / "docs" / "recipes" / "in-house-service.yaml"
_EVERY = 0.3
"""How many seconds a look at a run waits for the next one."""


@dataclass(frozen=True)
class SimulatedJobs:
    """The job service at ``url``, as people there use it."""

    url: str

    @property
    def page(self) -> str:
        """The address at which people open it."""
        return f"{self.url}/ui"

    def page_of(self, job: str) -> str:
        """The address of a job's page."""
        return f"{self.page}/jobs/{quote(job)}"

    def block(self) -> dict[str, Any]:
        """The fields of its block."""
        declaration = DECLARATION.read_text(encoding="utf-8")
        return {"base_url": f"{self.url}/api", "site_url": self.page, "secret": TOKEN, "declaration": declaration}

    def use_tokens(self, tokens: Mapping[str, str]) -> None:
        """Give the jobs of each retailer the token that they call the marketplace with."""
        for change in [{"id": job, "token": token} for retailer, token in tokens.items() for job in _selling(retailer)]:
            httpx.post(f"{self.url}/simulator/jobs", json=change, timeout=60, trust_env=False).raise_for_status()

    def run(self, job: str, seconds: float) -> dict[str, Any]:
        """Have a job run now, and wait for its end; the run, with its state as Prefect's API words one."""
        run = self._call("POST", "runs", json={"job": job})["run"]["id"]

        def over() -> dict[str, Any] | None:
            now = self._call("GET", f"runs/{run}")
            return None if now["state"] in OPEN else now

        ended = wait_until(f"a run of {job} to end", over, seconds, _EVERY)
        return {**ended, "state": {"name": ended["state"], "message": ended["text"]}}

    def _call(self, method: str, path: str, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{self.url}/api/{path}"
        answer = httpx.request(method, url, headers=headers, timeout=60, trust_env=False, **request)
        return answer.raise_for_status().json()


@dataclass(frozen=True)
class SimulatedDesk:
    """The Zoho Desk at ``url``."""

    url: str

    @property
    def page(self) -> str:
        """The address at which people read its tickets."""
        return f"{self.url}{PAGES}"

    def block(self) -> dict[str, Any]:
        """The fields of its block."""
        return {
            "organisation": ORGANISATION, "department": DEPARTMENT, "contact": CONTACT, "client_id": CLIENT,
            "client_secret": SECRET, "refresh_token": REFRESH, "api_url": f"{self.url}/api/v1", "login_url": self.url,
        }  # fmt: skip


def write_jobs(file: Path, retailers: Iterable[str], marketplace_url: str) -> None:
    """Write the jobs that ``sandbox.jobs`` deploys to Prefect, for the job service to read; they have no token yet."""
    made = list[SimulatedJob]()
    for retailer in retailers:
        orders, stock = _selling(retailer)
        feed = f"{marketplace_url}/feeds/{retailer}/catalog.csv"
        selling = {"shop": retailer, "marketplace": "bazaar", "connection": "bazaar-api"}
        made += [
            SimulatedJob(orders, **selling, calls=f"{marketplace_url}/orders"),
            SimulatedJob(stock, **selling, calls=f"{marketplace_url}/stock", sends={"items": STOCK}),
            SimulatedJob(f"catalog-sync/{retailer}", shop=retailer, connection="catalog-feed", calls=feed),
        ]
    for job in made:
        job.every_seconds, job.takes = 3600, 1
    file.write_text(json.dumps([_given(job) for job in made]), encoding="utf-8")


def _selling(retailer: str) -> tuple[str, str]:
    return f"marketplace-orders/{retailer}", f"stock-feed/{retailer}"


def _given(job: SimulatedJob) -> dict[str, Any]:
    return {name: value for name, value in asdict(job).items() if value is not None}
