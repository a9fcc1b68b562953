"""An HTTP job service's records in every platform's words: what its declaration finds in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any
from urllib.parse import quote

from caseproof.platforms.base import Job, Run, RunState, Schedule, runs_of_columns
from caseproof.platforms.http_jobs_declared import Service
from caseproof.platforms.http_jobs_words import NotAsDeclared, filled, moment, moments, quoted


@dataclass(frozen=True, slots=True)
class Record:
    """A job's record: the job, and what its calls need to know of it."""

    job: Job
    kind: str
    active: bool
    schedules: tuple[Schedule, ...]
    values: Mapping[str, str]


class Records:
    """Reads records of one service, whose pages lie under ``site``. Raises NotAsDeclared."""

    def __init__(self, declared: Service, site: str) -> None:
        self._declared, self._site = declared, site

    def job_ids(self, rows: Sequence[Any]) -> Sequence[str]:
        return _needed(self._declared.jobs.fields.id.column(rows), "jobs.fields.id")

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

    def _moments(self, values: Sequence[Any]) -> list[datetime | None]:
        return moments(values, self._declared.times, self._declared.zone)


def _schedules(told: Mapping[str, str | None], usual: str, every: Any, anchor: datetime | None) -> tuple[Schedule, ...]:
    zone = told["timezone"] or usual
    if told["cron"]:
        return (Schedule(cron=told["cron"], timezone=zone),)
    if isinstance(every, int | float) and not isinstance(every, bool) and every > 0 and anchor is not None:
        try:
            return (Schedule(every=timedelta(seconds=every), anchor=anchor, timezone=zone),)
        except OverflowError:  # in no calendar
            return (Schedule(timezone=zone),)
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
