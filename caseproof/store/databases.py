"""The databases that a store can be on: an object each, which holds all that differs between them.

On each of them writers queue one behind another from the beginning of their transaction, and readers see what
was committed last, without waiting for anybody.
"""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from caseproof.store.errors import StoreError

WRITES = "caseproof_writes"
"""The execution option that tells a transaction at its beginning whether it may write."""

_BUSY_SECONDS = 30.0


class Database(ABC):
    """One database, by its URL. Nothing is opened before ``engine`` is used.

    ``name`` is what to call it in front of people: no user, no password, no options. ``seconds``: how long a writer
    waits for another.
    """

    def __init__(self, url: URL) -> None:
        self.name = f"{url.get_backend_name()}:{url.database}"
        self.seconds = _seconds(str(url.query.get("timeout", _BUSY_SECONDS)))
        self.url = url.difference_update_query(["timeout"])

    @abstractmethod
    def engine(self) -> Engine:
        """A new engine. Its errors never show values: these are retailers' words and addresses."""

    def options(self, *, writes: bool) -> dict[str, Any]:
        """The execution options of a connection, before its transaction begins."""
        return {WRITES: writes}

    def is_there(self) -> bool:
        """Whether it can be looked at without making it."""
        return True

    def settle(self, engine: Engine) -> None:
        """What is set once a migration is done, outside transactions."""
        del engine


def lenient_json(text: str | bytes) -> Any:
    """What a JSON column holds; one that somebody filled with something else past us, as the text that it is.

    So a backup saves that too, and reading it as an event or a plan fails there, in words for people.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text if isinstance(text, str) else text.decode(errors="replace")


def compact_json(value: Any) -> str:
    """What is written into a JSON column: no spaces, and every letter as itself, if UTF-8 has it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character pair, which somebody wrote past us
        return json.dumps(value, separators=(",", ":"))
    return text


def _seconds(text: str) -> float:
    """How long a writer waits for another. Raises StoreError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86_400:
        raise StoreError(
            "The `timeout` in CASEPROOF_DATABASE_URL is no number of seconds.", "Give how long a writer waits: 30."
        )
    return seconds


class SqliteDatabase(Database):
    """A file. Its write lock is taken at the beginning, for later a writer could only fail."""

    _PRAGMAS = ("foreign_keys = ON", "recursive_triggers = ON", "synchronous = FULL")

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        if url.database in (None, "", ":memory:"):
            raise StoreError("A store in memory forgets its cases.", "Name a file in CASEPROOF_DATABASE_URL.")

    def engine(self) -> Engine:
        engine = create_engine(
            self.url,
            hide_parameters=True,
            json_serializer=compact_json,
            json_deserializer=lenient_json,
            connect_args={"timeout": self.seconds},
        )

        # SQLAlchemy's recipe for pysqlite: the driver must not begin transactions by itself ...
        @event.listens_for(engine, "connect")
        def _set_up(connection: Any, _: object) -> None:
            connection.isolation_level = None
            for pragma in self._PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")

        # ... so that we can.
        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get(WRITES)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def is_there(self) -> bool:
        return Path(str(self.url.database)).exists()  # looking would make the file

    def settle(self, engine: Engine) -> None:
        """Readers beside a writer: SQLite's WAL, which stays with the file."""
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            pass  # another process has the file; without WAL it is only slower, and the next start sets it
        finally:
            connection.close()
