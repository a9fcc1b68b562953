"""What stands open is found by trying it, whatever the server says of itself; and what is closed is not blamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from caseproof.doctor.doors import ELSEWHERE, RUNS, prefect_asks_for_a_password, prefect_lets_no_other_page_in
from caseproof.doctor.examination import Failed
from tests.support.loopback import Answer, Loopback

PATH = f"/api/{RUNS}"
REFUSED: Answer = (401, {}, b'{"exception_message":"Unauthorized"}')
GIVEN: Answer = (200, {"Content-Type": "application/json"}, b"[]")


def asked(door: Callable[[str], str], answer: Answer | Callable[[], Answer] | None) -> Loopback:
    with Loopback({PATH: answer}) as server:
        door(f"{server.url}/api")
    return server


def test_a_stranger_who_gets_flow_runs_is_told_and_none_of_our_passwords_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "us:secret")
    with pytest.raises(Failed, match="to whoever asks, without a password") as open_door:
        asked(prefect_asks_for_a_password, GIVEN)
    assert "PREFECT_SERVER_API_AUTH_STRING" in open_door.value.next_action
    server = asked(prefect_asks_for_a_password, REFUSED)
    assert [(method, path) for method, path, _ in server.asked] == [("POST", PATH)]
    assert all("authorization" not in headers for _, _, headers in server.asked)


LOGIN_PAGE: Answer = (200, {"Content-Type": "text/html"}, b"<form>Log in</form>")


def test_a_proxy_that_shows_a_login_page_is_a_closed_door() -> None:
    assert "gives no flow runs" in prefect_says(LOGIN_PAGE)


def prefect_says(answer: Answer) -> str:
    with Loopback({PATH: answer}) as server:
        return prefect_asks_for_a_password(f"{server.url}/api")


@pytest.mark.parametrize("answer", [(404, {}, b""), (500, {}, b""), (503, {}, b""), None], ids=str)
def test_an_answer_that_does_not_tell_is_no_closed_door(answer: Answer | None) -> None:
    with pytest.raises(Failed, match="was tried without a password"):
        asked(prefect_asks_for_a_password, answer)


class Echoing(Loopback):
    """Allows what ``allows`` makes of the origin that asks."""

    def __init__(self, allows: Callable[[str], str | None], methods: tuple[str, ...] = ("OPTIONS", "POST")) -> None:
        super().__init__()
        self.answers = {PATH: lambda: (401, self._headers(), b"{}")}
        self.allows, self.methods = allows, methods

    def _headers(self) -> Mapping[str, str]:
        method, _, headers = self.asked[-1]
        allowed = self.allows(headers["origin"]) if method in self.methods else None
        return {"Access-Control-Allow-Origin": allowed} if allowed else {}


OPEN: Mapping[str, Callable[[str], str | None]] = {
    "every page": lambda _: "*",
    "whoever asks": lambda origin: origin,
    "a page without an origin": lambda origin: "null" if origin == "null" else None,
    "what begins like its own name": lambda origin: origin if origin.startswith("https://127.0.0.1") else None,
    "one that it should not know": lambda origin: origin if origin == ELSEWHERE else None,
}


@pytest.mark.parametrize("method", ["OPTIONS", "POST"], ids=["where it is asked first", "in its answers alone"])
@pytest.mark.parametrize("allows", OPEN.values(), ids=OPEN)
def test_pages_of_others_that_are_let_in_are_found(allows: Callable[[str], str | None], method: str) -> None:
    with Echoing(allows, (method,)) as server, pytest.raises(Failed, match="to read its answers") as open_door:
        prefect_lets_no_other_page_in(f"{server.url}/api")
    assert "PREFECT_SERVER_CORS_ALLOWED_ORIGINS" in open_door.value.next_action


@pytest.mark.parametrize("allows", [lambda _: None, lambda _: "http://localhost:4200"], ids=["nobody", "its own pages"])
def test_a_server_that_lets_its_own_pages_in_alone_is_well(allows: Callable[[str], str | None]) -> None:
    with Echoing(allows) as server:
        assert "lets no page of others" in prefect_lets_no_other_page_in(f"{server.url}/api")
