"""A table of jobs in a database as a job platform: what is read and written there stands in a declaration.

Three things make writing into somebody else's tables safe:

- A statement is about one job. It runs in a transaction of its own, and where it touched more rows than that job has,
  or something of another job, the transaction is rolled back and told.
- A re-run is looked for by its key first, by one at a time; once it is written, it must be found under that key.
- Every value is bound; what a query reads, it reads in a transaction that cannot write.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, literal, select, text

from caseproof.domain.errors import BadInput
from caseproof.domain.spelling import what_is_alike
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.abilities import Abilities, Ability, Lack, PlatformAbilities
from caseproof.platforms.base import (
    Job,
    Listed,
    PlatformRefused,
    Probe,
    Run,
    RunPage,
    RunState,
    Schedule,
    Standing,
    Survey,
    UnknownJob,
    UnknownRun,
    require,
    runs_of_columns,
)
from caseproof.platforms.sql_jobs_check import check_statements
from caseproof.platforms.sql_jobs_database import Database
from caseproof.platforms.sql_jobs_declaration import SqlDeclaration, binds_of, word_of
from caseproof.platforms.sql_jobs_others import counts_its_rows, other_jobs, other_runs, refuse_changes
from caseproof.platforms.sql_jobs_tables import Table
from caseproof.platforms.sql_jobs_times import Times

PAGE = 2_000
"""So many runs of a survey are in memory at once."""
PORTION = 500
"""So many jobs are asked for at once."""
CANCEL_PASSES = 3  # a stop looks this often for runs that slipped in while it cancelled
_MOST_LISTED = 5_000  # among so many jobs one is looked for that is spelt alike
_UNFINISHED = (RunState.WAITING, RunState.RUNNING)

_NO_COLUMN = "Give the query of the jobs a column with the schedule's cron line, and name it in `jobs.columns.cron`."
_BY_HAND = "Do it in the system that the table belongs to, or declare `statements.{}`."
_LACKS: dict[Ability, Lack] = {
    Ability.SCHEDULES: Lack("The declaration names no column with schedules.", _NO_COLUMN),
    Ability.STOP: Lack("The declaration has no statement that stops a job.", _BY_HAND.format("stop")),
    Ability.CANCEL: Lack("The declaration has no statement that cancels a run.", _BY_HAND.format("cancel")),
    Ability.RESUME: Lack("The declaration has no statement that sets a job live.", _BY_HAND.format("resume")),
    Ability.RUN: Lack("The declaration has no statement that starts a run.", _BY_HAND.format("rerun")),
    Ability.KEYED_RUN: Lack("The declaration has no statement that starts a run.", _BY_HAND.format("rerun")),
    Ability.PARAMETERS: Lack(
        "The declaration's `rerun` takes no :parameters.", "Write them into the job's own row, or add the bind."
    ),
    Ability.REMOVE: Lack(
        "The declaration has no statement that removes a job.", "A removal stops the job and leaves it there."
    ),
}
_DEPENDS = {
    Ability.SCHEDULES: "where a column holds cron lines",
    Ability.STOP: "where `stop` is declared",
    Ability.CANCEL: "where `cancel` is declared",
    Ability.RESUME: "where `resume` is declared",
    Ability.RUN: "where `rerun` is declared",
    Ability.KEYED_RUN: "where `rerun` is declared",
    Ability.PARAMETERS: "where `rerun` takes :parameters",
    Ability.REMOVE: "where `remove` is declared",
}
ABILITIES: PlatformAbilities = Abilities(
    Ability,
    frozenset(Ability) - {Ability.PAGE} - _DEPENDS.keys(),
    {
        Ability.PAGE: Lack(
            "A database shows no page of a run to people.",
            "Caseproof renders one from what it read back; it closes a case where the policy takes that "
            "(`closing.rendered_pages`).",
        )
    },
    _DEPENDS,
)
"""What a table of jobs is able to do."""


def abilities_of(declared: SqlDeclaration) -> PlatformAbilities:
    """What one is able to do that is declared so."""
    has = declared.statements
    there = {
        Ability.SCHEDULES: declared.jobs.columns.cron,
        Ability.STOP: has.stop,
        Ability.CANCEL: has.cancel,
        Ability.RESUME: has.resume,
        Ability.RUN: has.rerun,
        Ability.KEYED_RUN: has.rerun,
        Ability.PARAMETERS: has.rerun and "parameters" in binds_of(has.rerun),
        Ability.REMOVE: has.remove,
    }
    return ABILITIES.lacking({ability: _LACKS[ability] for ability, is_there in there.items() if not is_there})


class SqlJobsClient:
    """A ``JobPlatform`` over a table of jobs. Safe to use from several threads.

    ``url`` is the database's, with user and password. Raises BadInput for an address that is none. Methods raise what
    ``platforms/base.py`` says.
    """

    def __init__(self, url: str, declared: SqlDeclaration, *, seconds: float = 20.0) -> None:
        self._declared = declared
        self._db = Database(url, zone=declared.timezone, seconds=seconds)
        self._times = Times(declared.zone, declared.numbers)
        self._meanings = declared.states.meanings()
        self._abilities = abilities_of(declared)

    @property
    def abilities(self) -> PlatformAbilities:
        return self._abilities

    def close(self) -> None:
        """Close the connections."""
        self._db.close()

    # -- jobs ------------------------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Also prepares every statement, and looks whether the columns are there; nothing is executed."""
        with self._db.reading() as connection:
            clock = self._db.clock(connection)
            jobs, runs = self._jobs(connection), self._runs(connection)
            remarks = check_statements(self._db, connection, self._declared, jobs, runs, self._times)
            count = connection.execute(select(func.count(literal(1))).select_from(jobs.rows("id").subquery())).scalar()
        ready = [name for name in ("stop", "resume", "cancel", "rerun", "remove") if self._declared.statements.of(name)]
        told = f"; {', '.join(ready)} can be prepared" if ready else "; it is only read"
        return Probe(f"{self._db.name} has {count} jobs{told}{''.join(f'; {one}' for one in remarks)}", clock)

    def probe_pages(self) -> str:
        with self._db.reading() as connection:
            self._runs(connection)
        return (
            f"{self._db.name} has no page of a run; Caseproof renders one from what it reads back, and the policy says "
            "whether that closes a case (closing.rendered_pages)"
        )

    def job(self, job_id: str) -> Job:
        with self._db.reading() as connection:
            return self._job(self._row(connection, job_id))

    def jobs_in(self, scope: Scope, job: Job) -> list[Job]:
        if scope is Scope.JOB:
            return [self.job(job.id)]
        other = {Scope.MARKETPLACE: "marketplace", Scope.CONNECTION: "connection"}[scope]
        wanted = {"retailer": job.retailer, other: getattr(job, other)}
        for what, value in wanted.items():
            if not value:
                raise BadInput(
                    f"The job {job.id} does not say its {what}, so it is unknown what else to stop with it.",
                    f"Give its row one (the declaration's jobs.columns.{what}), or stop this job alone.",
                )
        with self._db.reading() as connection:
            jobs = self._jobs(connection)
            alike = [jobs.is_one(what, value) for what, value in wanted.items()]
            found = [self._job(_named(row)) for row in connection.execute(jobs.rows().where(*alike))]
            own = self._job(self._row(connection, job.id))
        others = {one.id: one for one in found if all(getattr(one, what) == value for what, value in wanted.items())}
        others.pop(own.id, None)
        return [own, *(others[name] for name in sorted(others))]

    def survey(self, since: datetime, jobs: Collection[str] | None = None) -> Survey:
        _refuse_naive(since)
        asked = None if jobs is None else sorted(set(jobs))
        with self._db.reading() as connection:
            clock = self._db.clock(connection)
            table = self._jobs(connection)
            found: dict[str, Listed] = {}
            for where in _portions(table, "id", asked):
                for row in connection.execute(table.rows().where(*where)):
                    listed = self._listed(_named(row))
                    if found.setdefault(listed.job.id, listed) is not listed:
                        raise PlatformRefused(
                            f"The query of the jobs gives the job {listed.job.id!r} twice.",
                            "Let it give a row a job: a join may repeat them.",
                        )
        only = None if asked is None else [one for one in asked if one in found]
        return Survey(clock, [found[one] for one in found if only is None or one in only], self._pages(since, only))

    def standing(self, job_id: str) -> Standing:
        with self._db.reading() as connection:  # of one moment, so that nothing slips through between the two
            active = self._is_active(self._row(connection, job_id))
            states = [run.state for run in self._unfinished(connection, job_id)]
        waiting = states.count(RunState.WAITING)
        return Standing(job_id, active, waiting, len(states) - waiting)

    def stop(self, job_id: str) -> None:
        require(self, Ability.STOP, job_id)
        self._switch("stop", job_id, active=False)
        if Ability.CANCEL in self._abilities:
            self._cancel_all(job_id)

    def go_live(self, job_id: str) -> None:
        require(self, Ability.RESUME, job_id)
        self._switch("resume", job_id, active=True)

    def remove(self, job_id: str) -> None:
        require(self, Ability.REMOVE, job_id)
        with self._db.writing(steady=True) as connection:
            if self._find(connection, job_id) is not None:
                before = other_jobs(connection, self._jobs(connection), job_id)
                self._write(connection, "remove", {"job": job_id}, most=self._declared.rows.remove, of=job_id)
                after = other_jobs(connection, self._jobs(connection), job_id)
                refuse_changes(before, after, "remove", job_id)

    # -- runs ------------------------------------------------------------------------------------------------

    def start_run(self, job_id: str, key: str, parameters: Mapping[str, str] | None = None) -> Run:
        require(self, Ability.RUN, job_id)
        if parameters:
            require(self, Ability.PARAMETERS, job_id)
        with self._db.writing() as connection:
            self._db.one_at_a_time(connection, f"{job_id}\n{key}")
            self._row(connection, job_id)
            if known := self._by_key(connection, job_id, key):
                return known
            values = {"job": job_id, "key": key, "parameters": json.dumps(dict(parameters or {}))}
            may_do_more = not counts_its_rows(self._declared.statements.rerun or "")
            before = other_jobs(connection, self._jobs(connection), job_id) if may_do_more else {}
            self._write(connection, "rerun", values, most=1, least=1, of=job_id)
            if may_do_more:
                refuse_changes(before, other_jobs(connection, self._jobs(connection), job_id), "rerun", job_id)
            found = self._by_key(connection, job_id, key)
            if found is None:
                raise PlatformRefused(
                    f"The declaration's `rerun` wrote a row, and the query of the runs gives none of {job_id} under its"
                    " key. It was rolled back.",
                    "See which column :key is written to, and that the query of the runs gives what is only queued.",
                )
            return found

    def run_by_key(self, job_id: str, key: str) -> Run | None:
        require(self, Ability.KEYED_RUN, job_id)
        with self._db.reading() as connection:
            found = self._by_key(connection, job_id, key)
            if found is None:
                self._row(connection, job_id)
            return found

    def run(self, run_id: str) -> Run:
        with self._db.reading() as connection:
            runs = self._runs(connection)
            found = [run for run in self._told(connection, runs, runs.is_one("id", run_id)) if run.id == run_id]
        if not found:
            raise UnknownRun(f"There is no run {run_id} in {self._db.name}.", "It may have been deleted; run it again.")
        if len(found) > 1:
            raise PlatformRefused(f"The query of the runs gives the run {run_id} twice.", "Let it give a row a run.")
        return found[0]

    def runs_since(self, job_id: str, since: datetime) -> list[Run]:
        _refuse_naive(since)
        with self._db.reading() as connection:
            runs = self._runs(connection)
            where = [runs.is_one("job", job_id), *self._later(connection, runs, since)]
            told = self._told(connection, runs, *where)
            if not told:
                self._row(connection, job_id)
        later = [(run.started_at, run.id, run) for run in told if run.started_at and run.started_at > since]
        return [run for _, _, run in sorted(later, key=lambda one: one[:2]) if run.job == job_id]

    def page(self, run: Run) -> RunPage:
        """A database has none: the page is rendered from what it told."""
        said = run.said if run.state is RunState.SUCCEEDED else self._declared.states.words(RunState.SUCCEEDED)[0]
        user = f" as the user {self._db.user}" if self._db.user else ""
        told = (
            ("Run", run.id), ("State", run.said), ("Job", run.job), ("Started", _told_time(run.started_at)),
            ("Ended", _told_time(run.ended_at)), ("Message", run.message[:2_000]),
            ("Database", f"{self._db.name}, read{user}"),
        )  # fmt: skip
        return RunPage(run.url, (run.id,), said, told=told)

    # -- reading the tables ----------------------------------------------------------------------------------

    def _jobs(self, connection: Connection) -> Table:
        return Table("jobs", self._declared.jobs, connection)

    def _runs(self, connection: Connection) -> Table:
        return Table("runs", self._declared.runs, connection)

    def _find(self, connection: Connection, job_id: str) -> Mapping[str, Any] | None:
        """The job's row. A database may take a name for another's (upper and lower case): ours is the same text."""
        jobs = self._jobs(connection)
        with self._db.tolerant(connection) as asked:
            rows = connection.execute(jobs.rows().where(jobs.is_one("id", job_id))).all()
        if asked.cannot_be:
            return None
        same = [_named(row) for row in rows if word_of(row.our_id) == job_id]
        if len(same) > 1:
            raise PlatformRefused(f"The query of the jobs gives {job_id!r} twice.", "Let it give a row a job.")
        return same[0] if same else None

    def _row(self, connection: Connection, job_id: str) -> Mapping[str, Any]:
        found = self._find(connection, job_id)
        if found is None:
            jobs = self._jobs(connection)
            known = [word_of(one) for one in connection.execute(jobs.rows("id").limit(_MOST_LISTED)).scalars()]
            raise UnknownJob(
                f"There is no job {job_id!r} in {self._db.name}. {what_is_alike(job_id, known)}",
                "Name a job as the column of the declaration's jobs.columns.id does.",
            )
        return found

    def _later(self, connection: Connection, runs: Table, since: datetime) -> list[Any]:
        """The condition for runs that may have started after that; none where no run ever started."""
        example = runs.an_example(connection, "started")
        return [] if example is None else [runs.is_later("started", self._times.bound(since, example))]

    def _pages(self, since: datetime, jobs: Sequence[str] | None) -> Iterator[list[Run]]:
        """The runs of a survey, a page after the other, out of one moment of the database."""
        with self._db.reading() as connection:
            runs = self._runs(connection)
            later = self._later(connection, runs, since)
            for where in _portions(runs, "job", jobs):
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

    def _told(self, connection: Connection, runs: Table, *where: Any) -> list[Run]:
        with self._db.tolerant(connection) as asked:
            rows = connection.execute(runs.rows().where(*where)).all()
        if asked.cannot_be or not rows:
            return []
        return self._page(dict(zip(runs.columns, zip(*rows, strict=True), strict=True)))

    def _by_key(self, connection: Connection, job_id: str, key: str) -> Run | None:
        runs = self._runs(connection)
        keys = [word_of(one) for one in connection.execute(runs.rows("key").where(runs.is_one("key", key))).scalars()]
        if not any(one == key for one in keys):
            return None
        found = [one for one in self._told(connection, runs, runs.is_one("key", key)) if one.job == job_id]
        if len(found) > 1:
            raise PlatformRefused(
                f"Two runs of {job_id} have one key, so one of them was started too often.",
                "Give the column of the keys a unique index, and see which of the two counts.",
            )
        return found[0] if found else None

    def _unfinished(self, connection: Connection, job_id: str) -> list[Run]:
        """The job's runs that are not over; one in a state that nobody knows is not, where it has no end."""
        runs = self._runs(connection)
        open_words, known = self._declared.states.words(*_UNFINISHED), self._meanings
        unheard_of = runs.reads_as_none_of("state", known) & runs["ended"].is_(None)
        may_go_on = runs.reads_as("state", open_words) | unheard_of
        return [
            run
            for run in self._told(connection, runs, runs.is_one("job", job_id), may_go_on)
            if run.job == job_id and (run.state in _UNFINISHED or run.said not in known)
        ]

    # -- writing ---------------------------------------------------------------------------------------------

    def _switch(self, name: str, job_id: str, *, active: bool) -> None:
        """Let ``stop`` or ``resume`` do its work on this one job, or nothing at all."""
        most = self._declared.rows.stop if name == "stop" else self._declared.rows.resume
        with self._db.writing() as connection:
            was = self._is_active(self._row(connection, job_id))
            if was is not active and most == 1 and counts_its_rows(self._declared.statements.of(name) or ""):
                count = self._write(connection, name, {"job": job_id}, most=most, of=job_id)
                now = self._find(connection, job_id)
                if count == 1 and now is not None and self._is_active(now) is active:
                    return  # one row was touched, and this job's is the one
                connection.rollback()
        with self._db.writing(steady=True) as connection:
            was = self._is_active(self._row(connection, job_id))
            before = other_jobs(connection, self._jobs(connection), job_id)
            count = self._write(connection, name, {"job": job_id}, most=most, of=job_id)
            refuse_changes(before, other_jobs(connection, self._jobs(connection), job_id), name, job_id)
            if count == 0 and was is not active:
                raise PlatformRefused(
                    f"The declaration's `{name}` touched no row of {job_id}, which is {'' if was else 'not '}active.",
                    "See whether its WHERE names the job as jobs.columns.id does.",
                )

    def _cancel_all(self, job_id: str) -> None:
        for _ in range(CANCEL_PASSES):
            with self._db.writing() as connection:
                left = [run.id for run in self._unfinished(connection, job_id)]
                if not left:
                    return
                count = self._cancel(connection, job_id, left)
                gone = set(left) - {run.id for run in self._unfinished(connection, job_id)}
                if counts_its_rows(self._declared.statements.cancel or "") and count <= len(gone):
                    continue  # as many rows were touched as runs of this job ended
                connection.rollback()
            with self._db.writing(steady=True) as connection:
                before = other_runs(connection, self._runs(connection), job_id)
                self._cancel(connection, job_id, [run.id for run in self._unfinished(connection, job_id)])
                refuse_changes(before, other_runs(connection, self._runs(connection), job_id), "cancel", job_id)

    def _cancel(self, connection: Connection, job_id: str, left: Sequence[str]) -> int:
        """Let ``cancel`` do its work on these runs of the job; how many rows it touched."""
        if "run" not in binds_of(self._declared.statements.cancel or ""):
            return self._write(connection, "cancel", {"job": job_id}, most=len(left), of=job_id) if left else 0
        return sum(
            self._write(connection, "cancel", {"job": job_id, "run": run}, most=1, of=f"the run {run}") for run in left
        )

    def _write(
        self, connection: Connection, name: str, values: Mapping[str, Any], *, most: int, least: int = 0, of: str
    ) -> int:
        """Execute a statement; how many rows it touched. Raises PlatformRefused where those are too many, and whoever
        began the transaction then leaves it rolled back."""
        statement = text(self._declared.statements.of(name) or "")
        takes = statement.compile().params
        count = connection.execute(statement, {one: value for one, value in values.items() if one in takes}).rowcount
        if count < 0:
            raise PlatformRefused(
                f"The database does not say how many rows the declaration's `{name}` touched. It was rolled back.",
                "Write it as one UPDATE, INSERT or DELETE.",
            )
        if not least <= count <= most:
            allowed = f"{most} row" + "s" * (most > 1)
            raise PlatformRefused(
                f"The declaration's `{name}` touched {count} rows for {of}, and may touch {allowed}. It was rolled "
                "back, and nothing changed.",
                "Correct its WHERE, so that it is about one job; where a job has several rows, say so under `rows`.",
            )
        return count

    # -- translating -----------------------------------------------------------------------------------------

    def _job(self, row: Mapping[str, Any]) -> Job:
        def of(name: str) -> str | None:
            value = row.get(name)
            return None if value is None else word_of(value).strip() or None

        if row["id"] is None:
            raise PlatformRefused("The query of the jobs gives a job without an id.", "Leave it out there.")
        job_id = word_of(row["id"])
        facts = (of("retailer"), of("marketplace"), of("connection"), of("stopped_by"))
        return Job(job_id, of("name") or job_id, of("url") or "", *facts)

    def _listed(self, row: Mapping[str, Any]) -> Listed:
        cron = row.get("cron")
        zone = word_of(row.get("timezone") or self._declared.timezone)
        schedules = (Schedule(cron=word_of(cron), timezone=zone),) if cron else ()
        return Listed(self._job(row), self._is_active(row), schedules)

    def _is_active(self, row: Mapping[str, Any]) -> bool:
        said = self._declared.jobs.is_active(row["active"])
        if said is None:
            raise PlatformRefused(
                f"Whether the job {word_of(row['our_id'])} is active is neither yes nor no in the column "
                f"{self._declared.jobs.columns.active!r}.",
                "Say in the declaration which values mean that it is: `active_values`, under `jobs`.",
            )
        return said


def _told_time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "not told"


_MORE = {"name": "names", "message": "messages", "url": "urls"}


def _named(row: Row[Any]) -> dict[str, Any]:
    """A row by our names."""
    return {str(name).removeprefix("our_"): value for name, value in row._mapping.items()}


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


def _portions(table: Table, ours: str, asked: Sequence[str] | None) -> Iterator[tuple[Any, ...]]:
    """The conditions to ask by, one after the other: none for all, else so many of these at once."""
    if asked is None:
        yield ()
        return
    for first in range(0, len(asked), PORTION):
        yield (table.is_one_of(ours, asked[first : first + PORTION]),)


def _refuse_naive(since: datetime) -> None:
    if since.tzinfo is None:
        raise BadInput("The time to look from has no time zone.", "Give an aware datetime, in UTC.")
