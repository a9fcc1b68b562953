"""What may happen to a case, as the kinds of its procedure's events say it.

The diagram in docs/life-of-a-case.md is drawn from this, and the store asks it before it appends an event.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from caseproof.domain.specs import EventKind


@dataclass(frozen=True, slots=True)
class Transition:
    """From a state, by an event, to a state, under a rule of the procedures."""

    before: StrEnum | None
    by: EventKind
    after: StrEnum
    rule: str


def transitions(kinds: Iterable[EventKind]) -> tuple[Transition, ...]:
    """Every transition of these kinds, in the order of the states that they leave."""
    found = [Transition(move.before, kind, move.after, move.rule) for kind in kinds for move in kind.spec.moves]
    return tuple(sorted(found, key=lambda one: _place(one.before)))


def _place(state: StrEnum | None) -> int:
    """Which one of its procedure's states it is; -1 for none, from which a case comes."""
    return -1 if state is None else list(type(state)).index(state)
