"""What Caseproof asks of a job platform: small, so that a new platform is one file.

A platform runs jobs on schedules. Caseproof stops a job, reads back that it stands still, runs it once more, reads that
run, and sets the schedule live again. Every method talks to the platform when it is called (nothing is cached), and
raises one of the errors below, never the HTTP library's own.

Redaction stands here: what a platform says in words (messages of runs, names for people, its errors) is without secrets
as soon as it is one of the classes below, whichever platform it comes from. Ids and the names that whole jobs are found
by (retailer, marketplace, connection) stay as they are, for they are keys.

PlatformError              the platform could not do it
├── PlatformDown           not reachable, hanging or overloaded: worth trying again later
├── PlatformRefused        it answered, and said no (credentials, permissions, a state it does not allow)
├── PlatformCannot         it is not able to: its client declares so (``platforms/abilities.py``)
├── UnknownJob             there is no such job (any more)
└── UnknownRun             there is no such run

docs/platforms.md tells how to add one. All times are aware datetimes in UTC, read from the platform's own clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import repeat
from typing import Protocol

from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Scope
from caseproof.http.redaction import WordsOfOthers, redact, redact_address, without_secrets
from caseproof.platforms.abilities import Ability, PlatformAbilities


class PlatformError(WordsOfOthers):
    """The platform could not do it."""


class PlatformDown(PlatformError):
    """Not reachable, hanging or overloaded. Whether the call had an effect is unknown: read back before repeating."""

    code = Code.PLATFORM_DOWN


class PlatformRefused(PlatformError):
    """The platform answered and refused."""

    code = Code.PLATFORM_REFUSED


class PlatformCannot(PlatformError):
    """The platform is not able to do it, whoever asks and however often: why, and what a person does instead."""

    code = Code.PLATFORM_CANNOT


class UnknownJob(PlatformError, BadInput):
    """There is no such job (any more)."""

    code = Code.NO_SUCH_JOB


class UnknownRun(PlatformError, BadInput):
    """There is no such run."""

    code = Code.NO_SUCH_RUN


class RunState(StrEnum):
    """What a run is doing, in the words every platform can be translated to."""

    WAITING = "waiting"  # scheduled, queued, pending, awaiting a retry, paused
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # failed or crashed
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_over(self) -> bool:
        """Whether the run does nothing any more; an unknown state may."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduled unit of work. ``id`` is what people type (`flow/deployment` on Prefect)."""

    id: str
    name: str
    url: str
    retailer: str | None
    marketplace: str | None
    connection: str | None
    # Who can stop it, where we cannot (J3); None means that we can.
    stopped_by: str | None = None

    def __post_init__(self) -> None:
        _redact(self, redact, "name", "stopped_by")
        _redact(self, redact_address, "url")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job should start by itself: every so often counted from ``anchor``, or by a cron line in a time zone.

    Exactly one of ``every`` (with its ``anchor``) and ``cron`` is set; a schedule of another kind (say, an RRULE) has
    neither, and nothing can be said about what it missed.
    """

    every: timedelta | None = None
    anchor: datetime | None = None
    cron: str | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Listed:
    """A job as a list of all jobs tells it. ``active``: it can still run by itself; ``schedules``: the active ones.

    ``late``: the starts that the platform itself planned, whose time has come and that it did not make, oldest first. A
    platform that plans no starts ahead, or does not tell, leaves it empty.
    """

    job: Job
    active: bool
    schedules: tuple[Schedule, ...] = ()
    late: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """All jobs of a platform and their runs, as a check reads them.

    ``clock`` is the platform's own time at the beginning (None where it does not tell it). ``pages`` are the runs, each
    once, in no certain order, read from the platform while they are taken: taking one raises what the platform raises,
    and PlatformDown where the runs cannot be read to the end. A run of a job that is not in ``jobs`` is possible.
    """

    clock: datetime | None
    jobs: Sequence[Listed]
    pages: Iterable[Sequence[Run]]


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a job can still run by itself: its schedule, and what is queued or running."""

    job: str
    active: bool
    waiting: int
    running: int

    @property
    def is_stopped(self) -> bool:
        """No active schedule and nothing queued. What already runs is let finish where it cannot be cancelled."""
        return not self.active and self.waiting == 0


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job, as the platform tells it. ``said`` is the platform's own word for the state."""

    id: str
    name: str
    job: str
    state: RunState
    said: str
    message: str
    url: str
    started_at: datetime | None
    ended_at: datetime | None

    def __post_init__(self) -> None:
        _redact(self, without_secrets, "message")
        _redact(self, redact, "name", "said")
        _redact(self, redact_address, "url")


def runs_of_columns(
    ids: Sequence[str],
    jobs: Sequence[str],
    states: Sequence[RunState],
    said: Sequence[str],
    started_at: Sequence[datetime | None],
    ended_at: Sequence[datetime | None],
    *,
    names: Sequence[str] | None = None,
    messages: Sequence[str] | None = None,
    urls: Sequence[str] | None = None,
) -> list[Run]:
    """The runs of a page that came in columns, for a check that reads a million of them; the same as ``Run(...)`` each.

    Redaction stands here as it stands there, once for each text that differs. Without ``names`` a run goes by its id,
    which is a key and stays as it is.
    """
    runs = list(map(object.__new__, repeat(Run, len(ids))))
    nothing = repeat("")
    columns: tuple[tuple[str, Iterable[object]], ...] = (
        ("id", ids),
        ("name", ids if names is None else _each_once(redact, names)),
        ("job", jobs),
        ("state", states),
        ("said", _each_once(redact, said)),
        ("message", nothing if messages is None else _each_once(without_secrets, messages)),
        ("url", nothing if urls is None else _each_once(redact_address, urls)),
        ("started_at", started_at),
        ("ended_at", ended_at),
    )
    for name, values in columns:  # a frozen class guards its attributes, the slots below it do not
        deque(map(getattr(Run, name).__set__, runs, values), maxlen=0)
    return runs


def _each_once(how: Callable[[str], str], texts: Sequence[str]) -> Iterable[str]:
    known = {text: how(text) if text else text for text in set(texts)}
    return map(known.__getitem__, texts)


@dataclass(frozen=True, slots=True)
class RunPage:
    """The platform's own page of a run, and how to tell that it is the right one.

    ``names``: texts of which each must stand on the page (or in its address, for an id that a page does not print);
    ``success``: the platform's own word for success; ``storage``: local-storage entries that log the browser in
    (secret: never logged, never part of evidence); ``headers``: the same as HTTP headers. ``own``: the addresses
    under which the platform was set up; of private ones the browser reaches these alone (none given: the page's own).
    ``ca`` (PEM) is the authority that the platform's block names for its certificate, if any. ``advice``: what people
    do where the page does not show the run at all.

    A platform without such a page gives ``told`` instead: what it told of the run, a label and its words each, from
    which Caseproof renders one (``evidence.rendered``); ``html`` is that page then, and needs no address.
    """

    url: str
    names: Sequence[str]
    success: str
    storage: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    own: Sequence[str] = ()
    ca: str = field(default="", repr=False)
    advice: str = ""
    told: Sequence[tuple[str, str]] = ()
    html: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a platform answered when it was only asked whether it is there: ``found`` is a sentence for people.

    ``clock`` is the platform's own time when it answered, where it tells it. ``lacks``: what we are not allowed to do
    there, a sentence each with what to do about it ("The key may not pause jobs: give it the right ...").
    """

    found: str
    clock: datetime | None
    lacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _redact(self, redact, "found")
        object.__setattr__(self, "lacks", tuple(map(redact, self.lacks)))


def _redact(told: object, how: Callable[[str], str], *names: str) -> None:
    """Take the secrets out of these texts, before anybody has the object."""
    for name in names:
        if text := getattr(told, name):
            object.__setattr__(told, name, how(text))


class JobPlatform(Protocol):
    """A client of one job platform.

    What it is not able to do, it declares in ``abilities`` and answers with PlatformCannot (``require``).
    """

    @property
    def abilities(self) -> PlatformAbilities:
        """What this platform, as it is set up, is able to do."""

    def close(self) -> None:
        """Close the connections. Repeating it is harmless."""

    def probe(self) -> Probe:
        """Read a little of the platform's jobs: whether it answers, lets us in, and what its clock says."""

    def probe_pages(self) -> str:
        """Whether a browser is shown this platform's runs where people look, as a sentence. Raises PlatformRefused
        where it is shown another's or none: no picture of a run could be taken.
        """

    def job(self, job_id: str) -> Job:
        """The job by what a person types. Raises UnknownJob, naming what exists that is alike."""

    def jobs_in(self, scope: Scope, job: Job) -> list[Job]:
        """All jobs that a stop of ``job`` with this scope reaches, ``job`` first.

        Raises BadInput when the job does not say its retailer and marketplace (or connection).
        """

    def survey(self, since: datetime, jobs: Collection[str] | None = None) -> Survey:
        """All jobs and every run of them that started after ``since`` (the platform's clock); or ``jobs`` and theirs.

        A run that never started is left out. A job in ``jobs`` that is gone is left out, too. A run is SUCCEEDED only
        where it was executed, as ``run`` tells it. Raises PlatformDown where the jobs cannot be listed to the end.
        """

    def standing(self, job_id: str) -> Standing:
        """Read whether the job can still run by itself. Raises UnknownJob."""

    def stop(self, job_id: str) -> None:
        """Stop the schedule, then cancel what is left in the queue or running. Repeating it is harmless."""

    def go_live(self, job_id: str) -> None:
        """Set the schedule active again. Repeating it is harmless."""

    def start_run(self, job_id: str, key: str, parameters: Mapping[str, str] | None = None) -> Run:
        """Start one run now, whether or not the schedule is active; the same ``key`` never starts a second.

        ``parameters`` are values for this run only, on top of the job's own.
        """

    def run_by_key(self, job_id: str, key: str) -> Run | None:
        """The run that an earlier ``start_run`` with this key started, if any."""

    def run(self, run_id: str) -> Run:
        """Read a run. Raises UnknownRun."""

    def runs_since(self, job_id: str, since: datetime) -> list[Run]:
        """Runs of the job that started after ``since``, oldest first."""

    def page(self, run: Run) -> RunPage:
        """Where the platform shows this run to people."""

    def remove(self, job_id: str) -> None:
        """Take the job off for good: ``standing`` tells then that it is stopped, or raises UnknownJob.

        Repeating it is harmless. It is asked for by the policy alone; a removal (J9) leaves the job stopped otherwise.
        """


def aware(since: datetime) -> datetime:
    """The moment that a platform's runs are asked for from. Raises BadInput for one without a time zone."""
    if since.tzinfo is None:
        raise BadInput("The time to look from has no time zone.", "Give an aware datetime, in UTC.")
    return since


def require(platform: JobPlatform, ability: Ability, of: str = "") -> None:
    """Raises PlatformCannot where the platform lacks this ability: why, and what a person does instead.

    ``of`` is the job or the run that it was asked for.
    """
    if lack := platform.abilities.lacks.get(ability):
        raise PlatformCannot(f"{of}: {lack.why}" if of else lack.why, lack.instead)
