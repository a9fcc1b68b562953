"""The job farm's answers: as much of Prefect's REST API as ``PrefectJobsClient`` uses.

What is not known here is refused (422), never passed over: a filter that were ignored would look like an answer.
``tests/clients/test_farm.py`` puts the same questions to a real Prefect server.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.farm_http import Asked, Reply
from sandbox.farm_state import OVER, Deployment, FarmRun, FarmState

MOST = 200
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(Exception):
    """The answer is this one."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.reply = Reply({"detail": detail}, status)


class PrefectAnswers:
    """Answers Prefect's routes from a state; ``path`` is what follows ``/api/``."""

    def __init__(self, state: FarmState) -> None:
        self.state = state
        self._plain: dict[tuple[str, str], Callable[[Asked], Reply]] = {
            ("GET", "health"): lambda _: Reply(True),
            ("POST", "flows"): self._new_flow,
            ("POST", "flows/filter"): lambda asked: self._page(asked, self._flows(asked.body), {"NAME_ASC"}),
            ("POST", "deployments"): self._deploy,
            ("POST", "deployments/filter"): self._list_deployments,
            ("POST", "deployments/count"): lambda asked: Reply(len(self._deployments(asked.body))),
            ("POST", "flow_runs/filter"): self._list_runs,
            ("POST", "flow_runs/paginate"): self._page_of_runs,
            ("POST", "flow_runs/count"): lambda asked: Reply(len(self._runs(asked.body))),
            ("GET", "flow_run_states"): self._history,
        }
        self._of_deployment: dict[tuple[str, str], Callable[[Asked, Deployment], Reply]] = {
            ("GET", ""): lambda _, found: Reply(found.row()),
            ("POST", "pause_deployment"): self._pause,
            ("POST", "resume_deployment"): self._resume,
            ("POST", "create_flow_run"): self._create_run,
            ("POST", "schedule"): self._plan,
        }

    def answer(self, asked: Asked, path: str) -> Reply:
        try:
            return self._routed(asked, path.strip("/"))
        except Refused as refused:
            return refused.reply

    def _routed(self, asked: Asked, path: str) -> Reply:
        if plain := self._plain.get((asked.method, path)):
            return plain(asked)
        kind, _, rest = path.partition("/")
        first, _, verb = rest.partition("/")
        if kind == "deployments" and first == "name":
            return Reply(_there(self.state.by_job.get(verb), "Deployment not found").row())
        if kind == "deployments" and (of_deployment := self._of_deployment.get((asked.method, verb))):
            return of_deployment(asked, _there(self.state.deployments.get(first), "Deployment not found"))
        if kind == "flow_runs":
            run = _there(self.state.runs.get(first), "Flow run not found")
            if (asked.method, verb) == ("POST", "set_state"):
                return self._set_state(asked, run)
            if (asked.method, verb) == ("GET", ""):
                return Reply(run.row())
        if kind == "flows" and asked.method == "GET":
            return Reply({"id": first, "name": _there(self.state.flows.get(first), "Flow not found")})
        raise Refused(404, "Not Found")

    # -- deployments ---------------------------------------------------------------------------------------------

    def _new_flow(self, asked: Asked) -> Reply:
        name = asked.body["name"]
        return Reply({"id": self.state.flow(name), "name": name}, 201)

    def _deploy(self, asked: Asked) -> Reply:
        told = {key: asked.body[key] for key in ("tags", "schedules", "paused", "parameters") if key in asked.body}
        return Reply(self.state.deploy(asked.body["flow_id"], asked.body["name"], **told).row(), 201)

    def _list_deployments(self, asked: Asked) -> Reply:
        found = sorted(self._deployments(asked.body), key=lambda one: -one.created)
        return self._page(asked, [one.row() for one in found], {"CREATED_DESC"})

    def _deployments(self, body: Any) -> list[Deployment]:
        asked, flows = body.get("deployments") or {}, body.get("flows") or {}
        _only(asked, "name", "tags")
        _only(flows, "name")
        names, named = _any(asked, "name"), _any(flows, "name")
        tags = set((asked.get("tags") or {}).get("all_", ()))
        return [
            one
            for one in self.state.deployments.values()
            if (names is None or one.name in names) and (named is None or one.flow in named) and tags.issubset(one.tags)
        ]

    def _flows(self, body: Any) -> list[dict[str, str]]:
        asked = body.get("flows") or {}
        _only(asked, "id")
        ids = _any(asked, "id")
        found = [(name, flow_id) for flow_id, name in self.state.flows.items() if ids is None or flow_id in ids]
        return [{"id": flow_id, "name": name} for name, flow_id in sorted(found)]

    def _pause(self, _: Asked, found: Deployment) -> Reply:
        found.pauses += 1
        found.stops += not found.paused
        found.paused = True
        for run in list(found.runs.values()):
            if run.by_itself and run.state.kind == "SCHEDULED" and not run.count:
                self.state.delete(run)
        return Reply(None)

    def _resume(self, _: Asked, found: Deployment) -> Reply:
        found.resumes += 1
        found.paused = False
        return Reply(None)

    def _plan(self, asked: Asked, found: Deployment) -> Reply:
        if "start_time" in asked.body:  # the past: of an interval, its anchor
            at = datetime.fromisoformat(found.schedules[0]["schedule"]["anchor_date"])
            self.state.new_run(found, by_itself=True, planned=at)
            return Reply(None)
        for number in range(asked.body.get("max_runs", 5)):
            at = self.state.now() + timedelta(hours=number + 1)
            self.state.new_run(found, by_itself=True, planned=at)
        return Reply(None)

    # -- runs ----------------------------------------------------------------------------------------------------

    def _create_run(self, asked: Asked, found: Deployment) -> Reply:
        key = asked.body.get("idempotency_key")
        if key and (before := self.state.keys.get((found.flow_id, key))):
            return Reply(before.row())
        named = {"name": asked.body["name"]} if asked.body.get("name") else {}
        values = found.parameters | asked.body.get("parameters", {})
        return Reply(self.state.new_run(found, key=key, parameters=values, **named).row(), 201)

    def _list_runs(self, asked: Asked) -> Reply:
        found = self._runs(asked.body)
        if asked.body.get("sort") == "ID_DESC":
            found.sort(key=lambda run: run.id, reverse=True)
        if asked.body.get("sort") == "EXPECTED_START_TIME_DESC":
            found.sort(key=lambda run: run.planned, reverse=True)
        chosen = self._page(asked, found, {"ID_DESC", "START_TIME_ASC", "EXPECTED_START_TIME_DESC"})
        return Reply([run.row() for run in chosen.body])

    def _page_of_runs(self, asked: Asked) -> Reply:
        return Reply({"results": self._list_runs(asked).body, "count": len(self._runs(asked.body))})

    def _runs(self, body: Any) -> list[FarmRun]:
        """Runs by their start, planned or real."""
        asked = body.get("flow_runs") or {}
        _only(asked, "deployment_id", "start_time", "expected_start_time", "state", "idempotency_key")
        started, jobs = asked.get("start_time") or {}, _any(asked, "deployment_id")
        planned = (asked.get("expected_start_time") or {}).get("before_")
        due = datetime.fromisoformat(planned) if planned else None
        if body.get("deployments") or body.get("flows"):
            jobs = {one.id for one in self._deployments(body) if jobs is None or one.id in jobs}
        after = datetime.fromisoformat(started["after_"]) if started.get("after_") else LONG_AGO
        begun = {False: True, True: False}.get(started.get("is_null_"))
        kinds = _any(asked.get("state") or {}, "type")
        keys = _any(asked, "idempotency_key")
        return [
            run
            for run in self._candidates(jobs, after)
            if begun in (None, run.start is not None)
            and (due is None or run.planned <= due)
            and (kinds is None or run.state.kind in kinds)
            and (keys is None or run.key in keys)
        ]

    def _candidates(self, jobs: set[str] | None, after: datetime) -> Iterable[FarmRun]:
        if jobs is None:
            everything = self.state.in_order()
            return everything[bisect_left(everything, after, key=lambda run: run.sorted_by) :]
        known = (self.state.deployments[job] for job in jobs if job in self.state.deployments)
        mine = [run for found in known for run in found.runs.values() if run.sorted_by >= after]
        return sorted(mine, key=lambda run: run.sorted_by)

    def _history(self, asked: Asked) -> Reply:
        run = self.state.runs.get(asked.query["flow_run_id"])
        return Reply([state.row() for state in run.history] if run else [])

    def _set_state(self, asked: Asked, run: FarmRun) -> Reply:
        told = asked.body["state"]
        kind, status = told["type"], "ACCEPT"
        if not asked.body.get("force"):
            if run.state.kind in OVER:
                return Reply({"state": run.state.row(), "status": "ABORT", "details": {}})
            if kind == "CANCELLING" and run.state.kind == "SCHEDULED":  # no worker has it
                kind, status = "CANCELLED", "REJECT"
        own_words = {} if status == "REJECT" else {"name": told.get("name"), "message": told.get("message")}
        run.becomes(kind, self.state.now(), **own_words)
        self.state.changed()
        return Reply({"state": run.state.row(), "status": status, "details": {}}, 201)

    def _page(self, asked: Asked, rows: list[Any], sorts: set[str]) -> Reply:
        if asked.body.get("sort") not in sorts:
            raise Refused(422, f"The farm does not sort by {asked.body.get('sort')!r}.")
        limit = asked.body.get("limit", MOST)
        offset = asked.body.get("offset", limit * (asked.body.get("page", 1) - 1))
        if limit > MOST:
            raise Refused(422, f"Invalid limit: must be less than or equal to {MOST}.")
        return Reply(rows[offset : offset + limit])


def _there(found: Any, detail: str) -> Any:
    if found is None:
        raise Refused(404, detail)
    return found


def _only(asked: dict[str, Any], *known: str) -> None:
    if unknown := asked.keys() - set(known):
        raise Refused(422, f"The farm does not filter by {', '.join(sorted(unknown))}.")


def _any(asked: dict[str, Any], key: str) -> set[str] | None:
    """The values that are asked for; None for all."""
    found = (asked.get(key) or {}).get("any_")
    return None if found is None else set(found)
