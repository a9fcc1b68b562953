"""An emergency as a page shows it: who has it, until when, every try with what came of it, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.paging import Attempt, Paging, Taken, paging_of
from caseproof.domain.emergency.vocabulary import Channel, NewsKind, OwnLadder
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.procedure.paging.raising import GOING_ON, standing
from caseproof.procedure.paging.words import criterion_in_words, problem
from caseproof.procedure.views.case_page import sentence
from caseproof.store import Store

MOST_TRIES = 100
"""So many tries are shown: whoever looks every few seconds wants the newest."""

MOST_GOING_ON = 20
"""So many emergencies stand in a list; in those of a whole region the worklist has the others."""

_CHANNELS = {Channel.MAIL: "mail", Channel.TEAMS: "Teams", Channel.CALL: "call"}
_NEWS = {
    NewsKind.RAISED: "that it was raised",
    NewsKind.STILL_CALLING: "that nobody has it yet",
    NewsKind.CALLING_AGAIN: "that calling begins again",
    NewsKind.TAKEN: "who has it",
    NewsKind.UPDATE: "how it stands",
    NewsKind.STILL_HELD: "who has it yet",
    NewsKind.OVER: "that it is over",
}
_LADDER = {
    OwnLadder.USED: "used, and they could not solve it",
    OwnLadder.NOT_USED: "not used",
    OwnLadder.NONE: "there is none, or nobody answers there",
    OwnLadder.NOT_SAID: "asked, and not answered",
}
_HAPPENED = (
    says.EmergencyRaised, says.ProbeLooked, says.EmergencyTaken, says.TakenByAnother, says.CallingAgain,
    says.WholeTeamCalled, says.NobodyToCall, says.UpdateGiven, says.EmergencyOver,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownTry:
    """A try: ``whom`` it was to reach, or what it told; ``outcome`` in words, "" while it is under way."""

    number: int
    begun: datetime
    channel: str
    whom: str
    outcome: str
    code: str
    detail: str
    ended: datetime | None
    pressed: str


@dataclass(frozen=True, slots=True)
class ShownEmergency:
    """The latest emergency of ``case`` at the moment ``at``. Tries and what happened are the newest first.

    ``earlier`` is how many tries there were before those that are shown.
    """

    case: Case
    at: datetime
    paging: Paging
    problem: str
    holder: Taken | None
    seen: Sequence[tuple[str, str]]
    own_ladder: str
    since: datetime | None
    tries: Sequence[ShownTry]
    earlier: int
    happened: Sequence[tuple[int, Event, str]]

    @property
    def is_over(self) -> bool:
        """Whether nobody need be called any more."""
        return bool(self.paging.over)

    @property
    def minutes(self) -> int | None:
        """How long it lasts by now; None where nobody knows since when."""
        return None if self.since is None else int((self.at - self.since).total_seconds() // 60)


def emergency_shown(case: Case, at: datetime) -> ShownEmergency:
    """How the case's latest emergency stands. Raises NotAllowed where it has none."""
    paging = standing(case)
    said = paging.raised.data
    return ShownEmergency(
        case=case,
        at=at,
        paging=paging,
        problem=problem(paging),
        holder=paging.holder(at),
        seen=[(criterion_in_words(one["criterion"]), one["seen"]) for one in said["criteria"]],
        own_ladder=_LADDER[OwnLadder(said["own_ladder"])],
        since=datetime.fromisoformat(said["since"]) if said["since"] else None,
        tries=[_try(one, paging) for one in reversed(paging.attempts[-MOST_TRIES:])],
        earlier=max(0, len(paging.attempts) - MOST_TRIES),
        happened=[
            (seq, event, sentence(event))
            for seq, event in reversed([*enumerate(case.events, 1)])
            if seq >= paging.raised.seq and event.kind.spec.says in _HAPPENED
        ],
    )


def goes_on(case: Case) -> Paging | None:
    """The case's emergency that goes on; None where it has none, or it is over."""
    paging = paging_of(case)
    return None if paging is None or paging.over else paging


@dataclass(frozen=True, slots=True)
class GoingOn:
    """An emergency that goes on, in a line: who has it ("" for nobody), and since when it was raised."""

    ref: str
    site: str
    holder: str
    raised: datetime


def going_on(store: Store, now: datetime) -> tuple[list[GoingOn], int]:
    """The emergencies that go on, those that nobody has and the oldest first; and how many more there are than shown.

    Raises StoreError.
    """
    found = []
    with store.reading() as uow:
        refs = sorted(uow.cursors.below(GOING_ON))
        for ref in refs[:MOST_GOING_ON]:
            with suppress(CaseproofError):  # a case that nobody can read keeps no other, and no list, from being shown
                if (one := goes_on(uow.cases.get(ref))) is not None:
                    held = one.holder(now)
                    site, raised = str(one.raised.data["site"]), one.raised.at
                    found.append(GoingOn(one.ref, site, held.by if held else "", raised))
    return sorted(found, key=lambda one: (bool(one.holder), one.raised)), max(0, len(refs) - MOST_GOING_ON)


def _try(one: Attempt, paging: Paging) -> ShownTry:
    return ShownTry(
        number=one.number,
        begun=one.begun,
        channel=_CHANNELS[one.channel],
        whom=one.person or (_NEWS[one.news] if one.news else ""),
        outcome=str(one.outcome).replace("_", " ") if one.outcome else "",
        code=str(one.outcome or ""),
        detail=one.detail,
        ended=one.ended,
        pressed=", ".join(paging.pressed.get(one.number, ())),
    )
