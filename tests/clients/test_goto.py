"""GoTo Connect: rings our own line and connects it, with a token that is renewed when it must be."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from caseproof.channels.provider import ChannelDown, ChannelRefused
from caseproof.channels.voice.dialling import Line
from caseproof.channels.voice.goto import GoToAccount, GoToVoice
from caseproof.domain.errors import BadInput

ACCOUNT = GoToAccount("office", "client", "client-secret", "refresh-1")
TO = Line("+442079460001", "415")


class GoTo:
    """Gives tokens for refresh tokens, each of which it takes once, and takes calls with the newest token."""

    def __init__(self) -> None:
        self.given, self.calls, self.lines = 0, 0, list[dict[str, object]]()
        self.now = datetime(2026, 11, 29, 3, tzinfo=UTC)
        self.says: Callable[[httpx.Request], httpx.Response | None] = lambda _: None

    def client(self) -> GoToVoice:
        return GoToVoice(ACCOUNT, lambda: self.now, transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        told = self.says(request)
        if told is not None:
            return told
        if request.url.path == "/oauth/token":
            basic = base64.b64encode(b"client:client-secret").decode()
            form = dict(httpx.QueryParams(request.content.decode()))
            assert request.headers["Authorization"] == f"Basic {basic}"
            assert form == {"grant_type": "refresh_token", "refresh_token": f"refresh-{self.given + 1}"}
            self.given += 1
            more = {"refresh_token": f"refresh-{self.given + 1}", "expires_in": 3600}
            return httpx.Response(200, json={"access_token": f"token-{self.given}", **more})
        assert (request.method, str(request.url)) == ("POST", "https://api.goto.com/calls/v2/calls")
        if request.headers["Authorization"] != f"Bearer token-{self.given}":
            return httpx.Response(401, json={"errorCode": "AUTHN_INVALID_TOKEN"})
        self.lines.append(json.loads(request.content))
        return httpx.Response(201, json={"initiatorId": "1"})


def test_our_line_rings_and_is_connected_and_a_token_is_asked_for_once_an_hour() -> None:
    goto = GoTo()
    client = goto.client()
    client.connect(" line-1 ", TO)
    client.connect("line-1", TO)
    assert goto.lines == [{"dialString": "+442079460001", "from": {"lineId": "line-1"}}] * 2
    assert goto.given == 1
    goto.now += timedelta(minutes=59, seconds=30)
    client.connect("line-1", TO)
    assert (goto.given, len(goto.lines)) == (2, 3)


def test_a_token_that_ended_early_is_renewed_once_and_the_call_placed_once() -> None:
    goto = GoTo()
    client = goto.client()
    client.connect("line-1", TO)
    refused = iter([httpx.Response(401)])
    goto.says = lambda request: next(refused, None) if request.url.path != "/oauth/token" else None
    client.connect("line-1", TO)
    assert (goto.given, len(goto.lines)) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "error", "maybe"),
    [
        (httpx.Response(429, headers={"Retry-After": "9"}), ChannelDown, False),
        (httpx.Response(500), ChannelDown, True),
        (httpx.Response(400, json={"message": "no such line"}), ChannelRefused, None),
    ],
)
def test_a_call_is_asked_for_once_whatever_goto_answers(
    answer: httpx.Response, error: type[Exception], maybe: bool | None
) -> None:
    goto, asked = GoTo(), list[str]()

    def says(request: httpx.Request) -> httpx.Response | None:
        asked.append(request.url.path)
        return None if request.url.path == "/oauth/token" else answer

    goto.says = says
    with pytest.raises(error) as failed:
        goto.client().connect("line-1", TO)
    assert asked == ["/oauth/token", "/calls/v2/calls"]
    assert getattr(failed.value, "maybe_done", None) is maybe


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"access_token": 1}', b"[]"])
def test_a_login_that_answers_nonsense_tells_no_token(content: bytes) -> None:
    goto = GoTo()
    goto.says = lambda _: httpx.Response(200, content=content)
    with pytest.raises(ChannelDown) as failed:
        goto.client().connect("line-1", TO)
    assert "refresh-1" not in str(failed.value)


@pytest.mark.parametrize(
    "wrong", [{"client_id": ""}, {"client_secret": " "}, {"refresh_token": ""}, {"api_url": "goto.com"}]
)
def test_an_account_that_lacks_something_is_refused_and_shows_no_secret(wrong: dict[str, str]) -> None:
    well = {"name": "office", "client_id": "client", "client_secret": "hidden", "refresh_token": "hidden"}
    with pytest.raises(BadInput):
        GoToAccount(**(well | wrong))
    assert "hidden" not in repr(GoToAccount(**well))


def test_nobodys_line_is_refused() -> None:
    with pytest.raises(BadInput, match="line"):
        GoTo().client().connect(" ", TO)
