"""One entry a kind of event: what it says, where it may happen, what it makes of a case, and how people are told of it.

A procedure brings a class of kinds (``EventKind``), each with its ``Spec``. Whatever depends on the kind of an event
reads it there: the lifecycle, the fold, the rows of the store, the case page, the logs and the reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from functools import cache
from typing import Annotated, Any, Self, get_args, get_origin, get_type_hints

NAMES_IT = "names something elsewhere"
"""Marks a payload's field (``Annotated[str, NAMES_IT]``) by which something is known elsewhere."""


def _find_names(payload: type[Any]) -> frozenset[str]:
    hints = get_type_hints(payload, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _is_marked(hint))


def _is_marked(hint: Any) -> bool:
    if get_origin(hint) is Annotated and NAMES_IT in hint.__metadata__:
        return True
    return any(_is_marked(one) for one in get_args(hint))


_names_in: Callable[[type[Any]], frozenset[str]] = cache(_find_names)  # type: ignore[assignment]


class Role(Enum):
    """What the kernel itself has to know of an event. A procedure has one kind for each of the first four.

    The store's guards and the proof hang on those four by their values: see ``NAMES``.
    """

    OPENS = auto()
    REOPENS = auto()
    PROVES = auto()
    CLOSES = auto()
    ASKS = auto()
    ANSWERS = auto()


NAMES: Mapping[Role, str] = {
    Role.OPENS: "opened",
    Role.REOPENS: "reopened",
    Role.PROVES: "proof_made",
    Role.CLOSES: "closed",
}
"""What these kinds are called in every procedure."""


class Logged(Enum):
    """How an event stands in the log of a case's run."""

    PLAINLY = auto()
    AS_A_WARNING = auto()
    ELSEWHERE = auto()
    """It has a line of its own, made by something else."""


@dataclass(frozen=True, slots=True)
class Move:
    """From a state (None: from nowhere) to a state, under a rule of the procedure."""

    before: StrEnum | None
    after: StrEnum
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """All that depends on the kind of an event.

    ``says`` is its payload, a TypedDict; an event lacks none of its required names. It is a transition by its ``moves``
    (they all lead to one state) or a fact, noted without a change of state in the states ``noted_in``: never both.

    What it makes of a case: ``kept`` is the slot that remembers it, ``gathered`` the slot to which it is added;
    ``voids`` are slots that are empty after it, ``counts`` the counters that it raises, ``corrects`` those of its names
    that say anew what the case is about. Slots are fields of ``Case``, or any other name: then ``Case.own`` has it.

    ``wakes``: a case that waits for somebody looks at itself again. For people: ``sentence`` is a format of its names;
    ``rule`` is what it carries out, "" for our own machinery; an event without ``news`` is left out of a timeline;
    reports are made of the events that are ``measured``.
    """

    says: type[Any]
    sentence: str
    rule: str = ""
    moves: tuple[Move, ...] = ()
    noted_in: frozenset[StrEnum] = frozenset()
    kept: str = ""
    gathered: str = ""
    voids: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    corrects: tuple[str, ...] = ()
    role: Role | None = None
    wakes: bool = True
    news: bool = True
    logged: Logged = Logged.PLAINLY
    measured: bool = False

    @property
    def required(self) -> frozenset[str]:
        """The names that an event of this kind must have."""
        found: frozenset[str] = self.says.__required_keys__
        return found

    @property
    def names(self) -> frozenset[str]:
        """Those of its names by whose values something is known elsewhere (``NAMES_IT``)."""
        return _names_in(self.says)

    @property
    def target(self) -> StrEnum | None:
        """The state that it leads to, from wherever it comes; None for a fact."""
        return self.moves[0].after if self.moves else None

    def allowed(self, before: StrEnum | None) -> bool:
        """Whether it may happen in this state; None: to a case that does not exist yet."""
        return before in self.noted_in or any(move.before is before for move in self.moves)


class EventKind(StrEnum):
    """The kinds of events of a procedure: ``NAME = "what the store and the proof write down", Spec(...)``."""

    spec: Spec

    def __new__(cls, value: str, spec: Spec | None = None) -> Self:
        """A member with its spec. (Reading a kind by its value needs none, but gives that member.)"""
        if spec is None:
            raise TypeError(f"{value} has no spec.")
        member = str.__new__(cls, value)
        member._value_ = value
        member.spec = spec
        return member
