"""Who has which case, said in Prefect: one change of the worklist's own rows, under the name that is given."""

from __future__ import annotations

from caseproof.domain.decisions import require_member
from caseproof.domain.errors import NotAllowed
from caseproof.procedure.core.handling import Handle, Wish, handle
from caseproof.procedure.escalation.requesting import everybody
from tasks.common import services
from tasks.display.ladder import show_the_ladder


def say_who_has_it(case: str, who: str, what: str, colleague: str) -> str:
    """Do it, and say it. Raises NotOnTheTeam, BadInput, NotAllowed where it cannot be done with this case."""
    here, people = services(), everybody(services().policy)
    person, wished = require_member(who, people), Handle(what)
    whom = require_member(colleague, people) if wished is Handle.HAND_OVER else ""
    ref = here.ledger.case(case).ref
    outcome = handle(here.store, here.clock, Wish(wished, (ref,), whom=whom), person)
    if ref in outcome.refused:
        raise NotAllowed(f"{ref}: {outcome.refused[ref]}.", "Look at the case, then choose again.")
    show_the_ladder()
    has_it = {Handle.CLAIM: f"{person} has {ref}", Handle.RELEASE: f"nobody has {ref}"}
    return f"{has_it.get(wished, f'{whom} has {ref}')} from now on."
