"""The store under 100,000 waiting cases: what a keeper's pass reads of it, and how much room a waiting case takes.

``python -m benchmarks.store`` measures alone.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, event, text, update

from benchmarks.many_cases import multiply
from caseproof.config.policy_check import Pace
from caseproof.config.settings import Settings
from caseproof.domain.job_failure.kinds import Kind
from caseproof.platforms.base import RunState
from caseproof.procedure.containment.stop_targets import stop_targets
from caseproof.procedure.containment.stop_work import Target
from caseproof.store import Store
from caseproof.store.column_types import UtcTime
from caseproof.store.copying import loading, snapshot
from caseproof.store.tables import REVISION
from caseproof.store.tables import cases as table
from caseproof.up.postgres import EmbeddedPostgres
from tests.support.world import World

COMMAND = "python -m benchmarks.store"
CASES, DUE = 100_000, 100
NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
ROUNDS = 60
MOST_RATIO, MOST_BYTES = 3.0, 4096
FLOW_RUN = "3f0c2b1e-5d1f-4f3a-9c1e-7d52a0f00aaa"

Figure = dict[str, Any]


def figures(cases: int = CASES) -> list[Figure]:
    """Both figures: ``{"figure", "baseline", "ratio", "target", "ok", "command"}`` each.

    On SQLite, the default; what a case takes on PostgreSQL stands beside it.
    """
    with tempfile.TemporaryDirectory(prefix="caseproof-bench-") as folder:
        store, home = waiting_store(Path(folder)), Path(folder)
        before = _size(store)
        with _owner(store) as connection:
            multiply(connection, cases - 1)
        grown = (_size(store) - before) / (cases - 1)
        with _owner(store) as connection:
            make_due(connection, cases, DUE)
        found = a_pass(store)
        store.close()
        return [found, _growth(grown, _on_postgresql(home, cases))]


def waiting_store(home: Path) -> Store:
    """A store with one waiting case, as the check opens it and its run carries it until the team is asked."""
    Store(Settings(home=home).database).migrate()
    world = World(home)
    job = world.platform.add("9f1c6a52-0c1e-4b8e-8d53-5a7f0e7f2a10", name="Offers of shop A to North")
    failed = world.platform.add_run(job.id, RunState.FAILED, message="HTTPStatusError: 404 Not Found for /offers")
    url = f"{world.platform.url}/runs/{FLOW_RUN}"
    target = Target(job, "website_changed", failed.message, FLOW_RUN, url, failed.ended_at)
    ref = stop_targets(world.services.stopping, "jobs", world.platform, [target], Pace())[0].ref
    with world.services.store.uow() as uow:  # one run carries it from its beginning
        uow.cases.attach_run(ref, FLOW_RUN, 1)
        uow.commit()
    world.walk(ref, until="tell")
    world.services.ledger.record(ref, Kind.QUESTION_ASKED, number=1, form="decision", flow_run=FLOW_RUN)
    return world.services.store


def make_due(connection: Connection, cases: int, due: int) -> None:
    """Spread the due ones over the whole table; the others are looked at tomorrow or later."""
    when = update(table).values(due_at=bindparam("at", type_=UtcTime()))
    connection.execute(when, {"at": NOW + timedelta(days=1)})
    connection.execute(when.where(table.c.id % (cases // due) == 0), {"at": NOW - timedelta(hours=1)})


# -- a keeper's pass ---------------------------------------------------------------------------------------------------


def what_a_pass_reads(store: Store) -> int:
    """All that a keeper's pass asks the store; how many cases are due.

    Its rotating looks at some cases more belong to Prefect's and the platforms' side: they read as much as these are
    asked about, however many cases wait.
    """
    with store.reading() as uow:
        uow.cases.platforms()
        uow.cases.watched(NOW - timedelta(days=7))
        uow.cases.gathering(NOW - timedelta(hours=1))
        uow.incidents.rows(open_only=True)
        uow.cases.missing_runs(20)
        uow.messages.untold()
        for name in ("keeper-policy", "runs-ended", "stops-read/jobs"):
            uow.cursors.get(name)
        return len(uow.cases.due(NOW, 1000))


def a_pass(store: Store) -> Figure:
    """What a pass reads, against the due rows in one plain query on a connection of the same settings."""
    plain = _plain_query(store)
    if (what_a_pass_reads(store), plain()) != (DUE, DUE):
        raise RuntimeError("The store does not hold what is to be measured.")
    whole, baseline = _compared(lambda: what_a_pass_reads(store), plain)
    scans = [plan for reads in (what_a_pass_reads, a_slice) for plan in plans(store, reads) if scans_a_table(plan)]
    ratio = whole / baseline
    return {
        "figure": f"the store's part of a keeper pass over {CASES:,} waiting cases, {DUE} due: {whole * 1e3:.2f} ms",
        "baseline": f"the due rows in one plain indexed SQL query: {baseline * 1e3:.2f} ms",
        "ratio": round(ratio, 2),
        "target": f"<= {MOST_RATIO:g} x, no scan of cases or events" + (f" (scans: {scans})" if scans else ""),
        "ok": ratio <= MOST_RATIO and not scans,
        "command": COMMAND,
    }


def _plain_query(store: Store) -> Callable[[], int]:
    query = text("SELECT * FROM cases WHERE due_at <= :now ORDER BY due_at, id LIMIT 1000")
    query = query.bindparams(bindparam("now", NOW, type_=UtcTime()))

    def read() -> int:
        with store.reading() as uow:
            return len(uow._connection.execute(query).fetchall())

    return read


def _compared(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """The median seconds of each, taken by turns, so that what else the machine does meets both."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for call, times in zip((one, other), took, strict=True):
            begun = time.perf_counter()
            call()
            times.append(time.perf_counter() - begun)
    return statistics.median(took[0]), statistics.median(took[1])


def a_slice(store: Store) -> None:
    """A rotating look."""
    with store.reading() as uow:
        uow.cases.slice(CASES // 2, 200)


def plans(store: Store, reads: Callable[[Store], object]) -> list[str]:
    """How the database carries out each query that ``reads`` makes, a line a query."""
    asked: list[tuple[str, Any]] = []

    def listen(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    engine = store._opened()
    event.listen(engine, "before_cursor_execute", listen)
    try:
        reads(store)
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with store.reading() as uow:
        found = [uow._connection.exec_driver_sql(explain + statement, parameters) for statement, parameters in asked]
        return ["; ".join(str(row[-1]).strip() for row in rows) for rows in found]


def scans_a_table(plan: str) -> bool:
    """Whether a query goes through a whole table of cases or events. Of one index there are only the few in need."""
    return (
        re.search(r"SCAN (cases|events)\b(?! USING INDEX ix_cases_in_need)|Seq Scan on (cases|events)", plan)
        is not None
    )


# -- growth ------------------------------------------------------------------------------------------------------------


def _growth(grown: float, on_postgresql: float) -> Figure:
    return {
        "figure": f"store growth a waiting case: {grown:,.0f} bytes (PostgreSQL: {on_postgresql:,.0f})",
        "baseline": "4 KB",
        "ratio": round(grown / MOST_BYTES, 2),
        "target": "<= 4 KB",
        "ok": grown <= MOST_BYTES,
        "command": COMMAND,
    }


def _size(store: Store) -> int:
    """Bytes on the disk, with all that was written in its place."""
    with store._connect(writes=False) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.rollback()
            return Path(str(connection.engine.url.database)).stat().st_size
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


def _on_postgresql(folder: Path, cases: int) -> float:
    """Bytes a waiting case grows a database on an embedded PostgreSQL by."""
    with EmbeddedPostgres(folder / "postgres", durable=False).running() as cluster:
        cluster.ensure_database("bench")
        with tempfile.TemporaryDirectory(prefix="caseproof-bench-") as home:
            one, other = waiting_store(Path(home)), Store(cluster.url("bench"))
            with snapshot(one) as told, loading(other, REVISION) as new:
                for table in new.tables:
                    for _ in new.load(table, told.rows(table)):
                        pass
                new.finish()
                new.commit()
            one.close()
        before = _size(other)
        with _owner(other) as connection:
            multiply(connection, cases - 1)
        grown = (_size(other) - before) / (cases - 1)
        other.close()
        return grown


@contextmanager
def _owner(store: Store) -> Iterator[Connection]:
    """A transaction of the tables' owner."""
    with store._connect(writes=True) as connection, connection.begin():
        yield connection


if __name__ == "__main__":
    sys.stdout.write(json.dumps(figures(), indent=2) + "\n")
