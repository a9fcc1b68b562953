"""What is owed, as people read it: on the board, the case's page, in the terminal and in doctor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from caseproof.procedure.keeper.ways import WAYS, thing_of
from caseproof.store import OwedRow


@dataclass(frozen=True, slots=True)
class OwedLine:
    """One thing that is owed: its row, what it is in words, and all that is known of it in one sentence.

    ``can_be_given_up``: a person may say that it is owed no more.
    """

    row: OwedRow
    thing: str
    sentence: str
    can_be_given_up: bool


def owed_lines(rows: Iterable[OwedRow]) -> list[OwedLine]:
    """The lines of these rows, in their order."""
    return [OwedLine(row, thing_of(row), _sentence(row), not WAYS[row.what].instead) for row in rows]


def _sentence(row: OwedRow) -> str:
    tried = f"; tried {row.tries} times" if row.tries > 1 else "; tried once" if row.tries else ""
    again = f", again at {row.next_at:%Y-%m-%d %H:%M} UTC" if row.next_at else ", when its run is over"
    thing = thing_of(row)
    said = f"{thing[:1].upper()}{thing[1:]}, since {row.since:%Y-%m-%d %H:%M} UTC{tried}{again}."
    return f"{said} {row.trouble}".rstrip()


def as_json(row: OwedRow) -> dict[str, Any]:
    """A row for programs."""
    return {
        "what": row.what, "key": row.key, "since": row.since, "tries": row.tries, "next_try": row.next_at,
        "code": row.code or None, "trouble": row.trouble or None,
    }  # fmt: skip
