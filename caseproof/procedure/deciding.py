"""J6: the team settles the account's status, and a second person reviews before a case closes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from caseproof.domain.case import Case
from caseproof.domain.decisions import NEEDS, Decision, refuse_decision, require_member, same_person
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.events import Event, Kind
from caseproof.procedure.office import Office


def read_date(text: str) -> date | None:
    """A date as people type it into a form (YYYY-MM-DD); None where it is empty. Raises BadInput."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInput(f"'{text.strip()}' is not a date.", "Write it as YYYY-MM-DD, like 2027-01-31.") from error


def decide(
    office: Office, ref: str, *, decision: Decision, by: str, reason: str, checked: str = "",
    until: date | None = None, question: int | None = None,
) -> Case:  # fmt: skip
    """Record the team's decision. Raises NotOnTheTeam, NotAllowed (J8) and BadInput; nothing is recorded then.

    ``checked`` says what was looked at in the system and what was seen there (J8).
    """
    member = require_member(by, office.policy.team)

    def events(case: Case) -> Sequence[Event]:
        if question in case.handled:  # two live runs of one case read the same answer
            return []
        now = office.clock()
        refuse_decision(case, decision, reason=reason, checked=checked, until=until, today=now.date())
        answer = {} if question is None else {"question": question}
        if until is not None:  # only keeping paused takes a date, and it needs one
            return [Event(Kind.KEPT_PAUSED, now, member, {"until": until.isoformat(), "reason": reason, **answer})]
        taken = {"decision": str(decision), "reason": reason, "review": office.policy.review_mode, **answer}
        found = []
        if NEEDS[decision].validation:
            found.append(Event(Kind.CHANGE_VALIDATED, now, member, {"how": checked}))
        return [*found, Event(Kind.DECIDED, now, member, taken)]

    return office.store.change(ref, events)


def review(office: Office, ref: str, *, approved: bool, by: str, remark: str, question: int | None = None) -> Case:
    """Record the review. Sending back needs a reason; the policy may ask for another person than who decided."""
    member = require_member(by, office.policy.team)
    if not approved and not remark.strip():
        raise BadInput("Sending back needs a reason.", "Say in a sentence what is missing or wrong.")

    def events(case: Case) -> Sequence[Event]:
        if question in case.handled:
            return []
        answer = {} if question is None else {"question": question}
        if not approved:
            return [office.event(Kind.REVIEW_REJECTED, member, why=remark, **answer)]
        decision = case.decision
        if decision and decision.get("review") == "another person" and same_person(decision.actor, member):
            raise NotAllowed(
                f"{member} took the decision; the policy asks another person to review it.",
                "Let another member of the team answer.",
            )
        return [office.event(Kind.REVIEW_APPROVED, member, remark=remark, **answer)]

    return office.store.change(ref, events)
