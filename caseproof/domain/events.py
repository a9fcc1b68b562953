"""The events of a case: what happened, when, and who did it.

An event is never changed and never deleted. Each is chained to the one before it by a SHA-256, so that the
digest of the last one (the *head*) stands for the whole list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from caseproof.domain.errors import BadInput
from caseproof.domain.specs import EventKind

P = TypeVar("P", bound=Mapping[str, Any])

_AS_IT_IS = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

GENESIS = "0" * 64
"""The digest that the first event of a case is chained to."""


class UnknownKind(BadInput):
    """An event of a kind that this version does not know: a newer one wrote it, or it was edited."""

    def __init__(self, kind: object) -> None:
        super().__init__(
            f"This version of Caseproof does not know the event {str(kind)[:60]!r}.",
            "Install the version that wrote it, or a newer one; if none did, it was edited: compare with a backup.",
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a case.

    ``at`` is aware and kept in UTC; ``actor`` is a role name or "caseproof"; ``data`` holds JSON values only and at
    least the names that its kind's payload requires. Raises BadInput for anything else.
    """

    kind: EventKind
    at: datetime
    actor: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise BadInput(f"The event {self.kind} has a time without a time zone.", "Pass an aware datetime.")
        object.__setattr__(self, "at", self.at.astimezone(UTC))
        if not self.actor.strip():
            raise BadInput(f"The event {self.kind} names nobody who did it.", "Pass the actor's role name.")
        missing = sorted(self.kind.spec.required - self.data.keys())
        if missing:
            raise BadInput(f"The event {self.kind} lacks {', '.join(missing)}.", "Pass these fields.")
        # A copy, so that nobody can change it later and every event can be chained.
        object.__setattr__(self, "data", json_copy(self.data, f"The event {self.kind}"))
        for number in ("number", "question"):
            if number in self.data and type(self.data[number]) is not int:
                raise BadInput(f"The event {self.kind} has a {number} that is no number.", "Pass a whole number.")

    def says(self, payload: type[P]) -> P | None:
        """Its data with their types, if it is of the kind that has this payload; else None."""
        return cast("P", self.data) if self.kind.spec.says is payload else None

    def as_json(self) -> dict[str, Any]:
        """The event as plain JSON values; ``from_json`` reads it back."""
        return {
            "kind": str(self.kind),
            "at": self.at.isoformat(),
            "actor": self.actor,
            "data": dict(self.data),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], kinds: type[EventKind]) -> Event:
        """Read what ``as_json`` wrote, of a procedure's kinds. Raises BadInput when it is not an event, UnknownKind."""
        try:
            kind = kind_of(raw["kind"], kinds)
            return cls(kind, datetime.fromisoformat(raw["at"]), raw["actor"], raw["data"])
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise BadInput(f"This is not an event of a case: {error}.", "Take the file from a backup.") from error


def kind_of(value: object, kinds: type[EventKind]) -> EventKind:
    """The kind with this value. Raises UnknownKind."""
    found = kinds._value2member_map_.get(value)
    if not isinstance(found, EventKind):
        raise UnknownKind(value)
    return found


def json_copy(values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The values as JSON reads them back. Raises BadInput for what JSON cannot hold; ``what`` begins its sentence."""
    try:
        text = _AS_IT_IS.encode(dict(values))
        text.encode()  # half a surrogate pair is a string in Python, and nowhere else
        copy: dict[str, Any] = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"{what} holds what JSON cannot: {error}.", "Pass JSON values only.") from error
    return copy


def chain(previous: str, event: Event) -> str:
    """The digest of ``event`` after ``previous`` (hex SHA-256 over canonical JSON)."""
    text = _CANONICAL.encode([previous, event.as_json()])
    return hashlib.sha256(text.encode()).hexdigest()


def head(events: Iterable[Event]) -> str:
    """The digest that stands for the whole list; ``GENESIS`` for an empty one."""
    digest = GENESIS
    for event in events:
        digest = chain(digest, event)
    return digest
