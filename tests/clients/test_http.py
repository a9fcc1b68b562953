"""The HTTP client on a real server: what comes back, what went wrong, one connection for many calls, many threads."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from caseproof.http.client import CallFailed, Fault, HttpClient, certificates, credentials, is_usable, shown
from caseproof.up.processes import free_port
from tests.support import loopback
from tests.support.loopback import Loopback

OK: loopback.Answer = (200, {}, b"{}")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


def client(base: str, **options: Any) -> closing[HttpClient]:
    return closing(HttpClient(base, **{"connect_seconds": 60, "read_seconds": 60, "trust_env": False, **options}))


def fault(base: str, path: str = "", **options: Any) -> CallFailed:
    with client(base, **options) as api, pytest.raises(CallFailed) as failed:
        api.ask("GET", path)
    return failed.value


# -- an answer ----------------------------------------------------------------------------------------------------


def test_an_answer_comes_with_its_status_its_text_its_json_and_the_servers_time(server: Loopback) -> None:
    server.answers["/api/jobs"] = 201, {"X-Kind": "list"}, '["é"]'.encode()
    with client(f"{server.url}/api/") as api:
        answer = api.ask("POST", "jobs", json={"a": 1}, params={"of": "me"}, headers={"X-Call": "yes"})
    assert (answer.status, answer.text, answer.json(), answer.headers["x-kind"]) == (201, '["é"]', ["é"], "list")
    assert answer.is_success
    assert answer.required() is answer
    assert answer.date is not None
    assert abs((answer.date - datetime.now(UTC)).total_seconds()) < 60
    method, path, headers = server.asked[0]
    assert (method, path, headers["x-call"]) == ("POST", "/api/jobs?of=me", "yes")
    assert headers["content-type"] == "application/json"


def test_an_answer_that_unpacks_to_gigabytes_is_broken_and_one_that_nests_without_an_end_is_no_json(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caseproof.http.client.LARGEST", 1_000_000)
    server.answers["/bomb"] = 200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(50_000_000), 1)
    told = fault(server.url, "bomb")
    assert (told.fault, told.detail) == (Fault.BROKEN, "the answer is larger than 1 MB")
    server.answers["/deep"] = 200, {}, b"[" * 100_000
    with client(server.url) as api:
        assert api.ask("GET", "deep").json() is None


@pytest.mark.parametrize("how", ["gzip, gzip", "gzip,identity,gzip"])
def test_an_answer_that_is_packed_several_times_is_not_unpacked(server: Loopback, how: str) -> None:
    server.answers["/"] = 200, {"Content-Encoding": how}, gzip.compress(gzip.compress(b"{}"))
    failed = fault(server.url)
    assert (failed.fault, failed.detail) == (Fault.BROKEN, "the answer is packed several times")


def test_what_is_no_json_is_none_and_what_is_no_text_is_still_read(server: Loopback) -> None:
    server.answers["/page"] = 200, {}, b"<p>\xff</p>"
    with client(server.url) as api:
        answer = api.ask("GET", "page")
    assert answer.json() is None
    assert answer.text == "<p>\N{REPLACEMENT CHARACTER}</p>"


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (404, {"is_missing"}),
        (401, {"is_unauthorized"}),
        (403, {"is_unauthorized"}),
        (429, {"is_overloaded"}),
        (500, {"is_overloaded", "is_server_error"}),
        (503, {"is_overloaded", "is_server_error"}),
        (204, {"is_success"}),
        (302, {"is_redirect"}),
        (409, set()),
    ],
)
def test_an_answer_says_what_it_is(server: Loopback, status: int, what: set[str]) -> None:
    server.answers["/"] = status, {"Location": "/elsewhere"}, b""
    with client(server.url) as api:
        answer = api.ask("GET", "")
    asked = {name for name in dir(answer) if name.startswith("is_")}
    assert {name for name in asked if getattr(answer, name)} == what
    if "is_success" not in what:
        with pytest.raises(CallFailed, match=str(status)) as failed:
            answer.required()
        assert failed.value.fault is Fault.REFUSED


def test_a_redirect_is_followed_only_by_who_wants_it(server: Loopback) -> None:
    server.answers |= {"/old": (307, {"Location": "/new"}, b""), "/new": (200, {}, b"1")}
    with client(server.url) as strict, client(server.url, follow_redirects=True) as follows:
        assert strict.ask("GET", "old").status == 307
        assert follows.ask("GET", "old").json() == 1


def test_whether_a_server_answers_is_one_question(server: Loopback) -> None:
    server.answers |= {"/health": OK, "/dead": None}
    with client(server.url) as api:
        assert [api.answers(path) for path in ("health", "missing", "dead")] == [True, False, False]


# -- none ---------------------------------------------------------------------------------------------------------


def test_a_port_where_nobody_listens_is_not_reached() -> None:
    assert fault(f"http://127.0.0.1:{free_port()}").fault is Fault.NOT_REACHED


def test_a_connection_that_breaks_off_is_broken(server: Loopback) -> None:
    server.answers["/"] = None
    assert fault(server.url).fault is Fault.BROKEN


@pytest.mark.parametrize("address", ["", "http://[::x]", "http://example.com:port", "ftp://example.com"])
def test_an_address_that_is_none_shows_at_the_first_call(address: str) -> None:
    assert fault(address).fault is Fault.BROKEN
    assert not is_usable(address)


def test_a_server_that_says_nothing_is_too_slow(server: Loopback) -> None:
    over = threading.Event()

    def never() -> loopback.Answer:
        over.wait(60)
        return OK

    server.answers["/"] = never
    try:
        assert fault(server.url, read_seconds=0.05).fault is Fault.TOO_SLOW
    finally:
        over.set()


def test_a_certificate_that_nobody_signed_is_untrusted_and_the_reason_is_told(tls: ssl.SSLContext) -> None:
    with Loopback(tls=tls) as server:
        failed = fault(server.url)
    assert failed.fault is Fault.UNTRUSTED
    assert "self-signed" in failed.detail
    assert server.asked == []


def test_a_certificate_of_an_authority_of_ones_own_is_trusted_where_that_is_given(
    tls: ssl.SSLContext, certificate: Path
) -> None:
    own = certificate.read_text().partition("-----BEGIN PRIVATE KEY")[0]
    with Loopback({"/": OK}, tls=tls) as server, client(server.url, ca=own) as api:
        assert api.ask("GET", "").is_success
    with pytest.raises(ValueError, match="a private key stands there"):
        certificates(trust_env=False, ca=certificate.read_text())


def test_calls_go_through_a_proxy_and_one_that_lets_nothing_through_is_told_from_the_other_side(
    server: Loopback,
) -> None:
    server.answers |= {"http://shop.example.com/api": OK}
    with client("http://shop.example.com/api", proxy=server.url) as api:
        assert api.ask("GET", "").status == 404
    assert server.asked[0][1] == "http://shop.example.com/api/"
    refused = fault("https://shop.example.com", proxy=server.url)
    assert refused.fault is Fault.PROXY
    assert fault("http://shop.example.com", proxy=f"http://127.0.0.1:{free_port()}").fault is Fault.NOT_REACHED


def test_a_server_that_is_called_by_an_address_is_asked_for_the_certificate_of_its_name(tls: ssl.SSLContext) -> None:
    """Whoever looked an address up calls just that one, and trusts it no more than the name."""
    names = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    with Loopback(tls=tls) as server:
        assert fault(server.url, server_name="shop.example.com").fault is Fault.UNTRUSTED
    assert names == ["shop.example.com"]


def test_a_key_with_a_line_break_is_not_sent_and_not_told(server: Loopback) -> None:
    failed = fault(server.url, headers=credentials(None, "hunter2\n"))
    assert failed.fault is Fault.UNSENDABLE
    assert "hunter2" not in f"{failed} {failed!r} {failed.__cause__!r}"
    assert server.asked == []


def test_a_key_in_another_script_is_sent_as_it_is_and_left_to_the_server(server: Loopback) -> None:
    server.answers["/"] = 401, {}, b""
    with client(server.url, headers=credentials(None, "ключ")) as api:
        assert api.ask("GET", "").is_unauthorized


# -- connections --------------------------------------------------------------------------------------------------


def test_calls_after_one_another_share_a_connection(server: Loopback) -> None:
    server.answers["/"] = OK
    with client(server.url) as api:
        for _ in range(5):
            api.ask("GET", "")
    assert (len(server.asked), server.connections) == (5, 1)


def test_many_threads_share_one_client_and_each_call_is_on_its_way_at_once(server: Loopback) -> None:
    """Twenty calls each wait until all are there: with fewer at once they would wait for ever."""
    together = threading.Barrier(20, timeout=60)

    def all_there() -> loopback.Answer:
        together.wait()
        return OK

    server.answers["/"] = all_there
    with client(server.url, read_seconds=90) as api, ThreadPoolExecutor(20) as pool:
        for _ in range(2):
            assert all(one.is_success for one in pool.map(lambda _: api.ask("GET", ""), range(20)))
    assert (len(server.asked), server.connections) == (40, 20)


def test_certificates_are_read_once_a_process() -> None:
    assert certificates(trust_env=True) is certificates(trust_env=True)
    assert certificates(trust_env=True) is not certificates(trust_env=False)


# -- addresses and credentials ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://admin:hunter2@example.com/api?token=1#x", "http://example.com/api"),
        ("https://example.com:8443/api", "https://example.com:8443/api"),
        ("http://[::x]", "an address that is none"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(address: str, told: str) -> None:
    assert shown(address) == told


@pytest.mark.parametrize(
    ("password", "key", "header"),
    [
        ("admin:hunter2", None, "Basic YWRtaW46aHVudGVyMg=="),
        ("admin:hunter2", "key-1", "Basic YWRtaW46aHVudGVyMg=="),
        (None, "key-1", "Bearer key-1"),
        ("", "", None),
    ],
)
def test_a_password_goes_before_a_key(password: str | None, key: str | None, header: str | None) -> None:
    assert credentials(password, key).get("Authorization") == header
