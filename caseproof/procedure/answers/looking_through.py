"""What people do with messages that wait to be read: look at them, put them to a case, say that one is the word."""

from __future__ import annotations

from collections.abc import Sequence

from caseproof.channels.inbound.reading import read_mail
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import require_job_failure
from caseproof.domain.support.kinds import Kind as SupportKind
from caseproof.domain.support.payloads import ClientWrote
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.vocabulary import BY_LOGIN, BY_MAIL
from caseproof.evidence.key_hiding import hide_keys_in_text
from caseproof.evidence.vault import Vault
from caseproof.http.redaction import redact
from caseproof.procedure.answers.manual_confirmation import confirm_by_message
from caseproof.procedure.core.parts import EvidenceFiles, Ledger, ReplyAddresses, event_of
from caseproof.procedure.core.support import LONGEST_WORDS, note_mail
from caseproof.store import MessageRow, UnitOfWork


def take_off(ledger: Ledger, numbers: Sequence[int], *, by: str, remark: str = "") -> int:
    """Take these messages off the list, with a remark; gives how many stood on it.

    Raises BadInput where one of them is not there: then none is taken off.
    """
    with ledger.store.uow() as uow:
        found = {number: uow.messages.get(number) for number in numbers}
        if unknown := [number for number, row in found.items() if row is None]:
            raise BadInput(
                f"There is no message {', '.join(map(str, unknown))}; nothing was taken off.",
                "`caseproof inbox list` shows their numbers.",
            )
        uow.messages.done(numbers, by, ledger.clock(), _tidy(remark))
        uow.commit()
    return sum(row is not None and row.needs_eye for row in found.values())


def put_to_case(
    ledger: Ledger, number: int, ref: str, *, by: str, remark: str = "", vault: Vault | None = None
) -> Case:
    """Put a message to a case: its file is the case's evidence from then on, and the timeline tells of it.

    It means nothing for a job's case by itself, and whoever does it has looked at the message. In a support case it is
    what the client wrote, read from ``vault``; as nobody vouches for its sender here, it names nobody (E6). Once more
    to the same case changes nothing. Raises UnknownCase, and BadInput for a message that came to this case.
    """
    with ledger.store.uow() as uow:
        case, row = uow.cases.get(ref.strip()), uow.messages.get(number)
        if row is None:
            raise BadInput(f"There is no message {number}.", "Open it from the inbox.")
        if case.procedure is SUPPORT and vault is not None:
            case = _put_to_support(uow, ledger, vault, case, row, by, _tidy(remark))
            uow.commit()
            return case
        require_job_failure(case)
        if row.ref == case.ref and not row.filed:
            raise BadInput(f"It came to {case.ref}, and stands there.", "Answer it, or take it off the list.")
        if row.filed != case.ref:
            tidy = _tidy(remark)
            event = ledger.event(
                Kind.MESSAGE_FILED, by, message=number, sender=row.sender, subject=row.subject, evidence=row.digest,
                remark=tidy,
            )  # fmt: skip
            case = uow.cases.append(case, event)
            uow.evidence.add(case.ref, row.digest, row.file_name, row.media_type, row.size, event.at)
            uow.messages.file(number, case.ref)
            uow.messages.done([number], by, event.at, tidy)
            uow.commit()
    return case


def _put_to_support(
    uow: UnitOfWork, ledger: Ledger, vault: Vault, case: Case, row: MessageRow, by: str, remark: str
) -> Case:
    told = [fact.event.data for fact in (*case.all_of(ClientWrote), *([case.opened] if case.opened else []))]
    if not any(one.get("evidence") == row.digest for one in told):
        mail = read_mail(vault.read(row.digest))
        words = redact((mail.own_words.strip() or mail.words.strip())[:LONGEST_WORDS])
        said = {
            "sender": row.sender, "words": words, "evidence": row.digest, "subject": row.subject,
            "message_id": row.message_id, "unproven": str(row.code),
        }  # fmt: skip
        event = event_of(SupportKind.CLIENT_WROTE, ledger.clock(), by, said)
        case = uow.cases.append(case, event)
        uow.evidence.add(case.ref, row.digest, row.file_name, row.media_type, row.size, event.at)
        note_mail(uow, row.message_id, case.ref, event.at)
    uow.messages.file(row.id, case.ref)
    uow.messages.done([row.id], by, ledger.clock(), remark)
    return case


def _tidy(remark: str) -> str:
    return hide_keys_in_text(" ".join(remark.split()))


def is_the_word(case: Case, row: MessageRow) -> bool:
    """Whether this message was recorded as a word for this case."""
    return any(row.digest in (word["evidence"], word.get("original")) for word in case.confirmations)


def may_be_the_word(row: MessageRow) -> bool:
    """Whether somebody can say that it is the retailer's word: a mail that is of a case, and has not counted yet."""
    return row.way == BY_MAIL and row.about != "" and row.place.needs_eye


def say_it_is_the_word(ledger: Ledger, files: EvidenceFiles, replies: ReplyAddresses, number: int, *, by: str) -> Case:
    """Record the message as the retailer's word for its case, with all that speaks against it (J8).

    From what is kept nobody can vouch for its sender any more, so that somebody else has to agree. Raises WordRefused,
    BadInput.
    """
    with ledger.store.reading() as uow:
        row = uow.messages.get(number)
    if row is None or not may_be_the_word(row):
        raise BadInput("This message cannot be recorded as the retailer's word.", "Put a mail to its case first.")
    raw = files.vault.read(row.digest)
    return confirm_by_message(
        ledger, files, replies, row.about, sender=row.sender, raw=raw, recorded_by=by, authserv="", known_by=BY_LOGIN
    )
