"""`caseproof setup FILE.yaml`: platforms, mail, desk and contacts from one file, a plan first."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caseproof.cli.common import AsJson, out, print_json, safe, table_of
from caseproof.procedure.core.services import bootstrap

if TYPE_CHECKING:
    from blocks.setting_up import SetupPlan


def setup(
    file: Annotated[Path, typer.Argument(help="The set-up file (YAML); docs/setup.md shows one.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save platforms, mail account, desk and contacts as the file says; the whole plan is shown first."""
    from blocks.setting_up import carry_out, make_plan

    services = bootstrap()
    plan = make_plan(services, file, os.environ)
    if not as_json:
        _show(plan)
    done = not dry_run and (yes or (not as_json and plan.to_do > 0 and _agreed()))
    if done:
        carry_out(services, plan)
    if as_json:
        changes = [{"what": one.what, "name": one.name, "state": one.state} for one in plan.changes]
        print_json({"changes": changes, "notes": plan.notes, "to_do": plan.to_do, "done": done})
    elif done:
        out.print("Done. Next: `caseproof doctor`")
    elif plan.to_do:
        out.print("Nothing was changed." if dry_run or _asks() else "Nothing was changed; --yes does it.")


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
