"""What the ``remove-integration`` deployment does (J9)."""

from __future__ import annotations

from prefect import get_run_logger, task

from caseproof.domain.errors import CaseproofError, NotAllowed
from caseproof.domain.vocabulary import Decision
from caseproof.platforms.base import UnknownJob
from caseproof.procedure.closing.running import what_is_left
from tasks.common import load_case, load_platform, patient
from tasks.display.labels import label_removal
from tasks.display.logs import speak_in_words

speak_in_words()


class NotRemoved(CaseproofError):
    """Something of the integration is still active or queued."""


@task(name="stop for good", task_run_name="stop for good (J9)", **patient())
def stop_for_good(ref: str) -> None:
    """Stop the schedule and cancel what is queued. Repeating it is harmless, so it needs no key."""
    case = load_case(ref)
    label_removal(case)
    if case.decided is not Decision.REMOVE:
        raise NotAllowed(f"Nobody decided to remove the integration of {ref}.", "Decide it in the case's form (J8).")
    try:
        load_platform(case.facts["platform"]).stop(case.facts["job"])
        get_run_logger().info("J9: %s is stopped for good.", case.facts["job"])
    except UnknownJob:
        get_run_logger().info("J9: %s does not exist any more: there is nothing to stop.", case.facts["job"])


@task(name="read back that nothing is left", task_run_name="read back that nothing is left (J9)", **patient())
def read_back_that_nothing_is_left(ref: str) -> str:
    """No active schedule and nothing queued, as the platform itself tells it."""
    case = load_case(ref)
    job = case.facts["job"]
    try:
        standing = load_platform(case.facts["platform"]).standing(job)
    except UnknownJob:
        return f"{job} does not exist any more."
    if not standing.is_stopped:
        raise NotRemoved(
            f"{job} is not removed: active {standing.active}, {standing.waiting} queued.",
            "Find what starts it, end it, and decide the removal again.",
        )
    left = what_is_left(case.facts.get("job_url") or "its own page")
    stands_still = f"{job} stands still: nothing of it is active, nothing is queued. {left}"
    get_run_logger().info("J9: %s", stands_still)
    return stands_still
