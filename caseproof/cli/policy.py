"""`caseproof policy`: what the team has set, and on demand all of the policy in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from caseproof.cli.common import AsJson, out, print_json, safe, table_of
from caseproof.config.policy import BUILT_IN, load_policy, policy_file
from caseproof.config.settings import read_settings
from caseproof.procedure.core.texts import short

_LONGEST = 200
"""How many letters of a value are shown among what is set; a list of signatures has thousands."""


def policy(
    everything: Annotated[bool, typer.Option("--all", help="Every entry, also those as they are built in.")] = False,
    as_json: AsJson = False,
) -> None:
    """The policy in force, checked: what is set in it. With --json, all of it."""
    file = policy_file(read_settings())
    in_force = load_policy(file).model_dump(mode="json")  # no services: that would make a store, before `up` chose one
    if as_json:
        print_json(in_force)
        return
    out.print(f"In force: {safe(file)}", soft_wrap=True)
    built_in = dict(_entries(load_policy(BUILT_IN).model_dump(mode="json")))
    entries = dict(_entries(in_force))
    changed = [name for name, value in entries.items() if built_in.get(name, {}) != value]  # {}: nothing below it
    changed += [name for name, value in built_in.items() if name not in entries and value != {}]
    if everything:
        table = table_of("The whole policy", "Entry", "Value", "")
        for name, value in entries.items():
            table.add_row(safe(name), safe(_told(value)), "set" if name in changed else "")
    elif changed:
        table = table_of("What is set", "Entry", "Value", "Built in")
        for name in changed:
            table.add_row(safe(name), *(safe(_shown(where, name)) for where in (entries, built_in)))
    if everything or changed:
        out.print(table)
    count = len(entries.keys() - set(changed))
    if not changed:
        out.print(f"Nothing is set: all {count} entries are as they are built in.")
    if not everything:
        out.print(
            "`caseproof policy --all` shows every entry; docs/configuration.md says what each does.", soft_wrap=True
        )


def _entries(policy: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Each entry by its whole name, like ``mail.sender``; a list is one value."""
    for name, value in policy.items():
        if isinstance(value, dict) and value:
            yield from _entries(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _shown(entries: Mapping[str, Any], name: str) -> str:
    """A value in short; "-" where there is no such entry."""
    if name not in entries:
        return "-"
    value = entries[name]
    text = _told(value)
    if len(text) > _LONGEST and isinstance(value, list):
        return f"{len(value)} entries"
    return short(text, _LONGEST)


def _told(value: Any) -> str:
    """As JSON, in letters that people read."""
    return json.dumps(value, ensure_ascii=False)
