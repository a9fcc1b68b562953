"""A case on a real Airflow closes with a picture of Airflow's own page (`make test-airflow` starts one).

Its ticket is in a real Request Tracker where that could be started, too.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from caseproof.desks.rt import RequestTracker
from caseproof.desks.rt_wire import RtAccount
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.airflow import AirflowClient
from caseproof.platforms.base import RunState
from caseproof.procedure.closing.proving import take_photo, with_browser
from sandbox.airflow import PASSWORD, USER
from tests.support.real_airflow import AIRFLOW, BROKEN
from tests.support.real_time import RealClock, until
from tests.support.request_tracker import PASSWORD as RT_PASSWORD
from tests.support.request_tracker import QUEUE, RT, asked
from tests.support.request_tracker import USER as RT_USER
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


@pytest.fixture
def tracker(world: World) -> Iterator[RequestTracker | None]:
    """The world's desk, where there is a Request Tracker; else tickets are kept in the store."""
    if not RT:
        yield None
        return
    account = RtAccount("tickets", RT, RT_USER, QUEUE, password=RT_PASSWORD)
    with closing(RequestTracker(account)) as desk:
        world.desk = desk  # type: ignore[assignment]
        yield desk


def test_a_case_on_a_real_airflow_closes_with_a_picture_of_its_own_page(
    world: World, tracker: RequestTracker | None, capsys: pytest.CaptureFixture[str]
) -> None:
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
    picture = world.vault.read(photo["evidence"])
    assert picture.startswith(b"\x89PNG")
    [name] = [name for name in world.attachments(ref) if name.endswith(".png")]
    said = [f"{ref} is closed. Its run: {photo['url']}", f"picture: {len(picture)} bytes, {photo['evidence']}"]
    if tracker is not None:
        said += there(ticket_of(world, ref), name, picture)
    with capsys.disabled():
        print("", *said, sep="\n")  # noqa: T201 - what was seen is for whoever ran it


def ticket_of(world: World, ref: str) -> str:
    fact = world.case(ref).ticket
    assert fact is not None
    return str(fact["ticket"])


def there(ticket: str, name: str, picture: bytes) -> list[str]:
    """What Request Tracker shows its own administrator: a resolved ticket that has the picture, byte for byte."""
    row = asked(RT, "GET", f"ticket/{ticket}")
    assert row["Status"] == "resolved"
    listed = asked(RT, "GET", f"ticket/{ticket}/attachments?fields=Filename&per_page=100")["items"]
    [found] = [one["id"] for one in listed if one["Filename"] == name]
    kept = asked(RT, "GET", f"attachment/{found}")
    assert kept["ContentType"] == "image/png"
    content = base64.b64decode(kept["Content"])
    assert content == picture
    version = asked(RT, "GET", "rt")["Version"]
    return [
        f'Request Tracker {version}, ticket {ticket}: {row["Status"]}, "{row["Subject"]}"',
        f"its attachment {found}, {name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}",
    ]
