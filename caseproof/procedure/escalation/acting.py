"""What a person's answer to a case becomes, whichever procedure it is of and whichever way it came."""

from __future__ import annotations

from caseproof.domain.forms import Form
from caseproof.domain.support.forms import SupportForm
from caseproof.procedure.closing import acting as job_failures
from caseproof.procedure.closing.acting import Acting
from caseproof.procedure.escalation.requesting import answer_form

__all__ = ["Acting", "act"]


def act(here: Acting, ref: str, form: Form, question: int) -> None:
    """Carry out what the answer to this question says. Raises NotOnTheTeam, NotAllowed, BadInput, Overtaken.

    Nothing is written then, but for words of a stranger, which are kept.
    """
    if isinstance(form, SupportForm):
        answer_form(here.ledger, here.files, here.policy, ref, form, question)
    else:
        job_failures.act(here, ref, form, question)
