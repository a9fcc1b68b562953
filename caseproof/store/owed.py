"""The list of what is owed: written with the events of the cases, worked off by the keeper, read by people.

A row comes with the event that makes it owed, in its transaction, and goes with the one that settles it, or with the
intent of that key. What time makes owed comes with its first failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from caseproof.config.mail_address import tidied
from caseproof.domain.case import Case
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput
from caseproof.domain.owing import HARMLESS, LONGEST, Debt, Owed, first_try, next_try
from caseproof.store.errors import readable
from caseproof.store.tables import cases, owed

_TROUBLE = 1000
"""How many characters of what was wrong are kept."""
_OF_A_CONTACT = (str(Code.NOBODY_TO_TELL), str(Code.MAIL_REFUSED))
"""What another contact may put right."""


_NOT_LATE = ("", *(str(code) for code in HARMLESS))
is_late = and_(*(owed.c.code != literal_column(f"'{code}'") for code in _NOT_LATE))
"""What could not be done when it was to be."""


@dataclass(frozen=True, slots=True)
class OwedRow:
    """One thing that is owed; times are aware, in UTC.

    ``ref`` is the case's reference, "" where it is of no single one; ``key`` tells it from others of its kind.
    ``next_at`` is when it is tried next (None: what it waits for is looked at), ``tries`` how often the keeper tried,
    had it tried or saw it fail; ``code`` (a ``Code``) and ``trouble`` (for people) are what was wrong last, ""
    before; ``told`` is how often the team was told of it.
    """

    ref: str
    what: Debt
    key: str
    since: datetime
    next_at: datetime | None
    tries: int
    code: str
    trouble: str
    told: int

    @property
    def is_late(self) -> bool:
        """Whether it could not be done when it was to be."""
        return self.code not in _NOT_LATE


Changes = tuple[list[dict[str, Any]], ...]
"""Rows to take off, to add, whose trouble is told in other words now, and whose trouble is another."""


def changes(before: Case, after: Case, at: datetime) -> Changes:
    """What an event at this time changes in the list; ``before`` and ``after`` are its case."""
    was = {(one.what, one.key): one for one in before.procedure.owes(before)}
    now = {(one.what, one.key): one for one in after.procedure.owes(after)}
    if was == now:
        return [], [], [], []
    new = [_row(after.ref, one, at) for place, one in now.items() if place not in was]
    gone = [_place(after.ref, *place) for place in was if place not in now]
    words = [
        {**_place(after.ref, *place), "a_trouble": _words(one.trouble)}
        for place, one in now.items()
        if place in was and was[place] != one
    ]
    codes = [
        {**_place(after.ref, *place), "a_code": one.code, "again": first_try(one, at)}
        for place, one in now.items()
        if place in was and was[place].code != one.code
    ]
    return gone, new, words, codes


def _row(ref: str, one: Owed, at: datetime, **more: Any) -> dict[str, Any]:
    begun = {"ref": ref, "what": str(one.what), "key": one.key, "since": at, "next_at": first_try(one, at)}
    return {**begun, "tries": 0, "code": one.code, "trouble": _words(one.trouble), "told": 0, **more}


def _place(ref: str, what: str, key: str) -> dict[str, str]:
    return {"a_ref": ref, "a_what": str(what), "a_key": key}


def _words(text: str) -> str:
    return text.replace("\0", "")[:_TROUBLE]


_HERE = and_(owed.c.ref == bindparam("a_ref"), owed.c.what == bindparam("a_what"), owed.c.key == bindparam("a_key"))
_STILL_DUE = owed.c.next_at <= bindparam("now")
_SET_BACK = owed.c.next_at > bindparam("horizon")  # the clock was set back since

# What the keeper asks in each pass, put together once: that takes longer than the answer.
_OF = select(owed).where(owed.c.ref == bindparam("of")).order_by(owed.c.since, owed.c.what, owed.c.key)
_ALL = select(func.count()).select_from(owed)
_LATE = _ALL.where(is_late)


def _kinds(whats: tuple[Debt, ...]) -> Select[Any]:
    where: list[ColumnElement[bool]] = [owed.c.what.in_([str(one) for one in whats])] if whats else []
    return select(owed).where(*where).limit(bindparam("limit"))


@cache
def _due(whats: tuple[Debt, ...]) -> Select[Any]:
    return _kinds(whats).where(_STILL_DUE | _SET_BACK).order_by(owed.c.next_at, owed.c.ref, owed.c.key)


@cache
def _late_first(whats: tuple[Debt, ...]) -> Select[Any]:
    return _kinds(whats).order_by(case((is_late, 0), else_=1), owed.c.since, owed.c.ref, owed.c.key)


class OwedList:
    """Every query about what is owed. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # -- what the other repositories write ------------------------------------------------------------------------

    def follow(self, changed: Iterable[Changes]) -> None:
        """Bring the list up to what the events say, in few statements however many cases changed."""
        together = [[row for rows in some for row in rows] for some in zip(*changed, strict=True)]
        if not any(together):
            return
        gone, new, words, codes = together
        if gone:
            self._connection.execute(delete(owed).where(_HERE), gone)
        if new:
            # It may stand there: what time made owed, or what an older version left.
            self._connection.execute(delete(owed).where(_HERE), [_place(r["ref"], r["what"], r["key"]) for r in new])
            self._connection.execute(insert(owed), new)
        if words:
            self._connection.execute(update(owed).where(_HERE).values(trouble=bindparam("a_trouble")), words)
        if codes:
            other = update(owed).where(_HERE).values(code=bindparam("a_code"), next_at=bindparam("again"))
            self._connection.execute(other, codes)

    def settled_with(self, key: str) -> None:
        """The effect with the intent of this key was recorded."""
        self._connection.execute(delete(owed).where(owed.c.key == key))

    # -- what the keeper notes ------------------------------------------------------------------------------------

    def due(self, now: datetime, limit: int, *whats: Debt) -> list[OwedRow]:
        """What is to be tried by now, the longest due first; of these kinds."""
        return self._read(_due(whats), now=now, horizon=now + 2 * LONGEST, limit=limit)

    def begin(self, ref: str, what: Debt, key: str, now: datetime) -> None:
        """It is owed since ``now``, whatever was noted of it before."""
        self._connection.execute(delete(owed).where(_HERE), _place(ref, what, key))
        self._connection.execute(insert(owed).values(_row(ref, Owed(what, key), now)))

    def failed(self, ref: str, what: Debt, key: str, code: str, trouble: str, now: datetime) -> None:
        """It could not be done ``now``: note why, and when it is tried again; it is owed from now on if it was not."""
        rows = self._read(select(owed).where(_HERE), **_place(ref, what, key))
        if rows:
            self.tried(rows[0], code, trouble, now)
            return
        new = Owed(what, key, code, trouble)
        self._connection.execute(insert(owed).values(_row(ref, new, now, tries=1)))

    def failed_all(self, ref: str, what: Debt, code: str, trouble: str, now: datetime) -> None:
        """The same of all of this kind that the case owes; nothing where it owes none."""
        for row in self.of(ref):
            if row.what is what:
                self.tried(row, code, trouble, now)

    def tried(self, row: OwedRow, code: str, trouble: str, now: datetime) -> None:
        """It was tried ``now``, or its run was woken to try; what is wrong, as far as that is known."""
        values = {"tries": owed.c.tries + 1, "code": code, "trouble": _words(trouble)}
        again = next_try(code, min(row.since, now), now)
        self._connection.execute(
            update(owed).where(_HERE).values(**values, next_at=again), _place(row.ref, row.what, row.key)
        )

    def held_up(self, row: OwedRow, code: str, trouble: str) -> None:
        """It was not tried, for what it needs is down; it stays due, so that the next turn is its own."""
        values = {"code": code, "trouble": _words(trouble)}
        self._connection.execute(update(owed).where(_HERE).values(**values), _place(row.ref, row.what, row.key))

    def settle(self, ref: str, what: Debt, key: str = "") -> None:
        """It is owed no more; without a key all of this kind."""
        here = (owed.c.ref == ref, owed.c.what == str(what), *([owed.c.key == key] if key else []))
        self._connection.execute(delete(owed).where(*here))

    def note_told(self, row: OwedRow) -> bool:
        """The team was told of it once more than this row says; whether that was news."""
        told = update(owed).where(_HERE, owed.c.told == row.told).values(told=row.told + 1)
        return self._connection.execute(told, _place(row.ref, row.what, row.key)).rowcount > 0

    # -- what may be tried at once --------------------------------------------------------------------------------

    def waits_for_contact(self, retailer: str) -> list[str]:
        """The cases that owe mail to this retailer, of whom nobody was registered, or nobody's mail was taken."""
        query = (
            select(owed.c.ref, cases.c.retailer)
            .join_from(owed, cases, cases.c.ref == owed.c.ref)
            .where(owed.c.code.in_(_OF_A_CONTACT))
            .distinct()
        )
        found = self._connection.execute(query)
        return sorted(row.ref for row in found if tidied(row.retailer) == tidied(retailer))

    def contact_came(self, retailer: str) -> None:
        """Try at once what waited for a contact of this retailer."""
        refs = self.waits_for_contact(retailer)
        for start in range(0, len(refs), 400):
            here = (owed.c.ref.in_(refs[start : start + 400]), owed.c.code.in_(_OF_A_CONTACT))
            self._connection.execute(update(owed).where(*here).values(next_at=owed.c.since))

    def try_at_once(self) -> int:
        """Try at once all that could not be done: somebody put something right. Gives how much that is."""
        late = is_late & owed.c.next_at.is_not(None)
        return self._connection.execute(update(owed).where(late).values(next_at=owed.c.since)).rowcount

    # -- reading --------------------------------------------------------------------------------------------------

    def of(self, ref: str) -> list[OwedRow]:
        """What a case owes, in the order in which it was owed."""
        return self._read(_OF, of=ref)

    def late_of(self, refs: Sequence[str]) -> list[OwedRow]:
        """What these cases owe and could not be done when it was to be; "" stands for what is of no single case.

        At most a few hundred.
        """
        here = select(owed).where(owed.c.ref.in_(refs), is_late)
        return self._read(here.order_by(owed.c.ref, owed.c.since, owed.c.what, owed.c.key))

    def rows(self, limit: int, *whats: Debt) -> list[OwedRow]:
        """What is owed: what could not be done before what is only to come, each the oldest first."""
        return self._read(_late_first(whats), limit=limit)

    def count(self, *, late: bool) -> int:
        """How much is owed; or how much of it could not be done."""
        return self._connection.scalar(_LATE if late else _ALL) or 0

    def _read(self, query: Any, **values: Any) -> list[OwedRow]:
        with readable("A row of what is owed"):
            found = self._connection.execute(query, values).all()
            return [OwedRow(**{**row._mapping, "what": _known(row.what)}) for row in found]


def _known(what: str) -> Debt:
    try:
        return Debt(what)
    except ValueError as error:
        raise BadInput(
            f"This version knows no {what!r} that could be owed.", "Install the version that wrote it, or a newer one."
        ) from error
