"""Sweeps over the systems around us, each beside the barest program that reads the same.

``python -m benchmarks.systems`` measures alone. A made-up HTTP job service in a process of its own holds 200,000 runs,
which are paged by a cursor, 200 at once. The baseline is a loop over httpx that decodes each page and counts its rows.
Each reading is in a process of its own, by turns; the best of each counts. Memory is the peak of the process while it
reads all of them, beside one that reads a tenth.

The table of 1,000,000 runs is in an embedded PostgreSQL; its baseline is the same query by SQLAlchemy, read in chunks
(the driver alone, without SQLAlchemy's rows, takes less than half of that).

A thousand cases are mirrored to a made-up Zoho Desk that takes five calls at once, by ten clients of one home.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import create_engine, text

from caseproof.platforms.http_jobs import HttpJobsClient
from caseproof.platforms.http_jobs_access import Access
from caseproof.platforms.http_jobs_declared import read_service
from caseproof.platforms.sql_jobs import SqlJobsClient
from caseproof.platforms.sql_jobs_declaration import read_sql_declaration
from caseproof.up.postgres import EmbeddedPostgres
from caseproof.up.processes import Process, free_port, wait_until
from sandbox.job_service import TOKEN
from sandbox.job_table import DECLARATION, JobTable
from sandbox.world import ROOT
from sandbox.zoho import FIELD
from sandbox.zoho_many import mirrored

RUNS, ROUNDS, LATENCY_MS = 200_000, 3, 2
SLOWEST, MOST_MEMORY = 1.3, 1.5
CASES, SLOWEST_MIRROR = 1000, 2.0
COMMAND = "python -m benchmarks.systems"
SINCE = datetime.now(UTC) - timedelta(days=300)


def figures() -> list[dict[str, Any]]:
    """The figures, as ``make bench`` writes them down."""
    return [*http_sweep(), *sql_sweep(), *zoho_mirror()]


# -- an HTTP job service ----------------------------------------------------------------------------------------------


def http_sweep() -> list[dict[str, Any]]:
    """Time and memory of a survey's runs."""
    ours, bare = [], []
    with _service(RUNS) as address:
        for _ in range(ROUNDS):  # by turns, so that a busy moment of the machine hits both
            bare.append(_measured(_bare, address, RUNS))
            ours.append(_measured(_ours, address, RUNS))
    with _service(RUNS // 10) as address:
        few = _measured(_ours, address, RUNS // 10)
    seconds, least = min(one for one, _ in ours), min(one for one, _ in bare)
    peak = max(peak for _, peak in ours)
    return [
        _row(
            f"a sweep over {RUNS:,} runs of an HTTP job service, {LATENCY_MS} ms latency: {seconds:.1f} s",
            f"the same pages by a bare httpx loop that decodes them: {least:.1f} s",
            seconds / least,
            SLOWEST,
        ),
        _row(
            f"peak memory of the process of that sweep: {peak:.0f} MB",
            f"that of a sweep over {RUNS // 10:,} runs: {few[1]:.0f} MB",
            peak / few[1],
            MOST_MEMORY,
        ),
    ]


def _ours(address: str) -> int:
    declared = read_service((ROOT / "docs" / "recipes" / "in-house-service.yaml").read_text(encoding="utf-8"))
    client = HttpJobsClient(declared, Access(f"{address}/api", f"{address}/ui", secret=TOKEN))
    return sum(len(page) for page in client.survey(SINCE).pages)


def _bare(address: str) -> int:
    rows, cursor = 0, "0"
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, trust_env=False) as client:
        while cursor:
            query = {"since": SINCE.isoformat(), "size": "200", "cursor": cursor}
            body = client.get(f"{address}/api/runs", params=query).json()
            rows, cursor = rows + len(body["runs"]), body["next"]
    return rows


# -- a table of jobs --------------------------------------------------------------------------------------------------

TABLE_RUNS, TABLE_SLOWEST = 1_000_000, 1.5
QUERY = "SELECT id, feed, state, error, started, ended FROM feed_runs"
CHUNK = 2_000


def sql_sweep() -> list[dict[str, Any]]:
    """Time and memory of a survey over a table."""
    ours, bare = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "cluster", durable=False).running() as cluster,
    ):
        address, small = (_filled(cluster, *of) for of in (("many", TABLE_RUNS), ("few", TABLE_RUNS // 10)))
        for _ in range(ROUNDS):
            bare.append(_measured(_bare_query, address, TABLE_RUNS))
            ours.append(_measured(_our_query, address, TABLE_RUNS))
        few = _measured(_our_query, small, TABLE_RUNS // 10)
    seconds, least = min(one for one, _ in ours), min(one for one, _ in bare)
    peak = max(peak for _, peak in ours)
    return [
        _row(
            f"a survey over {TABLE_RUNS:,} runs of a SQL table: {seconds:.1f} s",
            f"the bare query by SQLAlchemy in chunks of {CHUNK:,}: {least:.1f} s",
            seconds / least,
            TABLE_SLOWEST,
        ),
        _row(
            f"peak memory of the process of that survey: {peak:.0f} MB",
            f"that of a survey over {TABLE_RUNS // 10:,} runs: {few[1]:.0f} MB",
            peak / few[1],
            MOST_MEMORY,
        ),
    ]


def _filled(cluster: EmbeddedPostgres, name: str, runs: int) -> str:
    """A database with this many runs of 500 jobs, one in twenty failed; its address."""
    cluster.ensure_database(name)
    with closing(JobTable(cluster.url(name))) as table:
        table.run(
            "INSERT INTO feeds (code, enabled, shop) SELECT 'feed-' || n, TRUE, 'shop' FROM generate_series(0, 499) n"
        )
        table.run(
            "INSERT INTO feed_runs (feed, state, error, started, ended) SELECT 'feed-' || (n % 500), "
            "CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'done' END, "
            "CASE WHEN n % 20 = 0 THEN 'HTTP 401 Unauthorized from feed ' || (n % 500) END, "
            "now() - n * interval '1 second', now() - n * interval '1 second' + interval '3 seconds' "
            "FROM generate_series(1, :runs) n",
            {"runs": runs},
        )
    return cluster.url(name)


def _our_query(address: str) -> int:
    with closing(SqlJobsClient(address, read_sql_declaration(DECLARATION), seconds=120)) as client:
        return sum(len(page) for page in client.survey(SINCE).pages)


def _bare_query(address: str) -> int:
    rows, engine = 0, create_engine(address)
    with engine.connect() as connection:
        reading = connection.execution_options(stream_results=True, yield_per=CHUNK)
        for part in reading.execute(text(QUERY)).partitions():
            rows += len(part)
    engine.dispose()
    return rows


@contextmanager
def _service(runs: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [sys.executable, "-m", "sandbox.job_service", "--port", str(port), "--latency-ms", str(LATENCY_MS)]
        log = Path(folder) / "service.log"
        process = Process.start("service", [*command, "--runs", str(runs)], cwd=ROOT, env=os.environ, log=log)
        try:
            wait_until("the service to listen", lambda: str(port) in log.read_text(), 60, every=0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stop()


def _measured(work: Callable[[str], int], address: str, runs: int) -> tuple[float, float]:
    """Seconds, and the peak of memory in MB, of a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        found, seconds, peak = other.submit(_timed, work, address).result()
    if found != runs:
        raise AssertionError(f"{found} of {runs} runs were read.")
    return seconds, peak


def _timed(work: Callable[[str], int], address: str) -> tuple[int, float, float]:
    begun = time.perf_counter()
    found = work(address)
    return found, time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


# -- Zoho Desk --------------------------------------------------------------------------------------------------------


def zoho_mirror() -> list[dict[str, Any]]:
    """Cases mirrored while 5 % of the answers are a 500 and 5 % are lost: the tickets, and the time it takes."""
    with tempfile.TemporaryDirectory() as folder, mirrored(Path(folder), CASES, broken=0, lost=0) as quiet:
        undisturbed = quiet.seconds
    with tempfile.TemporaryDirectory() as folder, mirrored(Path(folder), CASES) as done:
        zoho, seconds = done.zoho, done.seconds
    have = [str(ticket.fields[FIELD]) for ticket in zoho.tickets.values()]
    wrong = len(have) - len(set(have)) + len(set(done.refs) - set(have)) + zoho.too_many
    return [
        _row(
            f"{CASES:,} cases mirrored to Zoho Desk, 5 % of its answers a 500, 5 % lost after they took effect: "
            f"{len(have):,} tickets, {wrong} twice, missing or answered with 429",
            f"{CASES:,} tickets",
            1 + wrong,
            1.0,
        ),
        _row(
            f"the time of that: {seconds:.1f} s",
            f"the same with no answer broken or lost: {undisturbed:.1f} s",
            seconds / undisturbed,
            SLOWEST_MIRROR,
        ),
    ]


def _row(figure: str, against: str, ratio: float, target: float) -> dict[str, Any]:
    return {
        "figure": figure,
        "baseline": against,
        "ratio": round(ratio, 3),
        "target": f"<= {target}",
        "ok": ratio <= target,
        "command": COMMAND,
    }


if __name__ == "__main__":
    for row in figures():
        print(f"{row['figure']}: {row['ratio']} ({row['target']}; against {row['baseline']})")  # noqa: T201
