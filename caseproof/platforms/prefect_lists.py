"""Reading Prefect's lists to their end, or not at all: a list that is cut short looks like jobs that do not run.

Prefect gives at most 200 rows at once. Nothing is believed about a page but what is on it: one that is shorter than
it could be is not the last, only an empty one is; rows come twice when others slip in before them; and a server that
goes on for ever, or stops before it gave as many rows as it counts itself, is PlatformDown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter

from caseproof.domain.errors import CaseproofError
from caseproof.http.api import HttpApi
from caseproof.platforms.base import PlatformDown
from caseproof.platforms.prefect_wire import COUNT, DEPLOYMENTS, FLOWS, RUNS, RUNS_PAGE, Deployment, FlowRun, Named

T = TypeVar("T")
Row = TypeVar("Row", bound="Named")
Asked = Mapping[str, Any]

PAGE = 200  # the most that Prefect gives at once
MOST_ROWS = 100_000  # of a list that is read at once
STALE_PAGES = 3  # so many pages in a row may bring nothing new
LATE_PAGES = 25  # so many pages of late runs are read: what is left out is told by the schedules
NEW_MEANWHILE = 10_000  # so many runs may start while a list of runs is read, beside as many as there were


class PrefectLists:
    """Prefect's lists, over one API client."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api

    def read(self, path: str, body: Asked, shape: TypeAdapter[T]) -> T:
        """The answer to a question by POST."""
        answer = self._api.call("POST", path, reads=True, json=body)
        if answer.is_missing:
            raise self._api.not_the_api()
        return self._api.decoded(answer, shape)

    def count(self, kind: str, asked: Asked) -> int:
        """How many there are of ``kind`` ("deployments", "flow_runs")."""
        return self.read(f"{kind}/count", asked, COUNT)

    def all(self, kind: str, asked: Asked, sort: str, shape: TypeAdapter[list[Row]]) -> list[Row]:
        """All rows, each once."""
        rows: dict[str, Row] = {}
        offset = 0
        while page := self.read(f"{kind}/filter", {**asked, "sort": sort, "limit": PAGE, "offset": offset}, shape):
            before = len(rows)
            rows |= {row.id: row for row in page}
            offset += len({row.id for row in page})
            stuck = len(rows) == before
            if (stuck and len(page) >= PAGE) or len(rows) > MOST_ROWS:
                raise self._endless(kind)
            if stuck:
                break
        return list(rows.values())

    def runs(self, asked: Asked, sort: str) -> list[FlowRun]:
        """All runs, each once: one question where a page holds as many as Prefect counts, as it mostly does."""
        first = self.read("flow_runs/paginate", {**asked, "sort": sort, "limit": PAGE, "page": 1}, RUNS_PAGE)
        rows = {run.id: run for run in first.results}
        if len(rows) < first.count:
            rows = {run.id: run for run in self.all("flow_runs", asked, sort, RUNS)}
            self._must_be_whole("flow_runs", asked, len(rows), first.count)
        return list(rows.values())

    def deployments(self, asked: Asked) -> dict[str, Deployment]:
        """Deployments by their job ids (``flow/deployment``)."""
        found = self.all("deployments", asked, "CREATED_DESC", DEPLOYMENTS)
        flows: dict[str, str] = {}
        for ids in portions({one.flow_id for one in found}):
            chosen = {"flows": {"id": {"any_": ids}}}
            flows |= {flow.id: flow.name for flow in self.all("flows", chosen, "NAME_ASC", FLOWS)}
        # One that lost its flow between the two questions is just being deleted.
        return {f"{flows[one.flow_id]}/{one.name}": one for one in found if one.flow_id in flows}

    def whole_deployments(self, jobs: Collection[str] | None) -> dict[str, Deployment]:
        """All deployments, or those of ``jobs`` that are there, by their job ids in the order of the alphabet."""
        found: dict[str, Deployment] = {}
        for asked in _called_like(jobs):
            promised = self.count("deployments", asked)
            some = self.deployments(asked)
            self._must_be_whole("deployments", asked, len(some), promised)
            found |= some
        return {job_id: found[job_id] for job_id in sorted(found) if jobs is None or job_id in jobs}

    def _must_be_whole(self, kind: str, asked: Asked, got: int, promised: int) -> None:
        """Raises PlatformDown where fewer rows came than Prefect counts before and after (rows may be deleted)."""
        if got < promised and got < (now := self.count(kind, asked)):
            raise PlatformDown(
                f"The Prefect API at {self._api.address} gave {got} of {now} {_words(kind)} and no more.",
                "Nothing is judged by half a list. Try again later; if it stays so, look at its own log.",
            )

    def runs_after(self, since: datetime, asked: dict[str, Any]) -> Iterator[list[FlowRun]]:
        """Runs that started at ``since`` or later, each once, oldest first, in pages; ``asked`` narrows them.

        A page begins where the one before ended, by the time of start and not by a count of rows, so that rows which
        come and go meanwhile move nothing; what starts meanwhile comes last. A run that began before the place where
        we are and is written only now is missed: it is running.
        """
        whole = {"flow_runs": asked | started(since)}
        promised = self.count("flow_runs", whole)
        seen: set[str] = set()
        after, offset, stale = since, 0, 0
        while page := self.read(
            "flow_runs/filter",
            {"flow_runs": asked | started(after), "sort": "START_TIME_ASC", "limit": PAGE, "offset": offset},
            RUNS,
        ):
            new = {run.id: run for run in page if run.id not in seen}
            seen |= new.keys()
            stale = 0 if new else stale + 1
            if stale > STALE_PAGES or len(seen) > 2 * promised + NEW_MEANWHILE:
                raise self._endless("flow_runs")
            if new:
                yield list(new.values())
            starts = {run.id: run.start_time for run in page if run.start_time and run.start_time >= after}
            latest = max(starts.values(), default=after)
            # Of the moment where the page ended there may be more: it is read again, then passed by the row.
            after, offset = (latest, 0) if latest > after else (after, offset + len(starts))
        self._must_be_whole("flow_runs", whole, len(seen), promised)

    def late(self, now: datetime, asked: dict[str, Any]) -> list[FlowRun]:
        """Runs that the scheduler planned for a time that has come, and that did not start; ``asked`` narrows them.

        The latest planned come first, and only so many are read: where no worker runs they pile up without an end.
        """
        due = {
            "expected_start_time": {"before_": now.astimezone(UTC).isoformat()},
            "start_time": {"is_null_": True},
            "state": {"type": {"any_": ["SCHEDULED", "PENDING"]}},
        }
        rows: dict[str, FlowRun] = {}
        for page in range(LATE_PAGES):
            body = {"flow_runs": asked | due, "sort": "EXPECTED_START_TIME_DESC", "limit": PAGE, "offset": page * PAGE}
            found = self.read("flow_runs/filter", body, RUNS)
            if not found:
                break
            rows |= {run.id: run for run in found if run.auto_scheduled}
        return list(rows.values())

    def _endless(self, kind: str) -> CaseproofError:
        return PlatformDown(
            f"The Prefect API at {self._api.address} lists {_words(kind)} without an end.",
            "Nothing is judged by such a list. Look at what stands in front of it (a proxy, a cache), then try again.",
        )


def started(after: datetime) -> dict[str, Any]:
    """The filter for runs that started at this moment or later."""
    # Prefect compares the planned start where there is no real one, and counts the moment itself.
    return {"start_time": {"after_": after.astimezone(UTC).isoformat(), "is_null_": False}}


def portions(values: Iterable[str]) -> Iterator[list[str]]:
    """The values in lists that one question may hold."""
    ordered = sorted(values)
    return (ordered[start : start + PAGE] for start in range(0, len(ordered), PAGE))


def _called_like(jobs: Collection[str] | None) -> Iterator[Asked]:
    """What to ask for: all deployments, or those whose flow and name are among these jobs' (maybe a few more)."""
    if jobs is None:
        yield {}
        return
    for some in portions({job_id for job_id in jobs if "/" in job_id}):
        flows, names = zip(*(job_id.split("/", 1) for job_id in some), strict=True)
        yield {"deployments": {"name": {"any_": sorted(set(names))}}, "flows": {"name": {"any_": sorted(set(flows))}}}


def _words(kind: str) -> str:
    return {"flow_runs": "runs"}.get(kind, kind)
