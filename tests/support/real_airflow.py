"""The Airflow that `make test-airflow` starts; the tests on it run where it is there."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from sandbox.airflow import PASSWORD, USER
from tests.support.real_time import until

AIRFLOW = os.environ.get("CASEPROOF_TEST_AIRFLOW", "")
"""Its address; empty where there is none."""
HOME = Path(os.environ.get("CASEPROOF_TEST_AIRFLOW_HOME", "."))
"""Its folder: its database, and the signs that its DAGs look at (sandbox/airflow_dags)."""
BROKEN = HOME / "signs" / "broken"
"""While this file is there, the feeds fail."""
SECONDS = 120
"""How long one answer may take: all of Airflow is in one SQLite, and on a busy machine it waits for itself."""
_OVER = ("success", "failed")


class RealAirflow:
    """What its people and its clock do in it, for a test. Runs are told by the DAG and the run's own id."""

    def __init__(self) -> None:
        body = {"username": USER, "password": PASSWORD}
        token = (
            httpx.post(f"{AIRFLOW}/auth/token", json=body, timeout=SECONDS).raise_for_status().json()["access_token"]
        )
        self._http = httpx.Client(
            base_url=f"{AIRFLOW}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS
        )

    def close(self) -> None:
        self._http.close()

    def knows(self, dag: str) -> bool:
        """Whether the DAG is defined, and not paused any more."""
        found = self._http.get(f"/dags/{dag}")
        return found.status_code == 200 and not found.json()["is_stale"]

    def starts(self, dag: str, end: str = "") -> str:
        """Somebody starts a run, which ends so, or waits to be told how; the run's id."""
        run = f"manual__{time.time_ns()}"
        asked = {"logical_date": None, "dag_run_id": run, "conf": {"end": end} if end else {}}
        self._http.post(f"/dags/{dag}/dagRuns", json=asked).raise_for_status()
        return run

    def ends(self, dag: str, run: str, end: str) -> None:
        """Tell a run that waits how to end, and see that it does."""
        (HOME / "signs" / f"{dag}--{run}").write_text(end, encoding="ascii")
        until(lambda: self.state(dag, run) == end)

    def by_hand(self, dag: str, run: str, state: str) -> None:
        """Somebody sets the state of a run."""
        self._http.patch(f"/dags/{dag}/dagRuns/{run}", json={"state": state}).raise_for_status()

    def state(self, dag: str, run: str) -> str:
        return str(self._http.get(f"/dags/{dag}/dagRuns/{run}").raise_for_status().json()["state"])

    def lets_go(self, dag: str) -> None:
        """Whatever runs of it still wait end well, so that they hold up no others."""
        (HOME / "signs" / f"{dag}--all").write_text("success", encoding="ascii")

    def vanishes(self, dag: str) -> None:
        """Its file does not define it any more, and somebody deletes what was left."""
        (HOME / "signs" / f"{dag}--gone").touch()
        self._http.delete(f"/dags/{dag}").raise_for_status()

    def due(self, dag: str) -> None:
        """The moment of its schedule has come; back once the scheduler has looked, and what it started is over.

        It has looked once it started the DAG ``clock``, whose moment comes after this one's.
        """
        before = {one: len(self._scheduled(one)) for one in (dag, "clock")}
        for one in before:
            now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
            with closing(sqlite3.connect(HOME / "airflow.db", timeout=60)) as database, database:
                changed = database.execute(
                    "UPDATE dag SET next_dagrun = ?, next_dagrun_data_interval_start = ?, "
                    "next_dagrun_data_interval_end = ?, next_dagrun_create_after = ? WHERE dag_id = ?",
                    (now, now, now, now, one),
                ).rowcount
            assert changed == 1, f"Airflow has no DAG {one}"
        until(lambda: len(self._scheduled("clock")) > before["clock"])
        if not self._http.get(f"/dags/{dag}").json()["is_paused"]:
            until(lambda: (runs := self._scheduled(dag))[before[dag] :] and all(one in _OVER for one in runs))

    def _scheduled(self, dag: str) -> list[Any]:
        """The states of the runs that the schedule started."""
        runs = self._http.get(f"/dags/{dag}/dagRuns", params={"run_type": "scheduled", "limit": "100"})
        return [run["state"] for run in runs.raise_for_status().json()["dag_runs"]]
