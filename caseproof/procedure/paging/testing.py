"""The monthly test page: whether everybody on the call list would be reached, by each way that an emergency takes.

It is never an emergency: no case, no event, no list that goes on to the next. Each person gets, within their own
working hours, one mail, one card and one call to each of their numbers a month, each of which says that it is a test.
Reached is who says so: by the key 1, or by the button of the link. What Teams or a mail server took proves nothing.

A try is written down before it is made, each in a thread of its own; what a killed process had begun is read back from
the telephone company, and never made again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from caseproof.channels.voice.pages import VoiceAlert, trial
from caseproof.config.on_call import OnCallPolicy
from caseproof.domain.emergency.due import Callee
from caseproof.domain.emergency.vocabulary import Outcome
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.on_call.duty import OnCall, is_away
from caseproof.domain.on_call.roster import Line, Person
from caseproof.evidence.page_links import PageLink, page_token
from caseproof.procedure.core.on_call import Window, call_plan
from caseproof.procedure.paging.calls import CallKey, call_key
from caseproof.procedure.paging.lines import Ring, Rung
from caseproof.procedure.paging.ports import Channels, PagingParts
from caseproof.procedure.paging.telephone import Telephone
from caseproof.procedure.paging.tested import (
    TEST,
    Came,
    Try,
    Way,
    begin,
    forget_old,
    month_of,
    note,
    number_of,
    tries,
)
from caseproof.procedure.paging.trial_words import card, letter
from caseproof.procedure.paging.watch import going_on
from caseproof.store import locks

LINK_HOLDS = timedelta(days=35)
"""A test page may be answered for so long: who comes back from leave finds it."""
PATIENCE_SECONDS = 75.0
"""How long a pass waits for what it began; a call rings and talks for about a minute."""


@dataclass(frozen=True, slots=True)
class Due:
    """A person whose test page is due; ``month`` is that of their own clock."""

    person: Person
    month: str


def due(plan: OnCall, day: int, minutes: int, now: datetime, *, at_once: bool = False) -> list[Due]:
    """Whose test page may leave at ``now`` (aware). ``minutes``: not before this minute of the month's ``day``.

    Nobody gets one outside their own hours, or while they are away; ``at_once``: whatever day it is.
    """
    found = []
    for person in plan.people:
        local = now.astimezone(person.hours.zone)
        begins = (day, minutes)
        if not at_once and (day == 0 or (local.day, local.hour * 60 + local.minute) < begins):
            continue
        if person.hours.closed(now) is None and not is_away(person, now, plan.leave):
            found.append(Due(person, month_of(local)))
    return found


# -- the pass -------------------------------------------------------------------------------------------------------


class TestPages:
    """Sends what is due. ``start`` starts a job beside this one; ``wait`` waits for an event, so many seconds."""

    __test__ = False

    def __init__(
        self,
        parts: PagingParts,
        channels: Channels,
        start: Callable[[Callable[[], None]], None],
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._parts, self._channels, self._start, self._wait = parts, channels, start, wait
        self._store, self._clock = parts.ledger.store, parts.ledger.clock
        self._voice = Telephone(channels.voices, self._address, self._clock, wait, lambda _, action: trial(action))

    def send(self, *, at_once: bool = False) -> list[Try]:
        """Begin every try that is due, and wait for them for a while; gives those that were begun.

        Who has two numbers is called on the second in a later pass, and so is who shares one with another: nobody's
        telephones ring at the same time. While an emergency goes on, nothing is sent.
        """
        policy, lock = self._parts.policy(), self._parts.home / "keeper" / "test-page"
        if not policy.on_call.people or not (at_once or policy.on_call.test_day):
            return []
        if locks.is_held(lock) or not locks.hold(lock, wait=False):
            return []  # another process is at it
        try:
            return self._sent(policy.on_call, at_once=at_once)
        finally:
            locks.let_go(lock)

    def _sent(self, own: OnCallPolicy, *, at_once: bool) -> list[Try]:
        now = self._clock()
        self._settle(now)
        if going_on(self._store):
            return []  # nobody's telephone is kept busy by a test while people are called for an emergency
        plan = call_plan(self._parts.policy(), self._parts.home, Window.around(now, 1), fetch=False)
        whose = due(plan, own.test_day, own.test_minute, now, at_once=at_once)
        busy = self._busy()
        begun = [one for who in whose for one in self._begun(who, now, busy)]
        done = [threading.Event() for _ in begun]
        for (one, line), over in zip(begun, done, strict=True):
            self._start(self._job(one, line, over))
        ends = self._clock() + timedelta(seconds=PATIENCE_SECONDS)
        for over in done:
            self._wait(over, max((ends - self._clock()).total_seconds(), 0.0))
        return [one for one, _ in begun]

    def _busy(self) -> set[str]:
        """Whom a test call that is under way is to, by name and by number: neither rings twice at the same time."""
        with self._store.reading() as uow:
            calls = [one for one in tries(uow) if one.way is Way.CALL and one.came is Came.UNDER_WAY]
        lines = [self._line(one) for one in calls]
        return {one.person for one in calls} | {line.number for line in lines if line is not None}

    def _begun(self, who: Due, now: datetime, busy: set[str]) -> list[tuple[Try, Line | None]]:
        """Write down what is tried of one person now: what was not begun this month, and rings nobody in ``busy``."""
        rules, found = self._parts.paging.rules, list[tuple[Try, Line | None]]()
        with self._store.uow() as uow:
            for way, address, line in self._ways(who.person):
                if line is not None and {who.person.name, line.number} & busy:
                    continue
                seconds = rules.ring + rules.talk if way is Way.CALL else rules.message
                one = Try(who.month, who.person.name, way, address, now, now + seconds)
                if begin(uow, one):
                    found.append((one, line))
                    busy |= {who.person.name, line.number} if line is not None else set()
            forget_old(uow, now)
            uow.commit()
        return found

    def _ways(self, person: Person) -> list[tuple[Way, str, Line | None]]:
        """By what this person would be reached in an emergency: what the policy names, and they have."""
        policy = self._parts.policy()
        found: list[tuple[Way, str, Line | None]] = []
        if person.mail and policy.mail.account:
            found.append((Way.MAIL, person.mail, None))
        if person.teams and policy.paging.teams:
            found.append((Way.TEAMS, person.teams, None))
        if policy.paging.voice:
            found += [(Way.CALL, line.told(), line) for line in person.lines]
        return found

    def _job(self, one: Try, line: Line | None, over: threading.Event) -> Callable[[], None]:
        def job() -> None:
            try:
                self._note(self._made(one, line))
            except Exception as error:  # of others than ours only what it is: its text may hold a secret
                why = str(error) if isinstance(error, CaseproofError) else type(error).__name__
                self._note(replace(one, came=Came.FAILED, detail=why[:500]))
            finally:
                over.set()

        return job

    def _made(self, one: Try, line: Line | None) -> Try:
        """Make the try; gives what is known of it then. Raises ChannelError, MailError, BadInput."""
        match one.way:
            case Way.MAIL:
                send = self._channels.mail(self._parts.paging.rules.message.total_seconds())
                sender = self._parts.policy().mail.sender
                send(letter(one, sender, self.link(one)), sender, [one.address])
                return replace(one, came=Came.SENT)
            case Way.TEAMS:
                self._channels.teams().post(card(one, self.link(one)))
                return replace(one, came=Came.SENT, detail="Teams does not say whether it posted the card")
        if line is None:
            raise BadInput(f"No line leads to {one.address}.", "Look at on_call.people in the policy.")
        return _called(one, self._voice.ring(self._ring(one, line)))

    def _settle(self, now: datetime) -> None:
        """What somebody began who died: read back, and never made again."""
        with self._store.reading() as uow:
            left = [one for one in tries(uow) if one.came is Came.UNDER_WAY and one.until <= now]
        for one in left:
            came = replace(one, came=Came.UNKNOWN, detail="whoever sent it ended before it was known what came of it")
            line = self._line(one) if one.way is Way.CALL else None
            if line is not None:
                try:
                    found = self._voice.look_up(self._ring(one, line))
                except CaseproofError as error:
                    came = replace(came, detail=str(error)[:500])
                else:
                    came = _called(one, found) if found is not None else replace(came, detail="no such call was made")
            self._note(came)

    def _note(self, one: Try) -> None:
        with self._store.uow() as uow:
            note(uow, one, self._clock())
            uow.commit()

    def _line(self, one: Try) -> Line | None:
        own = self._parts.policy().on_call
        lines = (line for person in own.people for line in own.lines_of(person))
        return next((line for line in lines if line.told() == one.address), None)

    # -- what is said -----------------------------------------------------------------------------------------------

    def _ring(self, one: Try, line: Line) -> Ring:
        rules = self._parts.paging.rules
        with self._store.reading() as uow:
            known = tuple(other.call for other in tries(uow) if other.call)
        return Ring(
            key=f"{TEST}{one.month}.{one.key}",
            ref=f"{TEST}{one.month}",
            emergency=0,
            attempt=number_of(one.key),
            person=Callee(one.person, (line,)),
            round=1,
            alert=VoiceAlert(f"{TEST}{one.month}", "", ""),
            begun=one.begun,
            known=known,
            ring_seconds=rules.ring.total_seconds(),
            whole_seconds=(rules.ring + rules.talk).total_seconds(),
        )

    def _address(self, ring: Ring) -> str:
        key = call_key(self._parts.keys().secret, CallKey(ring.ref, ring.emergency, ring.attempt))
        return f"{self._parts.links.public}/voice/{key}"

    def link(self, one: Try) -> str:
        """The personal link of a try."""
        link = PageLink(f"{TEST}{one.month}", number_of(one.key), one.person, one.begun + LINK_HOLDS)
        return f"{self._parts.links.public}/page/{page_token(self._parts.keys().secret, link)}"


def _called(one: Try, rung: Rung) -> Try:
    came = {Outcome.FAILED: Came.FAILED, Outcome.ANSWERED: Came.SENT}.get(rung.outcome, Came.NOT_ANSWERED)
    return replace(one, came=came, detail=rung.detail[:500], call=rung.provider)
