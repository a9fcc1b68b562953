"""Who else uses our Prefect server, as far as Prefect knows: workers and deployments that are not Caseproof's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from caseproof.domain.errors import CaseproofError
from caseproof.http.client import CallFailed, HttpClient
from caseproof.up.plan import POOL
from caseproof.up.prefect_services import PrefectApi
from caseproof.up.processes import wait_until

LATELY = timedelta(days=30)
"""A worker that told of itself within this time counts as one that is used."""
PATIENCE_SECONDS = 30.0
_PAGE = 200
_NAMED = 10


def other_clients(api: PrefectApi, our_worker: str, now: datetime) -> list[str]:
    """Each in words; empty for none. Scripts and people's terminals leave no trace in Prefect, and are not among them.

    Raises CaseproofError where Prefect does not say.
    """
    why = ""

    def asked() -> tuple[list[str]] | None:
        nonlocal why
        try:
            with closing(api.client()) as client:
                return ([*_workers(client, our_worker, now), *_deployments(client)],)
        except CallFailed as error:  # on SQLite, Prefect may answer 503
            why = str(error)
            return None

    try:
        return wait_until("Prefect to say who uses it", asked, PATIENCE_SECONDS)[0]
    except TimeoutError as error:
        raise CaseproofError(
            f"Prefect does not say who else uses it ({why}), so nobody knows whom a password would lock out.",
            "Look at the server's log; or `caseproof up --lock-out`, if nobody else does.",
        ) from error


def _workers(client: HttpClient, our_worker: str, now: datetime) -> Iterator[str]:
    for pool in _all(client, "work_pools/filter"):
        for worker in _all(client, f"work_pools/{quote(pool['name'], safe='')}/workers/filter"):
            seen = datetime.fromisoformat(worker["last_heartbeat_time"]) if worker.get("last_heartbeat_time") else None
            if worker["name"] != our_worker and (seen is None or now - seen <= LATELY):
                when = f"last seen {seen:%Y-%m-%d %H:%M} UTC" if seen else "never seen"
                yield f"the worker {worker['name']} of the work pool {pool['name']} ({when})"


def _deployments(client: HttpClient) -> Iterator[str]:
    theirs = [one for one in _all(client, "deployments/filter") if one.get("work_pool_name") != POOL]
    served = sorted({one["name"] for one in theirs if not one.get("work_pool_name")})
    if served:
        yield f"what serves the deployments {_listed(served)}, which have no work pool"
    if others := sorted({one["name"] for one in theirs if one.get("work_pool_name")}):
        yield f"the runs of the deployments {_listed(others)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _all(client: HttpClient, path: str) -> Iterator[Mapping[str, Any]]:
    """All rows of one of Prefect's lists."""
    offset = 0
    while True:
        rows = client.ask("POST", path, json={"limit": _PAGE, "offset": offset}).required().json() or []
        yield from rows
        if len(rows) < _PAGE:
            return
        offset += len(rows)
