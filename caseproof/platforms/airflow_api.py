"""Airflow's REST API: getting in with one token, and reading its lists to their end or not at all.

A token is got once and renewed once where Airflow does not take it any more (401 for one that ran out, 403 for one
that another key signed), however many ask at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from caseproof.domain.errors import CaseproofError
from caseproof.http.api import HttpApi
from caseproof.http.client import Answer, Transport
from caseproof.http.tokens import KeptToken
from caseproof.platforms.airflow_wire import (
    AUDIT_LOG,
    BY_HAND,
    DAGS,
    RUNS,
    TOKEN,
    ByHand,
    Dag,
    DagRun,
    LogEntry,
)
from caseproof.platforms.base import PlatformDown, PlatformRefused

Asked = Mapping[str, str | Sequence[str]]

PAGE = 100  # the most that Airflow gives at once, as it is set up by default
MOST_ROWS = 100_000  # of a list that is read at once
STALE_PAGES = 3  # so many pages in a row may bring nothing new
_LEFT = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.CONFLICT)
NEW_MEANWHILE = 10_000  # so many rows may come while a list is read, beside as many as there were


class AirflowApi:
    """The API of one Airflow. ``password`` gets a token for ``user``; else ``token`` is one that was given to us."""

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        password: str = "",
        token: str = "",
        ca: str = "",
        proxy: str = "",
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = HttpApi(
            url,
            "Airflow",
            down=PlatformDown,
            refused=PlatformRefused,
            ca=ca,
            proxy=proxy,
            transport=transport,
            sleep=sleep,
            left=_LEFT,
        )
        self.address = self._http.address
        self._login = {"username": user, "password": password} if password else None
        self._token = token
        self._kept = KeptToken(self._log_in, refused=PlatformRefused)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # -- questions -------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, *, json: Any = None, params: Asked | None = None) -> Answer:
        """The answer: a success, a 404 or a 409. Raises PlatformRefused where we are not let in or not allowed."""
        token = self.token()
        answer = self._ask(method, path, json, params, token)
        if answer.is_unauthorized and self._login and not _is_about_rights(answer):
            another = self._kept.get(instead_of=token)
            if another != token:
                answer = self._ask(method, path, json, params, another)  # nothing was done before
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            raise self.not_the_api(answer)
        if answer.is_unauthorized:
            raise self._not_allowed(method, path) if _is_about_rights(answer) else self._not_let_in()
        return answer

    def may(self, method: str, path: str, *, json: Any = None, params: Asked | None = None) -> bool:
        """Whether Airflow lets us ask this."""
        answer = self._ask(method, path, json, params, self.token())
        return not answer.is_unauthorized

    def _ask(self, method: str, path: str, json: Any, params: Asked | None, token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._http.call(method, f"api/v2/{path}", json=json, params=params, headers=headers)

    def token(self) -> str:
        """What lets us in. Empty where we were given nothing."""
        return self._token if self._login is None else self._kept.get()

    def _log_in(self) -> tuple[str, None]:
        """A new token, and that nobody knows how long it lasts."""
        answer = self._http.call("POST", "auth/token", reads=True, json=self._login)  # changes nothing: may be repeated
        if answer.is_unauthorized:
            raise self._not_let_in()
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):  # its pages are there, say
            raise self.not_the_api(answer)
        return self._http.decoded(answer, TOKEN).access_token, None

    def decoded(self, answer: Answer, shape: Any) -> Any:
        """The answer's JSON in this ``shape``; a 404 is an answer of something that is not Airflow."""
        if answer.is_missing:
            raise self.not_the_api(answer)
        return self._http.decoded(answer, shape)

    def not_the_api(self, answer: Answer) -> CaseproofError:
        """The error for an answer that Airflow would not give."""
        return self._http.not_the_api(answer)

    def _not_let_in(self) -> PlatformRefused:
        what = "user name and password" if self._login else "token"
        return PlatformRefused(
            f"Airflow at {self.address} does not accept our credentials ({what}).",
            "Enter them again in the platform's block. `caseproof doctor` tells whether it is accepted then.",
        )

    def _not_allowed(self, method: str, path: str) -> PlatformRefused:
        what = path.partition("?")[0]
        return PlatformRefused(
            f"Airflow at {self.address} does not allow our user to {'read' if method == 'GET' else 'change'} {what}.",
            "Give it the role Op, or the rights that docs/platform-airflow.md lists.",
        )

    # -- lists -----------------------------------------------------------------------------------------------

    def dags(self, asked: Asked | None = None) -> dict[str, Dag]:
        """All DAGs that a file still defines, by their ids in the order of the alphabet; ``asked`` narrows them."""
        rows: dict[str, Dag] = {}
        offset = stale = 0
        while True:
            params = {"order_by": "dag_id", **(asked or {}), "limit": str(PAGE), "offset": str(offset)}
            page = self.decoded(self.call("GET", "dags", params=params), DAGS)
            before = len(rows)
            rows |= {dag.dag_id: dag for dag in page.dags}
            offset += len(page.dags)
            stale = stale + 1 if len(rows) == before else 0
            if not page.dags or len(rows) >= page.total_entries:
                break
            if stale > STALE_PAGES or len(rows) > MOST_ROWS:
                raise self._endless("DAGs")
        if len(rows) < page.total_entries:
            raise self._cut_short("DAGs", len(rows), page.total_entries)
        return {dag_id: rows[dag_id] for dag_id in sorted(rows) if not rows[dag_id].is_stale}

    def runs(self, dag_id: str, asked: Asked) -> Iterator[list[DagRun]]:
        """Runs of a DAG (``~`` for all), each once, in pages in the order in which they were made.

        Airflow's cursor begins each page behind the last row of the one before, so that rows which come and go
        meanwhile move nothing. Raises PlatformDown where it gives fewer than it counts.
        """
        path = f"dags/{quote(dag_id, safe='~')}/dagRuns"
        promised = self._count(path, asked)
        if not promised:
            return
        seen: set[str] = set()
        where: dict[str, str] = {"cursor": ""}
        offset = stale = 0
        while True:
            params = {**asked, "order_by": "id", "limit": str(PAGE), **where}
            page = self.decoded(self.call("GET", path, params=params), RUNS)
            new = [run for run in page.dag_runs if run.whole_id not in seen]
            seen |= {run.whole_id for run in new}
            stale = 0 if new else stale + 1
            if new:
                yield new
            if "next_cursor" in page.model_fields_set:
                if page.next_cursor is None:
                    break
                where = {"cursor": page.next_cursor}
            else:  # an Airflow that knows no cursors
                offset += len(page.dag_runs)
                where = {"offset": str(offset)}
                if not page.dag_runs:
                    break
            if stale > STALE_PAGES or len(seen) > 2 * promised + NEW_MEANWHILE:
                raise self._endless("runs")
        if len(seen) < promised and len(seen) < (now := self._count(path, asked)):
            raise self._cut_short("runs", len(seen), now)

    def _count(self, path: str, asked: Asked) -> int:
        page = self.decoded(self.call("GET", path, params={**asked, "limit": "1", "offset": "0"}), RUNS)
        return page.total_entries or 0

    def by_hand(self, since: datetime) -> ByHand:
        """The states of runs that were set by hand since then.

        It is asked for by time alone: of what was set for many runs at once the log does not tell a DAG in its fields.
        """
        after = since.astimezone(UTC).isoformat()
        params: dict[str, str | Sequence[str]] = {"included_events": BY_HAND, "order_by": "id", "after": after}
        entries: dict[int, LogEntry] = {}
        offset = 0
        while True:
            answer = self.call("GET", "eventLogs", params={**params, "limit": str(PAGE), "offset": str(offset)})
            page = self.decoded(answer, AUDIT_LOG)
            before = len(entries)
            entries |= {entry.event_log_id: entry for entry in page.event_logs}
            offset += len(page.event_logs)
            if not page.event_logs or len(entries) >= page.total_entries:
                break
            if len(entries) == before or len(entries) > MOST_ROWS:
                raise self._endless("entries of its audit log")
        if len(entries) < page.total_entries:
            raise self._cut_short("entries of its audit log", len(entries), page.total_entries)
        return ByHand(list(entries.values()))

    def _endless(self, what: str) -> PlatformDown:
        return PlatformDown(
            f"Airflow at {self.address} lists {what} without an end.",
            "Nothing is judged by such a list. Look at what stands in front of it (a proxy, a cache), then try again.",
        )

    def _cut_short(self, what: str, got: int, promised: int) -> PlatformDown:
        return PlatformDown(
            f"Airflow at {self.address} gave {got} of {promised} {what} and no more.",
            "Nothing is judged by half a list. Try again later; if it stays so, look at its own log.",
        )


def _is_about_rights(answer: Answer) -> bool:
    """Whether we are let in and lack a right: Airflow says just this word then, and names the token's fault else."""
    body = answer.json()
    said = body.get("detail") if isinstance(body, dict) else None
    return answer.status == HTTPStatus.FORBIDDEN and said == "Forbidden"
