"""How a call goes on: what Twilio tells about it, however often and in whatever order, folded into one state.

A call-back may come twice, late, out of order, or again years later. A state only ever goes forward, an end is an end,
and of the keys only the first counts, so nothing that is repeated does anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from caseproof.channels.voice.pages import Choice, choice_of
from caseproof.channels.voice.signature import Form
from caseproof.domain.errors import BadInput

LATE = timedelta(seconds=30)
"""A key counts so long after the end of the call: who presses it and hangs up is told of in any order."""


class CallState(StrEnum):
    """Twilio's states, in their order. The values are Twilio's."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    ANSWERED = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"

    @property
    def is_over(self) -> bool:
        """Whether nobody is on the line any more."""
        return self not in _UNDER_WAY


_UNDER_WAY = (CallState.QUEUED, CallState.INITIATED, CallState.RINGING, CallState.ANSWERED)


class Outcome(StrEnum):
    """What came of a call. Only ``CHOSEN`` is the word of a human being. The values are stored: they never change."""

    UNDER_WAY = "under_way"
    CHOSEN = "chosen"
    MACHINE = "machine"
    SILENT = "silent"
    """Somebody, or something, answered and pressed nothing."""
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    CANCELED = "canceled"


_ENDS = {
    CallState.COMPLETED: Outcome.SILENT,
    CallState.BUSY: Outcome.BUSY,
    CallState.FAILED: Outcome.FAILED,
    CallState.NO_ANSWER: Outcome.NO_ANSWER,
    CallState.CANCELED: Outcome.CANCELED,
}


@dataclass(frozen=True, slots=True)
class CallBack:
    """What Twilio told. ``digits`` None: it was not about keys; empty: none was pressed. ``state`` None: unknown."""

    call: str
    account: str
    state: CallState | None
    digits: str | None = None
    answered_by: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """A call as far as it is known. ``ended`` is when its end was told.

    ``call`` and ``account`` are Twilio's SIDs; empty until they are known. What is told under an attempt's own address
    then says which call it is: Twilio may be faster with that than with its answer, which may be lost.
    """

    call: str = ""
    account: str = ""
    state: CallState = CallState.QUEUED
    answered_by: str = ""
    choice: Choice | None = None
    ended: datetime | None = None

    @property
    def is_machine(self) -> bool:
        """Whether a machine or a fax answered, as far as Twilio can tell."""
        return self.answered_by.startswith(("machine", "fax"))

    @property
    def outcome(self) -> Outcome:
        """What came of it. A machine that was recognised needs no waiting for its end."""
        if self.choice is not None:
            return Outcome.CHOSEN
        if self.is_machine:
            return Outcome.MACHINE
        return _ENDS.get(self.state, Outcome.UNDER_WAY)


def read_call_back(form: Form) -> CallBack:
    """A call-back's fields, whose signature was checked before. Raises BadInput for one that names no call."""
    fields = dict(form)
    call, account = fields.get("CallSid", ""), fields.get("AccountSid", "")
    if not re.fullmatch("CA[0-9a-fA-F]{32}", call):
        raise BadInput("A call-back names no call.", "Nothing was done with it.")
    told = fields.get("CallStatus", "")
    state = CallState(told) if told in set(CallState) else None
    return CallBack(call, account, state, fields.get("Digits"), fields.get("AnsweredBy", "")[:40])


def follow(progress: Progress, told: CallBack, at: datetime) -> Progress:
    """The call after this was told; the same object where that is nothing new, or about another call."""
    after = progress if progress.call else replace(progress, call=told.call, account=told.account)
    if (told.call, told.account) != (after.call, after.account):
        return progress
    chosen = choice_of(told.digits or "")
    if chosen and after.choice is None and (after.ended is None or at <= after.ended + LATE):
        after = replace(after, choice=chosen)
    if told.answered_by and not after.answered_by:
        after = replace(after, answered_by=told.answered_by)
    if told.state is not None and not after.state.is_over and _is_later(told.state, after.state):
        after = replace(after, state=told.state, ended=at if told.state.is_over else None)
    return after


def _is_later(one: CallState, than: CallState) -> bool:
    return one.is_over or _UNDER_WAY.index(one) > _UNDER_WAY.index(than)
