"""The worklist with 10,000 open cases: a page of it against one plain indexed SQL read of the same cases.

Two figures: what the store's part of the page takes, and what the whole page takes, with its login, its counts and its
HTML, through the app (no network is between). Both against the same read, with rows built of what it gives.
``python -m benchmarks.worklist`` measures alone.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, literal_column, select, update

from benchmarks.many_cases import multiply
from benchmarks.store import plans, scans_a_table
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.worklist import SIZE, Group, WorkQuery
from caseproof.procedure.views.worklist import worklist
from caseproof.store import CaseRow
from caseproof.store.tables import cases as table
from caseproof.store.worklist import WorkRow
from caseproof.web import create_app
from caseproof.web.who import Who
from tests.web.conftest import World

CASES, ROUNDS, MOST = 10_000, 60, 3.0
COMMAND = "python -m benchmarks.worklist"
PASSWORD = "of the benchmark alone"  # noqa: S105 - of a home that is gone when it ends
_OWN = len(CaseRow.__dataclass_fields__)
_SHOWN = (*CaseRow.__dataclass_fields__, "turn_since", "holder", "held_since", "snoozed_until", "snoozed_by")
PLAIN = (
    select(*(table.c[name] for name in _SHOWN))
    .where(table.c.closed.is_(False), table.c.turn == literal_column("'team'"))
    .order_by(table.c.turn_since, table.c.id)
    .limit(SIZE)
)
"""The columns that the page shows, of the same cases."""


def figures(cases: int = CASES) -> list[dict[str, Any]]:
    """The two rows of the table."""
    with tempfile.TemporaryDirectory(prefix="caseproof-bench-") as folder:
        world = World(Path(folder) / "home")
        try:
            return _measured(world, cases)
        finally:
            world.services.store.close()


def many_waiting(world: World, cases: int) -> None:
    """So many open cases, most of which wait for the team, each since another minute; ten are the operator's."""
    ref = world.waiting()
    world.record(ref, Kind.QUESTION_ASKED, number=1, form="decision", flow_run="f" * 36)
    with world.services.store.uow() as uow:
        uow.cases.attach_run(ref, "f" * 36, 1)
        uow.commit()
    with world.services.store.uow() as uow:
        multiply(uow._connection, cases - 1)
        _spread(uow._connection, world)
        uow.commit()


def _spread(connection: Connection, world: World) -> None:
    """Give the copies times, turns and holders as they have them in life."""
    since = [world.now + timedelta(minutes=n) for n in range(60)]
    for number, at in enumerate(since):  # in no order of theirs
        values = {"turn_since": at, "asked_at": at, "updated_at": at}
        connection.execute(update(table).where(table.c.id % 60 == (number * 37) % 60).values(**values))
    for turn, form, rest in (("retailer", "retailers-word", 0), ("itself", "shared-cause", 1), ("caseproof", "", 2)):
        connection.execute(update(table).where(table.c.id % 10 == rest).values(turn=turn, asked_form=form))
    connection.execute(update(table).where(table.c.id % 1009 == 5).values(holder="operator", held_since=world.now))


def _measured(world: World, cases: int) -> list[dict[str, Any]]:
    services = world.services
    many_waiting(world, cases)
    team = services.policy.team
    query = WorkQuery(Group.TEAM)

    def part() -> list[str]:
        lines = worklist(services.ledger, services.policy.keeper, lambda: team, query, "operator").lines
        return [line.row.ref for line in lines]

    def plain() -> list[str]:
        with services.store.reading() as uow:
            return [WorkRow(CaseRow(*row[:_OWN]), *row[_OWN:]).case.ref for row in uow._connection.execute(PLAIN)]

    if part() != plain() or len(plain()) != SIZE:
        raise RuntimeError("The store does not hold what is to be measured.")
    if any("ix_cases_turn" not in plan or "FOR ORDER BY" in plan for plan in plans(services.store, lambda _: plain())):
        raise RuntimeError("The plain read goes by no index.")
    scans = [plan for plan in plans(services.store, lambda _: part()) if scans_a_table(plan)]
    told, alone = _by_turns(part, plain)
    whole, beside = asyncio.run(_through_the_app(world, plain))
    baseline = "the same cases by one plain indexed SQL read, each a row of the same columns: {:.2f} ms"
    figures = [
        (f"the store's part of a page of the worklist, {cases:,} open cases: {told * 1e3:.2f} ms", told, alone),
        (f"the whole page, with its login and its HTML: {whole * 1e3:.2f} ms", whole, beside),
    ]
    target = f"<= {MOST:g} x, no scan of cases" + (f" (scans: {scans})" if scans else "")
    return [
        {
            "figure": figure,
            "baseline": baseline.format(read * 1e3),
            "ratio": round(took / read, 2),
            "target": target,
            "ok": took <= MOST * read and not scans,
            "command": COMMAND,
        }
        for figure, took, read in figures
    ]


def _by_turns(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """The median seconds of processor time of each, by turns: waiting for other programs is none of its own."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for call, times in zip((one, other), took, strict=True):
            begun = time.process_time()
            call()
            times.append(time.process_time() - begun)
    return median(took[0]), median(took[1])


async def _through_the_app(world: World, plain: Callable[[], object]) -> tuple[float, float]:
    """The median seconds of processor time of the page, as somebody who is logged in gets it, and of the plain read."""
    logins = world.logins
    _, link = logins.invite("operator")
    cookie = f"{Who(world.services.settings, logins).cookie}={logins.use_link(link, PASSWORD)}".encode()
    app = create_app(world.services, logins=logins)

    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        begun = time.process_time()
        await _page(app, "/?waits=team", cookie)
        took[0].append(time.process_time() - begun)
        begun = time.process_time()
        plain()
        took[1].append(time.process_time() - begun)
    return median(took[0]), median(took[1])


async def _page(app: Any, address: str, cookie: bytes) -> None:
    """Ask for it, and read it to its end."""
    status, size = 0, 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, size
        status, size = message.get("status", status), size + len(message.get("body", b""))

    path, _, query = address.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8321),
        "headers": [(b"host", b"127.0.0.1:8321"), (b"cookie", cookie)],
    }  # fmt: skip
    await app(scope, receive, send)
    if status != 200 or size < 5000:
        raise RuntimeError(f"{address} answered {status} with {size} bytes.")


if __name__ == "__main__":
    for row in figures():
        print(f"{row['figure']}: {row['ratio']} ({row['target']}; against {row['baseline']})")  # noqa: T201
