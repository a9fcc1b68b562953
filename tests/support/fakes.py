"""The systems around a case, as fakes with state: what they hold can be looked at, and they can be told to go wrong.

A fault belongs to one call (say "stop") and maybe to one thing (say a job's id), and waits for ``skip`` calls that go
well. ``before`` is raised instead of the effect, ``after`` once it took place (so that whoever asked cannot know),
``lie`` does nothing and says nothing.
"""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from PIL import Image

from caseproof.channels.outbound.mail import Delivery, MailRefused
from caseproof.desks.embedded import EmbeddedDesk
from caseproof.domain.codes import MailAnswer
from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Scope
from caseproof.evidence.screenshot import Shot
from caseproof.evidence.vault import Evidence, Vault
from caseproof.platforms.abilities import Ability, Lack, all_but
from caseproof.platforms.base import (
    Job,
    Listed,
    Probe,
    Run,
    RunPage,
    RunState,
    Schedule,
    Standing,
    Survey,
    UnknownJob,
    UnknownRun,
    aware,
    require,
)

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


class Killed(BaseException):
    """The process ended here: no handler of ours runs, as with SIGKILL."""


class Clock:
    """A clock that is moved; every look at it takes a hundredth of a second."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self.now += timedelta(milliseconds=10)
            return self.now

    def move(self, **by: float) -> None:
        with self._lock:
            self.now += timedelta(**by)


@dataclass
class Fault:
    call: str
    what: str | None = None
    before: BaseException | None = None
    after: BaseException | None = None
    lie: bool = False
    times: int = 1
    skip: int = 0


@dataclass
class Faulty:
    """Does effects, counts those that took place, and goes wrong as it was told."""

    faults: list[Fault] = field(default_factory=list)
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    order: list[tuple[str, str]] = field(default_factory=list)
    during: Callable[[str], None] = lambda _: None

    def fails(self, call: str, **how: Any) -> None:
        self.faults.append(Fault(call, **how))

    def did(self, call: str) -> int:
        return sum(count for (name, _), count in self.done.items() if name == call)

    def do(self, call: str, what: str, effect: Callable[[], Any]) -> Any:
        fault = self._fault(call, what)
        if fault and fault.before:
            raise fault.before
        if fault and fault.lie:
            return None
        self.during(call)
        result = effect()
        self.done[call, what] += 1
        self.order.append((call, what))
        if fault and fault.after:
            raise fault.after
        return result

    def _fault(self, call: str, what: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.call == call and (fault.what is None or fault.what in what):
                if fault.skip > 0:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                return fault
        return None


@dataclass
class _Held:
    """A job on the platform."""

    job: Job
    active: bool = True
    waiting: int = 0
    running: int = 0
    queues_after_stop: int = 0  # how often the scheduler queues a run although the job was stopped
    restarts: int = 0  # how often somebody sets it active again
    schedules: tuple[Schedule, ...] = ()


FAKE_ABILITIES = all_but(Ability, {Ability.RENDERED: Lack("It has pages.", "They are photographed.")})


class FakePlatform:
    """A ``JobPlatform`` in memory. ``outcome`` is how the next runs go: succeeded, failed, never, forced.

    A survey gives its runs in pages of ``page_size``; the calls that a fault may belong to are "survey" (the jobs) and
    "survey page" (with the number of the page, from 1). ``skew`` is how far its clock is ahead of ours.
    """

    def __init__(self, clock: Clock, url: str = "https://jobs.example.com") -> None:
        self.clock = clock
        self.url = url
        self.held: dict[str, _Held] = {}
        self.runs: dict[str, Run] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.faulty = Faulty()
        self.outcome = "succeeded"
        self.lasts = timedelta(seconds=3)
        self.skew = timedelta()
        self.page_size = 100
        self.carries_out: Callable[[Mapping[str, str]], bool] = lambda _: True
        self.parameters: list[Mapping[str, str]] = []
        self.abilities = FAKE_ABILITIES

    # -- what tests do to it -------------------------------------------------------------------------------------

    def add(self, job_id: str, schedules: Sequence[Schedule] = (), **facts: Any) -> Job:
        known: dict[str, Any] = {
            "name": job_id, "url": f"{self.url}/jobs/{job_id}", "retailer": "Shop A", "marketplace": "North",
            "connection": "sftp-1",
        }  # fmt: skip
        job = Job(id=job_id, **(known | facts))
        self.held[job_id] = _Held(job, schedules=tuple(schedules))
        return job

    def add_run(
        self,
        job_id: str,
        state: RunState,
        *,
        at: datetime | None = None,
        message: str = "",
        lasted: timedelta | None = timedelta(),
    ) -> Run:
        """A run that started ``at`` (now) and ``lasted`` so long; None: it has no end."""
        at = at or self.clock()
        name = f"run-{len(self.runs) + 1}"
        end = None if lasted is None else at + lasted
        run = Run(name, f"otter-{name}", job_id, state, state.capitalize(), message, f"{self.url}/runs/{name}", at, end)
        self.runs[name] = run
        return run

    def finish(self, run_id: str, state: RunState) -> None:
        """A run comes to this end now."""
        run = self.runs[run_id]
        self.runs[run_id] = replace(run, state=state, said=state.capitalize(), ended_at=self.clock() + self.skew)

    def vanish(self, job_id: str) -> None:
        del self.held[job_id]

    def pass_time(self) -> None:
        """What schedulers and people do while we are not looking."""
        for held in self.held.values():
            if held.queues_after_stop > 0:
                held.queues_after_stop -= 1
                held.waiting += 1
            if held.restarts > 0:
                held.restarts -= 1
                held.active = True

    def is_active(self, job_id: str) -> bool:
        return self.held[job_id].active

    # -- what Caseproof asks ---------------------------------------------------------------------------------------

    def close(self) -> None:
        pass

    def probe(self) -> Probe:
        found = f"{self.url} has {len(self.held)} jobs"
        return self.faulty.do("probe", "", lambda: Probe(found, self.clock() + self.skew))

    def probe_pages(self) -> str:
        return self.faulty.do("probe_pages", "", lambda: f"{self.url} shows its runs")

    def survey(self, since: datetime, jobs: Collection[str] | None = None) -> Survey:
        since = aware(since)

        def read() -> Survey:
            listed = [
                Listed(held.job, held.active, held.schedules)
                for job_id, held in sorted(self.held.items())
                if jobs is None or job_id in jobs
            ]
            return Survey(self.clock() + self.skew, listed, self._pages(since, {one.job.id for one in listed}))

        return self.faulty.do("survey", "", read)

    def job(self, job_id: str) -> Job:
        return self.faulty.do("job", job_id, lambda: self._known(job_id).job)

    def jobs_in(self, scope: Scope, job: Job) -> list[Job]:
        return self.faulty.do("jobs_in", job.id, lambda: self._in(scope, job))

    def standing(self, job_id: str) -> Standing:
        require(self, Ability.STANDING, job_id)

        def read() -> Standing:
            held = self._known(job_id)
            return Standing(job_id, held.active, held.waiting, held.running)

        return self.faulty.do("standing", job_id, read)

    def stop(self, job_id: str) -> None:
        require(self, Ability.STOP, job_id)

        def effect() -> None:
            held = self._known(job_id)
            held.active = False
            if Ability.CANCEL in self.abilities:
                held.waiting = 0

        self.faulty.do("stop", job_id, effect)

    def go_live(self, job_id: str) -> None:
        require(self, Ability.RESUME, job_id)
        self.faulty.do("go_live", job_id, lambda: setattr(self._known(job_id), "active", True))

    def start_run(self, job_id: str, key: str, parameters: Mapping[str, str] | None = None) -> Run:
        require(self, Ability.RUN, job_id)
        return self.faulty.do("start_run", job_id, lambda: self._start(job_id, key, parameters or {}))

    def run_by_key(self, job_id: str, key: str) -> Run | None:
        require(self, Ability.KEYED_RUN, job_id)
        self._known(job_id)
        found = self.keys.get((job_id, key))
        return self._read(found) if found else None

    def run(self, run_id: str) -> Run:
        require(self, Ability.VERIFY, run_id)
        return self.faulty.do("run", run_id, lambda: self._read(run_id))

    def runs_since(self, job_id: str, since: datetime) -> list[Run]:
        def read() -> list[Run]:
            self._known(job_id)
            mine = [self._read(run.id) for run in self.runs.values() if run.job == job_id]
            later = [run for run in mine if run.started_at is not None and run.started_at > since]
            return sorted(later, key=lambda run: (run.started_at, run.id))

        return self.faulty.do("runs_since", job_id, read)

    def remove(self, job_id: str) -> None:
        require(self, Ability.REMOVE)
        self.faulty.do("remove", job_id, lambda: self.held.pop(job_id, None))

    def page(self, run: Run) -> RunPage:
        require(self, Ability.PAGE, run.id)
        return RunPage(run.url, (run.name, run.id), "Succeeded", own=(self.url,))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _pages(self, since: datetime, jobs: set[str]) -> Iterator[Sequence[Run]]:
        mine = [self._read(run.id) for run in self.runs.values() if run.job in jobs]
        runs = [run for run in mine if run.started_at is not None and run.started_at > since]
        for number, start in enumerate(range(0, len(runs), self.page_size), 1):
            page = runs[start : start + self.page_size]
            yield self.faulty.do("survey page", str(number), lambda page=page: page)

    def _known(self, job_id: str) -> _Held:
        if job_id not in self.held:
            raise UnknownJob(f"There is no job {job_id!r}.", "Name one that exists.")
        return self.held[job_id]

    def _in(self, scope: Scope, job: Job) -> list[Job]:
        if scope is Scope.JOB:
            return [job]
        shared = str(scope)
        if not (job.retailer and getattr(job, shared)):
            raise BadInput(f"The job {job.id} does not say its {shared}.", "Tag it, or stop this job alone.")
        same = [
            held.job
            for held in self.held.values()
            if (held.job.retailer, getattr(held.job, shared)) == (job.retailer, getattr(job, shared))
        ]
        return [job, *(other for other in same if other.id != job.id)]

    def _start(self, job_id: str, key: str, parameters: Mapping[str, str]) -> Run:
        self._known(job_id)
        if (job_id, key) in self.keys:
            return self.runs[self.keys[job_id, key]]
        self.parameters.append(parameters)
        at = self.clock() + self.skew
        works = self.outcome == "succeeded" and self.carries_out(parameters)
        said = {"never": RunState.RUNNING, "forced": RunState.UNKNOWN}.get(self.outcome, RunState.FAILED)
        run = self.add_run(job_id, RunState.SUCCEEDED if works else said, at=at, message="" if works else "401")
        over = None if self.outcome == "never" else at + self.lasts
        word = "Completed" if self.outcome == "forced" else run.said
        self.runs[run.id] = replace(run, ended_at=over, said=word)
        self.keys[job_id, key] = run.id
        return self.runs[run.id]

    def _read(self, run_id: str) -> Run:
        if run_id not in self.runs:
            raise UnknownRun(f"There is no run {run_id}.", "Start the job once more.")
        run = self.runs[run_id]
        if run.ended_at is not None and run.ended_at > self.clock.now + self.skew:
            return replace(run, state=RunState.RUNNING, said="Running", ended_at=None)
        return run


class FakeMail:
    """A mail server that keeps what it took, and refuses the addresses in ``refuses``."""

    def __init__(self) -> None:
        self.faulty = Faulty()
        self.taken: list[tuple[bytes, str, tuple[str, ...]]] = []
        self.refuses: set[str] = set()

    def send(self, content: bytes, sender: str, recipients: Sequence[str]) -> Delivery:
        accepted = tuple(address for address in recipients if address not in self.refuses)
        if not accepted:
            raise MailRefused(
                "The mail server took none of the recipients.", "Check the contacts' addresses.",
                answer=MailAnswer.FOR_GOOD, reason="550 No such mailbox",
            )  # fmt: skip
        self.faulty.do("send", "", lambda: self.taken.append((content, sender, tuple(recipients))))
        refused = dict.fromkeys(set(recipients) - set(accepted), "550 No such mailbox")
        return Delivery(accepted, refused, dict.fromkeys(refused, MailAnswer.FOR_GOOD))


class FaultyDesk(EmbeddedDesk):
    """The embedded desk, with faults."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.faulty = Faulty()

    def create(self, key: str, subject: str, body: str) -> Any:
        return self.faulty.do("create", key, lambda: super(FaultyDesk, self).create(key, subject, body))

    def comment(self, ticket_id: str, key: str, text: str, *, public: bool = False) -> None:
        self.faulty.do("comment", key, lambda: super(FaultyDesk, self).comment(ticket_id, key, text, public=public))

    def attach(self, ticket_id: str, name: str, content: bytes, media_type: str) -> Any:
        return self.faulty.do(
            "attach", name, lambda: super(FaultyDesk, self).attach(ticket_id, name, content, media_type)
        )

    def set_status(self, ticket_id: str, status: Any) -> None:
        self.faulty.do("set_status", ticket_id, lambda: super(FaultyDesk, self).set_status(ticket_id, status))


class FaultyVault(Vault):
    """The real vault, with faults when something is put into it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.faulty = Faulty()

    def put(self, content: bytes, name: str, media_type: str) -> Evidence:
        return self.faulty.do("put", name, lambda: super(FaultyVault, self).put(content, name, media_type))


@cache
def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(file, "PNG")
    return file.getvalue()


class FakeCamera:
    """Takes pictures of pages that say what ``says`` tells (default: this run, succeeded)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.says: Iterable[str] | None = None
        self.taken = 0

    def __call__(self, page: RunPage) -> Shot:
        self.taken += 1
        text = "\n".join(self.says if self.says is not None else (*page.names, page.success))
        return Shot(_picture(), text, page.url, 200, self.clock())
