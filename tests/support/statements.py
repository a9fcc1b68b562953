"""The SQL of a statement is made once a process of tests, not once a store: each test has a store of its own.

SQLAlchemy keeps what it made of a statement with each engine, which is right for a program with one store. Here it took
a seventh of the time of all tests that walk a case. tests/store/ goes without this, and so does PostgreSQL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy import create_engine as new_engine


class _Shared(dict[Any, Any]):
    """What SQLAlchemy looks up by dialect and statement; the dialects of all SQLite files are alike."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: tuple[Any, ...], made: Any) -> None:
        super().__setitem__(key[1:], made)


_MADE = _Shared()


def create_engine(url: Any, **options: Any) -> Engine:
    """What ``sqlalchemy.create_engine`` does, for ``caseproof.store.databases``: for SQLite alone."""
    return new_engine(url, execution_options={"compiled_cache": _MADE}, **options)
