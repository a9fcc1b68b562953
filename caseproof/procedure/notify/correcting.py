"""J5: who was told another cause than the one that is known now is told so, in the thread of the notice, once a choice.

The mail is the notice anew, in the words of the cause that is known now, under a sentence that takes back the other.
Of a case that is closed it is that sentence alone, and asks nothing.
"""

from __future__ import annotations

from email.message import EmailMessage

from caseproof.config.policy import Policy
from caseproof.domain import payloads as says
from caseproof.domain.case import Case, Fact
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import owes_correction, told_cause
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import UNKNOWN
from caseproof.procedure.core.idempotent_effect import Json
from caseproof.procedure.core.parts import Dispatch, Ledger
from caseproof.procedure.notify.outbox import TURNS, Draft, OutboxEntry, send_letters, withdraw_letters
from caseproof.procedure.notify.telling import Correcting, asks_of, compose_letter, contacts_of
from caseproof.procedure.notify.threads import Thread, addressees, correction_of, first_thread, numbered, thread_to
from caseproof.store import Store
from caseproof.store.people import Contact


def owes_letters(store: Store, case: Case) -> bool:
    """Whether the retailer is owed a correction, or one may have left that is not written down: then nobody knows yet
    what they were told last."""
    return owes_correction(case) or bool(_overtaken(store, case))


def tell_correction(ledger: Ledger, dispatch: Dispatch, policy: Policy, ref: str, *, turns: int = TURNS) -> Case:
    """Ensure that the retailer knows the cause that is known now, where they were told another: a letter a contact.

    Each letter is kept as evidence before it is sent; whoever repeats it sends the same bytes under the same
    Message-ID. What left is written down whatever the cause is by then; where that is another, another letter follows.
    ``turns``: how often a letter waits for the mail's pace. Raises NobodyToTell, MailDown, MailRefused.
    """
    case = _note_overtaken(ledger, dispatch, ledger.case(ref))
    while (settled := case.cause_settled) is not None and owes_correction(case):
        before = case.version
        case = _note_overtaken(ledger, dispatch, _tell(ledger, dispatch, policy, case, settled, turns))
        if case.version == before:  # whoever was faster has told it
            break
    return case


def _tell(ledger: Ledger, dispatch: Dispatch, policy: Policy, case: Case, settled: Fact, turns: int) -> Case:
    asks = asks_of(ledger.store, policy.check, case) and not case.is_closed
    first = first_thread(ledger.store, case)

    def draft() -> Draft:
        contacts = contacts_of(ledger.store, case)
        threads = [_thread(dispatch, case, first, contact) for contact in contacts]
        letters = [
            _compose(ledger, dispatch, policy, case, thread, contact, asks=asks)
            for thread, contact in zip(threads, contacts, strict=True)
        ]
        facts = {"cause": case.facts["cause"], "asks": asks}
        names = [thread.id for thread in threads] if asks else []
        return Draft([contact.address for contact in contacts], letters, names, facts)

    told = send_letters(dispatch, _mailing(case, settled, turns), draft, lambda _: case.ref)
    return _note(ledger, case, told)


def _mailing(case: Case, settled: Fact, turns: int = 0) -> OutboxEntry:
    key = f"{case.ref}/{case.opening}/correction/{settled.seq}"
    return OutboxEntry(case.ref, "correction", key, f"correction-{settled.seq}", turns)


def _note(ledger: Ledger, case: Case, told: Json) -> Case:
    """Write down what left in this round, once, whatever the cause is by now."""
    event = ledger.event(Kind.NOTICE_CORRECTED, **told)

    def unless_noted(now: Case) -> list[Event]:
        same = now.notice is not None and case.notice is not None and now.notice.seq == case.notice.seq
        return [event] if same and told["message_id"] not in _noted(now) else []

    return ledger.change(case.ref, unless_noted)


def _noted(case: Case) -> set[str]:
    return {fact.data["message_id"] for fact in case.all_of(says.NoticeCorrected)}


# -- corrected again while the mail leaves --------------------------------------------------------------------------


def _note_overtaken(ledger: Ledger, dispatch: Dispatch, case: Case) -> Case:
    """Write down what left, or may have, of corrections that do not hold any more; what has not left never will."""
    for settled in _overtaken(ledger.store, case):
        told = withdraw_letters(dispatch, _mailing(case, settled), "The cause was corrected again before it left.")
        if told is not None:
            case = _note(ledger, case, told)
    return case


def _overtaken(store: Store, case: Case) -> list[Fact]:
    """The causes that held for a while in this round, where letters were to say so and that is not written down."""
    now, notice = case.cause_settled, case.notice
    if notice is None or now is None:
        return []
    past = [fact for fact in case.all_of(says.CauseChosen) if notice.seq < fact.seq < now.seq]
    if not past:
        return []
    with store.reading() as uow:
        told = [(fact, uow.intents.known(_mailing(case, fact).key)) for fact in past]
    noted = _noted(case)
    return [fact for fact, known in told if known is not None and known["message_id"] not in noted]


def _thread(dispatch: Dispatch, case: Case, first: Thread, contact: Contact) -> Thread:
    told = case.notice.event.data if case.notice else {}
    return thread_to(dispatch.effects, first, addressees(told), contact.address)


def _compose(
    ledger: Ledger, dispatch: Dispatch, policy: Policy, case: Case, letter: Thread, contact: Contact, *, asks: bool
) -> EmailMessage:
    if case.notice is None or case.cause_settled is None:
        raise ValueError(f"{case.ref} has told its retailer nothing that could be corrected.")
    follows = numbered(str(case.notice["message_id"]), letter.number)
    which = f"{case.ref.lower()}-{case.cause_settled.seq}"  # cases that share a notice are corrected one by one
    at = case.last_told.at if case.last_told else case.notice.at
    corrects = Correcting("not known" if told_cause(case) == UNKNOWN else "wrong", at, follows)
    return compose_letter(
        ledger, dispatch.replies, policy, [case], contact, case.ref,
        correction_of(follows, which), asks=asks, correcting=corrects,
    )  # fmt: skip
