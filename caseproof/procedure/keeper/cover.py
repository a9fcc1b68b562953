"""That nobody will be on call, and that a calendar is broken, is told to the team days ahead, and once (E10).

For as long as it is so, the board and the worklist say it, also where the policy names no address of the team. What was
told is kept as intervals: a gap that moves its edge while time passes is the same one, and one that was filled and
opens again is told again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from caseproof.config.policy import Policy
from caseproof.domain.on_call.duty import Trouble
from caseproof.domain.on_call.turns import Turn
from caseproof.procedure.core.parts import Ledger, Links
from caseproof.procedure.keeper.team_alerts import TeamAlert
from caseproof.store.uow import UnitOfWork

_MARK = "cover-told"
_STANDING = "cover-standing"
_MINUTES = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class Cover:
    """What the team is told now (``alerts``), what it knows of once that has left, and all that is wrong now, in
    sentences."""

    alerts: tuple[TeamAlert, ...] = ()
    known: dict[str, Any] = field(default_factory=dict)
    standing: tuple[str, ...] = ()


def look_at_cover(ledger: Ledger, links: Links, policy: Policy, home: Path) -> Cover:
    """Read the calendars, anew where their copies are old: which gaps and troubles does the team not know of?"""
    if not policy.on_call.calendars or not policy.on_call.people:
        return Cover()
    from caseproof.procedure.core.on_call import Window, call_plan, coming_gaps  # where somebody has a calendar

    now = ledger.clock()
    plan = call_plan(policy, home, Window.around(now, policy.on_call.tell_gaps_days), fetch=True)
    gaps = coming_gaps(policy, plan, now)
    known = _known(ledger)
    new_gaps = [one for one in gaps if not any(begins < one.ends and one.begins < ends for begins, ends in known.gaps)]
    new_troubles = _first_of_each([one for one in plan.troubles if one.calendar not in known.calendars])
    alerts = [
        *(_alert(links, "gap in cover", _about(one), one.ends) for one in new_gaps),
        *(_alert(links, f"calendar {one.calendar}", one.told, now) for one in new_troubles),
    ]
    after = {
        "gaps": [[one.begins.isoformat(), one.ends.isoformat()] for one in gaps],
        "calendars": sorted({one.calendar for one in plan.troubles}),
    }
    return Cover(tuple(alerts), after, (*map(_sentence, gaps), *dict.fromkeys(one.told for one in plan.troubles)))


def note_standing(ledger: Ledger, cover: Cover) -> None:
    """Note what is wrong now, for whoever shows the board and the worklist."""
    noted = json.dumps(cover.standing)
    with ledger.store.reading() as uow:
        before = uow.cursors.get(_STANDING)
    if noted == (before[0] if before else "[]"):
        return
    with ledger.store.uow() as uow:
        uow.cursors.set(_STANDING, noted, ledger.clock())
        uow.commit()


def standing_cover(uow: UnitOfWork) -> tuple[str, ...]:
    """What was wrong with who is on call in the keeper's latest pass: gaps that come, and broken calendars."""
    mark = uow.cursors.get(_STANDING)
    return tuple(json.loads(mark[0])) if mark else ()


def note_cover(ledger: Ledger, cover: Cover) -> int:
    """Note what the team knows of now; gives how many alerts that were."""
    if not cover.known or cover.known == _known(ledger).raw:
        return 0
    with ledger.store.uow() as uow:
        uow.cursors.set(_MARK, json.dumps(cover.known), ledger.clock())
        uow.commit()
    return len(cover.alerts)


@dataclass(frozen=True)
class _Known:
    gaps: Sequence[tuple[datetime, datetime]] = ()
    calendars: Sequence[str] = ()
    raw: dict[str, Any] = field(default_factory=dict)


def _known(ledger: Ledger) -> _Known:
    with ledger.store.reading() as uow:
        noted = uow.cursors.get(_MARK)
    if noted is None:
        return _Known()
    raw = json.loads(noted[0])
    gaps = [(datetime.fromisoformat(begins), datetime.fromisoformat(ends)) for begins, ends in raw["gaps"]]
    return _Known(gaps, raw["calendars"], raw)


def _first_of_each(troubles: list[Trouble]) -> list[Trouble]:
    first: dict[str, Trouble] = {}
    for one in troubles:
        first.setdefault(one.calendar, one)
    return list(first.values())


def _alert(links: Links, what: str, about: str, until: datetime) -> TeamAlert:
    return TeamAlert("On call", what, about, int(until.timestamp()), url=f"{links.public}/policy")


def _sentence(gap: Turn) -> str:
    about = _about(gap)
    return f"{about[0].upper()}{about[1:]}."


def _about(gap: Turn) -> str:
    return (
        f"nobody is on call and nobody is at work from {gap.begins:{_MINUTES}} to {gap.ends:{_MINUTES}} UTC: put "
        "somebody into the calendar, or write an override into the policy (E10)"
    )
