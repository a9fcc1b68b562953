"""Reaches people in an emergency by mail, Teams and telephone at once, and goes on until a human being has it (E8).

Plain code. Each pass looks at the case, writes down what it is about to do in one transaction, and only then starts it,
each try beside all others: a channel that fails or hangs delays no other, and is given up once its time is up.
Of two engines the one whose transaction comes first makes the tries, and the other waits for them as for its own. What
a killed engine had begun is waited for until its time is up, then the next person is called.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from caseproof.config.clock import Clock
from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.due import Callee, Due, PagingRules, due, quiet_until
from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.paging import Attempt, Paging
from caseproof.domain.emergency.vocabulary import CALLING, Channel, NewsKind, Outcome
from caseproof.domain.events import Event
from caseproof.procedure.core.parts import US, event_of
from caseproof.procedure.paging import words
from caseproof.procedure.paging.lines import Lines, Message, Ring
from caseproof.procedure.paging.raising import standing
from caseproof.procedure.paging.tries import Decide, Tries, Try
from caseproof.store import CaseStore, StoreError, UnknownCase, change_each

LOOK_SECONDS = 1.0
"""How soon an answer is seen that another process wrote down, where nobody tells of it (``Pager.look``)."""
PORTION = 50
"""So many emergencies are looked at in one transaction: the calls of the first begin while the next are looked at."""

_log = logging.getLogger(__name__)

Start = Callable[[Callable[[], None]], None]
"""Starts a job beside this thread, and does not wait for it."""

Whom = Callable[[datetime, Case], Sequence[Callee]]
"""Whom to call at a moment for a case, in their order (E10). It is asked often: it waits for no server, and writes
nothing to the store."""


def in_a_thread(job: Callable[[], None]) -> None:
    """Start a job that nobody waits for."""
    threading.Thread(target=job, name="paging", daemon=True).start()


@dataclass(frozen=True)
class Addresses:
    """What stands in messages: ``case_url`` leads to a case, ``link`` is a person's own link for an emergency of it."""

    case_url: Callable[[str], str]
    link: Callable[[str, int, str], str]


@dataclass(frozen=True, slots=True)
class Stands:
    """How an emergency stands after a look: ``at`` is when something is due again if nothing happens before, None for
    never. ``before`` is how many events the case had at first, ``case`` is the case after it."""

    at: datetime | None
    paging: Paging
    before: int
    case: Case


class _News:
    """What is heard of some cases, and what came of their tries, for the thread that runs for them."""

    def __init__(self, refs: Sequence[str]) -> None:
        self.event = threading.Event()
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._told: dict[str, list[Decide]] = {}
        self._refs = set(refs)

    def tell(self, ref: str, *came: Decide) -> bool:
        """Have the case looked at, and this written down; False where nobody runs for it any more."""
        if came and threading.get_ident() == self._thread:
            return False  # it would wait for itself
        with self._lock:
            if ref not in self._refs:
                return False
            self._told.setdefault(ref, []).extend(came)
        self.event.set()
        return True

    def taken(self) -> dict[str, list[Decide]]:
        self.event.clear()
        with self._lock:
            told, self._told = self._told, {}
        return told

    def leave(self, ref: str) -> bool:
        """Run for it no more, unless something was heard that is to be written down."""
        with self._lock:
            if self._told.get(ref):
                return False
            self._told.pop(ref, None)  # whoever runs for it next looks at it
            self._refs.discard(ref)
            return True

    def close(self) -> dict[str, list[Decide]]:
        """Run for none any more; what was heard and not taken."""
        with self._lock:
            self._refs.clear()
        return self.taken()


@dataclass
class Pager:
    """The engine, for as many emergencies as there are. ``worker`` is who this process is, in front of people.

    ``start`` starts a job beside this one, and ``lanes`` does so for a channel; tests give others. ``wait`` waits for
    an event, so many seconds at most.
    ``look``: how many seconds until it is looked whether another process wrote something; ``heard`` tells sooner.
    """

    store: CaseStore
    clock: Clock
    lines: Lines
    rules: PagingRules
    whom: Whom
    addresses: Addresses
    worker: str
    start: Start = in_a_thread
    lanes: Mapping[Channel, Start] = field(default_factory=dict)
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    look: float = LOOK_SECONDS
    _people: dict[str, Sequence[Callee]] = field(default_factory=dict, init=False)
    _hung_up: set[str] = field(default_factory=set, init=False)
    _news: dict[str, _News] = field(default_factory=dict, init=False)
    """By case: that of whoever runs for it."""
    _seen: dict[str, int] = field(default_factory=dict, init=False)

    def heard(self, ref: str, version: int) -> None:
        """The case is so old by now: whoever runs for it looks at it, unless that was seen."""
        if version > self._seen.get(ref, version) and (news := self._news.get(ref)) is not None:
            news.tell(ref)

    def run(self, ref: str) -> datetime | None:
        """Go on until somebody has it and everybody was told, or until it is over.

        Returns when it is to be run again: calling begins again, or those who wait have to hear that it goes on; None
        where it is over. What is said meanwhile is told by the next run, which may begin sooner. A store that does not
        answer is asked again for as long as it takes. Raises UnknownCase, NotAllowed where there is no emergency.
        """
        found: list[Stands | Exception] = []
        self.run_all([ref], lambda _, how: found.append(how))
        (how,) = found
        if isinstance(how, Exception):
            raise how
        return how.at

    def run_all(
        self,
        refs: Sequence[str],
        ended: Callable[[str, Stands | Exception], None],
        seen: Callable[[str, Paging], None] = lambda *_: None,
    ) -> None:
        """As ``run``, for all of these cases by this one thread.

        ``ended`` is told of each when it is to be run no more for now, and of what ``run`` raises for it; ``seen`` of
        each when it was first looked at.
        """
        news, came = _News(refs), dict[str, list[Decide]]()
        self._news |= dict.fromkeys(refs, news)
        try:
            self._go_on(refs, news, came, ended, seen)
        finally:
            self._keep(news, came)

    def _go_on(
        self,
        refs: Sequence[str],
        news: _News,
        came: dict[str, list[Decide]],
        ended: Callable[[str, Stands | Exception], None],
        seen: Callable[[str, Paging], None],
    ) -> None:
        before, looks = dict[str, int](), dict.fromkeys(refs, self.clock())
        while looks:
            now = self.clock()
            for ref, told in news.taken().items():
                looks[ref] = now
                came.setdefault(ref, []).extend(told)
            soonest = min(looks.values())
            if soonest > now and self.wait(news.event, min(self.look, (soonest - now).total_seconds())):
                continue
            # Once it has waited, whoever is first is looked at whatever the clock says: it may have been set.
            until = max(soonest, now)
            portion = [ref for ref, at in looks.items() if at <= until][:PORTION]
            for ref, how in self._stepped(portion, came).items():
                if isinstance(how, Stands) and ref not in before:
                    before[ref] = how.before
                    seen(ref, how.paging)
                wait = self._waits(ref, how)
                if wait is None and came.get(ref):  # what came of a try is not written down yet
                    wait = LOOK_SECONDS
                if wait is not None or not news.leave(ref):
                    looks[ref] = self.clock() + timedelta(seconds=wait or 0.0)
                    continue
                del looks[ref]
                ended(ref, replace(how, before=before[ref]) if isinstance(how, Stands) else how)

    def _keep(self, news: _News, came: dict[str, list[Decide]]) -> None:
        """Write down what came of tries where the run broke off: else they would be made again."""
        for ref, told in news.close().items():
            came.setdefault(ref, []).extend(told)
        left = [(ref, decide) for ref, told in came.items() for decide in told]
        for (ref, decide), what in zip(left, change_each(self.store, left), strict=True):
            if _is_away(what):
                self._begin(self.start, self._jobs(ref).keep, ref, decide)

    def _waits(self, ref: str, how: Stands | Exception) -> float | None:
        """So many seconds until the next look; None where there is none for now."""
        if _is_away(how):
            _log.warning("%s: paging goes on: %s", ref, how)
            return LOOK_SECONDS
        if isinstance(how, Exception) or how.at is None:
            return None
        now = self.clock()
        quiet = quiet_until(how.paging, now, self.rules)
        if quiet is not None and how.at >= quiet:
            return None
        return min(self.look, max((how.at - now).total_seconds(), 0.0))

    def step(self, ref: str) -> datetime | None:
        """Do what is due now; returns when something is due again if nothing happens before, None for never."""
        how = self._stepped([ref])[ref]
        if isinstance(how, Exception):
            raise how
        return how.at

    def _stepped(
        self, refs: Sequence[str], came: dict[str, list[Decide]] | None = None
    ) -> dict[str, Stands | Exception]:
        """Do what is due in each of these; how each stands then, or why nobody can say it.

        ``came`` is what came of their tries: it is written down first, and what cannot be yet stays there.
        """
        found: dict[str, Stands | Exception] = {}
        left = {ref: _Look(self) for ref in refs}
        came = {} if came is None else came
        while left:
            told = [(ref, decide) for ref in left for decide in came.get(ref, ())]
            looks = [(ref, one.decide) for ref, one in left.items()]
            after = change_each(self.store, [*told, *looks])
            for ref in left:
                came.pop(ref, None)
            for (ref, decide), what in zip(told, after, strict=False):
                if _is_away(what):
                    came.setdefault(ref, []).append(decide)
            for (ref, _), case in zip(looks, after[len(told) :], strict=True):
                try:
                    stands = left[ref].carried_out(case)
                except Exception as error:
                    found[ref] = error
                else:
                    if stands is None:
                        continue  # something was begun: it is looked at once more
                    found[ref] = stands
                del left[ref]
        return found

    def _whom(self, now: datetime, case: Case) -> Sequence[Callee]:
        """Whom to call now; where the list cannot be read, those of the last time: somebody has to be called."""
        try:
            self._people[case.ref] = list(self.whom(now, case))
        except Exception:
            _log.exception("%s: the list of whom to call cannot be read", case.ref)
        return self._people.get(case.ref, ())

    # -- what is written before ----------------------------------------------------------------------------

    def _tries(self, paging: Paging, plan: Due, now: datetime) -> list[Attempt]:
        """The tries that are due, with their numbers and the times until which they are waited for."""
        found = []
        for number, wanted in enumerate(plan.begin, len(paging.attempts) + 1):
            is_call = wanted.channel is Channel.CALL
            until = now + (self.rules.ring + self.rules.talk if is_call else self.rules.message)
            about = (wanted.person, wanted.round, wanted.news, wanted.about)
            found.append(Attempt(0, number, wanted.channel, now, until, *about))
        return found

    def _intent(self, paging: Paging, one: Attempt) -> tuple[type[Any], Mapping[str, Any]]:
        said = says.PageBegun(
            emergency=paging.number,
            attempt=one.number,
            channel=str(one.channel),
            until=one.until.isoformat(),
            worker=self.worker,
        )
        if one.news is None:
            return says.PageBegun, {**said, "person": one.person, "round": one.round}
        return says.PageBegun, {**said, "news": str(one.news), "about": one.about}

    # -- what is done --------------------------------------------------------------------------------------

    def _carry_out(self, paging: Paging, plan: Due, begun: Sequence[Attempt]) -> None:
        """Start everything, each beside the others; calls first, because people take longest."""
        tries, voice = self._jobs(paging.ref), self.lines.voice
        for one in sorted(begun, key=lambda one: one.channel is not Channel.CALL):
            it = Try(paging.ref, paging.number, one.number)
            if one.news is None:
                self._start(one.channel, tries.call, it, voice, self._ring(paging, one))
            else:
                send = self.lines.mail if one.channel is Channel.MAIL else self.lines.teams
                self._start(one.channel, tries.send, it, send, self._message(paging, one, one.news))
        for one in plan.expired:
            if one.channel is Channel.CALL:
                it = Try(paging.ref, paging.number, one.number)
                self._start(one.channel, tries.look_up, it, voice, self._ring(paging, one))
        for one in plan.hang_up:
            ring = self._ring(paging, one)
            if ring.key not in self._hung_up:
                self._hung_up.add(ring.key)
                self._start(one.channel, tries.hang_up, Try(paging.ref, paging.number, one.number), voice, ring)

    def _jobs(self, ref: str) -> Tries:
        heard, write = lambda: self._tell(ref), lambda came: self._tell(ref, came)
        return Tries(self.store, self.clock, self.rules, self.wait, heard, write)

    def _tell(self, ref: str, *came: Decide) -> bool:
        return (news := self._news.get(ref)) is not None and news.tell(ref, *came)

    def _start(self, channel: Channel, job: Callable[..., None], *given: object) -> None:
        self._begin(self.lanes.get(channel, self.start), job, *given)

    def _begin(self, start: Start, job: Callable[..., None], *given: object) -> None:
        try:
            start(lambda: job(*given))
        except RuntimeError as error:  # no thread is left: this try is given up in time, and the others begin
            _log.error("A try cannot be started: %s", error)

    def _ring(self, paging: Paging, one: Attempt) -> Ring:
        people = {person.name: person for person in self._people.get(paging.ref, ())}
        return Ring(
            key=_key(paging, one),
            ref=paging.ref,
            emergency=paging.number,
            attempt=one.number,
            person=people.get(one.person, Callee(one.person)),
            round=one.round,
            alert=words.alert_of(paging),
            begun=one.begun,
            known=tuple(other.provider for other in paging.calls if other.provider),
            ring_seconds=self.rules.ring.total_seconds(),
            whole_seconds=(self.rules.ring + self.rules.talk).total_seconds(),
        )

    def _message(self, paging: Paging, one: Attempt, news: NewsKind) -> Message:
        people = self._people.get(paging.ref, ())
        names = [person.name for person in people] if news in CALLING and one.channel is Channel.MAIL else []
        return Message(
            key=_key(paging, one),
            ref=paging.ref,
            news=news,
            subject=words.subject(paging, news),
            text=words.text(paging, news, one.begun, self.addresses.case_url(paging.ref)),
            people=people,
            raised_by=paging.raised.actor,
            links={name: self.addresses.link(paging.ref, paging.number, name) for name in names},
        )


class _Look:
    """A look at one case: what is due is written down, and then begun."""

    def __init__(self, pager: Pager) -> None:
        self._pager = pager
        self._before: int | None = None
        self._found: tuple[Paging, Due, list[Attempt]] | None = None

    def decide(self, case: Case) -> Sequence[Event]:
        """What is written down; asked again, the last word counts."""
        pager, now = self._pager, self._pager.clock()
        paging = standing(case)
        plan = due(paging, pager._whom(now, case), now, pager.rules)
        begun = pager._tries(paging, plan, now)
        self._found = paging, plan, begun
        self._before = case.version if self._before is None else self._before
        said = [*_noted(paging, plan), *(pager._intent(paging, one) for one in begun)]
        return [event_of(kind_with(case.procedure, payload), now, US, data) for payload, data in said]

    def carried_out(self, after: Case | Exception) -> Stands | None:
        """Begin it, now that it is written; None where something was begun. Raises why nothing could be written."""
        if isinstance(after, Exception):
            raise after
        assert self._found is not None  # noqa: S101 - for the types
        assert self._before is not None  # noqa: S101 - for the types
        paging, plan, begun = self._found
        self._pager._carry_out(paging, plan, begun)
        self._pager._seen[after.ref] = after.version
        if plan.again or plan.expired or begun:
            return None
        return Stands(plan.next_at, paging, self._before, after)


def _is_away(what: object) -> bool:
    """Whether nothing was written that may be written later."""
    return isinstance(what, StoreError) and not isinstance(what, UnknownCase)


def _key(paging: Paging, one: Attempt) -> str:
    """The same whenever the same try is made: what a provider or a read-back knows it by."""
    return f"{paging.ref}-{paging.mark}-{paging.number}-{one.number}".lower()


def _noted(paging: Paging, plan: Due) -> list[tuple[type[Any], Mapping[str, Any]]]:
    """What follows from the time alone, and is written down as it is found."""
    found: list[tuple[type[Any], Mapping[str, Any]]] = []
    if plan.again and paging.taken is not None:
        why = f"what {paging.taken.by} said has run out"
        found.append((says.CallingAgain, says.CallingAgain(emergency=paging.number, why=why)))
    if plan.nobody:
        why = "the list is empty, or nobody on it has a number"
        found.append((says.NobodyToCall, says.NobodyToCall(emergency=paging.number, why=why)))
    for one in plan.expired:
        detail = "its time is up, and nothing is known of it"
        ended = says.PageEnded(emergency=paging.number, attempt=one.number, outcome=str(Outcome.UNKNOWN), detail=detail)
        found.append((says.PageEnded, ended))
    return found
