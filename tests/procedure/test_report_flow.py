"""The report over a real store: as tables, as one page, at the command, in the web app, and as artifacts in Prefect."""

from __future__ import annotations

import base64
import html
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from caseproof.checks.report import period
from caseproof.domain.forms import Word
from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.views.kept_reports import ReportNotKept, write_page
from caseproof.procedure.views.reporting import read_figures, tables
from caseproof.web import create_app
from flows.case_report import case_report
from sandbox.processes import PrefectServer
from tasks import common
from tests.support.command import Run, for_home, runner
from tests.support.world import World

LONG_AGO = datetime(2024, 3, 5, 8, tzinfo=UTC)  # before any clock of a machine that runs this
HOSTILE = "<script>alert(1)</script> | [x](javascript:alert(2))"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world with a closed case, an open one, and one of a retailer with a hostile name."""
    made = make_world()
    made.clock.now = LONG_AGO
    made.closed()
    made.clock.move(days=8)
    for job, retailer in (("offers/feed-b", "Shop A"), ("offers/feed-c", HOSTILE)):
        made.platform.add(job, retailer=retailer)
        made.walk(made.open(job), until="contain")
    made.clock.move(days=1)
    return made


def test_the_figures_follow_from_the_events_in_the_store(world: World) -> None:
    case = world.case("JF-000001")
    assert case.opened is not None
    assert case.closed is not None
    assert case.contained is not None
    found = read_figures(world.services.store, period(world.clock.now, 2))
    assert found.weeks["opened"].tolist() == [0, 1, 2]
    assert found.weeks["closed"].tolist() == [0, 1, 0]
    assert found.times.loc["close", "median"] == case.closed.at - case.opened.at
    assert found.times.loc["contain", "cases"] == 3
    assert found.open.index.tolist() == ["JF-000002", "JF-000003"]
    assert found.weeks["contain"].iloc[1] == case.contained.at - case.opened.at
    assert found.open["turn"].tolist() == ["ours", "ours"]
    spent = {str(whose): total for whose, total in found.turns["total"].items()}
    [words] = case.confirmations or (case.decision,)
    assert case.notice is not None
    assert words is not None
    assert spent["the retailer's"] == words.at - case.notice.at


def test_a_pauses_day_and_an_answered_reply_are_read_of_what_happened_and_no_words(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    world.platform.add("offers/feed-b", retailer="Shop A")
    ref, other = world.open(), world.open("offers/feed-b", cause="our_platform")
    world.walk(ref, until="tell")
    for what in (Word.ANSWERED, Word.WITHOUT):
        number = world.case(ref).question_number + 1
        asked = {"number": number, "form": "retailers-word"}
        world.services.ledger.record(ref, Kind.QUESTION_ASKED, flow_run="run", **asked)
        world.services.ledger.record(ref, Kind.QUESTION_ANSWERED, "operator", answer={"what": str(what)}, **asked)
    world.services.ledger.record(ref, Kind.KEPT_PAUSED, "operator", until="2099-12-01", reason="On holiday.")
    since = world.clock.now - timedelta(days=3)
    with world.services.store.reading() as uow:
        turned, asked_nothing = uow.history.turned(since), uow.history.asked_nothing(since)
    assert [(one, kind, until) for one, kind, _, until in turned] == [
        (ref, "question_answered", ""), (ref, "kept_paused", "2099-12-01"),
    ]  # fmt: skip
    assert asked_nothing == {other}


def test_a_case_that_closed_before_the_period_is_not_read(world: World) -> None:
    since = world.clock.now - timedelta(days=3)
    with world.services.store.reading() as uow:
        assert [case[0] for case in uow.history.cases(since)] == ["JF-000002", "JF-000003"]
        happened = uow.history.events(since, [Kind.OPENED, Kind.STOPPED])
    assert [(ref, kind) for ref, kind, _ in happened] == [
        ("JF-000002", "opened"), ("JF-000002", "stopped"), ("JF-000003", "opened"), ("JF-000003", "stopped"),
    ]  # fmt: skip
    assert all(at.tzinfo is UTC for _, _, at in happened)


def test_a_store_without_a_case_gives_tables_that_say_none(make_world: Callable[..., World]) -> None:
    world = make_world()
    shown = {table.name: table for table in tables(read_figures(world.services.store, period(world.clock.now, 1)))}
    assert [row[2] for row in shown["times"].rows] == ["none"] * 4
    assert (shown["open"].rows, shown["open"].note) == ((), "No case is open.")
    assert {row[-1] for row in shown["weeks"].rows} == {"none"}


def test_the_web_app_serves_kept_reports_and_nothing_beside_them(world: World) -> None:
    name = "case-report-2024-03-04-to-2024-03-13.html"
    write_page(world.home / "reports" / name, "<!doctype html><p>The report.</p>")
    (world.home / "reports" / "secret.html").write_text("x")
    (world.home / "reports" / "case-report-2024-01-01-to-2024-01-02.html").symlink_to(world.home / "caseproof.sqlite")
    visitor = TestClient(create_app(world.services), "http://127.0.0.1:8321", raise_server_exceptions=False)
    answer = visitor.get(f"/reports/{name}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; img-src data:;")
    assert "The report." in answer.text
    others = ("secret.html", "..%2fcaseproof.sqlite", "case-report-2024-01-01-to-2024-01-02.html", "no.html")
    for other in others:
        assert visitor.get(f"/reports/{other}").status_code == 404, other
    assert (world.home / "reports" / name).stat().st_mode & 0o077 == 0


def test_a_page_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(ReportNotKept):
        write_page(tmp_path / "taken", "x")
    assert [one.name for one in tmp_path.iterdir()] == ["taken"]


def test_a_page_takes_the_place_of_no_folder_and_no_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for taken in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ReportNotKept, match="is no file"):
            write_page(taken, "x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for_home(world.home, monkeypatch)
    return runner(monkeypatch, capsys)


def test_the_command_prints_tables_and_writes_a_page_that_needs_nothing_else_and_runs_nothing(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    ended = run("report", "--since", "2024-03-04", "--until", "2024-03-20", "--html", str(file))
    assert ended.code == 0, ended.err
    for text in ("Week by week", "By retailer", "JF-000002", "2024-03-04", str(file)):
        assert text in ended.out, text
    assert file.read_text().startswith("<!doctype html>")
    needs_nothing_else_runs_nothing_and_takes_names_as_text(file.read_text())


def needs_nothing_else_runs_nothing_and_takes_names_as_text(text: str) -> None:
    assert "<script" not in text
    assert html.escape(HOSTILE) in text
    assert set(re.findall(r'(?:src|href)="([^"]{1,30})', text)) == {
        "data:image/png;base64,iVBORw0K", "http://127.0.0.1:8321/cases/JF"
    }  # fmt: skip
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 9
    for one in pictures:
        with Image.open(io.BytesIO(base64.b64decode(one))) as image:
            assert image.width == 1600


def test_the_command_gives_programs_plain_values(run: Run) -> None:
    told = run("report", "--since", "2024-03-04", "--until", "2024-03-20", "--json").json
    assert told["since"] == "2024-03-04T00:00:00+00:00"
    assert [week["opened"] for week in told["weeks"]] == [1, 2, 0]
    assert {row["measure"]: row["cases"] for row in told["times"]}["contain"] == 3
    assert told["weeks"][2]["contain"] is None
    assert {row["retailer"] for row in told["by_retailer"]} == {"Shop A", HOSTILE}


def test_the_command_refuses_a_period_that_cannot_be(run: Run) -> None:
    ended = run("report", "--since", "2024-03-20", "--until", "2024-03-04")
    assert ended.code == 1
    assert "after it ends" in ended.err


# -- the flow ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch, prefect_server: PrefectServer) -> Iterator[str]:
    for_home(world.home, monkeypatch)
    common.installed_services.cache_clear()
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url, PREFECT_LOGGING_TO_API_ENABLED: False}):
        yield prefect_server.api_url
    common.services().store.close()
    common.installed_services.cache_clear()


def artifacts(server: str, flow_run: str) -> dict[str, dict[str, Any]]:
    asked = {"artifacts": {"flow_run_id": {"any_": [flow_run]}}, "limit": 200}
    found = httpx.post(f"{server}/artifacts/filter", json=asked, timeout=60).raise_for_status().json()
    return {one["key"]: one for one in found}


def test_the_flow_shows_the_report_in_prefect_and_keeps_its_page(world: World, server: str) -> None:
    state = case_report(since=date(2024, 3, 4), until=date(2024, 3, 20), return_state=True)
    assert state.is_completed()
    shown = artifacts(server, str(state.state_details.flow_run_id))
    charts = {key: one for key, one in shown.items() if key.startswith("case-report-chart-")}
    assert len(charts) == 9
    assert all("](data:image/png;base64," in one["data"] for one in charts.values())
    assert all(len(one["data"]) < 500_000 for one in shown.values())
    assert {key for key, one in shown.items() if one["type"] == "table"} == {
        f"case-report-{name}"
        for name in ("times", "turns", "weeks", "by-cause", "by-marketplace", "by-retailer", "open")
    }
    name = "case-report-2024-03-04-to-2024-03-20.html"
    assert f"/reports/{name})" in shown["case-report"]["data"]
    assert (world.home / "reports" / name).is_file()
    assert name in str(state.message)
    shows = "".join(f"{one['data']}{one['description']}" for one in shown.values())
    assert "alert" in shows
    drawn = re.findall(r"(?<!\\)(?:<script|\[x\]\(java)", shows)
    assert drawn == [], "names from outside draw nothing into Prefect's pages"
