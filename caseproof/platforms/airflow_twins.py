"""Twins: the DAGs by which Airflow's jobs are run once more (docs/adr/0026-airflow-reruns-by-a-twin.md)."""

from __future__ import annotations

from urllib.parse import quote

from caseproof.platforms.airflow_api import AirflowApi
from caseproof.platforms.airflow_wire import DAG, TASKS, Dag
from caseproof.platforms.base import PlatformCannot
from caseproof.platforms.tags import tagged

_NO_TWIN = "Airflow leaves a run of a paused DAG queued, and unpausing the DAG would let its schedule loose."
_MAKE_TWIN = (
    "Give the DAG's file a second DAG with the same tasks, no schedule and the tag `{tag}{job}`, and unpause it"
    " (docs/platform-airflow.md)."
)


class AirflowTwins:
    """Finds the twins of jobs. ``tag``: how the tag begins that says whose twin a DAG is."""

    def __init__(self, api: AirflowApi, tag: str) -> None:
        self._api, self._tag = api, tag
        self._owners: dict[str, str] = {}

    def owner(self, dag: Dag) -> str | None:
        """The job whose twin this DAG is."""
        return tagged(dag.tag_names, self._tag)

    def of(self, job: Dag) -> dict[str, Dag]:
        """The twins of a job, by their ids. A twin has none."""
        if self.owner(job):
            return {}
        found = self._api.dags({"tags": [f"{self._tag}{job.dag_id}"]})
        return {dag_id: dag for dag_id, dag in found.items() if self.owner(dag) == job.dag_id}

    def usable(self, job: Dag) -> str:
        """The id of the DAG that runs the job once more. Raises PlatformCannot where there is none that could."""
        twins = list(self.of(job).values())
        make = _MAKE_TWIN.format(tag=self._tag, job=job.dag_id)
        if not twins:
            raise PlatformCannot(f"{job.dag_id} has no twin that could run while it is stopped. {_NO_TWIN}", make)
        if len(twins) > 1:
            names = ", ".join(twin.dag_id for twin in twins)
            raise PlatformCannot(f"{job.dag_id} has several twins ({names}).", "Leave the tag at one of them.")
        if wrong := self._wrong_with(twins[0], job):
            raise PlatformCannot(f"The DAG {twins[0].dag_id} is no twin of {job.dag_id}: {wrong}.", make)
        return twins[0].dag_id

    def _wrong_with(self, twin: Dag, job: Dag) -> str:
        if twin.timetable_summary is not None or twin.next_dagrun_run_after is not None:
            return "it has a schedule of its own"
        if twin.is_paused:
            return "it is paused, so a run of it would stay queued"
        if (twin.bundle_name, twin.fileloc) != (job.bundle_name, job.fileloc):
            return "another file defines it"
        if self._tasks(twin) != self._tasks(job):
            return "it has other tasks"
        return ""

    def _tasks(self, dag: Dag) -> list[tuple[str, str, tuple[str, ...]]]:
        answer = self._api.call("GET", f"dags/{quote(dag.dag_id, safe='')}/tasks")
        return sorted(task.shape for task in self._api.decoded(answer, TASKS).tasks)

    def job_of(self, dag_id: str) -> str:
        """The job that a DAG's runs belong to. It is asked for once: a run is read until it is over."""
        if dag_id not in self._owners:
            answer = self._api.call("GET", f"dags/{quote(dag_id, safe='')}")
            if answer.is_missing:
                return dag_id
            self._owners[dag_id] = self.owner(self._api.decoded(answer, DAG)) or dag_id
        return self._owners[dag_id]
