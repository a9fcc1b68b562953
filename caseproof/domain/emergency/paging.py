"""How the emergency of a case stands: a pure fold of the case's events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.vocabulary import Channel, NewsKind, Outcome


def holds(since: datetime, until: datetime, now: datetime) -> bool:
    """Whether something that was said to hold from one moment to another holds now.

    A clock that was set back lengthens nothing: what would begin later than it lasts holds no more.
    """
    return now < until and since - now <= until - since


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to reach somebody. ``seq`` is its event's number; ``outcome`` is None until it is known.

    ``until`` is when nobody waits for it any more. A call has ``person`` and ``round``, a message ``news`` and
    ``about``.
    """

    seq: int
    number: int
    channel: Channel
    begun: datetime
    until: datetime
    person: str = ""
    round: int = 0
    news: NewsKind | None = None
    about: int = 0
    outcome: Outcome | None = None
    detail: str = ""
    provider: str = ""
    ended: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody knows yet what came of it."""
        return self.outcome is None

    def is_up(self, now: datetime) -> bool:
        """Whether its time is up: nobody waits for it any more."""
        return not holds(self.begun, self.until, now)


@dataclass(frozen=True, slots=True)
class Taken:
    """Who has it, how they said so, since when and until when."""

    seq: int
    by: str
    via: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Update:
    """What somebody wrote for those who wait."""

    seq: int
    by: str
    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Paging:
    """The latest emergency of a case. ``mark`` is the case's (``Case.mark``).

    ``began_at`` and ``began_seq`` are when calling began, or began again; ``taken`` is the acknowledgement that came
    after that, if one did; ``over`` is the number of the event that ended it, 0 for none; ``no_one`` that of the last
    alarm that there is nobody to call since calling began, 0 for none. ``update`` is the last word to those who wait.
    ``whole_team_seq`` is the number of the event since which everybody is called at once, 0 for none.
    """

    ref: str
    mark: str
    number: int
    raised: FactOf[says.EmergencyRaised]
    began_at: datetime
    began_seq: int
    again: int
    attempts: tuple[Attempt, ...]
    taken: Taken | None
    whole_team: bool
    over: int
    over_why: str
    no_one: int
    pressed: Mapping[int, tuple[str, ...]]
    update: Update | None = None
    whole_team_seq: int = 0

    def holder(self, now: datetime) -> Taken | None:
        """Who has it now: an acknowledgement holds until its time is up, and of what is over nobody has anything."""
        if self.taken is None or self.over or not holds(self.taken.at, self.taken.until, now):
            return None
        return self.taken

    @property
    def reaches_nobody(self) -> bool:
        """Whether no channel is set up: whatever was tried ended so."""
        return bool(self.attempts) and all(one.outcome is Outcome.NOT_SET_UP for one in self.attempts)

    @property
    def not_set_up(self) -> tuple[Channel, ...]:
        """The channels that reach nobody here: each try by them that has ended, ended so."""
        ended = [one for one in self.attempts if not one.is_open]
        reaching = {one.channel for one in ended if one.outcome is not Outcome.NOT_SET_UP}
        return tuple(channel for channel in Channel if channel in {one.channel for one in ended} - reaching)

    def attempt(self, number: int) -> Attempt | None:
        """The try with this number."""
        return next((one for one in self.attempts if one.number == number), None)

    @property
    def calls(self) -> tuple[Attempt, ...]:
        """Every call, oldest first."""
        return tuple(one for one in self.attempts if one.channel is Channel.CALL)

    @property
    def ringing(self) -> tuple[Attempt, ...]:
        """The calls of which nobody knows yet what came of them."""
        return tuple(one for one in self.calls if one.is_open)

    @property
    def this_period(self) -> tuple[Attempt, ...]:
        """The calls since calling began, or began again."""
        return tuple(one for one in self.calls if one.seq > self.began_seq)


def emergencies(case: Case) -> int:
    """How many emergencies the case had."""
    return len(case.all_of(says.EmergencyRaised))


def paging_of(case: Case) -> Paging | None:
    """How its latest emergency stands; None for a case that never had one."""
    raised = case.all_of(says.EmergencyRaised)
    if not raised:
        return None
    last = raised[-1]
    paging = Paging(
        *(case.ref, case.mark, last.data["emergency"], last, last.at, last.seq, 0),
        attempts=(),
        taken=None,
        whole_team=bool(last.data["all_team"]),
        over=0,
        over_why="",
        no_one=0,
        pressed={},
    )
    attempts: dict[int, Attempt] = {}
    for seq, event in enumerate(case.events[last.seq :], last.seq + 1):
        if event.data.get("emergency") == paging.number:
            paging = _after(paging, attempts, FactOf(seq, event))
    return replace(paging, attempts=tuple(attempts.values()))


def _after(paging: Paging, attempts: dict[int, Attempt], fact: Fact) -> Paging:
    if begun := fact.says(says.PageBegun):
        attempts[begun["attempt"]] = _attempt(fact, begun)
    elif ended := fact.says(says.PageEnded):
        _end(attempts, ended, fact.at)
    elif pressed := fact.says(says.PagePressed):
        before = paging.pressed.get(pressed["attempt"], ())
        return replace(paging, pressed={**paging.pressed, pressed["attempt"]: (*before, pressed["digit"])})
    elif taken := fact.says(says.EmergencyTaken):
        until = datetime.fromisoformat(taken["until"])
        return replace(paging, taken=Taken(fact.seq, fact.actor, taken["via"], fact.at, until))
    elif fact.says(says.CallingAgain):
        return replace(paging, taken=None, began_at=fact.at, began_seq=fact.seq, again=paging.again + 1, no_one=0)
    elif fact.says(says.WholeTeamCalled):
        return replace(paging, whole_team=True, whole_team_seq=fact.seq)
    elif fact.says(says.NobodyToCall):
        return replace(paging, no_one=fact.seq)
    elif update := fact.says(says.UpdateGiven):
        return replace(paging, update=Update(fact.seq, fact.actor, fact.at, update["words"]))
    elif over := fact.says(says.EmergencyOver):
        return replace(paging, over=fact.seq, over_why=over["why"])
    return paging


def _attempt(fact: Fact, begun: says.PageBegun) -> Attempt:
    news = begun.get("news")
    return Attempt(
        seq=fact.seq,
        number=begun["attempt"],
        channel=Channel(begun["channel"]),
        begun=fact.at,
        until=datetime.fromisoformat(begun["until"]),
        person=begun.get("person", ""),
        round=begun.get("round", 0),
        news=NewsKind(news) if news else None,
        about=begun.get("about", 0),
    )


def _end(attempts: dict[int, Attempt], ended: says.PageEnded, at: datetime) -> None:
    """The first outcome that is known counts; of what was given up as unknown more may be heard later."""
    known = attempts.get(ended["attempt"])
    if known is not None and known.outcome in (None, Outcome.UNKNOWN):
        outcome = Outcome(ended["outcome"])
        attempts[known.number] = replace(
            known,
            outcome=outcome,
            detail=ended["detail"],
            provider=ended.get("provider", known.provider),
            ended=known.ended or at,
        )
