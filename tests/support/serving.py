"""A web app of ours that serves beside a test, for a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def serving(server: uvicorn.Server, world: Any) -> Iterator[None]:
    """Serve while the block runs; then the server ends, and ``world``'s store is closed."""
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.02)
    yield
    server.should_exit = True
    thread.join(60)
    world.services.store.close()
