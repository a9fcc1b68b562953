"""The daily check with Prefect beside it: the platforms are read once, the pass itself needs no Prefect (house rule 4),
and only then the new cases get their runs, paced.

`caseproof check` and the flow ``daily-job-check`` are the same pass; what differs is who watches it.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from blocks.base import PlatformBlock, StaleBlock
from blocks.reading import read_platforms
from caseproof.config.expressions import MATCH_SECONDS
from caseproof.domain.errors import CaseproofError
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.containment.checking import CheckPlan, CheckRunning, carry_out, check_lock, plan_check
from caseproof.procedure.containment.known_jobs import note_jobs
from caseproof.procedure.containment.stop_targets import StopResult
from caseproof.procedure.core.contact_list import HOW_TO_REGISTER, nobody_to_tell
from caseproof.procedure.core.services import Services
from caseproof.procedure.keeper import incidents
from caseproof.procedure.views.check_report import Checked
from caseproof.procedure.views.platforms import note_check
from tasks.runs.case_runs import give_runs


class Watcher(Protocol):
    """Who looks on while a pass works."""

    def reads(self, platform: str) -> None:
        """A platform's jobs and runs are being read."""

    def found(self, platform: str, notes: Sequence[str]) -> None:
        """What people should know of its jobs, before anything is stopped."""

    def begins(self, platform: str, total: int) -> None:
        """So many jobs are about to be stopped."""

    def did(self, result: StopResult) -> None:
        """One of them is done with."""


def check_all(services: Services, only: str, *, dry_run: bool, watcher: Watcher) -> list[Checked]:
    """Check every platform, or the one that is asked for. A platform that cannot be checked leaves the others alone.

    Raises what ``read_platforms`` raises: then nothing has begun.
    """
    platforms = read_platforms(only, os.environ)
    return [
        _noted(services, _check(services, name, partial(_client, block), dry_run, watcher), dry_run)
        for name, block in platforms.items()
    ]


def _noted(services: Services, checked: Checked, dry_run: bool) -> Checked:
    """Noted for whoever looks at the platforms; a dry run is none, nor is one that found another at work."""
    if not dry_run and not isinstance(checked.error, CheckRunning):
        with suppress(CaseproofError):  # what was done stands in the cases
            note_check(services.ledger, checked)
    return checked


def _client(block: PlatformBlock | StaleBlock) -> JobPlatform:
    """Raises the error of a platform that cannot be used."""
    if isinstance(block, StaleBlock):
        raise block
    return block.client()


def _check(
    services: Services, name: str, connect: Callable[[], JobPlatform], dry_run: bool, watcher: Watcher
) -> Checked:
    looked: CheckPlan | None = None
    results: list[StopResult] = []  # also of a pass that does not get to its end
    notes: tuple[str, ...] = ()

    def did(one: StopResult) -> None:
        results.append(one)
        watcher.did(one)

    try:
        with check_lock(services.settings, name):
            watcher.reads(name)
            looked = plan_check(services.ledger, services.policy, name, connect())
            notes = (*_nobody_to_tell(looked), *_strangers(looked), *_too_slow(looked))
            watcher.found(name, notes)
            if dry_run:
                return Checked(name, looked, notes=notes)
            watcher.begins(name, len(looked.targets))
            done = carry_out(services.stopping, looked, did)
        joined = incidents.gather(services.ledger, services.policy.check.storm, name)
        note_jobs(services.store, services.clock, name, looked.listed)
    except CaseproofError as error:
        return Checked(name, looked, results, error=error, notes=notes)
    except Exception as error:  # what nobody thought of on one platform leaves the others alone, too
        return Checked(name, looked, results, error=_unexpected(error), notes=notes)
    late = CaseproofError(done.wrong, "The cases' runs and the next check go on trying.") if done.wrong else None
    return Checked(name, looked, done.results, joined, late, (*notes, *_give_runs(services, done.results)))


def _unexpected(error: Exception) -> CaseproofError:
    """An error that is no error for people, as one: what it was and where, without a text that may hold a secret."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"It failed unexpectedly: {type(error).__name__} ({Path(last.filename).name}, line {last.lineno})."
    return CaseproofError(what, "Tell whoever maintains Caseproof; what was stopped until then is safe in the store.")


def _nobody_to_tell(looked: CheckPlan) -> tuple[str, ...]:
    """The retailers without a contact, of all jobs: it is known before one of them fails."""
    told = nobody_to_tell(looked.without_contact)
    return (f"{told} {HOW_TO_REGISTER}",) if told else ()


def _strangers(looked: CheckPlan) -> tuple[str, ...]:
    """Runs of jobs that the platform does not list: nobody is stopped for them, and nobody should wonder."""
    if not looked.unlisted:
        return ()
    runs = "1 run is" if looked.unlisted == 1 else f"{looked.unlisted} runs are"
    return (f"{runs} of jobs that the platform does not list (any more); nothing was judged by them.",)


def _too_slow(looked: CheckPlan) -> tuple[str, ...]:
    """The policy's expressions that took too long: nobody is told a cause that they may have hidden."""
    return tuple(
        f"check.signatures.{name}: its expression {expression[:80]!r} took longer than {MATCH_SECONDS:g} seconds on a "
        "message. The cause of such messages counts as unknown, so a person is asked; write the expression flat."
        for name, expression in looked.too_slow.items()
    )


def _give_runs(services: Services, results: Sequence[StopResult]) -> tuple[str, ...]:
    """The cases' runs: nothing is lost where Prefect does not take them now, for the keeper makes them later."""
    refs = [one.ref for one in results if one.ref]
    try:
        given = give_runs(services, refs)
    except CaseproofError as error:
        return (f"The cases have no flow runs yet; the keeper makes them. {error}",)
    except Exception as error:
        return (f"The cases have no flow runs yet; the keeper makes them. {_unexpected(error)}",)
    left = len(refs) - given
    if not left:
        return ()
    return (f"{left} cases get their flow runs later, by the keeper: a worker takes only so many at once.",)
