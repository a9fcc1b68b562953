"""`caseproof policy`: what the team has set, and on demand all of the policy in force."""

from __future__ import annotations

from typing import Annotated

import typer

from caseproof.cli.common import AsJson, out, print_json, safe, table_of
from caseproof.config.policy import load_policy, policy_file
from caseproof.config.settings import read_settings
from caseproof.procedure.views.policy import entries_of


def policy(
    everything: Annotated[bool, typer.Option("--all", help="Every entry, also those as they are built in.")] = False,
    as_json: AsJson = False,
) -> None:
    """The policy in force, checked: what is set in it. With --json, all of it."""
    file = policy_file(read_settings())
    in_force = load_policy(file)  # no services: that would make a store, before `up` chose one
    if as_json:
        print_json(in_force.model_dump(mode="json"))
        return
    out.print(f"In force: {safe(file)}", soft_wrap=True)
    entries = entries_of(in_force)
    if everything:
        table = table_of("The whole policy", "Entry", "Value", "")
        for name in entries.all:
            table.add_row(safe(name), safe(entries.told(name)), "set" if name in entries.changed else "")
    elif entries.changed:
        table = table_of("What is set", "Entry", "Value", "Built in")
        for name in entries.changed:
            table.add_row(safe(name), safe(entries.shown(name)), safe(entries.shown_built_in(name)))
    if everything or entries.changed:
        out.print(table)
    if not entries.changed:
        out.print(f"Nothing is set: all {len(entries.all)} entries are as they are built in.")
    if not everything:
        out.print(
            "`caseproof policy --all` shows every entry; docs/configuration.md says what each does.", soft_wrap=True
        )
