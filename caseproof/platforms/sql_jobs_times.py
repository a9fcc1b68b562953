"""Times as databases tell them: with a zone, without one, as texts, as numbers; ours are aware and in UTC.

What kind a column holds is asked of its own values, never guessed from a declaration that may be old.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo

from caseproof.platforms.base import PlatformRefused

Numbers = Literal["seconds", "milliseconds"]

_AT_UTC = (UTC, ZoneInfo("UTC"), ZoneInfo("Etc/UTC"))
_MARGIN = timedelta(days=1)
"""A text may be of any zone, and stand for two times an hour apart: so much earlier rows are asked for, too."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Times:
    """Reads the times of one database; ``zone`` is that of what has none, ``numbers`` what they count since 1970."""

    def __init__(self, zone: tzinfo, numbers: Numbers | None) -> None:
        self._zone: tzinfo = UTC if str(zone) in ("UTC", "Etc/UTC") else zone
        self._numbers = numbers

    def read(self, value: Any) -> datetime | None:
        """The time in UTC; None for NULL and for an empty text. Raises PlatformRefused for what is none."""
        if value is None or value == "":
            return None
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.strip())
            except ValueError:
                raise _no_time("a text that is no time as ISO 8601 writes it") from None
        if isinstance(value, datetime):
            if value.tzinfo is None:
                value = value.replace(tzinfo=self._zone)
            aware: datetime = value
            return aware if aware.tzinfo in _AT_UTC else aware.astimezone(UTC)
        if self._numbers is None or isinstance(value, bool):
            raise _no_time(f"a value of the kind {type(value).__name__}")
        try:
            seconds = float(value) / (1000 if self._numbers == "milliseconds" else 1)
            return _EPOCH + timedelta(seconds=seconds)
        except (TypeError, ValueError, OverflowError):
            raise _no_time(f"a value of the kind {type(value).__name__}") from None

    def column(self, values: Sequence[Any]) -> Sequence[datetime | None]:
        """The times of a whole column. A page of a driver that tells them in UTC is taken as it is."""
        kinds = {type(value) for value in values}
        if kinds <= {datetime, type(None)}:
            zones = {value.tzinfo for value in values if value is not None}
            if all(zone in _AT_UTC for zone in zones):
                return values
            if zones == {None} and self._zone is UTC:
                return [None if value is None else value.replace(tzinfo=UTC) for value in values]
        return list(map(self.read, values))

    def bound(self, since: datetime, like: Any) -> Any:
        """What the column may be compared to so that no row later than ``since`` is left out; ``like`` is one of its
        values. Rows that are a little earlier may come along."""
        if isinstance(like, datetime):
            if like.tzinfo is not None:
                return since
            wall = since.astimezone(self._zone).replace(tzinfo=None)
            return wall if self._zone is UTC else wall - timedelta(hours=3)  # a clock that was set back
        if isinstance(like, str | bytes):
            return (since.astimezone(UTC) - _MARGIN).strftime("%Y-%m-%d")
        seconds = (since - _EPOCH).total_seconds()
        return int(seconds * 1000) if self._numbers == "milliseconds" else int(seconds)


def _no_time(what: str) -> PlatformRefused:
    return PlatformRefused(
        f"A column that holds times holds {what}.",
        "Let the query of the declaration give a time (CAST ... AS TIMESTAMP, or a text like 2026-11-30 04:15:00); for "
        "seconds or milliseconds since 1970 add `numbers: seconds`.",
    )
