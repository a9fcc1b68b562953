"""Every kind of secret in the messages of jobs on the simulator, and no trace of one anywhere once their cases closed.

The jobs fail with them, their first re-runs fail with them again, and the page of the run that worked shows them. The
cases walk the real flow; then everything that was kept, shown, sent, logged or printed is searched.
"""

from __future__ import annotations

import base64
import email
import html
import json
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.policy import default
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fastapi.testclient import TestClient

from caseproof.cli import app
from caseproof.config.policy import Policy
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.page_check import Shot
from caseproof.http.redaction import secrets_in
from caseproof.platforms.base import RunPage
from caseproof.platforms.prefect import PrefectJobsClient
from caseproof.procedure.views.board import board
from caseproof.web import create_app
from sandbox.farm import Farm
from tests.support.fakes import _picture
from tests.support.farm_here import farm_here
from tests.support.planted import PLANTED
from tests.support.world import World

JOBS = 2
FAILED = (
    "Flow run encountered an exception: JobFailed: GET https://bazaar.example.com/orders answered 401: token expired"
)


class Now:
    """The real time: the simulator's clock is."""

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **_: float) -> None:
        pass


def messages() -> list[str]:
    """All kinds, a line each, in as many messages; what ends in the middle of a secret stands last."""
    kinds = sorted(PLANTED, key=lambda one: one.kind == "PEM that was cut")
    return ["\n".join([FAILED, *(one.text for one in kinds[number::JOBS])]) for number in range(JOBS)]


class Simulator(PrefectJobsClient):
    """A client of the simulator, where a run that was started ends as soon as somebody waits for it."""

    def __init__(self, farm: Farm) -> None:
        super().__init__(farm.api_url, farm.url)
        self._direct = httpx.Client(base_url=f"{farm.api_url}/", timeout=60)
        self.ends: list[dict[str, str]] = []

    def start_run(self, *given: object, **more: object) -> object:  # type: ignore[override]
        run = super().start_run(*given, **more)  # type: ignore[arg-type]
        for state in ({"type": "RUNNING", "name": "Running"}, self.ends.pop(0)):
            self._direct.post(f"flow_runs/{run.id}/set_state", json={"state": state, "force": True}).raise_for_status()
        return run

    def pass_time(self) -> None:
        pass

    def close(self) -> None:
        self._direct.close()
        super().close()


@pytest.fixture
def place(tmp_path: Path, migrated: Path, built_in: Policy) -> Iterator[tuple[World, Simulator, list[str]]]:
    """A world whose jobs are on the simulator, and the jobs' messages."""
    told, began = messages(), datetime.now(UTC) - timedelta(hours=1)
    jobs = [
        {
            "id": f"feed/shop-{number}",
            "tags": ["retailer:Shop A", "marketplace:North", "connection:sftp-1"],
            "runs": [{"start": began.isoformat(), "seconds": 5, "state": "FAILED", "message": message}],
        }
        for number, message in enumerate(told)
    ]
    with farm_here(jobs) as farm, closing(Simulator(farm)) as platform:
        home = Path(shutil.copytree(migrated, tmp_path / "home"))
        world = World(home, Now(), built_in.model_copy(deep=True))  # type: ignore[arg-type]
        world.platform = platform  # type: ignore[assignment]
        yield world, platform, told
        world.services.store.close()


def test_forty_kinds_of_secrets_in_a_job_are_nowhere_after_its_case(
    place: tuple[World, Simulator, list[str]],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, platform, told = place
    assert len(PLANTED) >= 40
    assert all(part in "\n".join(told) for one in PLANTED for part in one.parts), "all of it is planted"
    caplog.set_level(logging.DEBUG)
    shown: list[object] = []
    for number, message in enumerate(told):
        platform.ends = [
            {"type": "FAILED", "name": "Failed", "message": message},
            {"type": "COMPLETED", "name": "Completed", "message": message},
        ]
        world.camera = camera_that_sees(message, world)  # type: ignore[assignment]
        ref = world.open(job=f"feed/shop-{number}")
        case = world.walk(ref)
        shown += [world.walker.shown, world.walker.name, world.walker.tags]
        assert case.is_closed
        assert world.count(ref, Kind.RUN_FAILED) == 1, "the re-run failed, with the message"
        assert "[hidden]" in next(e.data["why"] for e in case.events if e.kind is Kind.RUN_FAILED)
        assert "answered 401" in case.facts["summary"], "what is no secret stays readable"

    shown.append(board(world.services.ledger, world.services.policy.keeper))
    pages = web_pages(world)
    printed = what_the_command_prints(world, monkeypatch, capsys)
    logged = [record.getMessage() + str(record.exc_info or "") for record in caplog.records]
    places = {
        "shown on our Prefect": repr(shown), "web pages": pages, "printed": printed, "logs": "\n".join(logged),
        "mail": "\n".join(_mail(content) for content, _, _ in world.mail.taken), "database": _database(world.home),
        **dict(_files(world.home)),
    }  # fmt: skip
    assert len(places) > 15
    found = [f"{one.kind} in {where}" for where, text in places.items() for one in PLANTED if _is_in(one.parts, text)]
    assert found == []


def camera_that_sees(message: str, world: World) -> Callable[[RunPage], Shot]:
    """A page that prints the run's message; the camera hands on what a browser's does."""

    def take(page: RunPage) -> Shot:
        text, _ = secrets_in("\n".join((*page.names, page.success, message)), (*page.names, page.success))
        return Shot(_picture(), text, page.url, 200, world.clock())

    return take


def web_pages(world: World) -> str:
    with TestClient(create_app(world.services), base_url="http://127.0.0.1:8321") as client:
        with world.services.store.reading() as uow:
            refs = [row.ref for row in uow.cases.rows()]
            tickets = [f"T-{row.id:06d}" for row in uow.tickets.rows()]
        asked = ["/", "/cases", "/inbox", *(f"/cases/{ref}" for ref in refs), *(f"/tickets/{one}" for one in tickets)]
        answers = [client.get(path) for path in asked]
    assert {answer.status_code for answer in answers} == {200}
    return "\n".join(answer.text for answer in answers)


def what_the_command_prints(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("CASEPROOF_HOME", str(world.home))
    capsys.readouterr()
    with world.services.store.reading() as uow:
        ref = uow.cases.rows()[0].ref
    commands = [
        ["case", "show", ref],
        ["case", "list", "--all"],
        ["case", "why", ref],
        ["verify", str(world.proof(ref))],
    ]
    for command in commands:
        for given in (command, [*command, "--json"]):
            app(given, standalone_mode=False)
    said = capsys.readouterr()
    assert ref in said.out
    return said.out + said.err


def _files(home: Path) -> Iterator[tuple[str, str]]:
    for file in home.rglob("*"):
        if file.is_file():
            raw = file.read_bytes()
            yield str(file.relative_to(home)), raw.decode("utf-8", "replace") + _mail(raw)


def _mail(raw: bytes) -> str:
    """What a mail says once it is decoded; nothing of what is none."""
    if b"\nSubject:" not in raw[:4000]:
        return ""
    parts = email.message_from_bytes(raw, policy=default).walk()
    return "\n".join(part.get_content() for part in parts if part.get_content_maintype() == "text")


def _database(home: Path) -> str:
    text = []
    for file in home.rglob("*"):
        if not file.is_file() or not file.read_bytes().startswith(b"SQLite format 3"):
            continue
        with closing(sqlite3.connect(file)) as connection:
            text += connection.iterdump()
    assert text
    return "\n".join(text)


def _is_in(parts: tuple[str, ...], text: str) -> bool:
    """Whether a part stands in a text, plain or in what texts are put into."""
    ways = [
        str, html.escape, quote, lambda part: json.dumps(part)[1:-1], lambda part: json.dumps(json.dumps(part))[3:-3],
        lambda part: base64.b64encode(part.encode()).decode().rstrip("=")[:-1],
    ]  # fmt: skip
    return any(way(part) in text for part in parts for way in ways)
