"""A made-up HTTP job service: jobs with schedules, a queue, runs, and pages for people; it can lie, lag and die.

Run it with ``python -m sandbox.job_service --port 8404 --jobs FILE.json``. Its API is below ``/api``, its pages below
``/ui``; ``docs/recipes/in-house-service.yaml`` declares it to Caseproof. It checks what it is asked: a parameter or an
entry that it does not know is refused. Whatever is due by its clock happens when it is asked the next thing: schedules
queue runs, the queue starts them, and they end as their job's ``outcome`` says; one that ``calls`` an address really
calls it, and is broken where that refuses. ``POST /simulator/jobs`` (a job's ``id``, and what to change of it) is how
others mend a job, or break it.

It behaves badly as ``provider.Bad`` says, and besides: ``endless`` and ``circle`` (lists go on for ever; give a cursor
again), ``lag`` (what was changed or started shows so many seconds later).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx

from sandbox.farm_http import Asked, Reply
from sandbox.job_pages import job_page
from sandbox.provider import Simulator, main

TOKEN = "a-made-up-token"
OPEN = ("queued", "running")
OUTCOMES = ("done", "broken")
_CHANGED_BY_OTHERS = {"id", "outcome", "text", "token", "takes", "held"}


@dataclass
class SimulatedJob:
    """A job. ``kind``: what is switched off with it. ``held``: no worker takes its runs.

    ``calls``: an address that each run calls with the ``token``, to read there or to send what ``sends`` holds.
    """

    id: str
    title: str = ""
    kind: str = "feed"
    shop: str | None = None
    marketplace: str | None = None
    connection: str | None = None
    stopped_by: str | None = None
    every_seconds: float | None = None
    enabled: bool = True
    outcome: str = "done"
    text: str = ""
    calls: str = ""
    token: str = field(default="", repr=False)
    sends: Any = None
    takes: float = 0.0
    held: bool = False
    next_at: datetime | None = None


@dataclass
class SimulatedRun:
    """A run; ``note`` is whatever was given with it. ``executed``: not one that somebody only called done."""

    id: str
    job: str
    state: str
    queued: datetime
    note: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    text: str = ""
    executed: bool = True
    values: Mapping[str, str] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        return {
            "id": self.id, "name": f"{self.job} {self.id}", "job": self.job, "state": self.state, "text": self.text,
            "note": self.note, "queued": _iso(self.queued), "started": _iso(self.started), "ended": _iso(self.ended),
            "executed": self.executed,
        }  # fmt: skip


class JobService(Simulator):
    """The service. ``clock`` is its own; ``page_session``: the cookie that its pages ask for ("" for none)."""

    def __init__(
        self,
        jobs: Iterable[SimulatedJob] = (),
        *,
        token: str = TOKEN,
        page_session: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self.token, self.page_session, self.clock = token, page_session, clock
        self.tokens_given = 0
        self.jobs: dict[str, SimulatedJob] = {}
        self.runs: dict[str, SimulatedRun] = {}
        self.order: list[str] = []
        self.paused: set[tuple[str, str]] = set()
        self._kept: tuple[datetime | None, int, list[str]] = (None, -1, [])
        self.changed: dict[str, tuple[datetime, bool]] = {}
        """When a job was switched, and whether it was active before: for a service whose reads lag."""
        for job in jobs:
            self.add(job)

    # -- what happens there ------------------------------------------------------------------------------------------

    def add(self, job: SimulatedJob) -> SimulatedJob:
        if job.every_seconds and job.next_at is None:
            job.next_at = self.clock() + timedelta(seconds=job.every_seconds)
        self.jobs[job.id] = job
        return job

    def active(self, job: SimulatedJob) -> bool:
        return (
            job.enabled
            and (job.shop or "", f"marketplace {job.marketplace}") not in self.paused
            and (job.shop or "", f"connection {job.connection}") not in self.paused
        )

    def queue(self, job_id: str, note: str | None = None, values: Mapping[str, str] | None = None) -> SimulatedRun:
        run = SimulatedRun(f"r{len(self.order) + 1:06d}", job_id, "queued", self.clock(), note, values=values or {})
        self.runs[run.id] = run
        self.order.append(run.id)
        return run

    def fill(self, runs: int) -> None:
        """So many runs that are over, a minute apart, the oldest first; of a thousand jobs."""
        now, ends = self.clock(), timedelta(seconds=20)
        for number in range(runs):
            job = f"feed/{number % 1000:03}"
            if job not in self.jobs:
                self.add(SimulatedJob(job, shop="garden"))
            run = self.queue(job)
            run.queued = run.started = now - timedelta(minutes=runs - number)
            run.state, run.ended = "done" if number % 10 else "broken", run.started + ends

    def advance(self) -> None:
        """Whatever is due happens: schedules, the queue, ends."""
        now = self.clock()
        for job in self.jobs.values():
            while job.next_at is not None and job.next_at <= now:
                if self.active(job):
                    self.queue(job.id).queued = job.next_at
                job.next_at += timedelta(seconds=job.every_seconds or 60)
        for run in [run for run_id in self._open_ids() if (run := self.runs[run_id])]:
            of = self.jobs.get(run.job)
            if of is None or of.held:
                continue
            if run.state == "queued":
                run.state, run.started = "running", now
            if run.started is not None and run.started + timedelta(seconds=of.takes) <= now:
                (run.state, run.text), run.ended = _came_of(of), max(now, run.started)

    def _open_ids(self) -> list[str]:
        # What is open is young, and of very many runs nearly all are over.
        young = [self.runs[run_id] for run_id in self.order[-5000:] if run_id in self.runs]
        return [run.id for run in young if run.state in OPEN]

    def told(self) -> Any:
        return {
            "jobs": {job.id: self.active(job) for job in self.jobs.values()},
            "runs": [run.row() for run in map(self.runs.__getitem__, self.order[-200:])],
        }

    def answer(self, asked: Asked) -> Reply:
        return self._change(asked) if asked.path == "/simulator/jobs" else super().answer(asked)

    def _change(self, asked: Asked) -> Reply:
        """Somebody changes a job from outside: its outcome, or the token that it calls with."""
        wanted = asked.body if asked.method == "POST" and isinstance(asked.body, dict) else {}
        job, unknown = self.jobs.get(str(wanted.get("id"))), wanted.keys() - _CHANGED_BY_OTHERS
        if job is None or unknown or wanted.get("outcome", "done") not in OUTCOMES:
            known = ", ".join(sorted(_CHANGED_BY_OTHERS))
            return _refused(422, f"a job's id, and what to change of it: {known}")
        self.jobs[job.id] = replace(job, **wanted)
        return Reply({"changed": sorted(wanted.keys() - {"id"})})

    # -- the API -----------------------------------------------------------------------------------------------------

    def served(self, asked: Asked) -> Reply:
        self.advance()
        if asked.path.startswith("/ui"):
            return job_page(self, asked)
        if asked.path == "/oauth/token":
            return self._give_token(asked)
        reply = self._answered(asked)
        reply.headers["Date"] = format_datetime(self.clock(), usegmt=True)
        return reply

    def _answered(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return _refused(401, "Who are you?")
        match [asked.method, *asked.path.strip("/").split("/")]:
            case ["GET", "api", "jobs"]:
                return _checked(asked, {"cursor", "size"}) or self._list("jobs", list(self.jobs), self._job_row, asked)
            case ["GET", "api", "runs"]:
                return self._runs(asked)
            case ["POST", "api", "runs"]:
                return self._start(asked)
            case ["GET", "api", "runs", run_id]:
                run = self.runs.get(run_id)
                return Reply(run.row()) if run and self._shows(run.queued) else _refused(404, "no such run")
            case ["POST", "api", "runs", run_id, "cancel"]:
                return self._cancel(run_id)
            case [method, "api", "jobs", *name] if name:
                return self._job(method, "/".join(name), asked)
            case ["POST", "api", "shops", shop, "marketplaces" | "connections" as what, name, how]:
                return self._switch_all(shop, f"{what[:-1]} {name}", how)
        return _refused(404, "no such path")

    def pretended(self, asked: Asked) -> Reply:
        """A fine answer, and nothing done."""
        before = (dict(self.runs), list(self.order), set(self.paused))
        jobs = {job_id: replace(job) for job_id, job in self.jobs.items()}
        kept = {run_id: replace(run) for run_id, run in self.runs.items()}
        reply = self.served(asked)
        self.runs, self.order, self.paused = before
        self.jobs, self.runs = jobs, kept
        return reply

    def _list(self, name: str, ids: list[str], row: Callable[[str], dict[str, Any]], asked: Asked) -> Reply:
        start, size = int(asked.query.get("cursor", "0").partition(":")[0]), int(asked.query.get("size", "100"))
        shown = [row(one) for one in ids[start : start + size]]
        end = start + len(shown)
        following: str | None = str(end) if end < len(ids) else None
        if self.behaves("endless"):
            following = f"0:{len(self.asked)}"
        if self.behaves("circle"):
            following = "0"
        return Reply({name: shown, "next": following, "total": len(ids)})

    def _job_row(self, job_id: str) -> dict[str, Any]:
        job = self.jobs[job_id]
        active, (when, before) = self.active(job), self.changed.get(job_id, (None, None))
        if when is not None and not self._shows(when):
            active = bool(before)
        every = job.every_seconds
        schedule = {"every_seconds": every, "anchor": _iso(job.next_at)} if every else None
        return {
            "id": job.id, "title": job.title or job.id, "kind": job.kind, "shop": job.shop, "active": active,
            "marketplace": job.marketplace, "connection": job.connection, "stopped_by": job.stopped_by,
            "schedule": schedule,
        }  # fmt: skip

    def _runs(self, asked: Asked) -> Reply:
        wrong = _checked(asked, {"cursor", "size", "job", "since", "state", "note"})
        if wrong:
            return wrong
        query = asked.query
        since = datetime.fromisoformat(query["since"]) if "since" in query else None
        asks = query.keys() - {"cursor", "size", "since"} or any(bad.kind == "lag" for bad in self.bad)
        ids = self.order
        if not asks and since is not None and len(self.order) > 10_000:
            ids = self._from(since)
        elif asks or since is not None:
            ids = [
                run.id
                for run in map(self.runs.__getitem__, self.order)
                if query.get("job") in (None, run.job)
                and query.get("note") in (None, run.note)
                and (query.get("state") != "open" or run.state in OPEN)
                and (since is None or (run.started is not None and run.started >= since))
                and self._shows(run.queued)
            ]
        return self._list("runs", ids, lambda run_id: self.runs[run_id].row(), asked)

    def _from(self, since: datetime) -> list[str]:
        """The runs that started then or later, as they were at the first page: its reader asks the same again."""
        if self._kept[:2] != (since, len(self.order)):
            started = ((run_id, self.runs[run_id].started) for run_id in self.order if run_id in self.runs)
            self._kept = since, len(self.order), [one for one, at in started if at is not None and at >= since]
        return self._kept[2]

    def _start(self, asked: Asked) -> Reply:
        body = asked.body if isinstance(asked.body, dict) else {}
        if body.keys() - {"job", "note", "values"} or not isinstance(body.get("values", {}), dict):
            return _refused(422, "job, note and values, and nothing else")
        if body.get("job") not in self.jobs:
            return _refused(404, "no such job")
        run = self.queue(body["job"], body.get("note"), body.get("values"))
        row = run.row()  # as it is now: it starts when it is looked at next
        return Reply({"run": row}, 201)

    def _cancel(self, run_id: str) -> Reply:
        run = self.runs.get(run_id)
        if run is None:
            return _refused(404, "no such run")
        if run.state not in OPEN:
            return _refused(409, "it is over")
        run.state, run.ended = "called off", self.clock()
        return Reply(None, 204)

    def _job(self, method: str, job_id: str, asked: Asked) -> Reply:
        job = self.jobs.get(job_id)
        if job is None:
            return _refused(404, "no such job")
        if method == "GET":
            return Reply(self._job_row(job_id))
        if method == "DELETE":
            del self.jobs[job_id]
            return Reply(None, 204)
        if method != "PUT" or not isinstance(asked.body, dict) or set(asked.body) != {"enabled"}:
            return _refused(422, "enabled, and nothing else")
        self._switch([job], lambda: setattr(job, "enabled", bool(asked.body["enabled"])))
        return Reply(self._job_row(job_id))

    def _switch_all(self, shop: str, what: str, how: str) -> Reply:
        off, on = {"marketplace": ("pause", "resume"), "connection": ("suspend", "restore")}[what.partition(" ")[0]]
        if how not in (off, on):
            return _refused(404, "no such path")
        touched = [job for job in self.jobs.values() if job.shop == shop]
        change = self.paused.add if how == off else self.paused.discard
        self._switch(touched, lambda: change((shop, what)))
        return Reply({"shop": shop, "what": what, "how": how})

    def _switch(self, jobs: list[SimulatedJob], change: Callable[[], None]) -> None:
        before = {job.id: self.active(job) for job in jobs}
        change()
        for job in jobs:
            if self.active(job) != before[job.id]:
                self.changed[job.id] = (self.clock(), before[job.id])
                if self.active(job) and job.every_seconds:
                    job.next_at = self.clock() + timedelta(seconds=job.every_seconds)

    def _shows(self, when: datetime) -> bool:
        lag = next((bad.value for bad in self.bad if bad.kind == "lag"), 0.0)
        return when + timedelta(seconds=lag) <= self.clock()

    def _give_token(self, asked: Asked) -> Reply:
        form = dict(asked.body) if isinstance(asked.body, list) else {}
        if asked.method != "POST" or form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type")
        self.tokens_given += 1
        return Reply({"access_token": self.token, "token_type": "bearer", "expires_in": 3600})


def over(service: JobService) -> httpx.MockTransport:
    """A transport to it without a network."""

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        content = request.content
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            body: Any = list(httpx.QueryParams(content.decode()).multi_items())
        else:
            body = json.loads(content) if content else {}
        reply = service.answer(Asked(request.method, request.url.path, dict(request.url.params), body, headers))
        if reply.drop:
            raise httpx.RemoteProtocolError("broken off")
        raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        told = {"Content-Type": "application/json", **reply.headers}
        return httpx.Response(reply.status, content=b"" if reply.status == 204 else raw, headers=told)

    return httpx.MockTransport(answer)


def _iso(when: datetime | None) -> str | None:
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z") if when else None


def _refused(status: int, why: str) -> Reply:
    return Reply({"detail": why}, status)


def _came_of(job: SimulatedJob) -> tuple[str, str]:
    """How a run of the job ends, and what it says: as others said that it should, else as what it calls answers."""
    if job.outcome != "done" or not job.calls:
        return job.outcome, job.text
    method, access = (
        "GET" if job.sends is None else "POST",
        {"Authorization": f"Bearer {job.token}"} if job.token else {},
    )
    try:
        answer = httpx.request(method, job.calls, json=job.sends, headers=access, timeout=60, trust_env=False)
    except httpx.HTTPError as error:
        return "broken", f"{method} {job.calls} was not answered: {error}"
    told = f"{method} {job.calls} answered {answer.status_code}"
    return ("broken", f"{told}: {answer.text}") if answer.is_error else ("done", told)


def _checked(asked: Asked, known: set[str]) -> Reply | None:
    unknown = sorted(set(asked.query) - known)
    return _refused(400, f"unknown parameter: {', '.join(unknown)}") if unknown else None


def _made(told: argparse.Namespace) -> JobService:
    jobs = json.loads(told.jobs.read_text()) if told.jobs else []
    service = JobService([SimulatedJob(**job) for job in jobs], page_session=told.page_session)
    service.fill(told.runs)
    return service


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=Path, help="a JSON list of jobs")
    parser.add_argument("--runs", type=int, default=0, help="so many runs that are over, of a thousand jobs")
    parser.add_argument("--page-session", default="", help="the cookie `session` that its pages ask for")
    sys.exit(main(_made, parser))
