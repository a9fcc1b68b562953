"""Looks at a site in an emergency: what it answers is evidence beside what people saw, and nothing decides by it.

The home page, the cart, the checkout, WooCommerce's REST API and the web ECM are asked at the same time, each for a
few seconds and a few bytes. Whoever raises the emergency names the site, so an address may lead anywhere: each
connection is made to an address that was looked up and looked at, never to an inner network but where the site was set
up there, and a redirect is followed by the same rule. Nothing is written there, and no credential is sent.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urljoin, urlsplit

from caseproof.domain.emergency.raising import Terminals
from caseproof.domain.errors import BadInput
from caseproof.evidence.gate import Place, is_public, place_of
from caseproof.http.client import Answer, CallFailed, Fault, HttpClient, Transport, shown

WHOLE_SECONDS = 8.0
"""How long all of a probe takes at most."""
_CONNECT_SECONDS = 3.0
_READ_SECONDS = 5.0
_LARGEST = 3_000_000
_MOST_REDIRECTS = 5
_MOST_ADDRESSES = 12
_PATHS = {"home page": "/", "cart": "/cart/", "checkout": "/checkout/"}
_REST = "WooCommerce REST"
_REST_PATH = "/wp-json/wc/v3"


class Found(StrEnum):
    """What a look came to. Only ``FINE`` is fine, and none of them proves that the site works for people."""

    FINE = "fine"
    ERROR = "error"
    """It answered with an error (4xx, 5xx)."""
    EMPTY = "empty"
    """It answered with a page that holds nothing."""
    NOT_THE_API = "not_the_api"
    """It answered, and not as WooCommerce does."""
    AWAY = "away"
    """The connection could not be made, or the name is not known."""
    TOO_SLOW = "too_slow"
    UNTRUSTED = "untrusted"
    """Its certificate is not valid."""
    BROKEN = "broken"
    """It broke off, sends without an end, or leads round in circles."""
    NOT_LOOKED_AT = "not_looked_at"
    """It leads to an address that we do not look at: of an inner network, or none of the web."""


@dataclass(frozen=True, slots=True)
class Site:
    """What to look at: the site's address, those of its web ECM servers, and paths by name, where the usual ones are
    not it (``cart``: ``/basket/``; "" leaves one out)."""

    url: str
    ecm: Sequence[str] = ()
    paths: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One look: at what, its address (without user, password and query), what it came to, and how long it took."""

    what: str
    url: str
    found: Found
    status: int | None = None
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What was seen at a moment (aware). ``terminals`` are the figures that the caller gave."""

    at: datetime
    looks: tuple[Look, ...]
    terminals: Terminals | None = None

    def as_json(self) -> dict[str, Any]:
        """The file that is kept as evidence."""
        figures = None
        if self.terminals is not None:
            figures = {**asdict(self.terminals), "more_than_half": self.terminals.more_than_half}
        looks = [{**asdict(look), "found": str(look.found)} for look in self.looks]
        return {"at": self.at.isoformat(), "looks": looks, "terminals_as_told": figures}

    @property
    def summary(self) -> str:
        """What was found, for people."""
        wrong = [f"{look.what}: {_said(look.found)}" for look in self.looks if look.found is not Found.FINE]
        return "; ".join(wrong) or "every page that was asked answered"


def _said(found: Found) -> str:
    return "cannot be reached" if found is Found.AWAY else found.replace("_", " ")


def probe_site(
    site: Site,
    now: datetime,
    *,
    own: Iterable[str] = (),
    terminals: Terminals | None = None,
    transport: Transport | None = None,
    whole_seconds: float = WHOLE_SECONDS,
) -> Probe:
    """Look at everything at the same time, for ``whole_seconds`` at most.

    ``own`` are the addresses with which sites were set up by the team: these alone may lie in an inner network. Raises
    BadInput where the site's address is none.
    """
    asked = _asked(site)
    places = frozenset(place_of(url) for url in own)
    looks: dict[str, Look] = {}
    threads = []
    for what, url in asked.items():

        def look(what: str = what, url: str = url) -> None:
            looks[what] = _look(what, url, places, transport)

        threads.append(threading.Thread(target=look, name="probe", daemon=True))
    for thread in threads:
        thread.start()
    until = time.monotonic() + whole_seconds
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
    seen = dict(looks)
    found = [
        seen.get(what, Look(what, shown(url), Found.TOO_SLOW, seconds=whole_seconds)) for what, url in asked.items()
    ]
    return Probe(now, tuple(found), terminals)


def _asked(site: Site) -> dict[str, str]:
    """What is looked at: its name and its address."""
    base = _checked(site.url if "://" in site.url else f"https://{site.url.strip()}")
    paths = {**_PATHS, _REST: _REST_PATH, **(site.paths or {})}
    found = {what: urljoin(base, path) for what, path in paths.items() if path}
    found |= {f"web ECM {number}": _checked(url) for number, url in enumerate(site.ecm, 1)}
    return dict(list(found.items())[:_MOST_ADDRESSES])


def _checked(url: str) -> str:
    try:
        place_of(url.strip())
    except ValueError:
        raise BadInput(
            "The site's address is none of the web.", "Write it as in a browser: https://shop.example.com"
        ) from None
    return url.strip()


# -- one look -------------------------------------------------------------------------------------------------------


class _Ends(Exception):
    """A look that ends here."""

    def __init__(self, found: Found, detail: str = "") -> None:
        self.found, self.detail = found, detail
        super().__init__(detail)


def _look(what: str, url: str, own: frozenset[Place], transport: Transport | None) -> Look:
    begun = time.monotonic()
    status = None
    try:
        answer = _answer(url, own, transport)
        status = answer.status
        found, detail = _judged(what, answer), ""
    except _Ends as end:
        found, detail = end.found, end.detail
    except Exception as error:  # a stranger's server wrote what led here: it is evidence that it is odd
        found, detail = Found.BROKEN, type(error).__name__
    return Look(what, shown(url), found, status, detail, round(time.monotonic() - begun, 3))


def _judged(what: str, answer: Answer) -> Found:
    if not answer.is_success:
        return Found.ERROR
    if what == _REST:
        body = answer.json()
        return Found.FINE if isinstance(body, dict) and body.get("namespace") == "wc/v3" else Found.NOT_THE_API
    return Found.FINE if answer.content.strip() else Found.EMPTY


def _answer(url: str, own: frozenset[Place], transport: Transport | None) -> Answer:
    """The answer at the end of its redirects. Raises _Ends."""
    for _ in range(_MOST_REDIRECTS + 1):
        answer = _asked_once(url, own, transport)
        leads_to = answer.headers.get("location", "")
        if not answer.is_redirect or not leads_to:
            return answer
        url = urljoin(url, leads_to)
    raise _Ends(Found.BROKEN, f"more than {_MOST_REDIRECTS} redirects")


def _asked_once(url: str, own: frozenset[Place], transport: Transport | None) -> Answer:
    try:
        host, port = place_of(url)
    except ValueError:
        raise _Ends(Found.NOT_LOOKED_AT, "it leads to what is no page of the web") from None
    parts = urlsplit(url)
    client = HttpClient(
        f"{parts.scheme}://{_address(host, port, own)}:{port}",
        connect_seconds=_CONNECT_SECONDS,
        read_seconds=_READ_SECONDS,
        headers={"Host": _host_header(host, port, parts.scheme), "User-Agent": "Caseproof (a look at the site)"},
        trust_env=False,  # a proxy would look the name up anew, behind what was looked at here
        transport=transport,
        server_name=_ascii(host),
    )
    try:
        path = (parts.path or "/").removeprefix("/") + (f"?{parts.query}" if parts.query else "")
        return client.ask("GET", path, most=_LARGEST, within=_READ_SECONDS)
    except CallFailed as failed:
        found = {Fault.NOT_REACHED: Found.AWAY, Fault.UNTRUSTED: Found.UNTRUSTED, Fault.TOO_SLOW: Found.TOO_SLOW}
        raise _Ends(found.get(failed.fault, Found.BROKEN), failed.detail) from None
    finally:
        client.close()


def _address(host: str, port: int, own: frozenset[Place]) -> str:
    """An address of the host as a URL has it, looked up once and looked at. Raises _Ends."""
    try:
        found = [str(at[4][0]) for at in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        raise _Ends(Found.AWAY, "the name is not known") from None
    if (host, port) not in own and not all(is_public(address) for address in found):
        raise _Ends(Found.NOT_LOOKED_AT, "it leads to a private address")
    address = found[0].partition("%")[0]
    return f"[{address}]" if isinstance(ipaddress.ip_address(address), ipaddress.IPv6Address) else address


def _host_header(host: str, port: int, scheme: str) -> str:
    name = f"[{host}]" if ":" in host else _ascii(host)
    return name if port == {"http": 80, "https": 443}[scheme] else f"{name}:{port}"


def _ascii(host: str) -> str:
    """A name as servers and certificates have it."""
    return host if host.isascii() else host.encode("idna").decode()
