"""The one place that speaks HTTP: connections, time limits, whom we trust, and what came back or did not.

Nothing else in the product imports the HTTP library, so that another one is a change to this file. Its own errors and
texts stay in here, since they may repeat a header: who calls gets an ``Answer``, or a ``CallFailed`` that says what
happened as a code.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache
from html import unescape
from http import HTTPStatus
from typing import Any, Self

import httpx
from pydantic_core import from_json

CONNECTIONS = 100  # as many calls as a policy lets be under way at once; all are kept for the next call
KEPT_SECONDS = 3.0  # less than servers keep an idle connection (5): a write on one that just closed is lost

LARGEST = 100_000_000
"""The largest answer that is read, in bytes."""

_PAGE = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)
_ESCAPES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)

Transport = httpx.BaseTransport
"""What carries the calls; tests hand in one of their own."""

Upload = tuple[str, bytes, str]
"""A file to send: its name, its content and its media type."""

LibraryError = httpx.HTTPError
"""What Prefect's own client raises where its server does not answer, or refuses: it is built on the same library."""


class Fault(StrEnum):
    """Why a call brought nothing."""

    NOT_REACHED = "not reached"
    """The connection was never made, so nothing was done."""
    UNTRUSTED = "untrusted"
    """The other side's certificate is not valid; nothing was sent."""
    PROXY = "proxy"
    """The proxy did not let the call through; nothing was done."""
    UNSENDABLE = "unsendable"
    """What is sent holds characters that cannot be, as a credential with a line break does; nothing was sent."""
    TOO_SLOW = "too slow"
    """No answer came in time; what was asked may have been done."""
    BROKEN = "broken"
    """The connection broke off, or what came is no HTTP; what was asked may have been done."""
    REFUSED = "refused"
    """There is an answer, and it is no success (``Answer.required``)."""


class CallFailed(Exception):
    """A call that brought nothing. ``fault`` says why; ``detail`` is a word more, and never holds a secret."""

    def __init__(self, fault: Fault, detail: str) -> None:
        self.fault = fault
        self.detail = detail
        super().__init__(f"{fault} ({detail})")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. The names of ``headers`` are looked up in whatever letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether it was done (2xx)."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Whether the server points elsewhere (3xx)."""
        return 300 <= self.status < 400

    @property
    def is_missing(self) -> bool:
        """Whether there is no such thing (404)."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def is_unauthorized(self) -> bool:
        """Whether the server does not accept who we are (401, 403)."""
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

    @property
    def is_overloaded(self) -> bool:
        """Whether the server is too busy, or broken: 429 and everything from 500 on."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.is_server_error

    @property
    def is_server_error(self) -> bool:
        """Whether the server broke over it (5xx)."""
        return 500 <= self.status < 600

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.content.decode(errors="replace")

    @property
    def page_title(self) -> str | None:
        """What a web page is called ("" where it has no title); None of an answer that is none."""
        if "html" not in self.headers.get("content-type", "").lower() and not _PAGE.match(self.content[:1000]):
            return None
        found = _TITLE.search(self.content[:20_000].decode(errors="replace"))
        return " ".join(unescape(found[1]).split())[:80] if found else ""

    @property
    def date(self) -> datetime | None:
        """The server's own time when it answered, aware, in whole seconds: its ``Retry-After`` is on that clock."""
        return http_date(self.headers.get("date", ""))

    def required(self) -> Self:
        """This answer, which must be a success. Raises CallFailed."""
        if not self.is_success:
            raise CallFailed(Fault.REFUSED, f"HTTP {self.status}")
        return self

    @property
    def written(self) -> bytes:
        """The body as JSON is read from it. What no store takes is replaced: NUL, and half of a pair of surrogates."""
        if not any(sign in self.content for sign in (b"\\u0000", b"\\ud", b"\\uD")):
            return self.content
        return _ESCAPES.sub(lambda found: b"\\ufffd" if found[1] else found[0], self.content)

    def json(self) -> Any:
        """The body's JSON; None where it is none."""
        written = self.written
        try:  # twice as fast as the standard library, and stricter
            return from_json(written, cache_strings="keys")
        except ValueError:
            pass
        try:
            return json.loads(written)
        except (ValueError, RecursionError):  # the latter where lists lie in lists without an end
            return None


class _WithoutAddresses(logging.Filter):
    """Keeps of an address that the library logs only which server it is: a web hook's path and query are its secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(origin(str(one)) if isinstance(one, httpx.URL) else one for one in record.args)
        return True


# On the logger and not on a handler: whoever sets up handlers later, as Prefect does, leaves it where it is.
logging.getLogger("httpx").addFilter(_WithoutAddresses())


class HttpClient:
    """Calls one server, with paths relative to ``base_url``. Safe to use from several threads; keeps its connections.

    ``trust_env`` is whether the environment's proxy and certificates count. ``server_name`` is whose certificate is
    asked for where ``base_url`` names an IP address that was looked up before. ``ca`` are certificates (PEM) that are
    trusted besides the system's; ``proxy`` is the address of one that all calls go through. An address that is none,
    and a header that cannot be sent, show at the first call; raises ValueError for a ``ca`` or ``proxy`` that is none.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_seconds: float,
        read_seconds: float,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
        trust_env: bool = True,
        transport: Transport | None = None,
        server_name: str = "",
        ca: str = "",
        proxy: str = "",
    ) -> None:
        self._base = base_url.rstrip("/")
        self._extensions = {"sni_hostname": server_name} if server_name else None
        self._client = httpx.Client(
            headers=_encoded(headers),
            transport=transport,
            timeout=httpx.Timeout(read_seconds, connect=connect_seconds),
            limits=httpx.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEPT_SECONDS
            ),
            trust_env=trust_env,
            verify=certificates(trust_env=trust_env, ca=ca),
            proxy=_proxy(proxy),
            follow_redirects=follow_redirects,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str | Sequence[str]] | None = None,
        params: Mapping[str, str | Sequence[str]] | None = None,
        files: Mapping[str, Upload] | None = None,
        headers: Mapping[str, str] | None = None,
        most: int | None = None,
        within: float | None = None,
    ) -> Answer:
        """The answer, whatever its status; asked once. ``json`` is the body, or ``form`` is, as a page sends one.

        With ``files`` the body has parts (multipart/form-data), one a file, called as it is named here.

        ``most`` is how many bytes of an answer are read (``LARGEST``), ``within`` how many seconds all of it may take,
        for one that comes byte by byte. A field of the form with several values is sent once for each.
        Raises CallFailed where there is no answer, or it is more than that.
        """
        url = f"{self._base}/{path}"
        ends = math.inf if within is None else time.monotonic() + within
        try:
            with self._client.stream(
                method, url, json=json, data=form, files=files, params=params, headers=_encoded(headers),
                extensions=self._extensions,
            ) as response:  # fmt: skip
                content = _limited(response, LARGEST if most is None else most, ends)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Not chained: its text may repeat a header, and so the secret in it.
            raise _failed(error) from None
        except UnicodeEncodeError:  # half of a pair of surrogates, as a command's arguments may hold
            raise CallFailed(Fault.UNSENDABLE, "no text") from None
        return Answer(response.status_code, response.headers, content)

    def answers(self, path: str) -> bool:
        """Whether a GET of this path is answered with a success."""
        try:
            return self.ask("GET", path).is_success
        except CallFailed:
            return False


def _encoded(headers: Mapping[str, str] | None) -> dict[bytes, bytes]:
    """Headers as they are sent; the library would take no letter but ASCII's."""
    return {name.encode(): value.encode() for name, value in (headers or {}).items()}


def _limited(response: httpx.Response, most: int, ends: float) -> bytes:
    """The whole body, unpacked. Raises CallFailed for one without an end: a few bytes can be packed from very many,
    and packed twice from so many that a single piece fills the memory."""
    packed = [how for how in response.headers.get_list("content-encoding", split_commas=True) if how != "identity"]
    if len(packed) > 1:
        raise CallFailed(Fault.BROKEN, "the answer is packed several times")
    content = bytearray()
    for piece in response.iter_bytes():
        content += piece
        if len(content) > most:
            raise CallFailed(Fault.BROKEN, f"the answer is larger than {most // 1_000_000} MB")
        if time.monotonic() > ends:
            raise CallFailed(Fault.TOO_SLOW, "the answer comes too slowly")
    return bytes(content)


@cache
def certificates(*, trust_env: bool, ca: str = "") -> ssl.SSLContext:
    """Whom a client trusts: the library's and the system's own list, and ``ca`` (PEM) besides.

    Reading them takes a while, so it is done once a process. Raises ValueError for a ``ca`` that is no certificate.
    """
    context = httpx.create_ssl_context(trust_env=trust_env)
    if trust_env:
        context.load_default_certs()  # a company's own authority stands there, and not in the library's list
    if "PRIVATE KEY" in ca:
        raise ValueError("a private key stands there, and only the certificate is wanted")
    if ca:
        try:
            context.load_verify_locations(cadata=ca.encode("ascii").decode())
        except (ssl.SSLError, ValueError):
            raise ValueError("this is no certificate in PEM (-----BEGIN CERTIFICATE-----)") from None
    return context


def _proxy(address: str) -> httpx.Proxy | None:
    if not address:
        return None
    url = _url(address)
    if url is None or url.scheme not in ("http", "https") or not url.host:
        raise ValueError("this is no address of a proxy (http://host:port)")
    return httpx.Proxy(url)


def is_busy(error: BaseException) -> bool:
    """Whether a ``LibraryError`` tells of a server that is too busy and did nothing (503)."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code == HTTPStatus.SERVICE_UNAVAILABLE


def shown(address: str) -> str:
    """An address as it may be shown to people: without user, password and query."""
    url = _url(address)
    return "an address that is none" if url is None else str(url.copy_with(userinfo=b"", query=None, fragment=None))


def is_usable(address: str) -> bool:
    """Whether paths can be added to this address, and called over HTTP."""
    url = _url(address)
    return url is not None and url.scheme in ("http", "https") and bool(url.host) and not (url.query or url.fragment)


def origin(address: str) -> str | None:
    """Scheme, host and port that a call to this address goes to, as a browser's ``Origin`` has them; None for none.

    Read by what makes the calls, so that what is compared here is where they go.
    """
    url = _url(address)
    if url is None or url.scheme not in ("http", "https") or not url.host:
        return None
    return f"{url.scheme}://{url.netloc.decode()}"


def credentials(password: str | None, key: str | None) -> dict[str, str]:
    """The header that lets us in: ``password`` is ``user:password``, and goes before a ``key``; empty without both."""
    if password:
        return {"Authorization": f"Basic {base64.b64encode(password.encode()).decode()}"}
    return {"Authorization": f"Bearer {key}"} if key else {}


def unpacked(key: str) -> list[str]:
    """User and password that a Basic key is made of; none of another key."""
    try:
        return base64.b64decode(key, validate=True).decode().split(":", 1)
    except ValueError:
        return []


def http_date(value: str) -> datetime | None:
    """A date as headers have it, aware; None where it is none."""
    try:
        said = parsedate_to_datetime(value)
    except ValueError:
        return None
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _url(address: str) -> httpx.URL | None:
    try:
        return httpx.URL(address)
    except (httpx.InvalidURL, TypeError, ValueError):
        return None


def _failed(error: Exception) -> CallFailed:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CallFailed(Fault.UNTRUSTED, cause.verify_message)
        cause = cause.__cause__ or cause.__context__
    fault = Fault.BROKEN
    if isinstance(error, httpx.ProxyError):
        # Of its words only the number: the rest is the proxy's own, and may repeat who we are.
        return CallFailed(Fault.PROXY, next(iter(re.findall(r"\b[45]\d\d\b", str(error))), "no answer"))
    if isinstance(error, httpx.LocalProtocolError):
        fault = Fault.UNSENDABLE
    elif isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        fault = Fault.NOT_REACHED
    elif isinstance(error, httpx.TimeoutException):
        fault = Fault.TOO_SLOW
    return CallFailed(fault, type(error).__name__)
