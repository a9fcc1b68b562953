"""The causes that operators chose where no signature of the policy said one: a row a choice, by the message's shape.

A shape has one choice in force at a time. A choice is never changed: it is undone, and another takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, literal_column, select, update

from caseproof.domain.vocabulary import CAUSE, SHARED_CAUSE
from caseproof.store.errors import UnknownChoice
from caseproof.store.rows import insert_once, readable_text, row_number
from caseproof.store.tables import cases, chosen_causes

_MOST = {"words": 1100, "example": 1200, "chosen_by": 200}


@dataclass(frozen=True, slots=True)
class ChosenCause:
    """A choice: the shape's key (hex SHA-256) and words, a message that had it (redacted), the cause, by whom and when.

    ``ref`` is the case that asked, ``used`` how many cases got their cause by it. ``corrects``: it was made against
    what something else said, and so counts more than a signature. ``undone_at`` is None while it is in force.
    """

    id: int
    shape: str
    words: str
    example: str
    cause: str
    corrects: bool
    chosen_by: str
    chosen_at: datetime
    ref: str
    used: int
    undone_at: datetime | None
    undone_by: str

    @property
    def in_force(self) -> bool:
        """Whether it still holds."""
        return self.undone_at is None


_MAY_ASK = ("", SHARED_CAUSE)
"""The forms of a case that asks for the cause when its turn comes: it is at work, or waits for another's answer."""

_IN_FORCE = chosen_causes.c.undone_at.is_(None)


class ChosenCauses:
    """Every query about chosen causes. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_shape(self, shape: str) -> ChosenCause | None:
        """The choice that is in force for messages of this shape; never one for no shape."""
        found = self._rows(_query().where(_IN_FORCE, chosen_causes.c.shape == shape)) if shape else []
        return found[0] if found else None

    def get(self, number: int) -> ChosenCause:
        """The choice with this number. Raises UnknownChoice."""
        found = self._rows(_query().where(chosen_causes.c.id == row_number(number)))
        if not found:
            raise UnknownChoice(number)
        return found[0]

    def rows(self, *, in_force: bool = True) -> list[ChosenCause]:
        """The choices that are in force, or all that ever were; oldest first."""
        return self._rows(_query().where(*([_IN_FORCE] if in_force else [])))

    def choose(
        self, shape: str, *, words: str, example: str, cause: str, corrects: bool, by: str, at: datetime, ref: str
    ) -> ChosenCause | None:
        """Remember a choice; None where another is in force for the shape: that one stays."""
        if self.of_shape(shape) is not None:
            return None
        texts = {"words": words, "example": example, "chosen_by": by}
        kept = {name: readable_text(text, _MOST[name]) for name, text in texts.items()}
        row = {"shape": shape, "cause": cause, "corrects": corrects, "chosen_at": at, "ref": ref, "used": 0, **kept}
        key = insert_once(self._connection, insert(chosen_causes).values(**row))
        return self.get(key[0]) if key else None

    def undo(self, number: int, by: str, at: datetime) -> bool:
        """Undo a choice; False where it was undone already: who did so first stays. Raises UnknownChoice."""
        self.get(number)
        here = update(chosen_causes).where(chosen_causes.c.id == number, _IN_FORCE)
        return self._connection.execute(here.values(undone_at=at, undone_by=readable_text(by, 200))).rowcount > 0

    def count(self, shape: str, cases_more: int = 1) -> None:
        """So many more cases got their cause by the choice that is in force."""
        here = update(chosen_causes).where(_IN_FORCE, chosen_causes.c.shape == shape)
        self._connection.execute(here.values(used=chosen_causes.c.used + cases_more))

    # -- the cases that wait ------------------------------------------------------------------------------

    def waiting(self, shape: str) -> list[str]:
        """The open cases that wait for the cause of messages of this shape: the one that asks, then the oldest first;
        none for no shape.

        One that rests asks nobody, whatever its form: its run is gone. And one that was asked for help with a step
        asks for no cause before it had it; so both come last.
        """
        here = (cases.c.cause_shape == shape, cases.c.cause_shape != literal_column("''"))
        rests, form = cases.c.rest_until.is_not(None), cases.c.asked_form
        query = select(cases.c.ref).where(*here).order_by(rests, form != CAUSE, form.not_in(_MAY_ASK), cases.c.id)
        return list(self._connection.scalars(query)) if shape else []

    def orphans(self) -> list[str]:
        """Of each shape of which nobody is asked, the oldest case that waits for another's answer.

        None where an older one is at work: it asks next. A case that rests counts for nothing here.
        """
        query = (
            select(cases.c.ref, cases.c.cause_shape, cases.c.asked_form)
            .where(cases.c.cause_shape != literal_column("''"), cases.c.rest_until.is_(None))
            .where(cases.c.asked_form.in_((CAUSE, *_MAY_ASK)))
            .order_by(cases.c.id)
        )
        oldest: dict[str, tuple[str, str]] = {}
        asked: set[str] = set()
        for ref, shape, form in self._connection.execute(query):
            if form == CAUSE:
                asked.add(shape)
            else:
                oldest.setdefault(shape, (ref, form))
        return [ref for shape, (ref, form) in oldest.items() if shape not in asked and form == SHARED_CAUSE]

    def _rows(self, query: Select[Any]) -> list[ChosenCause]:
        return [ChosenCause(**row) for row in self._connection.execute(query).mappings()]


def _query() -> Select[Any]:
    names = ChosenCause.__dataclass_fields__
    return select(*(chosen_causes.c[name] for name in names)).order_by(chosen_causes.c.id)
