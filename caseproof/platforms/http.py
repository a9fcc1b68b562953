"""One way to call another system over HTTP: time limits, what may be repeated, and errors for people.

A call is repeated only where that is safe: the connection was never made, the server says that it did
nothing (429, 503), or the call only reads. A write whose answer was lost is never repeated here: whoever
asked reads back first. A server that says how long it wants to be left alone (``Retry-After``) is obeyed
for up to a minute a call; a longer wait is left to the caller. No message holds a secret: neither the
address's user part and query, nor headers, nor the HTTP library's own texts.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from caseproof.domain.errors import CaseproofError
from caseproof.http.redaction import redact
from caseproof.platforms.base import PlatformDown, PlatformRefused

T = TypeVar("T")

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0  # a Prefect server on SQLite thinks this long when it is busy
TRIES = 3
CONNECTIONS = 100  # as many calls as a policy lets be under way at once; all are kept for the next call
KEPT_SECONDS = 3.0  # less than servers keep an idle connection (5): a write on one that just closed is lost
PATIENCE_SECONDS = 60.0  # how long one call waits in all for a server that says when to come back (Retry-After)
LONGEST_SECONDS = 365 * 86_400.0  # a longer Retry-After says no more than this

_NOTHING_DONE = frozenset({429, 503})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def shown(address: str) -> str:
    """An address as it may be shown to people: without user, password and query."""
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, TypeError, ValueError):
        return "an address that is none"
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))


def _is_usable(address: str) -> bool:
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, TypeError, ValueError):
        return False
    return url.scheme in ("http", "https") and bool(url.host) and not (url.query or url.fragment)


class HttpApi:
    """A client of one HTTP API. ``name`` is what people call it, as in "the Prefect API".

    ``down`` and ``refused`` are the errors it raises (a desk has its own). ``sleep`` (seconds) and
    ``uniform`` (the jitter) are injected by tests. A 404 is left to the caller: only it knows what is
    missing.
    """

    def __init__(
        self,
        base_url: str,
        name: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
        down: type[CaseproofError] = PlatformDown,
        refused: type[CaseproofError] = PlatformRefused,
        read_seconds: float = READ_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.name = name
        self.address = shown(base_url)
        self._down, self._refused = down, refused
        self._sleep, self._uniform = sleep, uniform
        if not _is_usable(base_url):
            raise refused(
                f"The address of {name} cannot be used ({self.address}).",
                "Give one that starts with http:// or https:// and has no `?`.",
            )
        self._client = httpx.Client(
            base_url=f"{base_url.rstrip('/')}/",
            headers=headers,
            auth=auth,
            transport=transport,
            timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEPT_SECONDS
            ),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, method: str, path: str, *, reads: bool | None = None, **options: Any) -> httpx.Response:
        """The answer: a success, or a 404. Everything else is raised as an error for people.

        ``reads`` says that the call changes nothing and may be repeated after a lost answer: true of a GET,
        and to be told of a search by POST. ``options`` are those of ``httpx.Client.request``.
        """
        repeatable = method == "GET" if reads is None else reads
        attempt, patience = 1, PATIENCE_SECONDS
        while True:
            asked = None
            try:
                response = self._client.request(method, path, **options)
            except httpx.LocalProtocolError:
                # Its text repeats the header, and so the secret in it: neither shown nor chained.
                raise self._refused(
                    f"The credentials for {self.name} hold characters that cannot be sent.",
                    "Enter them again, without line breaks.",
                ) from None
            except httpx.HTTPError as error:
                if attempt == TRIES or not (repeatable or isinstance(error, _NOT_SENT)):
                    raise self._no_answer(error) from None
            else:
                asked = _retry_after(response)
                given_up = attempt == TRIES if asked is None else asked > patience
                if given_up or not self._worth_repeating(response, repeatable):
                    return self._checked(response)
            if asked is None:
                self._sleep(0.5 * 2 ** (attempt - 1) * self._uniform(0.5, 1.5))
                attempt += 1
            else:  # as long as it asks for, and no try is used up: it is there, only busy
                self._sleep(asked)
                patience -= asked

    def decoded(self, response: httpx.Response, shape: TypeAdapter[T]) -> T:
        """The answer's JSON in this ``shape``; raises ``refused`` for a login page, half a JSON, ..."""
        try:
            return shape.validate_json(response.content)
        except ValidationError:  # its text repeats what was answered
            raise self.not_the_api() from None

    def not_the_api(self) -> CaseproofError:
        """The error for an answer that the API would not give."""
        return self._refused(
            f"{self.address} answered something that is not {self.name}.",
            "Check the API address, and whether a login page or a proxy stands in front of it.",
        )

    def _worth_repeating(self, response: httpx.Response, repeatable: bool) -> bool:
        return response.status_code in _NOTHING_DONE or (repeatable and response.is_server_error)

    def _checked(self, response: httpx.Response) -> httpx.Response:
        status = response.status_code
        if response.is_success or status == httpx.codes.NOT_FOUND:
            return response
        if response.is_server_error or status == httpx.codes.TOO_MANY_REQUESTS:
            asked = _retry_after(response)
            raise self._down(
                f"{self._subject} at {self.address} is overloaded or broken (it answered {status}).",
                "Try again later; if it stays so, look at its own log."
                if asked is None
                else f"Try again in {_for_people(asked)}: it asks to be left alone until then.",
            )
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._refused(
                f"{self._subject} at {self.address} does not accept our credentials (it answered {status}).",
                "Check the password or key that is saved for it, and what it is allowed to do.",
            )
        if response.is_redirect:
            raise self.not_the_api()
        raise self._refused(
            f"{self._subject} at {self.address} refused (it answered {status}{_reason(response)}).",
            "Look at what it says; nothing was repeated.",
        )

    def _no_answer(self, error: httpx.HTTPError) -> CaseproofError:
        if isinstance(error, _NOT_SENT):
            problem, action = "cannot be reached", "Check that it runs and that the address is right."
        elif isinstance(error, httpx.TimeoutException):
            problem = "did not answer in time"
            action = "Try again later; what was asked may have been done, so read back first."
        else:
            problem = f"broke off the connection ({type(error).__name__})"
            action = "Try again later; what was asked may have been done, so read back first."
        return self._down(f"{self._subject} at {self.address} {problem}.", action)

    @property
    def _subject(self) -> str:
        return self.name[:1].upper() + self.name[1:]


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds that the server asks to wait, from its ``Retry-After`` (seconds or a date); never 0 or less."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return min(float(value), LONGEST_SECONDS) or None
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    now = date_of(response) or datetime.now(UTC)
    seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    return seconds if seconds > 0 else None


def _for_people(seconds: float) -> str:
    if seconds < 120:  # two minutes: less is told in seconds
        return f"{math.ceil(seconds)} seconds"
    return f"{math.ceil(seconds / 60)} minutes"


def date_of(response: httpx.Response) -> datetime | None:
    """The server's own time when it answered, aware, in whole seconds: its ``Retry-After`` is on that clock."""
    try:
        said = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _reason(response: httpx.Response) -> str:
    """The server's own words for a refusal, where it gives a short one."""
    try:
        body = response.json()
    except ValueError:
        return ""
    words = (body.get("detail") or body.get("exception_message")) if isinstance(body, dict) else None
    return f": {redact(words[:2000])[:200]}" if isinstance(words, str) else ""  # it may repeat the key that it refuses
