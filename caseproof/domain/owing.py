"""What is owed: an effect that has to happen yet, whoever does it and however late.

What the events of a case make owed, its procedure says (``Procedure.owes``); the store keeps it as a list, written with
the event that makes it owed and shortened with the one that settles it. When it is tried again stands here, too: it is
a function of how long it has been owed and of what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from caseproof.domain.codes import Code, StepName, trouble_code
from caseproof.domain.payloads import GivenUp, TicketNamed, Trouble

if TYPE_CHECKING:
    from caseproof.domain.case import Case, FactOf


class Debt(StrEnum):
    """The kinds of what can be owed. The values are stored, in the list and in events: they never change."""

    STEP = "step"
    """A step of an open case that could not be carried out; the case's run does it."""
    TICKET = "ticket"
    """The closing of a closed case's ticket."""
    RECOVERY = "recovery"
    """The mail that says how it ended."""
    CORRECTION = "correction"
    """The mail to a closed case's retailer that takes back a wrong cause."""
    NOTE = "note"
    """What the retailer wrote, on the ticket."""
    MAIL = "mail"
    """A mail to the retailer that a person wrote."""
    ALERT = "alert"
    """What the team has to hear of an open case, beside its questions."""
    REMINDER = "reminder"
    """The mail that reminds the retailer; time makes it owed."""
    LINK = "link"
    """The mail with a new link, where the one before is void; a new key makes it owed."""
    TEAM_MAIL = "team_mail"
    """The mail to the team; it is of no single case."""
    TICKET_OPENING = "ticket_opening"
    """The ticket of a support case."""
    DEVELOPMENT = "development"
    """The ticket for the development team, with all that was tried."""
    REVIEW = "review"
    """The timeline of an emergency that is over."""
    RECORDING = "recording"
    """Where the recording of an emergency's session is, or why there is none; a person says it."""
    RAISE = "raise"
    """A case that somebody wants for a job; there is none yet."""


@dataclass(frozen=True, slots=True)
class Owed:
    """One thing that is owed by the events of a case. ``key`` tells it from others of its kind.

    ``code`` and ``trouble`` are what is wrong, where the events say so: a ``Code`` and a sentence for people.
    """

    what: Debt
    key: str
    code: str = ""
    trouble: str = ""


BY_STEP = MappingProxyType({StepName.CLOSE_THE_TICKET: Debt.TICKET, StepName.TELL_IT_WORKS_AGAIN: Debt.RECOVERY})
"""What is owed where a step fails that comes after the closing."""

PASSES = frozenset(
    {
        Code.PLATFORM_DOWN, Code.DESK_DOWN, Code.MAIL_DOWN, Code.MAILBOX_DOWN, Code.CHANNEL_DOWN, Code.PREFECT_DOWN,
        Code.STORE_DOWN, Code.STORE_FAILED, Code.SCREENSHOT_FAILED, Code.NOT_THE_RUN, Code.SHOWS_ANOTHER_STATE,
        Code.NOT_SEEN, Code.NOT_LIVE, Code.TICKET_NOT_CLOSED, Code.TICKET_NOT_OPEN, Code.NOTHING_SAVED,
    }
)  # fmt: skip
"""What may be over at any moment, because a machine was away or somebody is about to put it right elsewhere."""

HARMLESS = frozenset({Code.STILL_RUNNING, Code.WAITS_FOR_CASE, Code.ASKED_OF_A_PERSON, Code.PICTURE_WAITS})
"""What is no trouble at all: nothing failed, and nothing is late."""

READ_BY_ITSELF = frozenset({StepName.VERIFY_THE_RUN, StepName.WAIT_TO_CLOSE})
"""Steps for which the keeper looks at what they wait for (a run's end, another case's): no try is needed before."""

GRACE = timedelta(minutes=2)
"""How long the case's own run is given before the keeper does it."""
_GRACES = {
    Debt.NOTE: timedelta(minutes=10),
    Debt.ALERT: timedelta(),
    Debt.CORRECTION: timedelta(),
    Debt.MAIL: timedelta(),
    Debt.RAISE: timedelta(),
    Debt.TICKET_OPENING: timedelta(),
    Debt.DEVELOPMENT: timedelta(),
    Debt.REVIEW: timedelta(),
    Debt.RECORDING: timedelta(),
}

_PASSING = (timedelta(minutes=1), timedelta(minutes=30))
_LASTING = (timedelta(minutes=30), timedelta(days=1))
_OF_CONTACTS = (timedelta(hours=1), timedelta(days=1))
"""The soonest and the latest next try. A contact that is registered has what waited for it tried at once."""
LONGEST = timedelta(days=1)
"""Nothing waits longer than this for its next try."""


def given_up(case: Case) -> set[tuple[str, str]]:
    """What a person said is owed no more: the kind and the key of each."""
    said = (event.data for event in case.events if event.kind.spec.says is GivenUp)
    return {(str(one["what"]), str(one["key"])) for one in said}


def is_given_up(case: Case, what: Debt, key: str) -> bool:
    """Whether a person said that this is owed no more: then nobody does it, the case's own run neither."""
    return (what, key) in given_up(case)


def has_open_ticket(case: Case) -> bool:
    """Whether the case has a ticket that was not closed with an earlier closing of the case."""
    if case.ticket is None or case.last_opened is None or named_ticket(case) is not None:
        return False
    return case.ticket.seq > case.last_opened.seq or case.ticket_reopened is not None


def named_ticket(case: Case) -> FactOf[TicketNamed] | None:
    """What a person said of the ticket that the case is to go on in, until it does."""
    if case.ticket is None or case.is_closed:
        return None
    named = case.all_of(TicketNamed)
    return named[-1] if named and named[-1].seq > case.ticket.seq else None


def is_ticket_missed(case: Case) -> bool:
    """Whether the desk had the case's ticket no more when it was last asked for it: it is looked for by its key."""
    if case.ticket is None or case.is_closed:
        return False
    since = case.ticket.seq
    return any(one.seq > since and one.data.get("code") == Code.TICKET_GONE for one in case.all_of(Trouble))


def step_in_trouble(case: Case) -> Iterator[Owed]:
    """The step of an open case that could not be carried out: its run tries it again, whichever procedure it is of."""
    if case.trouble is not None:
        said = case.trouble.data
        words = f"{said['problem']} {said['next_action']}"
        yield Owed(Debt.STEP, str(said["step"]), str(trouble_code(case.trouble.event.data)), words)


def first_try(one: Owed, since: datetime) -> datetime | None:
    """When something that is owed since then is tried first, by whoever looks after the list; None: by another look."""
    if one.what is Debt.STEP and one.key in READ_BY_ITSELF:
        return None
    return next_try(one.code, since, since) if one.code else since + _GRACES.get(one.what, GRACE)


def next_try(code: str, since: datetime, now: datetime) -> datetime:
    """When it is tried again after a try ``now``.

    The longer it is owed, the longer it will be: a quarter of that time, within bounds. What a person has to put right
    is tried more seldom, and at least daily.
    """
    soonest, latest = _OF_CONTACTS if code == Code.NOBODY_TO_TELL else _PASSING if code in PASSES else _LASTING
    return now + min(max((now - since) / 4, soonest), latest)
