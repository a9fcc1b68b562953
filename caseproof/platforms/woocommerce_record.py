"""The runs of a WooCommerce site, read from the record of who receives its deliveries (``woocommerce_declared``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from caseproof.http.api import HttpApi
from caseproof.http.client import Answer, Transport, credentials, origin
from caseproof.platforms.base import PlatformDown, PlatformError, PlatformRefused, Run, RunPage, RunState
from caseproof.platforms.http_jobs_words import Expression, NotAsDeclared
from caseproof.platforms.woocommerce_declared import Record, filled, in_address

MOST_PAGES = 10_000
STALE_PAGES = 3
"""After so many pages with nothing new a record has no end."""

_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


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
        self.declared, self._ca = declared, ca
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
        self._fields = declared.fields.given()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def since(self, moment: datetime, job: str | None = None) -> Iterator[list[Run]]:
        """The runs that started after a moment, in pages, each once; of one job, or of all.

        Raises PlatformDown where the record does not come to its end.
        """
        values = {"since": moment.astimezone(UTC).isoformat(), "job": job or ""}
        path = self.declared.of_job if job is not None and self.declared.of_job else self.declared.list
        for rows in self._pages(in_address(path, values)):
            runs = [self._run(row) for row in rows]
            yield [
                run for run in runs if run.started_at and run.started_at > moment and (job is None or run.job == job)
            ]

    def run(self, run_id: str) -> Run | None:
        """One run; None where the record has none of this id."""
        answer = self._api.call("GET", in_address(self.declared.one, {"run": run_id}))
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
        path = in_address(self.declared.by_key or "", {"job": job, "key": key})
        for rows in self._pages(path):
            for row in rows:
                run = self._run(row)
                if run.job == job and str(self._find(self._fields["key"], row)) == key:
                    return run
        return None

    def rerun(self, job: str, key: str) -> None:
        """Ask the receiver to take the job's data once more. Needs ``rerun``."""
        asked = self.declared.rerun
        if asked is None:
            raise ValueError("the record declares no rerun")
        values = {"job": job, "key": key}
        body = {name: filled(text, values) for name, text in asked.body.items()}
        answer = self._api.call("POST", asked.path, json=body)
        if answer.is_missing:
            raise self._api.not_the_api(answer)

    def page(self, run: Run, job: str) -> RunPage:
        """The record's page of a run. Needs ``page``."""
        shown = self.declared.page
        if shown is None:
            raise ValueError("the record declares no page")
        values = {"run": run.id, "job": job}
        names = tuple(filled(one, values) for one in shown.names)
        own = origin(shown.address) or shown.address
        headers = self._headers if own == origin(self.declared.address) else {}  # our login goes to no other server
        return RunPage(run.url, names, shown.success, headers=headers, own=(own,), ca=self._ca)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _pages(self, path: str) -> Iterator[list[Any]]:
        """The entries, each once, page by page."""
        seen: set[str] = set()
        asked: set[str] = set()
        stale = 0
        while path not in asked and len(asked) < MOST_PAGES and stale < STALE_PAGES:
            asked.add(path)
            answer = self._api.call("GET", path)
            if answer.is_missing:
                raise self._api.not_the_api(answer)
            body = self._json(answer)
            rows = self._find(self.declared.items, body)
            if not isinstance(rows, list):
                raise self._unlike("`items` finds no list")
            new = {str(self._find(self._fields["id"], row)): row for row in rows}
            fresh = {one: row for one, row in new.items() if one not in seen}
            seen |= fresh.keys()
            stale = 0 if fresh else stale + 1
            yield list(fresh.values())
            following = self._find(self.declared.next, body) if self.declared.next else None
            if not following:
                return
            path = self._below(str(following))
        raise PlatformDown(
            f"The receiver's record at {self.address} lists deliveries without an end.",
            "Nothing is judged by such a list. Look at its paging, and at `next` in the declaration.",
        )

    def _below(self, following: str) -> str:
        """The next page's path; our login goes to no other server."""
        base, whole = f"{self.declared.address.rstrip('/')}/", ""
        with suppress(ValueError):
            whole = urljoin(base, following)
        if not whole.startswith(base):
            raise self._unlike("`next` leads elsewhere than below the record's address")
        return whole.removeprefix(base)

    def _json(self, answer: Answer) -> Any:
        body = answer.json()
        if body is None:
            raise self._api.not_the_api(answer)
        return body

    def _find(self, expression: Expression, told: Any) -> Any:
        try:
            return expression.find(told)
        except NotAsDeclared as wrong:
            raise self._unlike(str(wrong)) from None

    def _run(self, row: Any) -> Run:
        told = {name: self._find(found, row) for name, found in self._fields.items()}
        if missing := [name for name in ("id", "job", "status") if told[name] in (None, "")]:
            raise self._unlike(f"`fields.{missing[0]}` finds nothing")
        said, run_id, job = str(told["status"]), str(told["id"]), str(told["job"])
        state = self.declared.states.get(said, RunState.UNKNOWN)
        started = self._time(told, "started")
        ended = self._time(told, "ended") if "ended" in told else started if state.is_over else None
        url = in_address(self.declared.page.address, {"run": run_id, "job": job}) if self.declared.page else ""
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
