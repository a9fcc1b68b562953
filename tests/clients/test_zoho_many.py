"""The figure of issue 16: many cases mirrored to Zoho Desk while it breaks, loses answers and lags: none twice, none
missing, and never more calls at once than it takes."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from caseproof.desks.base import DeskDown, TicketStatus
from caseproof.desks.zoho import ZohoDesk
from caseproof.desks.zoho_wire import ZohoAccount
from sandbox.farm_http import Asked
from sandbox.provider import Kind, running
from sandbox.zoho import CLIENT, CONTACT, DEPARTMENT, FIELD, ORGANISATION, REFRESH, SECRET, ZohoSimulator

AT_ONCE = 5
MOST_TRIES = 30


def mirrored(desk: ZohoDesk, ref: str) -> int:
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


@pytest.mark.parametrize("cases", [40, pytest.param(1000, marks=pytest.mark.full)])
def test_cases_are_mirrored_once_each_though_answers_break_and_get_lost(tmp_path: Path, cases: int) -> None:
    chance = random.Random(16)

    def dice(_: Asked) -> Kind | None:
        one = chance.random()
        return "broken" if one < 0.05 else "drop" if one < 0.10 else None

    refs = [f"JF-{number:06d}" for number in range(1, cases + 1)]
    with running(ZohoSimulator(at_once=AT_ONCE, takes=0.002, lag=20)) as (zoho, url):
        zoho.dice = dice
        account = ZohoAccount(
            "zoho", ORGANISATION, DEPARTMENT, CONTACT, CLIENT, SECRET, REFRESH, concurrency=AT_ONCE,
            api_url=f"{url}/api/v1", login_url=url,
        )  # fmt: skip
        # A client each, as processes have them: they share the token and the turns by the home alone.
        desks = [
            ZohoDesk(account, tmp_path, lambda: datetime.now(UTC), sleep=lambda seconds: time.sleep(seconds / 100))
            for _ in range(2 * AT_ONCE)
        ]
        with ThreadPoolExecutor(len(desks)) as pool:
            tries = list(pool.map(mirrored, [desks[n % len(desks)] for n in range(cases)], refs))
        for desk in desks:
            desk.close()
        assert max(tries) < MOST_TRIES, "each of them came to its end"
        assert sorted(str(one.fields[FIELD]) for one in zoho.tickets.values()) == refs, "none twice, none missing"
        assert {len(one.comments) for one in zoho.tickets.values()} == {1}
        assert {one.status for one in zoho.tickets.values()} == {"Closed"}
        assert (zoho.too_many, len(zoho.refreshes)) == (0, 1)
        assert zoho.most_at_once <= AT_ONCE
