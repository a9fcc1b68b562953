"""A case's page for somebody who is logged in, beside the same page of the same store where reading needs no login.

Both go through the whole app, without a network between. What the login adds is to find the person of the cookie in the
store and the team in the policy, each time. `python -m benchmarks.doors` prints the ratio.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from caseproof.config.settings import Settings
from caseproof.web import create_app
from caseproof.web.who import Who
from tests.web.conftest import World

PAIRS = 200
MOST = 1.3
COMMAND = "python -m benchmarks.doors"
PASSWORD = "of the benchmark alone"  # noqa: S105 - of a home that is gone when it ends
HOST = "ops.example.com"


def figures() -> list[dict[str, Any]]:
    """The one row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "home", public=f"https://{HOST}")
        try:
            free, guarded = asyncio.run(_measured(world, world.closed()))
        finally:
            world.services.store.close()
    # Of each pair by itself: a busy moment of the machine hits both, or is one pair among many.
    ratio = median(with_login / without for without, with_login in zip(free, guarded, strict=True))
    return [
        {
            "figure": f"a logged-in case page: {median(guarded) * 1000:.2f} ms",
            "baseline": f"the same without the login's checks: {median(free) * 1000:.2f} ms",
            "ratio": round(ratio, 3),
            "target": MOST,
            "ok": ratio <= MOST,
            "command": COMMAND,
        }
    ]


async def _measured(world: World, ref: str) -> tuple[list[float], list[float]]:
    """Seconds of each page, by turns: without a login, and with one."""
    settings = world.services.settings
    here = replace(world.services, settings=Settings(home=world.home))
    _, link = world.logins.invite("operator")
    token = world.logins.use_link(link, PASSWORD)
    cookie = f"{Who(settings, world.logins).cookie}={token}".encode()
    # The team is read from the policy file as the product does it.
    free, guarded = create_app(here), create_app(world.services, logins=world.logins)
    ask = (lambda: _page(free, ref, b"127.0.0.1", b""), lambda: _page(guarded, ref, HOST.encode(), cookie))
    spent: tuple[list[float], list[float]] = ([], [])
    for number in range(PAIRS + 10):
        for which in (0, 1) if number % 2 else (1, 0):
            seconds = await _seconds(ask[which])
            if number >= 10:  # the first ones load what is loaded once
                spent[which].append(seconds)
    return spent


async def _seconds(ask: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    await ask()
    return time.perf_counter() - begin


async def _page(app: Any, ref: str, host: bytes, cookie: bytes) -> None:
    """Ask for the case's page, and read it to its end."""
    status, size = 0, 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, size
        status, size = message.get("status", status), size + len(message.get("body", b""))

    path = f"/cases/{ref}"
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8321), "headers": [(b"host", host), *([(b"cookie", cookie)] if cookie else [])],
    }  # fmt: skip
    await app(scope, receive, send)
    assert status == 200  # noqa: S101
    assert size > 5000  # noqa: S101


if __name__ == "__main__":
    for row in figures():
        print(f"{row['figure']}: {row['ratio']} (at most {row['target']}; against {row['baseline']})")  # noqa: T201
