"""The daily check in one command (J2, J4, house rules 1, 4, 5): 300 jobs of the farm, and a few of a real Prefect."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.desks import EmbeddedDesk
from blocks.platforms import PrefectJobs
from caseproof.config.settings import Settings
from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.up.plan import EMERGENCY_POOL, POOL
from caseproof.up.prefect_services import deploy_command
from caseproof.up.processes import wait_until
from sandbox.farm import start_farm
from sandbox.processes import PrefectServer, start_prefect_server
from tests.support.job_history import OK, PastJob, make_history

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]

FAILURES = {
    "expired_token": 'JobFailed: GET http://bazaar.example.com/orders answered 401: {"detail": "token expired"}',
    "retailer_offboarded": "JobFailed: GET http://bazaar.example.com/orders answered 403: seller account is closed",
    "feed": "JobFailed: http://shop.example.com/catalog.csv is not CSV with a price in each line: KeyError('price')",
    "connection": "ConnectTimeout: timed out while connecting to bazaar.example.com",
    "our_platform": "ModuleNotFoundError: No module named 'shop_connectors'",
}
"""What 12 jobs each fail with, as long as any patience of the built-in policy lasts."""


def past_jobs(share: int) -> list[PastJob]:
    """For share=10: 300 jobs, 60 fail for five causes, 10 flap, 5 missed their schedule, 5 failed only once."""
    jobs = []
    for cause, message in FAILURES.items():
        for number in range(share + share // 5):
            tags = [f"retailer:shop-{number % 6}", f"marketplace:{'bazaar' if number < 6 else 'fair'}"]
            jobs.append(PastJob(f"{cause.replace('_', '-')}-{number}", [OK, *[message] * 5], tags))
    timed_out = FAILURES["connection"]
    by_turns = [OK, timed_out, OK, timed_out, OK, timed_out]
    jobs += [PastJob(f"flaps-{n}", by_turns, ["retailer:shop-1"]) for n in range(share)]
    jobs += [PastJob(f"late-{n}", [OK], ["retailer:shop-2"]) for n in range(share // 2 or 1)]
    jobs += [PastJob(f"once-{n}", [OK, timed_out], ["retailer:shop-3"]) for n in range(share // 2 or 1)]
    jobs += [PastJob(f"well-{n}", [OK], [f"retailer:shop-{n % 40}"]) for n in range(22 * share)]
    return jobs


def described(job: PastJob, now: datetime) -> dict[str, Any]:
    """The same job for the farm: it ran every hour, last a quarter of an hour ago; a late one hours ago."""
    latest = now - timedelta(hours=6 if job.name.startswith("late") else 0.25)
    times = [latest - timedelta(hours=hours) for hours in range(len(job.runs))][::-1]
    ends = [{"state": "COMPLETED"} if ended == OK else {"state": "FAILED", "message": ended} for ended in job.runs]
    return {
        "id": f"shop-job/{job.name}",
        "tags": list(job.tags),
        "schedules": [{"active": True, "schedule": {"interval": 3600, "anchor_date": times[0].isoformat()}}],
        "planned": 3,
        "runs": [{"start": at.isoformat(), "seconds": 30, **end} for at, end in zip(times, ends, strict=True)],
    }


@dataclass
class Place:
    """Jobs on a platform, and an installation that checks them."""

    server: PrefectServer
    home: Path
    jobs: list[PastJob]
    api_url: str
    stops: Callable[[], dict[str, int]]
    """How often each job was stopped, as far as the platform can tell: by the job's name."""

    def check(self, *arguments: str) -> Any:
        env = {**self.server.env(), "CASEPROOF_HOME": str(self.home)}
        done = subprocess.run(
            [sys.executable, "-m", "caseproof.cli", "check", "--platform", "shops", "--json", *arguments],
            env=env, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["platforms"]["shops"]

    @property
    def services(self) -> Services:
        return bootstrap(Settings(home=self.home, database_url=None, policy=None))

    def names(self, *beginnings: str) -> set[str]:
        wanted = tuple(one.replace("_", "-") for one in beginnings)
        return {job.name for job in self.jobs if job.name.startswith(wanted)}

    def cases(self) -> dict[str, str]:
        with self.services.store.reading() as uow:
            return {row.job.partition("/")[2]: row.ref for row in uow.cases.rows()}


@contextmanager
def set_up(server: PrefectServer, api_url: str) -> Iterator[None]:
    """Caseproof's flows, desk and platform on a server, where no worker runs them; what is made of it goes again."""
    wait_until("the work pools", lambda: all(map(server.api.ensure_pool, (POOL, EMERGENCY_POOL))), 60)
    command = deploy_command(str(ROOT / "prefect.yaml"))
    subprocess.run(command, env=server.env(), cwd=ROOT, check=True, capture_output=True)
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        EmbeddedDesk().save("desk", overwrite=True)
        PrefectJobs(api_url=api_url, ui_url=server.ui_url).save("shops", overwrite=True)
    yield
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        PrefectJobs.delete("shops")
    with server.client() as client:
        ours = {"deployments": {"name": {"any_": ["job-failure-case"]}}}
        while runs := client.post("flow_runs/filter", json=ours).raise_for_status().json():
            for run in runs:
                client.delete(f"flow_runs/{run['id']}").raise_for_status()


@pytest.fixture
def on_a_farm(prefect_server: PrefectServer, tmp_path: Path) -> Iterator[Place]:
    jobs = past_jobs(10)
    assert len(jobs) == 300
    told = [described(job, datetime.now(UTC)) for job in jobs]
    with start_farm(tmp_path / "farm", told, latency_ms=5) as farm, set_up(prefect_server, farm.api_url):
        yield Place(
            prefect_server, tmp_path, jobs, farm.api_url,
            lambda: {job.partition("/")[2]: counts["stops"] for job, counts in farm.jobs().items()},
        )  # fmt: skip


@pytest.fixture
def on_prefect(tmp_path: Path) -> Iterator[Place]:
    """Its jobs are all that there are on a server of its own."""
    server = start_prefect_server(tmp_path / "server")
    try:
        # Without the late ones: Prefect keeps the times itself, and nobody waits for hours here.
        jobs = [job for job in past_jobs(1) if not job.name.startswith(("late", "well-2"))]
        with set_up(server, server.api_url):
            deployments = make_history(server, jobs).deployments
            _wait_until_all_is_planned(server, len(jobs))

            def stops() -> dict[str, int]:
                with server.client() as client:
                    found = {name: client.get(f"deployments/{one}").json() for name, one in deployments.items()}
                return {name: int(deployment["paused"]) for name, deployment in found.items()}

            yield Place(server, tmp_path, jobs, server.api_url, stops)
    finally:
        server.stop()


def _wait_until_all_is_planned(server: PrefectServer, jobs: int) -> None:
    """As in life, where jobs had their schedules for long: Prefect's scheduler, which looks every 5 seconds at what is
    new, would plan runs of a job at the very moment in which it is stopped."""
    counts = [0]

    def no_more_come() -> bool:
        with server.client() as client:
            planned = {
                "flows": {"name": {"any_": ["shop-job"]}},
                "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
            }
            counts.append(client.post("flow_runs/count", json=planned).raise_for_status().json())
        return jobs <= counts[-1] == counts[-2]

    wait_until("Prefect's scheduler to have planned all jobs", no_more_come, 180, every=6)


@pytest.mark.full
def test_one_command_stops_what_fails_once_each_and_nothing_else_on_a_farm_of_300_jobs(on_a_farm: Place) -> None:
    stops_what_fails_once_each_and_nothing_else(on_a_farm)


@pytest.mark.full
def test_one_command_stops_what_fails_once_each_and_nothing_else_on_a_real_prefect(on_prefect: Place) -> None:
    stops_what_fails_once_each_and_nothing_else(on_prefect)


def stops_what_fails_once_each_and_nothing_else(place: Place) -> None:
    failing = place.names(*FAILURES)
    ours = {f"shop-job/{job.name}" for job in place.jobs}
    planned = place.check("--dry-run")
    once_each = {job.name: int(job.name in failing) for job in place.jobs}
    assert place.stops() == dict.fromkeys(once_each, 0)
    assert place.cases() == {}

    done = place.check()
    assert place.stops() == once_each
    assert set(place.cases()) == failing
    for ref in place.cases().values():
        kinds = [event.kind for event in place.services.ledger.case(ref).events]
        assert kinds.count(Kind.STOPPED) == 1
    # The plan equals what the run then did, and the report says what happened.
    assert [(one["job"], one["act"]) for one in planned["lines"]] == [(one["job"], one["act"]) for one in done["lines"]]
    lines = {one["job"].partition("/")[2]: one for one in done["lines"] if one["job"] in ours}
    assert {name for name, line in lines.items() if line["outcome"] == "stopped"} == failing
    assert {line["outcome"] for line in done["lines"]} == {"stopped", ""}
    for cause in FAILURES:
        assert {lines[name]["cause"] for name in place.names(cause)} == {cause}
    assert {name for name, line in lines.items() if line["verdict"] == "flapping"} == place.names("flaps")
    assert {name for name, line in lines.items() if line["verdict"] == "missed"} == place.names("late")
    assert {lines[name]["verdict"] for name in place.names("once")} == {"watched"}
    assert all(line["why"] for line in lines.values() if line["verdict"] != "fine")
    assert {name for name, line in lines.items() if line["verdict"] == "fine"} == place.names("well")

    again = place.check()
    assert place.stops() == once_each
    assert len(place.cases()) == len(failing)
    assert {line["outcome"] for line in again["lines"]} == {""}
