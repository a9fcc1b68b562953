"""A look at a site in an emergency: evidence alone, bounded in time and bytes, and no door to an inner network."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from caseproof.domain.emergency.raising import Terminals
from caseproof.domain.errors import BadInput
from caseproof.evidence import site_probe
from caseproof.evidence.site_probe import Found, Probe, Site, probe_site
from tests.support.loopback import Loopback

NOW = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
PAGE = (200, {}, b"<html>shop</html>")
REST = (200, {}, json.dumps({"namespace": "wc/v3", "routes": {}}).encode())
HEALTHY = {"/": PAGE, "/cart/": PAGE, "/checkout/": PAGE, "/wp-json/wc/v3": REST}


@pytest.fixture
def shop() -> Iterator[Loopback]:
    with Loopback(dict(HEALTHY)) as server:
        yield server


def probed(shop: Loopback, **more: object) -> Probe:
    return probe_site(Site(shop.url, **more), NOW, own=[shop.url])  # type: ignore[arg-type]


def found(probe: Probe) -> dict[str, Found]:
    return {look.what: look.found for look in probe.looks}


def test_a_healthy_site_is_fine_on_every_page_and_nothing_is_written_there(shop: Loopback) -> None:
    probe = probed(shop, ecm=[shop.url])
    assert set(found(probe)) == {"home page", "cart", "checkout", "WooCommerce REST", "web ECM 1"}
    assert set(found(probe).values()) == {Found.FINE}
    assert probe.summary == "every page that was asked answered"
    assert {method for method, _, _ in shop.asked} == {"GET"}
    assert not any("authorization" in headers or "cookie" in headers for _, _, headers in shop.asked)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ((500, {}, b"Error establishing a database connection"), Found.ERROR),
        ((404, {}, b"not here"), Found.ERROR),
        ((200, {}, b" \n"), Found.EMPTY),
        (None, Found.BROKEN),
        ((302, {"Location": "/checkout/"}, b""), Found.BROKEN),
        ((302, {"Location": "/cart/"}, b""), Found.FINE),
        ((200, {}, b"x" * 3_100_000), Found.BROKEN),
        ((302, {"Location": "http://[::1"}, b""), Found.BROKEN),
        ((302, {"Location": "file:///etc/passwd"}, b""), Found.NOT_LOOKED_AT),
    ],
)
def test_what_a_page_answers_is_said_as_a_code(shop: Loopback, answer: object, what: Found) -> None:
    shop.answers["/checkout/"] = answer  # type: ignore[assignment]
    probe = probed(shop)
    assert found(probe)["checkout"] is what
    assert found(probe)["home page"] is Found.FINE


@pytest.mark.parametrize(
    "body", [b"<html>a login page</html>", b"[]", b"{}", b'{"namespace": "wp/v2"}', b"[" * 100_000]
)
def test_what_is_not_woocommerce_s_api_is_not_taken_for_it(shop: Loopback, body: bytes) -> None:
    shop.answers["/wp-json/wc/v3"] = (200, {}, body)
    assert found(probed(shop))["WooCommerce REST"] is Found.NOT_THE_API


INNER = [
    "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/",
    "http://10.0.0.1/", "http://[::ffff:10.0.0.1]/", "http://2130706433:1/", "http://0x7f.1:1/", "http://0:1/",
]  # fmt: skip


@pytest.mark.parametrize("url", INNER)
def test_no_inner_address_is_asked_whether_named_or_led_to_in_any_spelling(shop: Loopback, url: str) -> None:
    shop.answers["/"] = (302, {"Location": url}, b"")
    assert found(probed(shop))["home page"] is Found.NOT_LOOKED_AT
    looks = probe_site(Site(url, ecm=[url]), NOW, own=[shop.url]).looks
    assert {look.found for look in looks} == {Found.NOT_LOOKED_AT}


def test_a_site_of_this_machine_that_nobody_set_up_is_not_asked(shop: Loopback) -> None:
    looks = probe_site(Site(shop.url), NOW).looks
    assert {look.found for look in looks} == {Found.NOT_LOOKED_AT}
    assert shop.connections == 0


def test_a_name_is_looked_up_once_so_that_its_second_address_leads_nowhere(
    shop: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when it is looked at, and this machine a moment later."""
    port, asked = int(shop.url.rpartition(":")[2]), []

    def turns(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(2, 1, 6, "", ("192.0.2.1" if asked.count(host) > 1 else "8.8.8.8", port))]

    monkeypatch.setattr(site_probe, "is_public", lambda address: address == "8.8.8.8")
    monkeypatch.setattr(site_probe.socket, "getaddrinfo", turns)
    monkeypatch.setattr(site_probe, "HttpClient", lambda base, **more: Refuses(base, more["headers"]["Host"]))
    Refuses.made.clear()
    only = {"cart": "", "checkout": "", "WooCommerce REST": ""}
    probe_site(Site(f"http://shop.example.com:{port}", paths=only), NOW)
    assert Refuses.made == [(f"http://8.8.8.8:{port}", f"shop.example.com:{port}")]


class Refuses:
    """A client that only says whom it would have asked."""

    made: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, base: str, host: str) -> None:
        self.made.append((base, host))

    def ask(self, *_: object, **__: object) -> None:
        raise RuntimeError("asked nobody")

    def close(self) -> None: ...


def test_a_page_that_hangs_holds_up_neither_the_others_nor_the_caller(shop: Loopback) -> None:
    hangs = threading.Event()
    shop.answers["/cart/"] = lambda: (hangs.wait(120), PAGE)[1]
    begun = time.monotonic()
    probe = probe_site(Site(shop.url), NOW, own=[shop.url], whole_seconds=2)
    hangs.set()
    assert time.monotonic() - begun < 60
    assert found(probe) == {**dict.fromkeys(found(probe), Found.FINE), "cart": Found.TOO_SLOW}


def test_the_file_holds_what_was_seen_and_neither_passwords_nor_pages(shop: Loopback) -> None:
    site = Site(shop.url.replace("http://", "http://user:hunter2@"))
    probe = probe_site(site, NOW, own=[shop.url], terminals=Terminals(3, 5))
    kept = json.dumps(probe.as_json())
    assert "hunter2" not in kept
    assert "<html>" not in kept
    assert probe.as_json()["terminals_as_told"] == {"failing": 3, "of": 5, "more_than_half": True}
    assert not any("authorization" in headers for _, _, headers in shop.asked)


@pytest.mark.parametrize(
    "url", ["", "ftp://shop.example.com", "javascript:alert(1)", "https://", "http://[", "http://a:99999/"]
)
def test_an_address_that_is_none_is_refused_with_the_next_action(url: str) -> None:
    with pytest.raises(BadInput, match="as in a browser"):
        probe_site(Site(url), NOW)


def test_a_name_alone_is_taken_for_https_and_one_that_nobody_knows_is_away() -> None:
    probe = probe_site(Site("shop.invalid"), NOW, whole_seconds=5)
    (look, *_) = probe.looks
    assert "home page: cannot be reached" in probe.summary
    assert (look.url, look.found) == ("https://shop.invalid/", Found.AWAY)
