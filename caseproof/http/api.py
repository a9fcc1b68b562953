"""An API of another system: what may be asked again, and errors for people where it does not do it.

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
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from caseproof.config.clock import utc_now
from caseproof.domain.errors import CaseproofError
from caseproof.http.client import (
    Answer,
    CallFailed,
    Fault,
    HttpClient,
    Transport,
    Upload,
    http_date,
    is_usable,
    shown,
    unpacked,
)
from caseproof.http.redaction import HIDDEN, redact

T = TypeVar("T")

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0  # a Prefect server on SQLite thinks this long when it is busy
TRIES = 3
WHOLE_SECONDS = 300.0  # all of an answer: one that comes byte by byte never is too slow for each of them
PATIENCE_SECONDS = 60.0  # how long one call waits in all for a server that says when to come back (Retry-After)
_LEAST_SECRET = 4  # a shorter one stands in too many words to be looked for
LONGEST_SECONDS = 365 * 86_400.0  # a longer Retry-After says no more than this

_NOTHING_DONE = frozenset({429, 503})
_NOT_SENT = frozenset({Fault.NOT_REACHED, Fault.UNTRUSTED, Fault.PROXY})


class Login(Protocol):
    """What lets us in and does not last: a token that is fetched, and fetched anew when it is not accepted any more."""

    def headers(self) -> Mapping[str, str]:
        """The headers of the next call. May raise what the caller is to get."""

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """These headers were not accepted (401): whether others are to be had now.

        Many calls may be told so at once: one of them fetches, and all get what it fetched.
        """


class HttpApi:
    """A client of one HTTP API. ``name`` is what people call it, as in "the Prefect API".

    ``down`` and ``refused`` are the errors it raises: a platform and a desk have their own. ``sleep`` (seconds) is
    injected by tests. A 404 is left to the caller: only it knows what is missing; so is what is in ``left`` besides.
    ``around`` is entered for each single question, and left before any wait: it bounds how many are under way at once.
    Safe to use from several threads.

    ``login`` gives headers that do not last, and is asked once a call for others where they are not accepted. ``ca``
    (PEM) and ``proxy`` are as ``HttpClient`` says. Making one raises ``refused`` where the address, the certificate or
    the proxy cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        name: str,
        *,
        down: type[CaseproofError],
        refused: type[CaseproofError],
        headers: Mapping[str, str] | None = None,
        login: Login | None = None,
        ca: str = "",
        proxy: str = "",
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        left: Collection[int] = (),
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._left, self._around = frozenset(left), around
        self.name = name
        self.address = shown(base_url)
        self._down, self._refused = down, refused
        self._sleep = sleep
        self._login, self._headers = login, dict(headers or {})
        self._proxy = shown(proxy) if proxy else ""
        if not is_usable(base_url):
            raise refused(
                f"The address of {name} cannot be used ({self.address}).",
                "Give one that starts with http:// or https:// and has no `?`.",
            )
        try:
            self._client = HttpClient(
                base_url,
                connect_seconds=CONNECT_SECONDS,
                read_seconds=read_seconds,
                headers=headers,
                transport=transport,
                ca=ca,
                proxy=proxy,
            )
        except ValueError as wrong:
            raise refused(
                f"What is set up for {name} cannot be used: {wrong}.", "Correct the certificate or the proxy there."
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        reads: bool | None = None,
        json: Any = None,
        form: Mapping[str, str | Sequence[str]] | None = None,
        params: Mapping[str, str | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        files: Mapping[str, Upload] | None = None,
    ) -> Answer:
        """The answer: a success, a 404, or what is ``left`` to the caller. All else is raised: ``down``, ``refused``.

        ``reads`` says that the call changes nothing and may be repeated after a lost answer: true of a GET,
        and to be told of a search by POST. ``json`` is the body, or ``form``, or ``files`` are; ``headers`` are of
        this call alone.
        """
        if not {".", ".."}.isdisjoint(unquote(path.partition("?")[0]).split("/")):
            # The library takes such steps by itself, and servers take those that are quoted: a DELETE would reach what
            # lies above.
            raise self._refused(
                f"{self._subject} cannot be asked for what is called `.` or `..`: the call would go elsewhere.",
                "Check the name or id that was given.",
            )
        repeatable = method == "GET" if reads is None else reads
        attempt, patience, renewed = 1, PATIENCE_SECONDS, self._login is None
        while True:
            asked = None
            login = self._login.headers() if self._login else {}
            sent = {**(headers or {}), **login}
            try:
                with self._around():
                    answer = self._client.ask(
                        method,
                        path,
                        json=json,
                        params=params,
                        headers=sent,
                        form=form,
                        files=files,
                        within=WHOLE_SECONDS,
                    )
            except CallFailed as failed:
                may_repeat = failed.fault is not Fault.UNSENDABLE and (repeatable or failed.fault in _NOT_SENT)
                if attempt == TRIES or not may_repeat:
                    raise self._without_answer(failed) from None
            else:
                # A 401 says that nothing was done, so even a write may be sent again with another token.
                if self._login and not renewed and answer.status == HTTPStatus.UNAUTHORIZED:
                    renewed = True
                    if self._login.renew(login):
                        continue
                asked = retry_after(answer)
                given_up = attempt == TRIES if asked is None else asked > patience
                if given_up or not _worth_repeating(answer, repeatable):
                    return self._checked(answer, {**self._headers, **sent})
            if asked is None:
                self._sleep(0.5 * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - only spreads calls
                attempt += 1
            else:  # as long as it asks for, and no try is used up: it is there, only busy
                self._sleep(asked)
                patience -= asked

    def decoded(self, answer: Answer, shape: TypeAdapter[T]) -> T:
        """The answer's JSON in this ``shape``; raises ``refused`` for a login page, half a JSON, ..."""
        try:
            return shape.validate_json(answer.written)
        except ValidationError:  # its text repeats what was answered
            raise self.not_the_api(answer) from None

    def not_the_api(self, answer: Answer | None = None) -> CaseproofError:
        """The error for an answer that the API would not give; of a web page it tells the title."""
        title = answer.page_title if answer else None
        said = _titled(_without(self._headers, title or ""))
        what = "something that is not" if title is None else f"a web page{said}: something that is not"
        return self._refused(
            f"{self.address} answered {what} {self.name}.",
            "Check the API address, and whether a login page or a proxy stands in front of it.",
        )

    def _checked(self, answer: Answer, sent: Mapping[str, str]) -> Answer:
        if answer.is_success or answer.is_missing or answer.status in self._left:
            return answer
        if answer.is_overloaded:
            asked, told = retry_after(answer), f"{answer.status}{_page(answer, sent)}"
            raise self._down(
                f"{self._subject} at {self.address} is overloaded or broken (it answered {told}).",
                "Try again later; if it stays so, look at its own log."
                if asked is None
                else f"Try again in {_for_people(asked)}: it asks to be left alone until then.",
            )
        if answer.is_unauthorized:
            raise self._refused(
                f"{self._subject} at {self.address} does not accept our credentials (it answered {answer.status}).",
                "Check the password or key that is saved for it, and what it is allowed to do.",
            )
        if answer.is_redirect:
            raise self.not_the_api()
        told = f"{answer.status}{_reason(answer, sent)}{_page(answer, sent)}"
        raise self._refused(
            f"{self._subject} at {self.address} refused (it answered {told}).",
            "Look at what it says; nothing was repeated.",
        )

    def _without_answer(self, failed: CallFailed) -> CaseproofError:
        if failed.fault is Fault.UNSENDABLE:
            return self._refused(
                f"What is sent to {self.name} holds characters that cannot be sent.",
                "Are they in the credentials? Enter these again, without line breaks. Else look at the name that was "
                "given.",
            )
        if failed.fault is Fault.UNTRUSTED:
            problem = f"cannot be reached safely: its certificate is not trusted ({failed.detail})"
            action = (
                "Check the address. Has it a certificate of an authority of its own? Give that authority's certificate "
                "(PEM) where the system is set up, or add it to this machine's own list."
            )
        elif failed.fault is Fault.PROXY:
            through = f"the proxy {self._proxy}" if self._proxy else "the proxy of this machine"
            problem = f"cannot be reached: {through} does not let the call through ({failed.detail})"
            action = "Check the proxy that is set up, and what it asks for."
        elif failed.fault in _NOT_SENT:
            problem, action = "cannot be reached", "Check that it runs and that the address is right."
            if self._proxy:
                action = f"Check that it runs, that the address is right, and that the proxy {self._proxy} is."
        else:
            problem = (
                "did not answer in time"
                if failed.fault is Fault.TOO_SLOW
                else f"broke off the connection ({failed.detail})"
            )
            action = "Try again later; what was asked may have been done, so read back first."
        return self._down(f"{self._subject} at {self.address} {problem}.", action)

    @property
    def _subject(self) -> str:
        return self.name[:1].upper() + self.name[1:]


def _worth_repeating(answer: Answer, repeatable: bool) -> bool:
    return answer.status in _NOTHING_DONE or (repeatable and answer.is_server_error)


def retry_after(answer: Answer) -> float | None:
    """The seconds that the server asks to wait, from its ``Retry-After`` (seconds or a date); never 0 or less."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return min(float(value), LONGEST_SECONDS) or None
    when = http_date(value)
    if when is None:
        return None
    seconds = when.timestamp() - (answer.date or utc_now()).timestamp()
    return seconds if seconds > 0 else None


def _for_people(seconds: float) -> str:
    if seconds < 120:  # two minutes: less is told in seconds
        return f"{math.ceil(seconds)} seconds"
    return f"{math.ceil(seconds / 60)} minutes"


def _page(answer: Answer, sent: Mapping[str, str]) -> str:
    """What a web page says in the place of an answer: it is a proxy's, or a server's in front of the API."""
    title = answer.page_title
    if title is None:
        return ""
    return f" with a web page{_titled(_without(sent, title))}, as a proxy in front of it does"


def _titled(title: str) -> str:
    return f" titled {redact(title)!r}" if title else ""


def _reason(answer: Answer, sent: Mapping[str, str]) -> str:
    """The server's own words for a refusal, where it gives a short one."""
    body = answer.json()
    told = ("detail", "exception_message", "message")
    words = next((body[name] for name in told if body.get(name)), None) if isinstance(body, dict) else None
    # It may repeat the key that it refuses.
    return f": {redact(_without(sent, words[:2000]))[:200]}" if isinstance(words, str) else ""


def _without(sent: Mapping[str, str], words: str) -> str:
    """Words of the server without what we sent as a header, which need not look like a key."""
    for value in sent.values():
        _, _, key = value.rpartition(" ")
        for secret in {value, key, *unpacked(key)}:
            if len(secret) >= _LEAST_SECRET:
                words = words.replace(secret, HIDDEN)
    return words
