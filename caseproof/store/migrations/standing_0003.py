"""How a case stands by its events, as revision 0003 writes it into the case's row.

A copy of what the program said then, so that the program may change and the migration still does what it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa

_BATCH = 500
_ASIDE = {"reminder_sent", "team_told", "parked", "incident_joined", "stop_did_not_hold"}
_AGAIN = {"opened", "reopened", "failed_again", "review_rejected"}

_EVENTS = sa.table(
    "events",
    sa.column("case_id", sa.Integer),
    sa.column("seq", sa.Integer),
    sa.column("kind", sa.String),
    sa.column("at"),  # as the database has it, and as it goes back
    sa.column("data", sa.JSON),
)


def rows_standing(connection: sa.Connection) -> Iterator[list[dict[str, Any]]]:
    """What each case's row has to say, with its ``case_id``; in batches, and never all events in memory."""
    query = sa.select(sa.column("id", sa.Integer)).select_from(sa.table("cases")).order_by("id")
    numbers: Iterator[int] = iter(connection.scalars(query).all())
    while some := list(islice(numbers, _BATCH)):
        try:
            rows = _of(connection, some[0], some[-1])
        except sa.exc.OperationalError:  # on SQLite: a text that is none, which holds up no other case
            rows = [row for number in some for row in _of_one(connection, number)]
        if rows:
            yield rows


def _of_one(connection: sa.Connection, number: int) -> list[dict[str, Any]]:
    with suppress(sa.exc.OperationalError):
        return _of(connection, number, number)
    return []


def _of(connection: sa.Connection, first: int, last: int) -> list[dict[str, Any]]:
    query = sa.select(_EVENTS).where(_EVENTS.c.case_id.between(first, last))
    found = connection.execute(query.order_by(_EVENTS.c.case_id, _EVENTS.c.seq))
    return [{"case_id": case, **_standing(told)} for case, told in groupby(found, key=lambda row: row.case_id)]


def _standing(events: Iterable[Any]) -> dict[str, Any]:
    """What follows from the events of one case; whoever damaged one past us is found by the audit, not here."""
    asked: dict[int, Any] = {}
    answered: set[int] = set()
    counted: dict[str, list[int]] = {"reminder_sent": [], "team_told": []}
    latest: dict[str, Any] = {}
    news = 0
    for event in events:
        number = _said(event, "number")
        match event.kind:
            case "question_asked" if type(number) is int:
                asked[number] = event
            case "question_answered" if type(number) is int:
                answered.add(number)
            case "reminder_sent" | "team_told":
                counted[event.kind].append(event.seq)
            case "trouble_over":
                latest.pop("trouble", None)
        if event.kind in _AGAIN:
            latest.pop("notice_sent", None)
        if event.kind in ("opened", "reopened"):
            for over in ("incident_joined", "ticket_closed"):
                latest.pop(over, None)
            latest["opened"] = event
        elif event.kind in ("notice_sent", "trouble", "incident_joined", "ticket_closed"):
            latest[event.kind] = event
        news = news if event.kind in _ASIDE else event.seq
    number = max(asked, default=0)
    question = asked.get(number) if number not in answered else None
    notice = latest.get("notice_sent")
    return {
        "last_opened_at": latest["opened"].at if "opened" in latest else None,
        "asked_form": _word(question, "form"),
        "asked_at": question.at if question else None,
        "has_news": question is not None and news > question.seq,
        "notice_at": notice.at if notice else None,
        "reminders": _after(notice, counted["reminder_sent"]),
        "nudges": _after(question, counted["team_told"]),
        "trouble": _word(latest.get("trouble"), "problem"),
        "incident": _word(latest.get("incident_joined"), "incident"),
        "ticket_closed": "ticket_closed" in latest,
    }


def _said(event: Any, name: str) -> Any:
    return event.data.get(name) if isinstance(event.data, dict) else None


def _word(event: Any, name: str) -> str:
    return str(_said(event, name)).replace("\0", "")[:200] if event else ""


def _after(event: Any, places: list[int]) -> int:
    return sum(place > event.seq for place in places) if event else 0
