"""An office beside a real Prefect server, whose cases have flow runs that no worker takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.policy import BUILT_IN
from caseproof.procedure.office import Office
from sandbox.processes import PrefectServer
from tasks import common
from tests.support.case_runs import carried_by_a_run, deploy_stand_in
from tests.support.fakes import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def office(tmp_path: Path, clock: Clock, monkeypatch, prefect_server: PrefectServer) -> Iterator[Office]:
    # Other tests of this server leave runs that wait for a worker.
    policy = tmp_path / "policy.yaml"
    policy.write_text(BUILT_IN.read_text().replace("runs_at_once: 8", "runs_at_once: 1000"))
    monkeypatch.setenv("CASEPROOF_POLICY", str(policy))
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    common.office.cache_clear()
    with disable_run_logger(), temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        deploy_stand_in()
        assert common.office().policy.check.runs_at_once == 1000
        yield dataclasses.replace(common.office(), clock=clock)
    common.office().store.close()
    common.office.cache_clear()


@pytest.fixture
def carried(office: Office) -> Callable[..., tuple[str, str]]:
    """Makes a case whose run is in a state; the case and the run."""
    return partial(carried_by_a_run, office)
