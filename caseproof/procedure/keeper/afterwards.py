"""What the keeper looks after beside the cases' steps (E12): recordings whose time is over, development's answers."""

from __future__ import annotations

from collections.abc import Callable

from caseproof.desks.base import Desk
from caseproof.domain.support.lifecycle import State
from caseproof.procedure.closing.development import hear_development, tickets_waited_for
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.core.recordings import end_what_is_over

AT_MOST = 50
"""How many cases that are with development are asked about in a pass, those that wait longest first."""


def end_recordings(ledger: Ledger, say: Callable[[str], None]) -> list[str]:
    """Take recordings whose last day is over out of the index, and say so; gives their cases. Raises StoreError."""
    done = end_what_is_over(ledger)
    for ref in done:
        say(f"{ref}: the time of a recording is over; it is linked no more (E12)")
    return done


def ask_development(ledger: Ledger, desk_named: Callable[[str], Desk], say: Callable[[str], None]) -> list[str]:
    """See whether development closed its tickets; gives the cases in which that is news. Raises DeskError."""
    with ledger.store.reading() as uow:
        refs = uow.cases.in_state(State.WITH_DEVELOPMENT, AT_MOST)
    news = []
    for ref in refs:
        case = ledger.case(ref)
        if not tickets_waited_for(case):
            continue
        if hear_development(ledger, desk_named, ref).version > case.version:
            news.append(ref)
            say(f"{ref}: the development team closed its ticket (E5)")
    return news
