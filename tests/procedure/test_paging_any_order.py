"""Whatever happens in whichever order, an emergency calls nobody twice within the ring, nobody while somebody has it,
and never comes to rest before it is over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from caseproof.domain.emergency.due import PagingRules
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.vocabulary import Channel, Outcome, Via
from caseproof.domain.errors import NotAllowed
from caseproof.procedure.paging.answering import Answer, Digit, acknowledge, call_whole_team, give_back, press
from caseproof.procedure.paging.engine import Addresses, Pager
from caseproof.procedure.paging.lines import Lines
from caseproof.procedure.paging.raising import raise_emergency, standing
from tests.support.fakes import Clock
from tests.support.paged import PEOPLE, REF, START, Jobs, Kind, OneCase, Phones, Post, raising


class World:
    """Two engines that may be killed at any moment, and people who answer as they like."""

    def __init__(self) -> None:
        self.clock, self.store, self.rules = Clock(START), OneCase(), PagingRules()
        self.mail, self.teams, self.phones = Post(), Post(), Phones(clock=self.clock)
        raise_emergency(self.store, self.clock, raising(case=REF, new_case=None), "operator", open_case=lambda *_: REF)  # type: ignore[arg-type]
        self.engines = [self.engine(), self.engine()]

    def engine(self) -> Pager:
        return Pager(
            *(self.store, self.clock, Lines(self.mail, self.teams, self.phones), self.rules),  # type: ignore[arg-type]
            whom=lambda _now, _case: PEOPLE,
            addresses=Addresses(lambda ref: ref, lambda ref, number, name: f"{ref}-{number}-{name}"),
            worker="an engine",
            start=Jobs(),
            wait=lambda *_: False,
        )

    def do(self, what: str, which: int) -> None:
        parts: Any = (self.store, self.clock)
        number, name = 1 + which % max(len(self.paging.attempts), 1), PEOPLE[which % 3].name
        acts: dict[str, Callable[[], object]] = {
            "step": lambda: self.engines[which % 2].step(REF),
            "finish": lambda: self.finish(which % 2),
            "kill": lambda: self.engines.__setitem__(which % 2, self.engine()),
            "tick": lambda: self.clock.move(seconds=which),
            "hour": lambda: self.clock.move(minutes=which),
            "press": lambda: press(*parts, self.rules, REF, Digit(1, number, str(which % 5))),
            "take": lambda: acknowledge(*parts, self.rules, REF, Answer(1, name, Via.FORM)),
            "give back": lambda: give_back(*parts, REF, name, ""),
            "escalate": lambda: call_whole_team(*parts, REF, name, "it is bad"),
        }
        acts[what]()

    def finish(self, which: int) -> None:
        """What this engine began comes to an end: nobody takes it by telephone."""
        for person in PEOPLE:
            self.phones.script[person.name] = [Outcome.BUSY, Outcome.MACHINE, Outcome.ANSWERED]
        self.engines[which].start.finish()  # type: ignore[attr-defined]

    @property
    def paging(self) -> Paging:
        return standing(self.store.now)

    def check(self) -> None:
        began: dict[str, datetime] = {}
        for call in self.paging.calls:
            assert call.person not in began or call.begun - began[call.person] >= self.rules.ring
            began[call.person] = call.begun
        taken_until, calls = None, set()
        for event in self.store.now.events:
            if event.kind is Kind.EMERGENCY_TAKEN:
                assert taken_until is None, "somebody had it already"
                taken_until = datetime.fromisoformat(event.data["until"])
            elif event.kind is Kind.CALLING_AGAIN:
                taken_until = None
            elif event.kind is Kind.PAGE_BEGUN:
                assert event.data["attempt"] not in calls, "a try is made once"
                calls.add(event.data["attempt"])
                assert taken_until is None or event.data["channel"] != Channel.CALL, "somebody has it"


STEPS = ["step", "step", "step", "finish", "kill", "tick", "tick", "hour", "press", "take", "give back", "escalate"]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 70)), max_size=40))
def test_nobody_is_called_twice_within_the_ring_or_while_somebody_has_it(story: list[tuple[str, int]]) -> None:
    world = World()
    for what, which in story:
        with suppress(NotAllowed):  # a mail has no digits, and who does not have it gives nothing back
            world.do(what, which)
    world.check()
    before = len(world.paging.calls)
    for _ in range(30):
        at = world.engines[0].step(REF)
        assert at is not None, "there is always something next before it is over"
        assert at > world.clock.now, "and never at once again"
        world.finish(0)
        if len(world.paging.calls) > before:
            break
        world.clock.move(seconds=(at - world.clock.now).total_seconds())
    world.check()
    assert len(world.paging.calls) > before, "somebody is called in the end"
