"""Who has a support case, as it follows from what is answered: nobody has to say it besides.

Whoever answers for the tier that has to act has the case, where nobody has it. Where another tier has to act it is let
go, so that it waits for all of them; PT's answer brings it back to who asked, and a technician who is reached directly
has it (E6). A claim, a release and a hand-over go before and after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.support import payloads as says
from caseproof.domain.support.ladder import who_acts
from caseproof.procedure.core.parts import US, Ledger
from caseproof.store.logins import folded_name
from caseproof.store.worklist import Did


def follow(ledger: Ledger, before: Case, after: Case, by: str) -> None:
    """Note who has the case after what ``by`` did; ``before`` is the case as it was then. Raises StoreError."""
    if after.version == before.version:
        return
    moved = who_acts(after) is not who_acts(before)
    new = [event for event in after.events[before.version :] if event.actor == by]
    reached = _reached(new)
    whom = reached or (_who_asked(new, after) if moved else _at_work(new, after, by))
    with ledger.store.uow() as uow:
        is_open, holder = uow.worklist.standing([after.ref]).get(after.ref, (False, ""))
        stays = not moved and not reached and (holder or not whom)
        if not is_open or stays or holder == folded_name(whom):
            return
        did = Did.RELEASED if not whom else Did.CLAIMED if whom == by else Did.HANDED
        uow.worklist.give([after.ref], folded_name(whom), did=did, actor=by, whom=whom, at=ledger.clock())
        uow.commit()


def _at_work(new: Sequence[Event], after: Case, by: str) -> str:
    """Who did it, where they did it for the tier that has to act: a technician of another one only asks."""
    theirs = any(event.data.get("tier", who_acts(after)) == who_acts(after) for event in new)
    return by if theirs and by != US else ""


def _reached(new: Sequence[Event]) -> str:
    """The technician who was reached directly, by name or because they asked (E6): that same one has the case."""
    for event in new:
        if event.says(says.ReachedL2) is not None or event.says(says.ReachedPt) is not None:
            return str(event.data.get("technician") or "")
    return ""


def _who_asked(new: Sequence[Event], after: Case) -> str:
    """Who of L2 asked PT what was answered now; "" where it was nothing like that."""
    answered = any(event.says(says.PtAnswered) is not None for event in new)
    asked = after.all_of(says.PtAsked)
    return asked[-1].actor if answered and asked else ""
