"""The report, the policy and the platforms in the web app: what they show, and what they never do."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

from fastapi.testclient import TestClient

from caseproof.config.policy import BUILT_IN
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.containment.checking import CheckPlan
from caseproof.procedure.keeper.problems import about_platform, note_problems
from caseproof.procedure.keeper.rechecking import STOPS_READ
from caseproof.procedure.views.check_report import Checked
from caseproof.procedure.views.platforms import note_check
from caseproof.procedure.views.reporting import TABLES


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


# -- the report -------------------------------------------------------------------------------------------------------


def test_the_report_has_a_period_its_tables_and_each_of_them_as_csv(world: Any, client: TestClient) -> None:
    bad = "=HYPERLINK(A1)"
    refs = [world.waiting("offers/a", retailer=bad, marketplace="-2+3"), world.opened("offers/b", retailer="@x\n=1")]
    page = client.get("/report")
    assert page.status_code == 200
    for title in ("How long it took", "Week by week", "By cause", "By retailer", "Open at the end"):
        assert title in read(page.text)
    assert f'href="/cases/{refs[0]}"' in page.text
    for name in TABLES:
        [link] = re.findall(rf'href="(/report/{name}\.csv\?[^"]+)"', page.text)
        answer = client.get(html.unescape(link))
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [cell for row in rows for cell in row if cell[:1] in set("=+-@\t\r")] == [], name
    opened = client.get("/report/open.csv").content.decode("utf-8-sig")
    one, other = csv.DictReader(io.StringIO(opened))
    assert (one["case"], one["retailer"], one["marketplace"]) == (refs[0], f"'{bad}", "'-2+3")
    assert one["age"].isdecimal(), "seconds, as a number"
    assert other["retailer"].startswith("'@x")


def test_the_period_is_what_the_address_says_and_one_that_cannot_be_is_told(world: Any, client: TestClient) -> None:
    world.opened()
    page = client.get("/report?since=2026-11-03&until=2026-11-08")
    assert "From 2026-11-02 to 2026-11-08" in read(page.text)
    assert 'href="/report/open.csv?since=2026-11-02&amp;until=2026-11-08"' in page.text
    for query, says in (
        ("since=tomorrow", "is no day"), ("since=2027-01-01", "after it ends"), ("since=1999-01-01", "more than"),
        ("until=0001-01-01", "before the year 1"), ("since=%3Cscript%3E", "is no day"),
    ):  # fmt: skip
        answer = client.get(f"/report?{query}")
        assert (answer.status_code, says in read(answer.text), "<script" in answer.text) == (422, True, False), query
        assert client.get(f"/report/open.csv?{query}").status_code == 404
    assert client.get("/report/nothing.csv").status_code == 404
    assert client.get("/report/cannot_stop.csv").status_code == 404


def test_kept_reports_are_listed_and_nothing_else_of_their_folder(world: Any, client: TestClient) -> None:
    folder = world.services.settings.home_folder / "reports"
    folder.mkdir()
    kept = ["case-report-2026-09-21-to-2026-11-20.html", "test-page-2026-11.html", "test-page-2026-10.html"]
    for name in (*kept, "case-report-x.html", "test-page-x.html", "notes.txt"):
        (folder / name).write_text("<p>kept</p>")
    page = client.get("/report").text
    assert re.findall(r'href="/reports/([^"]+)"', page) == kept
    assert [client.get(f"/reports/{name}").text for name in kept] == ["<p>kept</p>"] * 3
    assert client.get("/reports/test-page-x.html").status_code == 404


# -- the policy -------------------------------------------------------------------------------------------------------


def test_the_policy_shows_what_is_set_and_the_rest_with_its_file_version_and_since_when(
    world: Any, client: TestClient
) -> None:
    page = read(client.get("/policy").text)
    assert "Nothing is set" in page
    assert "none of your own: it is built in" in page
    own = world.services.settings.home_folder / "policy.yaml"
    own.write_text(
        BUILT_IN.read_text().replace("cases@example.com", "desk@example.com")
        + "\nstop_scope: {feed: marketplace}\n" * ("stop_scope" not in BUILT_IN.read_text())
    )
    page = client.get("/policy").text
    told = read(page)
    assert "policy.yaml" in told
    assert str(own.parent) not in page, "where the home lies is nobody's business"
    assert re.search(r"Version [0-9a-f]{12}", told)
    assert re.search(r"In force since 20\d\d-\d\d-\d\d \d\d:\d\d UTC", told)
    shown, _, rest = told.partition("The rest, as it is built in")
    assert "mail.reply_to" in shown
    assert "desk@example.com" in shown
    assert "mail.reply_to" not in rest
    assert "keeper.answer_within_days" in rest


def test_a_policy_that_cannot_be_used_is_told_and_no_secret_of_one_is_shown(world: Any, client: TestClient) -> None:
    own = world.services.settings.home_folder / "policy.yaml"
    secret = "https://user:hunter2secret@mail.example.com/?api_key=0123456789abcdef0123456789"
    own.write_text(BUILT_IN.read_text() + f'\ndesk: "{secret}"\n' if "\ndesk:" not in BUILT_IN.read_text() else
                   re.sub(r"\ndesk:.*", f'\ndesk: "{secret}"', BUILT_IN.read_text()))  # fmt: skip
    page = client.get("/policy").text
    assert "mail.example.com" in page
    assert "hunter2secret" not in page
    assert "0123456789abcdef" not in page
    own.write_text("team: [")
    page = client.get("/policy")
    assert (page.status_code, "A newer policy cannot be used" in read(page.text)) == (200, True)


# -- the platforms ----------------------------------------------------------------------------------------------------


def looked(name: str) -> CheckPlan:
    made: Any = object.__new__(CheckPlan)
    for field, value in (("name", name), ("plan", ()), ("jobs", 7)):
        object.__setattr__(made, field, value)
    return made  # type: ignore[no-any-return]


def test_each_platform_tells_what_the_check_and_the_keeper_said_those_first_with_which_something_is_wrong(
    world: Any, client: TestClient
) -> None:
    assert "No platform was checked yet" in read(client.get("/platforms").text)
    ledger = world.services.ledger
    world.waiting("offers/a")
    note_check(ledger, Checked("fine & well", looked("fine & well"), notes=("Shop B has no contact.",)))
    note_check(ledger, Checked("broken", error=CaseproofError("It refuses us: <b>401</b>.", "Save a new token.")))
    note_problems(ledger, {about_platform("jobs"): "It does not answer."})
    with world.services.store.uow() as uow:
        uow.cursors.set(f"{STOPS_READ}jobs", "", world.tick())
        uow.commit()
    page = client.get("/platforms").text
    assert re.findall(r"<h2[^>]*><bdi>(.*?)</bdi>", page) == ["broken", "jobs", "fine &amp; well"]
    told = read(page)
    for says in (
        "The last check was not done to its end: It refuses us: <b>401</b>. Next: Save a new token.",
        "The keeper could not read it in its latest pass", "It does not answer.", "Shop B has no contact.", "Jobs 7",
        "caseproof check --platform jobs --dry-run", "Read by the keeper 2026-11-20",
    ):  # fmt: skip
        assert says in told, says
    assert 'href="/?waits=all&amp;platform=jobs">1</a>' in page
    note_check(ledger, Checked("broken", looked("broken")))
    assert "It refuses us" not in client.get("/platforms").text


def test_the_pages_are_one_line_away_and_only_look(client: TestClient) -> None:
    page = client.get("/").text
    for path in ("/report", "/policy", "/platforms"):
        assert f'href="{path}"' in page
        assert client.post(path).status_code == 405
