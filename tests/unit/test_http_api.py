"""An API of another system: what is asked again, how long it is waited for, and the errors that people get."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from caseproof.domain.errors import CaseproofError
from caseproof.http.api import HttpApi
from caseproof.http.client import credentials
from caseproof.http.tokens import ClientCredentials

Told = httpx.Response | Exception

OK = httpx.Response(200, json={"id": 1})


class Down(CaseproofError):
    """What this test's system raises when it is not there."""


class Refused(CaseproofError):
    """What it raises when it says no."""


@dataclass
class Nightly:
    """Gives one answer a call, the last for ever; remembers calls and waits."""

    answers: list[Told]
    calls: int = 0
    waits: list[float] = field(default_factory=list)

    def __call__(self, _: httpx.Request) -> httpx.Response:
        self.calls += 1
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(told, Exception):
            raise told
        return told

    def api(self, url: str = "http://nightly.example.com/api", key: str = "hunter2", **more: Any) -> HttpApi:
        return HttpApi(
            url,
            "the Nightly API",
            down=Down,
            refused=Refused,
            headers=credentials(None, key),
            transport=httpx.MockTransport(self),
            sleep=self.waits.append,
            **more,
        )


def tells_no_secret(error: CaseproofError) -> bool:
    return not any(
        secret in f"{error} {error!r} {error.__cause__!r}" for secret in ("hunter2", "token=", "admin", "Bearer")
    )


# -- what is asked again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [httpx.ConnectError("no"), httpx.ConnectTimeout("no"), httpx.PoolTimeout("no")])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_was_never_sent_is_tried_three_times_and_then_it_is_down(broken: Exception, method: str) -> None:
    nightly = Nightly([broken])
    with pytest.raises(Down, match=r"^The Nightly API at http://nightly.example.com/api cannot be reached\.") as error:
        nightly.api().call(method, "jobs")
    assert nightly.calls == 3
    assert len(nightly.waits) == 2
    assert 0 < nightly.waits[0] <= 0.75  # half a second, a second, each with half of it more or less
    assert 0.5 <= nightly.waits[1] <= 1.5
    assert tells_no_secret(error.value)


LOST = [httpx.ReadTimeout("no"), httpx.ReadError("no"), httpx.RemoteProtocolError("no"), httpx.Response(502)]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize(("method", "reads"), [("GET", None), ("POST", True)])
def test_a_read_whose_answer_was_lost_is_repeated(lost: Told, method: str, reads: bool | None) -> None:
    nightly = Nightly([lost, OK])
    assert nightly.api().call(method, "jobs", reads=reads).json() == {"id": 1}
    assert nightly.calls == 2


@pytest.mark.parametrize("lost", LOST)
def test_a_write_whose_answer_was_lost_is_never_repeated(lost: Told) -> None:
    nightly = Nightly([lost, OK])
    with pytest.raises(Down):
        nightly.api().call("POST", "runs", json={})
    assert (nightly.calls, nightly.waits) == (1, [])


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (httpx.ReadTimeout("no"), "did not answer in time"),
        (httpx.ReadError("no"), r"broke off the connection \(ReadError\)"),
    ],
)
def test_a_lost_answer_is_told_with_what_to_do_first(lost: Exception, told: str) -> None:
    with pytest.raises(Down, match=told) as error:
        Nightly([lost]).api().call("POST", "runs")
    assert "read back first" in error.value.next_action


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_did_nothing_is_asked_again_even_for_a_write(status: int) -> None:
    nightly = Nightly([httpx.Response(status), OK])
    nightly.api().call("POST", "runs")
    assert nightly.calls == 2


def test_a_server_that_stays_overloaded_is_down() -> None:
    nightly = Nightly([httpx.Response(503)])
    with pytest.raises(Down, match=r"overloaded or broken \(it answered 503\)"):
        nightly.api().call("GET", "jobs")
    assert nightly.calls == 3


# -- a server that says when to come back -------------------------------------------------------------------------


def busy(asked: str, **headers: str) -> httpx.Response:
    return httpx.Response(429, headers={"Retry-After": asked, **headers})


@pytest.mark.parametrize(("asked", "waited"), [("2", 2.0), ("60", 60.0), ("Thu, 01 Jan 2026 00:00:04 GMT", 4.0)])
def test_it_is_asked_again_when_it_wants_to_be(asked: str, waited: float) -> None:
    nightly = Nightly([busy(asked, Date="Thu, 01 Jan 2026 00:00:00 GMT"), OK])
    nightly.api().call("GET", "jobs")
    assert nightly.waits == [waited]


def test_one_that_wants_more_than_a_minute_is_down_and_the_error_says_when_to_come_back() -> None:
    nightly = Nightly([busy("3600")])
    with pytest.raises(Down, match="429") as error:
        nightly.api().call("GET", "jobs")
    assert (nightly.calls, nightly.waits) == (1, [])
    assert "in 60 minutes" in error.value.next_action


def test_one_that_is_busy_is_waited_for_more_than_three_times_but_a_minute_in_all() -> None:
    patient = Nightly([*[busy("13")] * 4, OK])
    patient.api().call("GET", "jobs")
    assert patient.waits == [13.0] * 4
    for_ever = Nightly([busy("13")])
    with pytest.raises(Down) as error:
        for_ever.api().call("GET", "jobs")
    assert sum(for_ever.waits) == 52.0
    assert "in 13 seconds" in error.value.next_action


def test_one_that_asks_for_ages_is_told_as_a_long_time() -> None:
    nightly = Nightly([busy("9" * 400)])
    with pytest.raises(Down, match="525600 minutes"):
        nightly.api().call("GET", "jobs")
    assert nightly.waits == []


@pytest.mark.parametrize("nonsense", ["soon", "-5", "", "0"])
def test_one_that_says_nothing_useful_is_waited_for_no_longer_than_usual(nonsense: str) -> None:
    nightly = Nightly([busy(nonsense), OK])
    nightly.api().call("GET", "jobs")
    assert sum(nightly.waits) <= 0.75


# -- refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_refused_at_once_without_telling_them(status: int) -> None:
    nightly = Nightly([httpx.Response(status, json={"exception_message": "Unauthorized"})])
    with pytest.raises(Refused, match="credentials") as error:
        nightly.api("http://admin:hunter2@nightly.example.com/api").call("GET", "jobs")
    assert nightly.calls == 1
    assert tells_no_secret(error.value)


def test_a_refusal_tells_the_servers_own_words_without_the_key_that_they_repeat() -> None:
    nightly = Nightly([httpx.Response(409, json={"detail": "'shop' is missing, Authorization: Bearer hunter2hunter2"})])
    with pytest.raises(Refused, match="it answered 409: 'shop' is missing") as error:
        nightly.api().call("POST", "runs")
    assert tells_no_secret(error.value)


def test_what_is_missing_is_left_to_the_caller() -> None:
    assert Nightly([httpx.Response(404)]).api().call("GET", "jobs/x").is_missing


@pytest.mark.parametrize("content", [b"<html>Please log in</html>", b'{"id": "d', b'{"id": "a word"}', b"[]", b""])
def test_an_answer_of_another_shape_is_not_the_apis(content: bytes) -> None:
    api = Nightly([httpx.Response(200, content=content)]).api()
    with pytest.raises(Refused, match="something that is not the Nightly API") as error:
        api.decoded(api.call("GET", "jobs/x"), TypeAdapter(dict[str, int]))
    assert "address" in error.value.next_action
    assert tells_no_secret(error.value)


def test_a_redirect_to_a_login_is_not_the_apis_and_is_not_followed() -> None:
    nightly = Nightly([httpx.Response(302, headers={"Location": "http://login.example.com/?token=1"})])
    with pytest.raises(Refused, match="something that is not the Nightly API") as error:
        nightly.api().call("GET", "jobs")
    assert nightly.calls == 1
    assert tells_no_secret(error.value)


@pytest.mark.parametrize(
    "address",
    [
        "nightly.example.com/api",
        "ftp://admin:hunter2@example.com",
        "http://nightly.example.com:port/api",
        "http://",
        "http://nightly.example.com/api?token=1",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="cannot be used") as error:
        Nightly([OK]).api(address)
    assert tells_no_secret(error.value)


def test_a_key_with_a_line_break_is_refused_at_once_without_telling_it() -> None:
    nightly = Nightly([httpx.LocalProtocolError("Illegal header value b'Bearer hunter2'")])
    with pytest.raises(Refused, match="holds characters that cannot be sent") as error:
        nightly.api().call("GET", "jobs")
    assert nightly.calls == 1
    assert tells_no_secret(error.value)


@pytest.mark.parametrize("path", ["jobs/..", "jobs/./runs", "jobs/%2e%2E", "..", "jobs/a%2F..%2Fb", "jobs/..?all=1"])
def test_a_name_that_is_a_step_in_the_path_reaches_nothing_above(path: str) -> None:
    nightly = Nightly([OK])
    with pytest.raises(Refused, match=r"called `\.` or `\.\.`"):
        nightly.api().call("DELETE", path)
    assert nightly.calls == 0


def test_names_in_any_script_are_sent_and_half_a_character_is_refused_before() -> None:
    nightly = Nightly([OK])
    assert nightly.api().call("POST", "runs", headers={"Idempotency-Key": "größe/1"}).is_success
    for half in ({"params": {"job": "\udc80"}}, {"json": {"job": "\udc80"}}, {"headers": {"Job": "\udc80"}}):
        with pytest.raises(Refused, match="characters that cannot be sent"):
            nightly.api().call("GET", "jobs", **half)
    assert nightly.calls == 1


def test_half_a_character_in_an_answer_is_replaced_and_whole_ones_stay() -> None:
    told = rb'{"a": "x\ud83d", "b": "\ud83d\ude00", "c": "\\ud83d", "d": "\udc00!"}'
    wanted = {"a": "x\ufffd", "b": "\U0001f600", "c": "\\ud83d", "d": "\ufffd!"}
    api = Nightly([httpx.Response(200, content=told)]).api()
    answer = api.call("GET", "jobs")
    assert answer.json() == api.decoded(answer, TypeAdapter(dict[str, str])) == wanted
    assert answer.content == told


@pytest.mark.parametrize("told", ["The key hunter2 is unknown", "dXM6aHVudGVyMg== is unknown"])
def test_our_own_key_is_hidden_in_what_a_server_says_whatever_it_looks_like(told: str) -> None:
    page = httpx.Response(502, html=f"<html><title>{told}</title></html>")
    for answer in (httpx.Response(400, json={"detail": told}), page):
        for headers in (
            credentials("us:hunter2", None),
            {"X-Token": "hunter2"} | credentials(None, "dXM6aHVudGVyMg=="),
        ):
            with pytest.raises(CaseproofError, match="is unknown") as error:
                Nightly([answer]).api(key="").call("POST", "jobs", headers=headers)
            assert tells_no_secret(error.value)
            assert "dXM6" not in str(error.value)


def test_an_answer_that_never_comes_to_its_end_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caseproof.http.api.WHOLE_SECONDS", -1.0)
    with pytest.raises(Down, match="did not answer in time"):
        Nightly([httpx.Response(200, content=iter([b"[", b"]"]))]).api().call("POST", "jobs")


def test_a_proxys_page_in_the_place_of_an_answer_is_called_one_and_tells_its_title() -> None:
    page = b"<!DOCTYPE html><html><head><title>ERROR: The requested URL &amp; so on</title></head></html>"
    broken = httpx.Response(502, content=page, headers={"Content-Type": "text/html"})
    with pytest.raises(
        Down, match="502 with a web page titled 'ERROR: The requested URL & so on', as a proxy"
    ) as error:
        Nightly([broken]).api().call("GET", "jobs")
    assert tells_no_secret(error.value)


class Keys:
    """A login whose first key is not accepted any more."""

    def __init__(self, *keys: str) -> None:
        self.keys, self.renewed = list(keys), 0

    def headers(self) -> dict[str, str]:
        return credentials(None, self.keys[0])

    def renew(self, rejected: Mapping[str, str]) -> bool:
        assert rejected == self.headers()
        self.renewed += 1
        return len(self.keys) > 1 and bool(self.keys.pop(0))


def test_a_key_that_is_not_accepted_any_more_is_renewed_once_and_even_a_write_is_sent_again() -> None:
    nightly, keys = Nightly([httpx.Response(401), OK]), Keys("old", "new")
    assert nightly.api(login=keys).call("POST", "runs").is_success
    assert (nightly.calls, keys.renewed, keys.keys) == (2, 1, ["new"])


@pytest.mark.parametrize("keys", [Keys("old"), Keys("old", "no better", "never asked for")])
def test_where_the_renewed_key_is_not_accepted_either_it_is_refused(keys: Keys) -> None:
    nightly = Nightly([httpx.Response(401)])
    with pytest.raises(Refused, match="does not accept our credentials"):
        nightly.api(login=keys).call("GET", "jobs")
    assert keys.renewed == 1


@pytest.mark.parametrize("wrong", [{"ca": "-----BEGIN nothing"}, {"ca": "ключ"}, {"proxy": "proxy:3128"}])
def test_a_certificate_or_a_proxy_that_is_none_is_refused_when_it_is_set_up(wrong: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"cannot be used: this is no"):
        Nightly([OK]).api(**wrong)


@dataclass
class Tokens:
    """A token server, and a service that takes its last token alone."""

    given: list[str] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)
    lasts: float | None = 3600
    status: int = 200
    takes: bool = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            self.asked.append(request)
            if self.status != 200:
                return httpx.Response(self.status)
            self.given.append(f"token-{len(self.given)}")
            time.sleep(0.02)  # so that many threads wait for the same one
            return httpx.Response(200, json={"access_token": self.given[-1], "expires_in": self.lasts})
        right = self.takes and self.given and request.headers["Authorization"] == f"Bearer {self.given[-1]}"
        return OK if right else httpx.Response(401)

    def api(self, monotonic: Callable[[], float] = time.monotonic, **how: Any) -> HttpApi:
        carried = httpx.MockTransport(self)
        login = ClientCredentials(
            "http://login.example.com/oauth/token", "us", "hunter2",
            down=Down, refused=Refused, transport=carried, monotonic=monotonic, **how,
        )  # fmt: skip
        return HttpApi("http://x.example.com", "it", down=Down, refused=Refused, login=login, transport=carried)


def test_many_calls_at_once_fetch_one_token_and_a_revoked_one_is_fetched_anew_once() -> None:
    tokens, now = Tokens(), [0.0]
    api = tokens.api(lambda: now[0])
    with ThreadPoolExecutor(12) as pool:
        for revoked in range(3):
            assert all(pool.map(lambda _: api.call("GET", "jobs").is_success, range(24)))
            assert len(tokens.given) == revoked + 1
            tokens.given[-1] = "revoked meanwhile"
            now[0] += 600


def refusals(api: HttpApi, calls: int = 24) -> set[str]:
    """What each of many calls at once is told."""

    def one(_: int) -> str:
        with pytest.raises(CaseproofError) as told:
            api.call("GET", "jobs")
        return f"{type(told.value).__name__}: {told.value.problem}"

    with ThreadPoolExecutor(12) as pool:
        return set(pool.map(one, range(calls)))


def test_a_token_that_is_refused_as_soon_as_it_was_given_is_fetched_anew_once_and_not_by_each_call() -> None:
    tokens, now = Tokens(takes=False), [0.0]
    api = tokens.api(lambda: now[0])
    (told,) = refusals(api)
    assert told.startswith("Refused: It at http://x.example.com does not accept our credentials")
    assert len(tokens.given) == 2
    refusals(api)
    assert len(tokens.given) == 2
    tokens.takes, now[0] = True, 300.0
    tokens.given[-1] = "revoked meanwhile"
    assert api.call("GET", "jobs").is_success


@pytest.mark.parametrize(
    ("status", "told", "asked"), [(401, "Refused: The token server", 1), (500, "Down: The token server", 3)]
)
def test_a_token_server_that_gives_none_is_asked_by_one_call_and_all_are_told(
    status: int, told: str, asked: int
) -> None:
    tokens, now = Tokens(status=status), [0.0]
    api = tokens.api(lambda: now[0], sleep=lambda _: None)
    (said,) = refusals(api)
    assert said.startswith(told)
    assert len(tokens.asked) == asked
    tokens.status, now[0] = 200, 61.0
    assert api.call("GET", "jobs").is_success


def test_a_token_is_fetched_anew_before_it_ends() -> None:
    now = [0.0]
    tokens = Tokens(lasts=100)
    api = tokens.api(lambda: now[0])
    for now[0], fetched in ((0, 1), (69, 1), (71, 2), (140, 2), (142, 3)):
        api.call("GET", "jobs")
        assert len(tokens.given) == fetched


@pytest.mark.parametrize(("sends", "form", "header"), [("header", False, True), ("form", True, False)])
def test_the_token_server_is_told_who_we_are_as_it_wants_it(sends: str, form: bool, header: bool) -> None:
    tokens = Tokens()
    tokens.api(sends=sends, scope="jobs").call("GET", "jobs")
    asked = tokens.asked[0]
    assert (b"client_secret=hunter2" in asked.content, "Authorization" in asked.headers) == (form, header)
    assert b"scope=jobs" in asked.content
