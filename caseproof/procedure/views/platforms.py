"""The platforms as the store knows them: what the last check found, what the keeper could not do, what is open there.

Which platforms are saved, Prefect knows alone; here are those that a check looked at, or that have open cases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.keeper.problems import PROBLEMS, about_platform
from caseproof.procedure.keeper.rechecking import STOPS_READ
from caseproof.procedure.views.check_report import Checked

_CHECKED = "checked/"
"""What the marks of the latest check begin with, before the platform's name."""
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class LastCheck:
    """The latest check of a platform that was carried out: when it ended, how many jobs it listed, what became of
    those that fail (in words, with how many), what it noted, and why it could not be done to its end ("" where it
    was)."""

    at: datetime
    jobs: int | None
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    wrong: str


@dataclass(frozen=True, slots=True)
class ShownPlatform:
    """A platform: its latest check (None where there was none), when the keeper last read what runs there, and what it
    could not do there in its latest pass ("" for nothing); how many cases are open, and how many of them need help."""

    name: str
    check: LastCheck | None
    read_at: datetime | None
    problem: str
    problem_at: datetime | None
    open: int
    in_need: int

    @property
    def is_well(self) -> bool:
        """Whether nothing that is known is wrong."""
        return not self.problem and (self.check is None or not self.check.wrong)


def note_check(ledger: Ledger, checked: Checked) -> None:
    """Note what a check of a platform came to, in place of the one before."""
    said = {
        "jobs": checked.looked.jobs if checked.looked else None,
        "counts": {name: count for name, count in checked.counts.items() if name != "fine"},
        "notes": [note[:_LONGEST].replace("\0", "") for note in checked.notes],
        "wrong": checked.wrong[:_LONGEST].replace("\0", ""),
    }
    with ledger.store.uow() as uow:
        uow.cursors.set(f"{_CHECKED}{checked.platform}", json.dumps(said), ledger.clock())
        uow.commit()


def platforms_shown(ledger: Ledger) -> list[ShownPlatform]:
    """Every platform that the store knows of, those first of which something is wrong. Raises StoreError."""
    with ledger.store.reading() as uow:
        checks, read = uow.cursors.below(_CHECKED), uow.cursors.below(STOPS_READ)
        mark, open_there = uow.cursors.get(PROBLEMS), uow.cases.open_by_platform()
    problems: dict[str, str] = json.loads(mark[0]) if mark else {}
    found = []
    for name in sorted({*checks, *read, *open_there}):
        count, in_need = open_there.get(name, (0, 0))
        problem = problems.get(about_platform(name), "")
        found.append(
            ShownPlatform(
                name, _check(*checks[name]) if name in checks else None, read[name][1] if name in read else None,
                problem, mark[1] if mark and problem else None, count, in_need,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: one.is_well)


def _check(value: str, at: datetime) -> LastCheck:
    said: dict[str, Any] = json.loads(value)
    return LastCheck(at, said["jobs"], said["counts"], tuple(said["notes"]), said["wrong"])
