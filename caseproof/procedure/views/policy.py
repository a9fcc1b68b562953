"""The policy as people read it: each entry by its whole name, and what the team has set of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from caseproof.config.policy import BUILT_IN, Policy, PolicyError, load_policy, policy_file, policy_in_force
from caseproof.config.settings import Settings
from caseproof.procedure.core.texts import short

LONGEST = 200
"""How many letters of a value are shown among what is set; a list of signatures has thousands."""


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of a policy by their whole names (``mail.sender``), and those that are built in; a list is one value.

    ``changed`` are the names of those that are others than built in, or only there, in their order.
    """

    all: Mapping[str, Any]
    built_in: Mapping[str, Any]
    changed: tuple[str, ...]

    def told(self, name: str) -> str:
        """A value, as JSON in letters that people read."""
        return _told(self.all, name)

    def shown(self, name: str) -> str:
        """A value in short; "-" where there is no such entry."""
        return _shown(self.all, name)

    def shown_built_in(self, name: str) -> str:
        """The built-in value in short; "-" where there is no such entry."""
        return _shown(self.built_in, name)


def entries_of(policy: Policy) -> Entries:
    """The entries of a policy, beside those that are built in. Raises PolicyError."""
    built_in = dict(_entries(load_policy(BUILT_IN).model_dump(mode="json")))
    entries = dict(_entries(policy.model_dump(mode="json")))
    changed = [name for name, value in entries.items() if built_in.get(name, {}) != value]  # {}: nothing below it
    changed += [name for name, value in built_in.items() if name not in entries and value != {}]
    return Entries(entries, built_in, tuple(changed))


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The policy that counts: the name of its file ("" for the built-in one), its version (the beginning of the file's
    SHA-256), since when it counts here (None where nobody knows), and what is wrong with a newer one."""

    entries: Entries
    file: str
    version: str
    since: datetime | None
    wrong: PolicyError | None


def policy_shown(settings: Settings) -> PolicyInForce:
    """The policy in force, as a page shows it. Raises PolicyError where there never was a usable one."""
    path, last = policy_file(settings), settings.home_folder / "policy-in-force.yaml"
    in_force = policy_in_force(settings)
    counts = last if in_force.wrong is not None else path
    entries = entries_of(in_force.policy)
    version = hashlib.sha256(counts.read_bytes()).hexdigest()[:12]
    return PolicyInForce(entries, "" if path == BUILT_IN else path.name, version, _changed_at(last), in_force.wrong)


def _changed_at(path: Path) -> datetime | None:
    """The copy of what is in force is written when another text comes into force, and not again."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _entries(policy: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in policy.items():
        if isinstance(value, dict) and value:
            yield from _entries(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _shown(entries: Mapping[str, Any], name: str) -> str:
    if name not in entries:
        return "-"
    text = _told(entries, name)
    if len(text) > LONGEST and isinstance(entries[name], list):
        return f"{len(entries[name])} entries"
    return short(text, LONGEST)


def _told(entries: Mapping[str, Any], name: str) -> str:
    return json.dumps(entries[name], ensure_ascii=False)
