"""The job farm answers as a real Prefect server does, counts what is done to its jobs, and goes wrong on demand."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from caseproof.domain.errors import CaseproofError
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import PlatformDown, Run, RunState, UnknownJob, UnknownRun
from caseproof.platforms.prefect import PrefectJobsClient
from sandbox.farm import ROOT, Behaviour, Farm, farm_of, start_farm
from sandbox.processes import PrefectServer
from tests.support.prefect_api import ask_prefect

JOB = "feed/shop-0000"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with start_farm(tmp_path_factory.mktemp("farm"), farm_of(30, failing=6, flapping=3, missed=2, planned=2)) as farm:
        yield farm


@pytest.fixture
def farm(running: Farm) -> Iterator[Farm]:
    yield running
    running.behave()


# -- the same as Prefect


@dataclass
class Side:
    """One of the two: its API, a client of it, and what was seen, without ids, times and addresses."""

    api: httpx.Client
    jobs: PrefectJobsClient
    flow: str
    seen: list[Any] = field(default_factory=list)

    def do(self, method: str, path: str, body: Any = None) -> Any:
        return ask_prefect(self.api, method, path, body)

    def deploy(self, name: str) -> str:
        rarely = {"interval": 630720000.0, "anchor_date": "2020-01-01T00:00:00Z", "timezone": "Europe/Berlin"}
        body = {
            "name": name,
            "flow_id": self.do("POST", "flows/", {"name": self.flow})["id"],
            "tags": [f"retailer:{self.flow}", "marketplace:M1", "connection:C1"],
            "schedules": [{"schedule": rarely, "active": True}, {"schedule": {"cron": "0 6 1 1 *"}, "active": False}],
            "enforce_parameter_schema": False,
        }
        self.do("POST", "deployments/", body)
        return f"{self.flow}/{name}"

    def start(self, job: str, *states: str) -> str:
        """A run that goes through ``states`` (type, or type:name), forced."""
        deployment = self.do("GET", f"deployments/name/{job}")["id"]
        asked = {"name": "-".join(states) or "new"}
        run = str(self.do("POST", f"deployments/{deployment}/create_flow_run", asked)["id"])
        for told in states:
            kind, _, name = told.partition(":")
            state = {"type": kind, "message": "401 from the shop"} | ({"name": name} if name else {})
            self.do("POST", f"flow_runs/{run}/set_state", {"state": state, "force": True})
        return run

    def see(self, *runs: Run) -> None:
        for run in runs:
            at = (run.started_at is not None, run.ended_at is not None)
            self.seen.append((run.name, run.job, run.state, run.said, run.message, *at))

    def see_refusal(self, error: type[CaseproofError], call: Callable[[str], Any], what: str) -> None:
        with pytest.raises(error):
            call(what)


HISTORIES = (
    ("PENDING", "RUNNING", "COMPLETED"),
    ("RUNNING", "FAILED"),
    ("RUNNING", "FAILED", "COMPLETED"),
    ("COMPLETED",),
    ("RUNNING", "SCHEDULED:AwaitingRetry", "RUNNING", "COMPLETED"),
    ("RUNNING", "CANCELLING", "COMPLETED"),
    ("RUNNING", "COMPLETED:Cached"),
    ("PENDING", "CRASHED"),
)
UNFINISHED = ((), ("RUNNING",), ("PENDING",), ("RUNNING", "PAUSED"))


def what_a_client_sees(side: Side) -> list[Any]:
    """The answers to every call of a client."""
    jobs, before = side.jobs, datetime.now(UTC) - timedelta(minutes=5)
    shop, stock = side.deploy("shop"), side.deploy("stock")
    side.see(*(jobs.run(side.start(shop, *states)) for states in HISTORIES))
    side.see(*jobs.runs_since(shop, before))

    for states in UNFINISHED:
        side.start(shop, *states)
    deployment = side.do("GET", f"deployments/name/{shop}")["id"]
    five = {"end_time": "2200-01-01T00:00:00Z", "max_runs": 5, "min_runs": 5}
    side.do("POST", f"deployments/{deployment}/schedule", five)
    side.seen.append([job.id for job in jobs.jobs_in(Scope.MARKETPLACE, jobs.job(shop))])
    for act in (jobs.stop, jobs.stop, jobs.go_live, jobs.go_live):
        act(shop)
        standing = jobs.standing(shop)
        # How many runs a real scheduler queues by itself is its own affair.
        side.seen.append((standing.active, standing.active or standing.waiting, standing.running))
    unfinished = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": ["CANCELLING"]}}}
    for page in (1, 2, 3):
        asked = {"flow_runs": unfinished, "sort": "ID_DESC", "limit": 2, "page": page}
        answer = side.do("POST", "flow_runs/paginate", asked)
        side.seen.append((len(answer["results"]), answer["count"]))

    keyed = [jobs.start_run(job, "key:1") for job in (shop, shop, stock)]
    assert keyed[0] == keyed[1] == jobs.run_by_key(shop, "key:1") != keyed[2]
    side.see(*keyed)
    side.seen.append(jobs.run_by_key(shop, "key:2"))

    deployment = side.do("GET", f"deployments/name/{stock}")["id"]
    long_ago = {"start_time": "2019-12-31T00:00:00Z", "end_time": "2020-01-02T00:00:00Z", "max_runs": 1, "min_runs": 1}
    side.do("POST", f"deployments/{deployment}/schedule", long_ago)  # nobody starts it: it is late
    some, everything = jobs.survey(before, [shop, stock, f"{side.flow}/gone"]), jobs.survey(before)
    assert some.clock is not None
    assert abs(some.clock - datetime.now(UTC)) < timedelta(minutes=1)
    side.seen += [(one.job.id, one.job.marketplace, one.active, one.schedules, one.late) for one in some.jobs]
    assert [len(one.late) for one in some.jobs] == [0, 1]
    side.seen.append([one.job.id for one in everything.jobs if one.job.id.startswith(side.flow)])
    side.see(*(run for page in some.pages for run in page))
    side.see(*(run for page in everything.pages for run in page if run.job.startswith(side.flow)))

    side.see_refusal(UnknownJob, jobs.standing, f"{side.flow}/gone")
    side.see_refusal(UnknownRun, jobs.run, str(uuid.UUID(int=7)))
    return side.seen


def test_the_farm_and_a_real_prefect_server_give_a_client_the_same_answers(
    farm: Farm, prefect_server: PrefectServer
) -> None:
    flow = f"feed-{uuid.uuid4().hex[:8]}"
    with prefect_server.client() as api, PrefectJobsClient(prefect_server.api_url, prefect_server.ui_url) as jobs:
        real = what_a_client_sees(Side(api, jobs, flow))
    with httpx.Client(base_url=f"{farm.api_url}/", timeout=60) as api, farm.client() as jobs:
        made = what_a_client_sees(Side(api, jobs, flow))

    assert made == real


def test_what_the_farm_does_not_know_is_refused_and_never_passed_over(farm: Farm) -> None:
    with httpx.Client(base_url=f"{farm.api_url}/", timeout=60) as api:
        unknown = {"flow_runs": {"name": {"any_": ["x"]}}}
        assert api.post("flow_runs/count", json=unknown).status_code == 422
        assert api.post("flow_runs/paginate", json=unknown).status_code == 422
        assert api.post("flow_runs/filter", json={"sort": "NAME_ASC"}).status_code == 422
        assert api.post("flow_runs/filter", json={"sort": "ID_DESC", "limit": 201}).status_code == 422
        assert api.get("work_pools/x").status_code == 404
        assert api.post("flow_runs/count", content=b"{").status_code == 422
    told = httpx.post(f"{farm.url}/farm/behaviour", json=[{"kind": "nonsense"}], timeout=60)
    assert (told.status_code, "half pages" in told.text) == (422, True)


# -- its jobs, and what was done to them


def test_a_described_farm_has_jobs_that_fail_flap_miss_and_work(farm: Farm) -> None:
    now = datetime.now(UTC)
    with farm.client() as jobs:
        runs = [run for page in jobs.survey(now - timedelta(hours=30)).pages for run in page]
    history: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: str(run.started_at)):
        if run.job.startswith("feed/"):  # and not of another test
            history.setdefault(run.job, []).append(run)

    assert len(history) == 30
    late = [mine[-1].started_at for mine in history.values()]
    assert sum(at is not None and now - at > timedelta(hours=8) for at in late) == 2
    failing = [mine for mine in history.values() if all(run.state is RunState.FAILED for run in mine[-8:])]
    assert len(failing) == 6
    assert len({mine[-1].message for mine in failing}) == 5
    changes = [sum(one.state != other.state for one, other in pairwise(mine)) for mine in history.values()]
    assert sum(count > 10 for count in changes) == 3


def test_the_farm_counts_for_each_job_how_often_it_was_stopped_and_takes_twenty_clients_at_once(farm: Farm) -> None:
    chosen = [f"feed/shop-{number:04}" for number in range(10, 30)]
    asked = farm.requests()

    with farm.client() as jobs, ThreadPoolExecutor(20) as pool:
        list(pool.map(jobs.stop, chosen))
        jobs.stop(chosen[0])
        assert jobs.standing(chosen[0]).is_stopped

    counts = farm.jobs()
    assert [counts[job]["stops"] for job in chosen] == [1] * 20
    assert [counts[job]["pauses"] for job in chosen] == [2] + [1] * 19
    assert (counts[JOB]["stops"], counts[JOB]["unfinished"], counts[chosen[0]]["unfinished"]) == (0, 2, 0)
    assert farm.requests() - asked == 20 * 3 + 2 + 2, "its id, the pause, what is left; then it is known"


def test_a_connection_that_breaks_after_the_effect_leaves_the_job_stopped_once(farm: Farm) -> None:
    farm.behave(Behaviour("drop", "pause_deployment", times=1))

    with farm.client() as jobs:
        with pytest.raises(PlatformDown):
            jobs.stop("feed/shop-0001")
        assert not jobs.standing("feed/shop-0001").active
        jobs.stop("feed/shop-0001")

    assert (farm.jobs()["feed/shop-0001"]["stops"], farm.jobs()["feed/shop-0001"]["pauses"]) == (1, 2)


def test_a_platform_that_lies_about_a_stop_is_found_by_reading_back_j2(farm: Farm) -> None:
    farm.behave(Behaviour("lie", "pause_deployment"))

    with farm.client() as jobs:
        jobs.stop("feed/shop-0002")
        assert not jobs.standing("feed/shop-0002").is_stopped

    assert farm.jobs()["feed/shop-0002"]["pauses"] == 0


def test_a_farm_can_be_started_by_hand_with_a_description_from_standard_input() -> None:
    command = [sys.executable, "-m", "sandbox.farm", "--port", "0", "--description", "-"]
    jobs = [{"id": "feed/one", "tags": ["retailer:R1"]}]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(jobs))
        process.stdin.close()
        said = process.stdout.readline()
        process.terminate()
    assert "(1 jobs)" in said
    assert process.returncode == 0
