"""How a table of jobs is declared: two queries, the columns that we read, the states, and the statements that write.

```yaml
timezone: Europe/Berlin              # of columns that have none; UTC where nothing is said
jobs:
  query: SELECT code, title, enabled, shop, marketplace FROM feeds
  columns: {id: code, name: title, active: enabled, retailer: shop, marketplace: marketplace}
runs:
  query: SELECT id, feed, state, error, started, ended, request FROM feed_runs
  columns: {id: id, job: feed, state: state, message: error, started: started, ended: ended, key: request}
states: {waiting: [queued], running: [running], succeeded: [done], failed: [failed], cancelled: [killed]}
statements:
  stop: UPDATE feeds SET enabled = 0 WHERE code = :job
  resume: UPDATE feeds SET enabled = 1 WHERE code = :job
  cancel: UPDATE feed_runs SET state = 'killed' WHERE id = :run AND state IN ('queued', 'running')
  rerun: INSERT INTO feed_runs (feed, state, request) VALUES (:job, 'queued', :key)
```

A value goes into a statement as a bind (``:job``) alone. What cannot be seen here, whether the columns are there and
the statements can be prepared, ``sql_jobs_check`` asks the database.
"""

from __future__ import annotations

import re
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator
from sqlalchemy import text

from caseproof.config.declarations import Declared, ZoneName, read_declaration
from caseproof.domain.spelling import alike
from caseproof.platforms.base import RunState

STATEMENTS = ("stop", "resume", "cancel", "rerun", "remove")

_TAKES: dict[str, tuple[str, ...]] = {
    "stop": ("job",), "resume": ("job",), "remove": ("job",), "cancel": ("job", "run"),
    "rerun": ("job", "key", "parameters"),
}  # fmt: skip
_NEEDS: dict[str, tuple[str, ...]] = {"stop": ("job",), "resume": ("job",), "remove": ("job",), "rerun": ("job", "key")}
# Only these, so that what the database explains is never run: EXPLAIN before ANALYZE would.
_BEGINS = {
    "stop": ("UPDATE", "INSERT", "WITH", "SELECT"), "resume": ("UPDATE", "INSERT", "WITH", "SELECT"),
    "cancel": ("UPDATE", "DELETE", "INSERT", "WITH", "SELECT"), "rerun": ("INSERT", "WITH", "SELECT"),
    "remove": ("UPDATE", "DELETE", "INSERT", "WITH", "SELECT"),
}  # fmt: skip

Word = str | bool | int
"""A value of a column, as it is written in the declaration."""


def word_of(value: Any) -> str:
    """A value of a column as the text that states and ids are compared by."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else str(value)


def binds_of(statement: str) -> list[str]:
    """The names of the binds of a statement, in the order of the alphabet."""
    return sorted(text(statement).compile().params)


def _refuse_query(query: str) -> str:
    if _first_word(query) not in ("SELECT", "WITH"):
        raise ValueError("a query begins with SELECT or WITH")
    if ";" in query.rstrip().rstrip(";"):
        raise ValueError("is one query, and holds no ';'")
    if binds := binds_of(query):
        raise ValueError(f"a query takes no values, and this names :{binds[0]} (write \\: for a colon that is none)")
    return query.strip().rstrip(";").rstrip()


def _first_word(statement: str) -> str:
    found = re.match(r"\s*([A-Za-z]+)\b", statement)
    return found[1].upper() if found else ""


class JobColumns(Declared):
    """Which column of the jobs' query holds what. Only ``id`` and ``active`` must be there."""

    id: str = Field(min_length=1)
    active: str = Field(min_length=1)
    name: str | None = Field(None, min_length=1)
    retailer: str | None = Field(None, min_length=1)
    marketplace: str | None = Field(None, min_length=1)
    connection: str | None = Field(None, min_length=1)
    stopped_by: str | None = Field(None, min_length=1)
    cron: str | None = Field(None, min_length=1)
    timezone: str | None = Field(None, min_length=1)
    url: str | None = Field(None, min_length=1)


class RunColumns(Declared):
    """Which column of the runs' query holds what. ``key`` is the one that a re-run writes its key into."""

    id: str = Field(min_length=1)
    job: str = Field(min_length=1)
    state: str = Field(min_length=1)
    started: str = Field(min_length=1)
    ended: str = Field(min_length=1)
    message: str | None = Field(None, min_length=1)
    name: str | None = Field(None, min_length=1)
    key: str | None = Field(None, min_length=1)
    url: str | None = Field(None, min_length=1)


class JobsQuery(Declared):
    """The jobs, a row each. ``active_values``: what stands in ``active`` of a job that runs by itself; where none is
    given, a yes or no is expected there."""

    query: str
    columns: JobColumns
    active_values: tuple[Word, ...] = ()

    _one = field_validator("query")(_refuse_query)

    def is_active(self, value: Any) -> bool | None:
        """What a value of the column says; None for one that says neither."""
        word = word_of(value)
        if self.active_values:
            return word in {word_of(one) for one in self.active_values}
        if value is None:
            return None
        return {"true": True, "1": True, "false": False, "0": False}.get(word.lower())


class RunsQuery(Declared):
    """The runs, a row each."""

    query: str
    columns: RunColumns

    _one = field_validator("query")(_refuse_query)


class States(Declared):
    """The platform's own words for the states of runs. A run with another is neither a success nor a failure."""

    waiting: tuple[Word, ...] = ()
    running: tuple[Word, ...] = ()
    succeeded: tuple[Word, ...] = Field(min_length=1)
    failed: tuple[Word, ...] = Field(min_length=1)
    cancelled: tuple[Word, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        words = [word for state in RunState if state is not RunState.UNKNOWN for word in self.words(state)]
        if twice := sorted({word for word in words if words.count(word) > 1}):
            raise ValueError(f"{len(twice)} of these words stand for two states")
        return self

    def words(self, *states: RunState) -> tuple[str, ...]:
        """The words for these states, as they are declared."""
        return tuple(word_of(one) for state in states for one in getattr(self, state))

    def meanings(self) -> dict[str, RunState]:
        """What each word means."""
        known = (state for state in RunState if state is not RunState.UNKNOWN)
        return {word: state for state in known for word in self.words(state)}


class Statements(Declared):
    """What writes, each for one job (``:job``); what is left out, this platform cannot do, and says so (J3)."""

    stop: str | None = None
    resume: str | None = None
    cancel: str | None = None
    rerun: str | None = None
    remove: str | None = None

    @field_validator(*STATEMENTS)
    @classmethod
    def _can_be_used(cls, statement: str | None, info: Any) -> str | None:
        return statement if statement is None else _refuse_statement(info.field_name, statement)

    def of(self, name: str) -> str | None:
        """The statement of this name; None where there is none."""
        found: str | None = getattr(self, name)
        return found


def _refuse_statement(name: str, statement: str) -> str:
    statement = statement.strip().rstrip(";").rstrip()
    if _first_word(statement) not in _BEGINS[name]:
        raise ValueError(f"begins with one of {', '.join(_BEGINS[name])}, and with no comment")
    if ";" in statement:
        raise ValueError("is one statement, and holds no ';'")
    binds, takes = binds_of(statement), _TAKES[name]
    for bind in binds:
        if bind not in takes:
            near = alike(bind, takes)
            told = f"do you mean :{near[0]}?" if near else f"it takes {', '.join(f':{one}' for one in takes)}"
            raise ValueError(f"there is no value :{bind} ({told})")
    missing = [one for one in _NEEDS.get(name, ()) if one not in binds]
    if missing:
        raise ValueError(f"does not say :{missing[0]}, so it would not be about one {missing[0]}")
    if name == "cancel" and not binds:
        raise ValueError("says neither :run nor :job, so it would be about every run")
    return statement


class Rows(Declared):
    """How many rows of the database a job has where a statement writes: more are rolled back."""

    stop: int = Field(1, ge=1, le=1000)
    resume: int = Field(1, ge=1, le=1000)
    remove: int = Field(1, ge=1, le=1000)


class SqlDeclaration(Declared):
    """The whole declaration."""

    timezone: ZoneName = "UTC"
    numbers: Literal["seconds", "milliseconds"] | None = None
    jobs: JobsQuery
    runs: RunsQuery
    states: States
    statements: Statements = Statements()
    rows: Rows = Rows()

    @model_validator(mode="after")
    def _a_rerun_is_found_again(self) -> Self:
        if self.statements.rerun and not self.runs.columns.key:
            raise ValueError(
                "statements.rerun writes a :key, and runs.columns.key does not say where it is found again"
            )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of columns that have none."""
        return ZoneInfo(self.timezone)


def read_sql_declaration(written: str) -> SqlDeclaration:
    """The declaration of a table of jobs. Raises DeclarationError, which names each mistake by its line."""
    return read_declaration(written, SqlDeclaration, "of the SQL job table")
