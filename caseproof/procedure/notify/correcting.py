"""J5: who was told another cause than the one that is known now is told so, in the thread of the notice, once a choice.

The mail is the notice anew, in the words of the cause that is known now, under a sentence that takes back the other.
Of a case that is closed it is that sentence alone, and asks nothing.
"""

from __future__ import annotations

from email.message import EmailMessage

from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import owes_correction, told_cause
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import UNKNOWN
from caseproof.procedure.core.parts import Dispatch, Ledger
from caseproof.procedure.notify.outbox import TURNS, Draft, OutboxEntry, send_letters
from caseproof.procedure.notify.telling import Correcting, asks_of, compose_letter, contacts_of
from caseproof.procedure.notify.threads import Thread, addressees, correction_of, first_thread, numbered, thread_to
from caseproof.store.people import Contact


def tell_correction(ledger: Ledger, dispatch: Dispatch, policy: Policy, ref: str) -> Case:
    """Ensure that the retailer knows the cause that is known now, where they were told another: a letter a contact.

    Each letter is kept as evidence before it is sent; whoever repeats it sends the same bytes under the same
    Message-ID. Raises NobodyToTell, MailDown, MailRefused.
    """
    case = ledger.case(ref)
    settled = case.cause_settled
    if not owes_correction(case) or settled is None:
        return case
    asks = asks_of(ledger.store, policy.check, case) and not case.is_closed
    first = first_thread(ledger.store, case)

    def draft() -> Draft:
        contacts = contacts_of(ledger.store, case)
        letters = [_compose(ledger, dispatch, policy, case, first, contact, asks=asks) for contact in contacts]
        return Draft([contact.address for contact in contacts], letters, {"cause": case.facts["cause"], "asks": asks})

    key = f"{case.ref}/{case.opening}/correction/{settled.seq}"
    mailing = OutboxEntry(case.ref, "correction", key, f"correction-{settled.seq}", TURNS)
    told = send_letters(dispatch, mailing, draft, lambda _: case.ref)
    event = ledger.event(Kind.NOTICE_CORRECTED, **told)

    def unless_recorded(now: Case) -> list[Event]:
        same = now.cause_settled is not None and now.cause_settled.seq == settled.seq
        return [event] if same and owes_correction(now) else []

    return ledger.change(ref, unless_recorded)


def _compose(
    ledger: Ledger, dispatch: Dispatch, policy: Policy, case: Case, first: Thread, contact: Contact, *, asks: bool
) -> EmailMessage:
    if case.notice is None or case.cause_settled is None:
        raise ValueError(f"{case.ref} has told its retailer nothing that could be corrected.")
    letter = thread_to(dispatch.effects, first, addressees(case.notice.event.data), contact.address)
    follows = numbered(str(case.notice["message_id"]), letter.number)
    which = f"{case.ref.lower()}-{case.cause_settled.seq}"  # cases that share a notice are corrected one by one
    last = case.correction or case.notice
    corrects = Correcting("not known" if told_cause(case) == UNKNOWN else "wrong", last.at, follows)
    return compose_letter(
        ledger, dispatch.replies, policy, [case], contact, first.lead, letter.id,
        correction_of(follows, which), asks=asks, correcting=corrects,
    )  # fmt: skip
