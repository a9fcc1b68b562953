"""Which database a URL names."""

from __future__ import annotations

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from caseproof.store.databases import Database, SqliteDatabase
from caseproof.store.errors import StoreError


def database_of(text: str, patience: float) -> Database:
    """The database of this URL. Raises StoreError, which never shows the URL: it may hold a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreError(
            "The store's URL cannot be read.",
            "Write CASEPROOF_DATABASE_URL like sqlite:////folder/file.sqlite or postgresql://user:password@host/name;"
            " in a password, write / as %2F, @ as %40 and : as %3A.",
        ) from None
    backend, _, driver = url.drivername.partition("+")
    if backend == "sqlite" and driver in ("", "pysqlite"):
        return SqliteDatabase(url)
    if backend in ("postgresql", "postgres") and driver in ("", "psycopg"):
        from caseproof.store.postgres import PostgresDatabase  # a fifth of a second, which SQLite does not need

        return PostgresDatabase(url.set(drivername="postgresql+psycopg"), patience)
    if backend in ("sqlite", "postgresql", "postgres"):
        raise StoreError(
            f"The store brings its own driver for {backend}, and does not use {driver}.",
            f"Begin CASEPROOF_DATABASE_URL with {'sqlite' if backend == 'sqlite' else 'postgresql'}://.",
        )
    raise StoreError(
        f"A store can be on SQLite or PostgreSQL, not on {backend}.",
        "Leave CASEPROOF_DATABASE_URL empty, or write it like postgresql://user:password@host/name.",
    )
