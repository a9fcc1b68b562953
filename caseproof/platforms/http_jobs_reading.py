"""An HTTP job service as it is read by its declaration: its calls and its lists.

``http_jobs.py`` is the platform that is made of it.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

from caseproof.domain.spelling import what_is_alike
from caseproof.http.api import HttpApi
from caseproof.http.client import Answer, Transport
from caseproof.platforms.base import PlatformDown, PlatformRefused, Run, UnknownJob
from caseproof.platforms.http_jobs_access import Access, client_credentials, headers_of
from caseproof.platforms.http_jobs_declared import Call, ListCall, Service
from caseproof.platforms.http_jobs_lists import Keys, Lists, Query
from caseproof.platforms.http_jobs_records import Record, Records
from caseproof.platforms.http_jobs_words import NotAsDeclared, filled, filled_in, method_and_path, written

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""What is asked from this moment on is asked for whole."""


class ServiceReader:
    """Reads one service. Raises what ``HttpApi`` and ``Lists`` raise, and NotAsDeclared within ``as_declared``."""

    def __init__(
        self,
        declared: Service,
        access: Access,
        records: Records,
        *,
        transport: Transport | None,
        sleep: Callable[[float], None],
    ) -> None:
        self._declared, self._records = declared, records
        self._login = client_credentials(declared.auth, access, transport=transport, sleep=sleep)
        self._api = HttpApi(
            access.base,
            declared.service,
            down=PlatformDown,
            refused=PlatformRefused,
            headers={"Accept": "application/json", **declared.headers, **headers_of(declared.auth, access)},
            login=self._login,
            ca=access.ca,
            proxy=access.proxy,
            transport=transport,
            sleep=sleep,
        )
        self._lists = Lists(self._api, access.base)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        if self._login:
            self._login.close()

    @property
    def address(self) -> str:
        """The base address, as people may read it."""
        return self._api.address

    @property
    def subject(self) -> str:
        return f"{self._api.name[:1].upper()}{self._api.name[1:]} at {self._api.address}"

    @contextmanager
    def as_declared(self) -> Iterator[None]:
        """Raises PlatformRefused where an answer is not what the declaration says."""
        try:
            yield
        except NotAsDeclared as wrong:
            raise PlatformRefused(
                f"{self.subject} answered something else than its declaration says: {wrong}.",
                "Compare an answer of the service with the declaration, and correct that.",
            ) from None

    def call(
        self,
        call: Call,
        values: Mapping[str, str],
        parameters: Mapping[str, str] | None = None,
        query: Query | None = None,
    ) -> Answer:
        method, path = method_and_path(call.call)
        given = parameters or {}
        if query is None:
            query = {name: filled(value, values) for name, value in call.query.items()}
        return self._api.call(
            method,
            filled(path, values, quoted=True),
            reads=isinstance(call, ListCall) or None,
            json=filled_in(call.body, values, given) if call.body is not None else None,
            form=filled_in(dict(call.form), values, given) if call.form else None,
            params=query or None,
            headers={name: filled(value, values) for name, value in call.headers.items()} or None,
        )

    def json(self, answer: Answer) -> Any:
        body = answer.json()
        if body is None and answer.content.strip() != b"null":
            raise self._api.not_the_api(answer)
        return body

    def rows(
        self,
        where: str,
        listed: ListCall,
        values: Mapping[str, str],
        key: Keys,
        clock: list[datetime | None] | None = None,
    ) -> Generator[list[Any], None, None]:
        """The rows of a list, in pages; the service's own time at the first goes to ``clock``."""
        known = {"since": self._written(ALWAYS), **values}

        def ask(query: Query) -> Answer:
            answer = self.call(listed, known, query=query)
            if answer.is_missing:
                raise self.nothing_there(where, listed, known)
            if clock is not None and not clock:
                clock.append(answer.date)
            return answer

        query = {name: filled(value, known) for name, value in listed.query.items()}
        return self._lists.pages(where, listed, ask, query, key)

    def nothing_there(self, where: str, listed: ListCall, values: Mapping[str, str]) -> PlatformRefused | UnknownJob:
        """A list that is missing: that of a job which is gone, or the base address is wrong."""
        if job_id := values.get("job"):
            return self.unknown(job_id, where)
        _, path = method_and_path(listed.call)
        return PlatformRefused(
            f"There is nothing at {self._api.address.rstrip('/')}/{path} (it answered 404).",
            f"Correct the base address, which comes before what the declaration calls (`{where}.call`).",
        )

    def records(self, clock: list[datetime | None] | None = None) -> Iterator[list[Record]]:
        rows = self.rows("jobs.list", self._declared.jobs.list, {}, self._records.job_ids, clock)
        with closing(rows) as pages:
            for page in pages:
                yield [self._records.record_of(row) for row in page]

    def record(self, job_id: str, clock: list[datetime | None] | None = None) -> Record:
        one = self._declared.jobs.one
        if one is None:
            known: list[str] = []
            for page in self.records(clock):
                for record in page:
                    if record.job.id == job_id:
                        return record
                    known.append(record.job.id)
            raise self._not_listed(job_id, known)
        answer = self.call(one, {"job": job_id})
        if clock is not None and not clock:
            clock.append(answer.date)
        row = None if answer.is_missing else one.item.find(self.json(answer))
        if row is None:
            raise self.unknown(job_id, "jobs.one")
        record = self._records.record_of(row)
        if record.job.id != job_id:
            raise NotAsDeclared(f"jobs.one gives another job than {job_id}")
        return record

    def maybe(self, job_id: str, clock: list[datetime | None] | None = None) -> Record | None:
        try:
            return self.record(job_id, clock)
        except UnknownJob:
            return None

    def unknown(self, job_id: str, where: str) -> UnknownJob | PlatformRefused:
        """The error for a job of which nothing is told at ``where`` in the declaration: the list says whether it is
        there. A call that is declared wrongly, and a right that we lack, must not look like a job that vanished (J9).
        """
        with self.as_declared():
            known = [record.job.id for page in self.records() for record in page]
        if job_id in known:
            return PlatformRefused(
                f"{self.subject} lists the job {job_id!r}, and says that there is none where it is asked for "
                f"`{where}`.",
                "Correct that call in the declaration, or give our account the right to it: some services answer so "
                "where one is missing.",
            )
        return self._not_listed(job_id, known)

    def _not_listed(self, job_id: str, known: Sequence[str]) -> UnknownJob:
        return UnknownJob(
            f"There is no job {job_id!r} on {self._api.address}. {what_is_alike(job_id, known)}",
            "Name a job by its id, as the service's list of jobs gives it.",
        )

    def first_runs(self, since: datetime) -> Sequence[Any]:
        """The first page of the list of all runs from then on, as the service gives it; empty without such a list."""
        listed = self._declared.runs.list
        if listed is None:
            return []
        with closing(self.rows("runs.list", listed, {"since": self._written(since)}, self._records.run_ids)) as pages:
            return next(pages, [])

    def rows_of(self, job_id: str, since: datetime) -> Generator[list[Any], None, None]:
        """Rows of the job's runs; of a list of all runs, others' too."""
        runs, when = self._declared.runs, self._written(since)
        if runs.of_job is not None:
            return self.rows("runs.of_job", runs.of_job, {"job": job_id, "since": when}, self._records.run_ids)
        assert runs.list is not None  # noqa: S101 - one of both is declared
        return self.rows("runs.list", runs.list, {"since": when}, self._records.run_ids)

    def open_runs(self, job_id: str) -> list[Run]:
        """The job's runs that are not over; one in a state that nobody knows is not, where it has no end."""
        runs = self._declared.runs
        if runs.open is not None:
            rows = self.rows("runs.open", runs.open, {"job": job_id}, self._records.run_ids)
        else:
            rows = self.rows_of(job_id, ALWAYS)
        own = job_id if runs.fields.job is None else None
        with closing(rows) as pages:
            found = [run for page in pages for run in self._records.runs_of(page, own)]
        return [run for run in found if run.job == job_id and not run.state.is_over and run.ended_at is None]

    def runs(
        self,
        where: str,
        listed: ListCall,
        since: datetime,
        *,
        job: str | None,
        only: frozenset[str] | None = None,
    ) -> Iterator[list[Run]]:
        """Runs that started after ``since``, in pages; of one ``job``, or those of the jobs in ``only``."""
        when = self._written(since)
        values = {"since": when} | ({"job": job} if job is not None else {})
        of = job if self._declared.runs.fields.job is None else None
        with self.as_declared(), closing(self.rows(where, listed, values, self._records.run_ids)) as pages:
            for page in pages:
                runs = self._records.runs_of(page, of)
                later = [run for run in runs if run.started_at is not None and run.started_at > since]
                wanted = only if job is None else frozenset((job,))
                yield later if wanted is None else [run for run in later if run.job in wanted]
                if listed.newest_first and not later and any(run.started_at for run in runs):
                    return

    def _written(self, when: datetime) -> str:
        return written(when, self._declared.times, self._declared.zone)
