"""A provider that reaches people for us (Teams, a telephone company): asked once, and what its "no" means.

ChannelError             nobody was reached this way
├── ChannelDown          not reachable, hanging, busy or broken: try again, or another way
└── ChannelRefused       it said no (credentials, number, address): somebody must change something

Nothing is repeated in here, and no time-out is long: in an emergency the next way is better than patience with this
one. No text holds a secret: neither the address's path and query, nor headers, nor what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.visible import one_line
from caseproof.http.api import retry_after
from caseproof.http.client import Answer, CallFailed, Fault, HttpClient, Transport
from caseproof.http.redaction import redact

T = TypeVar("T")

CONNECT_SECONDS = 3.0
READ_SECONDS = 8.0
"""How long a provider may be silent. Twilio and Teams answer within one second."""

_NOT_SENT = frozenset({Fault.NOT_REACHED, Fault.UNTRUSTED})
_NOTHING_DONE = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class ChannelError(CaseproofError):
    """Nobody was reached this way."""


class ChannelDown(ChannelError):
    """Worth trying again, or another way.

    ``maybe_done``: whether it was done is unknown, so read back before it is asked again. ``wait_seconds``: how long
    the provider wants to be left alone; None where it does not say.
    """

    code = Code.CHANNEL_DOWN

    def __init__(
        self, problem: str, next_action: str = "", *, maybe_done: bool = False, wait_seconds: float | None = None
    ) -> None:
        super().__init__(problem, next_action)
        self.maybe_done, self.wait_seconds = maybe_done, wait_seconds


class ChannelRefused(ChannelError):
    """The provider answered and said no; asking again without a change is of no use.

    ``answered``: the provider's own number for it (Twilio's 21211, else the HTTP status), for people and logs.
    """

    code = Code.CHANNEL_REFUSED

    def __init__(self, problem: str, next_action: str = "", *, answered: int = 0) -> None:
        super().__init__(problem, next_action)
        self.answered = answered


class Provider:
    """Calls one provider. ``name`` is what people call it. Safe to use from several threads; keeps its connections.

    ``base_url`` is the part of the address that may be shown: nothing secret stands in it.
    """

    def __init__(
        self,
        base_url: str,
        name: str,
        *,
        headers: Mapping[str, str] | None = None,
        read_seconds: float = READ_SECONDS,
        transport: Transport | None = None,
    ) -> None:
        self.name = name
        self._client = HttpClient(
            base_url, connect_seconds=CONNECT_SECONDS, read_seconds=read_seconds, headers=headers, transport=transport
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
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer, which is a success. Raises ChannelDown and ChannelRefused."""
        try:
            answer = self._client.ask(method, path, json=json, form=form, params=params, headers=headers)
        except CallFailed as failed:
            raise self._without_answer(failed) from None
        if answer.is_success:
            return answer
        raise self._said_no(answer)

    def decoded(self, answer: Answer, shape: TypeAdapter[T]) -> T:
        """The answer's JSON in this ``shape``. Raises ChannelDown (``maybe_done``) for a login page, half a JSON."""
        try:
            return shape.validate_json(answer.content)
        except ValidationError:  # its text repeats what was answered
            raise self._nonsense() from None

    def _nonsense(self) -> ChannelDown:
        """The error for a success whose content the provider would not send: what it did is unknown."""
        return ChannelDown(
            f"{self.name} answered something that is none of its answers.",
            "Check its address, and whether a proxy stands in front of it.",
            maybe_done=True,
        )

    def _without_answer(self, failed: CallFailed) -> ChannelError:
        if failed.fault is Fault.UNSENDABLE:
            return ChannelRefused(
                f"The credentials for {self.name} hold characters that cannot be sent.",
                "Enter them again, without line breaks.",
            )
        if failed.fault in _NOT_SENT:
            return ChannelDown(
                f"{self.name} cannot be reached ({failed.fault}).", "Check the network, and the address that is saved."
            )
        slow = failed.fault is Fault.TOO_SLOW
        problem = "did not answer in time" if slow else "broke off the connection"
        return ChannelDown(f"{self.name} {problem}.", "It may have been done: read back first.", maybe_done=True)

    def _said_no(self, answer: Answer) -> ChannelError:
        if answer.is_overloaded:
            return ChannelDown(
                f"{self.name} is overloaded or broken (it answered {answer.status}).",
                "Try another way; look at the provider's page about its state.",
                maybe_done=answer.status not in _NOTHING_DONE,
                wait_seconds=retry_after(answer),
            )
        number, words = _reason(answer)
        said = f"it answered {number or answer.status}{words}"
        if answer.is_unauthorized:
            problem, action = "does not accept our credentials", "Save its credentials anew."
        elif answer.is_missing or answer.is_redirect:
            problem, action = "does not know this address", "Save its address anew."
        else:
            problem, action = "refused", "Look at what it says; nothing was repeated."
        return ChannelRefused(f"{self.name} {problem} ({said}).", action, answered=number or answer.status)


def _reason(answer: Answer) -> tuple[int, str]:
    """The provider's own number and words, where it gives them as Twilio and Microsoft do."""
    body = answer.json()
    told = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(told, dict):
        return 0, ""
    number, words = told.get("code"), told.get("message")
    shown = f": {one_line(redact(words[:2000]))[:200]}" if isinstance(words, str) else ""  # it may repeat a key
    return (number if isinstance(number, int) and not isinstance(number, bool) else 0), shown
