"""One failing job, from the stop to the proof (J1 to J11)."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from caseproof.domain.vocabulary import Cause, Scope
from caseproof.procedure.containment.opening import Request
from tasks.common import KEEP_NOTHING, load_case, services
from tasks.display.showing import announce, show_the_case
from tasks.people import (
    hear_the_retailer,
    help_if_stuck,
    learn_the_cause,
    review_the_evidence,
    settle_the_account,
)
from tasks.runs.case_runs import take_up
from tasks.steps import (
    attach_the_picture,
    close_the_case,
    close_the_ticket,
    correct_the_notice,
    make_the_proof,
    note_on_the_ticket,
    open_the_ticket,
    photograph_the_run,
    recheck_job,
    run_it_again,
    set_the_schedule_live,
    stop_the_job,
    tell_it_works_again,
    tell_the_retailer,
    verify_the_run,
)
from tasks.trouble import carry, how_it_ended, read_answers


@flow(name="job-failure-case", **KEEP_NOTHING)
def job_failure_case(
    platform: str = "",
    job: str = "",
    cause: Cause = "unknown",
    what_fails: str = "",
    scope: Literal["by the policy", "job", "marketplace", "connection"] = "by the policy",
    ticket: str = "",
    opened_by: str = "an operator",
    case: str = "",
) -> State[Any]:
    """Carry a job-failure case: stop, tell, settle, run again, verify, prove, close.

    Args:
        platform: The name of the saved platform block that runs the job.
        job: The job; on Prefect `flow/deployment`.
        cause: Why it fails, as far as it is known; it chooses the words of the notice.
        what_fails: What fails, in a sentence; empty takes the message of the last failed run.
        scope: How far the stop reaches.
        ticket: An existing ticket to carry on; empty opens a new one (J1).
        opened_by: Who raises it.
        case: An existing case (JF-000001) to carry on; everything else stays empty then.
    """
    reach = None if scope == "by the policy" else Scope(scope)
    request = Request(
        platform=platform, job=job, by=opened_by, how="the Prefect UI's form", cause=cause, summary=what_fails,
        ticket=ticket, scope=reach,
    )  # fmt: skip
    ref = take_up(services(), request, case)
    if ref is None:
        return Completed(message="Another live run carries this case already; nothing was done twice.")
    read_answers(ref)
    announce(ref)
    while not load_case(ref).is_closed:
        before = load_case(ref).version
        carry(stop_the_job, ref)  # J2, J3: nothing else comes before it
        carry(open_the_ticket, ref)  # J1
        learn_the_cause(ref)  # house rule 11: suspends until somebody says it, where no signature does
        carry(tell_the_retailer, ref)  # J5
        carry(correct_the_notice, ref)  # J5: whoever was told another cause
        carry(note_on_the_ticket, ref)  # J8: what the retailer wrote, where the front line reads
        hear_the_retailer(ref)  # J8: suspends until somebody records the word, or does without
        settle_the_account(ref)  # J6: suspends until the team decides
        carry(run_it_again, ref)  # J10, while the schedule is still stopped
        carry(verify_the_run, ref)  # J10, J11: a failed one leads back to the decision
        carry(set_the_schedule_live, ref)  # J6
        carry(photograph_the_run, ref)  # J7, J8
        carry(attach_the_picture, ref)  # J7, J8
        review_the_evidence(ref)  # suspends until another person approves
        carry(recheck_job, ref)  # J10: no later run failed
        carry(make_the_proof, ref)
        carry(close_the_case, ref)  # J7, J8: the store refuses it without the proof
        help_if_stuck(ref, before)
    carry(close_the_ticket, ref)
    carry(tell_it_works_again, ref)  # J5: whoever was told that it failed
    show_the_case(ref)
    return Completed(message=how_it_ended(ref))
