"""`caseproof check`: the daily job check, now."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from caseproof.cli.common import AsJson, err, out, print_json, progress_bar, safe, say_error, table_of
from caseproof.config.signals import handled
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.services import bootstrap

END_SECONDS = 5.0
"""How long a pass that is ended may take to write down what it knows."""

if TYPE_CHECKING:
    from caseproof.procedure.containment.stop_targets import StopResult
    from caseproof.procedure.views.check_report import Checked


def check(
    platform: Annotated[str, typer.Option(help="The name of a saved platform block; default: all of them.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the plan: stop nothing, open nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find the jobs that fail, stop them, and open one case each (J1, J2, J4)."""
    from tasks.checking import check_all

    services = bootstrap()
    if services.policy_wrong:
        say_error(str(services.policy_wrong), style="bold yellow")
    with ending_soon(), _Bar() as bar:
        checked = check_all(services, platform, dry_run=dry_run, watcher=bar)
    if as_json:
        print_json({"dry_run": dry_run, "platforms": {one.platform: _as_json(one) for one in checked}})
    else:
        for one in checked:
            _print(one, dry_run, bar.said)
    wrong = {one.platform: one.error for one in checked if one.error}
    if wrong:
        told = " ".join(f"{name}: {error.problem}" for name, error in wrong.items())
        raise CaseproofError(told, " ".join(dict.fromkeys(error.next_action for error in wrong.values())))


@contextmanager
def ending_soon() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the pass within seconds, also where the platform hangs: what is under way is then cut off
    as by a crash, and the next check goes on from there."""

    def end(signum: int, frame: FrameType | None) -> None:
        del frame
        last = threading.Timer(END_SECONDS, _cut_off, (128 + signum,))
        last.daemon = True
        last.start()
        sys.exit(128 + signum)

    ends = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    with handled(ends, end):
        yield


def _cut_off(code: int) -> None:
    err.show_cursor()
    os._exit(code)


class _Bar:
    """A progress bar on stderr, where that is a terminal."""

    def __init__(self) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._bar = progress_bar(*columns)
        self._task = self._bar.add_task("reading the platforms", total=None)
        self.said: set[str] = set()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def reads(self, platform: str) -> None:
        self._bar.update(self._task, description=f"reading the jobs of {platform}", total=None)

    def found(self, platform: str, notes: Sequence[str]) -> None:
        self.said.update(notes)
        for note in notes:
            err.print(f"{safe(platform)}: {safe(note)}", soft_wrap=True)

    def begins(self, platform: str, total: int) -> None:
        self._bar.update(self._task, description=f"stopping jobs of {platform}", total=total, completed=0)

    def did(self, result: StopResult) -> None:
        del result
        self._bar.advance(self._task)


def _as_json(one: Checked) -> dict[str, Any]:
    found: dict[str, Any] = {
        "wrong": one.wrong,
        "notes": list(one.notes),
        "incidents": list(one.incidents),
        "lines": [],
    }
    if one.looked is not None:
        found |= {"jobs": one.looked.jobs, "runs": one.looked.runs, "read_at": one.looked.now}
        found["without_contact"] = dict(one.looked.without_contact)
    for line in one.lines:
        result = one.done.get(line.job)
        names = ("job", "verdict", "act", "why", "cause", "retailer", "marketplace", "run", "failed_at")
        did = (
            {"case": result.ref, "outcome": result.outcome, "said": result.why}
            if result
            else {"case": line.ref, "outcome": ""}
        )
        found["lines"].append({name: getattr(line, name) for name in names} | did)
    return found


def _print(one: Checked, dry_run: bool, said_before: Collection[str]) -> None:
    looked = one.looked
    if looked is None:
        return
    told = [line for line in one.lines if line.verdict != "fine"]
    title = (
        f"{one.platform}: {looked.jobs} jobs, {looked.runs} runs read{'; a plan, nothing was done' if dry_run else ''}"
    )
    table = table_of(title, "Job", "Retailer", "Found", "Cause", "Done" if not dry_run else "To do", "Case", "Why")
    for line in told:
        result = one.done.get(line.job)
        done = result.outcome if result else (line.act if dry_run or line.act in ("leave", "report") else "not done")
        ref = result.ref if result else line.ref
        row = (
            line.job,
            line.retailer or "-",
            line.verdict,
            line.cause,
            done,
            ref,
            (result.why if result else "") or line.why,
        )
        table.add_row(*(safe(cell) for cell in row))
    if told:
        out.print(table)
    said = ", ".join(f"{count} {what}" for what, count in one.counts.most_common())
    out.print(f"{safe(one.platform)}: {said or 'no jobs'}.")
    for ref in one.incidents:
        out.print(f"Cases of it belong to the incident {ref}: decide for all of them at once.")
    for note in one.notes:
        if note not in said_before:
            out.print(safe(note), soft_wrap=True)
