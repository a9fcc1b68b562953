"""Public holidays by country and subdivision, substitute days included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType


def refuse_place(country: str, subdivision: str) -> None:
    """Raise ValueError for a place whose holidays nobody knows."""
    if subdivision and not country:
        raise ValueError("the subdivision needs its country")
    if country:
        public_holidays(country, subdivision, 2026)


@lru_cache(maxsize=500)
def public_holidays(country: str, subdivision: str, year: int) -> Mapping[date, str]:
    """The holidays of a year, with their English names where there are any. Raises ValueError for an unknown place."""
    import holidays  # where somebody has a country: it takes a twentieth of a second

    try:
        found = holidays.country_holidays(country, subdiv=subdivision or None, years=year, language="en_US")
    except NotImplementedError:
        what = f"subdivision '{subdivision}' of {country}" if subdivision else f"country '{country}'"
        raise ValueError(f"there are no public holidays known of the {what}; write it like DE, and BY") from None
    return MappingProxyType(dict(found))


def holidays_around(country: str, subdivision: str, years: range) -> Mapping[date, str]:
    """The holidays of several years; none without a country."""
    if not country:
        return {}
    return {day: name for year in years for day, name in public_holidays(country, subdivision, year).items()}
