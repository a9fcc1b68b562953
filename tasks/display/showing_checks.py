"""What people see of a check in the Prefect UI: how far it is, then a page a platform with a picture, and one table.

None of it is needed by the pass: where Prefect does not take it, a warning says so.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from caseproof.checks.planning import PlanEntry
from caseproof.procedure.containment.stop_targets import StopResult
from caseproof.procedure.core.texts import in_words, plain
from caseproof.procedure.views import charts
from caseproof.procedure.views.check_report import LONGEST_TABLE, Checked, page
from tasks.common import services
from tasks.display.best_effort import as_far_as_prefect_takes_it
from tasks.display.logs import hide, speak_in_words

speak_in_words()

EVERY_SECONDS = 2.0
"""How often the progress is shown: a call for each of a thousand jobs would slow them down."""


class Progress:
    """A progress artifact, kept current while a pass works."""

    def __init__(self) -> None:
        self._shown: UUID | None = None
        self._platform, self._total, self._done, self._at = "", 0, 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._show(100.0, "Done.")

    def reads(self, platform: str) -> None:
        """A platform's jobs and runs are being read."""
        get_run_logger().info("Reading the jobs of %s.", platform)
        self._show(0.0, f"Reading the jobs of {platform}.")

    def found(self, platform: str, notes: Sequence[str]) -> None:
        """What people should know of its jobs, before anything is stopped."""
        for note in notes:
            get_run_logger().warning("%s: %s", platform, hide(note))

    def begins(self, platform: str, total: int) -> None:
        """So many jobs are about to be stopped."""
        self._platform, self._total, self._done = platform, total, 0
        get_run_logger().info("%s: %s to stop (J2).", platform, "1 job is" if total == 1 else f"{total} jobs are")

    def did(self, result: StopResult) -> None:
        """One of them is done with."""
        self._done += 1
        get_run_logger().info("%s: %s %s. %s", result.ref, hide(result.job), result.outcome, hide(result.why))
        if time.monotonic() - self._at >= EVERY_SECONDS:
            told = f"{self._platform}: {self._done} of {self._total} jobs are stopped."
            self._show(100.0 * self._done / max(self._total, 1), told)

    def _show(self, percent: float, told: str) -> None:
        self._at = time.monotonic()
        with as_far_as_prefect_takes_it("progress"):
            if self._shown is None:
                self._shown = cast(UUID, create_progress_artifact(percent, key="job-check-progress", description=told))
            else:
                update_progress_artifact(self._shown, percent, description=told)


def show_the_pass(checked: Sequence[Checked], dry_run: bool) -> None:
    """A page and a table a platform."""
    here = services()
    if here.policy_wrong:
        get_run_logger().warning("%s", here.policy_wrong)
    for one in checked:
        for said in (one.wrong, *one.notes):
            if said:
                get_run_logger().warning("%s: %s", one.platform, hide(said))
        with as_far_as_prefect_takes_it("page of the check"):
            text = page(one, here.links.case_url, _picture(one, dry_run), dry_run=dry_run)
            if here.policy_wrong:
                text = f"**The policy file has an error.** {here.policy_wrong}\n\n{text}"
            create_markdown_artifact(text, key=_key(one, "check"), description=f"**The check** of {one.platform}.")
        with as_far_as_prefect_takes_it("table of failing jobs"):
            create_table_artifact(
                _rows(one), key=_key(one, "failing"), description=f"**Failing jobs** of {one.platform}."
            )


def verdict(checked: Sequence[Checked]) -> State[Any]:
    """How the flow run ends: failed, where a platform could not be checked to its end."""
    wrong = [f"{one.platform}: {one.wrong}" for one in checked if one.wrong]
    if wrong:
        return Failed(message=hide(" ".join(wrong)))
    told = [f"{one.platform}: {', '.join(f'{n} {what}' for what, n in one.counts.most_common())}" for one in checked]
    return Completed(message=". ".join(told))


def _picture(one: Checked, dry_run: bool) -> bytes | None:
    if one.looked is None:
        return None
    ill = [line for line in one.lines if line.verdict != "fine"]
    rows = [(x.job, x.cause or x.verdict, _done(one, x), x.failing_since) for x in ill]
    return charts.failing_jobs(rows, one.looked.now, dry_run=dry_run).png


def _done(one: Checked, line: PlanEntry) -> str:
    result = one.done.get(line.job)
    return result.outcome if result else line.act


def _rows(one: Checked) -> list[dict[str, Any]]:
    done = one.done
    failing = [line for line in one.lines if line.verdict != "fine"]
    return [
        {
            "Case": _linked(done[line.job].ref if line.job in done else line.ref),
            "Job": plain(line.job),
            "Found": line.verdict,
            "Done": _done(one, line),
            "Cause": in_words(line.cause) if line.cause else "",
            "Failing since": f"{line.failing_since:%Y-%m-%d %H:%M}" if line.failing_since else "",
        }
        for line in failing[:LONGEST_TABLE]
    ]


def _linked(ref: str) -> str:
    return f"[{ref}]({services().links.case_url(ref)})" if ref else ""


def _key(one: Checked, what: str) -> str:
    return f"{what}-{re.sub(r'[^a-z0-9]+', '-', one.platform.lower()).strip('-')}"
