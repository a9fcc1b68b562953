"""A case on an HTTP job service, its ticket in Zoho Desk: real HTTP to both, a real Chromium (J2, J7, J10, E12)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from caseproof.desks.zoho import ZohoDesk
from caseproof.desks.zoho_wire import ZohoAccount
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.http_jobs import HttpJobsClient
from caseproof.platforms.http_jobs_access import Access
from caseproof.platforms.http_jobs_declared import read_service
from caseproof.procedure.closing.proving import take_photo, with_browser
from sandbox.job_service import TOKEN, JobService, SimulatedJob
from sandbox.provider import running
from sandbox.zoho import CLIENT, CONTACT, DEPARTMENT, ORGANISATION, REFRESH, SECRET, ZohoSimulator
from tests.support.job_service import DECLARATION
from tests.support.world import JOB, World

SESSION = "a-made-up-session"


class OnHttp:
    """The world's platform: a client of the service. Its time passes by the world's own clock."""

    def __init__(self, client: HttpJobsClient) -> None:
        self._client = client

    def pass_time(self) -> None:
        """Nothing: the service looks at the clock itself."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.fixture
def service(world: World) -> Iterator[JobService]:
    """A job of Shop A's that fails each hour, on a service of its own; the world's platform is its client."""
    job = SimulatedJob(
        JOB, shop="Shop A", marketplace="bazaar", connection="sftp", every_seconds=3600, outcome="broken",
        text="401: the token expired",
    )  # fmt: skip
    with running(JobService([job], page_session=SESSION, clock=world.clock)) as (service, address):
        access = Access(f"{address}/api", f"{address}/ui", secret=TOKEN, page_headers={"Cookie": f"session={SESSION}"})
        client = HttpJobsClient(read_service(DECLARATION), access, sleep=world.sleep)
        world.platform = OnHttp(client)  # type: ignore[assignment]
        world.clock.move(hours=2)
        yield service
        client.close()


@pytest.fixture
def zoho(world: World) -> Iterator[ZohoSimulator]:
    """A Zoho Desk with statuses of its own names, as the world's desk."""
    with running(ZohoSimulator()) as (zoho, address):
        zoho.statuses = {"Offen": "Open", "Erledigt": "Closed"}
        account = ZohoAccount(
            "zoho",
            ORGANISATION,
            DEPARTMENT,
            CONTACT,
            CLIENT,
            SECRET,
            REFRESH,
            api_url=f"{address}/api/v1",
            login_url=address,
        )
        desk = ZohoDesk(account, world.home, lambda: datetime.now(UTC), sleep=lambda _: None)
        world.desk = desk  # type: ignore[assignment]
        yield zoho
        desk.close()


def test_a_case_on_an_http_job_service_closes_with_a_picture_of_its_own_page_on_a_ticket_in_zoho(
    world: World, service: JobService, zoho: ZohoSimulator
) -> None:
    assert [run.said for run in world.platform.runs_since(JOB, world.clock().replace(hour=0))] == ["broken"] * 2
    ref = world.open()
    world.walk(ref, until="tell")
    assert not service.active(service.jobs[JOB])
    world.clock.move(hours=5)
    assert len(world.platform.runs_since(JOB, world.clock().replace(hour=0))) == 2

    service.jobs[JOB].outcome, service.jobs[JOB].text = "done", ""
    world.walk(ref, until="live")
    assert service.active(service.jobs[JOB])
    look = partial(with_browser, world.services.settings, world.clock)
    take_photo(world.services.ledger, world.services.files, world.platform, ref, look)
    photo = world.case(ref).photo
    assert photo["url"].endswith(f"/ui/runs/{world.case(ref).verified['run']}")
    assert "Done" in world.vault.read(photo["text"]).decode()

    closed = world.walk(ref)
    assert closed.is_closed
    assert world.camera.taken == 0
    assert all(check.ok for check in verify_proof(world.proof(ref)))
    (ticket,) = zoho.of(ref)
    assert len(zoho.tickets) == 1
    assert zoho.statuses[ticket.status] == "Closed"
    assert {(one.name, one.size) for one in world.desk.attachments(ticket.id)} == {
        (file["name"], len(ticket.contents[file["id"]])) for file in ticket.files
    }
    assert world.vault.read(photo["evidence"]) in ticket.contents.values()
    assert [run.note is not None for run in service.runs.values()].count(True) == 1
    assert SESSION.encode() not in b"".join(path.read_bytes() for path in world.home.rglob("*") if path.is_file())
    assert Kind.SCHEDULE_LIVE in world.kinds(ref)
