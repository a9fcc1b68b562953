"""What the monthly test page tried, and what came of it: a mark in the store for each try, and one for each answer.

A try is written before it is made, so each is made once a month, whoever dies when. Whoever answers writes a mark of
their own: what the keeper and the web app write at the same moment cannot take each other's place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from caseproof.domain.people import same_person
from caseproof.store.uow import UnitOfWork

TEST = "TEST-"
"""What stands where an emergency's calls and links name their case; the month follows."""
_TRIES, _ANSWERS = "test-page/", "test-page-answer/"
_KEPT_MONTHS = 24


class Way(StrEnum):
    """By what somebody is reached. The values are stored: they never change."""

    MAIL = "mail"
    TEAMS = "teams"
    CALL = "call"


class Came(StrEnum):
    """What is known of a try, but for an answer to it. The values are stored: they never change."""

    UNDER_WAY = "under_way"
    SENT = "sent"
    """The mail server or Teams took it, or the call was made and is over: nobody knows whether a person saw it."""
    NOT_ANSWERED = "not_answered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Whoever made it died."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try: ``month`` like 2026-11; ``address`` is the mail address, who they are in Teams, or the number as people
    read it. ``key`` names it in addresses; ``until`` is when nobody waits for its outcome any more (both aware).

    ``call`` is what the provider knows a call by. ``answered`` is when the person said that it
    reached them, and None before.
    """

    month: str
    person: str
    way: Way
    address: str
    begun: datetime
    until: datetime
    came: Came = Came.UNDER_WAY
    detail: str = ""
    call: str = ""
    answered: datetime | None = None

    @property
    def key(self) -> str:
        """The same for the same try, however a name is spelled."""
        return key_of(self.person, self.way, self.address)


def key_of(person: str, way: Way, address: str) -> str:
    """What a try is known by within its month."""
    told = f"{' '.join(person.split()).casefold()}\n{way}\n{address}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def number_of(key: str) -> int:
    """The key as the number that stands in the addresses of a call and of a link."""
    return int(key, 16)


def key_of_number(number: int) -> str:
    """The key that this number is of."""
    return f"{number:012x}"


def month_of(at: datetime) -> str:
    """The month of an aware moment, by its own clock."""
    return f"{at:%Y-%m}"


def begin(uow: UnitOfWork, one: Try) -> bool:
    """Write down that a try is about to be made; gives False where it was begun before, by whomever."""
    name = f"{_TRIES}{one.month}/{one.key}"
    if uow.cursors.get(name) is not None:
        return False
    uow.cursors.set(name, _written(one), one.begun)
    return True


def note(uow: UnitOfWork, one: Try, at: datetime) -> None:
    """Write down what is known of a try now."""
    uow.cursors.set(f"{_TRIES}{one.month}/{one.key}", _written(one), at)


def answer(uow: UnitOfWork, month: str, key: str, at: datetime) -> Try | None:
    """Somebody says that this try reached them; the first time counts. None for a try that never was."""
    found = uow.cursors.get(f"{_TRIES}{month}/{key}")
    if found is None:
        return None
    name = f"{_ANSWERS}{month}/{key}"
    before = uow.cursors.get(name)
    if before is None:
        uow.cursors.set(name, "reached", at)
    return replace(_read(month, found[0]), answered=before[1] if before else at)


def tries(uow: UnitOfWork, month: str = "") -> list[Try]:
    """The tries of a month, or of all that are kept; in the order in which they were begun."""
    answers = {name: at for name, (_, at) in uow.cursors.below(f"{_ANSWERS}{month}").items()}
    found = [
        replace(_read((month + name).partition("/")[0], value), answered=answers.get(name))
        for name, (value, _) in uow.cursors.below(f"{_TRIES}{month}").items()
    ]
    return sorted(found, key=lambda one: (one.begun, one.person, one.way, one.address))


def one_of(uow: UnitOfWork, month: str, key: str) -> Try | None:
    """The try of this key; None for one that never was."""
    found, answered = (uow.cursors.get(f"{begins}{month}/{key}") for begins in (_TRIES, _ANSWERS))
    return replace(_read(month, found[0]), answered=answered[1] if answered else None) if found else None


def forget_old(uow: UnitOfWork, at: datetime) -> None:
    """Forget what was tried long ago."""
    oldest = month_of(at - timedelta(days=31 * _KEPT_MONTHS))
    for begins in (_TRIES, _ANSWERS):
        for name in uow.cursors.names(begins):
            if name.removeprefix(begins) < oldest:
                uow.cursors.forget(name)


@dataclass(frozen=True, slots=True)
class Reached:
    """When somebody was last reached by an address, and how that is known."""

    at: datetime
    how: str


class EverReached:
    """Who was ever reached by what: by a test page's address, and in an emergency by telephone at all."""

    def __init__(self, tested: list[Try], emergencies: Mapping[str, datetime]) -> None:
        """``emergencies``: when somebody last pressed a digit in an emergency's call, by name."""
        self._tested, self._emergencies = tested, emergencies

    def by(self, person: str, way: Way, address: str, *, is_first_line: bool = False) -> Reached | None:
        """When it last was; None for never. An emergency dials a person's first line."""
        key = key_of(person, way, address)
        found = [
            Reached(one.answered, f"test page of {one.month}")
            for one in self._tested
            if one.answered and one.key == key
        ]
        if is_first_line:
            pressed = [at for name, at in self._emergencies.items() if same_person(name, person)]
            found += [Reached(at, "an emergency") for at in pressed]
        return max(found, key=lambda one: one.at, default=None)


def _written(one: Try) -> str:
    said = asdict(one) | {"begun": one.begun.isoformat(), "until": one.until.isoformat()}
    return json.dumps({name: value for name, value in said.items() if name not in ("month", "answered")})


def _read(month: str, value: str) -> Try:
    said = json.loads(value)
    times = {name: datetime.fromisoformat(said[name]) for name in ("begun", "until")}
    kinds = {"way": Way(said["way"]), "came": Came(said["came"])}
    return Try(month=month, **(said | times | kinds))
