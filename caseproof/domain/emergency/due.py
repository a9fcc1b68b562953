"""What is to be done next in an emergency, and when something is due again: one pure function of how it stands.

Calls go down the list: ring, next, and round again, until somebody has it. A call that was begun is waited for until
its time is up, whoever began it: so a second engine, or the next one after a killed one, calls nobody twice within the
ring and goes on with the next person. Mail and Teams each carry the latest news; what fails is tried again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from caseproof.domain.emergency.paging import Attempt, Paging, holds
from caseproof.domain.emergency.vocabulary import MESSAGES, Channel, NewsKind, Outcome, Via
from caseproof.domain.on_call.roster import Line
from caseproof.domain.people import same_person

TRIES_WHEN_OVER = 5
"""How often a channel is tried with the news that it is over: nobody is called any more, so it has an end."""


@dataclass(frozen=True, slots=True)
class Callee:
    """Somebody on the list, in the order of whom to call. ``lines`` are the ways to ring them, none for nobody to call.

    ``shift_ends`` is when their shift ends, aware, None where they have none: what they take is theirs no longer.
    """

    name: str
    lines: tuple[Line, ...] = ()
    mail: str = ""
    teams: str = ""
    shift_ends: datetime | None = None

    def line(self, turn: int) -> Line | None:
        """What is dialled in this round of the list (from 1): of several ways, one after the other."""
        return self.lines[(turn - 1) % len(self.lines)] if self.lines else None


@dataclass(frozen=True, slots=True)
class PagingRules:
    """How long things take in an emergency; spans of time.

    ``ring`` is how long a call rings, ``talk`` how much longer somebody who picked up may take to press a digit.
    ``between_rounds`` is the pause before the list is begun again, ``message`` how long a mail or card may take,
    ``retry`` after how long one that failed is tried again, ``update`` how often those who wait hear that calling goes
    on, ``silence`` how long an acknowledgement holds.
    """

    ring: timedelta = timedelta(seconds=25)
    talk: timedelta = timedelta(seconds=35)
    between_rounds: timedelta = timedelta(seconds=30)
    message: timedelta = timedelta(seconds=20)
    retry: timedelta = timedelta(seconds=60)
    update: timedelta = timedelta(minutes=10)
    silence: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A try that is due: a call to ``person`` in this ``round``, or a message with this ``news``."""

    channel: Channel
    person: str = ""
    round: int = 0
    news: NewsKind | None = None
    about: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now. ``expired`` are tries whose time is up; ``again``: calling begins again; ``nobody``: the alarm
    that there is nobody to call; ``hang_up``: calls to end, since nobody need be called. ``next_at`` is when to look
    again if nothing happens before, None for never."""

    begin: tuple[Wanted, ...] = ()
    expired: tuple[Attempt, ...] = ()
    hang_up: tuple[Attempt, ...] = ()
    again: bool = False
    nobody: bool = False
    next_at: datetime | None = None


def due(paging: Paging, people: Sequence[Callee], now: datetime, rules: PagingRules) -> Due:
    """What is to be done now, and when to look again. ``people`` are in the order of whom to call."""
    if paging.taken is not None and not paging.over and paging.holder(now) is None:
        return Due(again=True)
    expired = tuple(one for one in paging.attempts if one.is_open and one.is_up(now))
    if expired:
        return Due(expired=expired)
    texts, texts_at = _messages(paging, now, rules)
    times = [*texts_at, *(one.until for one in paging.attempts if one.is_open)]
    if paging.over:
        return Due(begin=texts, hang_up=paging.ringing, next_at=min(times, default=None))
    if (held := paging.holder(now)) is not None:
        speaks = held.via == Via.DIGIT  # in the call in which they said so; any other of theirs would only ring on
        ends = tuple(one for one in paging.ringing if not (speaks and same_person(one.person, held.by)))
        return Due(begin=texts, hang_up=ends, next_at=min([*times, held.until]))
    calls, calls_at = _calls(paging, people, now, rules)
    nobody = not _with_number(people) and not paging.no_one
    return Due(begin=(*texts, *calls), nobody=nobody, next_at=min([*times, *calls_at], default=None))


# -- calls ----------------------------------------------------------------------------------------------------------


def _with_number(people: Iterable[Callee]) -> list[str]:
    """The names of those who can be called, each once, in their order."""
    return list(dict.fromkeys(one.name for one in people if one.lines))


def _calls(
    paging: Paging, people: Sequence[Callee], now: datetime, rules: PagingRules
) -> tuple[tuple[Wanted, ...], list[datetime]]:
    """The calls that are due, and when others may be; nobody is called twice within the ring, whatever came of it."""
    names = _with_number(people)
    if not names:
        return (), [now + rules.between_rounds]  # the list may have somebody then
    calls = paging.this_period
    ringing = {one.person for one in paging.ringing}
    turn = max((one.round for one in calls), default=1)
    called = {one.person for one in calls if one.round == turn}
    left = [name for name in names if name not in called]
    if calls and all(one.seq < paging.whole_team_seq for one in calls if one.round == turn):
        turn, left = turn + 1, names  # everybody is called now, also who was called in vain before
    elif not left and not ringing:
        ends = [one.ended for one in calls if one.round == turn and one.ended is not None]
        last = max(ends, default=now)
        begins = last + rules.between_rounds
        if holds(last, begins, now):
            return (), [begins]
        turn, left = turn + 1, names
    resting = {
        one.person: one.begun + rules.ring for one in paging.calls if holds(one.begun, one.begun + rules.ring, now)
    }
    free = [name for name in left if name not in ringing and name not in resting]
    if not paging.whole_team:
        free = [] if ringing else free[:1]
    times = [resting[name] for name in left if name in resting]
    return tuple(Wanted(Channel.CALL, person=name, round=turn) for name in free), times


# -- mail and Teams -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class News:
    """What is news: its kind, its number among its kind, and since when it is news. ``after`` is the number of the
    event that it goes back to: what was sent before that one told something else."""

    kind: NewsKind
    about: int
    since: datetime
    after: int


def news_of(paging: Paging, now: datetime, rules: PagingRules) -> News:
    """The latest news. Where nothing happened for the time of an update, that it goes on is news by itself."""
    if paging.over:
        return News(NewsKind.OVER, paging.over, now, paging.over)
    last = _last_event(paging)
    passed = int((now - last.since) / rules.update)
    if passed <= 0:
        return last
    kind = NewsKind.STILL_CALLING if paging.taken is None else NewsKind.STILL_HELD
    # Told apart from those that go back to another event by its number.
    return News(kind, last.after + passed, last.since + passed * rules.update, last.after)


def _last_event(paging: Paging) -> News:
    """What was said or happened last, of all that is told to those who wait."""
    taken, update = paging.taken, paging.update
    began = NewsKind.CALLING_AGAIN if paging.again else NewsKind.RAISED
    found = [News(began, paging.began_seq, paging.began_at, paging.began_seq)]
    if taken is not None:
        found.append(News(NewsKind.TAKEN, taken.seq, taken.at, taken.seq))
    if update is not None:
        found.append(News(NewsKind.UPDATE, update.seq, update.at, update.seq))
    return max(found, key=lambda one: one.after)


def quiet_until(paging: Paging, now: datetime, rules: PagingRules) -> datetime | None:
    """Until when nothing is due while somebody has it and everybody knows; None while nobody has it."""
    held = paging.holder(now)
    return min(held.until, news_of(paging, now, rules).since + rules.update) if held is not None else None


_DONE = frozenset({Outcome.DELIVERED, Outcome.NOT_SET_UP})


def _messages(paging: Paging, now: datetime, rules: PagingRules) -> tuple[tuple[Wanted, ...], list[datetime]]:
    news = news_of(paging, now, rules)
    kind, about = news.kind, news.about
    times = [] if paging.over else [news.since + rules.update]
    wanted = []
    for channel in MESSAGES:
        tries = [one for one in paging.attempts if one.channel is channel]
        of_this = [one for one in tries if (one.news, one.about) == (kind, about) and one.seq > news.after]
        if any(one.is_open for one in tries) or any(one.outcome in _DONE for one in of_this):
            continue  # one after the other, so that the latest is read last
        if paging.over and len(of_this) >= TRIES_WHEN_OVER:
            continue
        again = _again_at(of_this, rules)
        if again is not None and holds(again - rules.retry, again, now):
            times.append(again)
            continue
        wanted.append(Wanted(channel, news=kind, about=about))
    return tuple(wanted), times


def _again_at(tries: Sequence[Attempt], rules: PagingRules) -> datetime | None:
    """When the same is tried again; None where it was never tried. Of what nobody knows: at once, but only once."""
    last = max((one.ended for one in tries if one.ended), default=None)
    if last is None or (len(tries) == 1 and tries[0].outcome is Outcome.UNKNOWN):
        return last
    return last + rules.retry
