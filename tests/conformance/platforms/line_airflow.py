"""Airflow 3 under the suite: its simulator, and a real one."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar

import httpx
import pytest

from blocks.airflow import AirflowJobs
from caseproof.platforms.airflow import AirflowClient
from caseproof.platforms.base import JobPlatform, Run, RunState
from caseproof.up.processes import free_port
from sandbox.airflow import PASSWORD, USER, Airflow
from sandbox.provider import running
from tests.conformance.lines import Liar
from tests.conformance.platforms.line import HttpLine, PlatformLine
from tests.support.real_airflow import AIRFLOW, RealAirflow
from tests.support.real_time import until


class AirflowLine(HttpLine):
    """Airflow 3: its simulator; each job has a twin, or it could not be run while it is stopped."""

    NAME = "Airflow 3"
    BLOCK = AirflowJobs
    ABILITIES = AirflowJobs.ABILITIES.lacking({})
    STATES: ClassVar[Mapping[RunState, str]] = {
        RunState.WAITING: "queued",
        RunState.RUNNING: "running",
        RunState.SUCCEEDED: "success",
        RunState.FAILED: "failed",
    }

    def start(self, request: pytest.FixtureRequest) -> None:
        self.airflow, url = self.enter(running(Airflow()), request)
        self.liar = Liar()
        self.platform = AirflowClient(url, user=USER, password=PASSWORD, transport=self.liar)

    def end(self) -> None:
        self.platform.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        dag = f"feed-{self.mark}-{name}"
        self.airflow.add(dag, f"retailer:{shop}", f"marketplace:{marketplace}", f"connection:{connection}")
        self.airflow.add(f"{dag}-again", f"retailer:{shop}", f"rerun-of:{dag}", schedule=None)
        return dag

    def due(self, job_id: str) -> None:
        self.airflow.due(job_id)

    def ran(self, job_id: str, state: RunState) -> str:
        number = f"manual__{len(self.airflow.runs)}"
        self.airflow.make_run(job_id, number, self.STATES.get(state, "running"))
        if state is RunState.CANCELLED:
            self.airflow.by_hand(job_id, number, "failed")
        return f"{job_id}/{number}"

    def ends(self, run: Run, state: RunState) -> None:
        dag, _, number = run.id.partition("/")
        if state is RunState.CANCELLED:
            self.airflow.by_hand(dag, number, "failed")
        else:
            self.airflow.ends(dag, number, self.STATES[state])

    def vanishes(self, job_id: str) -> None:
        del self.airflow.dags[job_id]

    def lies(self, about: str) -> None:  # noqa: ARG002 - both are the same call
        self.liar.about = "/api/v2/dags/"

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        return AirflowClient(self.ADDRESS, user=USER, password="hunter2", transport=transport, sleep=lambda _: None)

    def endless(self) -> JobPlatform:
        self.ran(self.add("endless"), RunState.SUCCEEDED)
        self.airflow.endless = True
        return self.platform


class RealAirflowLine(PlatformLine):
    """Airflow 3 itself: `make test-airflow` starts one. A test has a pool of its DAGs, each with a twin, for itself."""

    NAME = "a real Airflow 3"
    BLOCK = AirflowJobs
    ABILITIES = AirflowJobs.ABILITIES.lacking({})
    ADDRESS = AIRFLOW
    NEVER: ClassVar[Mapping[str, str]] = {
        "a_survey_comes_to_its_end_or_says_that_it_did_not": "Its lists have an end; the simulator's have none.",
    }
    POOLS: ClassVar[Iterator[int]] = itertools.count(1)
    WIDE: ClassVar[Collection[str]] = ("elsewhere", "theirs")

    def start(self, request: pytest.FixtureRequest) -> None:
        self.airflow = RealAirflow()
        self.is_wide = "wide_stop" in request.node.name
        self.pool, self.names = "", iter("abc")
        self.added: list[str] = []
        self.liar = Liar()
        self.platform = AirflowClient(AIRFLOW, user=USER, password=PASSWORD, transport=self.liar)

    def end(self) -> None:
        for dag in self.added:
            self.airflow.lets_go(dag)
        self.platform.close()
        self.airflow.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        # The pool of number 0 has jobs of another connection and of another retailer besides.
        self.pool = self.pool or f"pool-{0 if self.is_wide else next(self.POOLS)}"
        dag = f"{self.pool}-{name if name in self.WIDE else next(self.names)}"
        until(lambda: self.airflow.knows(dag) and self.airflow.knows(f"{dag}-again"))
        self.added += [dag, f"{dag}-again"]
        job = self.platform.job(dag)
        assert (str(job.retailer).partition("-")[0], job.marketplace, job.connection) == (shop, marketplace, connection)
        return dag

    def due(self, job_id: str) -> None:
        self.airflow.due(job_id)

    def ran(self, job_id: str, state: RunState) -> str:
        if state is RunState.WAITING:
            self.ran(job_id, RunState.RUNNING)  # a DAG does one at a time: the next has to wait
        word = AirflowLine.STATES[state]
        run = self.airflow.starts(job_id, word if state.is_over else "")
        until(lambda: self.airflow.state(job_id, run) == word)
        return f"{job_id}/{run}"

    def ends(self, run: Run, state: RunState) -> None:
        dag, _, number = run.id.partition("/")
        self.airflow.ends(dag, number, AirflowLine.STATES[state])

    def vanishes(self, job_id: str) -> None:
        self.airflow.vanishes(job_id)

    def lies(self, about: str) -> None:  # noqa: ARG002 - both are the same call
        self.liar.about = "/api/v2/dags/"

    def html(self) -> JobPlatform:
        return self.other(f"{AIRFLOW}/home")

    def dead(self) -> JobPlatform:
        return self.other(f"http://127.0.0.1:{free_port()}")

    def expired(self) -> JobPlatform:
        return self.other(AIRFLOW)

    def other(self, url: str) -> JobPlatform:
        """A client with a password that is none, which waits for nothing."""
        return AirflowClient(url, user=USER, password="hunter2", sleep=lambda _: None)
