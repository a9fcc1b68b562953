"""An HTTP job service as it is read by its declaration: its calls, its lists, and its records in our words.

``http_jobs.py`` is the platform that is made of it.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any
from urllib.parse import quote

from caseproof.domain.spelling import what_is_alike
from caseproof.http.api import HttpApi
from caseproof.http.client import Answer, Transport, credentials, shown
from caseproof.http.tokens import ClientCredentials
from caseproof.platforms.base import (
    Job,
    PlatformDown,
    PlatformRefused,
    Run,
    RunState,
    Schedule,
    UnknownJob,
    runs_of_columns,
)
from caseproof.platforms.http_jobs_declared import (
    BasicAuth,
    BearerAuth,
    Call,
    ClientAuth,
    HeaderAuth,
    ListCall,
    Service,
)
from caseproof.platforms.http_jobs_lists import Keys, Lists, Query
from caseproof.platforms.http_jobs_words import (
    NotAsDeclared,
    filled,
    filled_in,
    method_and_path,
    moment,
    moments,
    quoted,
    written,
)

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""What is asked from this moment on is asked for whole."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a service is and how we get in: all that a block holds beside the declaration. Secrets are not shown."""

    base: str
    site: str = ""
    user: str = ""
    secret: str = ""
    page_headers: Mapping[str, str] | None = None
    ca: str = ""
    proxy: str = ""

    def __repr__(self) -> str:
        return f"Access({shown(self.base)})"


@dataclass(frozen=True, slots=True)
class Record:
    """A job's record: the job, and what its calls need to know of it."""

    job: Job
    kind: str
    active: bool
    schedules: tuple[Schedule, ...]
    values: Mapping[str, str]


class ServiceReader:
    """Reads one service. Raises what ``HttpApi`` and ``Lists`` raise, and NotAsDeclared within ``as_declared``."""

    def __init__(
        self, declared: Service, access: Access, *, transport: Transport | None, sleep: Callable[[float], None]
    ) -> None:
        self._declared, self._access, self._transport, self._sleep = declared, access, transport, sleep
        self._site = (access.site or access.base).rstrip("/")
        self._login = self._client_credentials()
        self._api = HttpApi(
            access.base,
            declared.service,
            down=PlatformDown,
            refused=PlatformRefused,
            headers={"Accept": "application/json", **declared.headers, **self._credentials()},
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

    # -- reading the service -----------------------------------------------------------------------------------------

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
            return self.unknown(job_id)
        _, path = method_and_path(listed.call)
        return PlatformRefused(
            f"There is nothing at {self._api.address.rstrip('/')}/{path} (it answered 404).",
            f"Correct the base address, which comes before what the declaration calls (`{where}.call`).",
        )

    def records(self, clock: list[datetime | None] | None = None) -> Iterator[list[Record]]:
        listed, found = self._declared.jobs.list, self._declared.jobs.fields.id
        rows = self.rows("jobs.list", listed, {}, lambda rows: _needed(found.column(rows), "jobs.fields.id"), clock)
        with closing(rows) as pages:
            for page in pages:
                yield [self.record_of(row) for row in page]

    def record(self, job_id: str, clock: list[datetime | None] | None = None) -> Record:
        one = self._declared.jobs.one
        if one is None:
            known: list[str] = []
            for page in self.records(clock):
                for record in page:
                    if record.job.id == job_id:
                        return record
                    known.append(record.job.id)
            raise self.unknown(job_id, known)
        answer = self.call(one, {"job": job_id})
        if clock is not None and not clock:
            clock.append(answer.date)
        row = None if answer.is_missing else one.item.find(self.json(answer))
        if row is None:
            raise self.unknown(job_id)
        record = self.record_of(row)
        if record.job.id != job_id:
            raise NotAsDeclared(f"jobs.one gives another job than {job_id}")
        return record

    def maybe(self, job_id: str, clock: list[datetime | None] | None = None) -> Record | None:
        try:
            return self.record(job_id, clock)
        except UnknownJob:
            return None

    def unknown(self, job_id: str, known: Sequence[str] | None = None) -> UnknownJob:
        """The error for a job that is not there; listing the others proves that it is the service who says so."""
        if known is None:
            with self.as_declared():
                known = [record.job.id for page in self.records() for record in page]
        return UnknownJob(
            f"There is no job {job_id!r} on {self._api.address}. {what_is_alike(job_id, known)}",
            "Name a job by its id, as the service's list of jobs gives it.",
        )

    def rows_of(self, job_id: str, since: datetime) -> Generator[list[Any], None, None]:
        """Rows of the job's runs; of a list of all runs, others' too."""
        runs, when = self._declared.runs, self._written(since)
        if runs.of_job is not None:
            return self.rows("runs.of_job", runs.of_job, {"job": job_id, "since": when}, self.run_ids)
        assert runs.list is not None  # noqa: S101 - one of both is declared
        return self.rows("runs.list", runs.list, {"since": when}, self.run_ids)

    def open_runs(self, job_id: str) -> list[Run]:
        """The job's runs that are not over; one in a state that nobody knows is not, where it has no end."""
        runs = self._declared.runs
        if runs.open is not None:
            rows = self.rows("runs.open", runs.open, {"job": job_id}, self.run_ids)
        else:
            rows = self.rows_of(job_id, ALWAYS)
        own = job_id if runs.fields.job is None else None
        found = [run for page in rows for run in self.runs_of(page, own)]
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
        with self.as_declared(), closing(self.rows(where, listed, values, self.run_ids)) as pages:
            for page in pages:
                runs = self.runs_of(page, of)
                later = [run for run in runs if run.started_at is not None and run.started_at > since]
                wanted = only if job is None else frozenset((job,))
                yield later if wanted is None else [run for run in later if run.job in wanted]
                if listed.newest_first and not later and any(run.started_at for run in runs):
                    return

    def _written(self, when: datetime) -> str:
        return written(when, self._declared.times, self._declared.zone)

    def _moments(self, values: Sequence[Any]) -> list[datetime | None]:
        return moments(values, self._declared.times, self._declared.zone)

    # -- in every platform's words -----------------------------------------------------------------------------------

    def run_ids(self, rows: Sequence[Any]) -> Sequence[str]:
        return _needed(self._declared.runs.fields.id.column(rows), "runs.fields.id")

    def record_of(self, row: Any) -> Record:
        fields, times = self._declared.jobs.fields, self._declared.times
        told = {
            name: text_of(getattr(fields, name).find(row)) if getattr(fields, name) else None
            for name in ("name", "retailer", "marketplace", "connection", "kind", "stopped_by", "cron", "timezone")
        }
        (job_id,) = _needed([fields.id.find(row)], "jobs.fields.id")
        active = fields.active.find(row)
        if active not in (True, False):
            raise NotAsDeclared("jobs.fields.active finds neither true nor false")
        more = {name: text_of(find.find(row)) for name, find in fields.more.items()}
        values = {k: v for k, v in {**told, **more}.items() if v is not None} | {"job": job_id}
        every = fields.every_seconds.find(row) if fields.every_seconds else None
        anchor = moment(fields.anchor.find(row), times, self._declared.zone) if fields.anchor else None
        page = self._page_of({"name": job_id, **values})
        job = Job(
            job_id, told["name"] or job_id, page, told["retailer"], told["marketplace"], told["connection"],
            told["stopped_by"],
        )  # fmt: skip
        return Record(
            job,
            told["kind"] or "",
            bool(active),
            _schedules(told, self._declared.timezone or "UTC", every, anchor),
            values,
        )

    def _page_of(self, values: Mapping[str, str]) -> str:
        """A job's page: an id may hold what has a meaning in an address."""
        page = self._declared.jobs.page
        if not page.startswith("{site}"):  # an address that the record itself tells
            return filled(page, {**values, "site": self._site})
        quoted = {name: quote(value, safe="/") for name, value in values.items()}
        return filled(page, quoted | {"site": self._site})

    def run_of(self, row: Any, job: str | None) -> Run:
        """A run's record as a run; ``job`` is whose it is, where the record does not say."""
        return self.runs_of([row], job)[0]

    def runs_of(self, rows: Sequence[Any], job: str | None) -> list[Run]:
        """Records as runs, as ``run_of`` each: a column after the other, since a check reads very many."""
        runs, fields = self._declared.runs, self._declared.runs.fields
        ids = self.run_ids(rows)
        said = _texts(fields.state.column(rows))
        meant = {word: runs.states.get(word, RunState.UNKNOWN) for word in set(said)}
        states = [meant[word] for word in said]
        started, ended = self._moments(fields.started.column(rows)), self._moments(fields.ended.column(rows))
        if fields.executed is not None or None in started:  # called so, and not executed (J11)
            executed = fields.executed.column(rows) if fields.executed else repeat(True)
            states = [
                RunState.UNKNOWN if state is RunState.SUCCEEDED and (begun is None or not done) else state
                for state, begun, done in zip(states, started, executed, strict=False)
            ]
        jobs = _texts(fields.job.column(rows)) if fields.job else [job or ""] * len(rows)
        names = _texts(fields.name.column(rows)) if fields.name else ids
        if "" in names:
            names = [name or run_id for name, run_id in zip(names, ids, strict=True)]
        messages = _texts(fields.message.column(rows)) if fields.message else None
        urls = self._pages_of(ids, jobs, names)
        return runs_of_columns(
            ids, jobs, states, said, started, ended, names=names, messages=messages, urls=urls
        )  # fmt: skip

    def _pages_of(self, ids: Sequence[str], jobs: Sequence[str], names: Sequence[str]) -> Sequence[str] | None:
        if self._declared.runs.page is None:
            return None
        address = self._declared.runs.page.address.replace("{site}", self._site)
        if address.count("{") == 1 and "{run}" in address:
            before, _, behind = address.partition("{run}")
            return [f"{before}{run}{behind}" for run in quoted(ids)]
        return [
            address.replace("{run}", run).replace("{job}", job).replace("{name}", name)
            for run, job, name in zip(quoted(ids), quoted(jobs, "/"), quoted(names), strict=True)
        ]

    # -- letting us in -----------------------------------------------------------------------------------------------

    def _credentials(self) -> Mapping[str, str]:
        access = self._access
        match self._declared.auth:
            case BasicAuth():
                return credentials(f"{access.user}:{access.secret}", None)
            case BearerAuth():
                return credentials(None, access.secret)
            case HeaderAuth(header=name):
                return {name: access.secret}
        return {}

    def _client_credentials(self) -> ClientCredentials | None:
        auth, access = self._declared.auth, self._access
        if not isinstance(auth, ClientAuth):
            return None
        return ClientCredentials(
            auth.token_url,
            access.user,
            access.secret,
            scope=auth.scope,
            sends=auth.sends,
            down=PlatformDown,
            refused=PlatformRefused,
            ca=access.ca,
            proxy=access.proxy,
            transport=self._transport,
            sleep=self._sleep,
        )


def _schedules(told: Mapping[str, str | None], usual: str, every: Any, anchor: datetime | None) -> tuple[Schedule, ...]:
    zone = told["timezone"] or usual
    if told["cron"]:
        return (Schedule(cron=told["cron"], timezone=zone),)
    if isinstance(every, int | float) and every > 0 and anchor is not None:
        return (Schedule(every=timedelta(seconds=every), anchor=anchor, timezone=zone),)
    return ()


def text_of(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _texts(values: Sequence[Any]) -> Sequence[str]:
    """Each of these as ``text_of`` reads it, and "" for nothing."""
    return values if set(map(type, values)) == {str} else [text_of(value) or "" for value in values]


def _needed(values: Sequence[Any], where: str) -> Sequence[str]:
    found = _texts(values)
    if "" in found:
        raise NotAsDeclared(f"{where} finds nothing in a record")
    return found
