"""Airflow's REST API on the wire: what is read of its answers, and what its states mean in every platform's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AwareDatetime, BaseModel, TypeAdapter

from caseproof.platforms.base import RunState, Schedule

UNFINISHED = ("queued", "running")
STATES: Mapping[str, RunState] = {
    "queued": RunState.WAITING,
    "running": RunState.RUNNING,
    "success": RunState.SUCCEEDED,
    "failed": RunState.FAILED,
}
BY_HAND = (
    "patch_dag_run",
    "bulk_dag_runs",
    "patch_task_instance",
    "patch_task_group_instances",
    "bulk_task_instances",
)
"""What the audit log calls the setting of a state by a person or a program, of a run or of its tasks."""
_DELTA = re.compile(r"(?:(\d+) days?, )?(\d{1,2}):(\d\d):(\d\d)")
_LONGEST = 4000
"""So many characters of a task's log are taken where it tells no exception: its end."""


class Tag(BaseModel):
    """A tag of a DAG."""

    name: str


class Dag(BaseModel):
    """A DAG. ``timetable_summary`` is its cron line or its interval as text, None for a DAG without a schedule."""

    dag_id: str
    dag_display_name: str
    is_paused: bool
    is_stale: bool = False  # no file defines it any more
    fileloc: str = ""
    bundle_name: str | None = None
    timetable_summary: str | None
    next_dagrun_run_after: AwareDatetime | None
    tags: list[Tag]

    @property
    def tag_names(self) -> list[str]:
        """Its tags as they are written."""
        return [tag.name for tag in self.tags]


class Dags(BaseModel):
    """A page of DAGs."""

    dags: list[Dag]
    total_entries: int


class DagRun(BaseModel):
    """A run. One that was given up while it was queued has no start."""

    dag_id: str
    dag_run_id: str
    state: str
    start_date: AwareDatetime | None
    end_date: AwareDatetime | None

    @property
    def whole_id(self) -> str:
        """What names it on the whole server: no DAG's id has a slash."""
        return f"{self.dag_id}/{self.dag_run_id}"


class DagRuns(BaseModel):
    """A page of runs. ``next_cursor`` is not among the fields of servers that know no cursors."""

    dag_runs: list[DagRun]
    total_entries: int | None = None
    next_cursor: str | None = None


class TaskClass(BaseModel):
    """Which operator a task is."""

    module_path: str = ""
    class_name: str = ""


class Task(BaseModel):
    """A task of a DAG, as far as two DAGs are compared by it."""

    task_id: str
    class_ref: TaskClass | None = None
    downstream_task_ids: list[str] | None = None

    @property
    def shape(self) -> tuple[str, str, tuple[str, ...]]:
        ref = self.class_ref or TaskClass()
        return self.task_id, f"{ref.module_path}.{ref.class_name}", tuple(sorted(self.downstream_task_ids or ()))


class Tasks(BaseModel):
    """All tasks of a DAG."""

    tasks: list[Task]


class TaskInstance(BaseModel):
    """A task of a run."""

    task_id: str
    map_index: int = -1
    try_number: int
    end_date: AwareDatetime | None = None


class TaskInstances(BaseModel):
    """A page of a run's tasks."""

    task_instances: list[TaskInstance]


class LogEntry(BaseModel):
    """An entry of the audit log."""

    event_log_id: int
    when: AwareDatetime
    dag_id: str | None
    run_id: str | None
    event: str
    extra: str | None = None

    def settings(self) -> Iterator[tuple[str, str]]:
        """The runs of which a state was set, by their whole ids, and which state; notes and the like set none."""
        try:
            told = json.loads(self.extra or "{}")
        except ValueError:
            told = {}
        if not isinstance(told, dict):
            return
        if self.run_id and self.run_id != "~" and (state := told.get("state") or told.get("new_state")):
            yield f"{self.dag_id}/{self.run_id}", str(state)
        for action in _dicts(told.get("actions")):
            for entity in _dicts(action.get("entities")):
                state = entity.get("state") or entity.get("new_state")
                run = entity.get("dag_run_id") or self.run_id
                if state and run:
                    yield f"{entity.get('dag_id') or self.dag_id}/{run}", str(state)


def _dicts(told: object) -> list[dict[str, Any]]:
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


class AuditLog(BaseModel):
    """A page of the audit log."""

    event_logs: list[LogEntry]
    total_entries: int


class Token(BaseModel):
    """What lets us in."""

    access_token: str


class Health(BaseModel):
    """What a part of Airflow says of itself."""

    status: str | None = None


class Monitor(BaseModel):
    """Airflow's parts."""

    scheduler: Health


DAG, DAGS = TypeAdapter(Dag), TypeAdapter(Dags)
RUN, RUNS = TypeAdapter(DagRun), TypeAdapter(DagRuns)
TASKS, TASK_INSTANCES = TypeAdapter(Tasks), TypeAdapter(TaskInstances)
AUDIT_LOG, TOKEN, MONITOR = TypeAdapter(AuditLog), TypeAdapter(Token), TypeAdapter(Monitor)


class ByHand:
    """The states that were set by hand, as the audit log tells: a run's row does not (its times stay as they were)."""

    def __init__(self, entries: list[LogEntry]) -> None:
        self._set: dict[str, list[tuple[datetime, str]]] = {}
        for entry in entries:
            for run, state in entry.settings():
                self._set.setdefault(run, []).append((entry.when, state))

    def meaning_of(self, run: DagRun) -> RunState:
        """What the run's state means. Only an executed run that nobody called so succeeded (J10, J11).

        A run that was given up counts as cancelled, not as failed: Airflow knows no state of that name. The log tells
        of a setting before it takes effect, so one that came after the run's end did not end it.
        """
        state = STATES.get(run.state, RunState.UNKNOWN)
        set_so = self._set.get(run.whole_id, ())
        if state is RunState.SUCCEEDED and (run.start_date is None or any(what != "failed" for _, what in set_so)):
            return RunState.UNKNOWN
        if state is RunState.FAILED and (
            run.start_date is None
            or any(what == "failed" and (run.end_date is None or when <= run.end_date) for when, what in set_so)
        ):
            return RunState.CANCELLED
        return state


def schedule_of(dag: Dag, zone: str) -> Schedule | None:
    """The schedule in every platform's words; None for a DAG without one.

    A list of DAGs does not tell their time zones. A cron line is believed to be in ``zone`` where the next start that
    Airflow planned is one of its times there; of any other schedule only that it is there is told.
    """
    summary, planned = dag.timetable_summary, dag.next_dagrun_run_after
    if summary is None:
        return None
    if (found := _DELTA.fullmatch(summary)) and planned:
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        every = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return Schedule(every=every, anchor=planned.astimezone(UTC)) if every else Schedule()
    with suppress(CronSimError, StopIteration, OverflowError):
        if planned and next(CronSim(summary, planned.astimezone(ZoneInfo(zone)) - timedelta(seconds=1))) == planned:
            return Schedule(cron=summary, timezone=zone)
    return Schedule(timezone=zone)


def reason_in(log: Any) -> str:
    """Why a task failed, from its log (the answer's JSON): the exception it ended with, else the log's end."""
    content = log.get("content") if isinstance(log, dict) else None
    if isinstance(content, str):
        return content[-_LONGEST:].strip()
    lines: list[str] = []
    for line in content if isinstance(content, list) else ():
        if isinstance(line, str):
            lines.append(line)
        elif isinstance(line, dict):
            for error in _dicts(line.get("error_detail"))[:1]:
                return f"{error.get('exc_type', '')}: {error.get('exc_value', '')}"
            event = line.get("event")
            if isinstance(event, str) and not event.startswith("::"):
                lines.append(event)
    return "\n".join(lines)[-_LONGEST:].strip()
