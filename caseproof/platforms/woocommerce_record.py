"""The record of who receives a WooCommerce site's deliveries: how it is declared, and how its runs are read.

WooCommerce does not tell deliveries by its API any more, so a run is what the receiver wrote down. A record is a JSON
endpoint of the receiver's, declared like this:

```yaml
address: https://receiver.example.com/api
login: bearer                       # how the block's secret is sent: bearer, basic, or a header's name; or nothing
list: deliveries?since={since}      # all deliveries since a moment
of_job: deliveries?webhook={job}&since={since}     # those of one job; without it, they are picked from the list
one: deliveries/{run}               # one delivery
by_key: deliveries?key={key}        # the delivery that was started with this key (for `rerun`)
items: items                        # where the list stands in the answer (JMESPath); @ where it is the answer
next: next                          # where the answer has the next page's address or path; nothing: one page is all
fields: {id: id, job: webhook_id, status: status, started: started_at, ended: ended_at, message: error, key: key}
states: {ok: succeeded, error: failed, working: running, queued: waiting}
page: {address: "https://receiver.example.com/deliveries/{run}", success: ok}
rerun: {path: reruns, body: {webhook: "{job}", key: "{key}"}}
```

``job`` is the webhook's id, as WooCommerce sends it in the header X-WC-Webhook-ID, or an API key's name in the block.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from urllib.parse import quote, urljoin

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, ValidationError, model_validator

from caseproof.config.declarations import Declared, read_declaration
from caseproof.http.api import HttpApi
from caseproof.http.client import Answer, Transport, credentials, origin
from caseproof.platforms.base import PlatformDown, PlatformError, PlatformRefused, Run, RunPage, RunState

MOST_PAGES = 10_000

_PLACE = re.compile(r"\{([^{}]*)\}")
_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def _compiles(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError:
        raise ValueError("is no JMESPath expression, like `id` or `delivery.id`") from None
    return text


Found = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]
"""A JMESPath expression: where the answer holds it."""
Address = Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$")]
Path = Annotated[str, Field(pattern=r"^[^/\s]\S*$")]
"""What is asked for below the record's address, with its query."""


class RecordFields(Declared):
    """Where a delivery's entry holds what. Without ``ended``, a delivery was over as soon as it came."""

    id: Found
    job: Found
    status: Found
    started: Found
    ended: Found | None = None
    message: Found | None = None
    key: Found | None = None


class RecordPage(Declared):
    """The page of a delivery, for people, and what stands on it: each of ``names``, and the word for success."""

    address: Address
    success: str = Field(min_length=1)
    names: tuple[str, ...] = Field(("{run}",), min_length=1)


class Rerun(Declared):
    """What makes the receiver take a job's data once more, whether or not the webhook is active."""

    path: Path
    body: Mapping[str, str]


class Record(Declared):
    """A whole declaration."""

    address: Address
    login: str = Field("bearer", pattern=r"^[A-Za-z0-9-]+$")
    list: Path
    of_job: Path | None = None
    one: Path
    by_key: Path | None = None
    items: Found = "@"
    next: Found | None = None
    fields: RecordFields
    states: Mapping[str, RunState] = Field(min_length=1)
    page: RecordPage | None = None
    rerun: Rerun | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if RunState.SUCCEEDED not in self.states.values():
            raise ValueError("no word of `states` means succeeded, so no delivery could ever prove anything")
        asked = {"list": {"since"}, "of_job": {"since", "job"}, "one": {"run"}, "by_key": {"job", "key"}}
        for name, known in asked.items():
            if strange := sorted(_places(getattr(self, name) or "") - known):
                raise ValueError(f"`{name}` has no {{{strange[0]}}}; it takes {_told(known)}")
        if "run" not in _places(self.one):
            raise ValueError("`one` names no {run}, so every delivery would be the same")
        if self.page and (strange := sorted(_places(" ".join((self.page.address, *self.page.names))) - {"run", "job"})):
            raise ValueError(f"`page` has no {{{strange[0]}}}; it takes {_told({'run', 'job'})}")
        if self.rerun:
            held = {place for value in self.rerun.body.values() for place in _places(value)}
            if not {"job", "key"} <= held <= {"job", "key"}:
                raise ValueError("the body of `rerun` holds {job} and {key}, and no other")
            if self.by_key is None or "key" not in _places(self.by_key) or self.fields.key is None:
                raise ValueError("`rerun` needs `by_key` with {key}, and `fields.key`: else none is found again")
        return self


def read_record(text: str) -> Record:
    """The declaration that a text holds. Raises DeclarationError, which names each mistake by its line."""
    return read_declaration(text, Record, "of the receiver's record")


def _places(text: str) -> set[str]:
    return set(_PLACE.findall(text))


def _told(places: set[str]) -> str:
    return " and ".join(f"{{{one}}}" for one in sorted(places))


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The path with each placeholder replaced, so that no value can become a part of the address."""
    return _PLACE.sub(lambda place: quote(values[place[1]], safe=""), text)


class ReceiversRecord:
    """Reads the record. A run's ``job`` is as the record tells it. Safe to use from several threads.

    Each method raises PlatformDown and PlatformRefused; an entry that is not as declared is PlatformRefused.
    """

    def __init__(
        self,
        declared: Record,
        secret: str = "",
        *,
        ca: str = "",
        proxy: str = "",
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.declared = declared
        self._headers = _login(declared.login, secret)
        self._api = HttpApi(
            declared.address,
            "the receiver's record",
            down=PlatformDown,
            refused=PlatformRefused,
            headers=self._headers,
            ca=ca,
            proxy=proxy,
            transport=transport,
            sleep=sleep,
        )
        self.address = self._api.address
        self._find = {
            name: jmespath.compile(text) for name, text in declared.fields.model_dump().items() if text is not None
        }

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def since(self, moment: datetime, job: str | None = None) -> Iterator[list[Run]]:
        """The runs that started after a moment, in pages, each once; of one job, or of all.

        Raises PlatformDown where the record does not come to its end.
        """
        values = {"since": moment.astimezone(UTC).isoformat(), "job": job or ""}
        path = self.declared.of_job if job is not None and self.declared.of_job else self.declared.list
        for rows in self._pages(_filled(path, values)):
            runs = [self._run(row) for row in rows]
            yield [
                run for run in runs if run.started_at and run.started_at > moment and (job is None or run.job == job)
            ]

    def run(self, run_id: str) -> Run | None:
        """One run; None where the record has none of this id."""
        answer = self._api.call("GET", _filled(self.declared.one, {"run": run_id}))
        if answer.is_missing:
            # Only an answer of the API's own says that there is none: a web page is a wrong address.
            if answer.json() is None:
                raise self._api.not_the_api(answer)
            return None
        run = self._run(self._json(answer))
        if run.id != run_id:
            raise self._unlike(f"`one` answers with another delivery than {run_id}")
        return run

    def by_key(self, job: str, key: str) -> Run | None:
        """The run of this job that was started with this key, if any. Needs ``by_key``."""
        path = _filled(self.declared.by_key or "", {"job": job, "key": key})
        for rows in self._pages(path):
            for row in rows:
                run = self._run(row)
                if run.job == job and str(self._find["key"].search(row)) == key:
                    return run
        return None

    def rerun(self, job: str, key: str) -> None:
        """Ask the receiver to take the job's data once more. Needs ``rerun``."""
        asked = self.declared.rerun
        if asked is None:
            raise ValueError("the record declares no rerun")
        values = {"job": job, "key": key}
        body = {name: _PLACE.sub(lambda place: values[place[1]], text) for name, text in asked.body.items()}
        answer = self._api.call("POST", asked.path, json=body)
        if answer.is_missing:
            raise self._api.not_the_api(answer)

    def page(self, run: Run, job: str) -> RunPage:
        """The record's page of a run. Needs ``page``."""
        shown = self.declared.page
        if shown is None:
            raise ValueError("the record declares no page")
        values = {"run": run.id, "job": job}
        names = tuple(_PLACE.sub(lambda place: values[place[1]], one) for one in shown.names)
        own = origin(shown.address) or shown.address
        headers = self._headers if own == origin(self.declared.address) else {}  # our login goes to no other server
        return RunPage(run.url, names, shown.success, headers=headers, own=(own,))

    # -- reading -----------------------------------------------------------------------------------------------------

    def _pages(self, path: str) -> Iterator[list[Any]]:
        """The entries, each once, page by page."""
        seen: set[str] = set()
        asked: set[str] = set()
        while path not in asked and len(asked) < MOST_PAGES:
            asked.add(path)
            answer = self._api.call("GET", path)
            if answer.is_missing:
                raise self._api.not_the_api(answer)
            body = self._json(answer)
            rows = jmespath.search(self.declared.items, body)
            if not isinstance(rows, list):
                raise self._unlike("`items` finds no list")
            new = {str(self._find["id"].search(row)): row for row in rows}
            fresh = {one: row for one, row in new.items() if one not in seen}
            seen |= fresh.keys()
            yield list(fresh.values())
            following = jmespath.search(self.declared.next, body) if self.declared.next else None
            if not following:
                return
            path = self._below(str(following))
        raise PlatformDown(
            f"The receiver's record at {self.address} lists deliveries without an end.",
            "Nothing is judged by such a list. Look at its paging, and at `next` in the declaration.",
        )

    def _below(self, following: str) -> str:
        """The next page's path; our login goes to no other server."""
        base = f"{self.declared.address.rstrip('/')}/"
        whole = urljoin(base, following)
        if not whole.startswith(base):
            raise self._unlike("`next` leads elsewhere than below the record's address")
        return whole.removeprefix(base)

    def _json(self, answer: Answer) -> Any:
        body = answer.json()
        if body is None:
            raise self._api.not_the_api(answer)
        return body

    def _run(self, row: Any) -> Run:
        told = {name: find.search(row) for name, find in self._find.items()}
        if missing := [name for name in ("id", "job", "status") if told[name] in (None, "")]:
            raise self._unlike(f"`fields.{missing[0]}` finds nothing")
        said, run_id, job = str(told["status"]), str(told["id"]), str(told["job"])
        state = self.declared.states.get(said, RunState.UNKNOWN)
        started = self._time(told, "started")
        ended = self._time(told, "ended") if "ended" in told else started if state.is_over else None
        url = _filled(self.declared.page.address, {"run": run_id, "job": job}) if self.declared.page else ""
        message = str(told.get("message") or "")
        return Run(run_id, run_id, job, state, said, message, url, started, ended)

    def _time(self, told: Mapping[str, Any], name: str) -> datetime | None:
        value = told[name]
        if value in (None, ""):
            return None
        try:
            return _TIME.validate_python(value).astimezone(UTC)
        except (ValidationError, OverflowError):
            raise self._unlike(f"`fields.{name}` finds no time with a zone (like 2026-11-30T04:00:00Z)") from None

    def _unlike(self, what: str) -> PlatformError:
        return PlatformRefused(
            f"The receiver's record at {self.address} does not answer as it is declared: {what}.",
            "Correct the declaration of the record in the block, or its address.",
        )


def _login(how: str, secret: str) -> dict[str, str]:
    if not secret:
        return {}
    if how in ("bearer", "basic"):
        return credentials(secret, None) if how == "basic" else credentials(None, secret)
    return {how: secret}
