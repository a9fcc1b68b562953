"""A made-up Airflow 3: its REST API as measured on 3.3.2, with DAGs, runs, an audit log and tokens that it remembers.

Run it with ``python -m sandbox.airflow --port 8403``; ``POST /simulator/behaviour`` makes it behave badly. A paused DAG
takes a trigger and leaves it queued; a run that is given up is "failed"; a state that is set by hand leaves no mark but
in the audit log; a used run id is 409; what is asked under a wrong path gets a page, as the real one gives it.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

from sandbox.farm_http import Asked, Reply
from sandbox.provider import Simulator, main

Row = dict[str, Any]
USER, PASSWORD = "caseproof", "made-up-password"
LIMIT = 100  # rows on a page at most, whatever is asked for
_RUN_ID = re.compile(r"[A-Za-z0-9_.~:+-]+")
_PAGE = b'<!doctype html><html><head><base href="/" /><title>Airflow</title></head><body></body></html>'


class Airflow(Simulator):
    """One Airflow. ``clock`` is its time less ours, ``rights`` are the user's."""

    def __init__(self) -> None:
        super().__init__()
        self.dags: dict[str, Row] = {}
        self.runs: list[Row] = []
        self.log: list[Row] = []
        self.reasons: dict[str, str] = {}
        self.tokens: set[str] = set()
        self.token_asked = 0
        self.clock = timedelta()
        self.rights = {"edit", "audit"}
        self.scheduler = "healthy"
        self.endless = False
        self.keeps_back = 0  # so many runs it counts and does not give
        self.knows_cursors = True
        self._numbers = itertools.count(1)

    def told(self) -> Any:
        return {"dags": self.dags, "runs": self.runs, "log": self.log}

    # -- what happens in it ----------------------------------------------------------------------------------

    def add(self, dag_id: str, *tags: str, schedule: str | None = "0 * * * *", file: str = "feeds.py") -> None:
        """A DAG that is live; one with a schedule is due at the next full hour."""
        due = (self.now() + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
        self.dags[dag_id] = {
            "dag_id": dag_id,
            "dag_display_name": dag_id,
            "is_paused": False,
            "is_stale": False,
            "fileloc": f"/dags/{file}",
            "bundle_name": "dags-folder",
            "timetable_summary": schedule,
            "next_dagrun_run_after": _text(due) if schedule else None,
            "tags": [{"name": tag, "dag_id": dag_id, "dag_display_name": dag_id} for tag in tags],
            "tasks": ["deliver"],
        }

    def due(self, dag_id: str) -> None:
        """The scheduler looks at the DAG, whose time has come: one that is live gets a run, which is queued."""
        if not self.dags[dag_id]["is_paused"]:
            self.make_run(dag_id, f"scheduled__{self.now().isoformat()}")

    def make_run(self, dag_id: str, run_id: str, state: str = "queued", *, ago: timedelta = timedelta(0)) -> Row:
        """A run; one that is not queued started a moment before ``ago``."""
        at = self.now() - ago
        run = {
            "id": next(self._numbers),
            "dag_id": dag_id,
            "dag_run_id": run_id,
            "state": "queued",
            "start_date": None,
            "end_date": None,
            "note": None,
            "conf": {},
        }
        self.runs.append(run)
        if state != "queued":
            run |= {"state": "running", "start_date": _text(at - timedelta(seconds=1))}
        if state in ("success", "failed"):
            run |= {"state": state, "end_date": _text(at)}
        return run

    def ends(self, dag_id: str, run_id: str, state: str) -> None:
        """A run is executed to this end."""
        run = self.find(dag_id, run_id)
        run["start_date"] = run["start_date"] or _text(self.now())
        run |= {"state": state, "end_date": _text(self.now() + timedelta(milliseconds=5))}

    def find(self, dag_id: str, run_id: str) -> Row:
        """The run's row."""
        return next(run for run in self.runs if (run["dag_id"], run["dag_run_id"]) == (dag_id, run_id))

    def by_hand(self, dag_id: str, run_id: str, state: str, *, bulk: bool = False) -> None:
        """Somebody sets the state of a run, alone or as one of many."""
        if bulk:
            entity = {"dag_id": dag_id, "dag_run_id": run_id, "state": state}
            self._logged("bulk_dag_runs", "~", None, {"actions": [{"action": "update", "entities": [entity]}]})
        else:
            self._logged("patch_dag_run", dag_id, run_id, {"state": state})
        self._set(self.find(dag_id, run_id), state)

    def expire(self) -> None:
        """No token that was given out is valid any more."""
        self.tokens.clear()

    def now(self) -> datetime:
        """Its own time."""
        return datetime.now(UTC) + self.clock

    # -- what it answers -------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> Reply:
        reply = super().answer(asked)
        reply.headers.setdefault("Date", format_datetime(self.now(), usegmt=True))
        return reply

    def served(self, asked: Asked) -> Reply:
        if asked.path == "/auth/token" and asked.method == "POST":
            return self._token(asked.body)
        if not asked.path.startswith("/api/v2/"):
            if asked.method == "GET":
                return Reply(_PAGE, headers={"Content-Type": "text/html"})
            return Reply({"detail": "Method Not Allowed"}, 405)
        path = asked.path.removeprefix("/api/v2/")
        if path == "version":
            return Reply({"version": "3.3.2", "git_version": None})
        if path == "monitor/health":
            return Reply({"metadatabase": {"status": "healthy"}, "scheduler": {"status": self.scheduler}})
        if (told := asked.headers.get("authorization", "")).removeprefix("Bearer ") not in self.tokens:
            return _detail(401, "Token Expired" if told else "Not authenticated")
        needed = "edit" if asked.method != "GET" else "audit" if path == "eventLogs" else ""
        if needed and needed not in self.rights:
            return _detail(403, "Forbidden")
        query = parse_qs(asked.raw_query, keep_blank_values=True)
        if path == "dags":
            return self._dags(query)
        if path == "eventLogs":
            return self._events(query)
        return self._of_dag(asked, path.split("/")[1:], query)

    def pretended(self, asked: Asked) -> Reply:
        parts = asked.path.removeprefix("/api/v2/dags/").split("/")
        return Reply(_shown(self.dags.get(parts[0], {}) | asked.body))

    def _token(self, body: Any) -> Reply:
        self.token_asked += 1
        if body != {"username": USER, "password": PASSWORD}:
            return _detail(401, "Invalid credentials")
        token = f"token-{next(self._numbers)}"
        self.tokens.add(token)
        return Reply({"access_token": token}, 201)

    def _of_dag(self, asked: Asked, parts: list[str], query: dict[str, list[str]]) -> Reply:
        dag_id, rest = parts[0], parts[1:]
        if dag_id != "~" and dag_id not in self.dags:
            return _detail(404, f"The Dag with ID: `{dag_id}` was not found")
        match asked.method, rest:
            case "GET", []:
                return Reply(_shown(self.dags[dag_id]))
            case "PATCH", []:
                if set(asked.body) != {"is_paused"} or query.get("update_mask") != ["is_paused"]:
                    return _detail(400, "Only `is_paused` field can be updated through the REST API")
                self.dags[dag_id]["is_paused"] = bool(asked.body["is_paused"])
                self._logged("patch_dag", dag_id, None, asked.body)
                return Reply(_shown(self.dags[dag_id]))
            case "GET", ["tasks"]:
                shapes = [{"task_id": task, "downstream_task_ids": []} for task in self.dags[dag_id]["tasks"]]
                return Reply({"tasks": shapes, "total_entries": len(shapes)})
            case "GET", ["dagRuns"]:
                return self._runs(dag_id, query)
            case "POST", ["dagRuns"]:
                return self._triggered(dag_id, asked.body)
            case method, ["dagRuns", run_id, *more]:
                run = next((r for r in self.runs if (r["dag_id"], r["dag_run_id"]) == (dag_id, run_id)), None)
                if run is None:
                    return _detail(404, f"The DagRun with dag_id: `{dag_id}` and run_id: `{run_id}` was not found")
                return self._of_run(method, run, more, asked.body)
        return _detail(404, "Not Found")

    def _triggered(self, dag_id: str, body: Any) -> Reply:
        if not isinstance(body, dict) or "logical_date" not in body or not _RUN_ID.fullmatch(body["dag_run_id"]):
            return Reply(
                {"detail": [{"type": "missing", "loc": ["body", "logical_date"], "msg": "Field required"}]}, 422
            )
        self._logged("trigger_dag_run", dag_id, body["dag_run_id"], body)
        if any((r["dag_id"], r["dag_run_id"]) == (dag_id, body["dag_run_id"]) for r in self.runs):
            return Reply({"detail": {"reason": "Unique constraint violation", "statement": "hidden"}}, 409)
        run = self.make_run(dag_id, body["dag_run_id"])
        run["conf"] = body.get("conf") or {}
        return Reply(_shown(run))

    def _of_run(self, method: str, run: Row, more: list[str], body: Any) -> Reply:
        match method, more:
            case "GET", []:
                return Reply(_shown(run))
            case "PATCH", []:
                self._logged("patch_dag_run", run["dag_id"], run["dag_run_id"], body)
                run["note"] = body.get("note", run["note"])
                if "state" in body:
                    self._set(run, body["state"])
                return Reply(_shown(run))
            case "GET", ["taskInstances"]:
                failed = run["state"] == "failed" and run["start_date"]
                task = {"task_id": "deliver", "map_index": -1, "try_number": 1, "end_date": run["end_date"]}
                return Reply({"task_instances": [task] if failed else [], "total_entries": int(bool(failed))})
            case "GET", ["taskInstances", _, "logs", _]:
                why = self.reasons.get(run["dag_id"], "the shop's server does not answer")
                error = [{"exc_type": "RuntimeError", "exc_value": why}]
                lines = [{"event": "::group::Log message source details"}, {"event": "delivering"}]
                told = {"event": "Task failed with exception", "level": "error", "error_detail": error}
                return Reply({"content": [*lines, told], "continuation_token": None})
        return _detail(404, "Not Found")

    def _set(self, run: Row, state: str) -> None:
        """As the real one: a run that is over keeps its times."""
        if run["state"] in ("queued", "running"):
            run["end_date"] = _text(self.now() + timedelta(milliseconds=5))
        run["state"] = state

    def _dags(self, query: dict[str, list[str]]) -> Reply:
        tags = set(query.get("tags", ()))
        found = [
            dag
            for _, dag in sorted(self.dags.items())
            if not dag["is_stale"] and tags <= {tag["name"] for tag in dag["tags"]}
        ]
        limit, offset = _window(query)
        return Reply({"dags": [_shown(d) for d in found[offset : offset + limit]], "total_entries": len(found)})

    def _runs(self, dag_id: str, query: dict[str, list[str]]) -> Reply:
        states, since = query.get("state"), query.get("start_date_gte", [""])[0]
        found = [
            run
            for run in self.runs
            if dag_id in ("~", run["dag_id"])
            and (states is None or run["state"] in states)
            and (not since or run["start_date"] is None or _time(run["start_date"]) >= _time(since))
        ]
        limit, offset = _window(query)
        total: Row = {"total_entries": len(found)}
        given = found[: len(found) - self.keeps_back] if self.keeps_back else found
        cursor = query.get("cursor") if self.knows_cursors else None
        if self.knows_cursors:
            total |= {"next_cursor": None, "previous_cursor": None, "total_entries_limit": None}
        if cursor is not None:
            last = int(base64.b64decode(cursor[0])) if cursor[0] else 0
            behind = given if self.endless else [run for run in given if run["id"] > last]
            page = behind[:limit]
            if self.endless or len(behind) > limit:
                total["next_cursor"] = base64.b64encode(str(page[-1]["id"]).encode()).decode()
        else:
            page = given if self.endless else given[offset : offset + limit]
        return Reply({"dag_runs": [_shown(run) for run in page], **total})

    def _events(self, query: dict[str, list[str]]) -> Reply:
        wanted, after = query.get("included_events"), query.get("after", [""])[0]
        found = [
            row
            for row in self.log
            if (wanted is None or row["event"] in wanted) and (not after or _time(row["when"]) > _time(after))
        ]
        limit, offset = _window(query)
        return Reply({"event_logs": found[offset : offset + limit], "total_entries": len(found)})

    def _logged(self, event: str, dag_id: str, run_id: str | None, extra: Row) -> None:
        self.log.append(
            {
                "event_log_id": next(self._numbers),
                "when": _text(self.now()),
                "dag_id": dag_id,
                "run_id": run_id,
                "event": event,
                "owner": USER,
                "extra": json.dumps({**extra, "method": "PATCH"}),
            }
        )


def _shown(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in ("id", "tasks")}


def _window(query: dict[str, list[str]]) -> tuple[int, int]:
    return min(int(query.get("limit", ["50"])[0]), LIMIT), int(query.get("offset", ["0"])[0])


def _detail(status: int, words: str) -> Reply:
    return Reply({"detail": words}, status)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" ", "+"))


if __name__ == "__main__":
    sys.exit(main(lambda _: Airflow(), argparse.ArgumentParser(description=__doc__)))
