"""A retailer before the confirmation page: gets a letter, opens its link, fills in the form and sends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from tests.support.letters import WORDS, answers, hidden_fields, link_of, register, send_notice, stopped


def tell(world: Any, make_client: Callable[..., TestClient], **contact: str) -> Any:
    register(world.services, **contact)
    world.ref = stopped(world.services, world.opened(job_name="Offers of <b>shop</b> A\u202e"))
    world.link = link_of(world.services, send_notice(world.services, world.ref))
    world.url, world.client = f"/answer/{world.link}", make_client(world)
    return world


def send(told: Any, headers: dict[str, str] | None = None, **typed: Any) -> Any:
    """Open the page, fill in this much of it, and send it."""
    fields = hidden_fields(told.client.get(told.url).text) | typed
    return told.client.post(told.url, data=fields, headers=headers)


def full(**typed: Any) -> dict[str, Any]:
    return {"choice": "changed", "name": "Role Name", "words": WORDS} | typed


def count(told: Any) -> int:
    return len(answers(told.services.ledger.case(told.ref)))
