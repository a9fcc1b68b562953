"""Ring me and connect: one click rings the line of whoever is logged in, and dials a colleague once they pick up."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.channels.kept_channels import KeptChannels, keep_channels
from caseproof.channels.voice.goto import GoToAccount
from tests.support.letters import hidden_fields
from tests.support.loopback import Loopback
from tests.support.urgent import holder, raised

POLICY = """
team: [operator, team lead]
on_call:
  main_number: "+14155550100"
  tiers: [L1, PT]
  people:
    - {name: operator, tier: L1, mobile: "+442079460001", goto_line: "line-7"}
    - {name: Product Lead, mobile: "+442079460123", extension: "101"}
    - {name: team lead, tier: L1, mobile: "+442079460003"}
"""
TOKEN = (200, {"Content-Type": "application/json"}, json.dumps({"access_token": "t", "expires_in": 3600}).encode())


@pytest.fixture
def goto(world: Any) -> Iterator[Loopback]:
    """An installation whose policy names lines, and a provider that takes calls."""
    (world.home / "policy.yaml").write_text(POLICY)
    with Loopback({"/oauth/token": TOKEN, "/calls/v2/calls": (201, {}, b"{}")}) as provider:
        account = GoToAccount("desk", "client", "hidden", "refresh", provider.url, provider.url)
        keep_channels(world.home, KeptChannels(connect=account))
        yield provider


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> TestClient:
    return logged_in(world, client, "operator")


def click(client: TestClient, page: str, whom: str, **fields: str) -> Any:
    """Open a page, and press one of its buttons that connect."""
    answer = client.get(page)
    mine = client.headers.get("Cookie", "").split("; ")[0]
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answer.cookies.items())])
    client.cookies.clear()
    form = answer.text.partition('action="/oncall/connect"')[2]
    return client.post("/oncall/connect", data=hidden_fields(form) | {"whom": whom} | fields)


def rung(goto: Loopback) -> list[str]:
    return [path for method, path, _ in goto.asked if (method, path) == ("POST", "/calls/v2/calls")]


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_one_click_rings_the_operator_s_line_and_connects_to_that_person(goto: Loopback, operator: TestClient) -> None:
    page = operator.get("/oncall").text
    assert re.findall(r'name="whom" value="([^"]+)"', page) == ["Product Lead/0", "Product Lead/1", "team lead/0"]
    done = click(operator, "/oncall", "Product Lead/0")
    assert (done.status_code, done.headers["Location"], len(rung(goto))) == (303, "/oncall", 1)


def test_from_an_emergency_s_page_it_leads_back_there_and_acknowledges_nothing(
    world: Any, goto: Loopback, operator: TestClient
) -> None:
    ref = raised(world)
    done = click(operator, f"/emergency/{ref}", "Product Lead/1")
    assert (done.status_code, done.headers["Location"]) == (303, f"/emergency/{ref}")
    operator.headers["Cookie"] += "; " + "; ".join(f"{name}={value}" for name, value in done.cookies.items())
    assert "Your telephone rings: pick up" in read(operator.get(f"/emergency/{ref}").text)
    assert (len(rung(goto)), holder(world, ref)) == (1, "")
    elsewhere = click(operator, "/oncall", "Product Lead/0", back="//evil.example.com")
    assert elsewhere.headers["Location"] == "/oncall"


def test_no_button_stands_there_without_an_account_a_line_of_one_s_own_or_a_log_in(
    world: Any, goto: Loopback, operator: TestClient, make_client: Callable[..., TestClient],
    logged_in: Callable[..., TestClient],
) -> None:  # fmt: skip
    assert "/oncall/connect" not in make_client(world).get("/oncall").text
    lead = logged_in(world, make_client(world), "team lead")
    assert "/oncall/connect" not in lead.get("/oncall").text
    keep_channels(world.home, KeptChannels())
    assert "/oncall/connect" not in operator.get("/oncall").text
    assert rung(goto) == []


def test_nobody_is_rung_who_is_not_offered(goto: Loopback, operator: TestClient) -> None:
    for whom in ("", "x", "operator/0", "Product Lead/2", "Product Lead/-1", "+449/0", "Product Lead"):
        refused = click(operator, "/oncall", whom)
        assert (refused.status_code, rung(goto)) == (422, []), whom
        assert "This call cannot be made from here. Dial the number" in read(refused.text)


def test_a_provider_that_refuses_is_said_on_the_page_and_no_secret_with_it(
    goto: Loopback, operator: TestClient
) -> None:
    goto.answers["/calls/v2/calls"] = (403, {}, b'{"errorCode": "AUTHZ"}')
    refused = click(operator, "/oncall", "Product Lead/0")
    assert refused.status_code == 502
    assert "GoTo Connect" in read(refused.text)
    assert "hidden" not in read(refused.text)


def test_no_form_from_elsewhere_rings_anybody(goto: Loopback, operator: TestClient) -> None:
    assert operator.post("/oncall/connect", data={"whom": "Product Lead/0", "key": "x"}).status_code == 403
    del operator.headers["Cookie"]
    assert operator.post("/oncall/connect", data={"whom": "Product Lead/0"}).status_code == 401
    assert rung(goto) == []
