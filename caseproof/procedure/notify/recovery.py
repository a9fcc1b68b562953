"""J5: whoever was told that a job failed is told, too, when it works again, or when its integration was removed.

It is said once a closing, in the thread of the notice, and only after the case is closed: nothing about the closure
depends on it. It asks nothing, so it is also said to those whom the notice asked nothing.
"""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage

from caseproof.channels.outbound.languages import language_of
from caseproof.channels.outbound.recovery import RecoveryFacts, compose_recovery
from caseproof.config.mail_address import comparable
from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.owing import is_to_be_told_the_end, letters_of_this_round, owes_recovery
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.core.idempotent_effect import Json
from caseproof.procedure.core.parts import Dispatch, Ledger
from caseproof.procedure.notify.letter_keys import subject_of
from caseproof.procedure.notify.outbox import TURNS, Draft, OutboxEntry, send_letters
from caseproof.procedure.notify.threads import Thread, addressees, first_thread, numbered, reply_to, thread_to
from caseproof.store import Store
from caseproof.store.people import Contact

NOBODY = "None of those who were told of the failure is a contact of the retailer any more."


def tell_recovery(ledger: Ledger, dispatch: Dispatch, ref: str, *, turns: int = TURNS) -> Case:
    """Ensure that the retailer knows how it ended: each contact whose mail was taken, and who still is one.

    Every letter is kept as evidence before it is sent; whoever repeats it sends the same bytes under the same
    Message-ID. ``turns``: how often a letter waits for the mail's pace. Raises MailDown, MailRefused; the case stays
    closed.
    """
    case = ledger.case(ref)
    if not is_to_be_told_the_end(case):
        return case
    contacts = _contacts(ledger.store, case)
    key = f"{ref}/{case.opening}/recovery"
    with ledger.store.reading() as uow:
        is_out = uow.intents.result(key) is not None
    told: Json = {"message_id": "", "evidence": "", "accepted": [], "why": NOBODY}
    if contacts or is_out:
        mailing = OutboxEntry(ref, "recovery", key, f"recovery-{case.opening}", turns)
        told = send_letters(dispatch, mailing, lambda: _draft(ledger, dispatch, case, contacts), lambda _: ref)
    event = ledger.event(Kind.RECOVERY_TOLD, **told)
    return ledger.change(ref, lambda now: [event] if owes_recovery(now) and now.opening == case.opening else [])


def _told(case: Case) -> set[str]:
    """The addresses, as they compare, that mail of this round was taken for."""
    return {comparable(str(address)) for event in letters_of_this_round(case) for address in event.data["accepted"]}


def _contacts(store: Store, case: Case) -> list[Contact]:
    with store.reading() as uow:
        contacts = uow.people.contacts(case.facts.get("retailer") or "")
    told = _told(case)
    return [contact for contact in contacts if comparable(contact.address) in told]


def _draft(ledger: Ledger, dispatch: Dispatch, case: Case, contacts: list[Contact]) -> Draft:
    first = first_thread(ledger.store, case)
    return Draft(
        [contact.address for contact in contacts],
        [_compose(ledger, dispatch, case, first, contact) for contact in contacts],
    )


def _compose(ledger: Ledger, dispatch: Dispatch, case: Case, first: Thread, contact: Contact) -> EmailMessage:
    if case.notice is None:
        raise CaseproofError(f"{case.ref} has told its retailer nothing.", "There is nothing to take back.")
    told, mail = case.notice.event.data, dispatch.replies.mail
    letter = thread_to(dispatch.effects, first, addressees(told), contact.address)
    follows = numbered(str(told["message_id"]), letter.number)
    head, _, domain = follows.rpartition("@")
    # Cases that share a notice work again one by one.
    name = "recovery" if case.ref == first.lead else f"recovery-{case.ref.lower()}"
    run, live = case.verified, case.live
    return compose_recovery(
        RecoveryFacts(
            ref=case.ref,
            language=language_of(contact.language, mail.language),
            contact_name=contact.name,
            job_names=(case.facts["job_name"],),
            marketplace=case.facts.get("marketplace"),
            removed=case.decided is Decision.REMOVE,
            live_since=live.at if live else None,
            run_ended=datetime.fromisoformat(run["ended_at"]) if run and run["ended_at"] else None,
            zone=dispatch.replies.zone,
        ),
        sender=mail.sender,
        reply_to=reply_to(dispatch.replies, case.ref),  # as whose it is signed
        recipient=contact.address,
        message_id=f"{head}.{name}@{domain}",
        date=ledger.clock(),
        follows=follows,
        subject=subject_of(dispatch.files.vault, told, letter.number),
    )
