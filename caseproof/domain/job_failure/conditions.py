"""What the closing of a job failure needs (J7, J8), and what its procedure refuses besides.

The path follows from the decision: "after our fix" is J7 (technical), "after the retailer's change" and "remove" are J8
(confirmed change). Without a decision what every path needs is listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from caseproof.domain import payloads as says
from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.closure import Condition, Met, aware_time, closure_blockers, follows, met_of
from caseproof.domain.decisions import NEEDS, refuse_unchecked, refuse_unconfirmed
from caseproof.domain.emergency.closing import EMERGENCY_OVER
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.pictures import (
    is_of_two,
    kind_of_picture,
    of_another_kind,
    refuse_picture,
    what_waits,
)
from caseproof.domain.people import same_person
from caseproof.domain.vocabulary import BY_LOGIN, Decision, Picture


def _says(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip())


def _own_job_is(case: Case, jobs: Iterable[says.JobAtStop], *, active: bool) -> bool:
    """Whether the case's own job is among those read back, and all of them are (not) active."""
    own, read = case.opened.data["job"] if case.opened else None, list(jobs)
    return own in [job.get("job") for job in read] and all(job.get("active") is active for job in read)


# -- what each condition looks for ------------------------------------------------------------------------------


def _stopped(case: Case) -> Met | None:
    fact = case.contained
    if fact is None:
        return None
    if (cannot := fact.says(says.CannotStop)) is not None:  # J3: said, why, and who can
        return met_of(fact) if _says(cannot["why"]) and _says(cannot["who_can"]) else None
    stopped = fact.says(says.Stopped)
    if stopped is None:
        return None
    held = _own_job_is(case, stopped["jobs"], active=False)
    queued = any(job.get("waiting") != 0 for job in stopped["jobs"])
    return met_of(fact) if held and not queued else None


def _told(case: Case) -> Met | None:
    fact = case.notice
    if fact is None or not fact.data["accepted"] or not follows(fact, case.contained):  # J2: first the stop
        return None
    return met_of(fact)


def _ticket(case: Case) -> Met | None:
    return met_of(case.ticket) if case.ticket is not None and case.ticket.data["ticket"] else None


def _decision(case: Case) -> Met | None:
    fact = case.decision
    if fact is None or case.decided is None or NEEDS[case.decided].rule is None:
        return None
    return met_of(fact) if follows(fact, case.notice) else None


def _confirmed(case: Case) -> Met | None:
    """What was written before the decision that rests on it; a later word founds nothing."""
    said = _said(case)
    counting = [fact for fact in case.words if _before_decision(case, case.counts_since(fact))]
    return met_of(*(counting or said)) if said else None


def _agreed(case: Case) -> Met | None:
    """What others said, before the decision, of words that something speaks against."""
    agreed = [case.agreement_to(word) for word in _said(case)]
    before = [fact for fact in agreed if fact is not None and _before_decision(case, fact.seq)]
    return met_of(*before) if before else None


def _said(case: Case) -> list[FactOf[says.ConfirmationReceived]]:
    """The words that were there before the decision, also those that something speaks against."""
    said = (*case.words, *case.doubted)
    return sorted((fact for fact in said if _before_decision(case, fact.seq)), key=lambda fact: fact.seq)


def _before_decision(case: Case, number: int) -> bool:
    return case.decision is None or number < case.decision.seq


def _validated(case: Case) -> Met | None:
    """The change was looked at in the system, after the retailer had confirmed it (J8, J11)."""
    fact = case.validated
    if fact is None or not _says(fact.data["how"]):
        return None
    if not any(word.seq < fact.seq for word in (*case.words, *case.doubted)):
        return None
    return met_of(fact)


def _purpose(case: Case) -> str:
    return (NEEDS[case.decided].run if case.decided else None) or "rerun"


def _succeeded(case: Case) -> Met | None:
    """The run that we started after the decision, for its purpose, read back as successful."""
    run, read = case.run, case.verified
    if run is None or read is None or read.data["run"] != run.data["run"]:
        return None
    if not run.data["purpose"] == read.data["purpose"] == _purpose(case):
        return None
    started, ended = aware_time(read.data["started_at"]), aware_time(read.data["ended_at"])
    if started is None or ended is None or ended < started:
        return None
    if case.decision is not None and (run.seq < case.decision.seq or started < case.decision.at):
        return None
    return met_of(run, read)


def _live(case: Case) -> Met | None:
    fact = case.live
    if fact is None or not _own_job_is(case, fact.data["jobs"], active=True):
        return None
    return met_of(fact) if follows(fact, case.verified) and follows(fact, case.contained) else None


def _gone(case: Case) -> Met | None:
    """The removal's read-back: no active schedule and nothing queued."""
    read = case.verified
    if read is None or read.data.get("active") is not False or read.data.get("waiting") != 0:
        return None
    return met_of(read) if case.live is None else None  # set live after it was read back as gone


def _pictured(case: Case) -> Met | None:
    """The platform's own page of that run, taken after it finished, naming the run and its success; or a picture in
    its place, by two people."""
    photo, read = case.photo, case.verified
    if photo is None or photo.data["names_run"] is not True or photo.data["names_success"] is not True:
        return None
    taken = aware_time(photo.data["taken_at"])
    if taken is None or not photo.data["evidence"]:
        return None
    if case.run is not None and photo.data["run"] != case.run.data["run"]:
        return None
    ended = aware_time(read.data["ended_at"]) if read is not None else None
    if ended is not None and taken < ended:
        return None
    if kind_of_picture(case) is Picture.UPLOADED:
        return met_of(case.uploaded, photo) if is_of_two(case, photo) else None
    return met_of(photo)


def _attached(case: Case) -> Met | None:
    fact = _copy_on_ticket(case)
    return met_of(fact) if fact is not None else None


def _copy_on_ticket(case: Case) -> FactOf[says.Attached] | None:
    if case.photo is None:
        return None
    for fact in case.attached:
        same_ticket = case.ticket is None or fact.data["ticket"] == case.ticket.data["ticket"]
        if fact.data["evidence"] == case.photo.data["evidence"] and same_ticket:
            return fact
    return None


def _looked(case: Case) -> Met | None:
    """The last look at the job's later runs, after everything else, found none that failed."""
    fact = case.look
    if fact is None or fact.data["failed"] != []:
        return None
    others: tuple[Fact | None, ...] = (case.verified, case.live, case.photo, _copy_on_ticket(case), case.review)
    return met_of(fact) if all(follows(fact, other) for other in others) else None


def _reviewed(case: Case) -> Met | None:
    review = case.review
    if review is None or (case.photo is not None and review.seq < case.photo.seq):
        return None
    taken = case.decision.says(says.Decided) if case.decision else None
    if needs_login_to_review(case) and review.data.get("known_by") != BY_LOGIN:
        return None
    if case.decision is not None and taken is not None and taken["review"] == "another person":
        return None if same_person(review.actor, case.decision.actor) else met_of(review)
    return met_of(review)


# -- when each condition applies --------------------------------------------------------------------------------


def _always(_: Case) -> bool:
    return True


def _needs_confirmation(case: Case) -> bool:
    return case.decided is not None and NEEDS[case.decided].confirmation


def _needs_validation(case: Case) -> bool:
    return case.decided is not None and NEEDS[case.decided].validation


def _rests_on_doubted(case: Case) -> bool:
    """Whether the decision rests on the retailer's word, and nothing but what something speaks against was there."""
    said = _said(case)
    return _needs_confirmation(case) and bool(said) and all(word.data.get("doubts") for word in said)


def _removal(case: Case) -> bool:
    return case.decided is Decision.REMOVE


def _reactivation(case: Case) -> bool:
    return case.decided is not Decision.REMOVE


def _needs_review(case: Case) -> bool:
    taken = case.decision.says(says.Decided) if case.decision else None
    return taken is None or bool(taken["review"])


CONDITIONS: tuple[Condition, ...] = (
    Condition(
        "stopped", "J2, J3", "The job was stopped and read back as stopped, or the case says why not and who can.",
        "Run `caseproof case wake {ref}`: its first act is to stop the job.", _always, _stopped,
    ),
    Condition(
        "told", "J5", "The retailer was told what is wrong, what to do and what happens next.",
        "Check the retailer's contacts and the mail account; the case's run sends the notice.", _always, _told,
    ),
    Condition(
        "ticket", "J1", "The case has a ticket on the desk.",
        "Check the desk; the case's run opens the ticket.", _always, _ticket,
    ),
    Condition(
        "decided", "J6", "The team decided what becomes of the account. (Keeping it paused never closes a case.)",
        "Answer the form on the case's page or in the Prefect UI: what the retailer wrote, or the decision.",
        _always, _decision,
    ),
    Condition(
        "confirmed", "J8", "The retailer confirmed in writing.",
        "Record it: `caseproof case confirm {ref} --from ADDRESS --message FILE.eml --by NAME`.",
        _needs_confirmation, _confirmed,
    ),
    Condition(
        "agreed", "J8", "Something speaks against the retailer's word, and somebody else than who brought it in agreed "
        "that it counts, before the decision.",
        "Let somebody else on the team answer the case's form, and decide again; or ask the retailer to "
        "answer our mail.", _rests_on_doubted, _agreed,
    ),
    Condition(
        "validated", "J8, J9", "The change was validated in the system after the retailer confirmed it.",
        "Look at the change in the system; say what you saw there in the review, or in a new decision.",
        _needs_validation, _validated,
    ),
    Condition(
        "succeeded", "J7, J8, J10", "A run made after the decision was read back as successful.",
        "Let the case's run start the job again and read it back.", _always, _succeeded,
    ),
    Condition(
        "gone", "J8, J9", "The removal was read back: no active schedule, nothing queued.",
        "Find what starts the job again, end it, and decide the removal anew.", _removal, _gone,
    ),
    Condition(
        "live", "J6", "The schedule is live again and was read back as live.",
        "Check the platform; the case's run sets the schedule live after the verification.", _reactivation, _live,
    ),
    Condition(
        "pictured", "J7, J8", "A screenshot of that run's own page was taken after it ended, and shows its success.",
        "Check that the run's page opens without a login problem; the case's run takes the picture.",
        _always, _pictured, of_another_kind, what_waits,
    ),
    Condition(
        "attached", "J7, J8", "The screenshot is attached to the ticket and was read back there.",
        "Check the desk; the case's run attaches the picture.", _always, _attached,
    ),
    Condition(
        "reviewed", "J7, J8", "The policy asks for a review, and somebody on the team approved it.",
        "Answer the review form on the case's page, or in the Prefect UI where the policy takes that.",
        _needs_review, _reviewed,
    ),
    Condition(
        "looked", "J10, J11", "At closing time the job's later runs were read, and none had failed.",
        "Let the case's run look again; if a later run failed, the case goes back to the stop.", _always, _looked,
    ),
    EMERGENCY_OVER,
)  # fmt: skip


def owes_validation(case: Case) -> bool:
    """Whether the decision in force rests on a change that nobody has looked at in the system yet (J8, J11)."""
    return _needs_validation(case) and _validated(case) is None


def needs_login_to_review(case: Case) -> bool:
    """Whether the policy of the decision's time asks that the reviewer is known by a login."""
    taken = case.decision.says(says.Decided) if case.decision else None
    return taken is not None and taken.get("review_identity") == BY_LOGIN


def closure_rule(case: Case) -> str | None:
    """J7 or J8 by the decision in force; None where no decision leads to a closure."""
    return NEEDS[case.decided].rule if case.decided else None


def refuse_more(case: Case, event: Event) -> None:
    """Raise NotAllowed for what the lifecycle allows and the decisions do not."""
    if (decided := event.says(says.Decided)) is not None:
        _refuse_unfounded(case, decided)
    if (seen := event.says(says.ChangeValidated)) is not None:
        refuse_unchecked(seen["how"])
    refuse_picture(case, event)
    if (agreed := event.says(says.WordAgreed)) is not None:
        _refuse_own_agreement(case, event, agreed)
    if event.kind is Kind.REVIEW_APPROVED and needs_login_to_review(case) and event.data.get("known_by") != BY_LOGIN:
        raise NotAllowed(
            f"J8: the policy asks that {case.ref} is reviewed by somebody who is logged in.",
            "Open the case's page in the web app, log in, and review it there.",
        )
    if event.kind is Kind.REVIEW_APPROVED and owes_validation(case):
        raise NotAllowed(
            f"J8: {case.ref} went on when the retailer said that the change is made, and nobody has looked at it yet.",
            "Look at the change in the system and write down what you saw there; the retailer's word and a successful "
            "run are not that (J8, J11).",
        )
    if event.kind is Kind.SCHEDULE_LIVE and case.decided is Decision.REMOVE:
        raise NotAllowed(
            f"J9: {case.ref} removes the integration; its schedule does not go live again.",
            "Send the case back in the review if the account is to live on.",
        )


AT_THE_REVIEW = "at the review"
"""What a decision says of its validation where the case went on by itself: the reviewer does it before approving."""


def _refuse_own_agreement(case: Case, event: Event, agreed: says.WordAgreed) -> None:
    same = (agreed["sender"], agreed["evidence"])
    waiting = [word for word in case.doubted if (word.data["sender"], word.data["evidence"]) == same]
    if not waiting:
        raise NotAllowed(
            f"J8: no such word of {agreed['sender']} waits in {case.ref} for somebody to agree.",
            f"`caseproof case show {case.ref}` shows what does.",
        )
    if all(same_person(event.actor, word.actor) for word in waiting):
        raise NotAllowed(
            f"J8: {event.actor} brought in this word, and something speaks against it.",
            "Let somebody else on the team say whether it counts.",
        )


def _refuse_unfounded(case: Case, decided: says.Decided) -> None:
    word = decided["decision"]
    if word not in list(Decision):
        raise NotAllowed(f"'{word}' is no decision.", f"Choose one of {', '.join(Decision)}.")
    decision = Decision(word)
    if NEEDS[decision].rule is None:
        raise NotAllowed(f"'{decision}' is recorded as kept_paused, with its date.", "Use that event.")
    if NEEDS[decision].confirmation:
        refuse_unconfirmed(case, decision)
    if NEEDS[decision].validation and _validated(case) is None and not _may_be_validated_later(case, decided):
        raise NotAllowed(
            f"J8: '{decision}' needs the change validated in the system after the retailer confirmed it.",
            "Say what you checked there, and decide again.",
        )


def _may_be_validated_later(case: Case, decided: says.Decided) -> bool:
    """A reviewer will look, and the word says more than was known when it failed last (J11): one run a word."""
    if decided.get("validation") != AT_THE_REVIEW or not decided["review"]:
        return False
    return any(follows(word, case.last_failure) for word in case.words)


def waits_for_review_alone(case: Case) -> bool:
    """Whether nothing is missing but the review, and what is done with it or follows it by itself (J8)."""
    missing = {blocker.code for blocker in closure_blockers(case)}
    return "reviewed" in missing and missing <= {"reviewed", "validated", "looked"}
