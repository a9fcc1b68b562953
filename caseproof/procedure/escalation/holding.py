"""Who has a support case, as it follows from what is answered: nobody has to say it besides.

Whoever answers for a tier has the case, where nobody has it. Where another tier has to act it is let go, so that it
waits for all of them; and PT's answer brings it back to who asked. A claim, a release and a hand-over go before and
after it.
"""

from __future__ import annotations

from caseproof.domain.case import Case
from caseproof.domain.support import payloads as says
from caseproof.domain.support.ladder import who_acts
from caseproof.procedure.core.parts import Ledger
from caseproof.store.logins import folded_name
from caseproof.store.worklist import Did


def follow(ledger: Ledger, before: Case, after: Case) -> None:
    """Note who has the case after an answer; ``before`` is the case as it was then. Raises StoreError."""
    if after.version == before.version:
        return
    by = after.events[-1].actor
    moved = who_acts(after) is not who_acts(before)
    whom = _who_asked(before, after) if moved else by
    with ledger.store.uow() as uow:
        is_open, holder = uow.worklist.standing([after.ref]).get(after.ref, (False, ""))
        if not is_open or (holder and not moved) or holder == folded_name(whom):
            return
        did = Did.RELEASED if not whom else Did.CLAIMED if whom == by else Did.HANDED
        uow.worklist.give([after.ref], folded_name(whom), did=did, actor=by, whom=whom, at=ledger.clock())
        uow.commit()


def _who_asked(before: Case, after: Case) -> str:
    """Who of L2 asked PT what was answered now; "" where it was nothing like that."""
    answered = any(event.says(says.PtAnswered) is not None for event in after.events[before.version :])
    asked = after.all_of(says.PtAsked)
    return asked[-1].actor if answered and asked else ""
