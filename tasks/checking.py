"""The daily check with Prefect beside it: the platforms are read once, the pass itself needs no Prefect (house rule 4),
and only then the new cases get their runs, paced.

`caseproof check` and the flow ``daily-job-check`` are the same pass; what differs is who watches it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from blocks.base import PrefectDown
from blocks.reading import read_platforms
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.platforms.base import JobPlatform
from caseproof.procedure import incidents
from caseproof.procedure.check_report import Checked
from caseproof.procedure.checking import Looked, carry_out, check_lock, look
from caseproof.procedure.office import Office
from caseproof.procedure.sweeping import Swept
from tasks.case_runs import give_runs


class Watcher(Protocol):
    """Who looks on while a pass works."""

    def reads(self, platform: str) -> None:
        """A platform's jobs and runs are being read."""

    def begins(self, platform: str, total: int) -> None:
        """So many jobs are about to be stopped."""

    def did(self, swept: Swept) -> None:
        """One of them is done with."""


def check_all(office: Office, only: str, *, dry_run: bool, watcher: Watcher) -> list[Checked]:
    """Check every platform, or the one that is asked for. A platform that cannot be checked leaves the others alone.

    Raises what ``read_platforms`` raises: then nothing has begun.
    """
    platforms = {name: block.client() for name, block in read_platforms(only, os.environ).items()}
    return [_check(office, name, platform, dry_run, watcher) for name, platform in platforms.items()]


def _check(office: Office, name: str, platform: JobPlatform, dry_run: bool, watcher: Watcher) -> Checked:
    looked: Looked | None = None
    try:
        with check_lock(office, name):
            watcher.reads(name)
            looked = look(office, name, platform)
            if dry_run:
                return Checked(name, looked)
            watcher.begins(name, len(looked.targets))
            done = carry_out(office, looked, watcher.did)
    except CaseproofError as error:
        return Checked(name, looked, error=error)
    joined = incidents.gather(office, name)
    late = CaseproofError(done.wrong, "The cases' runs and the next check go on trying.") if done.wrong else None
    return Checked(name, looked, done.swept, joined, late, _give_runs(office, done.swept))


def _give_runs(office: Office, swept: Sequence[Swept]) -> tuple[str, ...]:
    """The cases' runs: nothing is lost where Prefect does not take them now, for the keeper makes them later."""
    refs = [one.ref for one in swept if one.ref]
    try:
        given = give_runs(office, refs)
    except (PrefectDown, BadInput) as error:
        return (f"The cases have no flow runs yet; the keeper makes them. {error}",)
    left = len(refs) - given
    if not left:
        return ()
    return (f"{left} cases get their flow runs later, by the keeper: a worker takes only so many at once.",)
