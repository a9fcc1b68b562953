"""What is written into a table of jobs: one statement about one job, or nothing at all.

Three things make writing into somebody else's tables safe:

- A statement is about one job. It runs in a transaction of its own, and where it touched more rows than that job has,
  or something of another job, the transaction is rolled back and told.
- A re-run is looked for by its key first, by one at a time; once it is written, it must be found under that key.
- Every value is bound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from caseproof.platforms.base import PlatformRefused, Run
from caseproof.platforms.sql_jobs_database import Database
from caseproof.platforms.sql_jobs_declaration import SqlDeclaration, binds_of
from caseproof.platforms.sql_jobs_others import counts_its_rows, other_jobs, other_runs, refuse_changes
from caseproof.platforms.sql_jobs_reading import TableReader

CANCEL_PASSES = 3  # a stop looks this often for runs that slipped in while it cancelled


class TableWriter:
    """Executes the statements of one declaration. Raises what ``TableReader`` raises."""

    def __init__(self, database: Database, declared: SqlDeclaration, reader: TableReader) -> None:
        self._db, self._declared, self._reader = database, declared, reader

    def remove(self, job_id: str) -> None:
        with self._db.writing(steady=True) as connection:
            if self._reader.find(connection, job_id) is not None:
                before = other_jobs(connection, self._reader.jobs(connection), job_id)
                self._write(connection, "remove", {"job": job_id}, most=self._declared.rows.remove, of=job_id)
                after = other_jobs(connection, self._reader.jobs(connection), job_id)
                refuse_changes(before, after, "remove", job_id)

    def start(self, job_id: str, key: str, parameters: Mapping[str, str]) -> Run:
        with self._db.writing() as connection:
            self._db.one_at_a_time(connection, f"{job_id}\n{key}")
            self._reader.row(connection, job_id)
            if known := self._reader.by_key(connection, job_id, key):
                return known
            values = {"job": job_id, "key": key, "parameters": json.dumps(dict(parameters))}
            may_do_more = not counts_its_rows(self._declared.statements.rerun or "")
            before = other_jobs(connection, self._reader.jobs(connection), job_id) if may_do_more else {}
            self._write(connection, "rerun", values, most=1, least=1, of=job_id)
            if may_do_more:
                refuse_changes(before, other_jobs(connection, self._reader.jobs(connection), job_id), "rerun", job_id)
            found = self._reader.by_key(connection, job_id, key)
            if found is None:
                raise PlatformRefused(
                    f"The declaration's `rerun` wrote a row, and the query of the runs gives none of {job_id} under its"
                    " key. It was rolled back.",
                    "See which column :key is written to, and that the query of the runs gives what is only queued.",
                )
            return found

    def switch(self, name: str, job_id: str, *, active: bool) -> None:
        """Let ``stop`` or ``resume`` do its work on this one job, or nothing at all."""
        most = self._declared.rows.stop if name == "stop" else self._declared.rows.resume
        with self._db.writing() as connection:
            was = self._reader.is_active(self._reader.row(connection, job_id))
            if was is not active and most == 1 and counts_its_rows(self._declared.statements.of(name) or ""):
                count = self._write(connection, name, {"job": job_id}, most=most, of=job_id)
                now = self._reader.find(connection, job_id)
                if count == 1 and now is not None and self._reader.is_active(now) is active:
                    return  # one row was touched, and this job's is the one
                connection.rollback()
        with self._db.writing(steady=True) as connection:
            was = self._reader.is_active(self._reader.row(connection, job_id))
            before = other_jobs(connection, self._reader.jobs(connection), job_id)
            count = self._write(connection, name, {"job": job_id}, most=most, of=job_id)
            refuse_changes(before, other_jobs(connection, self._reader.jobs(connection), job_id), name, job_id)
            if count == 0 and was is not active:
                raise PlatformRefused(
                    f"The declaration's `{name}` touched no row of {job_id}, which is {'' if was else 'not '}active.",
                    "See whether its WHERE names the job as jobs.columns.id does.",
                )

    def cancel_all(self, job_id: str) -> None:
        for _ in range(CANCEL_PASSES):
            with self._db.writing() as connection:
                left = [run.id for run in self._reader.unfinished(connection, job_id)]
                if not left:
                    return
                count = self._cancel(connection, job_id, left)
                gone = set(left) - {run.id for run in self._reader.unfinished(connection, job_id)}
                if counts_its_rows(self._declared.statements.cancel or "") and count <= len(gone):
                    continue  # as many rows were touched as runs of this job ended
                connection.rollback()
            with self._db.writing(steady=True) as connection:
                before = other_runs(connection, self._reader.runs(connection), job_id)
                self._cancel(connection, job_id, [run.id for run in self._reader.unfinished(connection, job_id)])
                refuse_changes(before, other_runs(connection, self._reader.runs(connection), job_id), "cancel", job_id)

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
