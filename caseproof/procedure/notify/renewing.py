"""J5: whoever waits for a retailer whose link is void sends a new one, once a key, in the thread of the notice.

What is owed stands in the events: each letter says which key signed it. So it does not matter how the key that is in
force came to be another one, and a crash loses nothing.
"""

from __future__ import annotations

from caseproof.config.policy import Policy
from caseproof.domain.case import Case, Fact
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import asks_for_answer
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.answer_keys import fingerprint
from caseproof.procedure.core.idempotent_effect import Json
from caseproof.procedure.core.parts import Dispatch, Ledger, ReplyAddresses
from caseproof.procedure.notify.outbox import Draft, OutboxEntry, send_letters
from caseproof.procedure.notify.reminding import compose_following, may_answer, sharing_notice
from caseproof.procedure.notify.telling import contacts_of
from caseproof.procedure.notify.threads import addressees, first_thread, holds_a_key, thread_to

_LETTERS = frozenset({Kind.NOTICE_SENT, Kind.NOTICE_CORRECTED, Kind.REMINDER_SENT, Kind.LINK_RENEWED})


def owes_new_link(replies: ReplyAddresses, case: Case) -> bool:
    """Whether the retailer may still answer, and their latest letter was signed with another key than the one in force.

    A paused account's, too: its link was open, and their word reopens the decision.
    """
    if not holds_a_key(replies) or not may_answer(case) or not asks_for_answer(case):
        return False
    return not has_new_link(replies, case)


def has_new_link(replies: ReplyAddresses, case: Case) -> bool:
    """Whether the latest letter about the case was signed with the key in force."""
    return _signed_with(case) == fingerprint(replies.secret())


def renew_link(ledger: Ledger, dispatch: Dispatch, policy: Policy, ref: str) -> list[str]:
    """Ensure that the retailer of this case has a link that works; gives the cases whose letter this was.

    Cases that share a notice share the letter. It is kept before it is sent; whoever repeats it sends the same bytes
    with the same Message-ID. Raises NobodyToTell, MailDown, MailRefused, KeyLost.
    """
    case = ledger.case(ref)
    if not owes_new_link(dispatch.replies, case) or case.last_told is None:
        return []
    notice: Fact = case.last_told
    key = fingerprint(dispatch.replies.secret())
    group = [
        case,
        *(other for other in sharing_notice(ledger, case, may_answer) if owes_new_link(dispatch.replies, other)),
    ]
    first = first_thread(ledger.store, case)

    def draft() -> Draft:
        contacts = contacts_of(ledger.store, case)
        to = addressees(case.notice.event.data if case.notice else notice.event.data)
        threads = [thread_to(dispatch.effects, first, to, contact.address) for contact in contacts]
        messages = [
            compose_following(ledger, dispatch, policy, group, notice, thread, contact, number=0, renews=key)
            for thread, contact in zip(threads, contacts, strict=True)
        ]
        return Draft([contact.address for contact in contacts], messages, [thread.id for thread in threads])

    mailing = OutboxEntry(first.lead, "renewal", f"{notice['message_id']}/renewal/{key}", f"renewal-{key}")
    told = send_letters(dispatch, mailing, draft, lambda _: first.lead)
    return [one.ref for one in group if _record(ledger, one.ref, told)]


def _record(ledger: Ledger, ref: str, told: Json) -> bool:
    event = ledger.event(Kind.LINK_RENEWED, **told)

    def unless_recorded(now: Case) -> list[Event]:
        known = any(one.data["message_id"] == told["message_id"] for one in now.since_told(Kind.LINK_RENEWED))
        return [event] if now.state in now.procedure.waits_in and now.notice is not None and not known else []

    return event in ledger.change(ref, unless_recorded).events


def _signed_with(case: Case) -> str:
    """The fingerprint of the key of the latest letter about what holds now; "" for one from before there were any."""
    since = case.last_told.seq - 1 if case.last_told else len(case.events)
    letters = [event for event in case.events[since:] if event.kind in _LETTERS]
    return str(letters[-1].data.get("key", "")) if letters else ""
