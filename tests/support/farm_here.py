"""The job farm in a thread of the test's own process: a process of its own takes a second to start."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from caseproof.up.processes import free_port
from sandbox.farm import Farm, FarmServer
from sandbox.farm_http import Connection


@contextmanager
def farm_here(jobs: Sequence[dict[str, Any]], *, now: datetime | None = None) -> Iterator[Farm]:
    """A farm with these jobs on a free port, as ``start_farm`` makes one; ``now`` is what its clock says now."""
    server = FarmServer(jobs, now - datetime.now(UTC) if now else timedelta())
    loop, port = asyncio.new_event_loop(), free_port()

    async def listen() -> asyncio.Server:
        return await loop.create_server(lambda: Connection(server.answer, 0), "127.0.0.1", port, backlog=512)

    listening = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever, name="job farm", daemon=True)
    thread.start()
    try:
        yield Farm(None, f"http://127.0.0.1:{port}")
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
