"""`caseproof setup FILE.yaml`: platforms, mail, desk and contacts from one file, a plan first."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caseproof.cli.common import AsJson, out, print_json, safe, table_of
from caseproof.cli.doctor import findings_table, refuse_faults
from caseproof.procedure.core.services import bootstrap

if TYPE_CHECKING:
    from blocks.setting_up import SetupPlan


def setup(
    file: Annotated[Path, typer.Argument(help="The set-up file (YAML); docs/setup.md shows one.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    no_try: Annotated[bool, typer.Option("--no-try", help="Do not try what is saved.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save platforms, mail account, desk and contacts as the file says, and try them; the whole plan is shown first.

    What is tried and does not work stays saved, and the exit code is 1.
    """
    from blocks.paging import refresh_channels
    from blocks.setting_up import carry_out, make_plan
    from blocks.trying import try_out

    services = bootstrap()
    plan = make_plan(services, file, os.environ)
    if not as_json:
        _show(plan)
    done = not dry_run and (yes or (not as_json and plan.to_do > 0 and _agreed()))
    if done:
        carry_out(services, plan)
        refresh_channels(services.settings.home_folder, services.policy)  # what is wrong with one, the doctor tells
    if not as_json and plan.to_do:
        said = (
            "Saved."
            if done
            else "Nothing was changed."
            if dry_run or _asks()
            else "Nothing was changed; --yes does it."
        )
        out.print(said)
    is_saved = done or (not plan.to_do and not dry_run)
    tried = try_out(services, plan) if is_saved and not no_try else []
    if as_json:
        changes = [{"what": one.what, "name": one.name, "state": one.state} for one in plan.changes]
        found = [{name: getattr(one, name) for name in ("check", "ok", "found", "next_action")} for one in tried]
        print_json({"changes": changes, "notes": plan.notes, "to_do": plan.to_do, "done": done, "tried": found})
    elif tried:
        out.print(findings_table("Tried", tried))
    refuse_faults(tried, "What was set up does not work yet: ")
    if done and not as_json:
        out.print("Done. Next: `caseproof doctor`")


def _asks() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _agreed() -> bool:
    return _asks() and typer.confirm("Do this?")


def _show(plan: SetupPlan) -> None:
    table = table_of(f"Set-up from {plan.file.name}", "What", "Name", "")
    for change in plan.changes:
        state = safe(change.state)
        table.add_row(change.what, safe(change.name), f"[bold]{state}[/]" if change.is_one else state)
    out.print(table)
    for note in plan.notes:
        out.print(f"Note: {safe(note)}", soft_wrap=True)
    if not plan.to_do:
        out.print("Everything is saved as the file says.")
