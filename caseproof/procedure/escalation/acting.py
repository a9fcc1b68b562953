"""What a person's answer to a case becomes, whichever procedure it is of and whichever way it came."""

from __future__ import annotations

from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.forms import Form
from caseproof.domain.support.forms import SupportForm, tiers_answering
from caseproof.procedure.closing import acting as job_failures
from caseproof.procedure.closing.acting import Acting
from caseproof.procedure.core.support import people_of
from caseproof.procedure.escalation.requesting import answer_form

__all__ = ["Acting", "act", "who_answers"]


def act(here: Acting, ref: str, form: Form, question: int) -> None:
    """Carry out what the answer to this question says. Raises NotOnTheTeam, NotAllowed, BadInput, Overtaken.

    Nothing is written then, but for words of a stranger, which are kept.
    """
    if isinstance(form, SupportForm):
        answer_form(here.ledger, here.files, here.policy, ref, form, question)
    else:
        job_failures.act(here, ref, form, question)


def who_answers(policy: Policy, case: Case, form: type[Form]) -> tuple[str, ...]:
    """Whose names are offered with this form: the people of its tiers; of any other form, and where the policy names
    nobody, the team."""
    if not issubclass(form, SupportForm):
        return policy.team
    people = people_of(policy)
    members = (name for tier in tiers_answering(case, form) for name in people[tier])
    return tuple(dict.fromkeys(members)) or policy.team
