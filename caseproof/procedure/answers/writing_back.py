"""J8: a person answers a retailer by mail, in the thread of the case; the keeper sends it, once.

What is written is taken down first, with who wrote it, and is owed from then on. So it does not matter which process
can reach the mail server, and a crash loses nothing. It goes to a registered contact, or to whoever wrote the message
that it answers; to nobody else. Who may not speak for the retailer gets nothing that is signed: with our signed address
they could have the case take down what they say of our mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from caseproof.channels.outbound.composing import header_address, is_message_id
from caseproof.channels.outbound.notice import message_id
from caseproof.channels.outbound.personal import compose_personal
from caseproof.config.mail_address import comparable, usable_address
from caseproof.domain.case import Case, Fact
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.owing import owes
from caseproof.domain.job_failure.procedure import require_job_failure
from caseproof.domain.owing import Debt
from caseproof.domain.vocabulary import Disposition
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.core.answer_ledger import Overtaken
from caseproof.procedure.core.parts import Dispatch, Ledger
from caseproof.procedure.notify.letter_keys import subject_of
from caseproof.procedure.notify.outbox import Draft, OutboxEntry, send_letters
from caseproof.procedure.notify.telling import NobodyToTell
from caseproof.procedure.notify.threads import (
    Thread,
    addressees,
    correction_of,
    find_thread,
    first_thread,
    numbered,
    reply_to,
    thread_to,
    which_correction,
)
from caseproof.store import MessageRow
from caseproof.store.uow import UnitOfWork

MOST_WORDS = 20_000
"""How many characters a mail may have."""
ANSWERED = "Answered by mail."
_NO_PERSON = frozenset({Disposition.AUTOMATIC, Disposition.BOUNCE})


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom an answer may go: their address and name, whether they may speak for the retailer, and whether mail to
    them came back."""

    address: str
    name: str
    is_contact: bool
    bounced: bool = False


def recipients(uow: UnitOfWork, case: Case, row: MessageRow) -> list[Recipient]:
    """Who may get an answer to this message: whoever wrote it goes first, then the retailer's registered contacts."""
    contacts = uow.people.contacts(case.facts.get("retailer") or "")
    found = [Recipient(one.address, one.name, True, one.bounced_at is not None) for one in contacts]
    wrote = comparable(row.sender)
    if any(comparable(one.address) == wrote for one in found):
        return sorted(found, key=lambda one: comparable(one.address) != wrote)
    return [*([Recipient(row.sender, "", False)] if _can_be_answered(row) else []), *found]


def _can_be_answered(row: MessageRow) -> bool:
    """Whether a person wrote it, under an address that mail can go to."""
    if row.place in _NO_PERSON:
        return False
    with suppress(BadInput):
        header_address(usable_address(row.sender))
        return True
    return False


# -- writing it ---------------------------------------------------------------------------------------------------


def mails_written(case: Case) -> int:
    """How many mails people wrote in this case: what a form shows of it."""
    return len(case.every(Kind.MAIL_WRITTEN))


def write_mail(ledger: Ledger, number: int, *, to: str, words: str, by: str, seen: int) -> Case:
    """Take down a mail that answers this message, to be sent by the keeper; the message is looked at with it.

    ``seen``: how many mails the case had when the form was shown. Sent twice it counts once. Raises Overtaken where a
    colleague wrote meanwhile, NotAllowed for a stranger's address, BadInput for no words or no case.
    """
    text = as_typed(words).strip()
    if not text:
        raise BadInput("The mail says nothing.", "Write what the retailer is to read.")
    if len(text) > MOST_WORDS:
        raise BadInput(f"The mail has {len(text)} characters.", f"Shorten it to {MOST_WORDS}.")
    with ledger.store.uow() as uow:
        row = uow.messages.get(number)
        if row is None or not row.about:
            raise BadInput("The message is of no case.", "Put it to its case first; the answer goes into its thread.")
        case = uow.cases.get(row.about)
        require_job_failure(case)
        address = _allowed(uow, case, row, to)
        written = case.every(Kind.MAIL_WRITTEN)
        if len(written) != seen:
            if written and len(written) == seen + 1 and _is_same(written[-1], number, address, text, by):
                return case
            raise Overtaken("Somebody wrote a mail in this case meanwhile.", "Read it, then send yours if needed.")
        follows = row.message_id if is_message_id(row.message_id) else ""
        event = ledger.event(
            Kind.MAIL_WRITTEN, by, to=address, words=text, message=number, subject=row.subject, follows=follows
        )
        after = uow.cases.append(case, event)
        uow.messages.done([number], by, event.at, ANSWERED)
        uow.commit()
    return after


def _allowed(uow: UnitOfWork, case: Case, row: MessageRow, to: str) -> str:
    """The address as we know it. Raises NotAllowed."""
    allowed = recipients(uow, case, row)
    known = next((one.address for one in allowed if comparable(one.address) == comparable(to.strip())), None)
    if known is None:
        raise NotAllowed(
            f"{to.strip()[:100] or 'Nobody'} is no registered contact of {case.facts.get('retailer') or 'a retailer'}, "
            "and did not write this message.",
            "Choose one of the addresses that are offered; register a contact first to write to another one.",
        )
    return known


def _is_same(fact: Fact, number: int, to: str, words: str, by: str) -> bool:
    said = (fact["message"], fact["to"], fact["words"], fact.actor)
    return said == (number, to, words, by)


# -- sending it ---------------------------------------------------------------------------------------------------


def send_written(ledger: Ledger, dispatch: Dispatch, ref: str) -> None:
    """Send what people wrote in this case and has not left, each mail once, in its order.

    Each is kept as evidence before it is sent; whoever repeats it sends the same bytes under the same Message-ID. One
    that is refused holds up no other. Raises NobodyToTell, MailDown, MailRefused.
    """
    case = ledger.case(ref)
    owed = {one.key for one in owes(case) if one.what is Debt.MAIL}
    wrong: CaseproofError | None = None
    for written in case.every(Kind.MAIL_WRITTEN):
        if str(written.seq) in owed:
            try:
                _send(ledger, dispatch, case, written)
            except CaseproofError as error:
                wrong = wrong or error
    if wrong is not None:
        raise wrong


def _send(ledger: Ledger, dispatch: Dispatch, case: Case, written: Fact) -> None:
    letter = _letter(ledger, dispatch, case, written)
    lead = letter[0].lead if letter else case.ref

    def draft() -> Draft:
        said = {"by": written.actor, "of": written.seq, **({} if letter else {"unsigned": True})}
        return Draft([str(written["to"])], [_compose(ledger, dispatch, case, written, letter)], (), said)

    mailing = OutboxEntry(lead, "mail", f"{case.ref}/mail/{written.seq}", f"mail-{written.seq}")
    told = send_letters(dispatch, mailing, draft, lambda _: case.ref)
    event = ledger.event(Kind.MAIL_SENT, **told)

    def unless_recorded(now: Case) -> Sequence[Event]:
        return [] if any(one["of"] == written.seq for one in now.every(Kind.MAIL_SENT)) else [event]

    ledger.change(case.ref, unless_recorded)


def _letter(ledger: Ledger, dispatch: Dispatch, case: Case, written: Fact) -> tuple[Thread, Fact] | None:
    """The letter to this contact that the mail follows, and its notice; None where it is no contact's, or none left.

    Raises NobodyToTell where the contact was taken off the list since.
    """
    address = str(written["to"])
    with ledger.store.reading() as uow:
        is_contact = uow.people.is_contact(case.facts.get("retailer") or "", address)
        row = uow.messages.get(written["message"])
    if not is_contact:
        if row is None or comparable(row.sender) != comparable(address):
            give_up = f"`caseproof case waive {case.ref} mail`"
            raise NobodyToTell(f"{address} is no registered contact any more.", f"Register it again, or {give_up}.")
        return None
    notices = case.every(Kind.NOTICE_SENT)
    if not notices:
        return None
    with ledger.store.reading() as uow:
        known = find_thread(uow, str(notices[-1]["message_id"]))
    first = first_thread(ledger.store, case) if case.notice is not None else known
    if first is None:
        return None
    return thread_to(dispatch.effects, first, addressees(notices[-1].event.data), address), notices[-1]


def _compose(
    ledger: Ledger, dispatch: Dispatch, case: Case, written: Fact, letter: tuple[Thread, Fact] | None
) -> EmailMessage:
    mail, address = dispatch.replies.mail, str(written["to"])
    with ledger.store.reading() as uow:
        row = uow.messages.get(written["message"])
    wrote = row is not None and comparable(row.sender) == comparable(address)
    theirs = str(written["follows"]) if wrote else ""  # a colleague of theirs has no such mail
    said: dict[str, Any] = {"ref": case.ref, "sender": mail.sender, "recipient": address, "date": ledger.clock()}
    if letter is None:
        name = message_id(case.ref, written.seq, mail.sender).replace(".notice@", ".mail@")
        return compose_personal(
            written["words"], **said, subject=written["subject"], reply_to=mail.reply_to, message_id=name,
            follows=theirs,
        )  # fmt: skip
    thread, notice = letter
    above = numbered(str(notice["message_id"]), thread.number)
    subject = subject_of(dispatch.files.vault, notice.event.data, thread.number)
    if case.correction is not None and case.notice is not None:
        above = correction_of(above, which_correction(str(case.correction["message_id"])))
    head, _, domain = above.rpartition("@")
    shared = "" if case.ref == thread.lead else f"{case.ref.lower()}-"  # cases share a notice, and are answered alone
    return compose_personal(
        written["words"], **said, subject=subject or written["subject"],
        reply_to=reply_to(dispatch.replies, thread.lead), message_id=f"{head}.mail-{shared}{written.seq}@{domain}",
        follows=theirs or above, thread=[above, *([theirs] if theirs else [])],
    )  # fmt: skip
