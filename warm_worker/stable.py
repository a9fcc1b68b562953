"""The fork server that a worker has at the moment: started when it is needed, and a fresh one for new code."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from warm_worker.client import Child, ForkClient, NotForked, NotReady
from warm_worker.forkserver import Warm

LOOK_SECONDS = 1.0
"""How often it is looked whether the source files have changed, at the most."""
FLOWS_SECONDS = 10.0
"""How often Prefect is asked which flows the pool's deployments run."""
AGAIN_SECONDS = 30.0
"""How long after a start that failed the next one is tried; until then runs start the stock way."""

Flows = list[tuple[str, str]]


class Stable:
    """Forks runs from a server that has the newest code that can be imported.

    ``flows`` says what to import (entrypoint, folder), ``environment`` what its process gets; ``logger`` hears
    of what goes otherwise than planned.
    """

    def __init__(
        self,
        flows: Callable[[], Awaitable[Flows]],
        environment: Callable[[], Mapping[str, str]],
        logger: logging.Logger | logging.LoggerAdapter,  # type: ignore[type-arg]
    ) -> None:
        self._ask_flows, self._environment, self._logger = flows, environment, logger
        self._server: ForkClient | None = None
        self._flows: Flows = []
        self._asked_at = self._looked_at = self._failed_at = float("-inf")
        self._refused: Mapping[str, int] | None = None
        self._why = ""
        self._lock = asyncio.Lock()

    async def fork(self, run: str, env: Mapping[str, str], cwd: str, *, output: bool) -> Child:
        """Fork this run. Raises NotForked: nothing of it was done."""
        async with self._lock:
            server = await self._newest()
        return await server.fork(run, env, cwd, output=output)

    async def look(self) -> None:
        """Have a server ready that has the newest code, without a run that waits for it."""
        async with self._lock:
            with suppress(NotForked):
                await self._newest()

    def close(self) -> None:
        """No run is forked any more; the server ends with its last child."""
        if self._server is not None:
            self._server.retire()
            self._server = None

    async def _newest(self) -> ForkClient:
        if self._server is not None and self._server.is_alive:
            if await self._is_old(self._server):
                await self._renew(self._server)
            return self._server
        if self._server is not None:
            self._logger.warning("The fork server died; its runs go on, and a new one is started.")
            self._server = None
        if time.monotonic() - self._failed_at < AGAIN_SECONDS:
            raise NotForked(self._why)
        try:
            await self._read_flows()
            self._server = await ForkClient.start(Warm(self._flows), env=self._environment())
        except NotReady as why:
            self._failed_at, self._why = time.monotonic(), f"no fork server: {why}"
            raise NotForked(self._why) from why
        for entrypoint, why_not in self._server.broken.items():
            self._logger.warning("%s cannot be imported ahead of its runs: %s", entrypoint, why_not)
        self._logger.info("The fork server is ready after %.1f s: runs start at once.", self._server.seconds)
        return self._server

    async def _is_old(self, server: ForkClient) -> bool:
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return False
        known = self._flows
        await self._read_flows()
        now = _as_now(server.files)  # some milliseconds; a thread cannot be had where the machine is full
        self._looked_at = time.monotonic()
        return (now != server.files and now != self._refused) or self._flows != known

    async def _renew(self, old: ForkClient) -> None:
        """A fresh server in place of the old one, which ends with its last run; the old one, where that is better."""
        now = _as_now(old.files)
        try:
            fresh = await ForkClient.start(Warm(self._flows), env=self._environment())
        except NotReady as why:
            if not isinstance(why.__cause__, OSError):  # else it is not the code: the next run tries again
                self._refused = now
            self._logger.warning("The code has changed, and runs go on with what was there before: %s", why)
            return
        worse = {one: why for one, why in fresh.broken.items() if one not in old.broken}
        if worse:
            fresh.retire()
            self._refused = now
            told = "; ".join(f"{one}: {why}" for one, why in worse.items())
            self._logger.error("The code has changed, and runs go on with what was there before: %s", told)
            return
        old.retire()
        self._server, self._refused = fresh, None
        self._logger.info("The code or the deployments have changed: runs are forked from a fresh server.")

    async def _read_flows(self) -> None:
        if time.monotonic() - self._asked_at < FLOWS_SECONDS:
            return
        try:
            self._flows = await self._ask_flows()
            self._asked_at = time.monotonic()
        except Exception as error:  # Prefect may be away for a while; what is not imported ahead is imported by its run
            self._logger.debug("The flows of the pool could not be read: %r", error)


def _as_now(files: Mapping[str, int]) -> dict[str, int]:
    """When each of these files was changed last; a file that is gone has 0."""
    found = {}
    for file in files:
        try:
            found[file] = os.stat(file).st_mtime_ns  # noqa: PTH116 - 2,000 files before a run begins
        except OSError:
            found[file] = 0
    return found
