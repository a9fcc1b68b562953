"""What a declaration of an HTTP job service holds (docs/platform-http.md): its calls, and where its answers hold what.

``read_service`` reads one. All that can be wrong with it by itself is found then, and named by its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from caseproof.config.declarations import Declared, Mistakes, ZoneName, read_declaration
from caseproof.domain.spelling import alike
from caseproof.platforms.base import RunState
from caseproof.platforms.http_jobs_words import ALL_OF_IT, CallText, Found, Times, expression, places_in

OF = "of the HTTP job service"
ITSELF = expression("@")
ANY = "any"
"""The kind of job whose call is used where none is given for its own kind."""

_OF_JOB = frozenset({"job", "name", "retailer", "marketplace", "connection", "kind"})
_OF_RUN = frozenset({"run", "job", "name"})


class NoAuth(Declared):
    """Whoever asks is let in."""

    type: Literal["none"]


class BasicAuth(Declared):
    """The block's user and secret, as a user and a password."""

    type: Literal["basic"]


class BearerAuth(Declared):
    """The block's secret, as a token in the header Authorization."""

    type: Literal["bearer"]


class HeaderAuth(Declared):
    """The block's secret, in a header of this name."""

    type: Literal["header"]
    header: str = Field(pattern=r"^[A-Za-z0-9-]+$")


class ClientAuth(Declared):
    """A token by OAuth client credentials: the block's user and secret are the client's id and secret."""

    type: Literal["client credentials"]
    token_url: str = Field(pattern=r"^https?://[^\s/?#]+/[^\s?#]+$")
    scope: str = ""
    sends: Literal["header", "form"] = "header"


Auth = Annotated[NoAuth | BasicAuth | BearerAuth | HeaderAuth | ClientAuth, Field(discriminator="type")]


class _Counted(Declared):
    """``total`` finds how many rows there are in all; ``more`` whether another page follows."""

    total: Found | None = None
    more: Found | None = None


class _Sized(_Counted):
    """``size_param`` is the query's word for how many rows a page has; none is sent where it is empty."""

    size_param: str = ""
    size: int = Field(100, gt=0)


class WholeList(_Counted):
    """The whole list in one answer."""

    type: Literal["none"]


class ByPage(_Sized):
    """Pages by their number. Without ``more`` and ``total`` an empty page is the last."""

    type: Literal["page"]
    param: str = "page"
    first: int = 1


class ByOffset(_Sized):
    """Pages by how many rows go before them."""

    type: Literal["offset"]
    param: str = "offset"


class ByCursor(_Sized):
    """Pages by a text that the page before gives; none given is the end."""

    type: Literal["cursor"]
    param: str = "cursor"
    next: Found


class ByLink(_Sized):
    """Pages by an address that the page before gives: in the header Link (rel="next"), or where ``next`` finds it."""

    type: Literal["link"]
    next: Found | None = None


Paging = Annotated[WholeList | ByPage | ByOffset | ByCursor | ByLink, Field(discriminator="type")]


class Call(Declared):
    """A call: its method and path below the base address, and what goes with it."""

    call: CallText
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: Any = None
    form: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self.body is not None and self.form:
            raise ValueError("a call has a body or a form, not both")
        return self

    def places(self) -> set[str]:
        """The placeholders in it; the values of a run count as ``parameters``."""
        held = (self.call, self.query, self.headers, self.body, self.form)
        every = {place for part in held for place in places_in(part)}
        return every | ({"parameters"} if ALL_OF_IT in _keys(self.body) | _keys(self.form) else set())


class ListCall(Call):
    """A call that gives a list: ``items`` finds it in the answer."""

    items: Found = ITSELF
    paging: Paging = WholeList(type="none")
    most_pages: int = Field(10_000, gt=0)
    newest_first: bool = False


class OneCall(Call):
    """A call that gives one job or run: ``item`` finds it in the answer."""

    item: Found = ITSELF


class JobFields(Declared):
    """Where a job's record holds what. ``active``: true while it can still run by itself."""

    id: Found
    name: Found | None = None
    active: Found
    retailer: Found | None = None
    marketplace: Found | None = None
    connection: Found | None = None
    kind: Found | None = None
    stopped_by: Found | None = None
    cron: Found | None = None
    timezone: Found | None = None
    every_seconds: Found | None = None
    anchor: Found | None = None
    more: Mapping[str, Found] = {}


class Jobs(Declared):
    """How jobs are read. Without ``one``, a job is looked up in the list."""

    list: ListCall
    one: OneCall | None = None
    fields: JobFields
    page: str = "{site}"


class RunFields(Declared):
    """Where a run's record holds what. ``executed``: false for one that was only called successful by hand."""

    id: Found
    name: Found | None = None
    job: Found | None = None
    state: Found
    message: Found | None = None
    started: Found
    ended: Found
    key: Found | None = None
    executed: Found | None = None


class Page(Declared):
    """The page of a run, for people, and what stands on it: each of ``names``, and the word for success."""

    address: str
    names: tuple[str, ...] = Field(("{run}",), min_length=1)
    success: str = Field(min_length=1)
    advice: str = ""


class Runs(Declared):
    """How runs are read: those of all jobs (``list``), of one (``of_job``), what is not over (``open``), and one."""

    list: ListCall | None = None
    of_job: ListCall | None = None
    open: ListCall | None = None
    by_key: ListCall | None = None
    one: OneCall
    fields: RunFields
    states: Mapping[str, RunState]
    page: Page | None = None


class Start(Call):
    """A run started once more. ``run`` or ``id`` finds it in the answer; else it is found by its key.

    ``same_for_key``: the service itself answers a used key with the first run.
    """

    run: Found | None = None
    id: Found | None = None
    same_for_key: bool = False


class Service(Declared):
    """A whole declaration. ``timezone`` is that of moments which name none; UTC where it is not given."""

    service: str = "the job service"
    auth: Auth = NoAuth(type="none")
    headers: Mapping[str, str] = {}
    times: Times = "iso"
    timezone: ZoneName | None = None
    jobs: Jobs
    runs: Runs
    stop: Mapping[str, Call] = {}
    resume: Mapping[str, Call] = {}
    remove: Mapping[str, Call] = {}
    cancel: Call | None = None
    start: Start | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        wrong = [*self._misplaced(), *self._missing()]
        if wrong:
            raise Mistakes(wrong)
        return self

    @property
    def zone(self) -> tzinfo:
        """The zone of moments that name none."""
        return UTC if self.timezone in (None, "UTC") else ZoneInfo(str(self.timezone))

    @property
    def knows_keys(self) -> bool:
        """Whether a run tells the key that it was started with: a search may be ignored, and then gives every run."""
        return self.runs.fields.key is not None

    def _missing(self) -> Iterable[tuple[str, str]]:
        runs, start, fields = self.runs, self.start, self.jobs.fields
        if runs.list is None and runs.of_job is None:
            yield "runs", "give `list` (runs of all jobs), `of_job` (runs of one), or both"
        if runs.of_job is None and runs.fields.job is None:
            yield "runs.fields", "`job` is missing, and without `of_job` nothing else says whose a run is"
        if runs.open is None and any(one and "since" in one.places() for one in (runs.of_job, runs.list)):
            yield "runs", "give `open` (runs that are not over): a list from a moment on may leave out what is queued"
        if runs.page and not re.match(r"\{site\}(?:[/?#]|$)", runs.page.address):
            yield "runs.page.address", "begins with {site}/: the login of the pages goes to that server alone"
        if start and "key" not in start.places():
            yield "start", "{key} stands nowhere; put it where the service keeps it with the run"
        if start and not self.knows_keys:
            yield "start", "a run cannot be told by its key; give runs.fields.key"
        if bool(self.stop) != bool(self.resume):
            yield "stop" if self.stop else "resume", "give both, `stop` and `resume`, or neither"
        kinds = [(what, kind) for what in ("stop", "resume", "remove") for kind in getattr(self, what) if kind != ANY]
        if fields.kind is None and kinds:
            yield ".".join(kinds[0]), "no job is of this kind, for jobs.fields has no `kind`"
        if fields.every_seconds and not fields.anchor:
            yield "jobs.fields.every_seconds", "needs `anchor`, the moment from which it is counted"

    def _misplaced(self) -> Iterable[tuple[str, str]]:
        own = _OF_JOB | set(self.jobs.fields.more)
        calls: list[tuple[str, Call | None, frozenset[str] | set[str]]] = [
            ("jobs.list", self.jobs.list, frozenset()),
            ("jobs.one", self.jobs.one, {"job"}),
            ("runs.list", self.runs.list, {"since"}),
            ("runs.of_job", self.runs.of_job, {"job", "since"}),
            ("runs.open", self.runs.open, {"job"}),
            ("runs.by_key", self.runs.by_key, {"job", "key"}),
            ("runs.one", self.runs.one, {"run"}),
            ("cancel", self.cancel, _OF_RUN),
            ("start", self.start, own | {"key", "parameters"}),
            *(
                (f"{what}.{kind}", call, own)
                for what, held in (("stop", self.stop), ("resume", self.resume), ("remove", self.remove))
                for kind, call in held.items()
            ),
        ]
        for where, call, known in calls:
            if call is not None:
                yield from _unknown(where, call.places(), known)
        yield from _unknown("jobs.page", places_in(self.jobs.page), own | {"site"})
        if self.runs.page:
            shown = [self.runs.page.address, *self.runs.page.names, self.runs.page.success]
            yield from _unknown("runs.page", places_in(shown), _OF_RUN | {"site"})


def _unknown(where: str, places: set[str], known: Iterable[str]) -> Iterable[tuple[str, str]]:
    for place in sorted(places - set(known)):
        nearest = alike(place, sorted(known))
        mean = f" (do you mean {{{nearest[0]}}}?)" if nearest else ""
        there = ", ".join(f"{{{one}}}" for one in sorted(known)) or "none"
        yield where, f"there is no {{{place}}} here{mean}; there are: {there}"


def _keys(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return {str(key) for key in value} | {key for one in value.values() for key in _keys(one)}
    if isinstance(value, list | tuple):
        return {key for one in value for key in _keys(one)}
    return set()


def read_service(text: str) -> Service:
    """The declaration that a text holds. Raises DeclarationError, which names each mistake by its line."""
    return read_declaration(text, Service, OF)
