"""The ticket on the desk: opened or adopted (J1), told what the retailer writes, given the evidence (J7, J8), closed
after the case, and opened again with it."""

from __future__ import annotations

import hashlib

from caseproof.desks.base import Attachment, Desk, DeskError, TicketStatus
from caseproof.domain.case import Case, Fact
from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.core.idempotent_effect import Json, idempotent_effect
from caseproof.procedure.core.retailer_answer import came_by, doubts
from caseproof.procedure.core.services import Services


class TicketNotClosed(CaseproofError):
    """The desk took the closing of the ticket and still shows it open."""

    code = Code.TICKET_NOT_CLOSED


class TicketNotOpen(CaseproofError):
    """The desk took the opening of the ticket and still shows it closed."""

    code = Code.TICKET_NOT_OPEN


def has_open_ticket(case: Case) -> bool:
    """Whether the case has a ticket that was not closed with an earlier closing of the case."""
    if case.ticket is None or case.last_opened is None:
        return False
    return case.ticket.seq > case.last_opened.seq or case.ticket_reopened is not None


def ensure_ticket(services: Services, desk: Desk, ref: str) -> Case:
    """Ensure that the case has a ticket: the one it was raised from, or a new one; a reopened case has its own again.

    Raises TicketNotOpen.
    """
    case = services.case(ref)
    if has_open_ticket(case) or case.contained is None:  # J2: nothing comes before the stop
        return case
    if case.ticket is not None:
        return _reopen(services, desk, case, case.ticket)
    adopted = case.facts.get("ticket")
    if adopted:
        ticket = desk.ticket(adopted)
        desk.comment(ticket.id, f"{ref}/adopted", f"{ref} carries this ticket: {services.case_url(ref)}")
        found: Json = {"ticket": ticket.id, "url": ticket.url}
    else:

        def read_back(_: Json) -> Json | None:
            ticket = desk.find(ref)
            return {"ticket": ticket.id, "url": ticket.url} if ticket else None

        def create(_: Json) -> None:
            desk.create(ref, f"[{ref}] {case.facts['job_name']} fails", _body(services, case))

        found = idempotent_effect(services, ref, "ticket", f"{ref}/ticket", plan={}, effect=create, read_back=read_back)
    event = services.event(Kind.TICKET_OPENED, desk=services.policy.desk, adopted=bool(adopted), **found)
    return services.store.change(ref, lambda now: [] if now.ticket else [event])


def _reopen(services: Services, desk: Desk, case: Case, fact: Fact) -> Case:
    """Open the ticket of a reopened case again, say why, and read it back."""
    ticket, ref = fact["ticket"], case.ref
    why = case.last_opened.get("why", "") if case.last_opened else ""
    if desk.ticket(ticket).status is not TicketStatus.OPEN:
        desk.set_status(ticket, TicketStatus.OPEN)
    desk.comment(ticket, f"{ref}/reopened/{case.opening}", f"{ref} is open again. {why} {services.case_url(ref)}")
    if desk.ticket(ticket).status is not TicketStatus.OPEN:
        raise TicketNotOpen(
            f"The desk still shows {ticket} as closed.",
            "Open it there, or see why the desk does not let it be opened, then let the case try again.",
        )
    event = services.event(Kind.TICKET_REOPENED, ticket=ticket)
    return services.store.change(ref, lambda now: [] if has_open_ticket(now) else [event])


def _body(services: Services, case: Case) -> str:
    facts = case.facts
    lines = [
        f"Job: {facts['job_name']} ({facts['job']} on {facts['platform']})",
        f"Retailer: {facts.get('retailer') or 'not known'}",
        f"Marketplace: {facts.get('marketplace') or 'none'}",
        f"Cause: {facts['cause']}",
        f"What fails: {facts['summary']}",
        f"Case: {services.case_url(case.ref)}",
    ]
    return "\n".join(lines)


_SAID = (Kind.CONFIRMATION_RECEIVED, Kind.REPLY_RECEIVED, Kind.CONFIRMATION_REFUSED)


def words_to_note(services: Services, case: Case) -> list[Fact]:
    """What came from the retailer and is not on the ticket yet, oldest first; without words nothing is looked up."""
    said = case.every(*_SAID)
    if not said or case.ticket is None:
        return []
    with services.store.reading() as uow:
        return [fact for fact in said if uow.intents.result(_note_key(case, fact)) is None]


def note_words(services: Services, desk: Desk, ref: str) -> None:
    """Ensure that the ticket says what the retailer wrote, and what does not count and why: the front line reads there.

    A comment a message and what became of it; the desk adds each once a key, so that repeating is harmless.
    """
    case = services.case(ref)
    for fact in words_to_note(services, case):
        _comment_once(services, desk, case, _note_key(case, fact), _note(services, case, fact))


def _comment_once(services: Services, desk: Desk, case: Case, key: str, text: str) -> None:
    ticket = case.ticket.data["ticket"] if case.ticket else ""

    def comment(_: Json) -> Json:
        desk.comment(ticket, key, text)
        return {"ticket": ticket}

    idempotent_effect(services, case.ref, "note", key, plan={}, effect=comment, read_back=None, harmless=(DeskError,))


def _note_key(case: Case, fact: Fact) -> str:
    return f"{case.ref}/note/{fact.event.kind}/{fact['evidence']}"


def _note(services: Services, case: Case, fact: Fact) -> str:
    at = f"{fact.at:%Y-%m-%d %H:%M} UTC"
    evidence = f"As it arrived: {services.evidence_url(fact['evidence'])}"
    if fact.event.kind is Kind.CONFIRMATION_REFUSED:
        return f"A message from {fact['sender']} ({at}) does not count: {fact['why']}. {evidence}"
    what = "The retailer replied" if fact.event.kind is Kind.REPLY_RECEIVED else "The retailer's written word (J8)"
    words = "\n".join(f"> {line}" for line in str(fact["words"]).splitlines()) or "> (no words)"
    more = "".join(f"{doubt}.\n" for doubt in doubts(case, fact))
    return f"{what}: {fact['sender']}, {came_by(fact)}, {at}.\n\n{words}\n\n{more}{evidence}"


def attach_photo(services: Services, desk: Desk, ref: str) -> Case:
    """Ensure that the screenshot is attached to the ticket and stands in the ticket's own list (J7, J8)."""
    case = services.case(ref)
    if case.photo is None or _is_attached(case, case.photo.data["evidence"]):
        return case
    return attach(services, desk, case, case.photo, f"{ref}-successful-run-{case.attempt}.png", "image/png")


def attach(services: Services, desk: Desk, case: Case, fact: Fact, name: str, media_type: str) -> Case:
    """Attach the evidence of ``fact`` to the case's ticket once, and record it as read back from the desk."""
    if case.ticket is None:
        raise CaseproofError(
            f"{case.ref} has no ticket to attach to.", "Check the desk; the case opens its ticket first."
        )
    ticket, digest = case.ticket.data["ticket"], fact["evidence"]
    content = services.vault.read(digest)

    def read_back(_: Json) -> Json | None:
        same = [a for a in desk.attachments(ticket) if _same(a, name, content)]
        return {"ticket": ticket, "evidence": digest, "name": name, "attachment": same[0].id} if same else None

    def send(_: Json) -> None:
        desk.attach(ticket, name, content, media_type)

    found = idempotent_effect(
        services, case.ref, "attach", f"{case.ref}/attach/{digest}", plan={}, effect=send, read_back=read_back
    )
    event = services.event(Kind.ATTACHED, **found)
    return services.store.change(case.ref, lambda now: [] if _is_attached(now, digest) else [event])


def _same(there: Attachment, name: str, content: bytes) -> bool:
    if there.name != name or there.size != len(content):
        return False
    return there.sha256 is None or there.sha256 == hashlib.sha256(content).hexdigest()


def _is_attached(case: Case, digest: str) -> bool:
    return any(fact["evidence"] == digest for fact in case.attached)


def close_ticket(services: Services, desk: Desk, ref: str) -> Case:
    """Close the ticket of a closed case, and read it back as closed. Raises TicketNotClosed."""
    case = services.case(ref)
    if case.ticket is None or case.proof is None or not case.is_closed or case.ticket_closed is not None:
        return case
    ticket = case.ticket.data["ticket"]
    desk.comment(
        ticket,
        f"{ref}/closed/{case.opening}",
        f"{ref} is closed. Proof: {services.evidence_url(case.proof['evidence'])}",
    )
    desk.set_status(ticket, TicketStatus.CLOSED)
    if desk.ticket(ticket).status is not TicketStatus.CLOSED:
        raise TicketNotClosed(
            f"The desk still shows {ticket} as open.",
            "Look at the ticket's required fields, then let the case try again.",
        )
    event = services.event(Kind.TICKET_CLOSED, ticket=ticket)
    return services.store.change(ref, lambda now: [] if now.ticket_closed else [event])
