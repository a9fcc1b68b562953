"""What a person's answer to a case becomes, whichever way it came: by the form on the case's page, or by Prefect's."""

from __future__ import annotations

from dataclasses import dataclass

from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.forms import (
    AccountDecision,
    CauseElsewhere,
    CauseOfFailure,
    Counts,
    Form,
    RetailersWord,
    Review,
    TryAgain,
    Verdict,
    Word,
    WordAgreement,
)
from caseproof.domain.job_failure.conditions import needs_login_to_review
from caseproof.domain.payloads import TroubleOver
from caseproof.domain.vocabulary import BY_LOGIN
from caseproof.procedure.answers import agreement, manual_confirmation
from caseproof.procedure.closing import deciding
from caseproof.procedure.core import causes
from caseproof.procedure.core.answer_ledger import AnswerLedger
from caseproof.procedure.core.parts import EvidenceFiles, Links


@dataclass(frozen=True)
class Acting:
    """What answers are acted on with."""

    ledger: AnswerLedger
    files: EvidenceFiles
    links: Links
    policy: Policy


def act(here: Acting, ref: str, form: Form, question: int) -> None:
    """Carry out what the answer to this question says. Raises NotOnTheTeam, NotAllowed, BadInput, Overtaken.

    Nothing is written then, but for words of a stranger, which are kept.
    """
    team = here.policy.team
    match form:
        case CauseOfFailure():
            causes.choose_cause(here.ledger, team, ref, form.cause, by=form.answered_by, question=question)
            return
        case CauseElsewhere():
            causes.ask_by_itself(here.ledger, team, ref, by=form.answered_by, question=question)
            return
        case TryAgain():
            _try_again(here, ref, form, question)
            return
        case RetailersWord():
            _take_word(here, ref, form, question)
        case WordAgreement():
            agreement.settle_doubts(
                here.ledger, team, ref, counts=form.counts is Counts.AGREE, by=form.answered_by, remark=form.remark,
                question=question,
            )  # fmt: skip
        case AccountDecision():
            deciding.decide(
                here.ledger, here.policy, ref, decision=form.decision, by=form.answered_by, reason=form.reason,
                checked=form.checked, until=deciding.read_date(form.paused_until), question=question,
            )  # fmt: skip
        case Review():
            _review(here, ref, form, question)
    deciding.looked_at(here.ledger, ref, by=form.answered_by, question=question)


def asks_login(policy: Policy, case: Case) -> bool:
    """Whether a review of the case is taken from somebody alone who is logged in: by the policy of now or of then."""
    return "review_identity" in policy.review_terms or needs_login_to_review(case)


def _take_word(here: Acting, ref: str, form: RetailersWord, question: int) -> None:
    member = require_member(form.answered_by, here.policy.team)
    match form.what:
        case Word.WROTE:
            manual_confirmation.confirm_by_form(
                here.ledger, here.files, ref, sender=form.sender, words=form.message, recorded_by=member,
                question=question,
            )  # fmt: skip
        case Word.COUNTS:
            manual_confirmation.confirm_by_reply(here.ledger, ref, recorded_by=member, question=question)
        case Word.ANSWERED:
            manual_confirmation.reply_answered(here.ledger, ref, by=member, question=question)
        case Word.WITHOUT:
            here.ledger.change(ref, lambda _: [])  # that it was said is all there is to it


def _review(here: Acting, ref: str, form: Review, question: int) -> None:
    if asks_login(here.policy, here.ledger.case(ref)) and here.ledger.known_by != BY_LOGIN:
        raise NotAllowed(
            "The policy asks that the reviewer is known by a login, and Prefect's form takes any name.",
            f"Open {here.links.case_url(ref)}#question, log in, and review there.",
        )
    deciding.review(
        here.ledger, here.policy.team, ref, approved=form.verdict is Verdict.APPROVE, by=form.answered_by,
        remark=form.remark, checked=form.checked, question=question,
    )  # fmt: skip


def _try_again(here: Acting, ref: str, form: TryAgain, question: int) -> None:
    def over(case: Case) -> list[Event]:
        step = str(case.trouble["step"]) if case.trouble else "the step"
        told = {"step": step, "remark": form.remark, "question": question}
        return (
            []
            if question in case.handled
            else [here.ledger.event(case.procedure.kind(TroubleOver), form.answered_by, **told)]
        )

    here.ledger.change(ref, over)
