"""A retailer's mail is taken in: kept first, then judged and written down in one transaction (J5, J8).

What is kept and read holds no key of ours: a reply quotes the link of our letter, and is sent to its signed address.
Which case that address names is read from the mail as it came; beside what is kept stands the digest of what came.

A crash in between leaves a file in the vault and the mail in the mailbox: the next pass takes it in, once. The same
bytes are one message, however often they come; what differs in a key alone are two. Of what could not be read with
bounded work, only the headers are kept: the mail itself stays where it was put away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from caseproof.channels.inbound.meaning import Meaning
from caseproof.channels.inbound.reading import Mail, UnreadableMail, read_mail, recipients_of
from caseproof.config.clock import Clock
from caseproof.domain.codes import MessageCode
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.vocabulary import BY_MAIL, Disposition
from caseproof.evidence.vault import Evidence, Vault
from caseproof.procedure.answers.kept_mail import KeptMail, without_keys
from caseproof.procedure.answers.mail_triage import TriageResult, triage
from caseproof.procedure.core.message_words import Why, why
from caseproof.procedure.core.parts import Ledger, ReplyAddresses
from caseproof.procedure.core.support import note_mail, write_opening
from caseproof.store import ConcurrentChange, StoreDown
from caseproof.store.uow import UnitOfWork

MEDIA_TYPE = "message/rfc822"
_NAME = "from-the-retailer.eml"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a mail: where it ended and why, and in which cases something was written down.

    ``new``: whether it was taken in now; else it was before, and nothing changed. ``row_id`` is its message's number.
    """

    place: Disposition
    why: str
    cases: tuple[str, ...]
    new: bool
    row_id: int


def receive(ledger: Ledger, vault: Vault, replies: ReplyAddresses, raw: bytes, *, authserv: str) -> Received:
    """Take in a mail (RFC 5322 bytes). ``authserv`` is the name under which our own mail server vouches for senders.

    It ends in exactly one place, whatever it is. Raises StoreDown, ConcurrentChange and VaultError: then it was not
    taken in, and the next try takes it.
    """
    return _take_in(ledger, vault, replies, raw, authserv, len(raw))


def receive_too_large(ledger: Ledger, vault: Vault, replies: ReplyAddresses, headers: bytes, size: int) -> Received:
    """Take down that a mail of ``size`` bytes came that nobody reads here: its headers are kept in its place."""
    wrong = why(MessageCode.TOO_LARGE, size=size / 1024 / 1024)
    return _take_in(ledger, vault, replies, headers, "", size, wrong)


@dataclass(frozen=True, slots=True)
class _Read:
    """A mail as it was read; ``wrong`` is why it was not, None where it was.

    ``kept`` is what is kept of it.
    """

    size: int
    kept: KeptMail
    mail: Mail | None = None
    meaning: Meaning = Meaning.UNCLEAR
    wrong: Why | None = None


def _read(raw: bytes, authserv: str, size: int) -> _Read:
    """Strangers write mail (``raw``): whatever makes reading it fail, it is kept."""
    kept = without_keys(raw)
    read = _Read(size, kept, wrong=why(MessageCode.UNREADABLE, reason=kept.wrong) if kept.wrong else None)
    try:
        mail = replace(read_mail(kept.text, authserv=authserv), recipients=recipients_of(raw))
        return replace(read, mail=mail, meaning=mail.meaning)
    except UnreadableMail as error:
        return replace(read, wrong=read.wrong or why(MessageCode.UNREADABLE, reason=error.problem))
    except (OSError, MemoryError):
        raise  # that is this machine's fault and not the mail's: it is tried again
    except Exception as error:  # a mail that finds an error of ours must not come back for ever
        failed = why(MessageCode.UNREADABLE, reason=f"reading it failed ({type(error).__name__})")
        return replace(read, wrong=read.wrong or failed)


def _take_in(
    ledger: Ledger,
    vault: Vault,
    replies: ReplyAddresses,
    raw: bytes,
    authserv: str,
    size: int,
    wrong: Why | None = None,
) -> Received:
    read = _read(raw, authserv, size)
    read = replace(read, wrong=wrong) if wrong else read
    kept = vault.put(read.kept.content, _NAME, MEDIA_TYPE)
    replies.secret()  # made now if there is none yet: it needs a transaction of its own
    try:
        return _in_one(ledger, kept, read, lambda uow: _judged(ledger, replies, uow, read, kept.digest))
    except (StoreDown, ConcurrentChange):
        raise  # it passes: the mail is taken in with the next try
    except CaseproofError as error:  # a case that takes nothing more (somebody edited it, say) hides no mail
        no = why(MessageCode.NOT_WRITTEN, reason=error.problem)
        return _in_one(ledger, kept, read, lambda _: TriageResult(Disposition.REPLY, no))


def _in_one(ledger: Ledger, kept: Evidence, read: _Read, judged: Callable[[UnitOfWork], TriageResult]) -> Received:
    """Judge and write in one transaction: writers queue, so nothing changes in between."""
    with ledger.store.uow() as uow:
        known = uow.messages.came(read.kept.came_as)
        if known is not None:
            return Received(known.place, known.why, (known.ref,) if known.ref else (), False, known.id)
        verdict = _opened(uow, judged(uow))
        number = _write(ledger.clock, uow, kept, read, verdict)
        uow.commit()
    return Received(verdict.place, verdict.why.words, _cases(verdict), True, number)


def _judged(ledger: Ledger, replies: ReplyAddresses, uow: UnitOfWork, read: _Read, digest: str) -> TriageResult:
    if read.mail is None or read.wrong is not None:
        return TriageResult(Disposition.UNREADABLE, read.wrong or why(MessageCode.UNREADABLE, reason="it is empty"))
    verdict = triage(ledger, replies, uow, read.mail, read.meaning, digest)
    if not read.kept.original:
        return verdict
    told = [(ref, _with_original(event, read.kept.original)) for ref, event in verdict.events]
    opens = [_with_original(one, read.kept.original) if "said" in one.data else one for one in verdict.opens]
    return replace(verdict, events=told, opens=opens)


def _with_original(event: Event, original: str) -> Event:
    return replace(event, data={**event.data, "original": original})


def _opened(uow: UnitOfWork, verdict: TriageResult) -> TriageResult:
    """The same, with the support case that it opens."""
    return replace(verdict, ref=write_opening(uow, verdict.opens).ref) if verdict.opens else verdict


def _write(clock: Clock, uow: UnitOfWork, kept: Evidence, read: _Read, verdict: TriageResult) -> int:
    mail, now = read.mail, clock()
    for ref in dict.fromkeys([ref for ref, _ in verdict.events]):
        uow.evidence.add(ref, kept.digest, _NAME, MEDIA_TYPE, kept.size, now)
        uow.cases.append(uow.cases.get(ref), *[event for one, event in verdict.events if one == ref])
    if verdict.opens:
        uow.evidence.add(verdict.ref, kept.digest, _NAME, MEDIA_TYPE, kept.size, now)
    if mail and verdict.ref and (verdict.opens or verdict.place is Disposition.SUPPORT):
        note_mail(uow, mail.message_id, verdict.ref, now)
    for retailer, address in verdict.bounced:
        uow.people.mark_bounced(retailer, address, verdict.why.words, now)
    return uow.messages.add(
        kept.digest,
        original=read.kept.original,
        message_id=mail.message_id if mail else "",
        sender=mail.sender_address if mail else "",
        subject=mail.subject if mail else "",
        size=read.size,
        way=BY_MAIL,
        place=verdict.place,
        code=verdict.why.code,
        why=verdict.why.words,
        ref=verdict.ref,
        at=now,
    )


def _cases(verdict: TriageResult) -> tuple[str, ...]:
    return tuple(dict.fromkeys([ref for ref, _ in verdict.events])) or ((verdict.ref,) if verdict.ref else ())
