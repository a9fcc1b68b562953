"""Prefect's events tell of runs that can begin; the worker's own polling finds those that no event told of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter

AGAIN_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long is waited before Prefect is asked for its events again."""
LOOKS_SECONDS = (0.0, 0.05, 0.2, 0.5, 1.0)
"""How long after the one before each poll for a run that an event told of comes: Prefect sends its events before the
run's new state can be read."""
_RUN, _STATE = "prefect.flow-run.", "prefect.state-type"


class ToldOf:
    """The runs of a pool that events told of and no poll has found yet."""

    def __init__(self, pool: str, logger: logging.Logger | logging.LoggerAdapter) -> None:  # type: ignore[type-arg]
        self._pool, self._logger = pool, logger
        self._runs: dict[UUID, int] = {}
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Hear of each flow run that was just scheduled or resumed; ends only where it is cancelled.

        A server that sends no events, or is away, is said once.
        """
        wanted = EventFilter(
            event=EventNameFilter(prefix=[_RUN]), resource=EventResourceFilter(labels={_STATE: "SCHEDULED"})
        )
        tries = 0
        while True:
            try:
                async with get_events_subscriber(wanted, reconnection_attempts=0) as events:
                    if tries:
                        self._logger.info("Prefect's events are heard again.")
                    tries = 0
                    async for event in events:
                        self._hear(event)
            except Exception as error:  # whatever is wrong with them: polling goes on
                if not tries:
                    self._logger.info("Prefect's events are not heard (%r): runs begin with the next poll.", error)
            await asyncio.sleep(AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)])
            tries += 1

    async def poll(self, poll: Callable[[], Awaitable[list[FlowRun]]]) -> None:
        """Poll for the runs that events told of; not for ever, for another worker may have them."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._runs:
                await asyncio.sleep(LOOKS_SECONDS[min(self._runs.values())])
                asked = dict(self._runs)
                try:
                    begun = {run.id for run in await poll()}
                except Exception as error:  # the worker's own polling meets it, too, and tells it
                    self._logger.debug("A poll for what an event told of failed: %r", error)
                    begun = set()
                for flow_run, looks in asked.items():
                    if flow_run in begun or looks + 1 == len(LOOKS_SECONDS):
                        self._runs.pop(flow_run, None)
                    elif flow_run in self._runs:
                        self._runs[flow_run] = looks + 1

    def _hear(self, event: Event) -> None:
        pools = [one.name for one in event.related if one.role == "work-pool"]
        if event.resource.id.startswith(_RUN) and (not pools or self._pool in pools):
            self._runs[UUID(event.resource.id.removeprefix(_RUN))] = 0
            self._news.set()
