"""A table of jobs in a database as a job platform: what is read and written there stands in a declaration.

It is read in transactions that cannot write; what makes writing into somebody else's tables safe stands in
``sql_jobs_writing.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func, literal, select

from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.abilities import Ability, PlatformAbilities
from caseproof.platforms.base import (
    Job,
    Listed,
    PlatformRefused,
    Probe,
    Run,
    RunPage,
    RunState,
    Standing,
    Survey,
    UnknownRun,
    aware,
    require,
)
from caseproof.platforms.sql_jobs_abilities import abilities_of
from caseproof.platforms.sql_jobs_check import check_statements
from caseproof.platforms.sql_jobs_database import Database
from caseproof.platforms.sql_jobs_declaration import SqlDeclaration
from caseproof.platforms.sql_jobs_reading import TableReader
from caseproof.platforms.sql_jobs_tables import named, portions
from caseproof.platforms.sql_jobs_times import Times
from caseproof.platforms.sql_jobs_writing import TableWriter


class SqlJobsClient:
    """A ``JobPlatform`` over a table of jobs. Safe to use from several threads.

    ``url`` is the database's, with user and password. Raises BadInput for an address that is none. Methods raise what
    ``platforms/base.py`` says.
    """

    def __init__(self, url: str, declared: SqlDeclaration, *, seconds: float = 20.0) -> None:
        self._declared = declared
        self._db = Database(url, zone=declared.timezone, seconds=seconds)
        self._times = Times(declared.zone, declared.numbers)
        self._reader = TableReader(self._db, declared, self._times)
        self._writer = TableWriter(self._db, declared, self._reader)
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
            jobs, runs = self._reader.jobs(connection), self._reader.runs(connection)
            remarks = check_statements(self._db, connection, self._declared, jobs, runs, self._times)
            count = connection.execute(select(func.count(literal(1))).select_from(jobs.rows("id").subquery())).scalar()
        ready = [name for name in ("stop", "resume", "cancel", "rerun", "remove") if self._declared.statements.of(name)]
        told = f"; {', '.join(ready)} can be prepared" if ready else "; it is only read"
        return Probe(f"{self._db.name} has {count} jobs{told}{''.join(f'; {one}' for one in remarks)}", clock)

    def probe_pages(self) -> str:
        with self._db.reading() as connection:
            self._reader.runs(connection)
        return (
            f"{self._db.name} has no page of a run; Caseproof renders one from what it reads back, and the policy says "
            "whether that closes a case (closing.rendered_pages)"
        )

    def job(self, job_id: str) -> Job:
        with self._db.reading() as connection:
            return self._reader.job(self._reader.row(connection, job_id))

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
            # All are read: what we call the same is not always the same to the database (blanks at its end, a number).
            rows = connection.execute(self._reader.jobs(connection).rows())
            found = [self._reader.job(named(row)) for row in rows]
            own = self._reader.job(self._reader.row(connection, job.id))
        others = {one.id: one for one in found if all(getattr(one, what) == value for what, value in wanted.items())}
        others.pop(own.id, None)
        return [own, *(others[name] for name in sorted(others))]

    def survey(self, since: datetime, jobs: Collection[str] | None = None) -> Survey:
        aware(since)
        asked = None if jobs is None else sorted(set(jobs))
        with self._db.reading() as connection:
            clock = self._db.clock(connection)
            table = self._reader.jobs(connection)
            found: dict[str, Listed] = {}
            for where in portions(table, "id", asked):
                for row in connection.execute(table.rows().where(*where)):
                    listed = self._reader.listed(named(row))
                    if found.setdefault(listed.job.id, listed) is not listed:
                        raise PlatformRefused(
                            f"The query of the jobs gives the job {listed.job.id!r} twice.",
                            "Let it give a row a job: a join may repeat them.",
                        )
        # A database may give another's row for a name (upper and lower case).
        there = found if asked is None else {one: found[one] for one in asked if one in found}
        return Survey(clock, list(there.values()), self._reader.pages(since, None if asked is None else list(there)))

    def standing(self, job_id: str) -> Standing:
        with self._db.reading() as connection:  # of one moment, so that nothing slips through between the two
            active = self._reader.is_active(self._reader.row(connection, job_id))
            states = [run.state for run in self._reader.unfinished(connection, job_id)]
        waiting = states.count(RunState.WAITING)
        return Standing(job_id, active, waiting, len(states) - waiting)

    def stop(self, job_id: str) -> None:
        require(self, Ability.STOP, job_id)
        self._writer.switch("stop", job_id, active=False)
        if Ability.CANCEL in self._abilities:
            self._writer.cancel_all(job_id)

    def go_live(self, job_id: str) -> None:
        require(self, Ability.RESUME, job_id)
        self._writer.switch("resume", job_id, active=True)

    def remove(self, job_id: str) -> None:
        require(self, Ability.REMOVE, job_id)
        self._writer.remove(job_id)

    # -- runs ------------------------------------------------------------------------------------------------

    def start_run(self, job_id: str, key: str, parameters: Mapping[str, str] | None = None) -> Run:
        require(self, Ability.RUN, job_id)
        if parameters:
            require(self, Ability.PARAMETERS, job_id)
        return self._writer.start(job_id, key, parameters or {})

    def run_by_key(self, job_id: str, key: str) -> Run | None:
        require(self, Ability.KEYED_RUN, job_id)
        with self._db.reading() as connection:
            found = self._reader.by_key(connection, job_id, key)
            if found is None:
                self._reader.row(connection, job_id)
            return found

    def run(self, run_id: str) -> Run:
        with self._db.reading() as connection:
            runs = self._reader.runs(connection)
            found = [run for run in self._reader.told(connection, runs, runs.is_one("id", run_id)) if run.id == run_id]
        if not found:
            raise UnknownRun(f"There is no run {run_id} in {self._db.name}.", "It may have been deleted; run it again.")
        if len(found) > 1:
            raise PlatformRefused(f"The query of the runs gives the run {run_id} twice.", "Let it give a row a run.")
        return found[0]

    def runs_since(self, job_id: str, since: datetime) -> list[Run]:
        aware(since)
        with self._db.reading() as connection:
            runs = self._reader.runs(connection)
            where = [runs.is_one("job", job_id), *self._reader.later(connection, runs, since)]
            told = self._reader.told(connection, runs, *where)
            if not told:
                self._reader.row(connection, job_id)
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


def _told_time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "not told"
