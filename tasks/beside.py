"""What is said in a support case, in Prefect's own form, whichever tier has to act."""

from __future__ import annotations

from caseproof.domain.support.choices import Beside
from caseproof.procedure.escalation.requesting import say_beside
from tasks.common import services
from tasks.display.ladder import show_the_ladder


def say_in_the_case(case: str, who: str, what: str, words: str) -> str:
    """Write it down, and say what was written. Raises NotOnTheTeam, NotAllowed, BadInput where it cannot be said."""
    here = services()
    after = say_beside(here.ledger, here.files, here.policy, case.strip(), Beside(what), words, who)
    show_the_ladder()
    return f"{after.ref} has it: {what}. Its run asks anew with it, in seconds where `caseproof up` runs."
