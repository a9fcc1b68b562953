"""J8: the retailer's written word, kept verbatim, and only from a registered contact."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace

from caseproof.channels.inbound.incoming import read_message, same_address
from caseproof.channels.inbound.reading import Mail, recipients_of
from caseproof.config.mail_address import one_address, tidied
from caseproof.domain.case import Case
from caseproof.domain.codes import MessageCode
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.key_hiding import hide_keys, hide_keys_in_text
from caseproof.procedure.core.message_words import Why, why
from caseproof.procedure.core.parts import EvidenceFiles, Ledger
from caseproof.procedure.core.retailer_answer import cases_named


class WordRefused(NotAllowed):
    """What was handed in does not count as the retailer's confirmation; it is kept, with the reason."""


def confirm_by_message(
    ledger: Ledger, files: EvidenceFiles, ref: str, *, sender: str, raw: bytes, recorded_by: str
) -> Case:
    """Record a mail (RFC 5322 bytes) as the retailer's confirmation.

    ``sender`` is the address that the operator says it came from; it must be the one the message names. Raises
    BadInput for what is not a message, WordRefused for a stranger's or an automatic one.
    """
    case = ledger.case(ref)
    came, raw = raw, hide_keys(raw)  # a reply quotes the link of our letter, and names its signed address
    message = replace(read_message(raw), recipients=recipients_of(came))
    if not same_address(_bare(sender), message.sender_address):
        raise BadInput(
            f"The message is from {message.sender_address}, not from {sender}.",
            "Give the address that the message names, or the right file.",
        )
    return _record(
        ledger, files, ref, sender=message.sender_address, words=message.words, content=raw,
        name="confirmation.eml", media_type="message/rfc822", by_way_of="message", recorded_by=recorded_by,
        doubt=_doubt(case, message), original=hashlib.sha256(came).hexdigest() if came != raw else "",
    )  # fmt: skip


def _doubt(case: Case, message: Mail) -> Why | None:
    """Why a mail is no confirmation of this case, whoever sent it; None where nothing speaks against it.

    What its words mean, the operator who hands it in has read.
    """
    if message.automatic:
        return why(MessageCode.AUTOMATIC, program=message.automatic)
    named = cases_named(message.subject)
    shared = case.notice.data.get("cases") or [] if case.notice else []  # one mail told of them all
    if named and {case.ref, *shared}.isdisjoint(named):
        return why(MessageCode.ABOUT_OTHER_CASES, refs=", ".join(named))
    return None if message.own_words.strip() else why(MessageCode.NO_OWN_WORDS)


def confirm_by_form(
    ledger: Ledger,
    files: EvidenceFiles,
    ref: str,
    *,
    sender: str,
    words: str,
    recorded_by: str,
    question: int | None = None,
) -> Case:
    """Record words that an operator typed in or pasted (a letter, a chat, a call's protocol), verbatim."""
    if not words.strip():
        raise BadInput("The retailer's words are empty.", "Paste what the retailer wrote, word for word.")
    if not tidied(sender):
        raise BadInput("It is not said who wrote this.", "Give the retailer's mail address.")
    words = hide_keys_in_text(words)
    return _record(
        ledger, files, ref, sender=_bare(sender), words=words, content=_utf8(words), name="confirmation.txt",
        media_type="text/plain", by_way_of="form", recorded_by=recorded_by, doubt=None, question=question,
    )  # fmt: skip


def confirm_by_reply(ledger: Ledger, ref: str, *, recorded_by: str, question: int) -> Case:
    """Record the newest reply that stood above the question as the retailer's confirmation: a person read it so.

    Its words, sender, evidence and way stay as they came. Raises NotAllowed where no reply of a registered contact is
    left, or where a newer one came meanwhile.
    """
    case = ledger.case(ref)
    with ledger.store.reading() as uow:
        known = [
            reply.seq
            for reply in case.open_replies
            if uow.people.is_contact(case.facts.get("retailer") or "", reply["sender"])
        ]

    def events(now: Case) -> list[Event]:
        if question in now.handled:  # two live runs of one case read the same answer
            return []
        if any(reply.seq > now.asked[question].seq for reply in now.open_replies):
            raise NotAllowed("Another reply came while you answered.", "Read it above, and say again what counts.")
        counts = [one for one in now.open_replies if one.seq in known and str(one["words"]).strip()]
        if not counts:
            raise NotAllowed(
                "There is no reply in words of a registered contact that is not recorded yet.",
                "Record what the retailer wrote, or ask one of the registered contacts for a written word.",
            )
        taken = {name: counts[-1][name] for name in ("sender", "words", "evidence", "by_way_of")}
        return [ledger.event(Kind.CONFIRMATION_RECEIVED, recorded_by, **taken, question=question)]

    return ledger.change(ref, events)


def reply_answered(ledger: Ledger, ref: str, *, by: str, question: int) -> Case:
    """Take down that a person answered the replies above the question: they confirm nothing, and the case waits on.

    Raises NotAllowed where there is none.
    """

    def events(now: Case) -> list[Event]:
        if question in now.handled:  # two live runs of one case read the same answer
            return []
        shown = [reply for reply in now.open_replies if reply.seq < now.asked[question].seq]
        if not shown:
            raise NotAllowed("There is no reply above that nobody has answered.", "Say what else becomes of the case.")
        settled = why(MessageCode.ANSWERED, by=by)
        return [
            ledger.event(
                Kind.CONFIRMATION_REFUSED, by, code=str(settled.code), why=settled.words, question=question,
                **{name: reply[name] for name in ("sender", "evidence", "by_way_of")},
            )
            for reply in shown
        ]  # fmt: skip

    return ledger.change(ref, events)


def _bare(sender: str) -> str:
    """The address in what an operator typed; where there is none, what they typed, and nobody knows that sender."""
    with suppress(BadInput):
        return one_address(sender)[1]
    return tidied(sender)


def _utf8(words: str) -> bytes:
    try:
        return words.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            "The retailer's words hold half a character.", "Paste them again, or give the message as a file."
        ) from error


def _record(
    ledger: Ledger, files: EvidenceFiles, ref: str, *, sender: str, words: str, content: bytes, name: str,
    media_type: str, by_way_of: str, recorded_by: str, doubt: Why | None, question: int | None = None,
    original: str = "",
) -> Case:  # fmt: skip
    case = ledger.case(ref)
    retailer = case.facts.get("retailer") or ""
    with ledger.store.reading() as uow:
        known = bool(retailer) and uow.people.is_contact(retailer, sender)
        registered = [contact.address for contact in uow.people.contacts(retailer)] if retailer else []
    digest = files.keep(ref, content, name, media_type)
    also = {"original": original} if original else {}
    stranger = why(MessageCode.STRANGER, sender=sender, retailer=retailer or "a known retailer")
    no = doubt or (None if known else stranger)
    if no is not None:
        ledger.record(
            ref, Kind.CONFIRMATION_REFUSED, recorded_by, sender=sender, code=str(no.code), why=no.words,
            evidence=digest, by_way_of=by_way_of, **also,
        )  # fmt: skip
        raise WordRefused(
            f"This does not count as {retailer or 'the retailer'}'s confirmation: {no.words}. "
            "It is kept with the case.",
            f"Ask one of {', '.join(registered) or 'the registered contacts (there are none yet)'} for a written word"
            + (
                "."
                if known
                else f", or register it: `caseproof contact add --retailer {retailer or 'RETAILER'} "
                f"--address {sender}`."
            ),
        )
    answer = {"question": question} if question is not None else {}
    event = ledger.event(
        Kind.CONFIRMATION_RECEIVED, recorded_by, sender=sender, words=words, evidence=digest,
        by_way_of=by_way_of, **also, **answer,
    )  # fmt: skip

    def once_a_word(now: Case) -> list[Event]:
        again = any(fact["evidence"] == digest for fact in now.confirmations)
        # Two live runs of one case read the same answer; a question whose word is known already is handled by it.
        return [] if question in now.handled or (again and not answer) else [event]

    case = ledger.change(ref, once_a_word)
    _looked_at(ledger, digest, recorded_by)
    return case


def _looked_at(ledger: Ledger, digest: str, by: str) -> None:
    """The same bytes may lie among what waits for an eye: whoever hands them in has looked at them."""
    with ledger.store.uow() as uow:
        row = uow.messages.known(digest)
        if row is not None and row.needs_eye:
            uow.messages.done([row.id], by, ledger.clock())
            uow.commit()
