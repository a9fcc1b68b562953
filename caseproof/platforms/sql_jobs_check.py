"""What the doctor looks at before a table of jobs is relied on: each statement prepared, none executed."""

from __future__ import annotations

from sqlalchemy import Connection, exc, select, text

from caseproof.platforms.base import PlatformRefused
from caseproof.platforms.sql_jobs_database import Database
from caseproof.platforms.sql_jobs_declaration import STATEMENTS, SqlDeclaration, binds_of, word_of
from caseproof.platforms.sql_jobs_tables import Table
from caseproof.platforms.sql_jobs_times import Times

_MOST_STATES = 50


def check_statements(
    database: Database, connection: Connection, declared: SqlDeclaration, jobs: Table, runs: Table, times: Times
) -> list[str]:
    """Look at everything that can be looked at without writing; gives remarks. Raises PlatformRefused for what is
    wrong.

    The transaction of ``connection`` cannot write.
    """
    _prepare(database, connection, declared)
    for table in (jobs, runs):
        if (twice := connection.execute(table.twice("id")).scalar()) is not None:
            raise PlatformRefused(
                f"The query of the {table.what} gives {word_of(twice)!r} twice.",
                f"Let it give a row a {table.what[:-1]}: a join may repeat them.",
            )
        _found_again(connection, table)
    _active_or_not(connection, declared, jobs)
    for ours in ("started", "ended"):
        times.read(runs.an_example(connection, ours))
    return _strange_states(connection, declared, runs)


def _prepare(database: Database, connection: Connection, declared: SqlDeclaration) -> None:
    """Have the database explain each statement, which reads it and runs nothing."""
    wrong = []
    for name in STATEMENTS:
        statement = declared.statements.of(name)
        if statement is None:
            continue
        values = dict.fromkeys(binds_of(statement))
        try:
            with database.preparing(connection) as asked:
                asked.execute(text(f"EXPLAIN {statement}"), values)
        except exc.SQLAlchemyError as error:
            told = database.explain(error)
            if not isinstance(told, PlatformRefused):
                raise told from None
            wrong.append(f"statements.{name}: {told.problem}")
    if wrong:
        raise PlatformRefused(
            f"The declaration does not fit the database: {' '.join(wrong)}",
            "Correct the statement in the block, or grant the user what docs/platform-sql.md lists.",
        )


def _found_again(connection: Connection, table: Table) -> None:
    """A row must be found by the text of its own id; an expression that SQLite gives no type to is not."""
    example = table.an_example(connection, "id")
    if example is None:
        return
    again = connection.execute(table.rows("id").where(table.is_one("id", word_of(example)))).scalars()
    if word_of(example) not in map(word_of, again):
        raise PlatformRefused(
            f"The query of the {table.what} gives {word_of(example)!r}, and nothing is found under that.",
            f"Let it give the id as a text: CAST({table.columns['id']} AS TEXT).",
        )


def _active_or_not(connection: Connection, declared: SqlDeclaration, jobs: Table) -> None:
    """A single job of which it is not known keeps the whole table from being checked."""
    for value in connection.execute(select(jobs["active"]).distinct().limit(_MOST_STATES)).scalars():
        if declared.jobs.is_active(value) is None:
            said = "nothing" if value is None else repr(word_of(value))
            raise PlatformRefused(
                f"The column {jobs.columns['active']!r} says {said} of a job, which is neither yes nor no.",
                "Say in the declaration which values mean that a job is active: `active_values`, under `jobs`.",
            )


def _strange_states(connection: Connection, declared: SqlDeclaration, runs: Table) -> list[str]:
    known = declared.states.meanings()
    found = connection.execute(select(runs["state"]).distinct().limit(_MOST_STATES)).scalars()
    strange = sorted({word_of(one) for one in found if one is not None} - known.keys())
    if not strange:
        return []
    named = ", ".join(repr(one) for one in strange[:5])
    return [f"runs are also {named}, which the declaration does not translate: neither a success nor a failure"]
