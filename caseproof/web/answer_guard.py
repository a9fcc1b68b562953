"""What keeps the pages with forms safe: whose host it is under, how often, how much, and whether a form is ours."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import time
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, Request
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import ClientDisconnect

from caseproof.config.settings import Settings
from caseproof.domain.errors import CaseproofError
from caseproof.store.logins import folded_name
from caseproof.web.who import person_of

MOST_BODY = 64_000
"""How many bytes a form may have; the longest answer of a retailer that is taken fits."""
MOST_OF_THE_TEAM = 400_000
"""The same for whoever is logged in: the longest mail fits, in whatever script (a letter is up to twelve bytes)."""
_MOST_FIELDS = 400
_SENT = "caseproof.sent"

_LOOKS = parse("120 per minute")
_SENDS = parse("40 per 10 minutes")
_ANSWERS = parse("20 per hour")
_LOGINS = parse("20 per 10 minutes")
_LOGINS_OF_A_NAME = parse("10 per 10 minutes")
_USES_OF_A_LINK = parse("20 per 10 minutes")
_AT_THE_PROVIDER = parse("60 per 10 minutes")


class TooMuch(CaseproofError):
    """More was sent than a form can hold."""


class TooOften(CaseproofError):
    """One address, or the holders of one link, ask too often; ``seconds`` says when it is their turn again."""

    def __init__(self, seconds: int) -> None:
        super().__init__("That was too often.", f"Try again in {seconds} seconds.")
        self.seconds = seconds


# -- the host -------------------------------------------------------------------------------------------------------


class AnswerHost:
    """The host name that retailers see. Where it is one of its own, nothing but the page is shown under it.

    Whoever sends a request writes its Host, and a proxy that asks for the name alone hands on any port behind it: what
    is not exactly one of our other hosts counts as the retailers' then.
    """

    def __init__(self, settings: Settings) -> None:
        own = _netloc(settings.answers or "")
        self._others = {_netloc(settings.public), _netloc(str(settings.web_url))}
        self.name = urlsplit(settings.answers or "").hostname
        self._is_its_own = bool(self.name) and own not in self._others

    def is_asked(self, request: Request) -> bool:
        """Whether this request is for that host."""
        asked = asked_host(request)
        return self._is_its_own and asked is not None and asked[0] == self.name and asked[1] not in self._others

    def is_for_retailers(self, request: Request) -> bool:
        """Whether whoever sent this request is a retailer, for all that we know."""
        return self.is_asked(request) or request.url.path.startswith("/answer/")


_HOST = re.compile(r"(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])\.?(?P<port>(?::\d{0,5})?)", re.ASCII)


def asked_host(request: Request) -> tuple[str, str] | None:
    """The host name that a request is for, and the same with its port as `_netloc` gives it; None where it is none."""
    found = _HOST.fullmatch(request.headers.get("Host", "").lower())
    return (found["name"].strip("[]"), _netloc(f"//{found['name']}{found['port']}")) if found else None


def _netloc(url: str) -> str:
    """Host and port; the ports that nobody writes are left out."""
    return urlsplit(url).netloc.rpartition("@")[2].lower().removesuffix(":443").removesuffix(":80")


# -- how often ------------------------------------------------------------------------------------------------------


class RateLimit:
    """How often the page may be opened and answered. Counted in this process: a restart forgets it, and may."""

    def __init__(self) -> None:
        # Of the strategies this one forgets whom it has counted; the moving window keeps every name for good.
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def look(self, request: Request) -> None:
        """Count one look at a page. Raises TooOften."""
        self._take(_LOOKS, "look", _client(request))

    def send(self, request: Request) -> None:
        """Count one form that is sent. Raises TooOften."""
        self._take(_SENDS, "send", _client(request))

    def answer(self, letter: str) -> None:
        """Count one answer by the link of a letter. Raises TooOften."""
        self._take(_ANSWERS, "answer", letter)

    def login(self, request: Request, name: str = "") -> None:
        """Count one try to log in, of an address and of a name, which need not be anybody's. Raises TooOften."""
        self._take(_LOGINS, "login", _client(request))
        if name:
            self._take(_LOGINS_OF_A_NAME, "name", _digest(folded_name(name)))

    def link(self, token: str) -> None:
        """Count one use of a sign-in link that holds, whoever has it: nobody else can use it up. Raises TooOften."""
        self._take(_USES_OF_A_LINK, "link", _digest(token))

    def provider(self, request: Request, step: str) -> None:
        """Count one step of a log-in by the provider, of an address. Raises TooOften."""
        self._take(_AT_THE_PROVIDER, step, _client(request))

    def _take(self, most: RateLimitItem, *who: str) -> None:
        if not self._limiter.hit(most, *who):
            until = self._limiter.get_window_stats(most, *who).reset_time
            raise TooOften(max(1, ceil(until - time())))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _client(request: Request) -> str:
    """Whose request it is; a home has a whole network of IPv6 addresses, which counts as one."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)


# -- the form -------------------------------------------------------------------------------------------------------

Fields = Mapping[str, Sequence[str]]


async def read_form(request: Request) -> Fields:
    """The fields of a form, as they were typed; none where something else was sent. Raises TooMuch.

    A body is read by the event loop, so this alone is no plain ``def``; no more is read than a form can hold.
    """
    body, most = b"", MOST_BODY if person_of(request) is None else MOST_OF_THE_TEAM
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise TooMuch("More was sent than this form can hold.", "Go back in your browser, and shorten it.")
    except ClientDisconnect:  # nobody waits for the page, and half a form is none
        return {}
    if not is_typed(request):
        return {}
    try:
        text = body.decode("ascii", "replace")
        fields = parse_qs(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    request.scope[_SENT] = fields
    return fields


def is_typed(request: Request) -> bool:
    """Whether what is sent says that it is a form without files."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "application/x-www-form-urlencoded"


SentForm = Annotated[Fields, Depends(read_form)]
"""The form that was sent, as a route takes it."""


def sent_with(request: Request) -> Fields:
    """The fields of the form that came with a request, as far as they were read."""
    sent: Fields = request.scope.get(_SENT, {})
    return sent


def one_of(fields: Fields, name: str) -> str:
    """What stands in a field; "" where it was not sent."""
    return fields.get(name, [""])[0]


def as_number(text: str) -> int:
    """The number that a field or an address has; -1 where it is none, or longer than any of ours."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


def form_key(secret: bytes, token: str, seen: int) -> str:
    """What a form carries to show that it was made here, for this link, in this state of it."""
    return hmac.new(secret, f"form:{seen}:{token}".encode(), hashlib.sha256).hexdigest()


def is_our_form(request: Request, secret: bytes, token: str, seen: int, key: str) -> bool:
    """Whether a form was made here and is sent from our own page: another site's cannot know the key."""
    return hmac.compare_digest(key.encode(), form_key(secret, token, seen).encode()) and is_from_us(request)


def is_from_us(request: Request) -> bool:
    """Whether a form is sent from a page of ours, by what the browser says of it; an old one says nothing."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or _netloc(origin) == _netloc(f"//{request.headers.get('Host', '')}")
