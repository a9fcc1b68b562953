"""Prefect's events tell of runs that can begin; the worker's own polling finds those that no event told of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter

AGAIN_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long is waited before Prefect is asked for its events again."""
_RUN, _STATE = "prefect.flow-run.", "prefect.state-type"


async def listen(
    is_ours: Callable[[Event], bool],
    on_run: Callable[[UUID], None],
    logger: logging.Logger | logging.LoggerAdapter,  # type: ignore[type-arg]
) -> None:
    """Call ``on_run`` for each flow run that was just scheduled or resumed; ends only where it is cancelled.

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
                    logger.info("Prefect's events are heard again.")
                tries = 0
                async for event in events:
                    if is_ours(event) and event.resource.id.startswith(_RUN):
                        on_run(UUID(event.resource.id.removeprefix(_RUN)))
        except Exception as error:  # whatever is wrong with them: polling goes on
            if not tries:
                logger.info("Prefect's events are not heard (%r): runs begin with the next poll.", error)
        await asyncio.sleep(AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)])
        tries += 1


def is_in_pool(event: Event, pool: str) -> bool:
    """Whether the run of this event is one of the pool; also where the event does not say whose it is."""
    named = [one.name for one in event.related if one.role == "work-pool"]
    return not named or pool in named
