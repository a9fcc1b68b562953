"""What somebody looks for in the worklist, as data: it is read from an address, and gives that address again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote_plus, urlencode

SIZE = 50
"""How many cases a page has."""
MOST_COUNTED = 1000
"""So many cases of a group are counted; more are "1,000+"."""
_LONGEST = 200
_LAST_PAGE = 100_000


class Group(StrEnum):
    """Whom cases wait for; each open case is in exactly one of the first five, for whoever looks."""

    MINE = "mine"
    """The team's turn, and who looks has it."""
    TEAM = "team"
    """The team's turn, and nobody or somebody else has it."""
    RETAILER = "retailer"
    TIME = "time"
    """It comes back by itself: put off, kept paused, or a run is going on."""
    CASEPROOF = "caseproof"
    ALL = "all"
    """Every open case."""
    OWED = "owed"
    """Open and closed ones of which something that is owed could not be done when it was to be."""
    CLOSED = "closed"


class Order(StrEnum):
    """In which order; since when they wait decides between equals."""

    OLDEST = "oldest"
    NEWEST = "newest"
    RETAILER = "retailer"
    MARKETPLACE = "marketplace"


class Age(StrEnum):
    """How long ago a case was opened first. The value is what an address says."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    OLDER = "older"

    @property
    def words(self) -> str:
        """How people say it."""
        return _AGES[self][1]

    @property
    def days(self) -> int:
        """Up to so many days, and fewer; those before it are younger."""
        return _AGES[self][0]

    def between(self, now: datetime) -> tuple[datetime, datetime]:
        """Later than the first and no later than the second such a case was opened."""
        younger = [age.days for age in Age if age.days < self.days]
        return now - timedelta(days=self.days), now - timedelta(days=max(younger, default=-_EVER))


_EVER = 100_000
_AGES = {
    Age.DAY: (1, "under a day"),
    Age.WEEK: (7, "1 to 7 days"),
    Age.MONTH: (30, "7 to 30 days"),
    Age.OLDER: (_EVER, "over 30 days"),
}


REOPENED = "yes"
"""The one value of the filter ``reopened``."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the cases have in common; "" for anything. ``person`` is who has them, ``NOBODY`` for nobody.

    ``tier`` is the tier of the ladder that has to act. ``words`` stand in the reference, the job, the retailer or the
    marketplace; ``age`` is an ``Age``, ``reopened`` is ``REOPENED``; the others are the whole value.
    """

    words: str = ""
    retailer: str = ""
    marketplace: str = ""
    cause: str = ""
    platform: str = ""
    state: str = ""
    person: str = ""
    tier: str = ""
    age: str = ""
    reopened: str = ""

    @property
    def given(self) -> dict[str, str]:
        """Those that choose something, by name."""
        found = {one.name: str(getattr(self, one.name)) for one in fields(self)}
        return {name: value for name, value in found.items() if value}

    @property
    def but_words(self) -> bool:
        """Whether anything but the words is chosen."""
        return any(name != "words" for name in self.given)


NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class WorkQuery:
    """A page of the worklist. ``group`` None: the one that has work for whoever looks. Pages count from 1."""

    group: Group | None = None
    order: Order = Order.OLDEST
    page: int = 1
    filters: Filters = field(default_factory=Filters)

    @classmethod
    def of(cls, said: Mapping[str, Sequence[str]]) -> WorkQuery:
        """What an address asks for; what it says wrongly is left out, so that an old link leads somewhere."""
        one = {
            name: " ".join(values[0].replace("\0", "").split())[:_LONGEST] for name, values in said.items() if values
        }
        number = one.get("page", "")
        page = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
        for name, known in (("age", set(Age)), ("reopened", {REOPENED})):
            if one.get(name) not in known:
                one.pop(name, None)
        return cls(
            Group(one["waits"]) if one.get("waits") in set(Group) else None,
            Order(one["order"]) if one.get("order") in set(Order) else Order.OLDEST,
            min(max(page, 1), _LAST_PAGE),
            Filters(**{each.name: _sendable(one.get(each.name, "")) for each in fields(Filters)}),
        )

    @property
    def address(self) -> str:
        """What stands after the question mark; empty for the plain worklist."""
        said = {"waits": str(self.group or ""), **self.filters.given}
        said |= {"order": str(self.order)} if self.order is not Order.OLDEST else {}
        said |= {"page": str(self.page)} if self.page > 1 else {}
        return urlencode({name: value for name, value in said.items() if value})

    def narrowed(self, name: str) -> Callable[[str], str]:
        """What gives the address of the same with a value of this filter: put together once, for many values."""
        others = self.but(**{name: ""}).address
        begins = f"{others}&{name}=" if others else f"{name}="
        return lambda value: begins + quote_plus(value, errors="replace")

    def but(self, **changes: object) -> WorkQuery:
        """The same, changed: a filter or a part of its own. It begins at the first page again."""
        own = {one.name for one in fields(self)}
        filters = replace(self.filters, **{name: str(value) for name, value in changes.items() if name not in own})
        mine = {name: value for name, value in changes.items() if name in own}
        return replace(self, **({"filters": filters, "page": 1} | mine))  # type: ignore[arg-type]


def _sendable(text: str) -> str:
    """The text as every database takes it: no half of a character pair."""
    return text.encode(errors="replace").decode()
