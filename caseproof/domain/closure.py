"""Closing is a theorem: one table says what a closure needs, and both the refusal and the proof are read from it.

A condition names its rule, says in a sentence what must hold, finds what meets it in the case, and says what to do when
nothing does. ``closure_blockers`` lists the conditions that are not met; ``conditions_met`` lists the evidence for
those that are. Nothing else in the product decides whether a case may close.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from caseproof.domain import lifecycle
from caseproof.domain.case import Case, Fact
from caseproof.domain.decisions import NEEDS, Decision, same_person
from caseproof.domain.errors import ClosureRefused, NotAllowed
from caseproof.domain.events import Event, Kind


@dataclass(frozen=True, slots=True)
class Met:
    """What meets a condition: evidence files by digest (hex SHA-256), and events by their number."""

    evidence: tuple[str, ...] = ()
    events: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing a closure needs. ``met_by`` returns None where nothing in the case meets it."""

    code: str
    rule: str
    sentence: str
    next_action: str
    applies: Callable[[Case], bool]
    met_by: Callable[[Case], Met | None]


@dataclass(frozen=True, slots=True)
class Blocker:
    """A condition that nothing meets yet."""

    code: str
    rule: str
    missing: str
    next_action: str


def _met(*facts: Fact | None) -> Met:
    present = [fact for fact in facts if fact is not None]
    evidence = [fact["evidence"] for fact in present if fact.get("evidence")]
    return Met(tuple(evidence), tuple(fact.seq for fact in present))


def _when(text: Any) -> datetime | None:
    """The time, or None where it is none or says no zone: what cannot be compared meets nothing."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else None


def _says(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip())


def _own_job_is(case: Case, jobs: Any, *, active: bool) -> bool:
    """Whether the case's own job is among those read back, and all of them are (not) active."""
    own = case.opened["job"] if case.opened else None
    return own in [job.get("job") for job in jobs] and all(job.get("active") is active for job in jobs)


def _follows(later: Fact, earlier: Fact | None) -> bool:
    return earlier is None or earlier.seq < later.seq


# -- what each condition looks for ------------------------------------------------------------------------------


def _stopped(case: Case) -> Met | None:
    fact = case.contained
    if fact is None:
        return None
    if fact.event.kind is Kind.CANNOT_STOP:  # J3: said, why, and who can
        return _met(fact) if _says(fact["why"]) and _says(fact["who_can"]) else None
    held = _own_job_is(case, fact["jobs"], active=False)
    queued = any(job.get("waiting") != 0 for job in fact["jobs"])
    return _met(fact) if held and not queued else None


def _told(case: Case) -> Met | None:
    fact = case.notice
    if fact is None or not fact["accepted"] or not _follows(fact, case.contained):  # J2: first the stop
        return None
    return _met(fact)


def _ticket(case: Case) -> Met | None:
    return _met(case.ticket) if case.ticket is not None and case.ticket["ticket"] else None


def _decision(case: Case) -> Met | None:
    fact = case.decision
    if fact is None or case.decided is None or NEEDS[case.decided].rule is None:
        return None
    return _met(fact) if _follows(fact, case.notice) else None


def _confirmed(case: Case) -> Met | None:
    """What was written before the decision that rests on it; a later word founds nothing."""
    written = [fact for fact in case.words if case.decision is None or fact.seq < case.decision.seq]
    return _met(*written) if written else None


def _validated(case: Case) -> Met | None:
    """The change was looked at in the system, after the retailer had confirmed it (J8, J11)."""
    fact = case.validated
    if fact is None or not _says(fact["how"]):
        return None
    if not any(word.seq < fact.seq for word in case.words):
        return None
    return _met(fact)


def _purpose(case: Case) -> str:
    return (NEEDS[case.decided].run if case.decided else None) or "rerun"


def _succeeded(case: Case) -> Met | None:
    """The run that we started after the decision, for its purpose, read back as successful."""
    run, read = case.run, case.verified
    if run is None or read is None or read["run"] != run["run"]:
        return None
    if not run["purpose"] == read["purpose"] == _purpose(case):
        return None
    started, ended = _when(read["started_at"]), _when(read["ended_at"])
    if started is None or ended is None or ended < started:
        return None
    if case.decision is not None and (run.seq < case.decision.seq or started < case.decision.at):
        return None
    return _met(run, read)


def _live(case: Case) -> Met | None:
    fact = case.live
    if fact is None or not _own_job_is(case, fact["jobs"], active=True):
        return None
    return _met(fact) if _follows(fact, case.verified) and _follows(fact, case.contained) else None


def _gone(case: Case) -> Met | None:
    """The removal's read-back: no active schedule and nothing queued."""
    read = case.verified
    if read is None or read.get("active") is not False or read.get("waiting") != 0:
        return None
    return _met(read) if case.live is None else None  # set live after it was read back as gone


def _pictured(case: Case) -> Met | None:
    """The platform's own page of that run, taken after it finished, naming the run and its success."""
    photo, read = case.photo, case.verified
    if photo is None or photo["names_run"] is not True or photo["names_success"] is not True:
        return None
    taken = _when(photo["taken_at"])
    if taken is None or not photo["evidence"]:
        return None
    if case.run is not None and photo["run"] != case.run["run"]:
        return None
    ended = _when(read["ended_at"]) if read is not None else None
    if ended is not None and taken < ended:
        return None
    return _met(photo)


def _attached(case: Case) -> Met | None:
    fact = _copy_on_ticket(case)
    return _met(fact) if fact is not None else None


def _copy_on_ticket(case: Case) -> Fact | None:
    if case.photo is None:
        return None
    for fact in case.attached:
        same_ticket = case.ticket is None or fact["ticket"] == case.ticket["ticket"]
        if fact["evidence"] == case.photo["evidence"] and same_ticket:
            return fact
    return None


def _looked(case: Case) -> Met | None:
    """The last look at the job's later runs, after everything else, found none that failed."""
    fact = case.look
    if fact is None or fact["failed"] != []:
        return None
    others = (case.verified, case.live, case.photo, _copy_on_ticket(case), case.review)
    return _met(fact) if all(_follows(fact, other) for other in others) else None


def _reviewed(case: Case) -> Met | None:
    review = case.review
    if review is None or (case.photo is not None and review.seq < case.photo.seq):
        return None
    if case.decision is not None and case.decision.get("review") == "another person":
        return None if same_person(review.actor, case.decision.actor) else _met(review)
    return _met(review)


# -- when each condition applies --------------------------------------------------------------------------------


def _always(_: Case) -> bool:
    return True


def _needs_confirmation(case: Case) -> bool:
    return case.decided is not None and NEEDS[case.decided].confirmation


def _needs_validation(case: Case) -> bool:
    return case.decided is not None and NEEDS[case.decided].validation


def _removal(case: Case) -> bool:
    return case.decided is Decision.REMOVE


def _reactivation(case: Case) -> bool:
    return case.decided is not Decision.REMOVE


def _needs_review(case: Case) -> bool:
    return case.decision is None or bool(case.decision.get("review", "anybody"))


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
        "Answer the form of the case's run in the Prefect UI: what the retailer wrote, or the decision.",
        _always, _decision,
    ),
    Condition(
        "confirmed", "J8", "The retailer confirmed in writing.",
        "Record it: `caseproof case confirm {ref} --from ADDRESS --message FILE.eml`.",
        _needs_confirmation, _confirmed,
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
        _always, _pictured,
    ),
    Condition(
        "attached", "J7, J8", "The screenshot is attached to the ticket and was read back there.",
        "Check the desk; the case's run attaches the picture.", _always, _attached,
    ),
    Condition(
        "reviewed", "J7, J8", "The policy asks for a review, and somebody on the team approved it.",
        "Answer the review form of the case's run in the Prefect UI.", _needs_review, _reviewed,
    ),
    Condition(
        "looked", "J10, J11", "At closing time the job's later runs were read, and none had failed.",
        "Let the case's run look again; if a later run failed, the case goes back to the stop.", _always, _looked,
    ),
)  # fmt: skip


def closure_blockers(case: Case) -> list[Blocker]:
    """What blocks the closure of ``case``, each with its rule and the next action; empty when nothing does.

    The path follows from the decision: "after our fix" is J7 (technical), "after the retailer's change" and "remove"
    are J8 (confirmed change). Without a decision what every path needs is listed.
    """
    return [
        Blocker(c.code, c.rule, c.sentence, c.next_action.format(ref=case.ref))
        for c in CONDITIONS
        if c.applies(case) and c.met_by(case) is None
    ]


def owes_validation(case: Case) -> bool:
    """Whether the decision in force rests on a change that nobody has looked at in the system yet (J8, J11)."""
    return _needs_validation(case) and _validated(case) is None


def conditions_met(case: Case) -> list[tuple[Condition, Met]]:
    """The conditions that apply and are met, each with what meets it."""
    found = [(c, c.met_by(case)) for c in CONDITIONS if c.applies(case)]
    return [(condition, met) for condition, met in found if met is not None]


def closure_rule(case: Case) -> str | None:
    """J7 or J8 by the decision in force; None where no decision leads to a closure."""
    return NEEDS[case.decided].rule if case.decided else None


LOOK_HOLDS = timedelta(minutes=15)
"""How long the last look counts as "at closing time"."""


def may_close(case: Case, closing: Event) -> bool:
    """Whether nothing blocks, and ``closing`` names a proof of exactly what is known, made after a fresh look."""
    if case.opened is None or closure_blockers(case) or not proof_holds(case):
        return False
    return is_fresh(case, closing.at) and case.proof is not None and closing.data["proof"] == case.proof["evidence"]


def is_fresh(case: Case, now: datetime) -> bool:
    """Whether the last look at the job is recent enough to close on."""
    return case.look is not None and now - case.look.at <= LOOK_HOLDS


def proof_holds(case: Case) -> bool:
    """Whether the proof is new, follows all that it rests on, and says the rule and the head of its moment."""
    proof, opened = case.proof, case.last_opened
    if proof is None or opened is None or case.look is None or not _follows(proof, case.look):
        return False
    if proof["rule"] != closure_rule(case) or proof["head"] != case.head_before_proof:
        return False
    if any(number > proof.seq for _, met in conditions_met(case) for number in met.events):
        return False
    used = [e.data["evidence"] for e in case.events[: opened.seq] if e.kind is Kind.PROOF_MADE]
    return proof["evidence"] not in used


def refuse_closure(case: Case, closing: Event | None = None) -> None:
    """Raise ClosureRefused with every missing item, unless the case may close (by ``closing``)."""
    blockers = closure_blockers(case)
    if blockers:
        lines = "; ".join(f"{b.rule}: {b.missing} ({b.next_action})" for b in blockers)
        raise ClosureRefused(f"{case.ref} may not close. Missing: {lines}", f"`caseproof case why {case.ref}`")
    if closing is None or not may_close(case, closing):
        raise ClosureRefused(
            f"{case.ref} has no proof made of what is known now, after a look at the job in the last "
            f"{LOOK_HOLDS.seconds // 60} minutes.",
            "Let the case's run look again and make the proof.",
        )


def refuse_event(case: Case, event: Event) -> None:
    """Raise NotAllowed if the procedure does not allow ``event`` on ``case`` now (asked before every append)."""
    before = case.state if case.version else None
    if not lifecycle.allowed(before, event.kind):
        at = f"is {case.state}: {lifecycle.SENTENCES[case.state]}" if case.version else "does not exist yet"
        raise NotAllowed(
            f"'{event.kind}' cannot happen now: {case.ref} {at}",
            f"See what comes next with `caseproof case why {case.ref}`.",
        )
    if event.kind is Kind.DECIDED:
        _refuse_unfounded(case, event)
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
    if event.kind is Kind.CLOSED:
        refuse_closure(case, event)


AT_THE_REVIEW = "at the review"
"""What a decision says of its validation where the case went on by itself: the reviewer does it before approving."""


def _refuse_unfounded(case: Case, decided: Event) -> None:
    word = decided.data["decision"]
    if word not in list(Decision):
        raise NotAllowed(f"'{word}' is no decision.", f"Choose one of {', '.join(Decision)}.")
    decision = Decision(word)
    if NEEDS[decision].rule is None:
        raise NotAllowed(f"'{decision}' is recorded as kept_paused, with its date.", "Use that event.")
    if NEEDS[decision].confirmation and not case.words:
        raise NotAllowed(
            f"J8: '{decision}' needs the retailer's written confirmation.",
            f"`caseproof case confirm {case.ref} --from ADDRESS --message FILE.eml`",
        )
    if NEEDS[decision].validation and _validated(case) is None and not _may_be_validated_later(case, decided):
        raise NotAllowed(
            f"J8: '{decision}' needs the change validated in the system after the retailer confirmed it.",
            "Say what you checked there, and decide again.",
        )


def _may_be_validated_later(case: Case, decided: Event) -> bool:
    """A reviewer will look, and the word says more than was known when it failed last (J11): one run a word."""
    if decided.data.get("validation") != AT_THE_REVIEW or not decided.data["review"]:
        return False
    return any(_follows(word, case.last_failure) for word in case.words)
