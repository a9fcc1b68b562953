"""How a guard is written: what the database itself refuses, whoever asks and by whatever program.

On SQLite the triggers hold on a connection without any PRAGMA. There REPLACE deletes rows without asking a DELETE
trigger, so whatever could be replaced is guarded before the insert or update too. On PostgreSQL a trigger asks a
function, which looks at the tables of its own schema alone: nobody's temporary table can stand in for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from caseproof.store.errors import StoreError

# How the two say the same in the conditions. A JSON text is compared as it is written, with its quotation marks:
# PostgreSQL cannot read one with a NUL character in it.
_WORDS = {
    "sqlite": {
        "differs": "IS NOT",
        "false": "0",
        "own_ref": "printf('JF-%06d', OLD.id)",
        "prefixed_ref": "printf('%s-%06d', OLD.procedure, OLD.id)",
        "new_proof": "json_extract(NEW.data, '$.proof')",
        "its_proof": "json_extract(data, '$.proof')",
        "its_evidence": "json_extract(data, '$.evidence')",
        "its_rule": "json_extract(data, '$.rule')",
        "digest": "digest",
        "NEW_digest": "NEW.digest",
        "NEW_rule": "NEW.rule",
        "NEW_proof": "NEW.proof",
    },
    "postgresql": {
        "differs": "IS DISTINCT FROM",
        "false": "false",
        "own_ref": "'JF-' || lpad(OLD.id::text, greatest(6, length(OLD.id::text)), '0')",
        "prefixed_ref": "OLD.procedure || '-' || lpad(OLD.id::text, greatest(6, length(OLD.id::text)), '0')",
        "new_proof": "(NEW.data -> 'proof')::text",
        "its_proof": "(data -> 'proof')::text",
        "its_evidence": "(data -> 'evidence')::text",
        "its_rule": "(data -> 'rule')::text",
        "digest": "to_json(digest)::text",
        "NEW_digest": "to_json(NEW.digest)::text",
        "NEW_rule": "to_json(NEW.rule)::text",
        "NEW_proof": "to_json(NEW.proof)::text",
    },
}


@dataclass(frozen=True, slots=True)
class Guard:
    """A trigger: at this moment, when this holds (always, if empty), the statement is refused with the sentence.

    ``condition`` is SQL with words of both databases in braces; ``only`` names the database that needs it.
    """

    name: str
    moment: str
    condition: str
    sentence: str
    only: str = ""


def of_dialect(guards: Iterable[Guard], dialect: str) -> list[Guard]:
    """The guards that this database needs. Raises StoreError for one that cannot be guarded."""
    if dialect not in _WORDS:
        raise StoreError(
            f"This version guards its store in SQLite and PostgreSQL, not in {dialect}.",
            "Leave CASEPROOF_DATABASE_URL empty, or name a database of these.",
        )
    return [guard for guard in guards if guard.only in ("", dialect)]


def make(connection: Connection, guards: Iterable[Guard]) -> None:
    """Make the triggers, in the connection's open transaction."""
    sqlite = connection.dialect.name == "sqlite"
    schema = "" if sqlite else _schema(connection)
    for guard in of_dialect(guards, connection.dialect.name):
        for statement in [_on_sqlite(guard)] if sqlite else _on_postgresql(guard, schema):
            connection.exec_driver_sql(statement)


def drop(connection: Connection, guards: Iterable[Guard]) -> None:
    """Drop the triggers, in the connection's open transaction; one that somebody dropped before is no trouble."""
    sqlite = connection.dialect.name == "sqlite"
    schema = "" if sqlite else _schema(connection)
    for guard in of_dialect(guards, connection.dialect.name):
        if sqlite:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {guard.name}")
        else:  # the trigger goes with its function, unless somebody gave it another one
            _, table = guard.moment.split(" ON ")
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {guard.name} ON {schema}.{table}")
            connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {schema}.caseproof_{guard.name}() CASCADE")


def texts(connection: Connection, guards: Iterable[Guard]) -> dict[str, str]:
    """What `texts_found` gives of these guards where nobody touched them."""
    if connection.dialect.name == "sqlite":
        return {guard.name: _on_sqlite(guard) for guard in guards}
    path = connection.scalar(text("SELECT 'search_path=' || quote_ident(current_schema()) || ', pg_temp'"))
    return {guard.name: _text(_trigger(guard), _body(guard), path) for guard in guards}


def texts_found(connection: Connection, tables: Sequence[str]) -> dict[str, str]:
    """Each trigger and rule in force on these tables, by its name: all that decides what it does. Changes nothing."""
    if connection.dialect.name == "sqlite":
        return {name: sql for name, sql in connection.execute(_TRIGGERS_OF_SQLITE)}
    rows = connection.execute(_TRIGGERS_OF_POSTGRESQL, {"tables": list(tables)})
    return {name: _text(*words) for name, *words in rows}


_TRIGGERS_OF_SQLITE = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
# Where a database or a role is set to take its rows from a replica, a trigger fires only if it was told to.
_TRIGGERS_OF_POSTGRESQL = text(
    "SELECT tgname, pg_get_triggerdef(pg_trigger.oid, true), prosrc, array_to_string(proconfig, ';')"
    " FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid"
    " WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(:tables) AND NOT tgisinternal"
    " AND tgenabled IN"
    " ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)"
    " UNION ALL SELECT rulename, pg_get_ruledef(pg_rewrite.oid), '', ''"
    " FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class"
    " WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(:tables)"
)


def _text(definition: str, body: str, path: str | None) -> str:
    return "\n".join((definition, body, path or ""))


def _on_sqlite(guard: Guard) -> str:
    when = f" WHEN {guard.condition.format(**_WORDS['sqlite'])}" if guard.condition else ""
    return f"CREATE TRIGGER {guard.name} BEFORE {guard.moment}{when} BEGIN SELECT RAISE(ABORT, '{guard.sentence}'); END"


def _on_postgresql(guard: Guard, schema: str) -> Iterator[str]:
    yield (
        f"CREATE FUNCTION caseproof_{guard.name}() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp"
        f" AS $${_body(guard)}$$"
    )
    yield _trigger(guard)


def _body(guard: Guard) -> str:
    condition = guard.condition.format(**_WORDS["postgresql"]) or "true"
    return (
        f" BEGIN IF {condition} THEN RAISE EXCEPTION USING MESSAGE = '{guard.sentence}',"
        " ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END "
    )


def _trigger(guard: Guard) -> str:
    """As PostgreSQL itself writes a trigger down."""
    each = "STATEMENT" if guard.moment.startswith("TRUNCATE") else "ROW"
    return (
        f"CREATE TRIGGER {guard.name} BEFORE {guard.moment} FOR EACH {each} EXECUTE FUNCTION caseproof_{guard.name}()"
    )


def _schema(connection: Connection) -> str:
    name = connection.scalar(text("SELECT current_schema()"))
    return connection.dialect.identifier_preparer.quote_identifier(name)
