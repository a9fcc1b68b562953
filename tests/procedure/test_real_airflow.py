"""A case on a real Airflow closes with a picture of Airflow's own page (`make test-airflow` starts one)."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from caseproof.evidence.proof import verify_proof
from caseproof.platforms.airflow import AirflowClient
from caseproof.platforms.base import RunState
from caseproof.procedure.closing.proving import take_photo, with_browser
from sandbox.airflow import PASSWORD, USER
from tests.support.real_airflow import AIRFLOW, BROKEN
from tests.support.real_time import RealClock, until
from tests.support.world import World

JOB, TWIN = "offers_feed", "offers_feed_again"


class OnAirflow:
    """The world's platform: the real client."""

    def __init__(self, client: AirflowClient) -> None:
        self._client = client

    def pass_time(self) -> None:
        """Nothing: Airflow looks at the clock itself."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_a_case_on_a_real_airflow_closes_with_a_picture_of_its_own_page(world: World) -> None:
    world.clock.__class__ = RealClock  # everything in the world has this very clock
    BROKEN.touch()
    with AirflowClient(AIRFLOW, user=USER, password=PASSWORD) as client:
        world.platform = OnAirflow(client)  # type: ignore[assignment]
        until(lambda: client.job(TWIN))
        failing = client.start_run(JOB, f"fails-{time.time_ns()}")
        failed = until(lambda: (run := client.run(failing.id)).state.is_over and run)
        assert (failed.state, failed.job) == (RunState.FAILED, JOB)
        assert "401 from the marketplace: the token expired" in failed.message

        ref = world.open(JOB)
        world.walk(ref, until="tell")
        assert client.standing(JOB).is_stopped
        BROKEN.unlink()
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
