"""The database that a table of jobs is in: transactions that read, transactions that write, and its errors for people.

A transaction that reads sees one moment and cannot write, whatever a query calls. Nothing waits for longer than the
time-out: not for a lock, a connection or an answer. No error holds the password, a value or the statement.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, Select, create_engine, event, exc, make_url, text

from caseproof.domain.errors import BadInput
from caseproof.platforms import sql_jobs_watched as watched
from caseproof.platforms.base import PlatformDown, PlatformError, PlatformRefused

_DRIVERS = {
    "sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql",
}  # fmt: skip
_WRITES = "caseproof_writes"
_SHAPE = "Write it like postgresql://user:password@host/database, mysql://... or sqlite:////path/to/file.db."
_LONGER = 5
"""Seconds that we wait longer than the server is told to work: its own word comes first."""
_KEPT_ALIVE = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3}
_LEAST_SECRET = 3
"""A shorter password stands in too many words to be looked for."""

# By the beginning of PostgreSQL's SQLSTATE or SQLite's error name, or MariaDB's whole number.
_DOWN = {
    ("55P03", "57014", "SQLITE_BUSY", "SQLITE_LOCKED", "1205", "1969", "3024"): (
        "what we need is locked, or the answer took too long",
        "See in the database who holds a lock on these tables, or give the block a longer time-out.",
    ),
    (watched.SILENT,): (
        "it said nothing for long, and the connection was given up",
        "See whether it still works, and is reached from here; what was asked may have been done, so read back first.",
    ),
    ("40", "1213", "1020"): ("somebody else was faster", "It is tried again."),
    ("53", "1040", "1226", "SQLITE_FULL"): ("it is short of connections, memory or space", "Give it more of them."),
    ("57P", "25P03", "08", "2002", "2003", "2006", "2013", "2014", "1053", "SQLITE_IOERR", "SQLITE_CANTOPEN"): (
        "it went away, or is not there",
        "Start the database, and see whether this machine reaches it.",
    ),
}
_REFUSED = {
    ("28", "1044", "1045", "1698", "SQLITE_AUTH"): (
        "it does not accept our credentials", "Check the user and the password in the block's database address."
    ),
    ("3D000", "1049"): ("there is no such database", "Check the name at the end of the block's database address."),
    ("42501", "1142", "1143", "1370", "SQLITE_PERM", "SQLITE_READONLY"): (
        "the user may not do this", "Grant it what docs/platform-sql.md lists."
    ),
    ("25006", "1792"): (
        "it takes no writing here", "A query must not write; for a statement, name the primary and not a copy."
    ),
    ("42P01", "42703", "42601", "42804", "42883", "42702", "1146", "1054", "1064", "1052"): (
        "it does not understand a statement or query of the declaration",
        "Correct it in the block; was a table or column renamed?",
    ),
    ("1298", "22023"): (
        "it does not know the declared time zone",
        "Correct `timezone` in the declaration; for MariaDB load its time zone tables (mariadb-tzinfo-to-sql).",
    ),
    ("SQLITE_NOTADB", "SQLITE_CORRUPT"): ("its file is damaged, or no database", "Check the path in the block."),
}  # fmt: skip


@dataclass
class Tolerance:
    """Whether what was asked for is of another kind than the column, so that no row can have it."""

    cannot_be: bool = False


class Database:
    """One database by its URL, which holds the password. Safe to use from several threads.

    ``zone`` is the name of the time zone that its sessions have, so that what a statement writes as now is what the
    columns without a zone mean. Raises BadInput for an address that is none.
    """

    def __init__(self, url: str, *, zone: str = "UTC", seconds: float = 20.0) -> None:
        self._url = _url(url)
        self._zone, self._seconds = zone, seconds
        self.kind = self._url.get_backend_name()
        self._engine: Engine | None = None

    @property
    def name(self) -> str:
        """What to call it in front of people: without user, password and options."""
        if self.kind == "sqlite":
            return f"sqlite:{self._url.database}"
        port = f":{self._url.port}" if self._url.port else ""
        return f"{self.kind}://{self._url.host or 'localhost'}{port}/{self._url.database or ''}"

    @property
    def user(self) -> str:
        """As whom it is read; "" where it has no users."""
        return self._url.username or ""

    def close(self) -> None:
        """Close the connections."""
        if self._engine is not None:
            self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment and cannot write. Raises what the module says, and so does its body."""
        with self._explained(), self._connect(writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self, *, steady: bool = False) -> Iterator[Connection]:
        """A transaction that is committed at the end, and rolled back where its body raises.

        A ``steady`` one sees of others what was there when it began: what differs later was written in it. Where
        others write the same rows meanwhile, it is PlatformDown.
        """
        with self._explained(), self._connect(writes=True, steady=steady) as connection:
            yield connection
            connection.commit()

    def one_at_a_time(self, connection: Connection, what: str) -> None:
        """Until the end of this transaction nobody else gets past this line with the same words."""
        number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], signed=True)
        if self.kind == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
        elif self.kind == "mysql":
            got = connection.execute(
                text("SELECT GET_LOCK(:name, :seconds)"), {"name": f"caseproof-{number}", "seconds": int(self._seconds)}
            ).scalar()
            if got != 1:
                raise PlatformDown(f"{self.name}: somebody else starts this very run.", "It is tried again.")
        # SQLite: a transaction that writes is alone from its beginning.

    @contextmanager
    def tolerant(self, connection: Connection) -> Iterator[Tolerance]:
        """Ask for what may be none of the column's kind, say the job "abc" where jobs have numbers: there is none."""
        asked = Tolerance()
        try:
            with connection.begin_nested():
                yield asked
        except exc.DataError as error:
            if not _code_of(error.orig).startswith(("22P02", "22003", "22007", "22021")):
                raise
            asked.cannot_be = True

    @contextmanager
    def preparing(self, connection: Connection) -> Iterator[Connection]:
        """Where a statement that writes can be explained, and nothing stays; an error of one leaves the next alone."""
        if self.kind == "mysql":  # which explains none to a transaction that cannot write
            with self._connect(writes=True) as other:  # and is never committed
                yield other
        else:
            with connection.begin_nested():
                yield connection

    def clock(self, connection: Connection) -> datetime:
        """The time by the database."""
        if self.kind == "sqlite":
            told = connection.execute(text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")).scalar_one()
            return datetime.fromisoformat(told).replace(tzinfo=UTC)
        asked = "SELECT clock_timestamp()" if self.kind == "postgresql" else "SELECT UTC_TIMESTAMP(6)"
        now: datetime = connection.execute(text(asked)).scalar_one()
        return now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)

    def stream(self, connection: Connection, query: Select[Any], size: int) -> Iterator[Sequence[tuple[Any, ...]]]:
        """The rows of a query as the driver gives them, at most ``size`` at once, from a cursor of the server's own.

        SQLAlchemy's rows would take as long as the query itself, of a million. Raises what the module says.
        """
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        values = compiled.params
        bound = values if compiled.positiontup is None else tuple(values[name] for name in compiled.positiontup)
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor(**self._streaming())
        try:
            cursor.execute(str(compiled), bound)
            while rows := cursor.fetchmany(size):
                yield rows
        except connection.dialect.loaded_dbapi.Error as error:
            if connection.dialect.is_disconnect(error, driver, cursor):
                connection.invalidate(error)  # else it is rolled back, and what that says would hide why
            told = exc.DBAPIError.instance(None, None, error, connection.dialect.loaded_dbapi.Error)
            raise self.explain(told) from None
        finally:
            with suppress(connection.dialect.loaded_dbapi.Error):
                cursor.close()

    def _streaming(self) -> dict[str, Any]:
        """What makes a cursor of this driver one of the server's, which gives a part of the rows at a time."""
        if self.kind == "postgresql":
            return {"name": "caseproof_survey"}
        if self.kind == "mysql":
            return {"cursor": import_module("pymysql.cursors").SSCursor}
        return {}

    @contextmanager
    def _connect(self, *, writes: bool, steady: bool = True) -> Iterator[Connection]:
        if self._engine is None:
            self._engine = self._made()
        with self._engine.connect() as connection:
            options: dict[str, Any] = {_WRITES: writes}
            if self.kind == "postgresql":
                level = "REPEATABLE READ" if steady else "READ COMMITTED"
                options |= {"postgresql_readonly": not writes, "isolation_level": level}
            connection = connection.execution_options(**options)
            try:
                yield connection
            finally:
                if self.kind == "mysql" and writes and not connection.invalidated:
                    connection.rollback()
                    connection.execute(text("SELECT RELEASE_ALL_LOCKS()"))
                    connection.rollback()

    def _made(self) -> Engine:
        common: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": True, "pool_timeout": self._seconds}
        if self.kind == "sqlite":
            engine = create_engine(self._url, creator=self._open_file, **common)
        elif self.kind == "postgresql":
            alive = _KEPT_ALIVE | {"connect_timeout": self._whole_seconds}
            engine = create_engine(self._url, connect_args=alive, **common)
            event.listen(engine, "do_connect", self._watched)
        else:
            waits = ("connect_timeout", "read_timeout", "write_timeout")
            engine = create_engine(
                self._url, connect_args=dict.fromkeys(waits, self._whole_seconds + _LONGER), **common
            )
        event.listen(engine, "connect", self._set_up)
        event.listen(engine, "begin", self._begin)
        return engine

    def _watched(self, _: object, __: object, args: Sequence[Any], given: Mapping[str, Any]) -> Any:
        """A connection that is given up where the server says nothing for long: it may have frozen, or the network may
        have lost it, and the time-outs that we set are the server's own."""
        return watched.connect(self._seconds + _LONGER, args, given)

    @property
    def _whole_seconds(self) -> int:
        return max(2, int(self._seconds))  # psycopg takes no less

    def _open_file(self) -> sqlite3.Connection:
        path = Path(str(self._url.database))
        if not path.exists():  # opening it would make it
            raise PlatformRefused(f"There is no file {path}.", "Check the path in the block's database address.")
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, timeout=self._seconds, check_same_thread=False,
            isolation_level=None,
        )  # fmt: skip
        # A single text of another program that is no UTF-8 would keep all others from being read.
        connection.text_factory = lambda told: told.decode("utf-8", "replace")
        return connection

    def _set_up(self, connection: Any, _: object) -> None:
        """What holds for a session from its beginning; outside transactions. Raises what the module says."""
        try:
            self._begin_session(connection)
        except Exception as error:  # the driver's own: SQLAlchemy leaves it as it is here
            raise self.explain(exc.DBAPIError.instance(None, None, error, type(error))) from None

    def _begin_session(self, connection: Any) -> None:
        milliseconds = int(self._seconds * 1000)
        if self.kind == "postgresql":
            connection.execute(
                "SELECT set_config('statement_timeout', %(ms)s, false), set_config('lock_timeout', %(ms)s, false), "
                "set_config('TimeZone', %(zone)s, false)",
                {"ms": str(milliseconds), "zone": self._zone},
            )
            connection.commit()
        elif self.kind == "mysql":
            with connection.cursor() as cursor:
                cursor.execute("SET innodb_lock_wait_timeout = %s, lock_wait_timeout = %s", [self._whole_seconds] * 2)
                cursor.execute("SET time_zone = %s", ["+00:00" if self._zone == "UTC" else self._zone])

    def _begin(self, connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        if self.kind == "sqlite":  # the driver must not begin transactions by itself
            connection.exec_driver_sql(f"PRAGMA query_only = {0 if writes else 1}")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        elif self.kind == "mysql":
            connection.exec_driver_sql("START TRANSACTION READ WRITE" if writes else "START TRANSACTION READ ONLY")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            # Not chained: the driver's own errors know the address, and SQLAlchemy's the statement.
            raise self.explain(error) from None
        except ImportError:
            raise PlatformRefused(
                f"{self.name} needs a driver that is not installed.",
                "`pip install 'caseproof[mariadb]'`, then try again.",
            ) from None

    def explain(self, error: exc.SQLAlchemyError) -> PlatformError:
        """What a database's error means, for people."""
        cause = getattr(error, "orig", None)
        if isinstance(cause, PlatformError):
            return cause
        if isinstance(error, exc.TimeoutError):
            return PlatformDown(f"{self.name} has no connection left for us in time.", "It is tried again.")
        code, said = _code_of(cause), self._said(cause)
        for kind, known in ((PlatformDown, _DOWN), (PlatformRefused, _REFUSED)):
            for codes, (problem, next_action) in known.items():
                if code in codes or (self.kind != "mysql" and code.startswith(codes)):
                    return kind(f"{self.name}: {problem}{said}.", next_action)
        if not code and _was_asked_for_a_password(cause):
            return PlatformRefused(
                f"{self.name}: it does not accept our credentials{said}.",
                "Check the user and the password in the block.",
            )
        if isinstance(error, exc.OperationalError | exc.InterfaceError) and not code.startswith("SQLITE_ERROR"):
            return PlatformDown(f"{self.name} cannot be reached{said}.", "Start the database, then try again.")
        return PlatformRefused(f"{self.name} refused it{said}.", "Correct the declaration in the block.")

    def _said(self, cause: Any) -> str:
        """The database's own sentence, in brackets: its first line, without the password, and no details, which quote
        whole rows."""
        if cause is None:
            return ""
        diag = getattr(cause, "diag", None)
        words = getattr(diag, "message_primary", None)
        if not words:
            args: tuple[Any, ...] = getattr(cause, "args", ())
            words = str(args[1] if len(args) > 1 and isinstance(args[0], int) else cause)
        line = words.strip().partition("\n")[0].rstrip(".")[:300]
        for secret in {str(self._url.password or ""), quote(str(self._url.password or ""), safe="")}:
            if len(secret) >= _LEAST_SECRET:
                line = line.replace(secret, "[hidden]")
        return f" ({line})" if line else ""


def _url(given: str) -> URL:
    try:
        url = make_url(given.strip())
        scheme = url.drivername.partition("+")[0]
        if scheme not in _DRIVERS:
            raise BadInput(
                "The database's address is of a kind that is not known here: PostgreSQL, MariaDB or MySQL, or SQLite.",
                _SHAPE,
            )
        url = url.set(drivername=_DRIVERS[scheme])
    except (exc.ArgumentError, ValueError):  # not chained: it repeats the address
        raise BadInput("The database's address cannot be read.", _SHAPE) from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadInput("A database in memory is empty for everybody else.", "Name the file: sqlite:////path/to/file.db")
    return url


def _code_of(cause: Any) -> str:
    args = getattr(cause, "args", ())
    if args and isinstance(args[0], int):  # MariaDB's number: its SQLSTATE says less
        return str(args[0])
    return str(getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or "")


def _was_asked_for_a_password(cause: Any) -> bool:
    """Whether PostgreSQL answered and did not let us in: of a connection that was never made there is no SQLSTATE."""
    connection = getattr(cause, "pgconn", None)
    try:
        return bool(connection is not None and (connection.needs_password or connection.used_password))
    except Exception:  # a connection that is closed tells nothing
        return False
