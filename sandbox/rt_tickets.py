"""Tickets of the made-up Request Tracker (``sandbox/rt.py``), and what it understands of RT's query language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

_PEOPLE = {"caseproof": ("Caseproof", "caseproof@example.com"), "agent": ("An agent", "agent@example.com")}


@dataclass
class Part:
    """A text or a file; ``hidden``: it is counted, and we may not see it."""

    id: int
    kind: str
    content: bytes
    name: str = ""
    hidden: bool = False


@dataclass
class Transaction:
    id: int
    kind: str
    creator: str
    at: datetime
    parts: list[Part] = field(default_factory=list)


@dataclass
class Ticket:
    id: int
    queue: str
    subject: str
    status: str
    creator: str
    requestor: list[str]
    fields: dict[str, str]
    at: datetime
    history: list[Transaction] = field(default_factory=list)
    merged_into: int = 0
    depends_on: int = 0
    """As long as that one is open, it cannot be closed."""


def term(told: str, user: str, lifecycle: Mapping[str, bool], zone: timedelta) -> Callable[[Ticket], bool]:
    """Whether a ticket fits a term, as ``user`` in this zone asks; ``lifecycle`` says which statuses are active.

    Raises ValueError for one that is not understood.
    """
    value = re.search(r"'((?:[^'\\]|\\.)*)'$", told)
    said = re.sub(r"\\(.)", r"\1", value[1]) if value else ""
    head = (told[: value.start()] if value else told).strip()
    small = said.casefold()
    if match := re.fullmatch(r"'CF\.\{(.+)\}' (=|IS NULL)", head):
        name, asks = match.groups()
        return lambda one: one.fields.get(name, "").casefold() == (small if asks == "=" else "")
    if match := re.fullmatch(r"id = ([0-9]+)", head):
        return lambda one: str(one.id) == match[1]
    known: dict[str, Callable[[Ticket], bool]] = {
        "Queue =": lambda one: one.queue == said,
        "Status =": lambda one: lifecycle.get(one.status, False) is (said == "__Active__"),
        "Creator =": lambda one: one.creator == user,
        "Creator !=": lambda one: one.creator != user,
        "Subject =": lambda one: one.subject.casefold() == small,
        "Subject LIKE": lambda one: small in one.subject.casefold(),
        "Created >": lambda one: one.at > datetime.fromisoformat(said).replace(tzinfo=UTC) - zone,
        "EffectiveId > 0": lambda _: True,
    }
    if head not in known:
        raise ValueError(f"Unknown field: {head.split()[0] if head else ''}")
    return known[head]


def terms_of(query: str) -> list[str]:
    """The terms of a query, which AND joins; brackets around one are nothing. Raises ValueError."""
    terms, quoted, depth, start = [], False, 0, 0
    for match in re.finditer(r"\\.|'|[()]| AND ", query):
        sign = match[0]
        if sign == "'":
            quoted = not quoted
        elif quoted or sign.startswith("\\"):
            continue
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif not depth:
            terms.append(query[start : match.start()])
            start = match.end()
    if quoted or depth:
        raise ValueError("Wrong query, expecting a VALUE")
    return [one.strip().removeprefix("(").removesuffix(")").strip() for one in (*terms, query[start:])]


def as_utf8(content: bytes) -> bytes:
    """A text as RT writes it anew."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1").encode()
    return content


def user_of(who: str) -> dict[str, Any]:
    """An account, as what refers to it tells it."""
    name, email = _PEOPLE.get(who, ("", ""))
    return {"id": who, "type": "user", "RealName": name, "EmailAddress": email}


def time_of(at: datetime) -> str:
    """A time, to the second."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
