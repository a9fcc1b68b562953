"""A store on PostgreSQL: how its writers queue, and what happens while its server is away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Connection, Engine, create_engine, event

from caseproof.store.databases import WRITES, Database, compact_json, lenient_json
from caseproof.store.errors import StoreDown, StoreError

# A server whose machine vanished is noticed within a minute.
_CONNECT = {
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "application_name": "caseproof",
}
_IDLE_SECONDS = 300
_WRITERS = 0x63617365  # the number of our advisory locks: other programs in the database use others


class PostgresDatabase(Database):
    """A database of a PostgreSQL server. While the server is away, connecting is tried for ``patience`` seconds.

    Writers queue at an advisory lock, one for each schema, held until their transaction ends. A writer whose
    machine vanished frees it after some minutes.
    """

    def __init__(self, url: URL, patience: float) -> None:
        super().__init__(url)
        self._patience = patience
        if not url.database:
            raise StoreError(
                "CASEPROOF_DATABASE_URL names no database.", "Write it like postgresql://user:password@host/caseproof."
            )

    def engine(self) -> Engine:
        usual = {name: value for name, value in _CONNECT.items() if name not in self.url.query}
        # Statements are not prepared: those would fail after a migration by another process.
        engine = create_engine(
            self.url,
            hide_parameters=True,
            pool_pre_ping=True,
            json_serializer=compact_json,
            json_deserializer=lenient_json,
            connect_args={**usual, "prepare_threshold": None},
        )

        @event.listens_for(engine, "do_connect")
        def _connect(_dialect: object, _record: object, _args: object, parameters: dict[str, Any]) -> Any:
            return self._connect(parameters)

        # In the transaction, not on the connection: so it holds behind a connection pooler too.
        wait = f"SET LOCAL TimeZone = 'UTC'; SET LOCAL lock_timeout = {max(1, int(self.seconds * 1000))}"
        queue = (
            f"{wait}; SET LOCAL idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s';"
            f" SELECT pg_advisory_xact_lock({_WRITERS}, hashtext(current_schema()))"
        )

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(queue if connection.get_execution_options().get(WRITES) else wait)

        return engine

    def options(self, *, writes: bool) -> dict[str, Any]:
        # A writer must see what was committed while it queued; a reader must see one moment.
        isolation = "READ COMMITTED" if writes else "REPEATABLE READ"
        return super().options(writes=writes) | {"isolation_level": isolation, "postgresql_readonly": not writes}

    def _connect(self, parameters: dict[str, Any]) -> Any:
        """Connect. Nothing of a transaction has happened yet, so that trying again is safe."""
        until = time.monotonic() + self._patience
        pause = 0.1
        refused: _NoConnection | None = None
        while True:
            try:
                return psycopg.connect(**parameters)
            except psycopg.Error as error:
                before, refused = refused, _refused(error, _answer(error, parameters))
            # Raised out here, without the driver's error: that one carries the password.
            # A refusal that no words explain may be of a moment ago: certain when it comes twice.
            certain = refused.certain or (refused.doubtful and before is not None and before.doubtful)
            if certain or time.monotonic() + pause > until:
                raise refused.error
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)


def _answer(error: psycopg.Error, parameters: dict[str, Any]) -> pq.Ping:
    """What the server says when it is asked whether it takes connections: no words, so in no language."""
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return pq.Ping.NO_RESPONSE  # asking would only wait again
    ours = {name: value for name, value in parameters.items() if name not in ("context", "prepare_threshold")}
    try:
        return pq.Ping(pq.PGconn.ping(make_conninfo(**ours | {"connect_timeout": "3"}).encode()))
    except psycopg.Error:
        return pq.Ping.NO_ATTEMPT


# -- why there is no connection ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _NoConnection:
    """Why there is no connection. ``certain``: trying again will not help; ``doubtful``: it may be of a moment ago."""

    error: StoreError
    certain: bool = False
    doubtful: bool = False


_REFUSALS = (
    (
        ("failed to resolve host", "could not translate host name"),
        "The host in CASEPROOF_DATABASE_URL is not known",
        "Check the host's name and this machine's network.",
    ),
    (
        ("authentication failed", "no password supplied", 'FATAL: role "'),
        "The database refuses the user or the password of CASEPROOF_DATABASE_URL",
        "Correct them; in a password, write / as %2F, @ as %40 and : as %3A.",
    ),
    (("pg_hba.conf",), "The database takes no connection from here", "Add a line to the server's pg_hba.conf."),
    (
        ("does not support SSL", "certificate"),
        "There is no encrypted connection to the database",
        "Check sslmode and the certificates.",
    ),
)


def _refused(error: psycopg.Error, answer: pq.Ping) -> _NoConnection:
    """Why the server did not take a connection; ``answer`` is what it says when it is asked whether it does."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, psycopg.ProgrammingError):
        problem = f"CASEPROOF_DATABASE_URL has an option that PostgreSQL does not know ({text})."
        return _NoConnection(StoreError(problem, "Correct what stands after the question mark."), certain=True)
    if 'FATAL: database "' in text and "does not exist" in text:
        name = text.partition('database "')[2].partition('"')[0]
        return _NoConnection(StoreError(f"There is no database {name!r} yet.", f"`createdb {name}`"), certain=True)
    for words, problem, next_action in _REFUSALS:
        if any(word in text for word in words):
            return _NoConnection(StoreDown(f"{problem}.", next_action), certain=True)
    if answer is pq.Ping.REJECT:
        return _NoConnection(StoreDown("The database is starting or stopping.", "Try again in a minute."))
    problem = f"The database cannot be reached: {text.removeprefix('connection failed: ')}."
    return _NoConnection(StoreDown(problem, "Start the database, then try again."), doubtful=answer is pq.Ping.OK)
