"""Many cases mirrored to a made-up Zoho Desk that breaks, loses answers and lags, by clients that share one home."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from caseproof.desks.base import DeskDown, TicketStatus
from caseproof.desks.zoho import ZohoDesk
from caseproof.desks.zoho_wire import ZohoAccount
from sandbox.farm_http import Asked
from sandbox.provider import Kind, running
from sandbox.zoho import CLIENT, CONTACT, DEPARTMENT, ORGANISATION, REFRESH, SECRET, ZohoSimulator

AT_ONCE = 5
"""The calls that Zoho Desk takes at once, in its smallest edition."""
MOST_TRIES = 30


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What came of it: the desk, the cases, how often each was tried, and how many seconds all of it took."""

    zoho: ZohoSimulator
    refs: Sequence[str]
    tries: Sequence[int]
    seconds: float


@contextmanager
def mirrored(home: Path, cases: int, *, broken: float = 0.05, lost: float = 0.05) -> Iterator[Mirrored]:
    """Mirror ``cases`` cases; of the answers a share is a 500 (``broken``), and one lost after it took effect."""
    chance = random.Random(16)  # noqa: S311 - the same faults each time

    def dice(_: Asked) -> Kind | None:
        one = chance.random()
        return "broken" if one < broken else "drop" if one < broken + lost else None

    refs = [f"JF-{number:06d}" for number in range(1, cases + 1)]
    with running(ZohoSimulator(at_once=AT_ONCE, takes=0.002, lag=20)) as (zoho, url):
        zoho.dice = dice
        account = ZohoAccount(
            "zoho", ORGANISATION, DEPARTMENT, CONTACT, CLIENT, SECRET, REFRESH, concurrency=AT_ONCE,
            api_url=f"{url}/api/v1", login_url=url,
        )  # fmt: skip
        # A client each, as processes have them: they share the token and the turns by the home alone.
        desks = [
            ZohoDesk(account, home, lambda: datetime.now(UTC), sleep=lambda seconds: time.sleep(seconds / 100))
            for _ in range(2 * AT_ONCE)
        ]
        begun = time.perf_counter()
        with ThreadPoolExecutor(len(desks)) as pool:
            tries = list(pool.map(_mirror, [desks[n % len(desks)] for n in range(cases)], refs))
        seconds = time.perf_counter() - begun
        for desk in desks:
            desk.close()
        yield Mirrored(zoho, refs, tries, seconds)


def _mirror(desk: ZohoDesk, ref: str) -> int:
    """What a case does on its desk, again from the top where the desk is down, as the keeper does; gives the tries."""
    for tries in range(1, MOST_TRIES):
        try:
            ticket = desk.create(ref, f"[{ref}] a job fails", "What fails").id
            desk.comment(ticket, f"{ref}/note/1", "The retailer replied.")
            desk.set_status(ticket, TicketStatus.CLOSED)
            if desk.ticket(ticket).status is TicketStatus.CLOSED:
                return tries
        except DeskDown:
            continue
    return MOST_TRIES
