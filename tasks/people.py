"""The steps in which a person acts: the retailer's word, the team's decision, the review.

Plain functions and not tasks, because asking suspends the run, which Prefect does not allow inside a task.
"""

from __future__ import annotations

from prefect import get_run_logger

from caseproof.domain.case import Case, Fact
from caseproof.domain.closure import closure_blockers
from caseproof.domain.codes import Code, StepName
from caseproof.domain.errors import CaseproofError
from caseproof.domain.forms import (
    AccountDecision,
    CauseElsewhere,
    CauseOfFailure,
    RetailersWord,
    Review,
    Word,
    WordAgreement,
)
from caseproof.domain.job_failure.cause import is_answered
from caseproof.domain.job_failure.conditions import waits_for_review_alone
from caseproof.domain.job_failure.lifecycle import State
from caseproof.procedure.closing import deciding
from caseproof.procedure.closing.acting import asks_login
from caseproof.procedure.core import causes
from caseproof.procedure.core.asked import answer_to, goes_without_word
from caseproof.procedure.core.texts import plain
from caseproof.procedure.views.cause_question import what_another_asks, what_to_say_of_the_cause
from caseproof.procedure.views.questions import (
    what_to_agree,
    what_to_decide,
    what_to_record,
    what_to_review,
)
from tasks.common import load_case, services
from tasks.forms.asking import ask
from tasks.forms.cases import CaseAsker, act_on
from tasks.trouble import ask_to_try_again, say_trouble

OPEN_FOR_DECISION = (State.WAITING, State.PAUSED)


def learn_the_cause(ref: str) -> None:
    """House rule 11: where nothing says the cause, an operator is asked for it before the retailer is told (J5).

    A message that many cases have is asked about once: the others wait for that answer.
    """
    case = load_case(ref)
    if not _owes_cause(case):
        return
    answer, elsewhere = answer_to(case, CauseOfFailure.slug), answer_to(case, CauseElsewhere.slug)
    if answer is not None:
        act_on(ref, answer, CauseOfFailure)
        return
    if elsewhere is not None:
        act_on(ref, elsewhere, CauseElsewhere)
    asks = causes.await_cause(services().ledger, services().policy.keeper, ref)
    if asks == ref:
        ask(CaseAsker(ref, _what_is_the_cause(ref), _owes_cause), CauseOfFailure)
    elif asks is not None:
        ask(CaseAsker(ref, what_another_asks(asks, services().links.case_url(asks)), _owes_cause), CauseElsewhere)


def _owes_cause(case: Case) -> bool:
    return not causes.may_tell(services().policy.keeper, case)


def _what_is_the_cause(ref: str) -> str:
    case, policy = load_case(ref), services().policy
    remembered = list(causes.remembered_causes(services().ledger).values())
    hours = policy.keeper.ask_cause_hours
    return what_to_say_of_the_cause(case, causes.message_of(case), policy.check.signatures, remembered, hours)


def hear_the_retailer(ref: str) -> None:
    """J8: wait for the retailer's written word, or for a person who says that none is needed.

    A word that something speaks against counts once somebody else than who brought it in agrees.
    """
    case = load_case(ref)
    answer = _word_answered(case)
    if _waits_for_word(case) and answer is not None:
        act_on(ref, answer, RetailersWord)
        case = load_case(ref)
    if _waits_for_agreement(case):
        _weigh_the_word(case)
        case = load_case(ref)
    if answer is None and _waits_for_word(case) and not _waits_for_agreement(case):
        ask(CaseAsker(ref, what_to_record(case), _waits_for_word), RetailersWord)


def _word_answered(case: Case) -> Fact | None:
    """An answer that is to be acted on. That no word is needed holds by itself, or does not hold any more."""
    answer = answer_to(case, RetailersWord.slug)
    return None if answer is not None and answer["answer"].get("what") == Word.WITHOUT else answer


def _waits_for_word(case: Case) -> bool:
    return case.state in OPEN_FOR_DECISION and not is_answered(case) and not goes_without_word(case)


def _waits_for_agreement(case: Case) -> bool:
    return case.state in OPEN_FOR_DECISION and bool(case.doubted) and not is_answered(case)


def _weigh_the_word(case: Case) -> None:
    answer = answer_to(case, WordAgreement.slug)
    if answer is None:
        ask(CaseAsker(case.ref, what_to_agree(case), _waits_for_agreement), WordAgreement)
        return
    act_on(case.ref, answer, WordAgreement)


def settle_the_account(ref: str) -> None:
    """J6: the team decides what becomes of the account, or has decided that a clear word leads to the re-run."""
    case = load_case(ref)
    if not _waits_for_decision(case):
        return
    answer = answer_to(case, AccountDecision.slug)
    if answer is None:
        if deciding.goes_on_by_itself(services().ledger, services().policy, ref):
            get_run_logger().info("%s goes on: the retailer clearly said that the change is made.", ref)
            return
        explain = what_to_decide(case, services().policy.answers.by_itself)
        ask(CaseAsker(ref, explain, _needs_a_person), AccountDecision)
        return
    act_on(ref, answer, AccountDecision)


def _waits_for_decision(case: Case) -> bool:
    return case.state in OPEN_FOR_DECISION and not _waits_for_word(case)


def _needs_a_person(case: Case) -> bool:
    """A clear word may have come while the question was made: then nobody is asked."""
    return _waits_for_decision(case) and deciding.clear_word(services().store, services().policy, case) is None


def review_the_evidence(ref: str) -> None:
    """J7, J8: a second approval before the case closes; the policy may switch it off."""
    case = load_case(ref)
    if not _waits_for_review(case):
        return
    answer = answer_to(case, Review.slug)
    if answer is None:
        explain = what_to_review(case, services().links.evidence_url, _only_on_the_page(case))
        ask(CaseAsker(ref, explain, _waits_for_review), Review)
        return
    act_on(ref, answer, Review)


def _only_on_the_page(case: Case) -> str:
    """The address at which alone a review is taken; "" where this form is as good."""
    only = asks_login(services().policy, case)
    return f"{services().links.case_url(case.ref)}#question" if only else ""


def _waits_for_review(case: Case) -> bool:
    return case.state is State.VERIFIED and waits_for_review_alone(case)


class NothingMoved(CaseproofError):
    """A whole pass over the procedure changed nothing: a person has to look."""

    code = Code.NOTHING_MOVED


def help_if_stuck(ref: str, version_before: int) -> None:
    """Where a pass changed nothing, say what is missing and wait: never turn in circles, never stop silently."""
    case = load_case(ref)
    if case.is_closed or case.version != version_before:
        return
    missing = "; ".join(f"{b.rule}: {b.missing}" for b in closure_blockers(case))
    problem = NothingMoved(f"Nothing moves. Missing: {missing}", f"`caseproof case why {ref}`, then try again.")
    say_trouble(ref, StepName.THE_PROCEDURE, problem)
    ask_to_try_again(ref, plain(problem))
