"""Who is on call, now and next, in the Prefect UI: one table artifact, drawn anew where the answer changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from caseproof.domain.on_call.turns import Turn
from caseproof.procedure.core.texts import plain
from caseproof.procedure.views.on_call_now import OnCallNow, on_call_now
from tasks.common import services
from tasks.display.tables import keep_table

ON_CALL = "caseproof-on-call"
"""The key of the table in Prefect."""
_SHOWN = "on-call-shown"
_MINUTES = "%a %Y-%m-%d %H:%M"


def show_who_is_on_call() -> bool:
    """Draw the table where it is not as it was; gives whether it was drawn. Raises StoreError."""
    here = services()
    now = on_call_now(here.policy, here.settings.home_folder, here.clock())
    rows, above = ([_row(one, now) for one in now.turns], _above(now)) if now else ([], "Nobody is on the call list.")
    drawn = hashlib.sha256(json.dumps([rows, above]).encode()).hexdigest()
    with here.store.reading() as uow:
        before = uow.cursors.get(_SHOWN)
    if (before is None and now is None) or (before is not None and before[0] == drawn):
        return False
    if not keep_table(ON_CALL, rows, above):
        return False  # the next pass tries again
    with here.store.uow() as uow:
        uow.cursors.set(_SHOWN, drawn, here.clock())
        uow.commit()
    return True


def _row(one: Turn, now: OnCallNow) -> dict[str, Any]:
    return {
        "From (UTC)": "now" if one.begins <= now.at else f"{one.begins:{_MINUTES}}",
        "Until (UTC)": f"{one.ends:{_MINUTES}}",
        "On call": plain(", ".join(one.on_call)) or ("NOBODY" if one.is_gap else ""),
        "At work": plain(", ".join(one.at_work)),
    }


def _above(now: OnCallNow) -> str:
    """Whom an emergency would call, in order, and what is wrong; numbers stand in the policy alone."""
    called = [
        f"{place}. {plain(one.person.name)} ({one.person.tier}): {one.why}"
        for place, one in enumerate(now.answer.calls, 1)
    ]
    parts = [f"**{plain(told)}**" for told in now.alarms]
    parts.append("\n".join(["**An emergency would call now, in this order:**", "", *called]))
    parts += [f"**Nobody is on duty** from {gap.begins:{_MINUTES}} to {gap.ends:{_MINUTES}} UTC." for gap in now.gaps]
    return "\n\n".join(parts)
