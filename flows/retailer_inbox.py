"""The retailers' mailbox: each mail ends in one place, and a case with news goes on (J5, J8)."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.common import KEEP_NOTHING, services
from tasks.inbox import read_the_mailbox


@flow(name="retailer-inbox", flow_run_name="inbox pass", **KEEP_NOTHING)
def retailer_inbox() -> State[Any]:
    """Take in what retailers wrote, put it away, wake the cases that have news, and list what a person has to see."""
    return read_the_mailbox(services())
