"""The two queries of a declaration as tables that can be asked: by a row's id, by a job, since a time.

A query stands in brackets in ours, so it can only read, and its columns are known by the names that the declaration
gives them. A column that is not there is named, with the one that is meant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    Subquery,
    TextualSelect,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.types import NullType

from caseproof.domain.spelling import alike
from caseproof.platforms.base import PlatformRefused
from caseproof.platforms.sql_jobs_declaration import JobsQuery, RunsQuery

PORTION = 500
"""So many jobs are asked for at once."""


class Table:
    """One of the two queries (``what``: "jobs" or "runs"); ``columns`` are ours with the database's own names."""

    def __init__(self, what: str, declared: JobsQuery | RunsQuery, connection: Connection) -> None:
        self.what = what
        self._query = declared.query
        wanted: Mapping[str, str | None] = declared.columns.model_dump()
        self.columns = self._resolved(wanted, self._found(connection))
        self._table = _bracketed(self._query, self.columns.values())

    def _found(self, connection: Connection) -> list[str]:
        star = _bracketed(self._query, ())
        return list(connection.execute(select(text("*")).select_from(star).limit(0)).keys())

    def _resolved(self, wanted: Mapping[str, str | None], found: Sequence[str]) -> dict[str, str]:
        resolved, missing = {}, []
        for ours, theirs in wanted.items():
            if theirs is None:
                continue
            same = [one for one in found if one == theirs] or [one for one in found if one.lower() == theirs.lower()]
            if len(same) == 1:
                resolved[ours] = same[0]
                continue
            near = alike(theirs, found)
            told = "it gives that twice" if same else f"do you mean {near[0]}?" if near else f"it has {_list(found)}"
            missing.append(f"{self.what}.columns.{ours} is {theirs!r}, and the query gives no such column ({told})")
        if missing:
            raise PlatformRefused(
                f"The declaration does not fit the database: {'; '.join(missing)}.",
                "Correct the columns or the query in the block; was a column renamed?",
            )
        return resolved

    def __getitem__(self, ours: str) -> ColumnElement[Any]:
        return self._table.c[self.columns[ours]]

    def __contains__(self, ours: str) -> bool:
        return ours in self.columns

    def rows(self, *only: str) -> Select[Any]:
        """All rows, of these columns (all), by our names."""
        return select(*(self[name].label(f"our_{name}") for name in only or self.columns))

    def is_one(self, ours: str, value: Any) -> ColumnElement[bool]:
        """Whether a column is this value. Bound without a type: the database takes a text for what the column is."""
        return self[ours] == bindparam(None, value, type_=NullType())

    def is_one_of(self, ours: str, values: Collection[Any]) -> ColumnElement[bool]:
        """Whether a column is one of these values."""
        return self[ours].in_(bindparam(None, list(values), type_=NullType(), expanding=True))

    def reads_as(self, ours: str, words: Collection[str]) -> ColumnElement[bool]:
        """Whether a column's text is one of these words. Of an enumeration they need not be values: it may have others
        by now, and would take the question for a mistake."""
        return cast(self[ours], String).in_(bindparam(None, list(words), expanding=True))

    def reads_as_none_of(self, ours: str, words: Collection[str]) -> ColumnElement[bool]:
        """Whether a column's text is none of these words, or the column is empty."""
        return self[ours].is_(None) | ~self.reads_as(ours, words)

    def is_later(self, ours: str, value: Any) -> ColumnElement[bool]:
        """Whether a column is later than, or at, this time."""
        return self[ours] >= bindparam(None, value, type_=NullType())

    def an_example(self, connection: Connection, ours: str) -> Any:
        """A value of this column; None where there is none yet."""
        return connection.execute(select(self[ours]).where(self[ours].is_not(None)).limit(1)).scalar()

    def twice(self, ours: str) -> Select[Any]:
        """A value that this column has in two rows."""
        return select(self[ours]).group_by(self[ours]).having(func.count(literal(1)) > 1).limit(1)


def named(row: Row[Any]) -> dict[str, Any]:
    """A row by our names."""
    return {str(name).removeprefix("our_"): value for name, value in row._mapping.items()}


def portions(table: Table, ours: str, asked: Sequence[str] | None) -> Iterator[tuple[Any, ...]]:
    """The conditions to ask by, one after the other: none for all, else so many of these at once."""
    if asked is None:
        yield ()
        return
    for first in range(0, len(asked), PORTION):
        yield (table.is_one_of(ours, asked[first : first + PORTION]),)


def _bracketed(query: str, names: Collection[str]) -> Subquery:
    # A line of its own behind it: it may end in a comment, which would swallow the bracket.
    declared: TextualSelect = text(f"{query}\n").columns(*(column(name) for name in dict.fromkeys(names)))
    return declared.subquery("declared")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
