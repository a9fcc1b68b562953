"""J8: a person brings in the retailer's written word: kept verbatim, and only from a registered contact.

It goes through the entry check of every other way (``entry``). What speaks against it is written down with it, and it
founds a decision only once somebody else on the team agreed (``agreement``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from caseproof.channels.inbound.incoming import SAVE_AS, read_message, same_address
from caseproof.channels.inbound.reading import recipients_of
from caseproof.config.mail_address import one_address, tidied
from caseproof.domain.case import Case, Fact
from caseproof.domain.codes import MessageCode, message_code
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import require_job_failure
from caseproof.domain.payloads import Doubt
from caseproof.domain.vocabulary import BY_COMMAND
from caseproof.evidence.key_hiding import hide_keys_in_text
from caseproof.procedure.answers.entry import NEVER, TO_BE_AGREED, MailEntry, as_data, doubts_of, for_two, notes_of
from caseproof.procedure.answers.kept_mail import without_keys
from caseproof.procedure.core.message_words import Why, why
from caseproof.procedure.core.parts import EvidenceFiles, Ledger, ReplyAddresses
from caseproof.store.uow import UnitOfWork


class WordRefused(NotAllowed):
    """What was handed in does not count as the retailer's confirmation; it is kept, with the reason."""


@dataclass(frozen=True, slots=True)
class _Brought:
    """Words that a person brings in: whose, what they say, the file that is kept of them, and what speaks against them.

    ``retailer`` is the case's, "" where nobody knows it; ``contacts`` are its addresses. ``original`` is the digest
    (hex SHA-256) of what was handed in, where another file is kept, else "".
    """

    sender: str
    words: str
    content: bytes
    name: str
    media_type: str
    by_way_of: str
    doubts: Sequence[Why]
    notes: Sequence[Doubt]
    retailer: str
    contacts: Sequence[str]
    original: str = ""


def confirm_by_message(
    ledger: Ledger, files: EvidenceFiles, replies: ReplyAddresses, ref: str, *, sender: str, raw: bytes,
    recorded_by: str, authserv: str, known_by: str = BY_COMMAND,
) -> Case:  # fmt: skip
    """Record a mail (RFC 5322 bytes) as the retailer's confirmation, with all that speaks against it.

    ``sender`` is the address that the operator says it came from; it must be the one the message names. ``authserv`` is
    the name under which our own mail server vouches for senders, "" where there is none; ``known_by`` is how whoever
    records it is known. Raises BadInput for what is not a message, WordRefused for a stranger's or an automatic one,
    and one about other cases.
    """
    case = ledger.case(ref)
    require_job_failure(case)
    kept = without_keys(raw)  # a reply quotes the link of our letter, and names its signed address
    if kept.wrong:
        raise BadInput(kept.wrong, SAVE_AS)
    message = replace(read_message(kept.text, authserv=authserv), recipients=recipients_of(raw))
    if not same_address(_bare(sender), message.sender_address):
        raise BadInput(
            f"The message is from {message.sender_address}, not from {sender}.",
            "Give the address that the message names, or the right file.",
        )
    replies.secret()  # made now if there is none yet: it needs a transaction of its own
    with ledger.store.reading() as uow:
        entry = MailEntry(replies, uow, message, message.meaning, ledger.clock())
        brought = _Brought(
            message.sender_address, message.words, kept.content, "confirmation.eml", "message/rfc822", "message",
            [*for_two(doubts_of(entry, case, claimed=True, arrived=False)), *_not_seen(entry, kept.came_as)],
            notes_of(uow, case, message.sender_address), *_whose(uow, case),
            original=kept.original,
        )  # fmt: skip
    return _record(ledger, files, ref, brought, recorded_by, known_by=known_by)


def _not_seen(entry: MailEntry, came_as: str) -> list[Why]:
    """What a file says of how it arrived, whoever saved it could have written: what we saw arrive is known."""
    if not entry.replies.answers.mailbox or entry.uow.messages.came(came_as) is not None:
        return []
    return [why(MessageCode.NOT_SEEN_ARRIVING)]


def word_brought(case: Case, raw: bytes) -> Fact | None:
    """The word of the case that was made of this file, None where it was none."""
    digest = hashlib.sha256(raw).hexdigest()
    return next((one for one in case.confirmations[::-1] if digest in _digests(one)), None)


def _digests(fact: Fact) -> set[str]:
    """By which digests a message is known: that of what is kept, and that of what came."""
    return {str(fact["evidence"]), str(fact.get("original") or fact["evidence"])}


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
    """Record words that an operator typed in or pasted (a letter, a chat, a call's protocol), verbatim.

    No mail is there that could be looked at, so somebody else has to agree.
    """
    if not words.strip():
        raise BadInput("The retailer's words are empty.", "Paste what the retailer wrote, word for word.")
    if not tidied(sender):
        raise BadInput("It is not said who wrote this.", "Give the retailer's mail address.")
    words = hide_keys_in_text(words)
    case, bare = ledger.case(ref), _bare(sender)
    with ledger.store.reading() as uow:
        retailer, contacts = _whose(uow, case)
        known = bool(retailer) and uow.people.is_contact(retailer, bare)
        stranger = why(MessageCode.STRANGER, sender=bare, retailer=retailer or "a known retailer")
        typed = why(MessageCode.TYPED_IN, by=recorded_by)
        brought = _Brought(
            bare, words, _utf8(words), "confirmation.txt", "text/plain", "form", [typed] if known else [stranger],
            notes_of(uow, case, bare), retailer, contacts,
        )  # fmt: skip
    return _record(ledger, files, ref, brought, recorded_by, question)


def confirm_by_reply(ledger: Ledger, ref: str, *, recorded_by: str, question: int) -> Case:
    """Record the newest reply that stood above the question as the retailer's confirmation: a person read it so.

    Its words, sender, evidence and way stay as they came, and so does what speaks against it but for that its words
    are not clear. Raises NotAllowed where no reply of a registered contact is left, or a newer one came meanwhile.
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
        reply = counts[-1]
        taken = {name: reply[name] for name in ("sender", "words", "evidence", "by_way_of")}
        more = {name: reply.get(name) for name in ("notes", "original")} | {"doubts": _doubts_of_reply(reply)}
        taken |= {name: found for name, found in more.items() if found}
        return [ledger.event(Kind.CONFIRMATION_RECEIVED, recorded_by, **taken, question=question)]

    return ledger.change(ref, events)


def _doubts_of_reply(reply: Fact) -> list[Doubt]:
    """What speaks against a reply though a person read its words: as it was found then, or else as its code says."""
    found: list[Doubt] = list(reply.get("doubts") or [])
    code = message_code(reply.event.data)
    if not found and code in TO_BE_AGREED:
        found = as_data([Why(code, str(reply["why"]))])
    return found


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


def _whose(uow: UnitOfWork, case: Case) -> tuple[str, list[str]]:
    """The case's retailer, "" where nobody knows it, and the addresses that may speak for it."""
    retailer = case.facts.get("retailer") or ""
    return retailer, [contact.address for contact in uow.people.contacts(retailer)] if retailer else []


def _record(
    ledger: Ledger, files: EvidenceFiles, ref: str, brought: _Brought, by: str, question: int | None = None, *,
    known_by: str = BY_COMMAND,
) -> Case:  # fmt: skip
    digest = files.keep(ref, brought.content, brought.name, brought.media_type)
    also = {"original": brought.original} if brought.original else {}
    also |= {"known_by": known_by} if question is None else {}  # else the answer says how
    if (no := next((doubt for doubt in brought.doubts if doubt.code in NEVER), None)) is not None:
        ledger.record(
            ref, Kind.CONFIRMATION_REFUSED, by, sender=brought.sender, code=str(no.code), why=no.words,
            evidence=digest, by_way_of=brought.by_way_of, **also,
        )  # fmt: skip
        raise _refused(brought, no)
    more = {"doubts": as_data(brought.doubts), "notes": list(brought.notes), "question": question}
    event = ledger.event(
        Kind.CONFIRMATION_RECEIVED, by, sender=brought.sender, words=brought.words, evidence=digest, **also,
        by_way_of=brought.by_way_of, **{name: found for name, found in more.items() if found not in (None, [])},
    )  # fmt: skip

    known_as = {digest, brought.original or digest}

    def once_a_word(now: Case) -> list[Event]:
        standing = set().union(*map(_digests, (*now.words, *now.doubted)))
        # Two live runs of one case read the same answer; a question whose word is known already is handled by it.
        return [] if question in now.handled or (standing & known_as and question is None) else [event]

    case = ledger.change(ref, once_a_word)
    _looked_at(ledger, brought.original or digest, by)
    return case


def _refused(brought: _Brought, no: Why) -> WordRefused:
    who = brought.retailer or "the retailer"
    ask = (
        f"Ask one of {', '.join(brought.contacts) or 'the registered contacts (there are none yet)'} for a written word"
    )
    register = (
        f", or register it: `caseproof contact add --retailer {brought.retailer or 'RETAILER'} "
        f"--address {brought.sender}`."
    )
    return WordRefused(
        f"This does not count as {who}'s confirmation: {no.words}. It is kept with the case.",
        ask + (register if no.code is MessageCode.STRANGER else "."),
    )


def _looked_at(ledger: Ledger, digest: str, by: str) -> None:
    """The same bytes may lie among what waits to be read: whoever hands them in has looked at them."""
    with ledger.store.uow() as uow:
        row = uow.messages.came(digest)
        if row is not None and row.needs_eye:
            uow.messages.done([row.id], by, ledger.clock())
            uow.commit()
