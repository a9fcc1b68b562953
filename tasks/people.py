"""The steps in which a person acts: the retailer's word, the team's decision, the review.

Plain functions and not tasks, because asking suspends the run, which Prefect does not allow inside a task.
"""

from __future__ import annotations

from typing import cast

from prefect import get_run_logger

from caseproof.domain.case import Case, Fact
from caseproof.domain.closure import closure_blockers
from caseproof.domain.codes import Code, StepName
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.conditions import owes_validation
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Choice
from caseproof.procedure.answers import word
from caseproof.procedure.closing import deciding
from caseproof.procedure.core.office import US
from caseproof.procedure.core.texts import plain, short
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
            f"{_stop_and_notice(case)} **Now record what the retailer wrote (J8){_or_the_reply(case)}.** Without their "
            "word you can go on to 'reactivate after our fix' (J7) or 'keep paused' (J6), and to nothing else.",
            needed=_waits_for_word,
        )
        return
    act_on(ref, answer, lambda form: _take_word(ref, answer, cast(RetailersWord, form)))


def _stop_and_notice(case: Case) -> str:
    held = "The job is stopped (J2)" if case.stopped_jobs else "The job cannot be stopped from our side (J3)"
    return f"{held}, and the retailer was told (J5)."


def _or_the_reply(case: Case) -> str:
    return ", or say that the newest reply above counts, or that you answered it" if case.open_replies else ""


def _waits_for_word(case: Case) -> bool:
    answer = answer_to(case, RetailersWord)
    without = answer is not None and answer["answer"].get("what") == Word.WITHOUT
    return case.state in OPEN_FOR_DECISION and not case.confirmations and not without


def _take_word(ref: str, answer: Fact, form: RetailersWord) -> None:
    member = require_member(form.answered_by, office().policy.team)
    if form.what is Word.WROTE:
        word.confirm_by_form(
            office().ledger,
            office().files,
            ref,
            sender=form.sender,
            words=form.message,
            recorded_by=member,
            question=answer["number"],
        )
    if form.what is Word.COUNTS:
        word.confirm_by_reply(office().ledger, ref, recorded_by=member, question=answer["number"])
    if form.what is Word.ANSWERED:
        word.reply_answered(office().ledger, ref, by=member, question=answer["number"])
    deciding.looked_at(office().ledger, ref, by=member, question=answer["number"])


_WHAT_TO_DECIDE = (
    "**Now decide what becomes of the account (J6).** 'After the retailer's change' and 'remove' need the retailer's "
    "written word (J8, J9); 'keep paused' leaves the case open. Nobody's word closes it: a run does, read back as "
    "successful (J10, J11)."
)


def settle_the_account(ref: str) -> None:
    """J6: the team decides what becomes of the account, or has decided that a clear word leads to the re-run."""
    case = look(ref)
    if not _waits_for_decision(case):
        return
    answer = answer_to(case, AccountDecision)
    if answer is None:
        if deciding.goes_on_by_itself(office().ledger, office().policy, ref):
            get_run_logger().info("%s goes on: the retailer clearly said that the change is made.", ref)
            return
        paused = f"The account is kept paused until **{case.paused_until}**. " if case.paused_until else ""
        ask(ref, AccountDecision, f"{paused}{_why_not_by_itself(case)}{_WHAT_TO_DECIDE}", needed=_needs_a_person)
        return
    act_on(ref, answer, lambda form: _take_decision(ref, answer, cast(AccountDecision, form)))


def _why_not_by_itself(case: Case) -> str:
    """What a team that lets clear words go on wants to know where one did not."""
    clear = [word for word in case.words if word["by_way_of"] in office().policy.answers.by_itself]
    if not any(word.get("choice") == Choice.CHANGED for word in clear):
        return ""
    return (
        "Their 'I made the change' waits for you: something else was said since the notice, or a run has failed after "
        "it. "
    )


def _waits_for_decision(case: Case) -> bool:
    return case.state in OPEN_FOR_DECISION and not _waits_for_word(case)


def _needs_a_person(case: Case) -> bool:
    """A clear word may have come while the question was made: then nobody is asked."""
    return _waits_for_decision(case) and deciding.clear_word(office().store, office().policy, case) is None


def _take_decision(ref: str, answer: Fact, form: AccountDecision) -> None:
    deciding.decide(
        office().ledger,
        office().policy,
        ref,
        decision=form.decision,
        by=form.answered_by,
        reason=form.reason,
        checked=form.checked,
        until=deciding.read_date(form.paused_until),
        question=answer["number"],
    )
    deciding.looked_at(office().ledger, ref, by=form.answered_by, question=answer["number"])


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
    return case.state is State.VERIFIED and "reviewed" in missing and missing <= {"reviewed", "validated", "looked"}


def _what_to_review(case: Case) -> str:
    run = case.verified
    decision = case.decision
    if run is None or case.photo is None or decision is None:
        raise CaseproofError(f"{case.ref} has no evidence to review yet.", "Let the case's run gather it first.")
    picture = f"{office().settings.public}/evidence/{case.photo['evidence']}"
    checked = f" Checked in the system: {plain(short(case.validated['how']))}" if case.validated else ""
    ended = f"{run['ended_at'][:16].replace('T', ' ')} UTC"
    another = f" The policy asks for somebody else than {plain(decision.actor)}." if _another(decision) else ""
    return (
        f"Decided by {plain(decision.actor)} (J6): {plain(case.decided or '')}. {plain(short(decision['reason']))}"
        f"{checked}\n\n"
        f"[{plain(run['name'])}]({run['url']}) was read back as **{plain(run['said'])}** (J10), ended {ended}. "
        f"[Its picture]({picture}) is attached to the ticket (J7, J8):\n\n"
        f"![the run's own page]({picture})\n\n"
        f"**Now review: does the picture show this run, and that it succeeded?**{another}{_look_at_the_change(case)}"
    )


def _another(decision: Fact) -> bool:
    return bool(decision.get("review") == "another person") and decision.actor != US


def _look_at_the_change(case: Case) -> str:
    """What is asked of the reviewer of a case that went on by itself (J8)."""
    if not owes_validation(case):
        return ""
    return (
        " **Then look at the change in the system (J8): nobody has yet.** The retailer's word and a successful run are "
        "not that (J11). Say below what you looked at and what you saw; without it the approval is not taken."
    )


def _take_review(ref: str, answer: Fact, form: Form) -> None:
    review = cast(Review, form)
    deciding.review(
        office().ledger, office().policy.team, ref, approved=review.verdict is Verdict.APPROVE, by=review.answered_by,
        remark=review.remark, checked=review.checked, question=answer["number"],
    )  # fmt: skip
    deciding.looked_at(office().ledger, ref, by=review.answered_by, question=answer["number"])


class NothingMoved(CaseproofError):
    """A whole pass over the procedure changed nothing: a person has to look."""

    code = Code.NOTHING_MOVED


def help_if_stuck(ref: str, version_before: int) -> None:
    """Where a pass changed nothing, say what is missing and wait: never turn in circles, never stop silently."""
    case = look(ref)
    if case.is_closed or case.version != version_before:
        return
    missing = "; ".join(f"{b.rule}: {b.missing}" for b in closure_blockers(case))
    problem = NothingMoved(f"Nothing moves. Missing: {missing}", f"`caseproof case why {ref}`, then try again.")
    say_trouble(ref, StepName.THE_PROCEDURE, problem)
    ask(ref, TryAgain, plain(problem), needed=lambda now: now.trouble is not None)
