"""Marks: small notes of a program to itself, like when it last did something and how far it came."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from caseproof.store.case_rows import refuse_nul
from caseproof.store.errors import readable
from caseproof.store.rows import insert_once
from caseproof.store.tables import marks

_MARK = select(marks.c.value, marks.c.at).where(marks.c.name == bindparam("name"))


class Cursors:
    """Every query about marks. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> tuple[str, datetime] | None:
        """What was noted under this name, and when; None before the first time."""
        with readable(f"The mark {name}"):
            found = self._connection.execute(_MARK, {"name": name}).one_or_none()
        return (found.value, found.at) if found else None

    def below(self, begin: str) -> dict[str, tuple[str, datetime]]:
        """What was noted under the names that begin so, by the rest of each name, sorted."""
        query = select(marks).where(marks.c.name.startswith(begin, autoescape=True)).order_by(marks.c.name)
        with readable(f"The marks {begin}"):
            found = self._connection.execute(query).all()
        return {row.name.removeprefix(begin): (row.value, row.at) for row in found}

    def set(self, name: str, value: str, at: datetime) -> None:
        """Note it, in place of what was noted before."""
        refuse_nul("mark", value)
        change = update(marks).where(marks.c.name == name).values(value=value, at=at)
        # First what holds as a rule: a database logs each row that it refuses.
        if self._connection.execute(change).rowcount:
            return
        if insert_once(self._connection, insert(marks).values(name=name, value=value, at=at)) is None:
            self._connection.execute(change)

    def names(self, begin: str) -> list[str]:
        """The names that begin so, sorted."""
        query = select(marks.c.name).where(marks.c.name.startswith(begin, autoescape=True))
        return sorted(self._connection.scalars(query))

    def forget(self, name: str) -> None:
        """Note nothing under this name any more."""
        self._connection.execute(delete(marks).where(marks.c.name == name))
