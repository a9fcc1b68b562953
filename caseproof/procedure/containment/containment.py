"""J2 to J4 for one case, by its own run: the job is stopped first. It is a bulk stop with one target."""

from __future__ import annotations

from caseproof.domain.case import Case
from caseproof.platforms.base import Job, JobPlatform, PlatformRefused, UnknownJob
from caseproof.procedure.containment.bulk_stop import BulkStop
from caseproof.procedure.containment.openings import Openings
from caseproof.procedure.containment.stop import cannot
from caseproof.procedure.containment.stop_work import Target, Work
from caseproof.procedure.core.parts import Stopping


def contain(stopping: Stopping, platform: JobPlatform, ref: str) -> Case:
    """Ensure that the job of the case is stopped, or that the case says why it cannot be and who can (J3).

    Gives the case after it. Where somebody else is about to stop the same job, it waits for that. Raises PlatformDown
    while the platform cannot be asked (nothing else comes before the stop, so the case waits), EffectNotSeen where it
    accepts the stop and does not do it, and StoreError or VaultError where that cannot be written down.
    """
    case = stopping.ledger.case(ref)
    if case.contained is not None or case.is_closed:
        return case
    work, name = _work(platform, case), case.facts["platform"]
    openings = Openings(stopping, name, stopping.effects.writer, waits=True)
    with BulkStop.of(stopping, platform, stopping.policy.check.pace_of(name), openings) as stops:
        stops.carry_out([work])
    if work.waits is not None:
        raise work.waits
    return work.case or case


def _work(platform: JobPlatform, case: Case) -> Work:
    """What is to be stopped. Raises PlatformDown."""
    facts, not_ours = case.facts, None
    try:
        job = platform.job(facts["job"])
    except (UnknownJob, PlatformRefused) as no:
        whose = (facts.get(name) for name in ("retailer", "marketplace", "connection"))
        job, not_ours = Job(facts["job"], facts["job_name"], facts["job_url"], *whose), cannot(no)
    return Work(Target(job, facts["cause"], facts["summary"], ref=case.ref), case, not_ours=not_ours)
