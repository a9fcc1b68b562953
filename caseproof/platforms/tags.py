"""Whose a job is, where a platform's jobs have tags that say it (Prefect's deployments, Airflow's DAGs)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import Job


@dataclass(frozen=True, slots=True)
class TagConvention:
    """How the tags begin that say whose job it is, and (``stopped_by``, J3) who alone can stop it."""

    retailer: str = "retailer:"
    marketplace: str = "marketplace:"
    connection: str = "connection:"
    stopped_by: str = "stopped-by:"

    def job(self, job_id: str, name: str, url: str, tags: Sequence[str]) -> Job:
        """The job that has these tags."""
        return Job(
            id=job_id,
            name=name,
            url=url,
            retailer=tagged(tags, self.retailer),
            marketplace=tagged(tags, self.marketplace),
            connection=tagged(tags, self.connection),
            stopped_by=tagged(tags, self.stopped_by),
        )

    def of_scope(self, scope: Scope, job: Job, thing: str) -> list[str]:
        """The tags that all jobs have which a wide stop of ``job`` reaches. ``thing``: what has the tags.

        Raises BadInput where the job does not say whose it is.
        """
        other = {
            Scope.MARKETPLACE: ("marketplace", self.marketplace, job.marketplace),
            Scope.CONNECTION: ("connection", self.connection, job.connection),
        }[scope]
        wanted = []
        for what, prefix, value in (("retailer", self.retailer, job.retailer), other):
            if not value:
                raise BadInput(
                    f"The job {job.id} does not say its {what}, so it is unknown what else to stop with it.",
                    f"Give its {thing} the tag `{prefix}...`, or stop this job alone.",
                )
            wanted.append(f"{prefix}{value}")
        return wanted


def tagged(tags: Iterable[str], prefix: str) -> str | None:
    """What follows ``prefix`` in the first tag (by the alphabet) that has it; None without a prefix: every tag would
    have that."""
    if not prefix:
        return None
    values = sorted(tag[len(prefix) :].strip() for tag in tags if tag.startswith(prefix))
    return next((value for value in values if value), None)


def whose(job: Job, scope: Scope) -> tuple[str | None, str | None]:
    """What the jobs have in common that a wide stop of ``job`` reaches."""
    return job.retailer, job.marketplace if scope is Scope.MARKETPLACE else job.connection
