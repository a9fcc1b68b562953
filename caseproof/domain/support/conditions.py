"""What the closing of a support case needs: its solution, the client told, and J7's or J8's proof of failing jobs."""

from __future__ import annotations

import re

from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.closure import Condition, Met, aware_time, follows, met_of
from caseproof.domain.emergency.closing import EMERGENCY_OVER
from caseproof.domain.substance import is_one_of, says_something
from caseproof.domain.support import payloads as says
from caseproof.domain.support.efforts import since
from caseproof.domain.support.vocabulary import Failing, Told

_PROVEN_BY = ("J7", "J8")
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_JOB_FAILURE = re.compile(r"JF-[0-9]{6,}", re.ASCII)


def _solved(case: Case) -> Met | None:
    fact = case.own.get("solution")
    if fact is None or not (says_something(fact["solution"]) and says_something(fact["checked"])):
        return None
    return met_of(fact)


def _told(case: Case) -> Met | None:
    """The client was told after the solution was stated, and has written nothing since that nobody answered."""
    fact = case.own.get("told")
    if fact is None or not is_one_of(fact["how"], Told) or not says_something(fact["words"]):
        return None
    if not str(fact["to"] or "").strip():
        return None
    wrote = max((one.seq for one in case.all_of(says.ClientWrote)), default=0)
    return met_of(fact) if follows(fact, case.own.get("solution")) and fact.seq > wrote else None


def linked_jobs(case: Case) -> list[str]:
    """The job-failure cases of the jobs that fail in this matter, in this opening."""
    return _linked_since(case, since(case))


def _linked_since(case: Case, seq: int) -> list[str]:
    """What was linked after this event, and not unlinked after that, in the order in which it was linked first."""
    unlinked = {str(fact.data["ref"]): fact.seq for fact in case.all_of(says.JobUnlinked)}
    linked = {str(fact.data["ref"]): fact.seq for fact in case.all_of(says.JobLinked) if fact.seq > seq}
    return [ref for ref, latest in linked.items() if latest > unlinked.get(ref, 0)]


def opened_for(case: Case, ref: str) -> bool:
    """Whether this case was opened because that job fails: then it is of this matter, whatever anybody says."""
    return any(fact.data["ref"] == ref and fact.get("opened_for") for fact in case.all_of(says.JobLinked))


def last_closing_of(case: Case, ref: str) -> FactOf[says.JobProven] | None:
    """The closing of a linked case that was written down last in this opening, whether it counts or not; else None."""
    found = [fact for fact in case.all_of(says.JobProven) if fact.data["ref"] == ref and fact.seq > since(case)]
    return found[-1] if found else None


def proof_of(case: Case, ref: str) -> FactOf[says.JobProven] | None:
    """The closing of a linked case, where its run was made since this one was opened last; else None.

    That a job ran before somebody said that it fails proves nothing (J11). A later look that saw the job fail again, or
    its case open, takes it away: that case has to close anew.
    """
    opened, found = case.last_opened, last_closing_of(case, ref)
    if found is None or opened is None:
        return None
    said = found.data
    holds = said["rule"] in _PROVEN_BY and _DIGEST.fullmatch(str(said["evidence"])) and _JOB_FAILURE.fullmatch(ref)
    looks = [look for look in case.all_of(says.SupportLookedAgain) if look.seq > found.seq]
    if any(ref in look.data["failed"] for look in looks if isinstance(look.data["failed"], list)):
        return None
    times = [aware_time(said[name]) for name in ("closed_at", "run_started_at") if name in said]  # older ones lack it
    return found if holds and all(time is not None and time >= opened.at for time in times) else None


def closed_with_a_run_of_before(case: Case) -> list[str]:
    """The linked cases that closed with the proof of a run of before this one was opened: each has to close anew."""
    opened = case.last_opened
    closings = [(ref, last_closing_of(case, ref)) for ref in linked_jobs(case)]
    began = [(ref, found.data.get("run_started_at")) for ref, found in closings if found is not None]
    times = [(ref, aware_time(text)) for ref, text in began if text is not None]
    return [ref for ref, time in times if time is None or (opened is not None and time < opened.at)]


def _proven(case: Case) -> Met | None:
    """Each linked job-failure case closed with its proof; at least one is linked."""
    found = [proof_of(case, ref) for ref in linked_jobs(case)]
    proven = [fact for fact in found if fact is not None]
    return met_of(*proven) if proven and len(proven) == len(found) else None


def _looked(case: Case) -> Met | None:
    fact = case.look
    if fact is None or fact["failed"] != []:
        return None
    before: list[Fact | None] = [case.own.get("solution"), case.own.get("told")]
    before += [proof_of(case, ref) for ref in linked_jobs(case)]
    return met_of(fact) if all(follows(fact, one) for one in before) else None


def a_job_fails(case: Case) -> bool:
    """Whether a job, a feed or a sync fails in this matter (J10): one is linked, or one was in an earlier opening, and
    nobody said in this one that none does."""
    if case.opened is None:
        return False
    if linked_jobs(case) or case.facts["failing"] != Failing.NO:
        return True
    said = any(fact.seq > since(case) for fact in case.all_of(says.SupportCorrected))
    return bool(_linked_since(case, 0)) and not said


def _always(_: Case) -> bool:
    return True


CONDITIONS: tuple[Condition, ...] = (
    Condition(
        "solved", "J11", "The solution is stated, with what was checked and seen.",
        "Let the tier that owns {ref} state the solution in its form.", _always, _solved,
    ),
    Condition(
        "told", "J5", "The client was told of the solution, and has written nothing since.",
        "Tell the client, and record how and in which words.", _always, _told,
    ),
    Condition(
        "proven", "J7, J8, J10", "Each job, feed or sync that failed has its own case, closed with its proof of a run "
        "that was made since this case was opened.",
        "Link the job-failure case of each job to {ref}, and close it; `caseproof case why JF-...` says what it needs. "
        "One that closed with an earlier run is opened again: `caseproof case open` with its job.",
        a_job_fails, _proven,
    ),
    Condition(
        "looked", "J10, J11", "At closing time the case was looked at again, and no linked job had failed since.",
        "Let the case's run look again.", _always, _looked,
    ),
    EMERGENCY_OVER,
)  # fmt: skip


def closure_rule(case: Case) -> str | None:
    """J7 or J8 where a job failed, by the proof of its case; else J11. None where no solution is stated yet."""
    if _solved(case) is None:
        return None
    if not a_job_fails(case):
        return "J11"
    rules = {fact.data["rule"] for ref in linked_jobs(case) if (fact := proof_of(case, ref)) is not None}
    return ", ".join(sorted(rules)) or None
