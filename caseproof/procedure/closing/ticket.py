"""The ticket on the desk: opened or adopted (J1, E12), told what happens, given the evidence (J7, J8), closed after the
case, and opened again with it. Which desk it is, the policy says for each procedure."""

from __future__ import annotations

import hashlib
from types import MappingProxyType

from caseproof.config.policy import Policy
from caseproof.desks.base import Attachment, Desk, DeskError, Ticket, TicketStatus, UnknownTicket
from caseproof.domain import payloads as says
from caseproof.domain.aftermath import TOLD
from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.claims import whose_run
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.owing import note_key, owes_ticket_closing, told_on_ticket
from caseproof.domain.job_failure.pictures import kind_of_picture
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.owing import Debt, has_open_ticket, is_given_up, is_ticket_missed, named_ticket
from caseproof.domain.support import owing as support
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.vocabulary import Decision, Picture
from caseproof.evidence.vault import Vault
from caseproof.procedure.closing.running import what_a_removal_left
from caseproof.procedure.closing.support_ticket import People, body_of, comment_of, subject_of
from caseproof.procedure.core.idempotent_effect import Json, idempotent_effect
from caseproof.procedure.core.parts import Effects, Ledger, Links
from caseproof.procedure.core.retailer_answer import came_by, doubts
from caseproof.procedure.core.texts import in_ticket, quoted_in_ticket
from caseproof.store import Store

NOBODY: People = MappingProxyType({})
"""Of a case that has no tiers."""


class TicketNotClosed(CaseproofError):
    """The desk took the closing of the ticket and still shows it open."""

    code = Code.TICKET_NOT_CLOSED


class TicketNotOpen(CaseproofError):
    """The desk took the opening of the ticket and still shows it closed."""

    code = Code.TICKET_NOT_OPEN


def desk_of(policy: Policy, case: Case) -> str:
    """What the policy calls the desk that the case's ticket is on: it may name another by now, where the same number is
    somebody else's. Of a case without a ticket, the one that it will be on."""
    return str(case.ticket.data["desk"]) if case.ticket else policy.desk_of(case.procedure.prefix)


def desk_to_open_on(policy: Policy, case: Case) -> str:
    """``desk_of``, for who ensures that there is a ticket: one that a person named is on the desk of now."""
    return desk_of(policy, case) if named_ticket(case) is None else policy.desk_of(case.procedure.prefix)


def ensure_ticket(
    ledger: Ledger, effects: Effects, links: Links, desk: Desk, ref: str, *, desk_name: str, people: People = NOBODY
) -> Case:
    """Ensure that the case has a ticket: the one it was raised from, or a new one; a reopened case has its own again.

    One that a person names takes the place of the case's own, which was merged into it or deleted. ``desk_name`` is
    what the policy calls the desk, ``people`` who is in which tier. Raises TicketNotOpen, UnknownTicket.
    """
    case = ledger.case(ref)
    if is_ticket_missed(case) and named_ticket(case) is None:
        case = _follow(ledger, desk, case, desk_name)
    if case.procedure is SUPPORT and not support.lacks_ticket(case):
        return case
    if case.procedure is JOB_FAILURE and (has_open_ticket(case) or case.contained is None):  # J2: the stop comes first
        return case
    named = named_ticket(case)
    if named is not None:
        return _go_on_in(ledger, links, desk, case, named, desk_name)
    if case.ticket is not None:
        return _reopen(ledger, links, desk, case, case.ticket)
    adopted = _there(desk, case.facts.get("ticket"))
    if adopted:
        desk.comment(adopted.id, f"{ref}/adopted", f"{ref} carries this ticket: {links.case_url(ref)}")
        found: Json = {"ticket": adopted.id, "url": adopted.url}
    else:

        def read_back(_: Json) -> Json | None:
            ticket = desk.find(ref)
            return {"ticket": ticket.id, "url": ticket.url} if ticket else None

        def create(_: Json) -> None:
            if case.procedure is SUPPORT:
                desk.create(ref, subject_of(case), body_of(links, case, people))
            else:
                desk.create(ref, f"[{ref}] {in_ticket(case.facts['job_name'])} fails", _body(links, case))

        found = idempotent_effect(effects, ref, "ticket", f"{ref}/ticket", plan={}, effect=create, read_back=read_back)
    kind = case.procedure.kind(says.TicketOpened)
    event = ledger.event(kind, desk=desk_name, adopted=bool(adopted), **found)
    return ledger.change(ref, lambda now: [] if now.ticket else [event])


def _there(desk: Desk, number: str | None) -> Ticket | None:
    """The ticket that the case was raised from. None where there is none (any more), so that the case gets its own: the
    desk may have been down when it was named."""
    try:
        return desk.ticket(number) if number else None
    except UnknownTicket:
        return None


def offer_another(problem: Exception, links: Links, ref: str) -> None:
    """Add to the error of a case's ticket that is gone where a person says in which one it goes on."""
    if isinstance(problem, UnknownTicket):
        problem.offer(f"Or say in which ticket the case goes on: {links.case_url(ref)}/hand#ticket")


def _follow(ledger: Ledger, desk: Desk, case: Case, desk_name: str) -> Case:
    """Take the ticket that has the case's key by now, where the desk has its own no more: who merges tickets may have
    the fields of the one kept in the other. Where there is none, a person says which it is."""
    old = case.ticket.data["ticket"] if case.ticket else ""
    if _there(desk, old) is not None:
        return case
    found = desk.find(case.ref)
    if found is None or found.id == old:
        return case
    return _in_its_place(ledger, case, found, desk_name, adopted=False)


def _go_on_in(
    ledger: Ledger, links: Links, desk: Desk, case: Case, named: FactOf[says.TicketNamed], desk_name: str
) -> Case:
    """Go on in the ticket that a person named, which is opened where it is closed, and says so. Raises UnknownTicket,
    TicketNotOpen."""
    ticket, ref = desk.ticket(named["ticket"]), case.ref
    old = case.ticket.data["ticket"] if case.ticket else ""
    if ticket.status is not TicketStatus.OPEN:
        desk.set_status(ticket.id, TicketStatus.OPEN)
        _refuse_closed(desk, ticket.id)
    said = f"{ref} goes on in this ticket instead of {old}, as {in_ticket(named.actor)} says: {in_ticket(named['why'])}"
    desk.comment(ticket.id, f"{ref}/adopted/{named.seq}", f"{said} {links.case_url(ref)}")
    return _in_its_place(ledger, case, ticket, desk_name, adopted=True)


def _in_its_place(ledger: Ledger, case: Case, ticket: Ticket, desk_name: str, *, adopted: bool) -> Case:
    """Write down that the case has another ticket from now on."""
    before = case.ticket
    event = ledger.event(
        case.procedure.kind(says.TicketOpened), desk=desk_name, adopted=adopted, ticket=ticket.id, url=ticket.url,
        instead_of=before.data["ticket"] if before else "",
    )  # fmt: skip
    return ledger.change(case.ref, lambda now: [event] if now.ticket == before else [])


def _refuse_closed(desk: Desk, ticket: str) -> None:
    if desk.ticket(ticket).status is not TicketStatus.OPEN:
        raise TicketNotOpen(
            f"The desk still shows {ticket} as closed.",
            "Open it there, or see why the desk does not let it be opened, then let the case try again.",
        )


def _reopen(ledger: Ledger, links: Links, desk: Desk, case: Case, fact: Fact) -> Case:
    """Open the ticket of a reopened case again, say why, and read it back."""
    ticket, ref = fact["ticket"], case.ref
    why = case.last_opened.get("why", "") if case.last_opened else ""
    if desk.ticket(ticket).status is not TicketStatus.OPEN:
        desk.set_status(ticket, TicketStatus.OPEN)
    again = f"{ref} is open again. {in_ticket(why)} {links.case_url(ref)}"
    desk.comment(ticket, f"{ref}/reopened/{case.opening}", again)
    _refuse_closed(desk, ticket)
    event = ledger.event(case.procedure.kind(says.TicketReopened), ticket=ticket)
    return ledger.change(ref, lambda now: [] if has_open_ticket(now) else [event])


def _body(links: Links, case: Case) -> str:
    facts = case.facts
    lines = [
        f"Job: {in_ticket(facts['job_name'])} ({in_ticket(facts['job'])} on {in_ticket(facts['platform'])})",
        f"Retailer: {in_ticket(facts.get('retailer') or 'not known')}",
        f"Marketplace: {in_ticket(facts.get('marketplace') or 'none')}",
        f"Cause: {in_ticket(facts['cause'])}",
        _fails(facts["summary"]),
        f"Case: {links.case_url(case.ref)}",
    ]
    return "\n".join(lines)


def _fails(summary: str) -> str:
    """A message on its own line; one of several lines as a quotation."""
    lines = quoted_in_ticket(summary.strip())
    return f"What fails:\n\n{lines}\n" if "\n" in lines else f"What fails: {in_ticket(summary)}"


def words_to_note(store: Store, case: Case) -> list[Fact]:
    """What is to be told on the ticket and is not yet, nor given up, oldest first: what came from the retailer, what a
    support case goes through, and what follows an emergency. Without any of it nothing is looked up."""
    told = support.told_on_ticket(case) if case.procedure is SUPPORT else told_on_ticket(case)
    said = [fact for fact in told if not is_given_up(case, Debt.NOTE, note_key(case, fact))]
    if not said or case.ticket is None:
        return []
    with store.reading() as uow:
        return [fact for fact in said if uow.intents.result(note_key(case, fact)) is None]


def note_words(
    ledger: Ledger, effects: Effects, links: Links, desk: Desk, ref: str, *, people: People = NOBODY
) -> None:
    """Ensure that the ticket says what the retailer wrote, and what does not count and why: the front line reads there.
    That of a support case says what happens, who has the case, and who they are (E12): ``people``, by tier.

    A comment a message or event; the desk adds each once a key, so that repeating is harmless.
    """
    case = ledger.case(ref)
    for fact in words_to_note(ledger.store, case):
        by_us = case.procedure is SUPPORT or fact.event.kind.spec.says in TOLD
        text = comment_of(links, case, fact, people) if by_us else _note(links, case, fact)
        _comment_once(effects, desk, case, note_key(case, fact), text)


def _comment_once(effects: Effects, desk: Desk, case: Case, key: str, text: str) -> None:
    ticket = case.ticket.data["ticket"] if case.ticket else ""

    def comment(_: Json) -> Json:
        desk.comment(ticket, key, text)
        return {"ticket": ticket}

    idempotent_effect(effects, case.ref, "note", key, plan={}, effect=comment, read_back=None, harmless=(DeskError,))


def _note(links: Links, case: Case, fact: Fact) -> str:
    at = f"{fact.at:%Y-%m-%d %H:%M} UTC"
    evidence = f"As it arrived: {links.evidence_url(fact['evidence'])}"
    if fact.event.kind is Kind.CONFIRMATION_REFUSED:
        sender, why = in_ticket(fact["sender"]), in_ticket(fact["why"])
        return f"A message from {sender} ({at}) does not count: {why}. {evidence}"
    if fact.event.kind is Kind.PICTURE_CONFIRMED:
        by, why = in_ticket(fact["uploaded_by"]), in_ticket(fact["why"])
        return (
            f"The picture of the run was uploaded by {by} and confirmed by {in_ticket(fact.actor)} ({at}), because no "
            f"page of the run can be photographed (J7): {why} {evidence}"
        )
    if fact.event.kind is Kind.PICTURE_TAKEN_BACK:
        why = in_ticket(fact["why"])
        return f"The picture of the run was taken back by {in_ticket(fact.actor)} ({at}): {why} {evidence}"
    if fact.event.kind is Kind.WORD_AGREED:
        sender = in_ticket(fact["sender"])
        return f"{in_ticket(fact.actor)} agreed ({at}) that the word from {sender} counts all the same. {evidence}"
    what = "The retailer replied" if fact.event.kind is Kind.REPLY_RECEIVED else "The retailer's written word (J8)"
    words = quoted_in_ticket(fact["words"]) if str(fact["words"]).strip() else "> (no words)"
    more = "".join(f"{in_ticket(doubt)}.\n" for doubt in doubts(case, fact))
    return f"{what}: {in_ticket(fact['sender'])}, {came_by(fact)}, {at}.\n\n{words}\n\n{more}{evidence}"


def attach_photo(ledger: Ledger, vault: Vault, effects: Effects, desk: Desk, ref: str) -> Case:
    """Ensure that the screenshot is attached to the ticket and stands in the ticket's own list (J7, J8)."""
    case = ledger.case(ref)
    if case.photo is None or is_attached(case, case.photo.data["evidence"]):
        return case
    return attach(ledger, vault, effects, desk, case, case.photo, f"{ref}-{_what_ran(case)}.png", "image/png")


def _what_ran(case: Case) -> str:
    """The name of its picture's file, without its ending; of one that is not of the run's own page, its kind, too."""
    what = "removal" if case.decided is Decision.REMOVE else "successful-run"
    kind, run = kind_of_picture(case), case.run.data["run"] if case.run else ""
    before = sum(fact["run"] == run for fact in case.all_of(says.PictureTakenBack))  # they stay on the ticket
    again = f"-{before + 1}" if before else ""
    return f"{what}-{case.attempt}" + ("" if kind is Picture.OWN_PAGE else f"-{kind}") + again


def _as_a_removal(case: Case) -> str:
    """J9: no job of a removed integration succeeded, and the front line learns what is left of it."""
    if case.decided is not Decision.REMOVE:
        return ""
    where = in_ticket(case.facts.get("job_url") or case.facts["job"])
    return f" as a removal. {what_a_removal_left(case, f'the page of the job, {where}').rstrip('.')}"


def _whose(case: Case) -> str:
    """Whose run it was, where that is known (J10)."""
    said = whose_run(case) if case.procedure is JOB_FAILURE else ""
    return f"{in_ticket(said)} " if said else ""


def attach(
    ledger: Ledger, vault: Vault, effects: Effects, desk: Desk, case: Case, fact: Fact, name: str, media_type: str
) -> Case:
    """Attach the evidence of ``fact`` to the case's ticket once, and record it as read back from the desk."""
    if case.ticket is None:
        raise CaseproofError(
            f"{case.ref} has no ticket to attach to.", "Check the desk; the case opens its ticket first."
        )
    ticket, digest = case.ticket.data["ticket"], fact["evidence"]
    found = send_file(effects, vault, desk, case.ref, ticket, digest, name, media_type)
    event = ledger.event(case.procedure.kind(says.Attached), **found)
    return ledger.change(case.ref, lambda now: [] if is_attached(now, digest, ticket) else [event])


def send_file(
    effects: Effects, vault: Vault, desk: Desk, ref: str, ticket: str, digest: str, name: str, media_type: str
) -> Json:
    """Attach a file of the case to a ticket once, as read back from the desk. Raises DeskError, VaultError."""
    content = vault.read(digest)
    key = f"{ref}/attach/{digest}"
    with effects.store.reading() as uow:
        before = uow.intents.result(key)
    if before is not None and before.get("ticket") != ticket:  # it is on the ticket that the case had before
        key = f"{key}/{ticket}"

    def read_back(_: Json) -> Json | None:
        same = [a for a in desk.attachments(ticket) if same_file(a, name, content)]
        return {"ticket": ticket, "evidence": digest, "name": name, "attachment": same[0].id} if same else None

    def send(_: Json) -> None:
        desk.attach(ticket, name, content, media_type)

    return idempotent_effect(effects, ref, "attach", key, plan={}, effect=send, read_back=read_back)


def same_file(there: Attachment, name: str, content: bytes) -> bool:
    """Whether a file on a ticket is this one, as far as the desk can say."""
    if there.name != name or there.size != len(content):
        return False
    return there.sha256 is None or there.sha256 == hashlib.sha256(content).hexdigest()


def is_attached(case: Case, digest: str, ticket: str = "") -> bool:
    """Whether this file was read back from the case's ticket, or from that other one."""
    number = ticket or (case.ticket.data["ticket"] if case.ticket else "")
    return any((fact["evidence"], fact["ticket"]) == (digest, number) for fact in case.attached)


def close_ticket(ledger: Ledger, links: Links, desk: Desk, ref: str) -> Case:
    """Close the ticket of a closed case, and read it back as closed. Raises TicketNotClosed."""
    case = ledger.case(ref)
    if case.ticket is None or case.proof is None or not owes_ticket_closing(case):
        return case
    ticket = case.ticket.data["ticket"]
    desk.comment(
        ticket,
        f"{ref}/closed/{case.opening}",
        f"{ref} is closed{_as_a_removal(case)}. {_whose(case)}Proof: {links.evidence_url(case.proof['evidence'])}",
    )
    desk.set_status(ticket, TicketStatus.CLOSED)
    if desk.ticket(ticket).status is not TicketStatus.CLOSED:
        raise TicketNotClosed(
            f"The desk still shows {ticket} as open.",
            "Look at the ticket's required fields, then let the case try again.",
        )
    event = ledger.event(case.procedure.kind(says.TicketClosed), ticket=ticket)
    return ledger.change(ref, lambda now: [] if now.ticket_closed else [event])
