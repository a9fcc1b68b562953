"""What a job failure owes, by its events: each effect that can fail late, and that nobody would come back to."""

from __future__ import annotations

from collections.abc import Iterator

from caseproof.domain import aftermath
from caseproof.domain import payloads as says
from caseproof.domain.aftermath import note_key_of, owes_after
from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.codes import MessageCode
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import owes_correction
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.owing import Debt, Owed, given_up, is_given_up, step_in_trouble

WORDS = frozenset({Kind.CONFIRMATION_RECEIVED, Kind.REPLY_RECEIVED, Kind.CONFIRMATION_REFUSED, Kind.WORD_AGREED})
"""What came from the retailer, and what became of it: the ticket tells it."""
_PICTURES = frozenset({Kind.PICTURE_CONFIRMED, Kind.PICTURE_TAKEN_BACK})
_TOLD = WORDS | _PICTURES
"""What the ticket is told in a comment, once each."""
_ALARMS = frozenset({Kind.STOP_DID_NOT_HOLD, Kind.REOPENED})
"""What the team hears at once, whatever waits for it."""
_TO_THE_RETAILER = frozenset({Kind.NOTICE_SENT, Kind.NOTICE_CORRECTED, Kind.REMINDER_SENT, Kind.LINK_RENEWED})


def owes(case: Case) -> list[Owed]:
    """What is owed now, but for what a person gave up."""
    found = [*_notes(case), *owes_after(case), *_mails(case), *(_of_closed(case) if case.is_closed else _of_open(case))]
    no_more = given_up(case)
    return [one for one in found if (one.what, one.key) not in no_more]


def note_key(case: Case, fact: Fact) -> str:
    """By what the ticket's comment about this is known: to the desk, to its intent and on the list."""
    if fact.event.kind not in _TOLD:
        return note_key_of(case, fact)
    key = f"{case.ref}/note/{fact.event.kind}/{fact.get('evidence')}"
    if fact.get("code") != MessageCode.NOT_AGREED and fact.event.kind not in _PICTURES:
        return key
    # The same message may have been refused before, by the inbox or by a no to it: this no is news all the same. And a
    # picture that was taken back may be confirmed again.
    before = (one for one in case.every(fact.event.kind) if one.seq < fact.seq)
    return f"{key}/{fact.seq}" if any(one.get("evidence") == fact.get("evidence") for one in before) else key


def letters_of_this_round(case: Case) -> list[Event]:
    """The mail that told the retailer of the failure, from the notice on."""
    if case.notice is None:
        return []
    return [event for event in case.events[case.notice.seq - 1 :] if event.kind in _TO_THE_RETAILER]


def owes_recovery(case: Case) -> bool:
    """Whether somebody who was told of the failure waits to hear that it is over."""
    return case.is_closed and case.recovery is None and any(e.data.get("accepted") for e in letters_of_this_round(case))


def is_to_be_told_the_end(case: Case) -> bool:
    """The same, where nobody gave it up."""
    return owes_recovery(case) and not is_given_up(case, Debt.RECOVERY, str(case.opening))


def owes_ticket_closing(case: Case) -> bool:
    """Whether its ticket has to be closed yet, and nobody gave that up."""
    owes_it = case.is_closed and case.ticket is not None and case.ticket_closed is None
    return owes_it and not is_given_up(case, Debt.TICKET, str(case.opening))


def _of_closed(case: Case) -> Iterator[Owed]:
    if case.ticket is not None and case.ticket_closed is None:
        yield Owed(Debt.TICKET, str(case.opening))
    if owes_recovery(case):
        yield Owed(Debt.RECOVERY, str(case.opening))
    if case.cause_settled is not None and _has_to_be_corrected(case, case.cause_settled):
        yield Owed(Debt.CORRECTION, str(case.cause_settled.seq))


def _has_to_be_corrected(case: Case, settled: FactOf[says.CauseChosen | says.CauseLeftOpen]) -> bool:
    """Whether a cause was chosen since the retailer was told; what left meanwhile may have said yet another one."""
    if case.last_told is None or settled.says(says.CauseChosen) is None:
        return False
    return owes_correction(case) or settled.seq > case.last_told.seq


def _of_open(case: Case) -> Iterator[Owed]:
    yield from step_in_trouble(case)
    alarms = [number for number, event in enumerate(case.events, 1) if event.kind in _ALARMS]
    if alarms:
        told = [event.data.get("of") for event in case.events if event.kind is Kind.TEAM_TOLD]
        yield from (Owed(Debt.ALERT, str(number)) for number in alarms if number not in told)


def _notes(case: Case) -> Iterator[Owed]:
    """Every word: whether its comment was made, its intent knows, and settles it on the list."""
    if case.ticket is not None:
        yield from (Owed(Debt.NOTE, note_key(case, fact)) for fact in case.every(*_TOLD))


def told_on_ticket(case: Case) -> list[Fact]:
    """What the ticket is told, oldest first: every word, whose picture it is, and what follows an emergency."""
    return sorted([*case.every(*_TOLD), *aftermath.told_on_ticket(case)], key=lambda fact: fact.seq)


def _mails(case: Case) -> Iterator[Owed]:
    """What people wrote to the retailer and has not been sent, by the number of its event."""
    sent = {fact["of"] for fact in case.every(Kind.MAIL_SENT)}
    yield from (Owed(Debt.MAIL, str(one.seq)) for one in case.every(Kind.MAIL_WRITTEN) if one.seq not in sent)
