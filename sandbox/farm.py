"""A job farm: a job platform with thousands of jobs in one small process, which answers as Prefect does.

It is for what a real Prefect server cannot give: a thousand jobs stopped at once, a platform that goes wrong on demand,
and counts of what was done to each job. In tests: ``with start_farm(folder, farm_of(500, failing=60)) as farm: ...``.
By hand: ``python -m sandbox.farm --port 4300 --jobs 500 --failing 60`` runs until SIGTERM (or Ctrl-C);
``--description FILE`` (or ``-``) takes the jobs from JSON: a list of objects with

    id         flow/name
    tags       as on a deployment: retailer:..., marketplace:..., connection:...
    schedules  as in Prefect: [{"schedule": {"interval": 3600, "anchor_date": ..., "timezone": "UTC"}, "active": true}]
    paused     false
    planned    how many runs its scheduler has queued
    runs       [{"start": ISO, "seconds": 30, "state": "FAILED", "name": ..., "message": ..., "forced": false}];
               forced: it failed, and somebody called it completed; RUNNING and SCHEDULED have no end

``GET /farm/jobs`` tells how often each job was stopped; ``POST /farm/behaviour`` makes the farm behave badly
(``Behaviour``); everything else is Prefect's API, under ``/api``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal, get_args

import httpx

from caseproof.platforms.prefect import PrefectJobsClient
from caseproof.up.processes import Process, free_port
from sandbox.farm_http import Asked, Connection, Reply
from sandbox.farm_prefect import PrefectAnswers
from sandbox.farm_state import FarmState

ROOT = Path(__file__).resolve().parents[1]
Kind = Literal[
    "too many",  # 429 with Retry-After of `value` seconds, and nothing done
    "unavailable",  # 503, and nothing done
    "endless",  # every page of a list is its first page
    "growing",  # every page of runs is full of runs that nobody has seen
    "half pages",  # every page of a list has half the rows it could have
    "cut short",  # a list ends after its first page
    "repeats",  # every row of a page comes twice
    "clock",  # the Date header is `value` hours off
    "drop",  # the effect takes place, and the connection breaks
    "lie",  # a write is answered as if it were done, and nothing happens
    "slow",  # `value` seconds later
]


@dataclass
class Behaviour:
    """How the farm goes wrong: where ``path`` is part of what is called, and so many ``times`` (None: always)."""

    kind: Kind
    path: str = ""
    times: int | None = None
    value: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"The farm knows {', '.join(get_args(Kind))}, not {self.kind!r}.")


class FarmServer:
    """The farm's answers, good and bad."""

    def __init__(self, jobs: Sequence[dict[str, Any]], offset: timedelta = timedelta()) -> None:
        self.state = FarmState(lambda: datetime.now(UTC) + offset)
        for job in jobs:
            self.state.describe(job)
        self._prefect = PrefectAnswers(self.state)
        self._bad: list[Behaviour] = []
        self._requests = self._made_up = 0

    def answer(self, asked: Asked) -> Reply:
        if asked.path.startswith("/farm/"):
            return self._about_itself(asked)
        self._requests += 1
        path = asked.path.removeprefix("/api/")
        hours = sum(one.value for one in self._bad if one.kind == "clock")
        bad = next((one for one in self._bad if one.kind != "clock" and one.path in path and one.times != 0), None)
        if bad and bad.times is not None:
            bad.times -= 1
        reply = self._badly(bad, asked, path) if bad else self._prefect.answer(asked, path)
        reply.headers["Date"] = format_datetime(self.state.now() + timedelta(hours=hours), usegmt=True)
        return reply

    def _about_itself(self, asked: Asked) -> Reply:
        if asked.path == "/farm/jobs":
            jobs = {one.job_id: one.counts() for one in self.state.deployments.values()}
            return Reply({"jobs": jobs, "requests": self._requests})
        if asked.path == "/farm/behaviour":
            try:
                self._bad = [Behaviour(**one) for one in asked.body]
            except (TypeError, ValueError) as error:
                return Reply({"detail": str(error)}, 422)
            return Reply([asdict(one) for one in self._bad])
        return Reply({"detail": "Not Found"}, 404)

    def _badly(self, bad: Behaviour, asked: Asked, path: str) -> Reply:
        match bad.kind:
            case "too many":
                return Reply({"detail": "Slow down."}, 429, {"Retry-After": f"{bad.value:g}"})
            case "unavailable":
                return Reply({"exception_message": "Service Unavailable"}, 503)
            case "lie":
                return Reply({"state": None, "status": "ACCEPT", "details": {}})
        if path.endswith("/filter"):
            return self._bad_page(bad.kind, asked, path)
        reply = self._prefect.answer(asked, path)
        if bad.kind == "drop":
            reply.drop = True
        if bad.kind == "slow":
            reply.after = bad.value
        return reply

    def _bad_page(self, kind: Kind, asked: Asked, path: str) -> Reply:
        body = dict(asked.body)
        if kind in ("endless", "growing"):
            body["offset"] = 0
            if "flow_runs" in body:
                body["flow_runs"] = {**body["flow_runs"], "start_time": {"is_null_": False}}
        if kind in ("half pages", "repeats"):
            body["limit"] = max(body["limit"] // 2, 1)
        page = self._prefect.answer(Asked(asked.method, asked.path, asked.query, body), path)
        if kind == "repeats":
            page.body = [row for row in page.body for _ in range(2)]
        if kind == "cut short" and self._is_later(body):
            page.body = []
        if kind == "growing" and page.body:
            page.body = [{**page.body[-1], "id": self._unseen()} for _ in range(body["limit"])]
        return page

    def _is_later(self, body: dict[str, Any]) -> bool:
        """Whether a page is not the first: by its offset, or by a start after the first run's."""
        first = next((run.start for run in self.state.in_order() if run.start), None)
        after = (body.get("flow_runs") or {}).get("start_time", {}).get("after_")
        return bool(body["offset"] or (after and first and datetime.fromisoformat(after) > first))

    def _unseen(self) -> str:
        self._made_up += 1
        return f"made-up-{self._made_up}"


# -- a farm of its own process ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Farm:
    """A farm that runs."""

    process: Process | None
    """Its process, where it has one of its own."""
    url: str

    @property
    def api_url(self) -> str:
        return f"{self.url}/api"

    def client(self) -> PrefectJobsClient:
        """A client of its own."""
        return PrefectJobsClient(self.api_url, self.url)

    def jobs(self) -> dict[str, dict[str, Any]]:
        """What was done to each job: paused, pauses (calls), stops (those that changed something), resumes, ..."""
        found: dict[str, dict[str, Any]] = (
            httpx.get(f"{self.url}/farm/jobs", timeout=60).raise_for_status().json()["jobs"]
        )
        return found

    def requests(self) -> int:
        """How many calls of Prefect's API there were."""
        return int(httpx.get(f"{self.url}/farm/jobs", timeout=60).raise_for_status().json()["requests"])

    def behave(self, *bad: Behaviour) -> None:
        """Behave so from now on; without any, well."""
        told = [asdict(one) for one in bad]
        httpx.post(f"{self.url}/farm/behaviour", json=told, timeout=60).raise_for_status()


@contextmanager
def start_farm(
    folder: Path, jobs: Sequence[dict[str, Any]], *, latency_ms: float = 0, now: datetime | None = None
) -> Iterator[Farm]:
    """Start a farm with these jobs on a free port, wait until it answers, and stop it at the end.

    ``folder`` takes its log and the description; ``now`` is what its clock says at its start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    description, port = folder / "farm.json", free_port()
    description.write_text(json.dumps(list(jobs)))
    command = [sys.executable, "-m", "sandbox.farm", "--port", str(port), "--description", str(description.resolve())]
    command += ["--latency-ms", f"{latency_ms:g}", *(["--now", now.isoformat()] if now else [])]
    process = Process.start("job farm", command, cwd=ROOT, env=dict(os.environ), log=folder / "farm.log")
    farm = Farm(process, f"http://127.0.0.1:{port}")
    try:
        process.wait_until_ready("the job farm to answer", lambda: _answers(farm), 120)
        yield farm
    finally:
        process.stop()


def _answers(farm: Farm) -> bool:
    try:
        return httpx.get(f"{farm.api_url}/health", timeout=60).is_success
    except httpx.TransportError:
        return False


# -- a description ---------------------------------------------------------------------------------------------------

CAUSES = (
    "401 Unauthorized from the marketplace: the access token expired",
    "403 Forbidden: this retailer is no longer active on the marketplace",
    "Element not found: price (has the website changed?)",
    "Feed rejected: the column 'gtin' is missing in line 1",
    "Connection refused by sftp.example.com:22",
)


def farm_of(
    jobs: int,
    *,
    failing: int = 0,
    flapping: int = 0,
    missed: int = 0,
    runs: int = 24,
    now: datetime | None = None,
    planned: int = 0,
) -> list[dict[str, Any]]:
    """The description of so many hourly jobs: the first ``failing`` fail now, for five causes in turn; after them
    ``flapping`` ones, which fail every second time; then those that ``missed`` their last ten starts; the others work.

    Each has ``runs`` runs until ``now`` (the real time); of a failing one the last eight failed.
    """
    now = now or datetime.now(UTC)
    last = now.replace(minute=0, second=0, microsecond=0)
    found = []
    for number in range(jobs):
        kind = next(
            (name for name, end in (("failing", failing), ("flapping", failing + flapping)) if number < end),
            "missed" if number < failing + flapping + missed else "working",
        )
        own_last = last - timedelta(hours=10 if kind == "missed" else 0)
        happened = []
        for back in range(runs - 1, -1, -1):
            bad = (kind == "failing" and back < 8) or (kind == "flapping" and back % 2 == 1)
            # Each job starts a little after the one before, as they do: no two at the same moment.
            start = own_last - timedelta(hours=back) - timedelta(seconds=30) + timedelta(milliseconds=number)
            outcome = {"state": "FAILED", "message": CAUSES[number % len(CAUSES)]} if bad else {"state": "COMPLETED"}
            happened.append({"start": start.isoformat(), "seconds": 20, **outcome})
        every = {"interval": 3600, "anchor_date": "2026-01-01T00:00:00+00:00", "timezone": "UTC"}
        found.append(
            {
                "id": f"feed/shop-{number:04}",
                "tags": [
                    f"retailer:Shop {number // 3:04}",
                    f"marketplace:{('North', 'South', 'East', 'West')[number % 4]}",
                    f"connection:api-{number % 7}",
                ],
                "schedules": [{"schedule": every, "active": True}],
                "planned": planned,
                "runs": happened,
            }
        )
    return found


# -- by hand ---------------------------------------------------------------------------------------------------------


async def serve(port: int, server: FarmServer, latency: float) -> None:
    """Answer until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server.answer, latency), "127.0.0.1", port, backlog=512)
    ended = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, ended.set)
    said = f"The job farm answers at http://127.0.0.1:{port}/api ({len(server.state.deployments)} jobs)."
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    await ended.wait()
    listening.close()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.farm", description="A job platform with many jobs.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="how late each answer comes")
    parser.add_argument("--now", type=datetime.fromisoformat, help="what its clock says at the start")
    parser.add_argument("--description", help="a JSON file with the jobs; - for standard input")
    for name, text in {"jobs": 100, "failing": 0, "flapping": 0, "missed": 0, "runs": 24, "planned": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=text, help="of the jobs without a description")
    told = parser.parse_args(argv)
    real = datetime.now(UTC)
    now = told.now or real
    if told.description:
        source = sys.stdin.read() if told.description == "-" else Path(told.description).read_text()
        jobs = json.loads(source)
    else:
        kinds = {name: getattr(told, name) for name in ("failing", "flapping", "missed", "runs", "planned")}
        jobs = farm_of(told.jobs, now=now, **kinds)
    asyncio.run(serve(told.port, FarmServer(jobs, now - real), told.latency_ms / 1000))
    return 0


if __name__ == "__main__":
    sys.exit(main())
