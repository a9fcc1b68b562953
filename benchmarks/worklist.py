"""The worklist with 10,000 open cases: a page of it, beside one plain indexed SQL read of the same cases.

The whole page, with its login, its counts and its HTML, through the app, against that read handed out as JSON by the
same app to the same person. No network is between. What the store's parts of both take alone stands beside it.
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

from fastapi.responses import JSONResponse
from sqlalchemy import Connection, bindparam, text, update

from benchmarks.many_cases import multiply
from benchmarks.store import plans, scans_a_table
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.worklist import SIZE, Group, WorkQuery
from caseproof.procedure.views.worklist import worklist
from caseproof.store.column_types import UtcTime
from caseproof.store.tables import cases as table
from caseproof.web import create_app, doors
from caseproof.web.who import Who
from tests.web.conftest import World

CASES, ROUNDS, MOST = 10_000, 60, 3.0
COMMAND = "python -m benchmarks.worklist"
PASSWORD = "of the benchmark alone"  # noqa: S105 - of a home that is gone when it ends
PLAIN = "SELECT * FROM cases WHERE closed IS 0 AND turn = 'team' ORDER BY turn_since, id LIMIT :size"


def figures(cases: int = CASES) -> list[dict[str, Any]]:
    """The one row of the table."""
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

    def part() -> int:
        return len(worklist(services.ledger, services.policy.keeper, lambda: team, query, "operator").lines)

    statement = text(PLAIN).bindparams(bindparam("size", SIZE))
    statement = statement.columns(**{name: UtcTime() for name in ("turn_since", "asked_at", "updated_at")})

    def plain() -> list[Any]:
        with services.store.reading() as uow:
            return list(uow._connection.execute(statement).fetchall())

    if (part(), len(plain())) != (SIZE, SIZE):
        raise RuntimeError("The store does not hold what is to be measured.")
    if any("ix_cases_turn" not in plan or "FOR ORDER BY" in plan for plan in plans(services.store, lambda _: plain())):
        raise RuntimeError("The plain read goes by no index.")
    scans = [plan for plan in plans(services.store, lambda _: part()) if scans_a_table(plan)]
    told, alone = _by_turns(part, plain)
    whole, handed_out = asyncio.run(_through_the_app(world, plain))
    ratio = whole / handed_out
    target = f"<= {MOST:g} x, no scan of cases" + (f" (scans: {scans})" if scans else "")
    return [
        {
            "figure": f"a page of the worklist, {cases:,} open cases: {whole * 1e3:.2f} ms, of which the "
            f"store's part takes {told * 1e3:.2f} ms",
            "baseline": f"its cases in one plain indexed SQL read, handed out as JSON by the same app and login: "
            f"{handed_out * 1e3:.2f} ms; that read alone: {alone * 1e3:.2f} ms",
            "ratio": round(ratio, 2),
            "target": target,
            "ok": ratio <= MOST and not scans,
            "command": COMMAND,
        }
    ]


def _by_turns(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """The median seconds of each, taken by turns, so that what else the machine does meets both."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for call, times in zip((one, other), took, strict=True):
            begun = time.perf_counter()
            call()
            times.append(time.perf_counter() - begun)
    return median(took[0]), median(took[1])


async def _through_the_app(world: World, plain: Callable[[], list[Any]]) -> tuple[float, float]:
    """The median seconds of the page and of the plain read, asked of the app by the same person."""
    logins = world.logins
    _, link = logins.invite("operator")
    cookie = f"{Who(world.services.settings, logins).cookie}={logins.use_link(link, PASSWORD)}".encode()
    app = create_app(world.services, logins=logins)

    @app.get("/bench")
    def bench() -> JSONResponse:
        return JSONResponse([[str(value) for value in row] for row in plain()])

    doors.DOORS = (*doors.DOORS, doors.Door("/bench", doors.READ, doors.Guard.PERSON))
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for path, times in zip(("/?waits=team", "/bench"), took, strict=True):
            begun = time.perf_counter()
            await _page(app, path, cookie)
            times.append(time.perf_counter() - begun)
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
