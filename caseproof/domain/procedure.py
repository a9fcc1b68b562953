"""A procedure is data: what it is called, its states, its events, its conditions of closing, and what it asks.

The kernel (events, fold, closing, store) reads all of that here. Which procedure a case is of says its reference:
``JF-000123`` is a job failure. ``register`` makes one known; the product's own stand in ``caseproof.domain``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.specs import NAMES, EventKind
from caseproof.domain.turn import Turn, turn_of

if TYPE_CHECKING:
    from caseproof.domain.case import Case
    from caseproof.domain.closure import Blocker, Condition
    from caseproof.domain.events import Event
    from caseproof.domain.forms import Form
    from caseproof.domain.owing import Owed

_PREFIX = re.compile(r"[A-Z]{2}", re.ASCII)


def _nothing(_case: Case, _event: Event) -> None:
    return None


def _misses_nothing(_case: Case, _kind: EventKind) -> Sequence[Blocker]:
    return ()


def _as_it_is(opened: Mapping[str, Any]) -> Mapping[str, Any]:
    return opened


def _owes_nothing(_case: Case) -> Sequence[Owed]:
    return ()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Procedure:
    """One procedure. ``sentences``: what each state means; the first state is where a case begins. ``labels``: what
    people read where a state is named, if that is not its value.

    ``prefix``: two capitals, with which its references begin. ``conditions`` are what a closure needs, under the rule
    that ``rule`` finds for a case (None: none yet). ``refuse`` raises NotAllowed for an event that the lifecycle allows
    and the procedure does not, on a case as it is; ``missing``: what has to happen before a kind of event may that the
    state does not allow, the next first (none: the refusal says where the case stands). ``claims``: what its proof says
    besides what every proof says. ``questions``: what its forms are called in front of people, by their slugs; and
    ``forms`` are these forms. ``rules``: what must hold, a sentence a rule, by its number. ``turn``: whose turn it is
    and since when, by a case's row and until when it rests.
    ``waits_in``: the states in which the other side owes an answer. ``owes``: the effects that its events leave to be
    done yet. ``listed_as``: of what a case is about, what stands in the columns that lists have of every case:
    platform, job, job_name, retailer, marketplace, cause; platform and job tell it from all other open cases.
    ``named``: what a kind of event is called where it is refused, if that is not its value. Raises ValueError for one
    that the kernel cannot carry.
    """

    prefix: str
    name: str
    sentences: Mapping[StrEnum, str]
    kinds: type[EventKind]
    conditions: tuple[Condition, ...]
    rule: Callable[[Case], str | None]
    claims: Callable[[Case], Mapping[str, Any]]
    refuse: Callable[[Case, Event], None] = _nothing
    missing: Callable[[Case, EventKind], Sequence[Blocker]] = _misses_nothing
    questions: Mapping[str, str]
    forms: Mapping[str, type[Form]] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    turn: Callable[[Mapping[str, Any], datetime | None], tuple[Turn, datetime]] = turn_of
    waits_in: Collection[StrEnum] = frozenset()
    owes: Callable[[Case], Sequence[Owed]] = _owes_nothing
    labels: Mapping[StrEnum, str] = field(default_factory=dict)
    listed_as: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _as_it_is
    named: Callable[[EventKind], str] = str

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(f"The procedure {self.name} needs two capitals as its prefix, not {self.prefix!r}.")
        for role, value in NAMES.items():
            if [str(kind) for kind in self.kinds if kind.spec.role is role] != [value]:
                raise ValueError(f"The procedure {self.name} needs one event with the role {role.name}: {value!r}.")
        for kind in self.kinds:
            if any("NotRequired" in str(kind.spec.says.__annotations__[name]) for name in kind.spec.required):
                raise ValueError(f"{kind.spec.says.__name__}: its module must not postpone annotations (see payloads).")
            leads_to = {move.after for move in kind.spec.moves}
            if len(leads_to) > 1 or bool(leads_to) is bool(kind.spec.noted_in):
                raise ValueError(f"'{kind}' of {self.name} leads to one state, or is a fact of some states.")
        if "closed" not in self.sentences:
            raise ValueError(f"The procedure {self.name} needs a state 'closed': the store's guards ask for it.")

    @property
    def states(self) -> tuple[StrEnum, ...]:
        """Its states, in the order of its life."""
        return tuple(self.sentences)

    def called(self, state: StrEnum) -> str:
        """A state as people read it."""
        return self.labels.get(state, str(state))

    def kind(self, payload: type[Any]) -> EventKind:
        """Its kind of event that says this. Raises NotAllowed where nothing of the sort can happen to its cases."""
        for kind in self.kinds:
            if kind.spec.says is payload:
                return kind
        raise NotAllowed(
            f"Nothing of this kind ({payload.__name__}) can happen in the procedure {self.name}.",
            f"Do it with a case of another procedure; the references of this one begin with {self.prefix}.",
        )

    def state(self, value: str) -> StrEnum:
        """The state with this value. Raises ValueError."""
        for state in self.sentences:
            if state == value:
                return state
        raise ValueError(f"{value!r} is no state of the procedure {self.name}")


_known: dict[str, Procedure] = {}


def register(procedure: Procedure) -> None:
    """Make it known. Raises ValueError where another one has its prefix."""
    if _known.setdefault(procedure.prefix, procedure) is not procedure:
        raise ValueError(f"{_known[procedure.prefix].name} has the prefix {procedure.prefix} already.")


def prefixes() -> tuple[str, ...]:
    """The prefixes of all procedures that are known."""
    return tuple(_known)


def procedures() -> tuple[Procedure, ...]:
    """All procedures that are known."""
    return tuple(_known.values())


def every_form() -> Iterator[type[Form]]:
    """The forms of all procedures, each once."""
    yield from dict.fromkeys(form for one in _known.values() for form in one.forms.values())


def called(state: str) -> str:
    """A state as people read it, whichever procedure it is of; a value that is none is shown as it is."""
    for one in _known.values():
        for label in (one.called(known) for known in one.sentences if known == state):
            return label
    return str(state)


def by_prefix(prefix: str) -> Procedure:
    """The procedure with this prefix. Raises BadInput."""
    if prefix not in _known:
        raise BadInput(
            f"This version of Caseproof knows no procedure {prefix[:20]!r}.",
            "Install the version that wrote it, or a newer one.",
        )
    return _known[prefix]


def procedure_of(ref: str) -> Procedure:
    """The procedure of the case with this reference. Raises BadInput."""
    return by_prefix(ref.partition("-")[0])


def require_procedure(case: Case, procedure: Procedure) -> None:
    """Raise NotAllowed for a case of another procedure than this."""
    if case.procedure is not procedure:
        raise NotAllowed(
            f"{case.ref} is a {case.procedure.name} case, and this is done with a {procedure.name} alone.",
            f"Use the form on the case's page, or name a case whose reference begins with {procedure.prefix}.",
        )


def of_kind(kind: EventKind) -> Procedure:
    """The procedure whose event this is. Raises BadInput."""
    for procedure in _known.values():
        if isinstance(kind, procedure.kinds):
            return procedure
    raise BadInput(f"No procedure has the event {str(kind)!r}.", "Register its procedure.")
