"""How times and digests are kept: as small as the database can, and always given back as they were."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import DateTime, Dialect, String, TypeDecorator
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from caseproof.domain.errors import BadInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Microseconds(sqlite.DATETIME):
    """A time in SQLite, which has no type for it: whole microseconds since 1970 in UTC, a third of a text's room."""

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        del dialect
        return lambda value: None if value is None else (value - _EPOCH) // _MICROSECOND

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:
        del dialect, coltype
        return _time_at


def _time_at(number: int | None) -> datetime | None:
    """Raises ValueError and TypeError for what is no time."""
    if number is None:
        return None
    try:
        return _EPOCH + timedelta(0, 0, number)
    except OverflowError as error:
        raise ValueError(f"{number} is no time") from error


class _Aware(DateTime):
    """A time in PostgreSQL, which gives it back in the session's time zone."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[datetime | None], datetime | None]:
        del dialect, coltype
        return lambda value: None if value is None else value.astimezone(UTC)


class UtcTime(TypeDecorator[datetime]):
    """Aware datetimes in and out, in UTC, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "sqlite":
            return dialect.type_descriptor(_Aware(timezone=True))
        return dialect.type_descriptor(_Microseconds())  # type: ignore[no-untyped-call]

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is not None and value.tzinfo is None:
            raise BadInput(f"The time {value} has no time zone.", "Pass an aware datetime.")
        return value if value is None else value.astimezone(UTC)


class _Bytes(String):
    """A SHA-256 as the 32 bytes that it is; any other text stays a text, so that nothing is lost."""

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], bytes | str | None]:
        del dialect
        return lambda value: bytes.fromhex(value) if value and _SHA256.fullmatch(value) else value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[bytes | str | None], str | None]:
        del dialect, coltype
        return lambda value: value.hex() if isinstance(value, bytes) else value


_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Digest(TypeDecorator[str]):
    """A hexadecimal SHA-256. Not for ``proofs``: the guards there compare it with what stands in an event."""

    impl = String(64)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(_Bytes(64) if dialect.name == "sqlite" else String(64))
