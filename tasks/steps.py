"""The steps of a job-failure case as tasks. Each ensures one thing, and no task runs where nothing is left to do.

The idempotency key of every effect is written beside it; ``caseproof.procedure`` claims an intent under that key, does
the effect once and reads it back (house rule 2).
"""

from __future__ import annotations

from collections.abc import Callable

from prefect import task

from caseproof.domain.case import Case
from caseproof.domain.codes import Code, StepName
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.job_failure.owing import is_to_be_told_the_end, owes_ticket_closing
from caseproof.domain.owing import has_open_ticket, is_ticket_missed
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.page_check import NotTheRun
from caseproof.evidence.screenshot import ScreenshotFailed
from caseproof.platforms.base import PlatformCannot, PlatformRefused
from caseproof.procedure.closing import pictures, proving, running, ticket
from caseproof.procedure.containment import containment, opening
from caseproof.procedure.containment.stop import held_jobs
from caseproof.procedure.core import causes
from caseproof.procedure.notify import correcting, recovery, telling
from tasks.common import desk_of, load_case, load_desk, load_platform, load_sender, patient, ports, runner_of, services
from tasks.display.showing import show_the_job_run, show_the_picture, show_the_proof
from tasks.ports import Step


class StillRunning(CaseproofError):
    """The run takes longer than the policy polls in place."""

    code = Code.STILL_RUNNING


def step(
    name: StepName, rules: str, *, due: Callable[[Case], bool], called: str = ""
) -> Callable[[Callable[[str], None]], Step]:
    """Make a step of a function. In the Prefect UI its task run is called ``name (rules)``, or ``called (rules)``."""

    def make(function: Callable[[str], None]) -> Step:
        shown = called or str(name)
        return Step(str(name), task(name=shown, task_run_name=f"{shown} ({rules})", **patient())(function), due)

    return make


@step(StepName.STOP_THE_JOB, "J2", due=lambda case: case.contained is None)
def stop_the_job(ref: str) -> None:
    """J2, J3. Key: REF/round/stop/job."""
    containment.contain(services().stopping, load_platform(load_case(ref).facts["platform"]), ref)


@step(StepName.OPEN_THE_TICKET, "J1", due=lambda case: not has_open_ticket(case) or is_ticket_missed(case))
def open_the_ticket(ref: str) -> None:
    """J1. Key: REF/ticket; the desk looks for the case's reference first. A reopened case opens its own again."""
    name = ticket.desk_to_open_on(services().policy, load_case(ref))
    ticket.ensure_ticket(services().ledger, services().effects, services().links, load_desk(name), ref, desk_name=name)


def _is_to_be_told(case: Case) -> bool:
    return case.notice is None and causes.may_tell(services().policy.keeper, case)


@step(StepName.TELL_THE_RETAILER, "J5", due=_is_to_be_told)
def tell_the_retailer(ref: str) -> None:
    """J5. Key: REF/round/notice, and -2, -3, ... for more contacts; a repeated letter carries the same Message-ID."""
    opening.read_whose_job(services().ledger, lambda: load_platform(load_case(ref).facts["platform"]), ref)
    telling.tell_retailer(services().ledger, services().dispatch(load_sender()), services().policy, ref)


@step(
    StepName.CORRECT_THE_NOTICE, "J5", due=lambda case: correcting.owes_letters(services().store, case)
)  # fmt: skip
def correct_the_notice(ref: str) -> None:
    """J5: who was told another cause is told the right one. Key: REF/opening/correction/event, and -2, -3, ..."""
    correcting.tell_correction(services().ledger, services().dispatch(load_sender()), services().policy, ref)


@step(StepName.NOTE_ON_THE_TICKET, "J8", due=lambda case: bool(ticket.words_to_note(services().store, case)))
def note_on_the_ticket(ref: str) -> None:
    """J8: what the retailer wrote, for the front line. Key: REF/note/kind/digest."""
    ticket.note_words(services().ledger, services().effects, services().links, desk_of(ref), ref)


@step(StepName.RUN_IT_AGAIN, "J9, J10", due=lambda case: case.state is State.DECIDED)
def run_it_again(ref: str) -> None:
    """J10, or J9 for a removal. Key: REF:purpose:attempt, which the platform takes as the run's own idempotency key."""
    running.start_run(services().ledger, services().effects, runner_of(load_case(ref)), ref)


@step(StepName.VERIFY_THE_RUN, "J10, J11", due=lambda case: case.state is State.RUNNING)
def verify_the_run(ref: str) -> None:
    """J10, J11: read the run from the platform until it is over. Reads only."""
    case = load_case(ref)
    if case.run is None:
        return
    run = running.await_run(
        runner_of(case),
        case.run.data["run"],
        patience=services().policy.run_patience_seconds,
        clock=services().clock,
        sleep=services().sleep,
    )
    if run is None:
        raise StillRunning(f"The run {case.run['name']} is still going.", "Resume when it is over; it is read then.")
    running.verify(services().ledger, services().files, load_platform(case.facts["platform"]), ref, run)
    show_the_job_run(load_case(ref))


def _is_not_live(case: Case) -> bool:
    if case.verified is None or case.decided is not Decision.REMOVE:
        return case.verified is not None and case.live is None
    neighbours = [job for job in held_jobs(case) if job["was_active"] and job["job"] != case.facts["job"]]
    return bool(neighbours) and case.neighbours_live is None


@step(StepName.SET_THE_SCHEDULE_LIVE, "J6", due=_is_not_live)
def set_the_schedule_live(ref: str) -> None:
    """J6, after the verification only. Key: REF/round/live/attempt/job."""
    running.go_live(services().ledger, services().effects, load_platform(load_case(ref).facts["platform"]), ref)


@step(StepName.PHOTOGRAPH_THE_RUN, "J7, J8", due=lambda case: case.verified is not None and case.photo is None)
def photograph_the_run(ref: str) -> None:
    """J7, J8: a picture of the platform's own page of the verified run; where none can be taken, a person may upload
    one. Reads only."""
    here, case = services(), load_case(ref)
    pictures.refuse_while_waiting(case, here.links)
    try:
        allowed = here.policy.closing.rendered_pages
        proving.take_photo(here.ledger, here.files, runner_of(case), ref, ports().camera, rendered_pages=allowed)
    except (PlatformCannot, PlatformRefused, ScreenshotFailed, NotTheRun, proving.RenderedPageRefused) as problem:
        pictures.offer_upload(problem, here.policy.closing, here.links, case)
        raise
    show_the_picture(load_case(ref))


def _is_not_attached(case: Case) -> bool:
    return case.photo is not None and not ticket.is_attached(case, case.photo.data["evidence"])


@step(StepName.ATTACH_THE_PICTURE, "J7, J8", due=_is_not_attached)
def attach_the_picture(ref: str) -> None:
    """J7, J8. Key: REF/attach/digest; the desk's own list is read back."""
    ticket.attach_photo(services().ledger, services().vault, services().effects, desk_of(ref), ref)


def _may_look_again(case: Case) -> bool:
    reviewed = not (case.decision and case.decision.get("review")) or case.review is not None
    return case.photo is not None and not case.is_closed and (reviewed or case.state is not State.VERIFIED)


@step(StepName.LOOK_AGAIN, "J10, J11", due=_may_look_again)
def recheck_job(ref: str) -> None:
    """J10, J11: whether a later run of the job failed. Reads only."""
    running.recheck_job(services().ledger, services().files, load_platform(load_case(ref).facts["platform"]), ref)


@step(StepName.MAKE_THE_PROOF, "J7, J8", due=lambda case: case.look is not None and not case.is_closed)
def make_the_proof(ref: str) -> None:
    """J7, J8: one file that states why the closure is allowed. Refused with what is missing, and what the policy takes
    no more."""
    pictures.refuse_unwanted(load_case(ref), services().policy.closing, services().links)
    proving.make_proof(services().ledger, services().files, services().proofs, ref)


@step(StepName.CLOSE_THE_CASE, "J7, J8", due=lambda case: case.proof is not None and not case.is_closed)
def close_the_case(ref: str) -> None:
    """J7, J8: attach the proof, then close; the store refuses it without a proof of this opening."""
    pictures.refuse_unwanted(load_case(ref), services().policy.closing, services().links)
    proving.close(services().ledger, services().vault, services().effects, desk_of(ref), ref)
    show_the_proof(load_case(ref))


@step(StepName.CLOSE_THE_TICKET, "J7, J8", due=owes_ticket_closing)
def close_the_ticket(ref: str) -> None:
    """After the case: the ticket's status, read back from the desk."""
    ticket.close_ticket(services().ledger, services().links, desk_of(ref), ref)


@step(StepName.TELL_IT_WORKS_AGAIN, "J5", due=is_to_be_told_the_end, called="tell the retailer how it ended")
def tell_it_works_again(ref: str) -> None:
    """After all else, once a closing. Key: REF/opening/recovery; a repeated letter carries the same Message-ID."""
    recovery.tell_recovery(services().ledger, services().dispatch(load_sender()), ref)
