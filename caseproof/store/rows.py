"""What the repositories share: texts that every database takes, and inserts that may find their row there."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Insert, Table, func, select
from sqlalchemy.exc import IntegrityError


def readable_text(value: str, most: int) -> str:
    """A text of a stranger as every database takes it: no NUL, no half character pair, ``most`` characters."""
    return value[:most].replace("\0", "").encode(errors="replace").decode()


def row_number(number: int) -> int:
    """A row's number as somebody typed it; 0, which no row has, for one at which PostgreSQL only fails."""
    return number if abs(number) < 2**31 else 0


def next_number(connection: Connection, numbered: Table) -> int:
    """The number of the next row of a table of which we delete no row.

    Taken from the rows and not from PostgreSQL's sequence: that one leaves out 32 numbers after a crash, and people
    would look for cases that never were. Writers queue, so nobody else takes it.
    """
    highest = connection.scalar(select(func.max(numbered.c.id)))
    return (highest or 0) + 1


def insert_once(connection: Connection, row: Insert) -> tuple[Any, ...] | None:
    """Insert a row and give its primary key; None if one with its key is there, even since a moment."""
    try:
        with connection.begin_nested():
            return connection.execute(row).inserted_primary_key
    except IntegrityError:
        return None
