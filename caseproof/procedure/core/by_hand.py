"""What people write into a case by themselves, beside the answers to its questions: notes, and whose job it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from caseproof.config.mail_address import tidied, unkeepable
from caseproof.domain.case import Case
from caseproof.domain.codes import Rest
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import require_job_failure
from caseproof.domain.owing import named_ticket
from caseproof.domain.payloads import LookAsked, Noted, TicketNamed
from caseproof.domain.visible import one_line
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import Ledger

LONGEST_NOTE = 4000
"""How many characters a note may have."""
LONGEST_NAME = 200
"""How many a retailer's or a marketplace's name."""


def write_note(ledger: Ledger, team: Collection[str], ref: str, text: str, *, by: str) -> Case:
    """Write a note into the case, for whoever works on it next. It decides nothing, and wakes no run.

    Raises NotOnTheTeam, UnknownCase, and BadInput for a note that says nothing or too much.
    """
    member, note = require_member(by, team), text.strip()
    if not note:
        raise BadInput("The note is empty.", "Write what the next one should know.")
    if len(note) > LONGEST_NOTE:
        raise BadInput(
            f"The note has {len(note)} characters.", f"Shorten it to {LONGEST_NOTE}; long texts belong on the ticket."
        )
    event = ledger.event(ledger.case(ref).procedure.kind(Noted), member, note=redact(note))  # people paste from logs

    def once(case: Case) -> Sequence[Event]:
        """Sent twice, it stands there once."""
        last = case.events[-1]
        return [] if (last.kind, last.actor, last.data) == (event.kind, event.actor, event.data) else [event]

    return ledger.change(ref, once)


def name_ticket(ledger: Ledger, team: Collection[str], ref: str, ticket: str, why: str, *, by: str) -> Case:
    """Say in which ticket of the desk the case goes on: its own was merged into that one, or deleted.

    Its run looks whether there is such a ticket; until then the case has its own. Raises NotOnTheTeam, UnknownCase,
    BadInput for what says nothing, and NotAllowed where the case has no ticket, or is closed.
    """
    member, number, reason = require_member(by, team), one_line(ticket), why.strip()
    if not number or len(number) > LONGEST_NAME:
        raise BadInput("It is not said which ticket.", "Give its number, or the address of its page on the desk.")
    if not reason or len(reason) > LONGEST_NOTE:
        raise BadInput("It is not said why.", "Say in a sentence what became of the ticket that the case has.")

    def named(case: Case) -> Sequence[Event]:
        if case.is_closed or case.ticket is None:
            what = "is closed" if case.is_closed else "has no ticket yet"
            raise NotAllowed(f"{case.ref} {what}.", "Name another ticket for an open case that has one.")
        if number == case.ticket["ticket"] and named_ticket(case) is None:
            raise BadInput(f"{case.ref} goes on in {number} as it is.", "Name the ticket that is to take its place.")
        kind = case.procedure.kind(TicketNamed)
        return [ledger.event(kind, member, ticket=number, why=redact(reason))]

    return ledger.change(ref, named)


def ask_to_look(ledger: Ledger, team: Collection[str], ref: str, *, by: str) -> None:
    """Have the case looked at again: a rest that its run was given ends now, and a run that sleeps is woken.

    That is done by whoever looks after the runs; here it is written down. Raises NotOnTheTeam, UnknownCase, and
    BadInput for a closed case and for one that is about to be looked at.
    """
    member = require_member(by, team)
    with ledger.store.uow() as uow:
        case = uow.cases.get(ref)
        if case.is_closed:
            raise BadInput(f"{case.ref} is closed.", "There is nothing to look at; its proof is on its page.")
        row = uow.cases.of_refs([case.ref])[0]
        if row.rest_until is None and case.has_news:
            raise BadInput(f"{case.ref} is about to be looked at already.", "Its run is woken within minutes.")
        uow.cases.append(case, ledger.event(case.procedure.kind(LookAsked), member))
        if row.rest_until is not None:
            code = Rest(row.rest_code) if row.rest_code else None
            uow.cases.set_rest(case.ref, row.crashes, ledger.clock(), row.rest_why, code)
        uow.commit()


def correct_whose_job(
    ledger: Ledger, team: Collection[str], ref: str, retailer: str, marketplace: str, *, by: str
) -> Case:
    """Somebody knows better than the platform whose job it is; "" for no marketplace.

    Only as long as it ``is_nobodys_yet``. Raises NotOnTheTeam, UnknownCase, BadInput for a name that cannot be used or
    is there already, NotAllowed where it is too late, or the job is not stopped yet (J2).
    """
    member = require_member(by, team)
    whose = _name(retailer, "retailer"), _name(marketplace, "marketplace")
    if not whose[0]:
        raise BadInput("The retailer has no name.", "Give it as the job's tag on the platform names it.")

    def correct(case: Case) -> Sequence[Event]:
        require_job_failure(case)
        if not is_nobodys_yet(case):
            told = "is closed" if case.is_closed else f"was told to {case.facts.get('retailer')} already, or they wrote"
            raise NotAllowed(
                f"{case.ref} {told}: whose job it is cannot be corrected any more.",
                "Correct the tags of the job on the platform, for its next failure; and write a note here.",
            )
        if whose == ((case.facts.get("retailer") or ""), (case.facts.get("marketplace") or "")):
            raise BadInput(f"{case.ref} says so already.", "Type what is to stand there instead.")
        return [
            ledger.event(
                Kind.FACTS_CORRECTED, member, retailer=whose[0], marketplace=whose[1] or None,
                connection=case.facts.get("connection"),
            )
        ]  # fmt: skip

    return ledger.change(ref, correct)


def is_nobodys_yet(case: Case) -> bool:
    """Whether no retailer was told since the case was last opened, nor wrote: else one has its notice, and what they
    answered would count for another.
    """
    begun = case.last_opened.seq if case.last_opened else 0
    told = any(event.kind is Kind.NOTICE_SENT for event in case.events[begun:])
    return not (case.is_closed or told or case.confirmations or case.replies)


def _name(text: str, what: str) -> str:
    tidy = tidied(text)
    if len(tidy) > LONGEST_NAME or unkeepable(tidy):
        raise BadInput(f"The {what} {tidy[:60]!r} cannot be kept.", "Write it anew, as the platform's tag has it.")
    return tidy
