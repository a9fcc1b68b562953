"""Calls by Twilio: placed, found again after a lost answer, read back, hung up.

Twilio takes no idempotency key. So where the answer to a placed call was lost, the calls to that number are listed
before anybody may dial again, and the one that is ours and not known yet is taken for it.

Two who call one number at the same time may find the same call: whoever writes a found one down does so under its SID,
once, and looks again where it is taken. What comes under an attempt's own address is surer (``progress.follow``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel, TypeAdapter

from caseproof.channels.provider import READ_SECONDS, ChannelDown, ChannelError, Provider
from caseproof.channels.voice.dialling import Line
from caseproof.channels.voice.progress import CallState
from caseproof.domain.errors import BadInput
from caseproof.http.client import Transport, credentials, http_date, is_usable, shown

API = "https://api.twilio.com"

EVENTS = ("initiated", "ringing", "answered", "completed")

_CLOCKS_APART = timedelta(seconds=30)
"""Twilio's clock and ours may differ so much when a call is looked for."""

_SPEAKS_AT_MOST = 300
"""Seconds after which Twilio ends a call by itself: our pages last two minutes."""


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Who calls. ``number``: the caller's number, which is Twilio's or verified there. Raises BadInput."""

    name: str
    sid: str
    auth_token: str = field(repr=False)
    number: str
    api_url: str = API
    read_seconds: float = READ_SECONDS

    def __post_init__(self) -> None:
        if not re.fullmatch("AC[0-9a-fA-F]{32}", self.sid):
            raise BadInput(
                f"The account SID of the voice account '{self.name}' is none.",
                "Copy it from Twilio's console: AC and 32 digits and letters from a to f.",
            )
        if not self.auth_token.strip():
            raise BadInput(f"The voice account '{self.name}' has no auth token.", "Copy it from Twilio's console.")
        if not is_usable(self.api_url):
            raise BadInput(
                f"The address of the voice account '{self.name}' cannot be used ({shown(self.api_url)}).", f"Use {API}."
            )
        Line(self.number)


@dataclass(frozen=True, slots=True)
class Call:
    """A call to place.

    ``page`` is what is said first (``pages.asking``): it goes with the call, so that who answers hears the problem also
    while nobody can reach us. ``status_url`` is told how it goes on, and ``machine_url`` whether a machine answered;
    each is the whole public address with a key of this attempt in it. ``ring_seconds``: how long it rings.
    """

    line: Line
    page: str
    status_url: str
    machine_url: str = ""
    ring_seconds: int = 25


@dataclass(frozen=True, slots=True)
class Placed:
    """A call that is under way: its account's and its own SID. ``found``: after its answer was lost."""

    account: str
    call: str
    found: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: Twilio's ``status`` ("active"), whether it is a trial (which calls verified numbers
    alone), and whether the caller's number is its own, or was verified there."""

    status: str
    is_trial: bool
    has_number: bool


class _Account(BaseModel):
    """What is read of Twilio's account."""

    status: str
    type: str = ""


class _Numbers(BaseModel):
    incoming_phone_numbers: list[object] = []
    outgoing_caller_ids: list[object] = []


class _Call(BaseModel):
    """What is read of Twilio's call."""

    sid: str
    status: str | None = None
    date_created: str | None = None
    direction: str | None = None


class _Page(BaseModel):
    calls: list[_Call]


_CALL, _PAGE = TypeAdapter(_Call), TypeAdapter(_Page)
_ACCOUNT, _NUMBERS = TypeAdapter(_Account), TypeAdapter(_Numbers)


class TwilioVoice:
    """Calls with one account. Safe to use from several threads; keeps its connections."""

    def __init__(self, account: TwilioAccount, *, transport: Transport | None = None) -> None:
        self.account = account
        self._api = Provider(
            f"{account.api_url.rstrip('/')}/2010-04-01/Accounts",
            f"Twilio (the voice account '{account.name}')",
            headers=credentials(f"{account.sid}:{account.auth_token}", None),
            read_seconds=account.read_seconds,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def standing(self) -> Standing:
        """How the account stands. Nobody is called. Raises ChannelError."""
        told = self._api.decoded(self._api.ask("GET", f"{self.account.sid}.json"), _ACCOUNT)
        return Standing(told.status, told.type.casefold() == "trial", self._has_number())

    def _has_number(self) -> bool:
        for where in ("IncomingPhoneNumbers", "OutgoingCallerIds"):
            params = {"PhoneNumber": self.account.number, "PageSize": "1"}
            found = self._api.decoded(self._api.ask("GET", f"{self.account.sid}/{where}.json", params=params), _NUMBERS)
            if found.incoming_phone_numbers or found.outgoing_caller_ids:
                return True
        return False

    def place(self, call: Call, at: datetime, known: Collection[str] = ()) -> Placed:
        """Place the call, once. ``at``: now; ``known``: the SIDs of all calls placed before.

        Where the answer is lost, the call is looked for. Raises ChannelRefused, and ChannelDown, whose ``maybe_done``
        is true where the list could not be had either, or does not show it (yet).
        """
        try:
            answer = self._api.ask("POST", f"{self.account.sid}/Calls.json", form=self._form(call))
        except ChannelDown as down:
            if not down.maybe_done:
                raise
            return self._looked_for(call, at, known, down)
        try:
            return Placed(self.account.sid, self._api.decoded(answer, _CALL).sid)
        except ChannelDown as nonsense:
            return self._looked_for(call, at, known, nonsense)

    def find(self, line: Line, since: datetime, known: Collection[str] = ()) -> Placed | None:
        """The newest call of ours to this number since then that is not known; None where there is none.

        For whoever takes over from a worker that died between its intent and the answer. Raises ChannelError.
        """
        return next(iter(self.found(line, since, known)), None)

    def found(self, line: Line, since: datetime, known: Collection[str] = ()) -> list[Placed]:
        """Every call of ours to this number since then that is not known, the newest first. Raises ChannelError."""
        # Not filtered by `StartTime`, which a call has only once it is dialled; Twilio lists the newest first.
        params = {"To": line.number, "From": self.account.number, "PageSize": "50"}
        answer = self._api.ask("GET", f"{self.account.sid}/Calls.json", params=params)
        calls = []
        for one in self._api.decoded(answer, _PAGE).calls:
            made = http_date(one.date_created or "")
            outbound = one.direction in (None, "outbound-api")
            if one.sid not in known and outbound and (made is None or made >= since - _CLOCKS_APART):
                calls.append(Placed(self.account.sid, one.sid, found=True))
        return calls

    def state(self, call: str) -> CallState | None:
        """How far this call is, read back from Twilio; None for a state that we do not know. Raises ChannelError."""
        told = self._api.decoded(self._api.ask("GET", f"{self.account.sid}/Calls/{call}.json"), _CALL).status
        return CallState(told) if told in set(CallState) else None

    def hang_up(self, call: str) -> None:
        """End this call, also while it rings; of one that is over, nothing. Raises ChannelError."""
        # `completed` also ends a call that still rings, and `canceled` would leave one on which somebody speaks.
        self._api.ask("POST", f"{self.account.sid}/Calls/{call}.json", form={"Status": "completed"})

    def _form(self, call: Call) -> dict[str, str | Sequence[str]]:
        form: dict[str, str | Sequence[str]] = {
            "To": call.line.number,
            "From": self.account.number,
            "Twiml": call.page,
            "StatusCallback": call.status_url,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": EVENTS,
            "Timeout": str(call.ring_seconds),
            "TimeLimit": str(_SPEAKS_AT_MOST),
        }
        if call.line.keys:
            form["SendDigits"] = call.line.keys  # with it Twilio recognises no machine: the main number is one
        elif call.machine_url:  # beside the page, not before it: nobody waits in silence for Twilio's guess
            form |= {
                "MachineDetection": "Enable",
                "AsyncAmd": "true",
                "AsyncAmdStatusCallback": call.machine_url,
                "AsyncAmdStatusCallbackMethod": "POST",
            }
        return form

    def _looked_for(self, call: Call, at: datetime, known: Collection[str], down: ChannelDown) -> Placed:
        try:
            found = self.find(call.line, at, known)
        except ChannelError:
            raise down from None
        if found is None:
            raise down
        return found
