"""J5: the client of a support case is told of the solution: by mail, kept as evidence and sent once, or by a person.

The mail goes by itself to whoever wrote, or to the client's contacts. Where nobody's address is known, where the sender
is not certain, or where the client wrote since the solution was stated, a person tells them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage

from caseproof.channels.outbound.composing import is_message_id
from caseproof.channels.outbound.languages import language_of
from caseproof.channels.outbound.notice import message_id
from caseproof.channels.outbound.personal import compose_personal
from caseproof.config.mail_address import comparable, usable_address
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.substance import says_something
from caseproof.domain.support import payloads as says
from caseproof.domain.support.conditions import CONDITIONS
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.vocabulary import Told
from caseproof.procedure.core.idempotent_effect import Json
from caseproof.procedure.core.parts import US, Dispatch, Ledger, event_of
from caseproof.procedure.core.support import note_mail
from caseproof.procedure.escalation.questions import is_done
from caseproof.procedure.escalation.questions import numbered as of_question
from caseproof.procedure.notify.outbox import TURNS, Draft, OutboxEntry, keep_letters, send_letters
from caseproof.procedure.notify.threads import numbered
from caseproof.store import UnitOfWork

LONGEST = 20_000
_TOLD = next(condition for condition in CONDITIONS if condition.code == "told")

_WORDS = {
    "en": "Hello,\n\nabout: {summary}\n\nThis solved it: {solution}\n\nWhat we checked: {checked}\n\n"
    "If anything is left, simply answer this mail.",
    "de": "Guten Tag,\n\nes geht um: {summary}\n\nDas hat es gelöst: {solution}\n\nWas wir geprüft haben: {checked}\n\n"
    "Wenn noch etwas offen ist, antworten Sie einfach auf diese Mail.",
}


def is_told(case: Case) -> bool:
    """Whether the client was told of the solution, and has written nothing since."""
    return _TOLD.met_by(case) is not None


def is_to_be_mailed(ledger: Ledger, case: Case) -> bool:
    """Whether a mail with the solution is to go now; where no address is known, none is, and no account is needed."""
    solution, written = case.own.get("solution"), case.own.get("letter")
    if case.is_closed or solution is None or is_told(case):
        return False
    cause = written or solution
    if any(fact.seq > cause.seq for fact in case.all_of(says.ClientTold)):
        return False
    return written is not None or (not _wrote_since(case, solution.seq) and bool(_by_itself(ledger, case)))


def tell_the_client(ledger: Ledger, dispatch: Dispatch, ref: str, *, turns: int = TURNS) -> Case:
    """Ensure that the mail with the solution is sent, once: the one that somebody wrote, else our own words.

    Nothing happens before there is a solution, and where a person has to tell. Raises MailDown, MailRefused.
    """
    case = ledger.case(ref)
    solution, written = case.own.get("solution"), case.own.get("letter")
    if case.is_closed or solution is None or is_told(case):
        return case
    if written is not None:
        cause, to, words = written, [str(written["to"])], str(written["words"])
    elif _wrote_since(case, solution.seq):
        return case
    else:
        cause, to = solution, _by_itself(ledger, case)
        words = _own_words(ledger, dispatch, case, to)
    if not to or any(fact.seq > cause.seq for fact in case.all_of(says.ClientTold)):
        return case
    name = f"told-{cause.seq}"
    mailing = OutboxEntry(case.ref, "tell", f"{case.ref}/told/{cause.seq}", name, turns)
    told = send_letters(dispatch, mailing, lambda: _draft(ledger, dispatch, case, name, to, words), lambda _: case.ref)
    keep_letters(dispatch.files, case.ref, told, name)
    return _record(ledger, case, told, cause.seq, words, written.actor if written else US)


def note_told(
    ledger: Ledger, ref: str, how: Told, *, to: str, words: str, by: str, question: int | None = None
) -> Case:
    """Write down that somebody told the client, how, whom and in which words. Raises BadInput for what says nothing."""
    whom, text = to.strip()[:300], words.strip()[:LONGEST]
    if not whom:
        raise BadInput("J5: it is not said who was told.", "Name whom you spoke with, or wrote to.")
    if not says_something(text):
        raise BadInput("J5: it is not said in which words the client was told.", "Write what you told them.")
    event = event_of(
        Kind.CLIENT_TOLD, ledger.clock(), by, {"how": str(how), "to": whom, "words": text} | of_question(question)
    )
    return ledger.change(ref, lambda case: [] if is_done(case, event, question) else [event])


def want_mail(ledger: Ledger, ref: str, *, to: str, words: str, by: str, question: int | None = None) -> Case:
    """Take down a mail to the client, which the case's run sends, once.

    It goes to who wrote to this case, or to a registered contact of its client. Raises NotAllowed for a stranger's
    address, BadInput for no words.
    """
    case, text = ledger.case(ref), words.strip()[:LONGEST]
    if not says_something(text):
        raise BadInput("J5: the mail says nothing.", "Write what the client is to read.")
    known = [*_wrote(case), *_contacts(ledger, case)]
    address = next((one for one in known if comparable(one) == comparable(to.strip())), None)
    if address is None:
        raise NotAllowed(
            f"{to.strip()[:100] or 'Nobody'} is no registered contact of {case.facts['client']}, and did not write.",
            f"Choose one of {', '.join(known[:5])}." if known else "Register a contact of this client first.",
        )
    event = event_of(
        Kind.CLIENT_MAIL_WRITTEN, ledger.clock(), by, {"to": address, "words": text} | of_question(question)
    )
    return ledger.change(ref, lambda now: [] if is_done(now, event, question) else [event])


# -- whom -----------------------------------------------------------------------------------------------------------


def _wrote_since(case: Case, seq: int) -> bool:
    return any(fact.seq > seq for fact in case.all_of(says.ClientWrote))


def _wrote(case: Case, *, surely: bool = False) -> list[str]:
    """The addresses that wrote to this case, the latest first; only those that it surely was, if asked so."""
    told = [fact.event.data for fact in case.all_of(says.ClientWrote)]
    told = [*reversed(told), *([case.opened.event.data] if case.opened else [])]
    found = [_address(str(one.get("sender") or "")) for one in told if not (surely and one.get("unproven"))]
    return list(dict.fromkeys(one for one in found if one))


def _address(text: str) -> str:
    with suppress(BadInput):
        return usable_address(text)
    return ""


def _contacts(ledger: Ledger, case: Case) -> list[str]:
    with ledger.store.reading() as uow:
        return [one.address for one in uow.people.contacts(str(case.facts["client"])) if one.bounced_at is None]


def _by_itself(ledger: Ledger, case: Case) -> list[str]:
    """To whom the solution goes without a person: who wrote last, else every contact of the client."""
    return _wrote(case, surely=True)[:1] or _contacts(ledger, case)


# -- the mail -------------------------------------------------------------------------------------------------------


def _own_words(ledger: Ledger, dispatch: Dispatch, case: Case, to: Sequence[str]) -> str:
    solution = case.own["solution"]
    with ledger.store.reading() as uow:
        known = uow.people.contact(str(case.facts["client"]), to[0]) if to else None
    language = language_of(known.language if known else "", dispatch.replies.mail.language)
    words = _WORDS.get(language, _WORDS["en"])
    return words.format(summary=case.facts["summary"], solution=solution["solution"], checked=solution["checked"])


def _draft(ledger: Ledger, dispatch: Dispatch, case: Case, name: str, to: Sequence[str], words: str) -> Draft:
    sender = dispatch.replies.mail.sender
    first = message_id(case.ref, name, sender).replace(".notice@", ".mail@")
    letters = [_letter(ledger, dispatch, case, numbered(first, place), one, words) for place, one in enumerate(to, 1)]
    return Draft(list(to), letters)


def _letter(ledger: Ledger, dispatch: Dispatch, case: Case, name: str, to: str, words: str) -> EmailMessage:
    theirs = _their_mail(case, to)
    return compose_personal(
        words, ref=case.ref, subject=f"{case.facts['summary']} [{case.ref}]", sender=dispatch.replies.mail.sender,
        reply_to=dispatch.replies.ladder.address or dispatch.replies.mail.reply_to, recipient=to, message_id=name,
        date=ledger.clock(), follows=theirs, thread=[theirs] if theirs else [],
    )  # fmt: skip


def _their_mail(case: Case, to: str) -> str:
    """The Message-ID of what they wrote last, "" where it is not known."""
    told = [fact.event.data for fact in case.all_of(says.ClientWrote)]
    told = [*reversed(told), *([case.opened.event.data] if case.opened else [])]
    named = (
        str(one.get("message_id") or "") for one in told if comparable(str(one.get("sender") or "")) == comparable(to)
    )
    return next((one for one in named if is_message_id(one)), "")


def _record(ledger: Ledger, case: Case, told: Json, cause: int, words: str, by: str) -> Case:
    """That the client was told, and which mails of ours are of this case; nobody's answer to them is lost."""
    now = ledger.clock()
    said = {"how": str(Told.MAIL), "to": ", ".join(told["accepted"]), "words": words, "evidence": told["evidence"]}
    event = event_of(Kind.CLIENT_TOLD, now, by, said)

    def decide(uow: UnitOfWork) -> Case:
        after = uow.cases.get(case.ref)
        for place in range(1, len(told["to"]) + 1):
            note_mail(uow, numbered(str(told["message_id"]), place), case.ref, now)
        if any(fact.seq > cause for fact in after.all_of(says.ClientTold)):
            return after
        return uow.cases.append(after, event)

    with ledger.store.uow() as uow:
        after = decide(uow)
        uow.commit()
    return after
