"""An emergency to try out: a small procedure that may have one, a clock that is moved, and people and channels that are
scripted. What the world outside saw is kept in ``Phones`` and ``Post``, whoever dies here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from caseproof.domain import payloads as says
from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.emergency import kinds as emergency
from caseproof.domain.emergency.closing import EMERGENCY_OVER
from caseproof.domain.emergency.due import Callee, PagingRules
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.raising import Raising, ShortCase, Sighting, Terminals
from caseproof.domain.emergency.vocabulary import Criterion, Outcome, OwnLadder, Press, Via
from caseproof.domain.events import Event
from caseproof.domain.fold import apply, blank
from caseproof.domain.on_call.roster import Line
from caseproof.domain.procedure import Procedure, register
from caseproof.domain.specs import EventKind, Move, Role, Spec
from caseproof.procedure.paging.answering import Acknowledged, Answer, Digit, acknowledge, press
from caseproof.procedure.paging.engine import Addresses, Pager
from caseproof.procedure.paging.lines import Lines, Message, Ring, Rung
from caseproof.procedure.paging.raising import raise_emergency, standing
from caseproof.store import Store
from tests.support.fakes import Clock

START = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
FIRST, SECOND, THIRD = "first on call", "second on call", "third on call"
PEOPLE = tuple(
    Callee(name, lines=(Line(f"+1555010{number}"),), mail=f"{number}@example.com")
    for number, name in enumerate((FIRST, SECOND, THIRD))
)
TERMINALS = Terminals(3, 5)


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class Kind(EventKind):
    OPENED = (
        "opened",
        Spec(says=says.Opened, role=Role.OPENS, moves=(Move(None, State.OPEN, "E1"),), sentence="Opened: {summary}"),
    )
    REOPENED = (
        "reopened",
        Spec(
            says=says.Reopened,
            role=Role.REOPENS,
            moves=(Move(State.CLOSED, State.OPEN, "E1"),),
            sentence="Reopened: {why}",
        ),
    )
    PROOF_MADE = (
        "proof_made",
        Spec(says=says.ProofMade, role=Role.PROVES, noted_in=frozenset(State), kept="proof", sentence="Proven"),
    )
    CLOSED = (
        "closed",
        Spec(says=says.Closed, role=Role.CLOSES, moves=(Move(State.OPEN, State.CLOSED, "E1"),), sentence="Closed"),
    )
    EMERGENCY_RAISED = emergency.emergency_raised([State.OPEN])
    PROBE_LOOKED = emergency.probe_looked([State.OPEN])
    PAGE_BEGUN = emergency.page_begun([State.OPEN])
    PAGE_ENDED = emergency.page_ended([State.OPEN])
    PAGE_PRESSED = emergency.page_pressed([State.OPEN])
    EMERGENCY_TAKEN = emergency.emergency_taken([State.OPEN])
    TAKEN_BY_ANOTHER = emergency.taken_by_another([State.OPEN])
    CALLING_AGAIN = emergency.calling_again([State.OPEN])
    WHOLE_TEAM_CALLED = emergency.whole_team_called([State.OPEN])
    NOBODY_TO_CALL = emergency.nobody_to_call([State.OPEN])
    UPDATE_GIVEN = emergency.update_given([State.OPEN])
    REVIEW_KEPT = emergency.review_kept(State)
    EMERGENCY_OVER = emergency.emergency_over([State.OPEN])


PAGED = Procedure(
    prefix="EP",
    name="paged trial",
    sentences={State.OPEN: "It is open.", State.CLOSED: "It is closed."},
    kinds=Kind,
    conditions=(EMERGENCY_OVER,),
    rule=lambda _: None,
    claims=lambda _: {},
    questions={},
)
register(PAGED)


def raising(**more: Any) -> Raising:
    """An emergency that may be raised, on a case that is written with it."""
    said: dict[str, Any] = {
        "site": "https://shop.example.com",
        "sightings": (Sighting(Criterion.ORDERING_DOWN, "The checkout says 500 since 19:50."),),
        "since": START - timedelta(minutes=10),
        "tried": "restarted the web server",
        "own_ladder": OwnLadder.USED,
        "new_case": ShortCase("Shop A", "Nobody can order."),
        "within_contract": True,
    }
    return Raising(**(said | more))


@dataclass
class Phones:
    """Everybody's telephone. ``script`` says what a person does: an outcome, a digit, or an error; rung out without."""

    script: dict[str, list[Outcome | str | BaseException | Callable[[Ring], Rung]]] = field(default_factory=dict)
    rang: list[tuple[datetime, str]] = field(default_factory=list)
    made: dict[str, Rung] = field(default_factory=dict)
    hung_up: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=lambda: Clock(START))
    refuses: BaseException | None = None
    after: BaseException | None = None

    @property
    def called(self) -> list[str]:
        return [name for _, name in self.rang]

    def ring(self, call: Ring) -> Rung:
        if self.refuses is not None:
            raise self.refuses
        assert call.key not in self.made, "a try is made once"
        self.rang.append((self.clock.now, call.person.name))
        self.made[call.key] = Rung(Outcome.NO_ANSWER)
        plan = self.script.get(call.person.name, [])
        does = plan.pop(0) if plan else Outcome.NO_ANSWER
        if callable(does):
            return does(call)
        if isinstance(does, BaseException):
            raise does
        rung = Rung(does) if isinstance(does, Outcome) else Rung(Outcome.ANSWERED, digit=does)
        self.made[call.key] = rung
        if self.after is not None:
            raise self.after
        if rung.outcome is Outcome.NO_ANSWER:
            self.clock.move(seconds=call.ring_seconds)
        return rung

    def look_up(self, call: Ring) -> Rung | None:
        return self.made.get(call.key)

    def hang_up(self, call: Ring) -> None:
        self.hung_up.append(call.person.name)


@dataclass
class Post:
    """A channel for texts. ``fails`` are the errors that it answers with, one a message."""

    sent: list[Message] = field(default_factory=list)
    fails: list[BaseException | Callable[[], None]] = field(default_factory=list)

    def __call__(self, message: Message) -> str:
        if self.fails:
            what = self.fails.pop(0)
            if isinstance(what, BaseException):
                raise what
            what()
        self.sent.append(message)
        return "taken"

    @property
    def news(self) -> list[str]:
        return [str(message.news) for message in self.sent]


class Jobs:
    """The jobs of an engine, in the order in which they were started: a test runs them, or leaves them hanging."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, job: Callable[[], None]) -> None:
        self.waiting.append(job)

    def finish(self) -> int:
        done, self.waiting = self.waiting, []
        for job in done:
            job()
        return len(done)


REF = "EP-000001"
"""The case of ``OneCase``."""


class OneCase:
    """As much of a store as an engine asks for, in memory; it refuses what the real one refuses."""

    def __init__(self) -> None:
        said = {"platform": "site", "job": "1", "job_name": "Shop A", "cause": "unknown", "summary": "It is down."}
        opened = Event(Kind.OPENED, START, "operator", {**said, "how": "by hand", "scope": "job"})
        self.now = apply(blank(REF), opened)

    def case(self, _ref: str) -> Case:
        return self.now

    def note(self, name: str, value: str, at: datetime) -> None:
        """It is looked for by nobody."""

    def change(self, _ref: str, decide: Callable[[Case], Sequence[Event]]) -> Case:
        after = self.now
        for event in decide(self.now):
            refuse_event(after, event)
            after = apply(after, event)
        self.now = after
        return after


@dataclass
class Emergency:
    """One store and the world around it; ``pager`` gives an engine, as each process has its own."""

    folder: Path
    people: Sequence[Callee] = PEOPLE
    rules: PagingRules = field(default_factory=PagingRules)

    def __post_init__(self) -> None:
        self.clock = Clock(START)
        self.store = Store(f"sqlite:///{self.folder / 'store.sqlite'}")
        self.store.migrate()
        self.phones, self.mail, self.teams = Phones(clock=self.clock), Post(), Post()

    def open_case(self, short: ShortCase | None = None, by: str = "operator") -> str:
        said = short or ShortCase("Shop A", "Nobody can order.")
        facts = {"platform": "site", "job": "", "job_name": said.client, "cause": "unknown", "summary": said.said}
        with self.store.uow() as uow:
            job = {"job": f"{said.client} {len(uow.cases.rows())}", "how": "by hand", "scope": "job"}
            case = uow.cases.create(Event(Kind.OPENED, self.clock(), by, {**facts, **job}))
            uow.commit()
        return case.ref

    def raised(self, **more: Any) -> str:
        said = raising(**more)
        return raise_emergency(self.store, self.clock, said, "operator", open_case=self.open_case).ref

    def pager(self, worker: str = "one", **other: Any) -> Pager:
        given = {"store": self.store, "start": lambda job: job(), "wait": lambda _, seconds: self._wait(seconds)}
        return Pager(
            clock=self.clock,
            lines=Lines(self.mail, self.teams, self.phones),
            rules=self.rules,
            whom=lambda _now, _case: self.people,
            addresses=Addresses(
                lambda ref: f"https://cases.example.com/cases/{ref}",
                lambda ref, number, name: f"https://cases.example.com/page/{ref}-{number}-{name}",
            ),
            worker=worker,
            **(given | other),
        )

    def _wait(self, seconds: float) -> bool:
        self.clock.move(seconds=max(seconds, 0.05))
        return False

    def case(self, ref: str) -> Case:
        return self.store.case(ref)

    def paging(self, ref: str) -> Paging:
        return standing(self.case(ref))

    def kinds(self, ref: str) -> Counter[str]:
        return Counter(str(event.kind) for event in self.case(ref).events)

    def shifts(self, **ends: datetime) -> None:
        """When shifts end, by the first word of who has them."""
        self.people = [replace(one, shift_ends=ends.get(one.name.split()[0])) for one in self.people]


def takes(it: Emergency, ref: str, who: str, number: int = 1, **more: Any) -> Acknowledged:
    """Somebody says that they have it, by their link."""
    return acknowledge(it.store, it.clock, it.rules, ref, Answer(number, who, Via.LINK, **more))


def pressed(it: Emergency, ref: str, attempt: int, digit: str, number: int = 1) -> Press | None:
    """A call-back: somebody pressed a digit in this call."""
    return press(it.store, it.clock, it.rules, ref, Digit(number, attempt, digit))


def outcomes(it: Emergency, ref: str) -> list[tuple[str, str | None]]:
    """Who was called, and what came of it."""
    return [(one.person, one.outcome) for one in it.paging(ref).calls]
