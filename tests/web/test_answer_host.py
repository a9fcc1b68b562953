"""Where the confirmation page is: its own host shows nothing else, and the link in a mail leads to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.channels.outbound.mail import Delivery
from caseproof.procedure.notify.telling import tell_retailer
from tests.support.answer_page import count, full, send, tell
from tests.support.letters import (
    SHOP,
    answers,
    hidden_fields,
    register,
    stopped,
)

ANSWERS = "https://answers.example.com"


@pytest.fixture
def split(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """An installation whose page for retailers has a host of its own."""
    monkeypatch.setenv("CASEPROOF_ANSWER_URL", ANSWERS)
    return tell(make_world(public="https://ops.example.com"), make_client)


def test_under_the_retailers_host_there_is_nothing_but_their_page(split: Any) -> None:
    host = {"Host": "answers.example.com"}
    assert split.client.get(split.url, headers=host).status_code == 200
    assert split.client.get("/static/answer.css", headers=host).status_code == 200
    assert split.client.get("/health", headers=host).json() == {"status": "ok"}
    for path in ("/", "/cases", f"/cases/{split.ref}", "/tickets/T-000001", "/docs", "/docs/index", "/inbox", "/x",
                 "/reports/x", "/evidence/" + "0" * 64, "/answer", "/answer/", "/Cases", "//cases"):  # fmt: skip
        answer = split.client.get(f"http://127.0.0.1:8321{path}", headers=host)
        assert answer.status_code == 404, path
        assert "There is nothing here" in answer.text
        assert split.ref not in answer.text
        assert "/cases" not in answer.text


def test_the_retailers_host_is_known_however_it_is_written(split: Any) -> None:
    for host in ("ANSWERS.example.com", "answers.example.com:443", "answers.example.com:80", "answers.example.com:8321",
                 "answers.example.com:0443", "answers.example.com:", "answers.example.com."):  # fmt: skip
        assert split.client.get("/cases", headers={"Host": host}).status_code == 404, host
        assert split.client.get(split.url, headers={"Host": host}).status_code == 200, host


def test_a_host_that_is_none_shows_nothing(split: Any) -> None:
    for host in ("answers.example.com/@127.0.0.1", "x@127.0.0.1:8321", "answers.example.com ops.example.com", "[::1",
                 "answers.example.com\tx", "answers.example.com/answer/x?", "127.0.0.1\\@answers.example.com",
                 ""):  # fmt: skip
        answer = split.client.get("/cases", headers={"Host": host})
        assert answer.status_code == 421, host
        assert split.ref not in answer.text


def test_an_answer_through_the_retailers_host_is_taken(split: Any) -> None:
    headers = {"Host": "answers.example.com", "Origin": ANSWERS}
    fields = hidden_fields(split.client.get(split.url, headers=headers).text) | full()
    assert split.client.post(split.url, data=fields, headers=headers).status_code == 303
    assert count(split) == 1


def test_the_teams_host_shows_the_cases_to_the_team(split: Any, logged_in: Callable[..., TestClient]) -> None:
    for host in ("ops.example.com", "127.0.0.1:8321"):
        assert split.client.get("/cases", headers={"Host": host}).status_code == 401
    logged_in(split, split.client)
    for host in ("ops.example.com", "127.0.0.1:8321"):
        assert split.client.get("/cases", headers={"Host": host}).status_code == 200
    assert split.client.get("/cases", headers={"Host": "other.example.net"}).status_code == 421


def test_where_both_have_one_host_the_team_sees_everything_under_it(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient], logged_in: Callable[..., TestClient]
) -> None:
    told = tell(make_world(public="https://ops.example.com"), make_client)
    logged_in(told, told.client)
    for path in (told.url, "/cases"):
        assert told.client.get(path, headers={"Host": "ops.example.com"}).status_code == 200


def test_the_page_knows_the_path_that_its_address_has(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEPROOF_ANSWER_URL", f"{ANSWERS}/shops/")
    told = tell(make_world(public="https://ops.example.com/cases"), make_client)
    page = told.client.get(told.url).text
    assert f'action="/shops{told.url}"' in page
    assert 'href="/shops/static/answer.css"' in page


# -- the link in a mail ---------------------------------------------------------------------------------------------


def test_the_link_in_the_notice_opens_the_page_of_its_own_contact(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient]
) -> None:
    """From the notice as it is really written to the answer, for two contacts in two languages."""
    told = make_world(public="https://ops.example.com")
    register(told.services)
    register(told.services, "laden@example.com", language="de")
    told.ref, told.client, mails = stopped(told.services, told.opened()), make_client(told), {}

    def deliver(content: bytes, sender: str, to: list[str]) -> Delivery:
        del sender
        mails[to[0]] = message_from_bytes(content, policy=default).get_body(("plain",)).get_content()
        return Delivery(tuple(to), {})

    tell_retailer(told.services.ledger, told.services.dispatch(deliver), told.services.policy, told.ref)
    for address, choice, thanks in ((SHOP, "I made the change", "Thank you"), ("laden@example.com", "Ich ", "Danke")):
        link = re.search(r"https://ops\.example\.com(/answer/\S+)", mails[address])
        assert link is not None, mails[address]
        told.url = link[1]
        page = told.client.get(told.url).text
        assert choice in page
        assert address in page
        assert send(told, **full()).status_code == 303
        assert thanks in told.client.get(told.url).text
    assert [event.data["sender"] for event in answers(told.services.ledger.case(told.ref))] == [
        SHOP,
        "laden@example.com",
    ]
