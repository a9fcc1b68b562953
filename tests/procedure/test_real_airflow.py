"""A case on a real Airflow closes with a picture of Airflow's own page (`make test-airflow` starts one)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from caseproof.domain.errors import CaseproofError
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.airflow import AirflowClient
from caseproof.platforms.base import RunState
from caseproof.procedure.closing.proving import take_photo, with_browser
from sandbox.airflow import PASSWORD, USER
from tests.support.fakes import Clock
from tests.support.world import World

URL = os.environ.get("CASEPROOF_TEST_AIRFLOW", "")
JOB, TWIN = "offers_feed", "offers_feed_again"

pytestmark = pytest.mark.skipif(not URL, reason="it needs a real Airflow: make test-airflow")


class RealClock(Clock):
    """The time as it is, for a real server has it, too; waiting is waiting, a second at most."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)

    def move(self, **by: float) -> None:
        time.sleep(min(1.0, by.get("seconds", 0.0)))


class OnAirflow:
    """The world's platform: the real client."""

    def __init__(self, client: AirflowClient) -> None:
        self._client = client

    def pass_time(self) -> None:
        """Nothing: Airflow looks at the clock itself."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def until(what: Callable[[], Any], seconds: float = 120) -> Any:
    ends = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except CaseproofError:
            if time.monotonic() > ends:
                raise
        assert time.monotonic() < ends, "it took too long"
        time.sleep(1)


def test_a_case_on_a_real_airflow_closes_with_a_picture_of_its_own_page(world: World) -> None:
    world.clock.__class__ = RealClock  # everything in the world has this very clock
    broken = Path(os.environ["CASEPROOF_TEST_BROKEN"])
    broken.touch()
    with AirflowClient(URL, user=USER, password=PASSWORD) as client:
        world.platform = OnAirflow(client)  # type: ignore[assignment]
        until(lambda: client.job(TWIN))
        failing = client.start_run(JOB, f"fails-{time.time_ns()}")
        failed = until(lambda: (run := client.run(failing.id)).state.is_over and run)
        assert (failed.state, failed.job) == (RunState.FAILED, JOB)
        assert "401 from the marketplace: the token expired" in failed.message

        ref = world.open(JOB)
        world.walk(ref, until="tell")
        assert client.standing(JOB).is_stopped
        broken.unlink()
        world.walk(ref, until="live")
        assert client.standing(JOB).active
        look = partial(with_browser, world.services.settings, world.clock)
        take_photo(world.services.ledger, world.services.files, world.platform, ref, look)
        photo = world.case(ref).photo
        assert photo is not None
        assert f"/dags/{TWIN}/runs/" in photo["url"]
        assert "Success" in world.vault.read(photo["text"]).decode()
        assert world.walk(ref).is_closed
    assert all(check.ok for check in verify_proof(world.proof(ref)))
    assert any(name.endswith(".png") for name in world.attachments(ref))
