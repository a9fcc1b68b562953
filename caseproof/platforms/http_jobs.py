"""Any HTTP job service as a job platform, by a declaration in YAML (``http_jobs_declared.py``, docs/platform-http.md).

What such a service says is believed only where it is read back: a start is a run that can be read, a success is a run
that was executed, and a list that does not come to its end is none. A word for a state that the declaration
does not name is UNKNOWN: neither a failure nor a success.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import Any

from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Scope
from caseproof.http.client import CallFailed, HttpClient, Transport, shown
from caseproof.platforms.abilities import Ability, PlatformAbilities
from caseproof.platforms.base import (
    Job,
    Listed,
    PlatformDown,
    PlatformRefused,
    Probe,
    Run,
    RunPage,
    RunState,
    Standing,
    Survey,
    UnknownJob,
    UnknownRun,
    aware,
    require,
)
from caseproof.platforms.http_jobs_abilities import abilities_of
from caseproof.platforms.http_jobs_access import Access
from caseproof.platforms.http_jobs_declared import ANY, Call, Service
from caseproof.platforms.http_jobs_reading import ALWAYS, ServiceReader
from caseproof.platforms.http_jobs_records import Record, Records, text_of
from caseproof.platforms.http_jobs_words import filled, names_no_zone

CANCEL_PASSES = 3  # a stop looks this often for runs that slipped in while it cancelled
LOOKS = 5  # so often a run that was just started is looked for, a second apart
ONE_BY_ONE = 20  # so many jobs are read one by one, where a check asks for a few; more are picked from the list


class HttpJobsClient:
    """A ``JobPlatform`` over one HTTP job service. Safe to use from several threads.

    Methods raise what ``platforms/base.py`` says; making one raises PlatformRefused for an address, a certificate or a
    proxy that cannot be used.
    """

    def __init__(
        self,
        declared: Service,
        access: Access,
        *,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._declared, self._access, self._transport, self._sleep = declared, access, transport, sleep
        self._site = (access.site or access.base).rstrip("/")
        self._records = Records(declared, self._site)
        self._reader = ServiceReader(declared, access, self._records, transport=transport, sleep=sleep)
        self._abilities = abilities_of(declared)

    @property
    def abilities(self) -> PlatformAbilities:
        return self._abilities

    def close(self) -> None:
        self._reader.close()

    # -- whether it is there -----------------------------------------------------------------------------------------

    def probe(self) -> Probe:
        clock: list[datetime | None] = []
        with self._reader.as_declared():
            jobs = next(self._reader.records(clock), [])
            now = clock[0] if clock else None
            # A word that is new stands among the newest, and many a list begins with the oldest.
            first = (now and self._reader.first_runs(now - timedelta(days=1))) or self._reader.first_runs(ALWAYS)
            words = sorted(self._unknown_words(first))
        found = f"{self._reader.address} answers as declared, with {len(jobs)} jobs on the first page of its list"
        unknown = f"The declaration does not name these states of runs, so they count as unknown: {', '.join(words)}."
        lacks = [f"{unknown} Give each its meaning under runs.states."] if words else []
        if self._declared.timezone is None and self._declared.times == "iso":
            started = self._declared.runs.fields.started.column(first)
            if any(map(names_no_zone, started)):
                lacks.append(
                    "Its runs do not say in which time zone they started, and UTC is believed: give the declaration "
                    "`timezone`, like Europe/Berlin, or UTC if it is."
                )
        return Probe(found, now, tuple(lacks))

    def _unknown_words(self, rows: Sequence[Any]) -> set[str]:
        """States of these that the declaration does not name."""
        runs = self._declared.runs
        return {str(state) for state in runs.fields.state.column(rows)} - runs.states.keys()

    def probe_pages(self) -> str:
        require(self, Ability.PAGE)
        client = HttpClient(
            self._site,
            connect_seconds=3.0,
            read_seconds=6.0,
            headers=self._access.page_headers,
            ca=self._access.ca,
            proxy=self._access.proxy,
            transport=self._transport,
        )
        with closing(client):
            try:
                answer = client.ask("GET", "")
            except CallFailed as failed:
                raise PlatformDown(
                    f"The pages at {shown(self._site)} do not answer: {failed}.",
                    "Check the address of the pages; the browser that takes the pictures opens it from this machine.",
                ) from None
        if answer.is_server_error:
            raise PlatformDown(
                f"The pages at {shown(self._site)} are broken (they answered {answer.status}).",
                "Look at that server's own log, or correct the address of the pages.",
            )
        if answer.is_unauthorized:
            raise PlatformRefused(
                f"The pages at {shown(self._site)} do not let us in (they answered {answer.status}).",
                "Check the page login that is saved for it.",
            )
        return f"{shown(self._site)} answers ({answer.status}); a run's page is {self._page_address()}"

    def _page_address(self) -> str:
        page = self._declared.runs.page
        return page.address.replace("{site}", shown(self._site)) if page else ""

    # -- jobs --------------------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        with self._reader.as_declared():
            return self._reader.record(job_id).job

    def jobs_in(self, scope: Scope, job: Job) -> list[Job]:
        if scope is Scope.JOB:
            return [self.job(job.id)]
        what = scope.value  # "marketplace" or "connection": both are fields of Job
        for field in ("retailer", what):
            if not getattr(job, field):
                raise BadInput(
                    f"The job {job.id} does not say its {field}, so it is unknown what else to stop with it.",
                    f"Give jobs.fields.{field} in the declaration and its value there, or stop this job alone.",
                )
        with self._reader.as_declared():
            every = [record.job for page in self._reader.records() for record in page]
            same = [one for one in every if one.retailer == job.retailer and getattr(one, what) == getattr(job, what)]
            first = [one for one in same if one.id == job.id] or [self._reader.record(job.id).job]
        return first + sorted((one for one in same if one.id != job.id), key=lambda one: one.id)

    def survey(self, since: datetime, jobs: Collection[str] | None = None) -> Survey:
        aware(since)
        clock: list[datetime | None] = []
        with self._reader.as_declared():
            if jobs is not None and len(jobs) <= ONE_BY_ONE and self._declared.jobs.one:
                found = [record for job_id in sorted(jobs) if (record := self._reader.maybe(job_id, clock))]
            else:
                listed = (record for page in self._reader.records(clock) for record in page)
                asked = jobs if jobs is None else frozenset(jobs)  # they may be as many as are listed
                found = [record for record in listed if asked is None or record.job.id in asked]
        ids = [record.job.id for record in found]
        told = [Listed(record.job, record.active, record.schedules) for record in found]
        return Survey(clock[0] if clock else None, told, self._surveyed(since, ids, everything=jobs is None))

    def _surveyed(self, since: datetime, ids: Sequence[str], *, everything: bool) -> Iterator[list[Run]]:
        runs = self._declared.runs
        if runs.list is not None and (everything or runs.of_job is None or len(ids) > ONE_BY_ONE):
            known = None if everything else frozenset(ids)
            yield from self._reader.runs("runs.list", runs.list, since, job=None, only=known)
        elif runs.of_job is not None:
            for job_id in ids:
                with suppress(UnknownJob):  # it vanished since it was listed
                    yield from self._reader.runs("runs.of_job", runs.of_job, since, job=job_id)

    def standing(self, job_id: str) -> Standing:
        # In this order nothing slips through: what was queued before the stop is among the runs that are read after it.
        with self._reader.as_declared():
            active = self._reader.record(job_id).active
            states = [run.state for run in self._reader.open_runs(job_id)]
        waiting = states.count(RunState.WAITING)
        return Standing(job_id, active, waiting, len(states) - waiting)

    def stop(self, job_id: str) -> None:
        """Make the call of the job's kind, then cancel what is left. Nothing here waits for what is being cancelled."""
        require(self, Ability.STOP, job_id)
        with self._reader.as_declared():
            self._change(self._reader.record(job_id), self._declared.stop, "stop")
            if self._declared.cancel is None:
                return
            for _ in range(CANCEL_PASSES):
                left = self._reader.open_runs(job_id)
                if not left:
                    return
                for run in left:
                    self._cancel(self._declared.cancel, run)

    def go_live(self, job_id: str) -> None:
        require(self, Ability.RESUME, job_id)
        with self._reader.as_declared():
            self._change(self._reader.record(job_id), self._declared.resume, "resume")

    def remove(self, job_id: str) -> None:
        require(self, Ability.REMOVE, job_id)
        with self._reader.as_declared():
            record = self._reader.maybe(job_id)
            if record is not None:
                self._change(record, self._declared.remove, "remove")

    def _change(self, record: Record, calls: Mapping[str, Call], what: str) -> None:
        """The call for a job of this kind. Raises UnknownJob, and PlatformRefused where none is declared."""
        declared = record.kind if record.kind in calls else ANY
        call = calls.get(declared)
        if call is None:
            kind = f"a {record.kind!r}" if record.kind else "of no kind"
            raise PlatformRefused(
                f"The job {record.job.id} is {kind}, and the declaration does not say how to {what} one.",
                f"Add `{what}.{record.kind or ANY}` to the declaration ({', '.join(calls)} are there).",
            )
        if self._reader.call(call, record.values).is_missing:
            raise self._reader.unknown(record.job.id, f"{what}.{declared}")

    def _cancel(self, call: Call, run: Run) -> None:
        # One that is gone, or ended meanwhile, needs nothing.
        try:
            self._reader.call(call, {"run": run.id, "job": run.job, "name": run.name})
        except PlatformRefused:
            with suppress(UnknownRun):
                if not self.run(run.id).state.is_over:
                    raise

    # -- runs --------------------------------------------------------------------------------------------------------

    def start_run(self, job_id: str, key: str, parameters: Mapping[str, str] | None = None) -> Run:
        require(self, Ability.RUN, job_id)
        if parameters:
            require(self, Ability.PARAMETERS, job_id)
        start = self._declared.start
        assert start is not None  # noqa: S101 - the ability is that it is there
        with self._reader.as_declared():
            if not start.same_for_key and (earlier := self._by_key(job_id, key)):
                return earlier
            record = self._reader.record(job_id)
            answer = self._reader.call(start, {**record.values, "key": key}, parameters)
            if answer.is_missing:
                raise self._reader.unknown(job_id, "start")
            run_id = None
            if start.run or start.id:
                body = self._reader.json(answer)
                found = start.run.find(body) if start.run else None
                run_id = text_of(self._declared.runs.fields.id.find(found) if start.run else start.id.find(body))  # type: ignore[union-attr]
            return self._started(job_id, key, run_id)

    def _started(self, job_id: str, key: str, run_id: str | None) -> Run:
        """The run that was just started, read back: that it was started is only said so far."""
        for look in range(LOOKS):
            if look:
                self._sleep(1.0)
            try:
                run = self.run(run_id) if run_id else self._by_key(job_id, key)
            except UnknownRun:
                continue
            if run is not None and run.job in ("", job_id):
                return run
            if run is not None:
                raise PlatformRefused(
                    f"{self._reader.subject} says that it started {job_id}, and gives a run of {run.job}.",
                    "Look at `start` in the declaration, and at that job's runs.",
                )
        raise PlatformDown(
            f"{self._reader.subject} says that it started {job_id}, and there is no such run.",
            "Look at the job's own page; it is looked for again before anything is started.",
        )

    def run_by_key(self, job_id: str, key: str) -> Run | None:
        require(self, Ability.KEYED_RUN, job_id)
        with self._reader.as_declared():
            found = self._by_key(job_id, key)
            if found is None:
                self._reader.record(job_id)  # an unknown job has no runs, either
            return found

    def _by_key(self, job_id: str, key: str) -> Run | None:
        runs, field = self._declared.runs, self._declared.runs.fields.key
        if runs.by_key is not None:
            rows = self._reader.rows("runs.by_key", runs.by_key, {"job": job_id, "key": key}, self._records.run_ids)
        else:
            rows = self._reader.rows_of(job_id, ALWAYS)
        with closing(rows) as pages:
            for page in pages:
                for row in page:
                    if field is not None and text_of(field.find(row)) == key:
                        run = self._records.run_of(row, job_id if runs.fields.job is None else None)
                        if run.job == job_id:
                            return run
        return None

    def run(self, run_id: str) -> Run:
        with self._reader.as_declared():
            one = self._declared.runs.one
            answer = self._reader.call(one, {"run": run_id})
            row = None if answer.is_missing else one.item.find(self._reader.json(answer))
            if row is None:
                raise UnknownRun(
                    f"There is no run {run_id} on {self._reader.address}.",
                    "It may have been deleted; start the job once more.",
                )
            return self._records.run_of(row, None)

    def runs_since(self, job_id: str, since: datetime) -> list[Run]:
        aware(since)
        runs = self._declared.runs
        if runs.of_job is not None:
            found = self._reader.runs("runs.of_job", runs.of_job, since, job=job_id)
        else:
            assert runs.list is not None  # noqa: S101 - one of both is declared
            found = self._reader.runs("runs.list", runs.list, since, job=None, only=frozenset({job_id}))
        later = [run for page in found for run in page]
        if not later:
            with self._reader.as_declared():
                self._reader.record(job_id)  # an unknown job has no runs, either
        return sorted(later, key=lambda run: (run.started_at or since, run.id))

    def page(self, run: Run) -> RunPage:
        require(self, Ability.PAGE, run.id)
        page = self._declared.runs.page
        assert page is not None  # noqa: S101 - the ability is that it is there
        values = {"run": run.id, "job": run.job, "name": run.name}
        with self._reader.as_declared():
            names = [filled(name, values) for name in page.names]
        return RunPage(
            run.url,
            names,
            page.success,
            headers=self._access.page_headers or {},
            own=(self._site, self._access.base),  # what was set up, not what an answer says
            ca=self._access.ca,
            advice=page.advice,
        )
