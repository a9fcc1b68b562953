"""Which days a sentence names, as its writer means them on the day of writing, in English or German.

Days to come are left out ("valid until 3 May"): this is for when something was done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta

_WEEKDAYS = (
    ("monday", "montag"), ("tuesday", "dienstag"), ("wednesday", "mittwoch"), ("thursday", "donnerstag"),
    ("friday", "freitag"), ("saturday", "samstag", "sonnabend"), ("sunday", "sonntag"),
)  # fmt: skip
_MONTHS = (
    ("jan", "jän"), ("feb",), ("mar", "mär", "mrz"), ("apr",), ("may", "mai"), ("jun",), ("jul",), ("aug",), ("sep",),
    ("oct", "okt"), ("nov",), ("dec", "dez"),
)  # fmt: skip
_WEEKDAY = {name: number for number, names in enumerate(_WEEKDAYS) for name in names}
_MONTH = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names}
_NAMED = rf"({'|'.join(_MONTH)})[a-zä]{{0,7}}\.?"
_AGO = {
    "one": 1, "a": 1, "two": 2, "three": 3, "four": 4, "five": 5, "einem": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5
}  # fmt: skip
_RULES = re.compile(
    rf"\b(?P<weekday>{'|'.join(_WEEKDAY)})s?\b|"
    r"\b(?P<before>day before yesterday|vorgestern)\b|\b(?P<yesterday>yesterday|last night|gestern)\b|"
    r"\b(?P<ago>\d{1,3}|one|a|two|three|four|five) days? ago\b|"
    r"\bvor (?P<vor>\d{1,3}|einem|zwei|drei|vier|fünf) tag(?:en)?\b|"
    r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})\b|"
    r"(?<![\d.])(?P<d2>\d{1,2})\.\s?(?P<m2>\d{1,2})\.(?:\s?(?P<y2>\d{4}|\d{2})\b|(?!\s?\d))|"
    rf"\b(?P<d3>\d{{1,2}})(?:st|nd|rd|th|\.)?\s(?:of )?(?P<m3>{_NAMED})(?:,?\s(?P<y3>\d{{4}})\b)?|"
    rf"\b(?P<m4>{_NAMED})\s(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s(?P<y4>\d{{4}})\b)?",
    re.IGNORECASE,
)


def days_named(sentence: str, written: date) -> list[date]:
    """The days up to ``written`` that a sentence names; of a weekday or a day without a year, the last one."""
    return [day for found in _RULES.finditer(sentence[:2000]) for day in _day(found, written) if day <= written]


def _day(found: re.Match[str], written: date) -> Iterator[date]:
    if name := found["weekday"]:
        yield written - timedelta(days=(written.weekday() - _WEEKDAY[name.lower()]) % 7)
    elif found["before"] or found["yesterday"]:
        yield written - timedelta(days=2 if found["before"] else 1)
    elif ago := found["ago"] or found["vor"]:
        yield written - timedelta(days=_AGO.get(ago.lower()) or int(ago))
    else:
        for which in ("", "2", "3", "4"):
            if found[f"d{which}"]:
                yield from _dated(found[f"y{which}"], found[f"m{which}"], int(found[f"d{which}"]), written)


def _dated(year: str | None, month: str, day: int, written: date) -> Iterator[date]:
    number = int(month) if month.isdigit() else _MONTH[month[:3].lower()]
    with suppress(ValueError):  # no such day
        if year:
            yield date(int(year) + (2000 if len(year) == 2 else 0), number, day)
        else:
            this = date(written.year, number, day)
            yield this if this <= written else date(written.year - 1, number, day)
