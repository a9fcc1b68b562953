"""How fast a check stops jobs: against the same HTTP calls without anything around them.

The platform is the job farm (``sandbox/farm.py``), a process of its own that answers as Prefect does, 20 ms late; each
job has runs planned, as a live schedule has. A stop with its read-backs is eight calls of Prefect's API; the baseline
makes these and nothing else: no case, no intent, no evidence, no second's wait before the second read-back. How many
calls a job takes is a figure of its own. ``python -m benchmarks.containment`` measures alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from caseproof.config.policy_check import Pace
from caseproof.config.settings import Settings
from caseproof.platforms.base import JobPlatform, Listed
from caseproof.platforms.prefect_wire import RUNNING, WAITING
from caseproof.procedure.containment.stop_targets import Target, stop_targets
from caseproof.procedure.core.services import Services, bootstrap
from sandbox.farm import Farm, farm_of, start_farm

JOBS = 1000
AT_ONCE = 20
LATENCY_MS = 20.0
ROUNDS = 2
TARGET = 1.25
PLANNED = 3
"""Runs that the scheduler has planned for each job, as Prefect's does; the pause takes them away."""
CALLS = 8
"""What the client needs for a job: 2 to see how it stands, 2 to stop it, 2 and 2 to read it back twice."""
CALLS_AT_FIRST = 12
"""What it needed at first: the runs were counted by two questions, and a stop looked its deployment up again."""

Call = tuple[str, str, dict[str, Any] | None]


def figures() -> list[dict[str, Any]]:
    """The figure, as ``make bench`` writes it down: the best of some rounds each, taken in turn."""
    took: dict[str, list[Took]] = {"we": [], "thread pool": [], "async loop": []}
    with tempfile.TemporaryDirectory() as folder:
        services = bootstrap(Settings(home=Path(folder) / "home"))
        jobs = farm_of(JOBS * ROUNDS * len(took), failing=JOBS * ROUNDS * len(took), runs=1, planned=PLANNED)
        with start_farm(Path(folder) / "farm", jobs, latency_ms=LATENCY_MS) as farm, farm.client() as client:
            listed = list(client.survey(datetime.now(UTC) - timedelta(hours=1)).jobs)
            portions = iter([listed[start : start + JOBS] for start in range(0, len(listed), JOBS)])
            for _ in range(ROUNDS):
                took["we"].append(_measured(farm, next(portions), lambda some: _stop_all(services, client, some)))
                took["thread pool"].append(_measured(farm, next(portions), lambda some: _threads(farm, some)))
                took["async loop"].append(_measured(farm, next(portions), lambda some: asyncio.run(_loop(farm, some))))
            stops = {job["stops"] for job in farm.jobs().values()}
        services.store.close()
    if stops != {1}:
        raise AssertionError("Not every job was stopped once.")
    ours = min(one.seconds for one in took["we"])
    baseline, name = min((one.seconds, name) for name in ("thread pool", "async loop") for one in took[name])
    calls = max(one.calls for one in took["we"]) / JOBS
    if any(one.calls != CALLS * JOBS for name in ("thread pool", "async loop") for one in took[name]):
        raise AssertionError("The baseline makes other calls than it says.")
    command = "python -m benchmarks.containment"
    return [
        {
            "figure": f"{JOBS:,} failing jobs contained (stopped and read back), {LATENCY_MS:g} ms latency,"
            f" concurrency {AT_ONCE}: {ours:.1f} s",
            "baseline": f"the same {CALLS * JOBS:,} calls from a bare httpx {name}: {baseline:.1f} s",
            "ratio": round(ours / baseline, 3),
            "target": f"<= {TARGET}",
            "ok": ours / baseline <= TARGET,
            "command": command,
        },
        {
            "figure": f"calls of the platform for each of {JOBS:,} jobs, both read-backs kept: {calls:g}"
            f" (at most {CALLS})",
            "baseline": f"the same stop at first: {CALLS_AT_FIRST}",
            "ratio": round(calls / CALLS_AT_FIRST, 3),
            "target": f"<= {CALLS / CALLS_AT_FIRST:.2f}",
            "ok": calls <= CALLS,
            "command": command,
        },
    ]


class Took(NamedTuple):
    """What it took to contain a portion of the jobs."""

    seconds: float
    calls: int


def _measured(farm: Farm, some: list[Listed], contain: Callable[[list[Listed]], None]) -> Took:
    before, begun = farm.requests(), time.perf_counter()
    contain(some)
    return Took(time.perf_counter() - begun, farm.requests() - before)


def _stop_all(services: Services, client: JobPlatform, some: Sequence[Listed]) -> None:
    """As a check does: a case, its intent, the stop, both read-backs and the evidence, all of it written down."""
    targets = [Target(one.job, "expired_token", "401 Unauthorized") for one in some]
    results = stop_targets(services.stopping, "farm", client, targets, Pace(at_once=AT_ONCE, per_second=10_000))
    if any(one.outcome != "stopped" for one in results):
        raise AssertionError("Not every job was stopped.")


def _calls(job_id: str) -> Generator[Call, Any, None]:
    """The calls for one job; the answers are sent in."""
    found: list[str] = []

    def deployment() -> Generator[Call, Any, None]:
        answer = yield "GET", f"deployments/name/{job_id}", None
        found[:] = [answer["id"]]

    def runs(*types: str) -> Call:
        those = {"deployment_id": {"any_": found}, "state": {"type": {"any_": list(types)}}}
        return "POST", "flow_runs/paginate", {"flow_runs": those, "sort": "ID_DESC", "limit": 200, "page": 1}

    def standing() -> Generator[Call, Any, None]:
        yield from deployment()
        yield runs(*WAITING, *RUNNING)

    yield from standing()
    yield "POST", f"deployments/{found[0]}/pause_deployment", {}
    yield runs(*WAITING, "RUNNING")
    yield from standing()
    yield from standing()


def _threads(farm: Farm, some: Sequence[Listed]) -> None:
    with httpx.Client(base_url=farm.api_url, timeout=30) as client, ThreadPoolExecutor(AT_ONCE) as pool:

        def contain(job_id: str) -> None:
            calls = _calls(job_id)
            method, path, body = next(calls)
            while True:
                answer = client.request(method, path, json=body)
                try:
                    method, path, body = calls.send(answer.json() if answer.content else None)
                except StopIteration:
                    return

        list(pool.map(contain, [one.job.id for one in some]))


async def _loop(farm: Farm, some: Sequence[Listed]) -> None:
    left = iter([one.job.id for one in some])
    async with httpx.AsyncClient(base_url=farm.api_url, timeout=30) as client:

        async def worker() -> None:
            for job_id in left:
                calls = _calls(job_id)
                method, path, body = next(calls)
                while True:
                    answer = await client.request(method, path, json=body)
                    try:
                        method, path, body = calls.send(answer.json() if answer.content else None)
                    except StopIteration:
                        break

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(figures(), indent=2) + "\n")
