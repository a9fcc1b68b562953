"""A call and what its provider tells of it: the key in a call's addresses, and what is written down under it.

The addresses of a call (``CASEPROOF_PUBLIC_URL/voice/KEY/...``) say by a signed key which try of which emergency they
are of, so nothing has to be looked up, and nobody can make one up. Whatever is told there is written into the case: a
call's state is its events, however often and in whatever order the provider tells it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from caseproof.channels.voice.pages import VoiceAlert
from caseproof.channels.voice.progress import CallBack, CallState
from caseproof.config.clock import Clock
from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.paging import Attempt, Paging, paging_of
from caseproof.domain.emergency.vocabulary import Outcome, Press
from caseproof.domain.events import Event
from caseproof.evidence.signing import BadLink
from caseproof.procedure.core.parts import US, event_of
from caseproof.procedure.paging.by_link import Keys
from caseproof.procedure.paging.words import alert_of
from caseproof.store import Store, UnknownCase

KEY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
"""What a key looks like."""

_MAC_BYTES = 12
_SALT = b"caseproof voice call"

OUTCOMES = {
    CallState.COMPLETED: Outcome.ANSWERED,
    CallState.BUSY: Outcome.BUSY,
    CallState.FAILED: Outcome.FAILED,
    CallState.NO_ANSWER: Outcome.NO_ANSWER,
}
"""What the end of a call means. One that was cancelled, we ended ourselves, and who did so says why."""


@dataclass(frozen=True, slots=True)
class CallKey:
    """Which call: the case, which of its emergencies, and which try of that."""

    ref: str
    emergency: int
    attempt: int


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call as the case has it: whom it is to, what it is about, the first key that meant something, and whether
    nobody is on the line any more. ``holder`` is who has the emergency now, "" for nobody; ``over``: it is over."""

    key: CallKey
    person: str
    alert: VoiceAlert
    chosen: Press | None
    has_ended: bool
    holder: str
    over: bool


def call_key(secret: bytes, call: CallKey) -> str:
    """The key of a call: the same call has the same key. It holds letters that addresses hold, and no dot."""
    said = f"{call.ref.upper()}.{call.emergency}.{call.attempt}".encode()
    return base64.urlsafe_b64encode(_mac(secret, said) + said).decode().rstrip("=")


def read_call_key(keys: Keys, key: str) -> CallKey:
    """Which call it is. Calls that are under way while the keys are changed are heard to their end.

    Raises BadLink for a key that was not made here.
    """
    try:
        if not KEY.fullmatch(key):
            raise ValueError  # noqa: TRY301 - one refusal for all that is no key
        whole = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
        mac, said = whole[:_MAC_BYTES], whole[_MAC_BYTES:]
        made = [hmac.compare_digest(mac, _mac(secret, said)) for secret in (keys.secret, *keys.void)]
        ref, emergency, attempt = said.decode("ascii").split(".")
        found = CallKey(ref, int(emergency), int(attempt))
    except (ValueError, binascii.Error):
        raise _no_key() from None
    if not any(made):
        raise _no_key()
    return found


def _no_key() -> BadLink:
    return BadLink("This is no call of ours.", "Nothing was done with it.")


def _mac(secret: bytes, said: bytes) -> bytes:
    return hmac.new(secret, _SALT + said, hashlib.sha256).digest()[:_MAC_BYTES]


def call_of(store: Store, clock: Clock, key: CallKey) -> KnownCall | None:
    """The call as the case has it now; None for one that never was. Raises StoreError."""
    try:
        return _known(store.case(key.ref), clock, key)
    except UnknownCase:
        return None


def note(store: Store, clock: Clock, key: CallKey, told: CallBack) -> KnownCall | None:
    """Write down what the provider told, where it is news: the end of a call, or that a machine took it.

    Gives the call as it is then; None for one that never was. The first end counts, and nothing that is told twice or
    late does anything; a digit is ``answering.press``'s. Raises StoreError.
    """

    def decide(case: Case) -> Sequence[Event]:
        paging = paging_of(case)
        attempt = _attempt(paging, key)
        outcome, detail = _outcome(told)
        if paging is None or attempt is None or outcome is None:
            return []
        if attempt.outcome not in (None, Outcome.UNKNOWN) or paging.number != key.emergency:
            return []
        said = says.PageEnded(
            emergency=paging.number, attempt=attempt.number, outcome=str(outcome), detail=detail, provider=told.call
        )
        return [event_of(kind_with(case.procedure, says.PageEnded), clock(), US, said)]

    try:
        return _known(store.change(key.ref, decide), clock, key)
    except UnknownCase:
        return None


def _outcome(told: CallBack) -> tuple[Outcome | None, str]:
    if told.answered_by.startswith(("machine", "fax")):
        return Outcome.MACHINE, told.answered_by
    if told.state is not None and told.state in OUTCOMES:
        return OUTCOMES[told.state], f"the provider says {told.state}"
    return None, ""


def _attempt(paging: Paging | None, key: CallKey) -> Attempt | None:
    if paging is None or paging.number != key.emergency:
        return None
    found = paging.attempt(key.attempt)
    return found if found is not None and found.person else None


_OVER = frozenset({Outcome.ANSWERED, Outcome.NO_ANSWER, Outcome.BUSY, Outcome.FAILED, Outcome.HUNG_UP})


def _known(case: Case, clock: Clock, key: CallKey) -> KnownCall | None:
    paging = paging_of(case)
    attempt = _attempt(paging, key)
    if paging is None or attempt is None:
        return None
    pressed = (next((one for one in Press if one == digit), None) for digit in paging.pressed.get(attempt.number, ()))
    holder = paging.holder(clock())
    return KnownCall(
        key=key,
        person=attempt.person,
        alert=alert_of(paging),
        chosen=next((one for one in pressed if one is not None), None),
        has_ended=attempt.outcome in _OVER,
        holder=holder.by if holder is not None else "",
        over=bool(paging.over),
    )
