"""The four decisions about an account, and what each needs before it may be taken (J6, J8, J9)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput, NotAllowed, NotOnTheTeam
from caseproof.domain.expectation import expects
from caseproof.domain.people import same_person
from caseproof.domain.substance import says_something
from caseproof.domain.vocabulary import Decision


@dataclass(frozen=True, slots=True)
class Needs:
    """What a decision rests on: the closure rule it leads to and what must be there when it is taken."""

    rule: str | None  # J7 technical, J8 confirmed change; None: this decision never closes a case
    confirmation: bool
    validation: bool
    until: bool
    run: str | None  # the purpose of the run that carries it out


NEEDS: dict[Decision, Needs] = {
    Decision.AFTER_CHANGE: Needs("J8", confirmation=True, validation=True, until=False, run="rerun"),
    Decision.AFTER_FIX: Needs("J7", confirmation=False, validation=False, until=False, run="rerun"),
    Decision.KEEP_PAUSED: Needs(None, confirmation=False, validation=False, until=True, run=None),
    # The change of a removal is validated by its own run, which reads back that nothing is left.
    Decision.REMOVE: Needs("J8", confirmation=True, validation=False, until=False, run="removal"),
}


def require_member(name: str, team: Collection[str]) -> str:
    """The member's name as the team list spells it. Raises NotOnTheTeam."""
    for member in team:
        if same_person(name, member):
            return member
    raise NotOnTheTeam(
        f"{name.strip() or 'Nobody'} is not on the team list.",
        f"Let one of {', '.join(sorted(set(team)))} answer, or add the name under `team` in policy.yaml.",
    )


def refuse_unconfirmed(case: Case, decision: Decision) -> None:
    """Raise NotAllowed where no word of the retailer is there that a decision may rest on (J8)."""
    if case.words:
        return
    if case.doubted:
        brought = ", ".join(sorted({word.actor for word in case.doubted}))
        raise NotAllowed(
            f"J8: '{decision}' needs the retailer's written confirmation, and something speaks against the one that "
            f"{brought} brought in.",
            f"Let somebody else on the team than {brought} say in the case's form whether it counts.",
        )
    raise NotAllowed(
        f"J8: '{decision}' needs the retailer's written confirmation, and there is none.",
        "Record what the retailer wrote (`caseproof case confirm "
        f"{case.ref} --from ADDRESS --message FILE.eml --by NAME`), or decide '{Decision.AFTER_FIX}' if we fixed it.",
    )


def refuse_unchecked(checked: str) -> None:
    """Raise NotAllowed for words that do not say what was checked in the system and seen there (J8, J11)."""
    look = "Look at the changed setting in the system, and write down what you saw"
    if expects(checked):
        raise NotAllowed(
            "J8, J11: what should be so, or is hoped, was not checked.", f"{look}; leave out what should be so."
        )
    if not says_something(checked):
        raise NotAllowed(
            "J8: the words do not say what was checked in the system.", f"{look}, so that a colleague can look again."
        )


def refuse_decision(
    case: Case, decision: Decision, *, reason: str, checked: str, until: date | None, today: date
) -> None:
    """Raise if ``decision`` may not be taken on ``case`` now; each refusal says what is missing and what to do.

    ``checked`` is what the operator checked in the system and saw there (J8: the change was validated in the system).
    """
    needs = NEEDS[decision]
    if not reason.strip():
        raise BadInput("The decision has no reason.", "Say in a sentence why this is decided.")
    if needs.confirmation:
        refuse_unconfirmed(case, decision)
    if needs.validation and not checked.strip():
        raise NotAllowed(
            f"J8: '{decision}' needs the change validated in the system.",
            "Look at the changed setting in the system and write down what you saw; the retailer's word is not "
            "verification (J11).",
        )
    if needs.until and until is None:
        raise BadInput(f"'{decision}' needs the date.", "Give the date on which the team looks at it again.")
    if needs.until and until is not None and until <= today:
        raise BadInput(f"{until.isoformat()} is not after today.", "Give a later date.")
    if not needs.until and until is not None:
        raise BadInput(
            f"A date was given, but '{decision}' takes none.",
            f"Leave the date empty, or choose '{Decision.KEEP_PAUSED}'.",
        )
