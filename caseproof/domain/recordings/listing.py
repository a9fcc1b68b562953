"""The recordings of a case: which are linked, who may hear them, and whether one is asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from caseproof.domain.case import Case
from caseproof.domain.emergency.paging import paging_of
from caseproof.domain.people import same_person
from caseproof.domain.recordings import payloads as says

EVERYBODY = "team"
"""Who is on the team, whatever their tier."""
TIERS = ("L1", "L2", "PT", "DEV", "IMPLEMENTATION")
"""The tiers as the policy writes them."""


class Ends(StrEnum):
    """Why a recording is linked no more. The values are stored."""

    TIME_IS_OVER = "time_is_over"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of a case; ``ends`` is why it is linked no more, None while it is."""

    ref: str
    number: int
    said: says.RecordingLinked
    ends: Ends | None = None

    @property
    def is_linked(self) -> bool:
        return self.ends is None

    @property
    def kept_until(self) -> date:
        return date.fromisoformat(self.said["kept_until"])


def recordings(case: Case) -> list[Recording]:
    """The recordings of a case, oldest first, those that are linked no more as well."""
    found = {one.data["recording"]: Recording(case.ref, one.data["recording"], one.data)
             for one in case.all_of(says.RecordingLinked)}  # fmt: skip
    for fact in case.all_of(says.RecordingUnlinked):
        number = fact.data["recording"]
        if number in found:
            because = next((one for one in Ends if one == fact.data["because"]), Ends.TAKEN_BACK)
            found[number] = replace(found[number], ends=because)
    return list(found.values())


def may_hear(listeners: Collection[str], name: str, tiers: Collection[str]) -> bool:
    """Whether somebody of the team, who is in these tiers, may hear what these may hear."""
    if not name.strip():
        return False
    return EVERYBODY in listeners or any(one in listeners for one in tiers) or any(
        same_person(name, one) for one in listeners
    )  # fmt: skip


def is_asked_for(case: Case) -> int:
    """The number of the emergency that is over, and of which nobody has said yet where its recording is, or why there
    is none; 0 where nothing is asked for."""
    paging = paging_of(case)
    if paging is None or not paging.over:
        return 0
    said = [*case.all_of(says.RecordingLinked), *case.all_of(says.NoRecording)]
    return 0 if any(fact.data["emergency"] == paging.number for fact in said) else paging.number
