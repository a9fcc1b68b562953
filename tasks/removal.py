"""What the ``remove-integration`` deployment does (J9)."""

from __future__ import annotations

from prefect import get_run_logger, task

from caseproof.procedure.closing import removing
from tasks.common import load_case, load_platform, patient, services
from tasks.display.labels import label_removal
from tasks.display.logs import speak_in_words

speak_in_words()


@task(name="stop for good", task_run_name="stop for good (J9)", **patient())
def stop_for_good(ref: str) -> None:
    """Stop the schedule and cancel what is queued. Repeating it is harmless, so it needs no key."""
    case = load_case(ref)
    label_removal(case)
    get_run_logger().info("J9: %s", removing.stop_for_good(load_platform(case.facts["platform"]), case))


@task(name="delete the job", task_run_name="delete the job (J9)", **patient())
def delete_where_wanted(ref: str) -> None:
    """Delete it where the policy says so and its platform can. Repeating it is harmless, so it needs no key."""
    if services().policy.closing.delete_removed_jobs:
        case = load_case(ref)
        said = removing.delete(load_platform(case.facts["platform"]), case)
        get_run_logger().info("J9: %s", said or "Its platform deletes no jobs; it stays stopped.")


@task(name="read back that nothing is left", task_run_name="read back that nothing is left (J9)", **patient())
def read_back_that_nothing_is_left(ref: str) -> str:
    """No active schedule and nothing queued, as the platform itself tells it."""
    case = load_case(ref)
    said = removing.nothing_is_left(load_platform(case.facts["platform"]), case)
    get_run_logger().info("J9: %s", said)
    return said
