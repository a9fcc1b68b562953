"""What another system is able to do, as its client declares it.

A client declares every ability there is, once: nothing is faked, and nothing is forgotten (rule J3). What a kind of
system can in general may depend on how it is set up; of one that is set up, nothing depends any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

A = TypeVar("A", bound=StrEnum)


class Lack(NamedTuple):
    """Why a system cannot do something, and what a person does ``instead``: a sentence each, with its full stop."""

    why: str
    instead: str


@dataclass(frozen=True)
class Abilities(Generic[A]):
    """What a system ``can``, what it ``lacks``, and what ``depends`` on its set-up (in a few words: "where it has X").

    ``of`` is the kind of abilities (``platforms.abilities.Ability``, ``desks.abilities.DeskAbility``): each of them
    stands in exactly one of the three. Raises ValueError else, for that is a mistake of whoever wrote the client.
    """

    of: type[A]
    can: frozenset[A]
    lacks: Mapping[A, Lack] = field(default_factory=dict)
    depends: Mapping[A, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.of:
            if (said := sum(one in where for where in (self.can, self.lacks, self.depends))) != 1:
                raise ValueError(f"the ability {one.value!r} is declared {said} times; declare each once")
        mute = [one.value for one, lack in self.lacks.items() if not (lack.why.strip() and lack.instead.strip())]
        mute += [one.value for one, on in self.depends.items() if not on.strip()]
        if mute:
            raise ValueError(f"nothing says why, or what to do instead, of: {', '.join(mute)}")

    def __contains__(self, ability: object) -> bool:
        return ability in self.can

    def lacking(self, lacks: Mapping[A, Lack]) -> Abilities[A]:
        """The same of one that is set up: it lacks these besides, and can whatever else depended."""
        can = (self.can | self.depends.keys()) - lacks.keys()
        return Abilities(self.of, can, {**self.lacks, **lacks})


def all_but(of: type[A], lacks: Mapping[A, Lack] | None = None, depends: Mapping[A, str] | None = None) -> Abilities[A]:
    """What a system that can all else lacks, and what depends on its set-up."""
    lacks, depends = lacks or {}, depends or {}
    return Abilities(of, frozenset(of) - lacks.keys() - depends.keys(), lacks, depends)


def none_but(of: type[A], can: Iterable[A], lack: Lack) -> Abilities[A]:
    """What a system that lacks all else, for one reason, can."""
    able = frozenset(can)
    return Abilities(of, able, {one: lack for one in of if one not in able})
