"""A member of the team says that something is owed no more: it stands in the case, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.payloads import GivenUp
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.keeper.owing import settle
from caseproof.procedure.keeper.ways import WAYS, thing_of


def give_up(ledger: Ledger, team: Sequence[str], ref: str, what: str, *, by: str, reason: str) -> list[str]:
    """A member of the team says that something is owed no more: an event each; gives what it was, in words.

    Raises NotOnTheTeam, BadInput where the case owes no such thing, NotAllowed where the case cannot do without it.
    """
    member = require_member(by, team)
    case = ledger.case(ref)
    with ledger.store.reading() as uow:
        rows = uow.owed.of(case.ref)
    wanted = [row for row in rows if row.what == what]
    if not wanted:
        owes = ", ".join(sorted({str(row.what) for row in rows})) or "nothing"
        raise BadInput(f"{case.ref} owes no {what!r}.", f"It owes {owes}; `caseproof case why {case.ref}` tells more.")
    way = WAYS[wanted[0].what]
    if way.instead:
        raise NotAllowed(f"{way.thing.capitalize()} cannot be given up.", way.instead)
    if not reason.strip():
        raise BadInput("It is not said why it is given up.", "Give the reason: it stands in the case.")

    said = {"what": what, "thing": way.thing, "reason": reason.strip()}
    ledger.change(
        case.ref, lambda _: [ledger.event(case.procedure.kind(GivenUp), member, key=row.key, **said) for row in wanted]
    )
    settle(ledger, wanted)  # what stood there though no event says so, too
    return [thing_of(row) for row in wanted]
