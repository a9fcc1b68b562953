"""What the page of one message shows."""

from __future__ import annotations

from dataclasses import dataclass

from caseproof.domain.case import Case, Fact
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.vault import Vault
from caseproof.procedure.answers.looking_through import is_the_word, may_be_the_word
from caseproof.procedure.answers.writing_back import Recipient, recipients
from caseproof.procedure.core.retailer_answer import cases_named
from caseproof.store import MessageRow, Store
from caseproof.web.files import NotHere
from caseproof.web.views import HEAPS, NAMES, words_of

WORDS_SHOWN = 20_000
"""How many characters of one message are shown; its file has all."""


@dataclass(frozen=True, slots=True)
class MessagePage:
    """One message: what its place is called and what to do there ("" for what waits for nobody), its words (cut to
    ``WORDS_SHOWN``, ``cut`` where they were), its case, to whom an answer may go, and the mails that people wrote in
    the case, oldest first, each with whether it has left."""

    row: MessageRow
    name: str
    what_to_do: str
    words: str
    cut: bool
    case: Case | None
    to: list[Recipient]
    written: list[tuple[Fact, bool]]
    may_be_the_word: bool
    is_the_word: bool
    named: list[str]


def message_page(store: Store, vault: Vault, number: int) -> MessagePage:
    """The page of a message. Raises NotHere, StoreError."""
    with store.reading() as uow:
        row = uow.messages.get(number)
        if row is None:
            raise NotHere(f"There is no message {number}.", "Open it from the inbox.")
        case = uow.cases.get(row.about) if row.about else None
        to = recipients(uow, case, row) if case else []
    own, whole = words_of(vault, row)
    sent = {fact["of"] for fact in case.every(Kind.MAIL_SENT)} if case else set()
    return MessagePage(
        row, NAMES[row.place], HEAPS[row.place][1] if row.needs_eye else "", whole[:WORDS_SHOWN],
        len(whole) > WORDS_SHOWN, case, to,
        [(fact, fact.seq in sent) for fact in case.every(Kind.MAIL_WRITTEN)] if case else [],
        may_be_the_word(row), case is not None and is_the_word(case, row),
        [] if case else cases_named(f"{row.subject} {own}")[:5],
    )  # fmt: skip
