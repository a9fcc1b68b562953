"""The steps in which a person acts: the retailer's word, the team's decision, the review.

Plain functions and not tasks, because asking suspends the run, which Prefect does not allow inside a task.
"""

from __future__ import annotations

from typing import cast

from caseproof.domain.case import Case, Fact
from caseproof.domain.closure import closure_blockers
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import CaseproofError
from caseproof.domain.lifecycle import State
from caseproof.procedure import deciding, word
from tasks.asking import act_on, answer_to, ask, say_trouble
from tasks.common import look, office
from tasks.forms import AccountDecision, Form, RetailersWord, Review, TryAgain, Verdict, Word

OPEN_FOR_DECISION = (State.WAITING, State.PAUSED)


def hear_the_retailer(ref: str) -> None:
    """J8: wait for the retailer's written word, or for a person who says that none is needed."""
    case = look(ref)
    if not _waits_for_word(case):
        return
    answer = answer_to(case, RetailersWord)
    if answer is None:
        ask(
            ref,
            RetailersWord,
            "The job is stopped and the retailer was told. **Record what the retailer wrote**, or go on without it: "
            "only 'reactivate after our fix' and 'keep paused' can be decided then.",
            needed=_waits_for_word,
        )
        return
    act_on(ref, answer, lambda form: _take_word(ref, answer, cast(RetailersWord, form)))


def _waits_for_word(case: Case) -> bool:
    answer = answer_to(case, RetailersWord)
    without = answer is not None and answer["answer"].get("what") == Word.WITHOUT
    return case.state in OPEN_FOR_DECISION and not case.confirmations and not without


def _take_word(ref: str, answer: Fact, form: RetailersWord) -> None:
    member = require_member(form.answered_by, office().policy.team)
    if form.what is Word.WROTE:
        word.confirm_by_form(
            office(), ref, sender=form.sender, words=form.message, recorded_by=member, question=answer["number"]
        )


def settle_the_account(ref: str) -> None:
    """J6: the team decides what becomes of the account."""
    case = look(ref)
    if not _waits_for_decision(case):
        return
    answer = answer_to(case, AccountDecision)
    if answer is None:
        paused = f"Kept paused until **{case.paused_until}**. " if case.paused_until else ""
        ask(
            ref,
            AccountDecision,
            f"{paused}**Decide what becomes of the account.** 'After the retailer's change' and 'remove' need the "
            "retailer's written word; what is verified afterwards is a run, never a word.",
            needed=_waits_for_decision,
        )
        return
    act_on(ref, answer, lambda form: _take_decision(ref, answer, cast(AccountDecision, form)))


def _waits_for_decision(case: Case) -> bool:
    return case.state in OPEN_FOR_DECISION and not _waits_for_word(case)


def _take_decision(ref: str, answer: Fact, form: AccountDecision) -> None:
    deciding.decide(
        office(),
        ref,
        decision=form.decision,
        by=form.answered_by,
        reason=form.reason,
        checked=form.checked,
        until=deciding.read_date(form.paused_until),
        question=answer["number"],
    )


def review_the_evidence(ref: str) -> None:
    """J7, J8: a second approval before the case closes; the policy may switch it off."""
    case = look(ref)
    if not _waits_for_review(case):
        return
    answer = answer_to(case, Review)
    if answer is None:
        ask(ref, Review, _what_to_review(case), needed=_waits_for_review)
        return
    act_on(ref, answer, lambda form: _take_review(ref, answer, form))


def _waits_for_review(case: Case) -> bool:
    missing = {blocker.code for blocker in closure_blockers(case)}
    return case.state is State.VERIFIED and "reviewed" in missing and missing <= {"reviewed", "looked"}


def _what_to_review(case: Case) -> str:
    run = case.verified
    if run is None or case.photo is None:
        raise CaseproofError(f"{case.ref} has no evidence to review yet.", "Let the case's run gather it first.")
    picture = f"{office().settings.public}/evidence/{case.photo['evidence']}"
    return (
        f"**Review the evidence.** [{run['name']}]({run['url']}) was read back as **{run['said']}**, ended "
        f"{run['ended_at']}. [The screenshot]({picture}) is attached to the ticket.\n\n"
        f"![the successful run]({picture})"
    )


def _take_review(ref: str, answer: Fact, form: Form) -> None:
    review = cast(Review, form)
    deciding.review(
        office(), ref, approved=review.verdict is Verdict.APPROVE, by=review.answered_by,
        remark=review.remark, question=answer["number"],
    )  # fmt: skip


class NothingMoved(CaseproofError):
    """A whole pass over the procedure changed nothing: a person has to look."""


def help_if_stuck(ref: str, version_before: int) -> None:
    """Where a pass changed nothing, say what is missing and wait: never turn in circles, never stop silently."""
    case = look(ref)
    if case.is_closed or case.version != version_before:
        return
    missing = "; ".join(f"{b.rule}: {b.missing}" for b in closure_blockers(case))
    problem = NothingMoved(f"Nothing moves. Missing: {missing}", f"`caseproof case why {ref}`, then try again.")
    say_trouble(ref, "the procedure", problem)
    ask(ref, TryAgain, str(problem), needed=lambda now: now.trouble is not None)
