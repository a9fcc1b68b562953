"""The steps of a job-failure case as tasks. Each ensures one thing, and does nothing where it is done already.

The idempotency key of every effect is written beside it; ``caseproof.procedure`` claims an intent under that key, does
the effect once and reads it back (house rule 2).
"""

from __future__ import annotations

from prefect import task

from caseproof.domain.errors import CaseproofError
from caseproof.domain.lifecycle import State
from caseproof.procedure import containment, opening, proving, running, telling, ticket
from tasks.common import load_desk, load_platform, load_sender, look, office, patient, runner_of


class StillRunning(CaseproofError):
    """The run takes longer than the policy polls in place."""


@task(name="stop the job", **patient())
def stop_the_job(ref: str) -> None:
    """J2, J3. Key: REF/round/stop/job."""
    if look(ref).contained is None:
        containment.contain(office(), load_platform(look(ref).facts["platform"]), ref)


@task(name="open the ticket", **patient())
def open_the_ticket(ref: str) -> None:
    """J1. Key: REF/ticket; the desk looks for the case's reference first."""
    if look(ref).ticket is None:
        ticket.ensure_ticket(office(), load_desk(), ref)


@task(name="tell the retailer", **patient())
def tell_the_retailer(ref: str) -> None:
    """J5. Key: REF/round/notice; a repeated sending carries the same Message-ID."""
    if look(ref).notice is None:
        opening.read_whose_job(office(), lambda: load_platform(look(ref).facts["platform"]), ref)
        telling.tell_retailer(office(), load_sender(), ref)


@task(name="run it again", **patient())
def run_it_again(ref: str) -> None:
    """J10. Key: REF:purpose:attempt, which the platform takes as the run's own idempotency key."""
    if look(ref).state is State.DECIDED:
        running.start_run(office(), runner_of(look(ref)), ref)


@task(name="verify the run", **patient())
def verify_the_run(ref: str) -> None:
    """J10, J11: read the run from the platform until it is over. Reads only."""
    case = look(ref)
    if case.state is not State.RUNNING or case.run is None:
        return
    run = running.await_run(office(), runner_of(case), case.run["run"])
    if run is None:
        raise StillRunning(f"The run {case.run['name']} is still going.", "Resume when it is over; it is read then.")
    running.verify(office(), load_platform(case.facts["platform"]), ref, run)


@task(name="set the schedule live", **patient())
def set_the_schedule_live(ref: str) -> None:
    """J6, after the verification only. Key: REF/round/live/attempt/job."""
    case = look(ref)
    if case.verified is not None:
        running.go_live(office(), load_platform(case.facts["platform"]), ref)


@task(name="photograph the run", **patient())
def photograph_the_run(ref: str) -> None:
    """J7, J8: a picture of the platform's own page of the verified run. Reads only."""
    case = look(ref)
    if case.verified is not None and case.photo is None:
        proving.take_photo(office(), runner_of(case), ref)


@task(name="attach the picture", **patient())
def attach_the_picture(ref: str) -> None:
    """J7, J8. Key: REF/attach/digest; the desk's own list is read back."""
    if look(ref).photo is not None:
        ticket.attach_photo(office(), load_desk(), ref)


@task(name="look again", **patient())
def look_again(ref: str) -> None:
    """J10, J11: whether a later run of the job failed. Reads only."""
    case = look(ref)
    if case.photo is None or (case.state is State.VERIFIED and _wants_review(ref)):
        return
    running.look_again(office(), load_platform(case.facts["platform"]), ref)


def _wants_review(ref: str) -> bool:
    case = look(ref)
    return bool(case.decision and case.decision.get("review")) and case.review is None


@task(name="make the proof", **patient())
def make_the_proof(ref: str) -> None:
    """J7, J8: one file that states why the closure is allowed. Refused with what is missing."""
    if look(ref).look is not None:
        proving.make_proof(office(), ref)


@task(name="close the case", **patient())
def close_the_case(ref: str) -> None:
    """J7, J8: attach the proof, then close; the store refuses it without a proof of this opening."""
    if look(ref).proof is not None:
        proving.close(office(), load_desk(), ref)


@task(name="close the ticket", **patient())
def close_the_ticket(ref: str) -> None:
    """After the case: the ticket's status, read back from the desk."""
    if look(ref).is_closed:
        ticket.close_ticket(office(), load_desk(), ref)
