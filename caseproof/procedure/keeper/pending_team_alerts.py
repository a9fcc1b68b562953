"""What came from retailers and has to be read is told to the team: in its mail, with the words that stand in a case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from caseproof.channels.outbound.reminder import FromRetailer
from caseproof.domain.errors import CaseproofError
from caseproof.domain.vocabulary import Disposition
from caseproof.procedure.core.parts import Ledger
from caseproof.store.messages import MessageRow

QUIET = timedelta(hours=1)
"""How long strangers' mail and returned mail wait for each other: our own mail to the team may be what comes back."""
_MARK = "messages-told"


def to_tell(ledger: Ledger) -> list[MessageRow]:
    """The messages of which the team is to be told now, those that ask for help first. Raises StoreError."""
    with ledger.store.reading() as uow:
        rows, told = uow.messages.untold(), uow.cursors.get(_MARK)
    lately = told is not None and timedelta() <= ledger.clock() - told[1] < QUIET
    if lately and not any(row.place is Disposition.REPLY for row in rows):
        return []
    return sorted(rows, key=lambda row: (not _asks_for_help(row), row.place is not Disposition.REPLY, row.id))


def _asks_for_help(row: MessageRow) -> bool:
    return row.place is Disposition.REPLY and row.code.asks_for_help


def as_lines(ledger: Ledger, rows: Sequence[MessageRow]) -> list[FromRetailer]:
    """What the team's mail says of each. Of a message without a case it says who wrote it, and no word of it."""
    return [FromRetailer(row.ref, row.sender, row.why, _words(ledger, row)) for row in rows]


def _words(ledger: Ledger, row: MessageRow) -> str:
    if not row.ref:
        return ""
    try:
        case = ledger.case(row.ref)
    except CaseproofError:
        return ""  # a case that cannot be read hides no message
    said = (event.data.get("words", "") for event in case.events if event.data.get("evidence") == row.digest)
    return next((str(words) for words in said if words), "")


def note_told(ledger: Ledger, rows: Iterable[MessageRow]) -> int:
    """Note that the team was told of these; gives how many they are."""
    ids = [row.id for row in rows]
    if ids:
        with ledger.store.uow() as uow:
            uow.messages.set_told(ids, ledger.clock())
            uow.cursors.set(_MARK, str(len(ids)), ledger.clock())
            uow.commit()
    return len(ids)
