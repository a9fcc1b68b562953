"""J9: a removed integration is stopped for good, and read back; where the policy says so, its job is deleted, too.

Nothing is deleted that does not stand still, and nothing on a platform that cannot delete or was not told how.
"""

from __future__ import annotations

from contextlib import suppress

from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError, NotAllowed
from caseproof.domain.vocabulary import Decision
from caseproof.platforms.abilities import Ability
from caseproof.platforms.base import JobPlatform, Standing, UnknownJob
from caseproof.procedure.closing.running import what_is_left


class NotRemoved(CaseproofError):
    """Something of the integration is still active or queued, or there although it was deleted."""


def stop_for_good(platform: JobPlatform, case: Case) -> str:
    """Stop the schedule and cancel what is queued; what came of it, as a sentence. Repeating it is harmless.

    Raises NotAllowed where nobody decided it, or the case is over.
    """
    job = case.facts["job"]
    _refuse_undecided(case)
    try:
        platform.stop(job)
    except UnknownJob:
        return f"{job} does not exist any more: there is nothing to stop."
    return f"{job} is stopped for good."


def delete(platform: JobPlatform, case: Case) -> str:
    """Delete the job where its platform can, once it stands still; "" where it cannot. Repeating it is harmless.

    Raises NotRemoved where it does not stand still, or is there afterwards; NotAllowed as ``stop_for_good`` does:
    somebody may have decided otherwise since the stop, and what is deleted nobody gets back.
    """
    _refuse_undecided(case)
    if Ability.REMOVE in platform.abilities.lacks:
        return ""
    if _stands_still(platform, case) is None:
        return f"{case.facts['job']} does not exist any more: there is nothing to delete."
    with suppress(UnknownJob):  # another run of ours was faster
        platform.remove(case.facts["job"])
    if _standing(platform, case) is not None:
        raise NotRemoved(
            f"The platform took the deletion of {case.facts['job']}, and still has it.",
            "Delete it there, or take `closing.delete_removed_jobs` out of the policy; then decide the removal again.",
        )
    return f"{case.facts['job']} is deleted."


def _refuse_undecided(case: Case) -> None:
    """A run that is begun again long after finds a job of the same name that was set up anew, maybe."""
    if case.is_closed:
        raise NotAllowed(
            f"{case.ref} is closed: its removal is over, and a job of that name is none of its business any more.",
            "If it fails, it gets a case of its own.",
        )
    if case.decided is not Decision.REMOVE:
        raise NotAllowed(f"Nobody decided to remove the integration of {case.ref}.", "Decide it in the case's form.")


def nothing_is_left(platform: JobPlatform, case: Case) -> str:
    """No active schedule and nothing queued, as the platform itself tells it: a sentence. Raises NotRemoved."""
    job = case.facts["job"]
    if _stands_still(platform, case) is None:
        return f"{job} does not exist any more."
    left = what_is_left(case.facts.get("job_url") or "its own page")
    return f"{job} stands still: nothing of it is active, nothing is queued. {left}"


def _stands_still(platform: JobPlatform, case: Case) -> Standing | None:
    standing = _standing(platform, case)
    if standing is not None and not standing.is_stopped:
        raise NotRemoved(
            f"{case.facts['job']} is not removed: active {standing.active}, {standing.waiting} queued.",
            "Find what starts it, end it, and decide the removal again.",
        )
    return standing


def _standing(platform: JobPlatform, case: Case) -> Standing | None:
    """None where there is no such job (any more)."""
    try:
        return platform.standing(case.facts["job"])
    except UnknownJob:
        return None
