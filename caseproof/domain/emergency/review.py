"""The timeline of an emergency, for its review (E12): written by itself, from the events alone.

It says when the emergency was raised, how soon each channel began and each person was rung, who had it, what those who
waited were told, and every try with what came of it. The same events give the same timeline, whoever asks when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.paging import Attempt, Paging, paging_of
from caseproof.domain.emergency.vocabulary import Channel, Outcome
from caseproof.domain.fold import fold
from caseproof.domain.specs import Role

_TRIES = (says.PageBegun, says.PageEnded)
"""What stands in the table of tries, and not among what happened."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: when, since the emergency was raised how long, who did it, and the event itself."""

    at: datetime
    after: timedelta
    who: str
    fact: Fact


@dataclass(frozen=True, slots=True)
class Review:
    """The emergency from its raising to its end, or so far.

    ``first_send``, ``first_ring`` and ``acknowledged`` are None where that never came to be, ``over`` while it goes on;
    ``by`` is who had it first. ``held`` is how long each person had it, together; what goes on is not counted yet.
    """

    paging: Paging
    raised: datetime
    first_send: datetime | None
    first_ring: datetime | None
    acknowledged: datetime | None
    by: str
    over: datetime | None
    held: Mapping[str, timedelta]
    moments: Sequence[Moment]

    @property
    def lasted(self) -> timedelta | None:
        """From the raising to the end; None while it goes on."""
        return self.over - self.raised if self.over is not None else None

    def after(self, at: datetime | None) -> timedelta | None:
        """How long after the raising that was."""
        return at - self.raised if at is not None else None

    @property
    def people_called(self) -> list[str]:
        """Whom it rang, in the order in which they were rung first."""
        return list(dict.fromkeys(one.person for one in self.paging.calls))

    @property
    def reached_by(self) -> Mapping[Channel, tuple[int, int]]:
        """How many tries each channel made, and in how many a message was taken, or somebody pressed a key.

        That a call was answered says nothing: machines answer, too.
        """
        pressed = self.paging.pressed
        reached = {
            one.number for one in self.paging.attempts if one.outcome is Outcome.DELIVERED or pressed.get(one.number)
        }
        tries = {channel: [one.number for one in self.paging.attempts if one.channel is channel] for channel in Channel}
        return {channel: (len(some), len(reached.intersection(some))) for channel, some in tries.items()}


def emergency_of(case: Case, number: int = 0) -> Paging | None:
    """How the emergency of this number stands, the latest for 0; None where the case has none of it.

    An earlier one is folded from the events up to the next: what belongs to it and came later counts for it, too.
    """
    latest = paging_of(case)
    if latest is None or number in (0, latest.number):
        return latest
    others = [fact.seq for fact in case.all_of(says.EmergencyRaised) if fact.data["emergency"] != number]
    kept = [event for seq, event in enumerate(case.events, 1) if seq not in others]
    found = paging_of(fold(case.ref, kept))
    return found if found is not None and found.number == number else None


def review_of(case: Case, number: int = 0) -> Review | None:
    """The timeline of this emergency, of the latest for 0; None where the case has none of it."""
    paging = emergency_of(case, number)
    if paging is None:
        return None
    facts = _of_it(case, paging)
    raised = paging.raised.at
    takes = [fact for fact in facts if fact.says(says.EmergencyTaken)]
    over = next((fact for fact in facts if fact.says(says.EmergencyOver)), None)
    return Review(
        paging=paging,
        raised=raised,
        first_send=_first(paging.attempts, Channel.MAIL, Channel.TEAMS),
        first_ring=_first(paging.attempts, Channel.CALL),
        acknowledged=takes[0].at if takes else None,
        by=takes[0].actor if takes else "",
        over=over.at if over else None,
        held=_held(facts),
        moments=[Moment(fact.at, fact.at - raised, fact.actor, fact) for fact in facts if not _is_a_try(fact)],
    )


def _of_it(case: Case, paging: Paging) -> list[Fact]:
    """What happened from its raising to its end, of the whole case: who did what, beside the emergency's own events."""
    found: list[Fact] = []
    for seq, event in enumerate(case.events[paging.raised.seq - 1 :], paging.raised.seq):
        # What an answer did stands there by itself.
        is_news = event.kind.spec.news and event.kind.spec.role is not Role.ANSWERS
        if is_news or event.says(says.PageBegun):
            found.append(FactOf(seq, event))
        if event.says(says.EmergencyOver):
            break
    return found


def _is_a_try(fact: Fact) -> bool:
    return any(fact.says(payload) for payload in _TRIES)


def _first(attempts: Sequence[Attempt], *channels: Channel) -> datetime | None:
    return min((one.begun for one in attempts if one.channel in channels), default=None)


def _held(facts: Sequence[Fact]) -> dict[str, timedelta]:
    """How long each person had it: from what they said to the end of that, be it over, given back or run out.

    Who has it yet has no end, and until when they will have had it nobody knows.
    """
    found: dict[str, timedelta] = {}
    for place, fact in enumerate(facts):
        taken = fact.says(says.EmergencyTaken)
        if taken is None:
            continue
        later = facts[place + 1 :]
        ends = [one.at for one in later if one.says(says.CallingAgain) or one.says(says.EmergencyOver)]
        if not ends:
            continue
        until = min([datetime.fromisoformat(taken["until"]), ends[0]])
        found[fact.actor] = found.get(fact.actor, timedelta()) + max(until - fact.at, timedelta())
    return found
