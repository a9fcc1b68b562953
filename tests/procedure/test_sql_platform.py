"""A case on a table of jobs: no page of its own, so one that Caseproof renders, where the policy takes it (J7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from caseproof.domain.closure import closure_blockers
from caseproof.domain.codes import Code
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.pictures import may_be_uploaded
from caseproof.evidence.proof import read_proof, verify_proof
from caseproof.evidence.rendered import RENDERED_MARK, rendered
from caseproof.evidence.screenshot import NotTheRun
from caseproof.platforms.base import RunPage
from caseproof.platforms.sql_jobs import SqlJobsClient
from caseproof.platforms.sql_jobs_declaration import read_sql_declaration
from caseproof.procedure.closing.proving import RenderedPageRefused, with_browser
from sandbox.job_table import DECLARATION, JobTable
from tests.support.world import JOB, World


class OnTable:
    """The world's platform: a client of the table, whose scheduler looks when time passes."""

    def __init__(self, client: SqlJobsClient, table: JobTable, world: World) -> None:
        self._client, self._table, self._world = client, table, world

    def pass_time(self) -> None:
        self._table.pass_time(self._world.clock())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.fixture
def table(world: World, tmp_path: Path) -> Iterator[JobTable]:
    """A job of Shop A's that fails, in a table; the world's platform is its client, and its camera a real browser."""
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with closing(JobTable(url)) as made, closing(SqlJobsClient(url, read_sql_declaration(DECLARATION))) as client:
        made.lasts = timedelta()
        made.add(JOB, title="Offers", marketplace="bazaar")
        made.add_run(JOB, "failed", started=world.clock(), lasted=made.lasts, error="401: the token <b>expired</b>")
        world.platform = OnTable(client, made, world)  # type: ignore[assignment]
        world.camera = partial(with_browser, world.services.settings, world.clock)  # type: ignore[assignment]
        yield made


def allow(world: World) -> None:
    policy = world.services.policy
    closing_policy = policy.closing.model_copy(update={"rendered_pages": True})
    world.services = replace(world.services, policy=policy.model_copy(update={"closing": closing_policy}))


def test_it_closes_with_the_picture_of_a_rendered_page_that_says_so_where_the_policy_takes_one(
    world: World, table: JobTable
) -> None:
    allow(world)
    ref = world.open()
    world.walk(ref, until="tell")
    assert not table.is_enabled(JOB), "J2"
    world.walk(ref, until="live")
    table.run("UPDATE feed_runs SET error = '<img src=x><b>2 left out</b>' WHERE request IS NOT NULL")
    closed = world.walk(ref)
    assert closed.is_closed
    assert table.is_enabled(JOB)
    assert table.ask("SELECT count(*) FROM feed_runs WHERE request IS NOT NULL") == [(1,)]
    shown = world.vault.read(closed.photo["text"]).decode()
    for words in (RENDERED_MARK, closed.verified["run"], "done", ref, "<img src=x><b>2 left out</b>"):
        assert words in shown
    proof = world.proof(ref)
    assert all(check.ok for check in verify_proof(proof)), verify_proof(proof)
    claims = read_proof(proof)
    assert claims["picture"]["kind"] == "rendered"
    assert "a page that Caseproof rendered" in claims["statement"]
    assert any(name.endswith("-rendered.png") for name in world.attachments(ref))


def test_by_default_it_is_refused_nothing_is_pictured_and_a_person_may_upload_one(
    world: World, table: JobTable
) -> None:
    ref = world.open()
    with pytest.raises(RenderedPageRefused) as refused:
        world.walk(ref)
    assert refused.value.code is Code.RENDERED_PAGE
    assert "closing.rendered_pages" in refused.value.next_action
    case = world.case(ref)
    assert Kind.PHOTOGRAPHED not in world.kinds(ref)
    assert not case.is_closed
    assert "pictured" in {blocker.code for blocker in closure_blockers(case)}
    assert may_be_uploaded(case)
    assert table.is_enabled(JOB), "the re-run was verified: it is live while its picture is waited for"


@pytest.mark.parametrize("said", ["failed", "taken back by hand", "2"])
def test_of_a_run_that_is_told_as_another_state_by_now_no_page_is_rendered_whatever_its_message_says(
    world: World, table: JobTable, said: str
) -> None:
    """On a page that we render, a message in a cell by itself would read as the state."""
    allow(world)
    ref = world.open()
    world.walk(ref, until="live")
    table.run("UPDATE feed_runs SET state = :said, error = 'done' WHERE request IS NOT NULL", {"said": said})
    with pytest.raises(NotTheRun, match=f'tells the run as "{said}" by now'):
        world.walk(ref)
    case = world.case(ref)
    assert case.photo is None
    assert [event.data["code"] for event in case.events if event.kind is Kind.PHOTO_REFUSED] == ["shows_another_state"]
    assert not may_be_uploaded(case), "no picture of anything else outweighs that"


def test_what_a_table_tells_is_shown_as_it_is_and_not_as_it_would_have_itself_read(world: World) -> None:
    told = (("Run", "run-1\u202eenod\u202c\x1b[31m"), ("Message", f"{'x' * 5_000}\nline two"))
    page = rendered(
        RunPage("", ("run-1",), "done", told=told), case="JF-000001", platform="table\u2066", read_at=world.clock()
    )
    assert not any(sign in page.html for sign in "\u202e\u202c\u2066\x1b")
    assert "run-1enod" in page.html
    assert len(page.html) < 5_000
