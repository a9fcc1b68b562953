"""A table of jobs as it is read by its declaration: its two queries, and their rows in every platform's words.

``sql_jobs.py`` is the platform that is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from caseproof.domain.spelling import what_is_alike
from caseproof.platforms.base import (
    Job,
    Listed,
    PlatformRefused,
    Run,
    RunState,
    Schedule,
    UnknownJob,
    runs_of_columns,
)
from caseproof.platforms.sql_jobs_database import Database
from caseproof.platforms.sql_jobs_declaration import SqlDeclaration, word_of
from caseproof.platforms.sql_jobs_tables import Table, named, portions
from caseproof.platforms.sql_jobs_times import Times

PAGE = 2_000
"""So many runs of a survey are in memory at once."""
_MOST_LISTED = 5_000  # among so many jobs one is looked for that is spelt alike
_UNFINISHED = (RunState.WAITING, RunState.RUNNING)
_MORE = {"name": "names", "message": "messages", "url": "urls"}


class TableReader:
    """Reads one table of jobs, mostly in a transaction that whoever asks began. Raises what ``Database`` raises,
    PlatformRefused for what is not as declared, and UnknownJob."""

    def __init__(self, database: Database, declared: SqlDeclaration, times: Times) -> None:
        self._db, self._declared, self._times = database, declared, times
        self._meanings = declared.states.meanings()

    def jobs(self, connection: Connection) -> Table:
        return Table("jobs", self._declared.jobs, connection)

    def runs(self, connection: Connection) -> Table:
        return Table("runs", self._declared.runs, connection)

    def find(self, connection: Connection, job_id: str) -> Mapping[str, Any] | None:
        """The job's row. A database may take a name for another's (upper and lower case): ours is the same text."""
        jobs = self.jobs(connection)
        with self._db.tolerant(connection) as asked:
            rows = connection.execute(jobs.rows().where(jobs.is_one("id", job_id))).all()
        if asked.cannot_be:
            return None
        same = [named(row) for row in rows if word_of(row.our_id) == job_id]
        if len(same) > 1:
            raise PlatformRefused(f"The query of the jobs gives {job_id!r} twice.", "Let it give a row a job.")
        return same[0] if same else None

    def row(self, connection: Connection, job_id: str) -> Mapping[str, Any]:
        found = self.find(connection, job_id)
        if found is None:
            jobs = self.jobs(connection)
            known = [word_of(one) for one in connection.execute(jobs.rows("id").limit(_MOST_LISTED)).scalars()]
            raise UnknownJob(
                f"There is no job {job_id!r} in {self._db.name}. {what_is_alike(job_id, known)}",
                "Name a job as the column of the declaration's jobs.columns.id does.",
            )
        return found

    def later(self, connection: Connection, runs: Table, since: datetime) -> list[Any]:
        """The condition for runs that may have started after that; none where no run ever started."""
        example = runs.an_example(connection, "started")
        return [] if example is None else [runs.is_later("started", self._times.bound(since, example))]

    def pages(self, since: datetime, jobs: Sequence[str] | None) -> Iterator[list[Run]]:
        """The runs of a survey, a page after the other, out of one moment of the database."""
        with self._db.reading() as connection:
            runs = self.runs(connection)
            later = self.later(connection, runs, since)
            for where in portions(runs, "job", jobs):
                for rows in self._db.stream(connection, runs.rows().where(*later, *where), PAGE):
                    yield _after(since, self._page(dict(zip(runs.columns, zip(*rows, strict=True), strict=True))))

    def _page(self, told: Mapping[str, Sequence[Any]]) -> list[Run]:
        """Rows as runs, a column after the other: of a million, each step more would be a second more."""
        ids, jobs = _texts(told["id"]), _texts(told["job"])
        if None in told["id"] or None in told["job"]:
            raise PlatformRefused("The query of the runs gives a run without an id or a job.", "Leave it out there.")
        said = _texts(told["state"])
        known = {word: self._meanings.get(word, RunState.UNKNOWN) for word in set(said)}
        states: Sequence[RunState] = [known[word] for word in said]
        started, ended = self._times.column(told["started"]), self._times.column(told["ended"])
        if None in ended or None in started:  # what says no times was not executed, whatever its state says
            states = [
                RunState.UNKNOWN if state is RunState.SUCCEEDED and (begin is None or end is None) else state
                for state, begin, end in zip(states, started, ended, strict=True)
            ]
        more = {name: _texts(told[ours]) for ours, name in _MORE.items() if ours in told}
        return runs_of_columns(ids, jobs, states, said, started, ended, **more)

    def told(self, connection: Connection, runs: Table, *where: Any) -> list[Run]:
        with self._db.tolerant(connection) as asked:
            rows = connection.execute(runs.rows().where(*where)).all()
        if asked.cannot_be or not rows:
            return []
        return self._page(dict(zip(runs.columns, zip(*rows, strict=True), strict=True)))

    def by_key(self, connection: Connection, job_id: str, key: str) -> Run | None:
        runs = self.runs(connection)
        keys = [word_of(one) for one in connection.execute(runs.rows("key").where(runs.is_one("key", key))).scalars()]
        if not any(one == key for one in keys):
            return None
        found = [one for one in self.told(connection, runs, runs.is_one("key", key)) if one.job == job_id]
        if len(found) > 1:
            raise PlatformRefused(
                f"Two runs of {job_id} have one key, so one of them was started too often.",
                "Give the column of the keys a unique index, and see which of the two counts.",
            )
        return found[0] if found else None

    def unfinished(self, connection: Connection, job_id: str) -> list[Run]:
        """The job's runs that are not over; one in a state that nobody knows is not, where it has no end."""
        runs = self.runs(connection)
        open_words, known = self._declared.states.words(*_UNFINISHED), self._meanings
        unheard_of = runs.reads_as_none_of("state", known) & runs["ended"].is_(None)
        may_go_on = runs.reads_as("state", open_words) | unheard_of
        return [
            run
            for run in self.told(connection, runs, runs.is_one("job", job_id), may_go_on)
            if run.job == job_id and (run.state in _UNFINISHED or run.said not in known)
        ]

    def job(self, row: Mapping[str, Any]) -> Job:
        def of(name: str) -> str | None:
            value = row.get(name)
            return None if value is None else word_of(value).strip() or None

        if row["id"] is None:
            raise PlatformRefused("The query of the jobs gives a job without an id.", "Leave it out there.")
        job_id = word_of(row["id"])
        facts = (of("retailer"), of("marketplace"), of("connection"), of("stopped_by"))
        return Job(job_id, of("name") or job_id, of("url") or "", *facts)

    def listed(self, row: Mapping[str, Any]) -> Listed:
        cron = row.get("cron")
        zone = word_of(row.get("timezone") or self._declared.timezone)
        schedules = (Schedule(cron=word_of(cron), timezone=zone),) if cron else ()
        return Listed(self.job(row), self.is_active(row), schedules)

    def is_active(self, row: Mapping[str, Any]) -> bool:
        said = self._declared.jobs.is_active(row["active"])
        if said is None:
            raise PlatformRefused(
                f"Whether the job {word_of(row['our_id'])} is active is neither yes nor no in the column "
                f"{self._declared.jobs.columns.active!r}.",
                "Say in the declaration which values mean that it is: `active_values`, under `jobs`.",
            )
        return said


def _after(since: datetime, page: list[Run]) -> list[Run]:
    """The runs of a page that started later; the database was asked for these, and perhaps for a few earlier ones."""
    starts = [run.started_at for run in page if run.started_at is not None]
    if len(starts) == len(page) and min(starts) > since:
        return page
    return [run for run in page if run.started_at is not None and run.started_at > since]


def _texts(values: Sequence[Any]) -> Sequence[str]:
    kinds = set(map(type, values))
    if kinds == {str}:
        return values
    if kinds == {int}:
        return list(map(str, values))
    return ["" if value is None else word_of(value) for value in values]
